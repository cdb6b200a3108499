//! A supervisor under test: started as a process, watched through its log, asked over its socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far longer than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running `fasterapi run`; killed when dropped, whereupon its shards end by themselves.
pub(crate) struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
}

/// The command for this very executable, which is `fasterapi` when it has arguments like it.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.args(arguments);
    command
}

/// `fasterapi run` of the fake application on a free port, with more arguments.
pub(crate) fn run_command(arguments: &[&str]) -> Command {
    let mut command = command(&["run", "fake:app"]);
    command
        .args(["--port", "0", "--no-pin", "--log-level", "debug"])
        .args(arguments);
    command
}

impl Server {
    /// Starts a command and reads its log, without waiting.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the supervisor starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("stderr is piped");
        let sink = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = sink.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log }
    }

    /// Starts the fake application and waits until it serves.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_command(&mut run_command(arguments))
    }

    /// Starts a command and waits until it serves.
    pub(crate) fn start_command(command: &mut Command) -> Self {
        let server = Self::spawn(command);
        server.wait_for("FasterAPI 0.1.0 serves");
        server
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// How often a text is in the log.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_for_count(text, 1);
    }

    pub(crate) fn wait_for_count(&self, text: &str, count: usize) {
        eventually(
            || self.count(text) >= count,
            || format!("{text:?} in\n{}", self.log()),
        );
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the supervisor runs");
    }

    /// Waits for the end; returns the exit code.
    pub(crate) fn wait(&mut self) -> i32 {
        let mut status: Option<ExitStatus> = None;
        eventually(
            || {
                status = self.child.try_wait().expect("our child");
                status.is_some()
            },
            || format!("its end, log:\n{}", self.log.lock().expect("the log")),
        );
        // The last lines may still be in the pipe.
        thread::sleep(Duration::from_millis(30));
        status
            .and_then(|status| status.code())
            .expect("an exit code")
    }

    /// Asks for an orderly end; returns the exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// The port of the banner.
    pub(crate) fn port(&self) -> u16 {
        let log = self.log();
        let rest = log
            .split("http://")
            .nth(1)
            .expect("an address in the banner");
        let address = rest.split(' ').next().expect("a word");
        let port = address.rsplit(':').next().expect("a port");
        port.parse().expect("a number")
    }

    /// What a fresh connection is answered, or why not.
    pub(crate) fn try_get(&self, path: &str) -> std::io::Result<Answer> {
        get_tcp("127.0.0.1", self.port(), path)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path)
            .unwrap_or_else(|error| panic!("{error}, log:\n{}", self.log()))
    }

    /// Asks until `generation` answers: the one before hears of its end at the same moment as
    /// everybody else, and may have accepted a connection just before.
    pub(crate) fn wait_for_generation(&self, generation: &str) {
        eventually(
            || self.get("/").value("generation") == generation,
            || format!("an answer of generation {generation}"),
        );
    }

    /// The living child processes of the supervisor.
    pub(crate) fn shards(&self) -> Vec<Pid> {
        children(self.pid())
            .into_iter()
            .filter(|pid| lives(*pid))
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of an answer of the fake shard.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer(pub(crate) String);

impl Answer {
    /// One `name=value` of it.
    pub(crate) fn value(&self, name: &str) -> String {
        let prefix = format!("{name}=");
        let mut words = self
            .0
            .split(' ')
            .filter_map(|word| word.strip_prefix(&prefix));
        words
            .next()
            .unwrap_or_else(|| panic!("{name} in {self:?}"))
            .to_owned()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.value("pid").parse().expect("a number"))
    }
}

pub(crate) fn get_tcp(host: &str, port: u16, path: &str) -> std::io::Result<Answer> {
    let stream = TcpStream::connect((host, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    exchange(stream, path)
}

pub(crate) fn get_unix(socket: &Path) -> std::io::Result<Answer> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    exchange(stream, "/")
}

fn exchange(mut stream: impl Read + Write, path: &str) -> std::io::Result<Answer> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(Answer(body.to_owned())),
        _ => Err(std::io::Error::other(format!("an answer of {text:?}"))),
    }
}

/// Waits for a condition, or panics with what it waited for.
pub(crate) fn eventually(mut condition: impl FnMut() -> bool, what: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {}", what());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process exists and is no zombie.
pub(crate) fn lives(pid: Pid) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// The children of a process, zombies too.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent))
        .collect()
}

/// The state and the parent of a process, from the fields after its name's parenthesis.
fn stat(pid: Pid) -> Option<(char, Pid)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, Pid::from_raw(fields.next()?.parse().ok()?)))
}

/// A directory of one test's own, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fasterapi-supervisor-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file in the scratch directory");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

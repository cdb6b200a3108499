//! A shard in a thread of the test, and a client that speaks raw bytes to it.
#![allow(dead_code)]

use runtime::{
    Answer, Application, BodyMode, Limits, Listener, Reactor, Reply, Request, RouteId, Router,
    RouterBuilder, Shard, ShardOptions, StaticFolder, Target,
};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything a test waits for on purpose.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

type Handler = Box<dyn Fn(Request<'_>) -> Reply>;

/// Answers each route with a closure.
pub(crate) struct App {
    routes: Vec<(BodyMode, Handler)>,
}

impl Application for App {
    fn body_mode(&self, route: RouteId) -> BodyMode {
        self.routes[route].0
    }

    fn respond(&self, request: Request<'_>) -> Reply {
        (self.routes[request.route].1)(request)
    }
}

/// What a test's server is made of; filled in the server's own thread.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    router: RouterBuilder,
    routes: Vec<(BodyMode, Handler)>,
    pub(crate) middleware: Option<runtime::middleware::Chain>,
    pub(crate) origins: Vec<String>,
}

impl Setup {
    pub(crate) fn route(
        &mut self,
        methods: &[&str],
        path: &str,
        mode: BodyMode,
        handler: impl Fn(Request<'_>) -> Reply + 'static,
    ) {
        self.router
            .add(path, &[], methods, &Target::Route(self.routes.len()));
        self.routes.push((mode, Box::new(handler)));
    }

    pub(crate) fn get(&mut self, path: &str, handler: impl Fn(Request<'_>) -> Reply + 'static) {
        self.route(&["GET"], path, BodyMode::Ignore, handler);
    }

    pub(crate) fn folder(&mut self, prefix: &str, folder: &Path, html: bool, links: bool) {
        let media_type = |name: &str| match name.rsplit_once('.') {
            Some((_, "html")) => "text/html".to_owned(),
            _ => "text/plain".to_owned(),
        };
        let folder = StaticFolder::open(folder, html, links, Box::new(media_type)).unwrap();
        let target = Target::Static(Rc::new(folder));
        self.router
            .add(&format!("{prefix}/{{*rest}}"), &[], &["GET"], &target);
    }
}

pub(crate) fn ready(answer: Answer) -> Reply {
    Reply::Ready(answer)
}

pub(crate) fn bytes(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    let mut answer = Answer::text(status, "");
    answer.body = runtime::AnswerBody::Bytes(body.into());
    answer
}

/// Runs `later` inside the reactor after `delay`.
pub(crate) fn after(delay_ms: u64, later: impl FnOnce() + 'static) {
    runtime::spawn(async move {
        runtime::sleep(Duration::from_millis(delay_ms)).await;
        later();
    });
}

type Command = Box<dyn FnOnce(&Shard<App>) + Send>;

/// A shard that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) unix: PathBuf,
    commands: mpsc::Sender<Option<Command>>,
    bell: UnixStream,
    /// Keeps the socket open when the shard stops accepting, as the supervisor does.
    _listener: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(setup: impl FnOnce(&mut Setup) + Send + 'static) -> Self {
        let folder = Folder::new();
        let unix = folder.path().with_extension("socket");
        let listeners: [OwnedFd; 2] = {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            // The standard library's backlog of 128 is too short for floods.
            nix::sys::socket::listen(&tcp, nix::sys::socket::Backlog::new(4096).unwrap()).unwrap();
            [tcp.into(), UnixListener::bind(&unix).unwrap().into()]
        };
        let address = TcpListener::from(listeners[0].try_clone().unwrap())
            .local_addr()
            .unwrap();
        let _listener = listeners[0].try_clone().unwrap();
        let (commands, inbox) = mpsc::channel();
        let (bell, door) = UnixStream::pair().unwrap();
        door.set_nonblocking(true).unwrap();
        let serve = move || run_shard(setup, listeners, &inbox, &door);
        let thread = Some(std::thread::spawn(serve));
        Self {
            address,
            unix,
            commands,
            bell,
            _listener,
            thread,
        }
    }

    /// Starts a server with nothing special but `GET /` and `POST /`, which echoes.
    pub(crate) fn plain(limits: impl FnOnce(&mut Limits) + Send + 'static) -> Self {
        Self::start(move |setup| {
            limits(&mut setup.limits);
            setup.get("/", |_| ready(Answer::text(200, "hello")));
            setup.route(&["POST"], "/", BodyMode::Collect, |request| {
                match request.body {
                    runtime::RequestBody::Full(body) => ready(bytes(200, body)),
                    runtime::RequestBody::Stream(_) => ready(Answer::text(500, "streamed")),
                }
            });
        })
    }

    fn send(&self, command: Option<Command>) {
        self.commands.send(command).unwrap();
        (&self.bell).write_all(b"!").unwrap();
    }

    /// Runs `work` on the shard's thread between two turns.
    pub(crate) fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shard<App>) -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = mpsc::channel();
        self.send(Some(Box::new(move |shard| {
            sender.send(work(shard)).unwrap()
        })));
        receiver.recv_timeout(PATIENCE).expect("the shard answers")
    }

    pub(crate) fn open(&self) -> u64 {
        self.with(|shard| shard.metrics().connections_open.get())
    }

    /// Waits until `wanted` connections are open.
    pub(crate) fn wait_open(&self, wanted: u64) {
        wait_until("connections settle", || self.open() == wanted);
    }

    pub(crate) fn connect(&self) -> Client<TcpStream> {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Client {
            socket,
            unread: Vec::new(),
        }
    }

    pub(crate) fn connect_unix(&self) -> Client<UnixStream> {
        let socket = UnixStream::connect(&self.unix).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Client {
            socket,
            unread: Vec::new(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.commands.send(None);
        let _ = (&self.bell).write_all(b"!");
        let _ = std::fs::remove_file(&self.unix);
        let Some(thread) = self.thread.take() else {
            return;
        };
        let begun = Instant::now();
        while !thread.is_finished() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        let ended = thread.is_finished() && thread.join().is_ok();
        assert!(
            ended || std::thread::panicking(),
            "the shard hangs or has panicked"
        );
    }
}

fn run_shard(
    setup: impl FnOnce(&mut Setup),
    listeners: [OwnedFd; 2],
    inbox: &mpsc::Receiver<Option<Command>>,
    door: &UnixStream,
) {
    let router = RouterBuilder::new(true);
    let mut made = Setup {
        limits: Limits::default(),
        router,
        routes: Vec::new(),
        middleware: None,
        origins: Vec::new(),
    };
    setup(&mut made);
    let Setup {
        limits,
        router,
        routes,
        middleware,
        origins,
    } = made;
    let router: Router = router.build().unwrap();
    let application = App { routes };
    let shard = Shard::new(ShardOptions {
        application,
        router,
        limits,
        access_log: None,
        middleware,
        websocket_origins: origins,
        proxies: None,
    });
    let reactor = Reactor::new(door.as_fd()).unwrap();
    for listener in listeners {
        let (shard, listener) = (shard.clone(), Listener::new(listener).unwrap());
        runtime::enqueue(move || runtime::spawn(shard.accept_from(listener)));
    }
    loop {
        reactor.turn(None);
        while (&mut &*door).read(&mut [0; 64]).is_ok() {}
        while let Ok(command) = inbox.try_recv() {
            match command {
                Some(command) => command(&shard),
                None => return,
            }
        }
    }
}

/// One response, with the framing taken off its body.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let wanted = format!("{name}: ");
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(&wanted))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A peer.
pub(crate) struct Client<S> {
    pub(crate) socket: S,
    pub(crate) unread: Vec<u8>,
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a GET and reads its answer.
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        self.response()
    }

    /// Sends a GET with more field lines and reads its answer.
    pub(crate) fn get_with(&mut self, target: &str, fields: &str) -> Response {
        self.send(format!(
            "GET {target} HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n"
        ));
        self.response()
    }

    /// Receives once; 0 at the end. A reset is an error.
    pub(crate) fn more(&mut self) -> std::io::Result<usize> {
        let mut buffer = [0; 64 * 1024];
        let count = self.socket.read(&mut buffer)?;
        self.unread.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn must_have(&mut self, count: usize) {
        while self.unread.len() < count {
            assert_ne!(
                self.more().expect("bytes arrive"),
                0,
                "ended early: {:?}",
                self.seen()
            );
        }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.must_have(count);
        self.unread.drain(..count).collect()
    }

    /// The next response head alone.
    pub(crate) fn head(&mut self) -> Response {
        let end = loop {
            if let Some(at) = self
                .unread
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break at + 4;
            }
            assert_ne!(
                self.more().expect("a head arrives"),
                0,
                "ended early: {:?}",
                self.seen()
            );
        };
        let head = String::from_utf8(self.take(end)).unwrap();
        let status = head
            .get(9..12)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        Response {
            status,
            head,
            body: Vec::new(),
        }
    }

    /// The next response with its body.
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        if response.field("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.chunk_size();
                let chunk = self.take(size);
                assert_eq!(self.take(2), b"\r\n");
                if size == 0 {
                    return response;
                }
                response.body.extend(chunk);
            }
        }
        let length = response
            .field("content-length")
            .map_or(0, |length| length.parse().unwrap());
        response.body = self.take(length);
        response
    }

    fn chunk_size(&mut self) -> usize {
        loop {
            if let Some(at) = self.unread.windows(2).position(|bytes| bytes == b"\r\n") {
                let line = self.take(at + 2);
                let digits = std::str::from_utf8(&line[..at]).unwrap();
                return usize::from_str_radix(digits, 16).unwrap();
            }
            assert_ne!(
                self.more().expect("a chunk arrives"),
                0,
                "ended early: {:?}",
                self.seen()
            );
        }
    }

    /// Everything up to the end; panics on a reset.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more().expect("the connection ends, without a reset") > 0 {}
        std::mem::take(&mut self.unread)
    }

    /// The connection ends without another byte.
    pub(crate) fn ends(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.rest()), "");
    }

    /// The connection ends, by a reset or otherwise, without another byte.
    pub(crate) fn ends_somehow(&mut self) {
        match self.more() {
            Ok(count) => assert_eq!(count, 0, "{:?}", self.seen()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}

impl Client<TcpStream> {
    /// True when nothing arrives for a while.
    pub(crate) fn is_quiet_for(&mut self, ms: u64) -> bool {
        self.socket
            .set_read_timeout(Some(Duration::from_millis(ms)))
            .unwrap();
        let quiet = self.unread.is_empty()
            && matches!(self.more(), Err(e) if e.kind() == ErrorKind::WouldBlock);
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        quiet
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        let now = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        nix::sys::socket::setsockopt(&self.socket, nix::sys::socket::sockopt::Linger, &now)
            .unwrap();
    }

    /// Makes the sockets' buffers small on this side.
    pub(crate) fn shrink(&self) {
        nix::sys::socket::setsockopt(
            &self.socket,
            nix::sys::socket::sockopt::RcvBuf,
            &(64 * 1024),
        )
        .unwrap();
    }
}

/// Polls until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fasterapi-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

//! A shard without Python: answers every request with one line about itself, and misbehaves on
//! demand of environment variables.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use embed::control::{FromShard, ShardConfig, ShardEnd, ToShard};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockFlag, accept4, recv, send};

/// Fails at the start with the text of this file, if it exists.
pub(crate) const FAIL_FILE: &str = "FAKE_FAIL_FILE";
/// Ends with code 3 soon after the start while this file exists.
pub(crate) const DIE_FILE: &str = "FAKE_DIE_FILE";
/// Takes so many milliseconds to become ready.
pub(crate) const SLOW_MS: &str = "FAKE_SLOW_MS";
/// Neither drains nor stops.
pub(crate) const DEAF: &str = "FAKE_DEAF";
/// What the answers repeat, to show the shard's environment.
pub(crate) const VALUE: &str = "FAKE_VALUE";

static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);

/// Runs until told to end; returns the exit code.
pub(crate) fn run(control: ShardEnd) -> i32 {
    let config = control
        .receive_config()
        .expect("the configuration comes first");
    if let Ok(text) = std::fs::read_to_string(path(FAIL_FILE)) {
        let failed = FromShard::Failed { message: text };
        control.send(&failed).expect("the supervisor listens");
        return 1;
    }
    let slow_ms = std::env::var(SLOW_MS).map_or(0, |ms| ms.parse().expect("a number"));
    thread::sleep(Duration::from_millis(slow_ms));
    let ready = FromShard::Ready {
        started_ms: slow_ms,
        docs: Some("/docs".to_owned()),
    };
    // The supervisor may have gone meanwhile; then there is nothing to do.
    if control.send(&ready).is_err() {
        return 0;
    }
    let since = Instant::now();
    let deaf = std::env::var_os(DEAF).is_some();
    let mut links = Links::default();
    loop {
        if path(DIE_FILE).exists() && since.elapsed() > Duration::from_millis(20) {
            return 3;
        }
        match control.try_receive() {
            Ok(None) => {}
            Ok(Some(_)) if deaf => {}
            Ok(Some((ToShard::Drain { .. }, _))) | Err(_) => return drain(&control),
            Ok(Some((ToShard::Stop, _))) => return 0,
            Ok(Some((message, fd))) => links.hear(&config, &message, fd),
        }
        links.receive();
        accept(&config, &links);
        thread::sleep(Duration::from_millis(1));
    }
}

fn path(name: &str) -> PathBuf {
    std::env::var_os(name)
        .unwrap_or_else(|| "/nonexistent".into())
        .into()
}

fn drain(control: &ShardEnd) -> i32 {
    while IN_FLIGHT.load(Ordering::SeqCst) > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let _ = control.send(&FromShard::Drained);
    0
}

/// The links to other shards: each is sent this one's process number once.
#[derive(Default)]
struct Links {
    mailbox: Option<OwnedFd>,
    peers: BTreeMap<u32, OwnedFd>,
    /// Who has written.
    heard: BTreeSet<u32>,
    /// Who is to be asked for histories.
    source: Option<u32>,
}

impl Links {
    fn hear(&mut self, config: &ShardConfig, message: &ToShard, fd: Option<OwnedFd>) {
        match message {
            ToShard::Link => {
                assert!(self.mailbox.is_none(), "there is one mailbox");
                self.mailbox = Some(fd.expect("a mailbox"));
            }
            ToShard::Peer { process, histories } => {
                assert!(self.mailbox.is_some(), "the mailbox comes first");
                let fd = fd.expect("the mailbox of another");
                let own = config.process.to_le_bytes();
                // The other may have ended meanwhile.
                let _ = send(fd.as_raw_fd(), &own, MsgFlags::MSG_NOSIGNAL);
                assert!(self.peers.insert(*process, fd).is_none());
                if *histories {
                    assert!(self.source.replace(*process).is_none(), "one is enough");
                }
            }
            ToShard::PeerGone { process } => {
                assert!(self.peers.remove(process).is_some(), "nobody knew it");
            }
            message => panic!("unexpected {message:?}"),
        }
    }

    fn receive(&mut self) {
        let Some(mailbox) = &self.mailbox else { return };
        let mut bytes = [0; 4];
        while recv(mailbox.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) == Ok(4) {
            self.heard.insert(u32::from_le_bytes(bytes));
        }
    }
}

fn accept(config: &ShardConfig, links: &Links) {
    for listener in &config.listeners {
        match accept4(listener.fd, SockFlag::SOCK_CLOEXEC) {
            Ok(connection) => {
                IN_FLIGHT.fetch_add(1, Ordering::SeqCst);
                let answer = describe(config, links);
                thread::spawn(move || {
                    serve(connection, &answer);
                    IN_FLIGHT.fetch_sub(1, Ordering::SeqCst);
                });
            }
            Err(Errno::EAGAIN | Errno::ECONNABORTED | Errno::EINTR) => {}
            Err(errno) => panic!("accept: {errno}"),
        }
    }
}

/// Numbers with commas between them.
fn list<'a>(numbers: impl Iterator<Item = &'a u32>) -> String {
    numbers.map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn describe(config: &ShardConfig, links: &Links) -> String {
    let value = std::env::var(VALUE).unwrap_or_default();
    let notify = std::env::var_os("NOTIFY_SOCKET").is_some();
    format!(
        "pid={} index={} generation={} shards={} value={value} notify={notify} target={} \
         process={} node={} peers={} heard={} source={}",
        std::process::id(),
        config.index,
        config.generation,
        config.shards,
        config.target,
        config.process,
        config.node,
        list(links.peers.keys()),
        list(links.heard.iter()),
        list(links.source.iter()),
    )
}

/// Answers one request; `/slow/MS` takes its time.
fn serve(connection: RawFd, body: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut bytes = [0; 1024];
        match recv(connection, &mut bytes, MsgFlags::empty()) {
            Ok(0) | Err(_) => break,
            Ok(length) => request.extend_from_slice(&bytes[..length]),
        }
    }
    let text = String::from_utf8_lossy(&request);
    if let Some(rest) = text.strip_prefix("GET /slow/") {
        let ms = rest
            .split(' ')
            .next()
            .and_then(|ms| ms.parse().ok())
            .unwrap_or(0);
        thread::sleep(Duration::from_millis(ms));
    }
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = send(connection, (head + body).as_bytes(), MsgFlags::MSG_NOSIGNAL);
    let _ = nix::unistd::close(connection);
}

//! What the supervisor and a shard say to each other: one JSON message per packet of a Unix socket.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, getsockname, socketpair,
};
use runtime::TrustedProxies;
use runtime::limits::Limits;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::logging::{Format, Level};
use crate::passed_fd;

/// Largest control message, in bytes; a longer traceback is cut.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Longest text of `Failed`, in bytes. JSON may need six bytes for one, hence the distance.
const FAILURE_BYTES_MAX: usize = 8 * 1024;

/// What the supervisor tells a shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToShard {
    /// The first message: all that the shard needs to know.
    Configure(Box<ShardConfig>),
    /// Stop accepting, answer what is in flight, end.
    Drain {
        /// How long that may take, in seconds; past it the supervisor kills.
        deadline_s: f64,
        /// Why the shard has to go.
        reason: DrainReason,
    },
    /// End at once: nothing in flight matters any more.
    Stop,
    /// What other shards send arrives in the mailbox whose receiving end comes with this.
    Link,
    /// Another shard serves too; the sending end of its mailbox comes with this.
    Peer {
        /// Which process of the server it is.
        process: u32,
        /// Whether to ask it for the histories of its channels.
        histories: bool,
    },
    /// Another shard has ended.
    PeerGone {
        /// Which process of the server it was.
        process: u32,
    },
}

/// Why a shard drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DrainReason {
    /// The server stops.
    Stop,
    /// A new generation serves on the same sockets.
    Reload,
}

/// What a shard tells the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromShard {
    /// The application is imported and started, and the shard accepts.
    Ready {
        /// How long that took since the process began, in milliseconds.
        started_ms: u64,
        /// The path of the application's documentation page, if it has one.
        docs: Option<String>,
    },
    /// The shard cannot serve; it ends after this.
    Failed {
        /// The reason in the user's terms, a traceback as a rule.
        message: String,
    },
    /// Everything in flight is answered; the shard ends after this.
    Drained,
}

/// All that a shard needs to know before it starts its interpreter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardConfig {
    /// Which shard this is, from 0.
    pub index: usize,
    /// How many shards serve together.
    pub shards: usize,
    /// How often the application was loaded, from 1; a reload counts up.
    pub generation: u64,
    /// Which process of the server this is, from 1: no two are ever the same.
    pub process: u32,
    /// What tells this server from others that share its channels.
    pub node: String,
    /// The CPU to stay on, if any.
    pub cpu: Option<usize>,
    /// The sockets to accept from.
    pub listeners: Vec<ListenerConfig>,
    /// What to serve, as `module:application`.
    pub target: String,
    /// The directory to put first on `sys.path`, absolute.
    pub app_dir: PathBuf,
    /// Most threads of the pool that runs `def` handlers.
    pub threads: usize,
    /// The bounds to hold peers to.
    pub limits: Limits,
    /// Whose word on the client is taken; `None` for nobody's.
    pub proxies: Option<TrustedProxies>,
    /// Whose pages may open WebSockets; empty: all.
    pub websocket_origins: Vec<String>,
    /// Whether every answer is logged.
    pub access_log: bool,
    /// The least level that is logged.
    pub log_level: Level,
    /// How a log line looks.
    pub log_format: Format,
    /// Whether short log lines have colours.
    pub log_color: bool,
    /// Whether a 500 answer carries its traceback.
    pub debug: bool,
    /// Whether `import fastapi` is answered with FasterAPI.
    pub as_fastapi: bool,
    /// The path a proxy strips before us, without a final slash; empty for none.
    pub root_path: String,
    /// The supervisor's process.
    pub supervisor_pid: u32,
}

/// A listening socket that the shard inherits by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerConfig {
    /// The descriptor.
    pub fd: RawFd,
    /// What kind of socket it is.
    pub kind: ListenerKind,
    /// What to call it in a log: a URL, or systemd's name for it.
    pub name: String,
}

/// The kinds of listening sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListenerKind {
    /// TCP over IPv4 or IPv6.
    Tcp,
    /// A Unix stream socket.
    Unix,
}

/// The other end is gone, or says what nobody understands, which ends the talk all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Error::ControlClosed.fmt(f)
    }
}

impl std::error::Error for Closed {}

impl From<Closed> for Error {
    fn from(_: Closed) -> Self {
        Error::ControlClosed
    }
}

/// Makes both ends of a control socket.
pub fn pair() -> Result<(SupervisorEnd, ShardEnd), Error> {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(|errno| Error::system("making a control socket", errno))?;
    Ok((SupervisorEnd { socket: ours }, ShardEnd { socket: theirs }))
}

/// The supervisor's end of one shard's control socket.
#[derive(Debug)]
pub struct SupervisorEnd {
    socket: OwnedFd,
}

impl SupervisorEnd {
    /// Sends without waiting.
    pub fn send(&self, message: &ToShard) -> Result<(), Error> {
        send_message(self.socket.as_fd(), message, None)
    }

    /// Sends a message and a duplicate of a descriptor, without waiting.
    pub fn send_with(&self, message: &ToShard, fd: BorrowedFd<'_>) -> Result<(), Error> {
        send_message(self.socket.as_fd(), message, Some(fd))
    }

    /// Takes the next message if there is one, without waiting.
    pub fn try_receive(&self) -> Result<Option<FromShard>, Closed> {
        let received = receive_message(self.socket.as_fd(), MsgFlags::MSG_DONTWAIT)?;
        Ok(received.map(|(message, _)| message))
    }
}

impl AsFd for SupervisorEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The shard's end of its control socket.
#[derive(Debug)]
pub struct ShardEnd {
    socket: OwnedFd,
}

impl ShardEnd {
    /// Takes the control socket that the supervisor put where stdin goes, and leaves
    /// `/dev/null` in its place.
    ///
    /// Stdin, because that is the one descriptor which can be handed over and adopted without
    /// a moment in which some other child could inherit it.
    pub fn from_stdin() -> Result<Self, Error> {
        let stdin = std::io::stdin();
        let local = getsockname::<SockaddrStorage>(stdin.as_raw_fd());
        if !matches!(local, Ok(address) if address.as_unix_addr().is_some()) {
            return Err(Error::ControlMissing);
        }
        let socket = stdin
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| Error::system("taking the control socket", error))?;
        let null = std::fs::File::open("/dev/null")
            .map_err(|error| Error::system("opening /dev/null", error))?;
        nix::unistd::dup2_stdin(&null).map_err(|errno| Error::system("replacing stdin", errno))?;
        Ok(Self { socket })
    }

    /// Waits for the first message, which must be the configuration.
    pub fn receive_config(&self) -> Result<ShardConfig, Error> {
        match receive_message(self.socket.as_fd(), MsgFlags::empty())? {
            Some((ToShard::Configure(config), _)) => Ok(*config),
            Some((other, _)) => Err(Error::ControlMessageInvalid {
                reason: format!("{other:?} came before the configuration"),
            }),
            None => Err(Error::ControlClosed),
        }
    }

    /// Takes the next message if there is one, without waiting, and the descriptor that came with
    /// it. That is missing too when this process may not have another.
    pub fn try_receive(&self) -> Result<Option<(ToShard, Option<OwnedFd>)>, Closed> {
        receive_message(self.socket.as_fd(), MsgFlags::MSG_DONTWAIT)
    }

    /// Sends without waiting.
    pub fn send(&self, message: &FromShard) -> Result<(), Error> {
        match message {
            FromShard::Failed { message } if message.len() > FAILURE_BYTES_MAX => {
                let message = keep_end(message, FAILURE_BYTES_MAX);
                send_message(self.socket.as_fd(), &FromShard::Failed { message }, None)
            }
            message => send_message(self.socket.as_fd(), message, None),
        }
    }

    /// Gives up the wrapper, for a reactor of one's own.
    pub fn into_owned_fd(self) -> OwnedFd {
        self.socket
    }
}

impl From<OwnedFd> for ShardEnd {
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

impl AsFd for ShardEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for ShardEnd {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The end of a text, where a traceback has its point, cut at a character.
fn keep_end(text: &str, bytes_max: usize) -> String {
    let mut start = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("[...]{}", &text[start..])
}

fn send_message(
    socket: BorrowedFd<'_>,
    message: &impl Serialize,
    fd: Option<BorrowedFd<'_>>,
) -> Result<(), Error> {
    let bytes = serde_json::to_vec(message).map_err(|error| Error::ControlMessageInvalid {
        reason: error.to_string(),
    })?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Error::ControlMessageTooLarge { bytes: bytes.len() });
    }
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    loop {
        match passed_fd::send(socket, &bytes, fd, flags) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            // Too many descriptors on their way count as full too.
            Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ETOOMANYREFS) => {
                return Err(Error::ControlFull);
            }
            Err(_) => return Err(Error::ControlClosed),
        }
    }
}

fn receive_message<M: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    flags: MsgFlags,
) -> Result<Option<(M, Option<OwnedFd>)>, Closed> {
    let mut bytes = vec![0; MESSAGE_BYTES_MAX];
    loop {
        match passed_fd::receive(socket, &mut bytes, flags) {
            Ok((0, _)) => return Err(Closed),
            Ok((length, fd)) => {
                let message = serde_json::from_slice(&bytes[..length]).map_err(|_| Closed)?;
                return Ok(Some((message, fd)));
            }
            // The other end closed without having read everything. That is said once, before what
            // it had sent itself.
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
            Err(Errno::EAGAIN) => return Ok(None),
            Err(_) => return Err(Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ShardConfig {
        ShardConfig {
            index: 1,
            shards: 2,
            generation: 3,
            process: 7,
            node: "n".to_owned(),
            cpu: Some(4),
            listeners: vec![ListenerConfig {
                fd: 5,
                kind: ListenerKind::Tcp,
                name: "http://127.0.0.1:8000".to_owned(),
            }],
            target: "main:app".to_owned(),
            app_dir: "/srv/app".into(),
            threads: 40,
            limits: Limits::default(),
            websocket_origins: vec!["https://example.com".into()],
            proxies: "127.0.0.1,10.0.0.0/8,::1".parse().ok(),
            access_log: true,
            log_level: Level::Warning,
            log_format: Format::Json,
            log_color: false,
            debug: false,
            as_fastapi: false,
            root_path: "/api".to_owned(),
            supervisor_pid: 6,
        }
    }

    #[test]
    fn messages_arrive_whole_and_in_order() {
        let (supervisor, shard) = pair().unwrap();
        assert!(matches!(shard.try_receive(), Ok(None)));
        let drain = ToShard::Drain {
            deadline_s: 0.5,
            reason: DrainReason::Reload,
        };
        supervisor
            .send(&ToShard::Configure(Box::new(config())))
            .unwrap();
        supervisor.send(&drain).unwrap();
        supervisor.send(&ToShard::Stop).unwrap();
        assert_eq!(shard.receive_config(), Ok(config()));
        assert!(matches!(shard.try_receive(), Ok(Some((message, None))) if message == drain));
        let stop = shard.try_receive();
        assert!(matches!(stop, Ok(Some((ToShard::Stop, None)))));
        let ready = FromShard::Ready {
            started_ms: 12,
            docs: Some("/docs".to_owned()),
        };
        shard.send(&ready).unwrap();
        shard.send(&FromShard::Drained).unwrap();
        assert_eq!(supervisor.try_receive(), Ok(Some(ready)));
        assert_eq!(supervisor.try_receive(), Ok(Some(FromShard::Drained)));
    }

    #[test]
    fn a_descriptor_comes_with_its_message() {
        let (supervisor, shard) = pair().unwrap();
        let peer = ToShard::Peer {
            process: 2,
            histories: true,
        };
        let null = std::fs::File::open("/dev/null").unwrap();
        supervisor.send_with(&peer, null.as_fd()).unwrap();
        let received = shard.try_receive();
        assert!(matches!(received, Ok(Some((message, Some(_)))) if message == peer));
    }

    #[test]
    fn words_sent_before_the_end_are_still_heard() {
        let (supervisor, shard) = pair().unwrap();
        supervisor.send(&ToShard::Link).unwrap();
        shard.send(&FromShard::Drained).unwrap();
        drop(shard);
        assert_eq!(supervisor.try_receive(), Ok(Some(FromShard::Drained)));
        assert_eq!(supervisor.try_receive(), Err(Closed));
        assert_eq!(supervisor.send(&ToShard::Stop), Err(Error::ControlClosed));
    }

    #[test]
    fn the_configuration_must_come_first() {
        let (supervisor, shard) = pair().unwrap();
        supervisor.send(&ToShard::Stop).unwrap();
        let error = shard.receive_config().unwrap_err();
        assert!(matches!(error, Error::ControlMessageInvalid { .. }));
        drop(supervisor);
        assert_eq!(shard.receive_config(), Err(Error::ControlClosed));
    }

    #[test]
    fn a_long_failure_keeps_its_end() {
        let (supervisor, shard) = pair().unwrap();
        let message = format!("{}the point \u{1}", "\u{e9}\u{1}".repeat(MESSAGE_BYTES_MAX));
        shard.send(&FromShard::Failed { message }).unwrap();
        let Ok(Some(FromShard::Failed { message })) = supervisor.try_receive() else {
            panic!("no failure");
        };
        assert!(message.starts_with("[...]") && message.ends_with("the point \u{1}"));
    }

    #[test]
    fn a_message_too_large_is_refused_and_a_deaf_peer_does_not_block() {
        let (supervisor, shard) = pair().unwrap();
        let target = "x".repeat(MESSAGE_BYTES_MAX);
        let too_large = ToShard::Configure(Box::new(ShardConfig { target, ..config() }));
        let refused = supervisor.send(&too_large).unwrap_err();
        assert!(matches!(refused, Error::ControlMessageTooLarge { .. }));
        let full = std::iter::repeat_with(|| supervisor.send(&ToShard::Stop)).find_map(Result::err);
        assert_eq!(full, Some(Error::ControlFull));
        drop(shard);
    }

    #[test]
    fn nonsense_ends_the_talk() {
        let (supervisor, shard) = pair().unwrap();
        passed_fd::send(supervisor.as_fd(), b"nonsense", None, MsgFlags::empty()).unwrap();
        assert!(matches!(shard.try_receive(), Err(Closed)));
    }
}

//! Many connections on one epoll: opened a few at a time, read when there is something to read.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::handshake;
use super::peer::{Incoming, Output, Peer, Protocol};
use crate::descriptors::raise_descriptor_limit;
use crate::target::Target;

/// Connections of one crowd at most.
pub const PEERS_MAX: usize = 19_000;
/// Handshakes at once: fewer than any server's backlog holds.
pub const HANDSHAKES_MAX: usize = 64;
const EVENTS_MAX: usize = 256;
const READ_BUFFER_BYTES: usize = 256 * 1024;
const TURN_MAX: Duration = Duration::from_millis(100);
/// Descriptors this process needs besides its connections.
const OTHER_DESCRIPTORS: u64 = 32;

/// What is done with a crowd.
pub trait Load {
    /// The connection `at` was accepted.
    fn opened(&mut self, at: usize, output: &mut Output);
    /// A message arrived on it.
    fn message(&mut self, at: usize, output: &mut Output, message: super::frame::Message<'_>);
    /// It is over, though nobody asked for that.
    fn lost(&mut self, at: usize);
}

#[derive(Debug)]
struct Member {
    peer: Peer,
    is_open: bool,
}

/// The connections.
#[derive(Debug)]
pub struct Crowd {
    target: Target,
    protocol: Protocol,
    request: Vec<u8>,
    epoll: Epoll,
    members: Vec<Option<Member>>,
    opening: usize,
    open: usize,
    /// Why the last connection was lost, for whoever asks why there are too few.
    last_error: Option<io::Error>,
    buffer: Vec<u8>,
    origin: Instant,
}

impl Crowd {
    /// Nobody yet.
    pub fn new(target: &Target, protocol: Protocol) -> io::Result<Self> {
        raise_descriptor_limit(PEERS_MAX as u64 + OTHER_DESCRIPTORS)?;
        let request = match protocol {
            Protocol::WebSocket { has_deflate } => {
                handshake::websocket_request(target, has_deflate)
            }
            Protocol::Events => handshake::events_request(target),
        };
        Ok(Self {
            target: target.clone(),
            protocol,
            request,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            members: Vec::new(),
            opening: 0,
            open: 0,
            last_error: None,
            buffer: vec![0; READ_BUFFER_BYTES],
            origin: Instant::now(),
        })
    }

    /// Nanoseconds since the crowd was made.
    pub fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// Where `now_ns` counts from.
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// How many connections are accepted and not over.
    pub fn open_count(&self) -> usize {
        self.open
    }

    /// How many connections were begun; they are numbered from 0.
    pub fn begun_count(&self) -> usize {
        self.members.len()
    }

    /// Connects until `count` connections are open; what arrives meanwhile goes to `load`.
    pub fn grow(&mut self, count: usize, within: Duration, load: &mut impl Load) -> io::Result<()> {
        let deadline_ns = self.now_ns() + within.as_nanos() as u64;
        let begun_max = PEERS_MAX.min(self.members.len() + 2 * count);
        while self.open < count {
            while self.open + self.opening < count && self.opening < HANDSHAKES_MAX {
                if self.members.len() == begun_max {
                    return Err(self.explain("too many connections failed"));
                }
                self.begin()?;
            }
            if self.now_ns() >= deadline_ns {
                let open = self.open;
                return Err(self.explain(&format!("only {open} of {count} connections opened")));
            }
            self.turn(deadline_ns, load)?;
        }
        Ok(())
    }

    fn explain(&mut self, what: &str) -> io::Error {
        match self.last_error.take() {
            Some(error) => io::Error::other(format!("{what}: {error}")),
            None => io::Error::other(what.to_owned()),
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        let peer = Peer::open(self.target.address, self.protocol, &self.request)?;
        let at = self.members.len();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, at as u64);
        self.epoll.add(peer.output.stream(), event)?;
        self.members.push(Some(Member {
            peer,
            is_open: false,
        }));
        self.opening += 1;
        self.settle(at);
        Ok(())
    }

    /// Closes the connection `at`.
    pub fn close(&mut self, at: usize) {
        if let Some(member) = self.members.get_mut(at).and_then(Option::take) {
            if member.is_open {
                self.open -= 1;
            } else {
                self.opening -= 1;
            }
        }
    }

    /// Where to send on the connection `at`, as long as it is open.
    pub fn output(&mut self, at: usize) -> Option<&mut Output> {
        let member = self.members.get_mut(at)?.as_mut()?;
        member.is_open.then_some(&mut member.peer.output)
    }

    /// To be called after sending otherwise than in answer to something.
    pub fn settle_all(&mut self) {
        for at in 0..self.members.len() {
            self.settle(at);
        }
    }

    /// Waits for events until `deadline_ns` at most, and handles them.
    pub fn turn(&mut self, deadline_ns: u64, load: &mut impl Load) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS_MAX];
        let wait_ns = deadline_ns.saturating_sub(self.now_ns());
        let wait = Duration::from_nanos(wait_ns).min(TURN_MAX);
        let wait_ms = wait.as_nanos().div_ceil(1_000_000) as u16;
        let count = match self.epoll.wait(&mut events, EpollTimeout::from(wait_ms)) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &events[..count] {
            self.handle(event.data() as usize, event.events(), load);
        }
        Ok(())
    }

    fn handle(&mut self, at: usize, flags: EpollFlags, load: &mut impl Load) {
        let Some(member) = &mut self.members[at] else {
            return;
        };
        if flags.contains(EpollFlags::EPOLLOUT) {
            member.peer.output.flush();
        }
        let (is_open, opening, open) = (&mut member.is_open, &mut self.opening, &mut self.open);
        let received = member
            .peer
            .receive(&mut self.buffer, |output, incoming| match incoming {
                Incoming::Opened => {
                    *is_open = true;
                    *opening -= 1;
                    *open += 1;
                    load.opened(at, output);
                }
                Incoming::Message(message) => load.message(at, output, message),
            });
        match received {
            Ok(()) => self.settle(at),
            Err(error) => {
                let was_open = self.members[at].as_ref().is_some_and(|one| one.is_open);
                self.last_error = Some(error);
                self.close(at);
                if was_open {
                    load.lost(at);
                }
            }
        }
    }

    /// Watches for writability exactly while bytes wait.
    fn settle(&mut self, at: usize) {
        let Some(Some(member)) = self.members.get_mut(at) else {
            return;
        };
        let output = &mut member.peer.output;
        if output.has_unsent() == output.watches_writes {
            return;
        }
        output.watches_writes = output.has_unsent();
        let mut flags = EpollFlags::EPOLLIN;
        flags.set(EpollFlags::EPOLLOUT, output.watches_writes);
        let mut event = EpollEvent::new(flags, at as u64);
        // It cannot fail for a socket that epoll holds; if it does, the message counts as lost.
        let _ = self.epoll.modify(output.stream().as_fd(), &mut event);
    }
}

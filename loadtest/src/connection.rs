//! One keep-alive connection: what is still to be written, and which requests await an answer.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};

use crate::response::{Answer, ResponseParser};

/// Whether a connection can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Open,
    /// Closed by the peer, broken, or not understood.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    parser: ResponseParser,
    /// When each unanswered request began, oldest first.
    in_flight: VecDeque<u64>,
    /// Bytes still to be written. Requests are all alike, so these are always the last bytes of the batch.
    unsent: usize,
    /// Whether epoll reports writability of this socket.
    pub(crate) watches_writes: bool,
    /// Whether any answer ever arrived; if none did, opening again at once would only spin.
    pub(crate) has_answered: bool,
}

impl Connection {
    /// Begins to connect. Writes wait until the socket is connected, and fail if that fails.
    pub(crate) fn open(address: SocketAddr, method: &str) -> io::Result<Self> {
        let stream = begin_connecting(address)?;
        Ok(Self {
            stream,
            parser: ResponseParser::new(method),
            in_flight: VecDeque::new(),
            unsent: 0,
            watches_writes: false,
            has_answered: false,
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent > 0
    }

    /// When the requests without an answer began.
    pub(crate) fn began_ns(&self) -> impl Iterator<Item = u64> + '_ {
        self.in_flight.iter().copied()
    }

    /// Begins `count` requests; `batch` is as many requests as one connection ever has in flight.
    pub(crate) fn send(
        &mut self,
        count: usize,
        request_bytes: usize,
        began_ns: u64,
        batch: &[u8],
    ) -> Health {
        self.in_flight.extend(std::iter::repeat_n(began_ns, count));
        self.unsent += count * request_bytes;
        self.flush(batch)
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self, batch: &[u8]) -> Health {
        while self.unsent > 0 {
            match self.stream.write(&batch[batch.len() - self.unsent..]) {
                Ok(written) => self.unsent -= written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Health::Closed,
            }
        }
        Health::Open
    }

    /// Reads once; the caller hands the bytes to `parse`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Finds the answers in `bytes` and reports each with the time its request began.
    pub(crate) fn parse(&mut self, bytes: &[u8], mut on_answer: impl FnMut(u64, Answer)) -> Health {
        let mut used = 0;
        while used < bytes.len() {
            let Ok(progress) = self.parser.push(&bytes[used..]) else {
                return Health::Closed;
            };
            used += progress.used;
            if let Some(answer) = progress.answer {
                // More answers than requests: this peer cannot be measured.
                let Some(began_ns) = self.in_flight.pop_front() else {
                    return Health::Closed;
                };
                self.has_answered = true;
                on_answer(began_ns, answer);
            }
        }
        if self.in_flight.is_empty() && self.has_unsent() {
            // Answered before the last request was sent as a whole: the rest must not follow.
            return Health::Closed;
        }
        Health::Open
    }

    /// The peer closed, which ends an answer that has no length.
    pub(crate) fn finish(&mut self, on_answer: impl FnOnce(u64, Answer)) {
        if let Some(answer) = self.parser.finish()
            && let Some(began_ns) = self.in_flight.pop_front()
        {
            self.has_answered = true;
            on_answer(began_ns, answer);
        }
    }
}

/// A socket that is about to be connected; it never blocks.
pub(crate) fn begin_connecting(address: SocketAddr) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let descriptor = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&descriptor, sockopt::TcpNoDelay, &true)?;
    match connect(descriptor.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from(descriptor))
}

//! The bytes of one connection to a server, over a non-blocking socket.

use bytes::{Buf, BytesMut};
use nix::sys::socket::{MsgFlags, recv, send};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// What is read at once at the most.
const READ_BYTES_MAX: usize = 256 * 1024;
/// What a receive buffer has at least.
const READ_BYTES_MIN: usize = 8 * 1024;

/// What [`Wire::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Some bytes are new.
    Bytes,
    /// None for now.
    WouldBlock,
    /// The server has hung up.
    Closed,
}

/// What [`Wire::flush`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Everything is sent.
    All,
    /// The socket takes no more for now.
    WouldBlock,
}

/// A connection's socket and its buffers.
pub struct Wire {
    socket: Option<OwnedFd>,
    input: Vec<u8>,
    /// `input[start..end]` has been received and not consumed.
    start: usize,
    end: usize,
    output: BytesMut,
}

impl Wire {
    /// Takes over a connected, non-blocking socket.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket: Some(socket),
            input: Vec::new(),
            start: 0,
            end: 0,
            output: BytesMut::new(),
        }
    }

    fn fd(&self) -> io::Result<RawFd> {
        let socket = self.socket.as_ref();
        Ok(socket.ok_or(io::ErrorKind::NotConnected)?.as_raw_fd())
    }

    /// Reads what the socket has, up to a bound.
    ///
    /// # Errors
    /// What the socket says.
    pub fn receive(&mut self) -> io::Result<Received> {
        let fd = self.fd()?;
        self.receive_with(|into| Ok(recv(fd, into, MsgFlags::MSG_DONTWAIT)?))
    }

    /// The same with a `read` of one's own for the socket's bytes.
    ///
    /// # Errors
    /// What `read` says, but that it would block.
    pub fn receive_with(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Received> {
        self.make_room();
        match read(&mut self.input[self.end..]) {
            Ok(0) => Ok(Received::Closed),
            Ok(length) => {
                self.end += length;
                Ok(Received::Bytes)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Received::WouldBlock),
                _ => Err(error),
            },
        }
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.input.len() > READ_BYTES_MAX {
                self.input = Vec::new();
            }
        }
        if self.start > 0 && self.input.len() - self.end < READ_BYTES_MIN {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.input.len() - self.end < READ_BYTES_MIN {
            let larger = (self.input.len() * 2).max(READ_BYTES_MIN * 2);
            self.input.resize(larger, 0);
        }
    }

    /// What has been received and not consumed.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// Drops the first `count` bytes of the input.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// What is to be sent; append to it.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Sends as much as the socket takes.
    ///
    /// # Errors
    /// What the socket says.
    pub fn flush(&mut self) -> io::Result<Flushed> {
        let fd = self.fd()?;
        self.flush_with(|bytes| {
            Ok(send(
                fd,
                bytes,
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
            )?)
        })
    }

    /// The same with a `write` of one's own.
    ///
    /// # Errors
    /// What `write` says, but that it would block.
    pub fn flush_with(
        &mut self,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<Flushed> {
        while !self.output.is_empty() {
            match write(&self.output) {
                Ok(sent) => self.output.advance(sent),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(Flushed::WouldBlock),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(Flushed::All)
    }

    /// Closes the socket.
    pub fn close(&mut self) {
        self.socket = None;
        self.input = Vec::new();
        self.start = 0;
        self.end = 0;
    }
}

//! A connection's socket as the reactor sees it.

use super::wire::{Flushed, Received, Wire};
use crate::stream::Stream;
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

/// Waits for a wire's socket, through a descriptor of its own.
pub struct Line {
    stream: Stream,
}

impl Line {
    /// For the socket that `duplicate` is another descriptor of; inside a turn of the reactor.
    #[must_use]
    pub fn new(duplicate: OwnedFd) -> Self {
        Self {
            stream: Stream::new(duplicate),
        }
    }

    /// Reads into the wire; `WouldBlock` when the task will be woken for more.
    ///
    /// # Errors
    /// What the socket says.
    pub fn receive(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> io::Result<Received> {
        wire.receive_with(|into| match self.stream.poll_read(cx, into) {
            Poll::Ready(read) => read.map(Some),
            Poll::Pending => Ok(None),
        })
    }

    /// Writes what the wire has; `WouldBlock` when the task will be woken to go on.
    ///
    /// # Errors
    /// What the socket says.
    pub fn flush(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> io::Result<Flushed> {
        let stream = &mut self.stream;
        wire.flush_to(&mut Outlet { stream, cx })
    }
}

/// The stream as a writer that says `WouldBlock` once the task will be woken.
struct Outlet<'a, 'c> {
    stream: &'a mut Stream,
    cx: &'a mut Context<'c>,
}

impl Write for Outlet<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.poll_write(self.cx, bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

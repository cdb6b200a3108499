//! A connection's socket as the reactor sees it.

use super::wire::{Flushed, Received, Wire};
use crate::stream::Stream;
use std::io;
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
        wire.receive_with(|into| ready(self.stream.poll_read(cx, into)))
    }

    /// Writes what the wire has; `WouldBlock` when the task will be woken to go on.
    ///
    /// # Errors
    /// What the socket says.
    pub fn flush(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> io::Result<Flushed> {
        wire.flush_with(|bytes| ready(self.stream.poll_write(cx, bytes)))
    }
}

fn ready(polled: Poll<io::Result<usize>>) -> io::Result<usize> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

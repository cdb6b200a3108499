//! A streamed answer on its way from a handler to the socket, bounded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How much of a streamed answer may wait for the peer, in bytes.
const QUEUE_BYTES_MAX: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Finished,
    Aborted,
}

struct Inner {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
    end: End,
    gone: bool,
    receiver: Option<Waker>,
    sender: Option<Box<dyn FnOnce()>>,
    on_gone: Option<Box<dyn FnOnce()>>,
}

/// The handler's end. Dropping it before [`ChunkSender::finish`] aborts the answer.
pub struct ChunkSender {
    inner: Rc<RefCell<Inner>>,
}

/// The connection's end. Dropping it tells the handler that the peer is gone.
pub struct ChunkReceiver {
    inner: Rc<RefCell<Inner>>,
}

/// Makes both ends of a streamed answer.
pub fn chunk_queue() -> (ChunkSender, ChunkReceiver) {
    let inner = Rc::new(RefCell::new(Inner {
        chunks: VecDeque::new(),
        bytes: 0,
        end: End::Open,
        gone: false,
        receiver: None,
        sender: None,
        on_gone: None,
    }));
    (
        ChunkSender {
            inner: inner.clone(),
        },
        ChunkReceiver { inner },
    )
}

impl ChunkSender {
    /// Queues a piece and tells whether there is room for another.
    ///
    /// A piece is always taken: the sender holds it anyway, and waits after it.
    pub fn send(&self, chunk: Vec<u8>) -> bool {
        let mut inner = self.inner.borrow_mut();
        if !inner.gone && !chunk.is_empty() {
            inner.bytes += chunk.len();
            inner.chunks.push_back(chunk);
        }
        let room = inner.bytes < QUEUE_BYTES_MAX;
        wake_receiver(inner);
        room
    }

    /// True when the peer is gone: nothing that is sent will arrive.
    pub fn is_gone(&self) -> bool {
        self.inner.borrow().gone
    }

    /// Calls `sender` once, when there is room again or the peer is gone; now, if it has gone.
    pub fn notify(&self, sender: Box<dyn FnOnce()>) {
        let mut inner = self.inner.borrow_mut();
        if inner.gone {
            drop(inner);
            sender();
            return;
        }
        let replaced = inner.sender.replace(sender);
        drop(inner);
        drop(replaced);
    }

    /// Calls `gone` once if the peer goes before the answer has ended; now, if it has gone.
    pub fn on_gone(&self, gone: Box<dyn FnOnce()>) {
        let mut inner = self.inner.borrow_mut();
        if inner.gone {
            drop(inner);
            gone();
            return;
        }
        let replaced = inner.on_gone.replace(gone);
        drop(inner);
        drop(replaced);
    }

    /// Ends the answer as it should end.
    pub fn finish(self) {
        self.inner.borrow_mut().end = End::Finished;
    }
}

impl Drop for ChunkSender {
    fn drop(&mut self) {
        let mut inner = self.inner.borrow_mut();
        if inner.end == End::Open {
            inner.end = End::Aborted;
        }
        // What they hold may reach for this queue while it is dropped.
        let forgotten = [inner.sender.take(), inner.on_gone.take()];
        wake_receiver(inner);
        drop(forgotten);
    }
}

fn wake_receiver(mut inner: std::cell::RefMut<'_, Inner>) {
    if let Some(waker) = inner.receiver.take() {
        drop(inner);
        crate::reactor::wake(waker);
    }
}

/// What the connection finds in the queue.
pub(crate) enum Received {
    Chunk(Vec<u8>),
    Finished,
    Aborted,
}

impl ChunkReceiver {
    /// True when somebody wants to know of the peer's going, and will stop sending then.
    pub(crate) fn is_watched(&self) -> bool {
        self.inner.borrow().on_gone.is_some()
    }

    pub(crate) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Received> {
        let mut inner = self.inner.borrow_mut();
        if let Some(chunk) = inner.chunks.pop_front() {
            inner.bytes -= chunk.len();
            if inner.bytes < QUEUE_BYTES_MAX / 2
                && let Some(sender) = inner.sender.take()
            {
                drop(inner);
                sender();
            }
            return Poll::Ready(Received::Chunk(chunk));
        }
        match inner.end {
            End::Finished => Poll::Ready(Received::Finished),
            End::Aborted => Poll::Ready(Received::Aborted),
            End::Open => {
                inner.receiver = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for ChunkReceiver {
    fn drop(&mut self) {
        let mut inner = self.inner.borrow_mut();
        inner.gone = true;
        inner.chunks.clear();
        inner.bytes = 0;
        let calls = [inner.sender.take(), inner.on_gone.take()];
        drop(inner);
        for call in calls.into_iter().flatten() {
            call();
        }
    }
}

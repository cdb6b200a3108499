//! A streamed answer on its way from a handler to the socket, bounded.

use crate::channels::MemberId;
use crate::event_member::leave_all;
use crate::event_stream::{EventCounts, KeepAlive};
use crate::middleware::Encoder;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

/// How much of a streamed answer may wait for the peer, in bytes.
const QUEUE_BYTES_MAX: usize = 64 * 1024;
/// How much is compressed at a time, in bytes: between two pieces others get their turn.
const ENCODED_PIECE_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Finished,
    Aborted,
}

/// One piece of a streamed answer.
pub(crate) enum Chunk {
    /// Made for this answer.
    Own(Vec<u8>),
    /// Made once for many answers.
    Shared(Rc<[u8]>),
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

struct Inner {
    chunks: VecDeque<Chunk>,
    /// How much of the first chunk has been compressed already, in bytes.
    encoded: usize,
    /// What the chunks go through on their way out.
    encoder: Option<Encoder>,
    bytes: usize,
    end: End,
    gone: bool,
    /// The receiver takes nothing more; what waits is still to be sent, and ends well.
    closed: bool,
    /// How an event stream is kept alive; `None` for every other answer.
    keep_alive: Option<KeepAlive>,
    counts: EventCounts,
    receiver: Option<Waker>,
    sender: Option<Box<dyn FnOnce()>>,
    on_gone: Option<Box<dyn FnOnce()>>,
    /// The channels that the sender has joined.
    memberships: Vec<MemberId>,
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
        encoded: 0,
        encoder: None,
        bytes: 0,
        end: End::Open,
        gone: false,
        closed: false,
        keep_alive: None,
        counts: EventCounts::default(),
        receiver: None,
        sender: None,
        on_gone: None,
        memberships: Vec::new(),
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
        inner.add(Chunk::Own(chunk));
        let room = inner.has_room();
        wake_receiver(inner);
        room
    }

    /// As [`Self::send`], for the bytes of one event.
    pub fn send_event(&self, event: Vec<u8>) -> bool {
        self.inner.borrow_mut().counts.events += 1;
        self.send(event)
    }

    /// Makes the answer an event stream, or changes how one is kept alive from now on.
    pub fn keep_alive(&self, keep_alive: KeepAlive) {
        let mut inner = self.inner.borrow_mut();
        inner.keep_alive = Some(keep_alive);
        // The present wait is to be the right one.
        wake_receiver(inner);
    }

    /// What has been sent, whoever sent it.
    pub fn counts(&self) -> EventCounts {
        self.inner.borrow().counts
    }

    /// Another way into the queue, for events that do not come from the handler.
    pub fn feed(&self) -> ChunkFeed {
        ChunkFeed {
            inner: Rc::downgrade(&self.inner),
        }
    }

    /// Looks at what has been joined.
    pub(crate) fn memberships<T>(&self, look: impl FnOnce(&mut Vec<MemberId>) -> T) -> T {
        look(&mut self.inner.borrow_mut().memberships)
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
    pub fn finish(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.end = End::Finished;
        // Nobody's going matters any more.
        let forgotten = inner.on_gone.take();
        let joined = std::mem::take(&mut inner.memberships);
        wake_receiver(inner);
        leave_all(&joined);
        drop(forgotten);
    }
}

/// Puts ready-made events into an event stream, beside its handler. It keeps nothing alive.
#[derive(Clone)]
pub struct ChunkFeed {
    inner: Weak<RefCell<Inner>>,
}

/// What has become of an event that was given to a [`ChunkFeed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// It will be sent.
    Queued,
    /// It was left out, because too much waits for the peer already.
    Full,
    /// The stream has ended, or its peer has gone.
    Gone,
}

impl ChunkFeed {
    /// Queues the bytes of one event, if there is room.
    pub fn push(&self, event: Rc<[u8]>) -> Fed {
        let Some(inner) = self.inner.upgrade() else {
            return Fed::Gone;
        };
        let mut inner = inner.borrow_mut();
        if inner.gone || inner.end != End::Open {
            return Fed::Gone;
        }
        if !inner.has_room() {
            return Fed::Full;
        }
        inner.counts.events += 1;
        inner.add(Chunk::Shared(event));
        wake_receiver(inner);
        Fed::Queued
    }

    /// Ends the stream in order once what waits has been sent; its handler is told that the peer
    /// is gone.
    pub fn close(&self) {
        if let Some(inner) = self.inner.upgrade() {
            close(&inner);
            wake_receiver(inner.borrow_mut());
        }
    }
}

/// Takes nothing more from the sender, and tells it so.
fn close(inner: &RefCell<Inner>) {
    let mut inner = inner.borrow_mut();
    inner.closed = true;
    inner.gone = true;
    let calls = [inner.sender.take(), inner.on_gone.take()];
    drop(inner);
    for call in calls.into_iter().flatten() {
        call();
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
        let joined = std::mem::take(&mut inner.memberships);
        wake_receiver(inner);
        leave_all(&joined);
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
    Chunk(Chunk),
    Finished,
    Aborted,
}

impl ChunkReceiver {
    /// Compresses what comes out from now on; no piece waits for the next one.
    pub(crate) fn encode(&self, encoder: Encoder) {
        self.inner.borrow_mut().encoder = Some(encoder);
    }

    /// True in the middle of a chunk that is too long to be compressed in one go.
    pub(crate) fn is_within_chunk(&self) -> bool {
        self.inner.borrow().encoded > 0
    }

    /// True when somebody wants to know of the peer's going, and will stop sending then. Nobody
    /// would stop the events that come from elsewhere.
    pub(crate) fn is_watched(&self) -> bool {
        let inner = self.inner.borrow();
        inner.on_gone.is_some() || inner.keep_alive.is_some()
    }

    /// How the answer is kept alive, if it is an event stream.
    pub(crate) fn keep_alive(&self) -> Option<KeepAlive> {
        self.inner.borrow().keep_alive
    }

    /// Lets the peer see that the connection is alive.
    pub(crate) fn add_comment(&self, comment: &'static [u8]) {
        self.inner.borrow_mut().add(Chunk::Own(comment.to_vec()));
    }

    /// Ends the answer in order once what waits has been sent, and tells the sender.
    pub(crate) fn close(&self) {
        if !self.is_closed() {
            close(&self.inner);
        }
    }

    /// True when the receiver, not the sender, has ended the answer.
    pub(crate) fn is_closed(&self) -> bool {
        self.inner.borrow().closed
    }

    pub(crate) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Received> {
        let mut inner = self.inner.borrow_mut();
        if let Some(taken) = inner.take() {
            if inner.bytes < QUEUE_BYTES_MAX / 2
                && let Some(sender) = inner.sender.take()
            {
                drop(inner);
                sender();
            }
            return Poll::Ready(taken);
        }
        match inner.end {
            _ if inner.closed => Poll::Ready(inner.last()),
            End::Finished => Poll::Ready(inner.last()),
            End::Aborted => Poll::Ready(Received::Aborted),
            End::Open => {
                inner.receiver = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Inner {
    /// A chunk is always taken while there is a peer; one without bytes would end a chunked body.
    fn add(&mut self, chunk: Chunk) {
        if !self.gone && !chunk.is_empty() {
            self.bytes += chunk.len();
            self.counts.bytes += chunk.len() as u64;
            self.chunks.push_back(chunk);
        }
    }

    fn has_room(&self) -> bool {
        self.bytes < QUEUE_BYTES_MAX
    }

    /// The next piece, if one waits.
    fn take(&mut self) -> Option<Received> {
        let Some(encoder) = self.encoder.as_mut() else {
            let chunk = self.chunks.pop_front()?;
            self.bytes -= chunk.len();
            return Some(Received::Chunk(chunk));
        };
        let chunk = self.chunks.front()?;
        let rest = &chunk[self.encoded..];
        let piece = &rest[..rest.len().min(ENCODED_PIECE_BYTES)];
        let encoded = encoder.piece(piece);
        self.bytes -= piece.len();
        self.encoded += piece.len();
        if self.encoded == chunk.len() {
            self.encoded = 0;
            self.chunks.pop_front();
        }
        // Nothing can fail that writes into memory; if it does, the body is not whole.
        Some(encoded.map_or(Received::Aborted, |bytes| {
            Received::Chunk(Chunk::Own(bytes))
        }))
    }

    /// What comes after the last chunk: what ends a compressed body, then the end.
    fn last(&mut self) -> Received {
        let Some(encoder) = self.encoder.take() else {
            return Received::Finished;
        };
        match encoder.end() {
            Ok(end) if end.is_empty() => Received::Finished,
            Ok(end) => Received::Chunk(Chunk::Own(end)),
            Err(_) => Received::Aborted,
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

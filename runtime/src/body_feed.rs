//! A request body on its way to a handler that reads it piece by piece.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

/// How much of a body may wait unread before the socket is left alone, in bytes.
pub(crate) const FEED_BYTES_MAX: usize = 256 * 1024;

/// Pieces that wait are joined until they are this long, in bytes.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub enum FeedTake {
    /// The next piece.
    Chunk(Vec<u8>),
    /// The body has been read to its end.
    End,
    /// The peer is gone or its body broke the protocol: no more will come.
    Failed,
    /// Nothing yet; [`BodyFeed::notify`] tells when to look again.
    Empty,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Complete,
    Failed,
}

struct Inner {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
    state: State,
    wanted: bool,
    reader: Option<Box<dyn FnOnce()>>,
    connection: Option<Waker>,
}

/// A bounded queue from the connection to one reader on the same shard.
pub struct BodyFeed {
    inner: RefCell<Inner>,
}

impl BodyFeed {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            inner: RefCell::new(Inner {
                chunks: VecDeque::new(),
                bytes: 0,
                state: State::Open,
                wanted: false,
                reader: None,
                connection: None,
            }),
        })
    }

    /// Takes the next piece, if there is one.
    pub fn take(&self) -> FeedTake {
        let mut inner = self.inner.borrow_mut();
        // Only these two make the connection do something that it was not doing.
        let is_waited_for = !inner.wanted || inner.bytes >= FEED_BYTES_MAX;
        inner.wanted = true;
        let taken = match (inner.chunks.pop_front(), inner.state) {
            (Some(chunk), _) => {
                inner.bytes -= chunk.len();
                FeedTake::Chunk(chunk)
            }
            (None, State::Complete) => FeedTake::End,
            (None, State::Failed) => FeedTake::Failed,
            (None, State::Open) => FeedTake::Empty,
        };
        if is_waited_for && let Some(waker) = inner.connection.take() {
            drop(inner);
            crate::reactor::wake(waker);
        }
        taken
    }

    /// Calls `reader` once, when the next piece, the end or a failure arrives.
    pub fn notify(&self, reader: Box<dyn FnOnce()>) {
        self.inner.borrow_mut().reader = Some(reader);
    }

    /// True when the reader has asked for anything yet.
    pub(crate) fn is_wanted(&self) -> bool {
        self.inner.borrow().wanted
    }

    /// True while the connection should receive more.
    pub(crate) fn has_room(&self) -> bool {
        self.inner.borrow().bytes < FEED_BYTES_MAX
    }

    /// Registers the connection, to be woken when the reader takes something.
    pub(crate) fn on_taken(&self, connection: Waker) {
        self.inner.borrow_mut().connection = Some(connection);
    }

    pub(crate) fn push(&self, chunk: &[u8]) {
        let mut inner = self.inner.borrow_mut();
        inner.bytes += chunk.len();
        match inner.chunks.back_mut() {
            // A peer that sends single bytes must not make us keep a buffer for each.
            Some(last) if last.len() + chunk.len() <= PIECE_BYTES_MAX => {
                last.extend_from_slice(chunk);
            }
            _ => inner.chunks.push_back(chunk.to_vec()),
        }
        Self::tell_reader(inner);
    }

    pub(crate) fn complete(&self) {
        self.end(State::Complete);
    }

    pub(crate) fn fail(&self) {
        self.end(State::Failed);
    }

    fn end(&self, state: State) {
        let mut inner = self.inner.borrow_mut();
        if inner.state == State::Open {
            inner.state = state;
            Self::tell_reader(inner);
        }
    }

    fn tell_reader(mut inner: std::cell::RefMut<'_, Inner>) {
        if let Some(reader) = inner.reader.take() {
            drop(inner);
            reader();
        }
    }
}

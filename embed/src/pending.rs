//! What belongs to this thread's runtime but is named from Python objects, which may be dropped
//! on any thread: late answers and arriving bodies, by number.

use crate::watch::{self, Watch};
use runtime::{Answer, AnswerSender, BodyFeed, ChunkSender, Socket};
use std::cell::RefCell;
use std::rc::Rc;

/// Names one request that has not been answered, on this thread. Names are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestKey {
    index: usize,
    generation: u64,
}

/// What is kept of it.
#[derive(Default)]
struct Pending {
    answer: Option<AnswerSender>,
    feed: Option<Rc<BodyFeed>>,
    /// An answer that was there before anybody had to wait for it.
    early: Option<Answer>,
    /// The peer has gone.
    abandoned: bool,
    /// The answer has begun and goes on, and with it perhaps the body.
    streaming: bool,
    /// What the handler puts its events into.
    events: Option<Rc<ChunkSender>>,
    generation: u64,
    /// The WebSocket of a handshake, until its handler has ended.
    socket: Option<Rc<Socket>>,
    /// Whoever waits for the end of the request.
    watch: Option<Watch>,
}

#[derive(Default)]
struct Slab {
    entries: Vec<Pending>,
    free: Vec<usize>,
    generation: u64,
}

impl Slab {
    fn get(&mut self, key: RequestKey) -> Option<&mut Pending> {
        self.entries
            .get_mut(key.index)
            .filter(|entry| entry.generation == key.generation)
    }
}

thread_local! {
    static SLAB: RefCell<Slab> = RefCell::default();
}

/// Keeps a request, and its body if that is still arriving, until [`finish`].
pub(crate) fn begin(feed: Option<Rc<BodyFeed>>) -> RequestKey {
    SLAB.with(|slab| {
        let mut slab = slab.borrow_mut();
        slab.generation += 1;
        let generation = slab.generation;
        let entry = Pending {
            feed,
            generation,
            watch: watch::current(),
            ..Pending::default()
        };
        match slab.free.pop() {
            Some(index) => {
                slab.entries[index] = entry;
                RequestKey { index, generation }
            }
            None => {
                slab.entries.push(entry);
                RequestKey {
                    index: slab.entries.len() - 1,
                    generation,
                }
            }
        }
    })
}

/// Adds the slot of an answer that turned out to come late.
pub(crate) fn set_answer(key: RequestKey, answer: AnswerSender) {
    SLAB.with(|slab| {
        if let Some(entry) = slab.borrow_mut().get(key) {
            entry.answer = Some(answer);
        }
    });
}

/// Answers a request: through its slot, which ends it, or for [`take_early`].
pub(crate) fn deliver(key: RequestKey, answer: Answer) {
    let slot = SLAB.with(|slab| {
        let mut slab = slab.borrow_mut();
        let entry = slab.get(key)?;
        match entry.answer.take() {
            Some(slot) => Some((slot, answer)),
            None => {
                entry.early = Some(answer);
                None
            }
        }
    });
    if let Some((slot, answer)) = slot {
        slot.send(answer);
        finish(key);
    }
}

/// Ends a request that gets no answer, because nobody waits for one.
pub(crate) fn give_up(key: RequestKey) {
    let late = SLAB.with(|slab| {
        slab.borrow_mut()
            .get(key)
            .is_some_and(|entry| entry.answer.is_some())
    });
    if late {
        finish(key);
    } else {
        deliver(key, Answer::text(500, "Internal Server Error"));
    }
}

/// Takes the answer that came before its slot was made.
pub(crate) fn take_early(key: RequestKey) -> Option<Answer> {
    SLAB.with(|slab| slab.borrow_mut().get(key)?.early.take())
}

/// The body that is arriving for a request.
pub(crate) fn feed(key: RequestKey) -> Option<Rc<BodyFeed>> {
    SLAB.with(|slab| slab.borrow_mut().get(key)?.feed.clone())
}

/// Keeps the WebSocket that a handshake asks for.
pub(crate) fn set_socket(key: RequestKey, socket: Rc<Socket>) {
    SLAB.with(|slab| {
        if let Some(entry) = slab.borrow_mut().get(key) {
            entry.socket = Some(socket);
        }
    });
}

/// The WebSocket of a handshake; `None` once its handler has ended.
pub(crate) fn socket(key: RequestKey) -> Option<Rc<Socket>> {
    let found = SLAB.try_with(|slab| slab.borrow_mut().get(key)?.socket.clone());
    found.ok().flatten()
}

/// Who waits for the end of a request, to work in their name.
pub(crate) fn watch(key: RequestKey) -> Option<Watch> {
    SLAB.with(|slab| slab.borrow_mut().get(key)?.watch.clone())
}

/// Answers a request whose handler goes on: it is kept until [`end_stream`].
pub(crate) fn deliver_head(key: RequestKey, answer: Answer) {
    SLAB.with(|slab| {
        if let Some(entry) = slab.borrow_mut().get(key) {
            entry.streaming = true;
        }
    });
    deliver(key, answer);
}

/// Answers a request with an event stream, into which the handler puts events from now on.
pub(crate) fn deliver_events(key: RequestKey, answer: Answer, events: Rc<ChunkSender>) {
    SLAB.with(|slab| {
        if let Some(entry) = slab.borrow_mut().get(key) {
            entry.events = Some(events);
        }
    });
    deliver_head(key, answer);
}

/// The event stream that a request is answered with.
pub(crate) fn events(key: RequestKey) -> Option<Rc<ChunkSender>> {
    SLAB.with(|slab| slab.borrow_mut().get(key)?.events.clone())
}

/// Takes the event stream out, to end it.
pub(crate) fn take_events(key: RequestKey) -> Option<Rc<ChunkSender>> {
    SLAB.with(|slab| slab.borrow_mut().get(key)?.events.take())
}

/// Forgets a request whose answer has been streamed, unless [`take_early`] has still to be called:
/// a stream may end in its handler's first step.
pub(crate) fn end_stream(key: RequestKey) {
    let is_taken = SLAB.with(|slab| {
        let mut slab = slab.borrow_mut();
        let entry = slab.get(key)?;
        entry.streaming = false;
        Some(entry.early.is_none())
    });
    if is_taken == Some(true) {
        finish(key);
    }
}

/// Forgets a request, unless its answer is being streamed.
pub(crate) fn finish(key: RequestKey) {
    let taken = SLAB.with(|slab| {
        let mut slab = slab.borrow_mut();
        let entry = slab.get(key).filter(|entry| !entry.streaming)?;
        let taken = std::mem::take(entry);
        slab.free.push(key.index);
        Some(taken)
    });
    // Dropped outside of the borrow: it may call back.
    drop(taken);
}

/// Notes that the peer has gone.
pub(crate) fn abandon(key: RequestKey) {
    SLAB.with(|slab| {
        if let Some(entry) = slab.borrow_mut().get(key) {
            entry.abandoned = true;
        }
    });
}

/// True when the peer has gone or has its answer.
pub(crate) fn is_abandoned(key: RequestKey) -> bool {
    SLAB.with(|slab| {
        slab.borrow_mut()
            .get(key)
            .is_none_or(|entry| entry.abandoned)
    })
}

//! The way into a shard's channels from other threads, and the ids of all that is published.
//!
//! One lock gives out ids and takes what threads publish. The shard takes all that waits before
//! it has an id for a message of its own, so that ids and deliveries are in one order.

use super::message::MessageId;
use super::{ChannelError, Channels};
use protocols::websocket::MessageKind;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Most messages of other threads that wait for the shard; then publishing waits.
const THREAD_QUEUE_MESSAGES_MAX: usize = 4096;
/// How long a thread waits for a shard that does not get to it, before it is told so.
const THREAD_PATIENCE: Duration = Duration::from_secs(5);

/// A message and where it goes.
pub(super) struct Publication {
    pub(super) channel: String,
    pub(super) id: MessageId,
    pub(super) kind: MessageKind,
    pub(super) data: Vec<u8>,
    /// It comes from another server: the other shards hear of it by themselves.
    pub(super) is_foreign: bool,
}

/// What is done on the shard's thread.
pub(super) enum Post {
    Publish(Publication),
    Call(Box<dyn FnOnce(&Channels) + Send>),
}

#[derive(Default)]
struct State {
    last_micros: u64,
    waiting: VecDeque<Post>,
    closed: bool,
    shard: Option<Waker>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    process: AtomicU32,
    room: Condvar,
}

/// The channels of one shard, for any thread but its own.
#[derive(Clone, Default)]
pub struct ChannelsHandle {
    shared: Arc<Shared>,
}

impl PartialEq for ChannelsHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl ChannelsHandle {
    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes from a thread that is not the shard's. Waits while too much waits for the shard,
    /// so hold nothing meanwhile that the shard may want.
    ///
    /// # Errors
    /// As [`Channels::publish`]; [`ChannelError::Stalled`] when the shard does not take anything,
    /// [`ChannelError::Closed`] when it is gone.
    pub fn publish(
        &self,
        channel: &str,
        kind: MessageKind,
        data: Vec<u8>,
    ) -> Result<MessageId, ChannelError> {
        super::check(channel, &data)?;
        let mut state = self.room()?;
        let id = self.next_id(&mut state);
        let publication = Publication {
            channel: channel.to_owned(),
            id,
            kind,
            data,
            is_foreign: false,
        };
        self.push(state, Post::Publish(publication));
        Ok(id)
    }

    /// Delivers what another server has published; as [`Self::publish`].
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn publish_foreign(
        &self,
        channel: &str,
        id: MessageId,
        kind: MessageKind,
        data: Vec<u8>,
    ) -> Result<(), ChannelError> {
        super::check(channel, &data)?;
        let state = self.room()?;
        let publication = Publication {
            channel: channel.to_owned(),
            id,
            kind,
            data,
            is_foreign: true,
        };
        self.push(state, Post::Publish(publication));
        Ok(())
    }

    /// Has `question` answered on the shard's thread; not to be called on that.
    ///
    /// # Errors
    /// [`ChannelError::Stalled`] when the shard does not come to it, [`ChannelError::Closed`]
    /// when it is gone.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Channels) -> T + Send + 'static,
    ) -> Result<T, ChannelError> {
        let (answer, answered) = sync_channel(1);
        let call = move |channels: &Channels| drop(answer.send(question(channels)));
        let state = self.room()?;
        self.push(state, Post::Call(Box::new(call)));
        let patience = answered.recv_timeout(THREAD_PATIENCE);
        patience.map_err(|_| ChannelError::Stalled)
    }

    /// Has something done on the shard's thread, some time.
    pub fn post(&self, call: impl FnOnce(&Channels) + Send + 'static) {
        let state = self.state();
        if !state.closed {
            self.push(state, Post::Call(Box::new(call)));
        }
    }

    /// True when the shard is gone.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    fn room(&self) -> Result<MutexGuard<'_, State>, ChannelError> {
        let deadline = Instant::now() + THREAD_PATIENCE;
        let mut state = self.state();
        loop {
            if state.closed {
                return Err(ChannelError::Closed);
            }
            if state.waiting.len() < THREAD_QUEUE_MESSAGES_MAX {
                return Ok(state);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ChannelError::Stalled);
            }
            let waited = self.shared.room.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn push(&self, mut state: MutexGuard<'_, State>, post: Post) {
        state.waiting.push_back(post);
        let shard = state.shard.take();
        drop(state);
        if let Some(shard) = shard {
            shard.wake();
        }
    }

    /// The next id. The clock may be set back; ids go on.
    fn next_id(&self, state: &mut State) -> MessageId {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0));
        state.last_micros = now.max(state.last_micros + 1);
        MessageId {
            micros: state.last_micros,
            process: self.process(),
        }
    }

    /// Which process of its server this is, from now on.
    pub(super) fn set_process(&self, process: u32) {
        self.shared.process.store(process, Ordering::Relaxed);
    }

    pub(super) fn process(&self) -> u32 {
        self.shared.process.load(Ordering::Relaxed)
    }

    /// For the shard's own thread: an id, and what has to be delivered before that.
    pub(super) fn take_and_stamp(&self) -> (VecDeque<Post>, MessageId) {
        let mut state = self.state();
        let waiting = self.take(&mut state, usize::MAX);
        (waiting, self.next_id(&mut state))
    }

    /// For the shard's own thread: what waits, up to `posts_max`; where nothing does, `waker` is
    /// called when something comes.
    pub(super) fn take_or_wait(&self, waker: &Waker, posts_max: usize) -> VecDeque<Post> {
        let mut state = self.state();
        let waiting = self.take(&mut state, posts_max);
        if waiting.is_empty() {
            state.shard = Some(waker.clone());
        }
        waiting
    }

    fn take(&self, state: &mut State, posts_max: usize) -> VecDeque<Post> {
        if state.waiting.len() >= THREAD_QUEUE_MESSAGES_MAX {
            self.shared.room.notify_all();
        }
        if state.waiting.len() <= posts_max {
            return std::mem::take(&mut state.waiting);
        }
        state.waiting.drain(..posts_max).collect()
    }

    /// Lets nobody publish any more; what waits is forgotten.
    pub(super) fn close(&self) {
        let (waiting, shard) = {
            let mut state = self.state();
            state.closed = true;
            (std::mem::take(&mut state.waiting), state.shard.take())
        };
        drop((waiting, shard));
        self.shared.room.notify_all();
    }
}

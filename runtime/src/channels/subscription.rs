//! A receiver that takes messages when it likes, from a bounded queue.

use super::message::ChannelMessage;
use super::{Channels, Lag, Member, MemberId};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// Most that the messages of one subscription's queue may hold, in bytes.
pub(super) const SUBSCRIPTION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The queue, which the channel fills.
pub(super) struct Queue {
    messages: RefCell<VecDeque<Rc<ChannelMessage>>>,
    bytes: Cell<usize>,
    messages_max: usize,
    dropped: Cell<u64>,
    closed: Cell<bool>,
    waiting: RefCell<Vec<Box<dyn FnOnce()>>>,
    /// How much all subscriptions of the shard have dropped.
    dropped_by_all: Rc<Cell<u64>>,
}

impl Queue {
    pub(super) fn new(messages_max: usize, dropped_by_all: &Rc<Cell<u64>>) -> Rc<Self> {
        Rc::new(Self {
            messages: RefCell::default(),
            bytes: Cell::new(0),
            messages_max: messages_max.max(1),
            dropped: Cell::new(0),
            closed: Cell::new(false),
            waiting: RefCell::default(),
            dropped_by_all: dropped_by_all.clone(),
        })
    }

    /// Queues a message, and drops the oldest where there are too many.
    pub(super) fn push(&self, message: &Rc<ChannelMessage>) {
        let mut messages = self.messages.borrow_mut();
        let mut bytes = self.bytes.get() + message.data.len();
        messages.push_back(message.clone());
        while messages.len() > self.messages_max || bytes > SUBSCRIPTION_BYTES_MAX {
            let Some(oldest) = messages.pop_front() else {
                break;
            };
            bytes -= oldest.data.len();
            self.dropped.set(self.dropped.get() + 1);
            self.dropped_by_all.set(self.dropped_by_all.get() + 1);
        }
        self.bytes.set(bytes);
    }

    fn wake(&self) {
        let waiting = self.waiting.take();
        waiting.into_iter().for_each(|wake| wake());
    }
}

impl Member for Queue {
    fn deliver(&self, message: &Rc<ChannelMessage>, _: Lag) -> bool {
        if self.closed.get() {
            return false;
        }
        self.push(message);
        self.wake();
        true
    }
}

/// The receiving end; dropping it unsubscribes.
pub struct Subscription {
    pub(super) queue: Rc<Queue>,
    pub(super) id: MemberId,
    pub(super) channels: std::rc::Weak<Channels>,
}

impl Subscription {
    /// The channel.
    pub fn channel(&self) -> &Rc<str> {
        self.id.channel()
    }

    /// Takes the oldest message that waits.
    pub fn take(&self) -> Option<Rc<ChannelMessage>> {
        let message = self.queue.messages.borrow_mut().pop_front()?;
        self.queue
            .bytes
            .set(self.queue.bytes.get() - message.data.len());
        Some(message)
    }

    /// Calls `wake` once, when a message comes or the subscription is closed; at once if that has
    /// happened. It must not run the code of a receiver: it may be called while a publisher runs.
    pub fn notify(&self, wake: Box<dyn FnOnce()>) {
        if self.queue.closed.get() || !self.queue.messages.borrow().is_empty() {
            wake();
        } else {
            self.queue.waiting.borrow_mut().push(wake);
        }
    }

    /// How many messages were dropped because nobody took them in time.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped.get()
    }

    /// True after [`Self::close`]; what had come before can still be taken.
    pub fn is_closed(&self) -> bool {
        self.queue.closed.get()
    }

    /// Ends the subscription and wakes who waits.
    pub fn close(&self) {
        if self.queue.closed.replace(true) {
            return;
        }
        if let Some(channels) = self.channels.upgrade() {
            channels.end_subscription(&self.id);
        }
        self.queue.wake();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.close();
    }
}

//! What is published on this shard, on its way to a backplane: bounded, the oldest goes first.

use super::message::ChannelMessage;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// Most messages that wait for the backplane.
const TAP_MESSAGES_MAX: usize = 4096;
/// Most that they may hold, in bytes.
const TAP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A message published on this shard.
pub struct Published {
    /// The channel.
    pub channel: Rc<str>,
    /// The message.
    pub message: Rc<ChannelMessage>,
}

/// Gets everything that is published on this shard, and nothing of what came to it.
#[derive(Default)]
pub struct Tap {
    messages: RefCell<VecDeque<Published>>,
    bytes: Cell<usize>,
    dropped: Cell<u64>,
    waiting: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Tap {
    pub(super) fn push(&self, channel: &str, message: &Rc<ChannelMessage>) {
        let mut messages = self.messages.borrow_mut();
        let mut bytes = self.bytes.get() + message.data.len();
        messages.push_back(Published {
            channel: channel.into(),
            message: message.clone(),
        });
        while messages.len() > TAP_MESSAGES_MAX || bytes > TAP_BYTES_MAX {
            let Some(oldest) = messages.pop_front() else {
                break;
            };
            bytes -= oldest.message.data.len();
            self.dropped.set(self.dropped.get() + 1);
        }
        self.bytes.set(bytes);
        drop(messages);
        let waiting = self.waiting.take();
        if let Some(wake) = waiting {
            wake();
        }
    }

    /// Takes the oldest message that waits.
    pub fn take(&self) -> Option<Published> {
        let published = self.messages.borrow_mut().pop_front()?;
        let bytes = self.bytes.get() - published.message.data.len();
        self.bytes.set(bytes);
        Some(published)
    }

    /// Calls `wake` once, when a message waits; it must not run anybody's code.
    pub fn notify(&self, wake: Box<dyn FnOnce()>) {
        if self.messages.borrow().is_empty() {
            let former = self.waiting.replace(Some(wake));
            drop(former);
        } else {
            wake();
        }
    }

    /// How many messages were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }
}

//! Channels: what is published under a name reaches everybody who joined it, on every shard.
//!
//! This part knows members, queues, histories and counts of one shard, on its thread;
//! [`crate::Links`] carries messages to the others.

mod history;
mod inbox;
mod local;
mod message;
mod presence;
mod registry;
mod subscription;
mod tap;

use std::fmt;
use std::rc::Rc;

pub use inbox::ChannelsHandle;
pub use local::Channels;
pub use message::{ChannelMessage, MessageId, NoMessageId};
pub use protocols::websocket::MessageKind;
pub use registry::MemberId;
pub use subscription::Subscription;
pub use tap::{Published, Tap};

/// Largest message, in bytes.
pub const CHANNEL_MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Longest name of a channel, in characters.
pub const CHANNEL_NAME_CHARS_MAX: usize = 200;
/// Most that one channel keeps, in bytes.
pub const HISTORY_BYTES_MAX: usize = 1024 * 1024;

/// What becomes of a receiver that takes messages more slowly than they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// It loses the oldest that wait.
    DropOldest,
    /// It is disconnected.
    Disconnect,
}

/// Whoever gets a channel's messages without a call into Python.
pub trait Member {
    /// Takes a message, without waiting; false when the member is gone, which removes it. It may
    /// run inside of a publisher, so it runs no handler.
    fn deliver(&self, message: &Rc<ChannelMessage>, lag: Lag) -> bool;
}

/// Where messages and counts go besides this shard.
pub(crate) trait Outlet {
    /// Sends a message to every other shard.
    fn send(&self, channel: &str, message: &ChannelMessage);
    /// The number of members of a channel has changed.
    fn count_changed(&self, channel: &Rc<str>);
    /// Adds what it has counted.
    fn count_into(&self, stats: &mut ChannelStats);
}

/// What can be wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// The name is empty or longer than [`CHANNEL_NAME_CHARS_MAX`].
    NameInvalid,
    /// The message is longer than [`CHANNEL_MESSAGE_BYTES_MAX`].
    MessageTooLarge,
    /// A rule of what is kept is out of its bounds, or there are too many.
    KeepInvalid,
    /// A socket has joined as many channels as it may.
    TooMany,
    /// The shard does not get to what this thread wants of it.
    Stalled,
    /// The shard is gone, or the socket.
    Closed,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameInvalid => write!(
                f,
                "a channel's name has 1 to {CHANNEL_NAME_CHARS_MAX} characters"
            ),
            Self::MessageTooLarge => write!(
                f,
                "a channel's message has at most {CHANNEL_MESSAGE_BYTES_MAX} bytes"
            ),
            Self::KeepInvalid => write!(
                f,
                "a channel keeps 1 to {} messages, by at most {} rules",
                history::HISTORY_MESSAGES_MAX,
                history::KEEP_RULES_MAX
            ),
            Self::TooMany => f.write_str("a WebSocket joins at most 1024 channels"),
            Self::Stalled => f.write_str("the shard's event loop is blocked"),
            Self::Closed => f.write_str("the shard or the socket is gone"),
        }
    }
}

impl std::error::Error for ChannelError {}

/// What the channels of a shard have counted. All but the first eight only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Channels with members or subscriptions on this shard.
    pub channels: u64,
    /// Members and subscriptions on this shard.
    pub members: u64,
    /// Rules that say which channels keep messages.
    pub keep_rules: u64,
    /// Channels that keep messages.
    pub kept_channels: u64,
    /// Messages that are kept.
    pub kept_messages: u64,
    /// Their size with what they cost besides, in bytes.
    pub kept_bytes: u64,
    /// Other shards that this one is linked to.
    pub peers: u64,
    /// Messages that wait to be sent to other shards.
    pub waiting_to_send: u64,
    /// Messages published on this shard.
    pub published: u64,
    /// Messages that came from other shards.
    pub received: u64,
    /// Messages that came from other servers.
    pub foreign: u64,
    /// How often a member or a subscription was given a message.
    pub delivered: u64,
    /// Messages that subscriptions dropped because nobody took them in time.
    pub dropped_by_subscriptions: u64,
    /// Messages that were not sent to another shard because too many waited already.
    pub dropped_to_peers: u64,
    /// Messages that were not handed to the backplane because too many waited already.
    pub dropped_to_backplane: u64,
    /// Packets of other shards that could not be read.
    pub malformed_packets: u64,
}

/// What is wrong with a message, if anything is.
fn check(channel: &str, data: &[u8]) -> Result<(), ChannelError> {
    check_name(channel)?;
    if data.len() > CHANNEL_MESSAGE_BYTES_MAX {
        return Err(ChannelError::MessageTooLarge);
    }
    Ok(())
}

/// What is wrong with a channel's name, if anything is.
fn check_name(channel: &str) -> Result<(), ChannelError> {
    let short = channel.len() <= CHANNEL_NAME_CHARS_MAX;
    if channel.is_empty() || !(short || channel.chars().count() <= CHANNEL_NAME_CHARS_MAX) {
        return Err(ChannelError::NameInvalid);
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! A socket in channels: what is published there goes out without a call into the application.

use super::socket::{DEFLATE_BYTES_MIN, Inner, Socket, State, opcode_of, wake_connection};
use crate::channels::{ChannelError, ChannelMessage, Channels, Lag, Member};
use protocols::websocket::{SHARED_WINDOW_BITS, encode_frame};
use std::rc::Rc;

/// The close code of a peer that does not keep up: "try again later".
const TOO_SLOW: u16 = 1013;
/// The most channels that one socket joins.
const CHANNELS_MAX: usize = 1_024;

impl Socket {
    /// Sends the peer what is published in `channel` from now on; joining twice is joining once.
    ///
    /// # Errors
    /// [`ChannelError::NameInvalid`]; [`ChannelError::TooMany`] channels for one socket;
    /// [`ChannelError::Closed`] for a socket that is not open.
    pub fn join(self: &Rc<Self>, channel: &str, lag: Lag) -> Result<(), ChannelError> {
        let (known, count) = {
            let inner = self.inner.borrow();
            if inner.state != State::Open {
                return Err(ChannelError::Closed);
            }
            let mut memberships = inner.memberships.iter();
            let known = memberships.any(|member| &**member.channel() == channel);
            (known, inner.memberships.len())
        };
        if known {
            return Ok(());
        }
        if count >= CHANNELS_MAX {
            return Err(ChannelError::TooMany);
        }
        let member = Channels::current().join(channel, self.clone(), lag)?;
        self.inner.borrow_mut().memberships.push(member);
        Ok(())
    }

    /// Ends what [`Self::join`] began; `false` when it had not.
    pub fn leave(&self, channel: &str) -> bool {
        let mut inner = self.inner.borrow_mut();
        let mut memberships = inner.memberships.iter();
        let Some(at) = memberships.position(|member| &**member.channel() == channel) else {
            return false;
        };
        let member = inner.memberships.swap_remove(at);
        drop(inner);
        Channels::current().leave(&member);
        true
    }

    /// Leaves every channel.
    pub(super) fn leave_all(&self) {
        let members = std::mem::take(&mut self.inner.borrow_mut().memberships);
        if let Some(channels) = Channels::try_current() {
            for member in &members {
                channels.leave(member);
            }
        }
    }
}

impl Member for Socket {
    fn deliver(&self, message: &Rc<ChannelMessage>, lag: Lag) -> bool {
        let mut inner = self.inner.borrow_mut();
        if inner.state != State::Open {
            return false;
        }
        if inner.outbox.is_full(inner.outbox_bytes_max) {
            if lag == Lag::Disconnect {
                inner.give_up(TOO_SLOW, "too slow");
                wake_connection(inner);
                return false;
            }
            inner.counts.messages_dropped += 1;
            if !inner.outbox.drop_oldest_shared() {
                // All that waits is the handler's own; that is not thrown away.
                return true;
            }
        }
        let frame = inner.frame_of(self.id(), message);
        inner.outbox.push_shared(frame);
        inner.counts.messages_sent += 1;
        inner.counts.bytes_sent += message.data.len() as u64;
        wake_connection(inner);
        true
    }
}

impl Inner {
    /// The message as this socket's peer reads it, made once for all that read it so.
    fn frame_of(&self, id: u64, message: &ChannelMessage) -> Rc<[u8]> {
        let opcode = opcode_of(message.kind);
        let shared = |agreed: &&super::socket::Agreed| {
            agreed.params.server_max_window_bits >= SHARED_WINDOW_BITS
        };
        let agreed = self.deflate.as_deref().filter(shared);
        let Some(agreed) = agreed.filter(|_| message.data.len() >= DEFLATE_BYTES_MIN) else {
            let plain = message.frame(|message| {
                let mut out = Vec::new();
                encode_frame(opcode, false, &message.data, &mut out);
                out
            });
            return plain.clone();
        };
        let mut codec = agreed.codec.borrow_mut();
        let deflated = message.deflated(|message| {
            let (mut packed, mut out) = (Vec::new(), Vec::new());
            codec.compress_alone(&message.data, &mut packed);
            encode_frame(opcode, true, &packed, &mut out);
            out
        });
        // Its own context does not know the message.
        codec.forget(id);
        deflated.clone()
    }
}

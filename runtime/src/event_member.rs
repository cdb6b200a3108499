//! An event stream in channels: what is published there goes out without a call into the handler.

use crate::channels::{ChannelError, ChannelMessage, Channels, Lag, Member, MemberId, MessageId};
use crate::chunk_queue::{ChunkFeed, ChunkSender, Fed};
use protocols::sse::encode_event;
use std::rc::Rc;

struct EventMember {
    feed: ChunkFeed,
}

impl Member for EventMember {
    fn deliver(&self, message: &Rc<ChannelMessage>, lag: Lag) -> bool {
        let event = message.event(|message| {
            let (id, mut out) = (message.id.to_string(), Vec::new());
            // An id of ours is one line.
            let _ = encode_event(None, Some(&message.data), Some(&id), None, &mut out);
            out
        });
        match (self.feed.push(event.clone()), lag) {
            (Fed::Queued, _) | (Fed::Full, Lag::DropOldest) => true,
            (Fed::Full, Lag::Disconnect) => {
                // In order, so that the client comes again and says what it has got.
                self.feed.close();
                false
            }
            (Fed::Gone, _) => false,
        }
    }
}

impl ChunkSender {
    /// Sends the peer what is published in `channel` from now on, each message as an event with its
    /// id, after those that are kept and newer than `after`; until the answer has ended. What comes
    /// while too much waits for the peer is left out, or ends the stream. Joining twice is joining
    /// once.
    ///
    /// # Errors
    /// [`ChannelError::NameInvalid`].
    pub fn join(
        &self,
        channel: &str,
        lag: Lag,
        after: Option<MessageId>,
    ) -> Result<(), ChannelError> {
        if self.memberships(|members| place_of(members, channel).is_some()) {
            return Ok(());
        }
        let member = Rc::new(EventMember { feed: self.feed() });
        let channels = Channels::current();
        let joined = match after {
            Some(after) => channels.join_after(channel, member, lag, after)?,
            None => channels.join(channel, member, lag)?,
        };
        self.memberships(|members| members.push(joined));
        Ok(())
    }

    /// Ends what [`Self::join`] began; `false` when it had not.
    pub fn leave(&self, channel: &str) -> bool {
        let left = self
            .memberships(|members| place_of(members, channel).map(|at| members.swap_remove(at)));
        leave_all(left.as_slice());
        left.is_some()
    }
}

fn place_of(members: &[MemberId], channel: &str) -> Option<usize> {
    let mut members = members.iter();
    members.position(|member| &**member.channel() == channel)
}

/// Ends memberships.
pub(crate) fn leave_all(members: &[MemberId]) {
    if members.is_empty() {
        return;
    }
    if let Some(channels) = Channels::try_current() {
        for member in members {
            channels.leave(member);
        }
    }
}

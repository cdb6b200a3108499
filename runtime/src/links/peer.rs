//! One other shard: what waits to be sent to it, bounded, and its mailbox.

use super::packet::{self, HEAD_BYTES, PACKET_BYTES};
use crate::channels::{Channels, MessageId};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use std::collections::{HashSet, VecDeque};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// Most messages that wait for one shard.
pub(super) const QUEUE_MESSAGES_MAX: usize = 1024;
/// Most that they hold, in bytes.
pub(super) const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How much of one packet is given to counts before messages, in bytes.
const COUNTS_BYTES: usize = 16 * 1024;
/// Most packets sent to one shard before others get their turn.
const PACKETS_BATCH: usize = 16;

/// What sending has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing waits any more.
    All,
    /// Something waits, and the mailbox has room.
    Some,
    /// Something waits, and the mailbox is full.
    Full,
    /// The shard is gone.
    Gone,
}

/// Histories on their way to a newcomer.
struct Histories {
    channels: VecDeque<Rc<str>>,
    /// How far the first of them has been sent.
    sent: Option<MessageId>,
}

/// Another shard's mailbox and what waits for it.
pub(super) struct Peer {
    mailbox: OwnedFd,
    /// Messages as records: one encoding serves all shards.
    messages: VecDeque<Rc<[u8]>>,
    bytes: usize,
    /// Channels whose count it is to be told: the present one, so nothing gets lost or old here.
    counts: Vec<Rc<str>>,
    /// The same, to have each once.
    counted: HashSet<Rc<str>>,
    histories: Option<Histories>,
    asks: bool,
    /// What has been packed and did not fit yet.
    packet: Vec<u8>,
    pub(super) is_blocked: bool,
}

impl Peer {
    pub(super) fn new(mailbox: OwnedFd) -> Self {
        Self {
            mailbox,
            messages: VecDeque::new(),
            bytes: 0,
            counts: Vec::new(),
            counted: HashSet::new(),
            histories: None,
            asks: false,
            packet: Vec::new(),
            is_blocked: false,
        }
    }

    /// Queues a message; how many were dropped for it.
    pub(super) fn push(&mut self, record: Rc<[u8]>) -> u64 {
        self.bytes += record.len();
        self.messages.push_back(record);
        let mut dropped = 0;
        while self.messages.len() > QUEUE_MESSAGES_MAX || self.bytes > QUEUE_BYTES_MAX {
            let Some(oldest) = self.messages.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
            dropped += 1;
        }
        dropped
    }

    /// Tells the count of a channel's members, as it is when it is sent.
    pub(super) fn tell_count(&mut self, channel: &Rc<str>) {
        if self.counted.insert(channel.clone()) {
            self.counts.push(channel.clone());
        }
    }

    /// Sends all histories, as they are when they are sent.
    pub(super) fn send_histories(&mut self, channels: VecDeque<Rc<str>>) {
        self.histories = Some(Histories {
            channels,
            sent: None,
        });
    }

    /// Asks it for its histories.
    pub(super) fn ask_histories(&mut self) {
        self.asks = true;
    }

    /// How many messages wait.
    pub(super) fn waiting(&self) -> usize {
        self.messages.len()
    }

    /// Sends what waits, up to a batch, without waiting.
    pub(super) fn send(&mut self, process: u32, channels: &Channels) -> Sent {
        for _ in 0..PACKETS_BATCH {
            if self.packet.is_empty() && !self.pack(process, channels) {
                // A shard that has nothing to say keeps no buffer for it.
                self.packet = Vec::new();
                return Sent::All;
            }
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(self.mailbox.as_raw_fd(), &self.packet, flags) {
                // Dropped, where the system's bound for a packet is lower than ours.
                Ok(_) | Err(Errno::EMSGSIZE) => self.packet.clear(),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => return Sent::Full,
                Err(_) => return Sent::Gone,
            }
        }
        Sent::Some
    }

    /// Packs what waits into a packet; false when nothing does.
    fn pack(&mut self, process: u32, channels: &Channels) -> bool {
        let out = &mut self.packet;
        packet::begin(process, out);
        if std::mem::take(&mut self.asks) {
            packet::write_wants_histories(out);
        }
        while out.len() < COUNTS_BYTES
            && let Some(channel) = self.counts.pop()
        {
            self.counted.remove(&channel);
            packet::write_count(&channel, channels.count(&channel), out);
        }
        while let Some(record) = self.messages.front() {
            if out.len() > HEAD_BYTES && out.len() + record.len() > PACKET_BYTES {
                return true;
            }
            out.extend_from_slice(record);
            self.bytes -= record.len();
            self.messages.pop_front();
        }
        // Last: what is new does not wait for what is old.
        self.pack_histories(channels);
        if self.packet.len() == HEAD_BYTES {
            self.packet.clear();
            return false;
        }
        true
    }

    fn pack_histories(&mut self, channels: &Channels) {
        let Some(histories) = &mut self.histories else {
            return;
        };
        let out = &mut self.packet;
        while let Some(channel) = histories.channels.front() {
            for message in channels.history(channel, histories.sent) {
                let before = out.len();
                packet::write_message(channel, &message, true, out);
                if before > HEAD_BYTES && out.len() > PACKET_BYTES {
                    out.truncate(before);
                    return;
                }
                histories.sent = Some(message.id);
            }
            histories.channels.pop_front();
            histories.sent = None;
        }
        packet::write_histories_end(out);
        self.histories = None;
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mailbox.as_fd()
    }
}

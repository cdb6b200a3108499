//! Introduces the shards to each other: hands the ends of their mailboxes out, and says who is gone.
//!
//! Both generations of a reload know each other, until the older one ends. Nothing here waits: what
//! a shard does not hear yet, because it still imports, is said again a little later.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};

use crate::control::{SupervisorEnd, ToShard};
use crate::error::Error;
use crate::logging;

use super::Supervisor;

/// How much may be in a mailbox, in bytes; the system may allow less.
const MAILBOX_BYTES: usize = 1024 * 1024;

/// When a shard that could not be told something is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// What a shard is to be told.
#[derive(Debug)]
enum Word {
    Link(OwnedFd),
    Peer { process: u32, histories: bool },
    Gone { process: u32 },
}

/// One shard's mailbox, and what it has not been told of the others yet.
#[derive(Debug)]
pub(super) struct Links {
    /// The sending end, for others. The receiving end is the shard's alone, so that whoever sends
    /// to a shard that has ended is told.
    mailbox: OwnedFd,
    words: VecDeque<Word>,
    retry_at: Option<Instant>,
}

impl Links {
    /// Makes the mailbox of a shard, which is told of it before anything else.
    pub(super) fn new() -> Result<Self, Error> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (mailbox, receiver) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|errno| Error::system("making a shard's mailbox", errno))?;
        // It works with less as well.
        let _ = setsockopt(&mailbox, sockopt::SndBuf, &MAILBOX_BYTES);
        Ok(Self {
            mailbox,
            words: VecDeque::from([Word::Link(receiver)]),
            retry_at: None,
        })
    }

    /// When something is to be said again.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.retry_at
    }

    fn forget(&mut self, process: u32) {
        let before = self.words.len();
        self.words
            .retain(|word| !matches!(word, Word::Peer { process: known, .. } if *known == process));
        if self.words.len() == before {
            self.words.push_back(Word::Gone { process });
        }
    }
}

impl Supervisor<'_> {
    /// Tells the newest shard of the others, and the others of it. One that serves already passes
    /// on what its channels have kept.
    pub(super) fn introduce_newest(&mut self) {
        let Some((newest, others)) = self.shards.split_last_mut() else {
            return;
        };
        let source = others.iter().filter(|shard| shard.is_ready());
        let source = source
            .max_by_key(|shard| shard.generation)
            .map(|shard| shard.process);
        for other in others {
            newest.links.words.push_back(Word::Peer {
                process: other.process,
                histories: source == Some(other.process),
            });
            other.links.words.push_back(Word::Peer {
                process: newest.process,
                histories: false,
            });
        }
        self.tell_links(Instant::now());
    }

    /// Tells all that a shard has ended.
    pub(super) fn tell_of_end(&mut self, process: u32) {
        for shard in &mut self.shards {
            shard.links.forget(process);
        }
        self.tell_links(Instant::now());
    }

    /// Says what is to be said, and is not to wait any longer.
    pub(super) fn tell_links(&mut self, now: Instant) {
        for at in 0..self.shards.len() {
            let links = &mut self.shards[at].links;
            let due = links.retry_at.is_none_or(|at| at <= now);
            if !due || links.words.is_empty() {
                continue;
            }
            let mut words = std::mem::take(&mut links.words);
            let retry_at = self.say(at, &mut words).then(|| now + RETRY_AFTER);
            let links = &mut self.shards[at].links;
            links.words = words;
            links.retry_at = retry_at;
        }
    }

    /// Says words to a shard until it hears no more; whether some are left.
    fn say(&self, at: usize, words: &mut VecDeque<Word>) -> bool {
        let shard = &self.shards[at];
        let Some(control) = &shard.control else {
            words.clear();
            return false;
        };
        while let Some(word) = words.front() {
            match self.say_word(control, word) {
                Ok(()) => {}
                Err(Error::ControlFull) => return true,
                Err(error) => {
                    logging::debug(format_args!("{shard} is not linked: {error}"));
                    words.clear();
                    return false;
                }
            }
            words.pop_front();
        }
        false
    }

    fn say_word(&self, control: &SupervisorEnd, word: &Word) -> Result<(), Error> {
        match word {
            Word::Link(receiver) => control.send_with(&ToShard::Link, receiver.as_fd()),
            Word::Peer { process, histories } => {
                let Some(peer) = self.shards.iter().find(|shard| shard.process == *process) else {
                    return Ok(());
                };
                let message = ToShard::Peer {
                    process: *process,
                    histories: *histories,
                };
                control.send_with(&message, peer.links.mailbox.as_fd())
            }
            Word::Gone { process } => control.send(&ToShard::PeerGone { process: *process }),
        }
    }
}

/// What tells this server from all others that its channels may be shared with.
pub(super) fn node() -> Result<String, Error> {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map_err(|error| Error::system("reading /proc/sys/kernel/random/uuid", error))?;
    Ok(uuid.trim().to_owned())
}

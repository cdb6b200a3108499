//! Who is joined to what on this shard.

use super::{Lag, Member};
use std::collections::HashMap;
use std::rc::Rc;

/// A vector is closed up when more of it than this is empty, and more than half.
const GAPS_MIN: usize = 16;

/// Names one membership.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberId {
    channel: Rc<str>,
    number: u64,
}

impl MemberId {
    /// The channel.
    pub fn channel(&self) -> &Rc<str> {
        &self.channel
    }
}

struct Entry {
    /// Grows along the vector, so that an entry is found by it.
    number: u64,
    /// `None` when it has left.
    member: Option<Rc<dyn Member>>,
    lag: Lag,
}

/// The members of one channel, in the order in which they joined.
#[derive(Default)]
pub(super) struct Members {
    entries: Vec<Entry>,
    gaps: usize,
}

impl Members {
    fn remove(&mut self, number: u64) -> Option<Rc<dyn Member>> {
        let at = self
            .entries
            .binary_search_by_key(&number, |entry| entry.number);
        let member = self.entries[at.ok()?].member.take()?;
        self.gaps += 1;
        // Leaving costs no walk, or the going of everybody at once would take forever.
        if self.gaps > GAPS_MIN && self.gaps > self.entries.len() / 2 {
            self.entries.retain(|entry| entry.member.is_some());
            self.gaps = 0;
        }
        Some(member)
    }

    /// Calls `deliver` for each; those that it returns false for leave. How many took it.
    pub(super) fn deliver(&mut self, deliver: impl Fn(&dyn Member, Lag) -> bool) -> u64 {
        let mut delivered = 0;
        for entry in &mut self.entries {
            let Some(member) = &entry.member else {
                continue;
            };
            if deliver(&**member, entry.lag) {
                delivered += 1;
            } else {
                entry.member = None;
                self.gaps += 1;
            }
        }
        delivered
    }

    fn count(&self) -> usize {
        self.entries.len() - self.gaps
    }
}

#[derive(Default)]
struct Channel {
    members: Members,
    /// How many there are, also while they are being delivered to.
    count: u32,
}

/// The channels that have members.
#[derive(Default)]
pub(super) struct Registry {
    channels: HashMap<Rc<str>, Channel>,
    last_number: u64,
    members: usize,
    /// The channel whose members are being delivered to just now.
    delivering: Option<Rc<str>>,
    /// Who left that meanwhile.
    left: Vec<u64>,
}

impl Registry {
    pub(super) fn join(&mut self, name: &str, member: Rc<dyn Member>, lag: Lag) -> MemberId {
        let channel: Rc<str> = match self.channels.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None => name.into(),
        };
        self.last_number += 1;
        let number = self.last_number;
        let entry = Entry {
            number,
            member: Some(member),
            lag,
        };
        let known = self.channels.entry(channel.clone()).or_default();
        known.members.entries.push(entry);
        known.count += 1;
        self.members += 1;
        MemberId { channel, number }
    }

    /// Takes a member out; the caller drops it when nothing is borrowed. `None` if it had left, or
    /// if its channel is being delivered to ([`Self::end_delivery`] removes it then).
    pub(super) fn leave(&mut self, id: &MemberId) -> Option<Rc<dyn Member>> {
        let channel = self.channels.get_mut(&id.channel)?;
        let Some(member) = channel.members.remove(id.number) else {
            if self.delivering.as_ref() == Some(&id.channel) {
                self.left.push(id.number);
            }
            return None;
        };
        channel.count -= 1;
        self.members -= 1;
        if channel.count == 0 {
            self.channels.remove(&id.channel);
        }
        Some(member)
    }

    /// Takes the members of a channel out, to be delivered to without a borrow: a member may join
    /// or leave meanwhile.
    pub(super) fn begin_delivery(&mut self, name: &str) -> Option<(Rc<str>, Members)> {
        let (name, _) = self.channels.get_key_value(name)?;
        let name = name.clone();
        let channel = self.channels.get_mut(&name)?;
        self.delivering = Some(name.clone());
        Some((name, std::mem::take(&mut channel.members)))
    }

    /// Puts them back; whether some have gone, and those who left meanwhile, to be dropped.
    pub(super) fn end_delivery(
        &mut self,
        name: &Rc<str>,
        mut members: Members,
    ) -> (bool, Vec<Rc<dyn Member>>) {
        self.delivering = None;
        let left = std::mem::take(&mut self.left);
        let gone = left.into_iter().filter_map(|number| members.remove(number));
        let gone: Vec<_> = gone.collect();
        let Some(channel) = self.channels.get_mut(name) else {
            return (false, gone);
        };
        // Whoever joined meanwhile has a higher number.
        members.entries.append(&mut channel.members.entries);
        members.gaps += channel.members.gaps;
        channel.members = members;
        let count = u32::try_from(channel.members.count()).unwrap_or(u32::MAX);
        let before = std::mem::replace(&mut channel.count, count);
        self.members -= (before - count) as usize;
        if count == 0 {
            self.channels.remove(name);
        }
        (before != count, gone)
    }

    /// How many members a channel has here.
    pub(super) fn count(&self, name: &str) -> u32 {
        self.channels.get(name).map_or(0, |channel| channel.count)
    }

    /// The channels that have members.
    pub(super) fn names(&self) -> impl Iterator<Item = &Rc<str>> {
        self.channels.keys()
    }

    /// How many channels have members, and how many members there are.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.channels.len(), self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::ChannelMessage;
    use super::*;

    struct Nobody;

    impl Member for Nobody {
        fn deliver(&self, _: &Rc<ChannelMessage>, _: Lag) -> bool {
            true
        }
    }

    #[test]
    fn a_channel_ends_with_its_last_member() {
        let mut registry = Registry::default();
        let ids: Vec<_> = (0..100)
            .map(|_| registry.join("room", Rc::new(Nobody), Lag::DropOldest))
            .collect();
        assert_eq!((registry.count("room"), registry.sizes()), (100, (1, 100)));
        for (gone, id) in ids.iter().enumerate() {
            assert!(registry.leave(id).is_some());
            assert!(registry.leave(id).is_none(), "it has left already");
            assert_eq!(registry.count("room") as usize, 99 - gone);
        }
        assert_eq!(registry.sizes(), (0, 0));
        assert_eq!(registry.names().count(), 0);
    }

    #[test]
    fn members_come_and_go_while_others_are_delivered_to() {
        let mut registry = Registry::default();
        let first = registry.join("room", Rc::new(Nobody), Lag::DropOldest);
        registry.join("room", Rc::new(Nobody), Lag::Disconnect);
        let (name, mut members) = registry.begin_delivery("room").unwrap();
        assert!(registry.leave(&first).is_none());
        let new = registry.join("room", Rc::new(Nobody), Lag::DropOldest);
        let fickle = registry.join("room", Rc::new(Nobody), Lag::DropOldest);
        assert!(registry.leave(&fickle).is_some());
        let took = members.deliver(|_, lag| lag == Lag::DropOldest);
        assert_eq!(took, 1);
        let (changed, gone) = registry.end_delivery(&name, members);
        assert!(changed && gone.len() == 1);
        assert_eq!((registry.count("room"), registry.sizes()), (1, (1, 1)));
        assert!(registry.leave(&new).is_some());
        assert!(registry.begin_delivery("room").is_none());
    }
}

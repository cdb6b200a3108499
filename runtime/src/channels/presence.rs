//! How many receivers the channels of other shards have, as those say.

use std::collections::HashMap;

/// The counts of every other shard, by its process.
#[derive(Default)]
pub(super) struct Presence {
    elsewhere: HashMap<u32, HashMap<Box<str>, u32>>,
}

impl Presence {
    /// Notes what another shard says of one of its channels.
    pub(super) fn set(&mut self, process: u32, name: &str, count: u32) {
        let counts = self.elsewhere.entry(process).or_default();
        if count == 0 {
            counts.remove(name);
        } else if let Some(known) = counts.get_mut(name) {
            *known = count;
        } else {
            counts.insert(name.into(), count);
        }
    }

    /// Forgets a shard that is gone.
    pub(super) fn forget(&mut self, process: u32) {
        self.elsewhere.remove(&process);
    }

    /// How many receivers a channel has on other shards.
    pub(super) fn count(&self, name: &str) -> u64 {
        let counts = self
            .elsewhere
            .values()
            .filter_map(|counts| counts.get(name));
        counts.map(|count| u64::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_go_with_their_shard() {
        let mut presence = Presence::default();
        presence.set(1, "room", 2);
        presence.set(2, "room", 3);
        presence.set(2, "hall", 1);
        assert_eq!(presence.count("room"), 5);
        presence.set(1, "room", 4);
        assert_eq!(presence.count("room"), 7);
        presence.set(2, "hall", 0);
        assert_eq!(presence.count("hall"), 0);
        presence.forget(2);
        assert_eq!(presence.count("room"), 4);
        presence.forget(3);
    }
}

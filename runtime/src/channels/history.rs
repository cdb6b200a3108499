//! What is kept of some channels, for whoever comes back: bounded in every direction.

use super::message::{ChannelMessage, MessageId};
use super::{ChannelError, HISTORY_BYTES_MAX};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

/// Most messages that one channel keeps.
pub(super) const HISTORY_MESSAGES_MAX: usize = 10_000;
/// Most channels that keep messages; the one that was published to least recently goes first.
pub(super) const KEPT_CHANNELS_MAX: usize = 10_000;
/// Most that all channels of a shard keep together, in bytes.
pub(super) const HISTORIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most rules of what is kept.
pub(super) const KEEP_RULES_MAX: usize = 1_000;
/// What a message costs besides its data, about, in bytes.
const MESSAGE_OVERHEAD_BYTES: usize = 128;

/// The messages of one channel, oldest first.
#[derive(Default)]
struct History {
    messages: VecDeque<Rc<ChannelMessage>>,
    bytes: usize,
    /// When it was last published to, in [`Histories::clock`]'s unit.
    touched: u64,
}

fn cost(message: &ChannelMessage) -> usize {
    message.data.len() + MESSAGE_OVERHEAD_BYTES
}

impl History {
    /// Inserts by id: messages of other shards come a little late. False when it is there already.
    fn insert(&mut self, message: &Rc<ChannelMessage>) -> bool {
        let before = self.messages.iter().rev();
        let later = before.take_while(|known| known.id > message.id).count();
        let at = self.messages.len() - later;
        if at > 0 && self.messages[at - 1].id == message.id {
            return false;
        }
        self.messages.insert(at, message.clone());
        self.bytes += cost(message);
        true
    }

    /// Drops the oldest until the bounds hold.
    fn trim(&mut self, messages_max: usize) {
        while self.messages.len() > messages_max || self.bytes > HISTORY_BYTES_MAX {
            let Some(dropped) = self.messages.pop_front() else {
                return;
            };
            self.bytes -= cost(&dropped);
        }
    }
}

/// All histories of a shard, and the rules that say which there are.
#[derive(Default)]
pub(super) struct Histories {
    exact: HashMap<String, usize>,
    /// By prefix; the longest that fits counts.
    prefixes: Vec<(String, usize)>,
    kept: HashMap<Rc<str>, History>,
    /// By the time of the last publication: the first is the least recent.
    recency: BTreeMap<u64, Rc<str>>,
    clock: u64,
    bytes: usize,
    messages: usize,
}

impl Histories {
    /// Keeps `messages_max` messages of the channel `pattern`, or of all whose names begin with
    /// what is before its final `*`.
    pub(super) fn keep(&mut self, pattern: &str, messages_max: usize) -> Result<(), ChannelError> {
        if !(1..=HISTORY_MESSAGES_MAX).contains(&messages_max) {
            return Err(ChannelError::KeepInvalid);
        }
        let full = self.rules() >= KEEP_RULES_MAX;
        if let Some(prefix) = pattern.strip_suffix('*') {
            if let Some(known) = self.prefixes.iter_mut().find(|(known, _)| known == prefix) {
                known.1 = messages_max;
                return Ok(());
            }
            if full {
                return Err(ChannelError::KeepInvalid);
            }
            self.prefixes.push((prefix.to_owned(), messages_max));
            self.prefixes
                .sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
            return Ok(());
        }
        if full && !self.exact.contains_key(pattern) {
            return Err(ChannelError::KeepInvalid);
        }
        self.exact.insert(pattern.to_owned(), messages_max);
        Ok(())
    }

    /// How many rules there are.
    pub(super) fn rules(&self) -> usize {
        self.exact.len() + self.prefixes.len()
    }

    /// How many messages of a channel are kept.
    fn messages_max(&self, name: &str) -> Option<usize> {
        let by_prefix = |(prefix, _): &&(String, usize)| name.starts_with(prefix.as_str());
        let exact = self.exact.get(name).copied();
        exact.or_else(|| self.prefixes.iter().find(by_prefix).map(|(_, max)| *max))
    }

    /// Keeps a message, if its channel keeps any.
    pub(super) fn add(&mut self, name: &str, message: &Rc<ChannelMessage>) {
        if self.exact.is_empty() && self.prefixes.is_empty() {
            return;
        }
        let Some(messages_max) = self.messages_max(name) else {
            return;
        };
        let name: Rc<str> = match self.kept.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None => name.into(),
        };
        let history = self.kept.entry(name.clone()).or_default();
        let (bytes, messages) = (history.bytes, history.messages.len());
        history.insert(message);
        history.trim(messages_max);
        self.bytes = self.bytes + history.bytes - bytes;
        self.messages = self.messages + history.messages.len() - messages;
        self.clock += 1;
        if history.touched > 0 {
            self.recency.remove(&history.touched);
        }
        history.touched = self.clock;
        self.recency.insert(self.clock, name);
        while self.kept.len() > KEPT_CHANNELS_MAX || self.bytes > HISTORIES_BYTES_MAX {
            self.forget_least_recent();
        }
    }

    fn forget_least_recent(&mut self) {
        let least = self.recency.pop_first();
        if let Some(history) = least.and_then(|(_, name)| self.kept.remove(&name)) {
            self.bytes -= history.bytes;
            self.messages -= history.messages.len();
        }
    }

    /// What is kept of a channel with an id above `after`, oldest first.
    pub(super) fn after(
        &self,
        name: &str,
        after: Option<MessageId>,
    ) -> impl DoubleEndedIterator<Item = &Rc<ChannelMessage>> {
        let kept = self.kept.get(name).map(|history| &history.messages);
        let from = kept.map_or(0, |messages| {
            messages.partition_point(|message| Some(message.id) <= after)
        });
        kept.into_iter()
            .flat_map(move |messages| messages.range(from..))
    }

    /// The channels that keep messages.
    pub(super) fn names(&self) -> impl Iterator<Item = &Rc<str>> {
        self.kept.keys()
    }

    /// How many channels keep messages, how many messages, and their bytes.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.kept.len(), self.messages, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocols::websocket::MessageKind;

    fn message(micros: u64, bytes: usize) -> Rc<ChannelMessage> {
        let id = MessageId { micros, process: 1 };
        ChannelMessage::new(id, MessageKind::Binary, vec![0; bytes])
    }

    fn kept(histories: &Histories, name: &str, after: Option<u64>) -> Vec<u64> {
        let after = after.map(|micros| MessageId { micros, process: 1 });
        histories
            .after(name, after)
            .map(|message| message.id.micros)
            .collect()
    }

    #[test]
    fn messages_are_kept_in_the_order_of_their_ids_and_once() {
        let mut histories = Histories::default();
        histories.keep("ticks", 3).unwrap();
        for micros in [1, 3, 2, 3, 5, 4] {
            histories.add("ticks", &message(micros, 1));
            histories.add("other", &message(micros, 1));
        }
        assert_eq!(kept(&histories, "ticks", None), [3, 4, 5]);
        assert_eq!(kept(&histories, "ticks", Some(3)), [4, 5]);
        assert_eq!(kept(&histories, "ticks", Some(0)), [3, 4, 5]);
        assert_eq!(kept(&histories, "ticks", Some(9)), []);
        assert_eq!(kept(&histories, "other", None), []);
        assert_eq!(histories.sizes(), (1, 3, 3 * (MESSAGE_OVERHEAD_BYTES + 1)));
    }

    #[test]
    fn the_exact_name_counts_before_the_longest_prefix() {
        let mut histories = Histories::default();
        histories.keep("room:*", 2).unwrap();
        histories.keep("room:big:*", 3).unwrap();
        histories.keep("room:one", 1).unwrap();
        histories.keep("*", 4).unwrap();
        let counts = ["room:1", "room:big:1", "room:one", "x"].map(|name| {
            (1..9).for_each(|micros| histories.add(name, &message(micros, 1)));
            kept(&histories, name, None).len()
        });
        assert_eq!(counts, [2, 3, 1, 4]);
        histories.keep("room:*", 1).unwrap();
        histories.add("room:1", &message(9, 1));
        assert_eq!(kept(&histories, "room:1", None), [9]);
    }

    #[test]
    fn the_bytes_of_one_channel_and_of_all_are_bounded() {
        let mut histories = Histories::default();
        histories.keep("*", HISTORY_MESSAGES_MAX).unwrap();
        let half = HISTORY_BYTES_MAX / 2;
        for micros in 1..4 {
            histories.add("a", &message(micros, half));
        }
        assert_eq!(kept(&histories, "a", None), [3]);
        for channel in 0..HISTORIES_BYTES_MAX / half + 1 {
            histories.add(&format!("b{channel}"), &message(4, half));
        }
        assert_eq!(kept(&histories, "a", None), []);
        let (channels, messages, bytes) = histories.sizes();
        assert!(
            channels == messages && bytes <= HISTORIES_BYTES_MAX,
            "{bytes}"
        );
    }

    #[test]
    fn the_least_recent_channel_makes_room() {
        let mut histories = Histories::default();
        histories.keep("*", 1).unwrap();
        for channel in 0..KEPT_CHANNELS_MAX {
            histories.add(&channel.to_string(), &message(1, 0));
        }
        histories.add("0", &message(2, 0));
        histories.add("one more", &message(1, 0));
        assert_eq!(histories.sizes().0, KEPT_CHANNELS_MAX);
        assert_eq!(kept(&histories, "0", None), [2]);
        assert_eq!(kept(&histories, "1", None), []);
        assert_eq!(histories.recency.len(), KEPT_CHANNELS_MAX);
    }

    #[test]
    fn rules_are_bounded() {
        let mut histories = Histories::default();
        for count in [0, HISTORY_MESSAGES_MAX + 1] {
            assert_eq!(histories.keep("x", count), Err(ChannelError::KeepInvalid));
        }
        for rule in 0..KEEP_RULES_MAX / 2 {
            histories.keep(&rule.to_string(), 1).unwrap();
            histories.keep(&format!("{rule}*"), 1).unwrap();
        }
        for name in ["x", "x*"] {
            assert_eq!(histories.keep(name, 1), Err(ChannelError::KeepInvalid));
        }
        histories.keep("0", 2).unwrap();
        histories.keep("0*", 2).unwrap();
    }
}

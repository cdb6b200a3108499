//! One published message and its id.

use protocols::websocket::MessageKind;
use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

/// Names a message among all of a server's.
///
/// Ids grow strictly in each process; between processes they are ordered by time, and by process
/// within one microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// When it was published, in microseconds since 1970; moved on where two would be equal.
    pub micros: u64,
    /// Which process of the server published it, counted from its start.
    pub process: u32,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.micros, self.process)
    }
}

/// A text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMessageId;

impl FromStr for MessageId {
    type Err = NoMessageId;

    fn from_str(text: &str) -> Result<Self, NoMessageId> {
        let (micros, process) = text.split_once('-').ok_or(NoMessageId)?;
        Ok(Self {
            micros: number(micros)?,
            process: number(process)?,
        })
    }
}

/// Digits alone: `parse` would take a sign too.
fn number<T: FromStr>(digits: &str) -> Result<T, NoMessageId> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoMessageId);
    }
    digits.parse().map_err(|_| NoMessageId)
}

/// A message on its way to the receivers of one shard.
///
/// What it looks like on the wire is made once per shard, by whoever needs it first; a cell that
/// nobody needs stays empty.
#[derive(Debug)]
pub struct ChannelMessage {
    /// Its id.
    pub id: MessageId,
    /// What `data` is.
    pub kind: MessageKind,
    /// What was published.
    pub data: Vec<u8>,
    frame: OnceCell<Rc<[u8]>>,
    deflated: OnceCell<Rc<[u8]>>,
    event: OnceCell<Rc<[u8]>>,
}

impl ChannelMessage {
    /// A message that nobody has encoded yet.
    pub fn new(id: MessageId, kind: MessageKind, data: Vec<u8>) -> Rc<Self> {
        Rc::new(Self {
            id,
            kind,
            data,
            frame: OnceCell::new(),
            deflated: OnceCell::new(),
            event: OnceCell::new(),
        })
    }

    /// The message as a WebSocket frame; `make` is called by the first who asks.
    pub fn frame(&self, make: impl FnOnce(&Self) -> Vec<u8>) -> &Rc<[u8]> {
        self.frame.get_or_init(|| make(self).into())
    }

    /// The message as a WebSocket frame that was compressed without any context; as [`Self::frame`].
    pub fn deflated(&self, make: impl FnOnce(&Self) -> Vec<u8>) -> &Rc<[u8]> {
        self.deflated.get_or_init(|| make(self).into())
    }

    /// The message as a server-sent event; as [`Self::frame`].
    pub fn event(&self, make: impl FnOnce(&Self) -> Vec<u8>) -> &Rc<[u8]> {
        self.event.get_or_init(|| make(self).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_text_and_back() {
        let id = MessageId {
            micros: 1_763_857_546_000_001,
            process: 7,
        };
        assert_eq!(id.to_string(), "1763857546000001-7");
        assert_eq!("1763857546000001-7".parse(), Ok(id));
        for text in [
            "",
            "1",
            "-",
            "1-",
            "-1",
            "1-+2",
            "+1-2",
            "1-2-3",
            "1- 2",
            "x-1",
            "1-4294967296",
        ] {
            let parsed: Result<MessageId, _> = text.parse();
            assert_eq!(parsed, Err(NoMessageId), "{text}");
        }
    }

    #[test]
    fn ids_are_ordered_by_time_and_then_by_process() {
        let id = |micros, process| MessageId { micros, process };
        assert!(id(1, 9) < id(2, 1) && id(2, 1) < id(2, 2));
    }

    #[test]
    fn an_encoding_is_made_once() {
        let message = ChannelMessage::new(MessageId::default(), MessageKind::Text, b"hi".to_vec());
        assert_eq!(&**message.frame(|message| message.data.clone()), b"hi");
        assert_eq!(&**message.frame(|_| panic!("made before")), b"hi");
        assert_eq!(
            &**message.event(|_| b"data: hi\n\n".to_vec()),
            b"data: hi\n\n"
        );
        assert_eq!(&**message.deflated(|_| Vec::new()), b"");
    }
}

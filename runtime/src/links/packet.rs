//! What shards send each other: packets of records. Bytes in, bytes out.
//!
//! A packet is `FA 01`, the sender's process (4 bytes, little-endian as all numbers here), then
//! records. A record is its kind (1 byte), then by kind:
//!
//! | kind | what follows |
//! |---|---|
//! | 1, 2 text, binary message; 3, 4 the same out of a history | id (8 + 4), length of the name (2), of the data (4), both |
//! | 5 count of a channel's members | count (4), length of the name (2), the name |
//! | 6 wants histories; 7 that was all of them | nothing |
//!
//! Both ends are of one version: the supervisor starts them from the same program.

use crate::channels::{
    CHANNEL_MESSAGE_BYTES_MAX, CHANNEL_NAME_CHARS_MAX, ChannelMessage, MessageId, MessageKind,
};

/// Bytes before the first record.
pub(super) const HEAD_BYTES: usize = 6;
/// Largest packet, unless a single message is larger, in bytes.
pub(super) const PACKET_BYTES: usize = 64 * 1024;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = CHANNEL_NAME_CHARS_MAX * 4;
/// Largest packet of all: one message of the largest size and the end of histories, in bytes.
pub(super) const PACKET_BYTES_MAX: usize =
    HEAD_BYTES + 1 + 8 + 4 + 2 + 4 + NAME_BYTES_MAX + CHANNEL_MESSAGE_BYTES_MAX + 1;

const MAGIC: [u8; 2] = [0xfa, 1];
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const KEPT_TEXT: u8 = 3;
const KEPT_BINARY: u8 = 4;
const COUNT: u8 = 5;
const WANTS_HISTORIES: u8 = 6;
const HISTORIES_END: u8 = 7;

/// One thing that a shard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A message, for whoever has joined.
    Message {
        channel: &'a str,
        id: MessageId,
        kind: MessageKind,
        data: &'a [u8],
    },
    /// A message of the past, for the history alone.
    Kept {
        channel: &'a str,
        id: MessageId,
        kind: MessageKind,
        data: &'a [u8],
    },
    /// How many members a channel has at the sender.
    Count { channel: &'a str, count: u32 },
    /// The sender asks for all histories.
    WantsHistories,
    /// All histories have been sent.
    HistoriesEnd,
}

/// Begins a packet.
pub(super) fn begin(process: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&process.to_le_bytes());
}

/// Writes a message, one of the past if `is_kept`.
pub(super) fn write_message(
    channel: &str,
    message: &ChannelMessage,
    is_kept: bool,
    out: &mut Vec<u8>,
) {
    out.push(match (message.kind, is_kept) {
        (MessageKind::Text, false) => TEXT,
        (MessageKind::Binary, false) => BINARY,
        (MessageKind::Text, true) => KEPT_TEXT,
        (MessageKind::Binary, true) => KEPT_BINARY,
    });
    out.extend_from_slice(&message.id.micros.to_le_bytes());
    out.extend_from_slice(&message.id.process.to_le_bytes());
    // Both lengths are checked before anything is published.
    out.extend_from_slice(&(channel.len() as u16).to_le_bytes());
    out.extend_from_slice(&(message.data.len() as u32).to_le_bytes());
    out.extend_from_slice(channel.as_bytes());
    out.extend_from_slice(&message.data);
}

/// Writes how many members a channel has.
pub(super) fn write_count(channel: &str, count: u32, out: &mut Vec<u8>) {
    out.push(COUNT);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&(channel.len() as u16).to_le_bytes());
    out.extend_from_slice(channel.as_bytes());
}

/// Asks for histories.
pub(super) fn write_wants_histories(out: &mut Vec<u8>) {
    out.push(WANTS_HISTORIES);
}

/// Says that all histories have been sent.
pub(super) fn write_histories_end(out: &mut Vec<u8>) {
    out.push(HISTORIES_END);
}

/// A packet that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The sender's process and the records of a packet; all of them or none.
///
/// # Errors
/// [`Malformed`] when anything in it is not as it should be.
pub(super) fn read(packet: &[u8]) -> Result<(u32, Vec<Record<'_>>), Malformed> {
    let mut reader = Reader(packet);
    if reader.array()? != MAGIC {
        return Err(Malformed);
    }
    let process = reader.u32()?;
    let mut records = Vec::new();
    while !reader.0.is_empty() {
        records.push(reader.record()?);
    }
    Ok((process, records))
}

/// What is left of a packet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn name_bytes(&mut self) -> Result<usize, Malformed> {
        let length = usize::from(self.array().map(u16::from_le_bytes)?);
        (1..=NAME_BYTES_MAX)
            .contains(&length)
            .then_some(length)
            .ok_or(Malformed)
    }

    fn text(&mut self, length: usize) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes(length)?).map_err(|_| Malformed)
    }

    fn record(&mut self) -> Result<Record<'a>, Malformed> {
        let [tag] = self.array()?;
        match tag {
            TEXT | BINARY | KEPT_TEXT | KEPT_BINARY => self.message(tag),
            COUNT => {
                let count = self.u32()?;
                let length = self.name_bytes()?;
                let channel = self.text(length)?;
                Ok(Record::Count { channel, count })
            }
            WANTS_HISTORIES => Ok(Record::WantsHistories),
            HISTORIES_END => Ok(Record::HistoriesEnd),
            _ => Err(Malformed),
        }
    }

    fn message(&mut self, tag: u8) -> Result<Record<'a>, Malformed> {
        let id = MessageId {
            micros: self.array().map(u64::from_le_bytes)?,
            process: self.u32()?,
        };
        let name_bytes = self.name_bytes()?;
        let data_bytes = self.u32()? as usize;
        if data_bytes > CHANNEL_MESSAGE_BYTES_MAX {
            return Err(Malformed);
        }
        let channel = self.text(name_bytes)?;
        let data = self.bytes(data_bytes)?;
        let kind = match tag {
            // Python makes a `str` of it.
            TEXT | KEPT_TEXT if str::from_utf8(data).is_err() => return Err(Malformed),
            TEXT | KEPT_TEXT => MessageKind::Text,
            _ => MessageKind::Binary,
        };
        Ok(if matches!(tag, TEXT | BINARY) {
            Record::Message {
                channel,
                id,
                kind,
                data,
            }
        } else {
            Record::Kept {
                channel,
                id,
                kind,
                data,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MessageId = MessageId {
        micros: 0x0102_0304_0506_0708,
        process: 9,
    };

    fn packet() -> Vec<u8> {
        let text = ChannelMessage::new(ID, MessageKind::Text, "h\u{e9}".into());
        let binary = ChannelMessage::new(ID, MessageKind::Binary, vec![0xff, 0]);
        let mut out = Vec::new();
        begin(7, &mut out);
        write_message("r\u{e9}", &text, false, &mut out);
        write_message("b", &binary, true, &mut out);
        write_count("room", 3, &mut out);
        write_wants_histories(&mut out);
        write_histories_end(&mut out);
        out
    }

    fn records() -> [Record<'static>; 5] {
        [
            Record::Message {
                channel: "r\u{e9}",
                id: ID,
                kind: MessageKind::Text,
                data: "h\u{e9}".as_bytes(),
            },
            Record::Kept {
                channel: "b",
                id: ID,
                kind: MessageKind::Binary,
                data: &[0xff, 0],
            },
            Record::Count {
                channel: "room",
                count: 3,
            },
            Record::WantsHistories,
            Record::HistoriesEnd,
        ]
    }

    #[test]
    fn a_packet_is_read_as_it_was_written() {
        assert_eq!(read(&packet()), Ok((7, records().to_vec())));
        assert_eq!(read(&packet()[..HEAD_BYTES]), Ok((7, Vec::new())));
    }

    #[test]
    fn a_part_of_a_packet_is_malformed_unless_it_ends_between_records() {
        let whole = packet();
        let ends: Vec<_> = (0..=whole.len())
            .filter(|end| read(&whole[..*end]).is_ok())
            .collect();
        assert_eq!(ends.len(), records().len() + 1);
        for (count, end) in ends.into_iter().enumerate() {
            assert_eq!(read(&whole[..end]), Ok((7, records()[..count].to_vec())));
        }
    }

    #[test]
    fn trailing_bytes_are_malformed() {
        for trailing in [0, COUNT, TEXT, 8, 0xff] {
            let mut longer = packet();
            longer.push(trailing);
            assert_eq!(read(&longer), Err(Malformed), "{trailing}");
        }
    }

    #[test]
    fn lengths_and_texts_are_not_believed() {
        let mut head = Vec::new();
        begin(7, &mut head);
        let message = |tag: u8, name_bytes: u16, data_bytes: u32, rest: &[u8]| {
            let mut out = head.clone();
            out.push(tag);
            out.extend_from_slice(&[0; 12]);
            out.extend_from_slice(&name_bytes.to_le_bytes());
            out.extend_from_slice(&data_bytes.to_le_bytes());
            out.extend_from_slice(rest);
            out
        };
        assert!(read(&message(TEXT, 1, 1, b"ab")).is_ok());
        let long_name = vec![b'n'; NAME_BYTES_MAX + 1];
        let long_data = vec![b'd'; CHANNEL_MESSAGE_BYTES_MAX + 2];
        for malformed in [
            message(TEXT, 0, 1, b"ab"),
            message(TEXT, 3, 1, b"ab"),
            message(TEXT, 1, 2, b"ab"),
            message(TEXT, 1, u32::MAX, b"ab"),
            message(TEXT, u16::MAX, 1, b"ab"),
            message(TEXT, 1, 1, b"\xffb"),
            message(TEXT, 1, 1, b"a\xff"),
            message(KEPT_TEXT, 1, 1, b"a\xff"),
            message(BINARY, NAME_BYTES_MAX as u16 + 1, 0, &long_name),
            message(BINARY, 1, CHANNEL_MESSAGE_BYTES_MAX as u32 + 1, &long_data),
        ] {
            assert_eq!(read(&malformed), Err(Malformed));
        }
        assert_eq!(read(b""), Err(Malformed));
        assert_eq!(read(b"\xfa\x02\0\0\0\0"), Err(Malformed));
    }

    #[test]
    fn no_byte_can_be_changed_into_a_panic() {
        let whole = packet();
        for at in 0..whole.len() {
            for value in [0, 1, 3, 0x7f, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = read(&changed);
            }
        }
    }

    #[test]
    fn the_largest_message_fits_into_the_largest_packet() {
        let data = vec![0; CHANNEL_MESSAGE_BYTES_MAX];
        let message = ChannelMessage::new(ID, MessageKind::Binary, data);
        let name = "\u{1f600}".repeat(CHANNEL_NAME_CHARS_MAX);
        let mut out = Vec::new();
        begin(1, &mut out);
        write_message(&name, &message, true, &mut out);
        write_histories_end(&mut out);
        assert_eq!(out.len(), PACKET_BYTES_MAX);
        assert!(read(&out).is_ok());
    }
}

//! Compresses answers: short ones at once, long ones and streams piece by piece.

use super::accept_encoding::choose;
use super::encoder::Encoder;
use super::gzip::gzip;
use super::{Seen, field_lines};
use crate::answer::{Answer, AnswerBody};
use crate::chunk_queue::chunk_queue;
use protocols::http1;

/// A whole body up to this length is compressed at once; a longer one goes out as a stream,
/// between whose pieces other connections get their turn. At the slowest level a piece of this
/// size takes some milliseconds.
const AT_ONCE_BYTES_MAX: usize = 64 * 1024;

/// A content coding (RFC 9110, section 8.4.1; RFC 7932; RFC 8878).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, levels 0 to 9.
    Gzip,
    /// `br`, levels 0 to 11.
    Brotli,
    /// `zstd`, levels 1 to 22.
    Zstd,
}

impl Coding {
    /// The coding of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Brotli, Self::Zstd]
            .into_iter()
            .find(|coding| coding.name() == name)
    }

    /// Its name in header fields.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Whether it knows that level.
    pub fn has_level(self, level: u32) -> bool {
        match self {
            Self::Gzip => level <= 9,
            Self::Brotli => level <= 11,
            Self::Zstd => (1..=22).contains(&level),
        }
    }
}

/// What to compress, and how.
#[derive(Clone, Debug)]
pub struct CompressionOptions {
    /// Shorter bodies stay as they are, in bytes.
    pub minimum_bytes: usize,
    /// The codings to offer with their levels, the preferred one first.
    pub codings: Vec<(Coding, u32)>,
    /// Media types that stay as they are, in lower case; `audio/*` stands for all of a kind.
    pub excluded_types: Vec<String>,
}

/// Compresses answers that clients take compressed.
pub struct Compression {
    options: CompressionOptions,
}

impl Compression {
    /// Takes the options; the coding at fault when a level is none of its own.
    ///
    /// # Errors
    /// The coding whose level does not exist.
    pub fn new(options: CompressionOptions) -> Result<Self, Coding> {
        let wrong = |(coding, level): &&(Coding, u32)| !coding.has_level(*level);
        match options.codings.iter().find(wrong) {
            Some((coding, _)) => Err(*coding),
            None => Ok(Self { options }),
        }
    }

    pub(crate) fn leave(&self, seen: Seen<'_>, answer: &mut Answer) {
        if self.stays(answer) {
            return;
        }
        field_lines::add_vary(&mut answer.fields, b"Accept-Encoding");
        if seen.method() == b"HEAD" {
            return;
        }
        let accepted = seen.head.fields_named(seen.bytes, "accept-encoding");
        let offered = self.options.codings.iter().map(|(coding, _)| *coding);
        let Some(coding) = choose(accepted, offered) else {
            return;
        };
        let level = self.options.codings.iter().find(|known| known.0 == coding);
        let level = level.map_or(1, |known| known.1);
        if encode(&mut answer.body, coding, level) {
            let name = coding.name().as_bytes();
            field_lines::set(&mut answer.fields, "content-encoding", name);
        }
    }

    /// Whether the answer goes out as it is, whoever asks.
    fn stays(&self, answer: &Answer) -> bool {
        let length = match &answer.body {
            AnswerBody::Empty => 0,
            AnswerBody::Bytes(bytes) => bytes.len(),
            AnswerBody::Static(bytes) => bytes.len(),
            AnswerBody::Stream(_, Some(length)) => usize::try_from(*length).unwrap_or(usize::MAX),
            AnswerBody::Stream(_, None) => usize::MAX,
            // A file knows its ranges and conditions; it is sent as it is.
            AnswerBody::Unsent(_) | AnswerBody::File(_) | AnswerBody::WebSocket(_) => 0,
        };
        length < self.options.minimum_bytes.max(1)
            || answer.status == 206
            || !http1::body_allowed(answer.status)
            || field_lines::find(&answer.fields, "content-encoding").is_some()
            || field_lines::find(&answer.fields, "content-type")
                .is_some_and(|content_type| self.is_excluded(content_type))
    }

    fn is_excluded(&self, content_type: &[u8]) -> bool {
        let end = content_type.iter().position(|&byte| byte == b';');
        let kind = content_type[..end.unwrap_or(content_type.len())].trim_ascii();
        self.options.excluded_types.iter().any(|excluded| {
            let excluded = excluded.as_bytes();
            if let Some(family) = excluded.strip_suffix(b"*") {
                return starts_with(kind, family);
            }
            kind.eq_ignore_ascii_case(excluded)
                || (excluded == b"application/grpc" && starts_with(kind, b"application/grpc+"))
        })
    }
}

fn starts_with(kind: &[u8], start: &[u8]) -> bool {
    kind.get(..start.len())
        .is_some_and(|front| front.eq_ignore_ascii_case(start))
}

/// Compresses a body, now or as it is sent; false when it stays as it is.
fn encode(body: &mut AnswerBody, coding: Coding, level: u32) -> bool {
    let bytes: &[u8] = match body {
        AnswerBody::Bytes(bytes) => bytes,
        AnswerBody::Static(bytes) => bytes,
        AnswerBody::Stream(receiver, length) => {
            let Ok(encoder) = Encoder::new(coding, level, None) else {
                return false;
            };
            receiver.encode(encoder);
            *length = None;
            return true;
        }
        AnswerBody::Empty
        | AnswerBody::Unsent(_)
        | AnswerBody::File(_)
        | AnswerBody::WebSocket(_) => return false,
    };
    if bytes.len() <= AT_ONCE_BYTES_MAX {
        let Some(encoded) = encode_whole(bytes, coding, level) else {
            return false;
        };
        *body = AnswerBody::Bytes(encoded);
        return true;
    }
    let Ok(encoder) = Encoder::new(coding, level, Some(bytes.len())) else {
        return false;
    };
    let (sender, receiver) = chunk_queue();
    receiver.encode(encoder);
    sender.send(match std::mem::replace(body, AnswerBody::Empty) {
        AnswerBody::Bytes(bytes) => bytes,
        AnswerBody::Static(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    });
    sender.finish();
    *body = AnswerBody::Stream(receiver, None);
    true
}

fn encode_whole(bytes: &[u8], coding: Coding, level: u32) -> Option<Vec<u8>> {
    if coding == Coding::Gzip {
        return gzip(bytes, level);
    }
    let encoder = Encoder::new(coding, level, Some(bytes.len())).ok()?;
    encoder.whole(bytes).ok()
}

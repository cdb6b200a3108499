//! PostgreSQL messages for tests, and how a stream of them is read.

use protocols::postgres::{HEADER_BYTES, frame_bytes, parse_frame};
use protocols::{Error, Parsed};

/// What tests allow.
pub(crate) const BODY_BYTES_MAX: usize = 100_000;

/// What follows a message: it must change nothing.
const TRAILING: &[u8] = b"Z\0\0\0\x05IE\0\0\xff\xff\0";

/// One message.
pub(crate) fn message(tag: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = (4 + body.len() as u32).to_be_bytes();
    [&[tag], &length[..], body].concat()
}

/// Tag and body of each message, then what is wrong, if anything is.
pub(crate) type Frames = (Vec<(u8, Vec<u8>)>, Option<Error>);

/// Reads messages, however they are cut.
pub(crate) fn frames(raw: impl AsRef<[u8]>) -> Frames {
    let raw = raw.as_ref();
    let whole = frames_in_steps(raw, raw.len().max(1));
    assert_eq!(whole, frames_in_steps(raw, 1), "byte by byte");
    assert_eq!(whole, frames_in_steps(raw, 7), "seven by seven");
    whole
}

fn frames_in_steps(raw: &[u8], step: usize) -> Frames {
    let (mut start, mut end, mut frames) = (0, 0, Vec::new());
    loop {
        end = raw.len().min(end + step);
        loop {
            let bytes = &raw[start..end];
            match parse_frame(bytes, BODY_BYTES_MAX) {
                Ok(Parsed::Complete { value, used }) => {
                    assert_eq!(frame_bytes(bytes), Some(used));
                    frames.push((value.tag, value.body.of(bytes).to_vec()));
                    assert_eq!(value.body.of(bytes).len(), used - HEADER_BYTES);
                    start += used;
                }
                Ok(Parsed::Incomplete) => {
                    assert!(frame_bytes(bytes).is_none_or(|all| all > bytes.len()));
                    break;
                }
                Err(error) => return (frames, Some(error)),
            }
        }
        if end == raw.len() {
            return (frames, None);
        }
    }
}

/// The outcome of one message, which nothing that follows may change; `None` is `Incomplete`.
pub(crate) fn frame(raw: impl AsRef<[u8]>) -> Result<Option<(u8, Vec<u8>)>, Error> {
    let raw = raw.as_ref();
    let outcome = |(frames, error): Frames| match error {
        Some(error) if frames.is_empty() => Err(error),
        _ => Ok(frames.into_iter().next()),
    };
    let whole = outcome(frames(raw));
    if whole != Ok(None) {
        assert_eq!(
            whole,
            outcome(frames([raw, TRAILING].concat())),
            "trailing bytes"
        );
    }
    whole
}

/// `text` with the NUL that ends it.
pub(crate) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    [text.as_ref(), b"\0"].concat()
}

/// The body of a DataRow.
pub(crate) fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        let length = value.map_or(-1, |value| value.len() as i32);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(value.unwrap_or_default());
    }
    body
}

/// The bytes of digits written in base 16.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits"))
        .collect()
}

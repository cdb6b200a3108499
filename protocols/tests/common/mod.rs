//! Feeds each case whole, byte by byte, and with trailing bytes, and insists on one outcome.
#![allow(dead_code)]

pub(crate) mod postgres;
pub(crate) mod puff;
pub(crate) mod websocket;

use protocols::http1::{
    BodyDecoder, BodyFraming, BodyPiece, HeadLimits, RequestHead, parse_request_head,
};
use protocols::{Error, Parsed};

/// The defaults of the server.
pub(crate) const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 64 * 1024,
    fields_max: 100,
    request_line_bytes_max: 16 * 1024,
};

/// What follows a message: it must change nothing.
const TRAILING: &[u8] = b"\r\nGET /smuggled HTTP/1.1\r\n\0";

/// A head that parsed, with its bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    pub(crate) head: RequestHead,
    pub(crate) used: usize,
}

impl Head {
    pub(crate) fn field(&self, name: &str) -> Option<&[u8]> {
        self.head.field(&self.bytes, name)
    }
}

/// The outcome under the default limits; `None` is `Incomplete`.
pub(crate) fn head(raw: impl AsRef<[u8]>) -> Result<Option<Head>, Error> {
    head_within(raw, &LIMITS)
}

/// The head, which must be whole and good.
pub(crate) fn good_head(raw: impl AsRef<[u8]>) -> Head {
    let raw = raw.as_ref();
    let text = String::from_utf8_lossy(raw);
    head(raw)
        .unwrap_or_else(|e| panic!("{e:?}: {text}"))
        .unwrap_or_else(|| panic!("short: {text}"))
}

/// The error of a head that must have one.
pub(crate) fn bad_head(raw: impl AsRef<[u8]>) -> Error {
    match head(&raw) {
        Err(error) => error,
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(raw.as_ref())),
    }
}

pub(crate) fn head_within(
    raw: impl AsRef<[u8]>,
    limits: &HeadLimits,
) -> Result<Option<Head>, Error> {
    let raw = raw.as_ref();
    let whole = head_in_steps(raw, limits, raw.len().max(1));
    assert_eq!(whole, head_in_steps(raw, limits, 1), "byte by byte");
    assert_eq!(whole, head_in_steps(raw, limits, 7), "seven by seven");
    if !matches!(whole, Ok(None)) {
        let longer = [raw, TRAILING].concat();
        let mut trailed = head_in_steps(&longer, limits, longer.len());
        if let Ok(Some(parsed)) = &mut trailed {
            parsed.bytes.truncate(raw.len());
        }
        assert_eq!(whole, trailed, "with trailing bytes");
    }
    whole
}

fn head_in_steps(raw: &[u8], limits: &HeadLimits, step: usize) -> Result<Option<Head>, Error> {
    // What an earlier request left behind must not show.
    let mut head = RequestHead::new();
    let earlier = b"OPTIONS http://a/?q HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    assert!(matches!(
        parse_request_head(earlier, &LIMITS, &mut head),
        Ok(Parsed::Complete { .. })
    ));
    let mut end = 0;
    loop {
        end = raw.len().min(end + step);
        match parse_request_head(&raw[..end], limits, &mut head)? {
            Parsed::Complete { used, .. } => {
                assert!(used <= end);
                return Ok(Some(Head {
                    bytes: raw.to_vec(),
                    head,
                    used,
                }));
            }
            Parsed::Incomplete if end == raw.len() => return Ok(None),
            Parsed::Incomplete => {}
        }
    }
}

/// A body as the decoder gave it.
#[derive(Debug, PartialEq)]
pub(crate) struct Body {
    pub(crate) data: Vec<u8>,
    pub(crate) used: usize,
    /// False when more must come.
    pub(crate) done: bool,
}

pub(crate) fn body(framing: BodyFraming, max: u64, raw: impl AsRef<[u8]>) -> Result<Body, Error> {
    let raw = raw.as_ref();
    let whole = body_in_steps(framing, max, raw, raw.len().max(1));
    assert_eq!(whole, body_in_steps(framing, max, raw, 1), "byte by byte");
    assert_eq!(whole, body_in_steps(framing, max, raw, 7), "seven by seven");
    if !matches!(whole, Ok(Body { done: false, .. })) {
        let longer = [raw, TRAILING].concat();
        assert_eq!(
            whole,
            body_in_steps(framing, max, &longer, longer.len()),
            "trailing bytes"
        );
    }
    whole
}

fn body_in_steps(framing: BodyFraming, max: u64, raw: &[u8], step: usize) -> Result<Body, Error> {
    let mut decoder = BodyDecoder::new(framing, max)?;
    let mut body = Body {
        data: Vec::new(),
        used: 0,
        done: false,
    };
    let mut end = 0;
    loop {
        match decoder.decode(&raw[body.used..end])? {
            BodyPiece::Data { data, used } => {
                assert!(!data.is_empty() && data.end <= used);
                body.data.extend_from_slice(&raw[body.used..end][data]);
                body.used += used;
            }
            BodyPiece::Framing { used } => {
                assert!(used > 0);
                body.used += used;
            }
            BodyPiece::End { used } => {
                body.used += used;
                body.done = true;
                assert!(decoder.is_done());
                assert_eq!(decoder.remaining_hint(), Some(0));
                assert_eq!(decoder.decode(b"more")?, BodyPiece::End { used: 0 });
                return Ok(body);
            }
            BodyPiece::Incomplete if end == raw.len() => return Ok(body),
            BodyPiece::Incomplete => {
                assert_eq!(body.used, end, "everything seen was consumed");
                end = raw.len().min(end + step);
            }
        }
    }
}

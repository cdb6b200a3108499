//! PostgreSQL frames: lengths, bounds, and tags that no server sends.

mod common;

use common::postgres::{BODY_BYTES_MAX, frame, frames, message};
use protocols::postgres::{SHORT_BODY_BYTES_MAX, frame_bytes, parse_frame, tag};
use protocols::{Error, Parsed};

const TAGS: &[u8] = b"RK23CWdcGHDIEVvnNAtS1sZT";
const LONG: &[u8] = b"dDEVNAtST";

fn header(tag: u8, length: u32) -> Vec<u8> {
    [&[tag][..], &length.to_be_bytes()].concat()
}

fn reason(error: Error) -> &'static str {
    assert!(matches!(error, Error::PostgresProtocol(_)), "{error:?}");
    error.reason_for_log()
}

#[test]
fn a_message_however_it_is_cut() {
    for body in [&b""[..], b"I", b"SELECT 1\0", &[b'x'; 3_000]] {
        for &tag in TAGS {
            assert_eq!(frame(message(tag, body)), Ok(Some((tag, body.to_vec()))));
        }
    }
}

#[test]
fn one_after_the_other() {
    let sent = [
        (b'2', Vec::new()),
        (b'D', common::postgres::row(&[Some(b"one"), None])),
        (b'C', b"SELECT 1\0".to_vec()),
        (b'Z', b"I".to_vec()),
    ];
    let bytes: Vec<u8> = sent.iter().flat_map(|(tag, b)| message(*tag, b)).collect();
    assert_eq!(frames(&bytes), (sent.to_vec(), None));
    // All but the last byte: the last message is missing, the others are there.
    assert_eq!(
        frames(&bytes[..bytes.len() - 1]),
        (sent[..3].to_vec(), None)
    );
}

#[test]
fn incomplete_is_no_error() {
    let whole = message(b'T', [0; 40]);
    for end in 0..whole.len() {
        assert_eq!(frame(&whole[..end]), Ok(None));
    }
}

#[test]
fn the_claimed_size() {
    assert_eq!(frame_bytes(b""), None);
    assert_eq!(frame_bytes(b"D\0\0\0"), None);
    assert_eq!(frame_bytes(b"D\0\0\x01\x02"), Some(0x103));
    assert_eq!(frame_bytes(&header(b'D', u32::MAX)), Some(1 << 32));
}

#[test]
fn only_tags_of_a_server() {
    for tag in 0..=u8::MAX {
        let known = TAGS.contains(&tag);
        assert_eq!(frame([tag]).is_ok(), known, "{tag}");
        assert_eq!(frame(message(tag, b"body")).is_ok(), known, "{tag}");
    }
    assert_eq!(
        reason(frame(b"HTTP/1.1 400 Bad Request\r\n").expect_err("no PostgreSQL")),
        "PostgreSQL message is too long for its type"
    );
    assert_eq!(
        reason(frame(b"\x15\x03\x01\0\x02\x02\x28").expect_err("TLS")),
        "PostgreSQL message of an unknown type"
    );
}

#[test]
fn impossible_lengths() {
    for length in [0, 1, 2, 3, 1 << 31, u32::MAX] {
        let found = frame(header(b'D', length)).expect_err("a bad length");
        assert_eq!(
            reason(found),
            "PostgreSQL message has an impossible length",
            "{length}"
        );
    }
}

#[test]
fn the_bound_is_kept_before_the_body_comes() {
    let bound = BODY_BYTES_MAX as u32 + 4;
    assert_eq!(frame(header(b'D', bound)), Ok(None));
    assert_eq!(frame(header(b'D', bound + 1)), Err(Error::PostgresTooLarge));
    assert_eq!(
        frame(header(b'D', i32::MAX as u32)),
        Err(Error::PostgresTooLarge)
    );
    assert_eq!(
        parse_frame(&message(b'd', b""), 0),
        Ok(Parsed::Complete {
            value: protocols::postgres::Frame {
                tag: tag::COPY_DATA,
                body: protocols::Span { start: 5, len: 0 }
            },
            used: 5
        })
    );
    assert_eq!(
        parse_frame(&header(b'd', 5), 0),
        Err(Error::PostgresTooLarge)
    );
    // The largest that the protocol can say.
    assert_eq!(
        parse_frame(&header(b'd', i32::MAX as u32), usize::MAX),
        Ok(Parsed::Incomplete)
    );
}

#[test]
fn some_messages_are_never_long() {
    let longest = SHORT_BODY_BYTES_MAX as u32 + 4;
    for &tag in TAGS {
        assert_eq!(frame(header(tag, longest)), Ok(None));
        let outcome = frame(header(tag, longest + 1));
        assert_eq!(outcome.is_ok(), LONG.contains(&tag), "{}", tag as char);
        if let Err(error) = outcome {
            assert_eq!(reason(error), "PostgreSQL message is too long for its type");
        }
    }
}

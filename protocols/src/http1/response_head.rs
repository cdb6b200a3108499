//! A response head, and the framing of its body (RFC 9112 sections 4 to 7).

use super::framing::Reuse;
use super::status_line::status_line;
use super::syntax::is_token;
use crate::Error;

/// The interim response that asks for the body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The chunk that ends a chunked body, without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Everything that goes before the body.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// 100 to 999; anything else is sent as 500.
    pub status: u16,
    /// Encoded lines, each made by [`encode_field`]; none of those this encoder writes itself:
    /// `content-length`, `transfer-encoding`, `connection` (but for 101), and `date` if given below.
    pub fields: &'a [u8],
    /// How the body ends.
    pub framing: ResponseFraming,
    /// Whether the connection goes on.
    pub reuse: Reuse,
    /// The request's: an HTTP/1.0 client must be told that its connection is kept.
    pub minor_version: u8,
    /// A whole `date` line from [`DateLine`](super::DateLine), or nothing.
    pub date_line: &'a [u8],
}

/// How the client finds the end of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// `content-length`: the size of the body or, in the answer to HEAD, of the body GET would get.
    Length(u64),
    /// `transfer-encoding: chunked`; never to an HTTP/1.0 client.
    Chunked,
    /// The end of the connection, so it is not kept whatever `reuse` says.
    UntilClose,
    /// The status allows no body, or (304) no length is known.
    None,
}

/// Appends the status line, the fields and the empty line.
pub fn encode_response_head(head: &ResponseHead<'_>, out: &mut Vec<u8>) {
    let status = if (100..=999).contains(&head.status) {
        head.status
    } else {
        500
    };
    match status_line(status) {
        Some(line) => out.extend_from_slice(line),
        None => {
            out.extend_from_slice(b"HTTP/1.1 ");
            out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
            out.extend_from_slice(b" \r\n");
        }
    }
    out.extend_from_slice(head.date_line);
    out.extend_from_slice(head.fields);
    // RFC 9110 section 8.6 and RFC 9112 section 6.1 forbid both fields in 1xx and 204.
    if status >= 200 && status != 204 {
        encode_framing(head.framing, out);
    }
    if status >= 200 {
        let close = head.reuse == Reuse::Close || head.framing == ResponseFraming::UntilClose;
        if close {
            out.extend_from_slice(b"connection: close\r\n");
        } else if head.minor_version == 0 {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn encode_framing(framing: ResponseFraming, out: &mut Vec<u8>) {
    match framing {
        ResponseFraming::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        ResponseFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        ResponseFraming::UntilClose | ResponseFraming::None => {}
    }
}

/// Appends one field line, its name lower-case. On an error `out` is as it was.
pub fn encode_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let value_is_good = value.iter().fold(true, |good, &byte| {
        good & (byte != b'\r') & (byte != b'\n') & (byte != 0)
    });
    if !is_token(name) || !value_is_good {
        return Err(Error::BadResponseField);
    }
    out.reserve(name.len() + value.len() + 4);
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends `data` as one chunk; nothing when it is empty, for that would end the body.
pub fn encode_chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    out.reserve(data.len() + 20);
    push_hex(data.len() as u128, out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Whether a response with this status may have a body (RFC 9110 section 6.4.1). 205 counts as yes:
/// it says that its content is empty with `content-length: 0` (RFC 9110 section 15.3.6).
pub fn body_allowed(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

/// Appends `number` in lower-case hexadecimal, without leading zeros.
pub(crate) fn push_hex(number: u128, out: &mut Vec<u8>) {
    let digits = (128 - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (place * 4)) as u8 & 0xf;
        out.push(if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        });
    }
}

//! Frames: one tag byte, a length that counts itself, and a body (section "Message Formats").

use crate::{Error, Parsed, Span};

/// The tag and the length in front of each body.
pub const HEADER_BYTES: usize = 5;
/// Longest body of a message whose type has no business being long, as libpq has it: a peer that
/// speaks another protocol is found out before its claim is waited for.
pub const SHORT_BODY_BYTES_MAX: usize = 30_000;
/// The length counts its own four bytes, the tag not.
const LENGTH_BYTES: usize = 4;

/// What the first byte of a message from the server says it is.
pub mod tag {
    /// `Authentication*`: a request, or that all is well.
    pub const AUTHENTICATION: u8 = b'R';
    /// What a cancel request must say.
    pub const BACKEND_KEY_DATA: u8 = b'K';
    /// Answers Bind.
    pub const BIND_COMPLETE: u8 = b'2';
    /// Answers Close.
    pub const CLOSE_COMPLETE: u8 = b'3';
    /// A command is done.
    pub const COMMAND_COMPLETE: u8 = b'C';
    /// Only replication begins with it.
    pub const COPY_BOTH_RESPONSE: u8 = b'W';
    /// A piece of a copy.
    pub const COPY_DATA: u8 = b'd';
    /// The server's copy is whole.
    pub const COPY_DONE: u8 = b'c';
    /// The server waits for a copy.
    pub const COPY_IN_RESPONSE: u8 = b'G';
    /// The server begins a copy.
    pub const COPY_OUT_RESPONSE: u8 = b'H';
    /// One row.
    pub const DATA_ROW: u8 = b'D';
    /// In place of `COMMAND_COMPLETE` when there was no command.
    pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
    /// An error.
    pub const ERROR_RESPONSE: u8 = b'E';
    /// Answers the legacy function call.
    pub const FUNCTION_CALL_RESPONSE: u8 = b'V';
    /// The server knows less than what was asked for.
    pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
    /// What was described returns no rows.
    pub const NO_DATA: u8 = b'n';
    /// A warning or something to know.
    pub const NOTICE_RESPONSE: u8 = b'N';
    /// Somebody called NOTIFY.
    pub const NOTIFICATION_RESPONSE: u8 = b'A';
    /// The types of a statement's parameters.
    pub const PARAMETER_DESCRIPTION: u8 = b't';
    /// A setting, at start and when it changes.
    pub const PARAMETER_STATUS: u8 = b'S';
    /// Answers Parse.
    pub const PARSE_COMPLETE: u8 = b'1';
    /// Execute stopped at its row limit.
    pub const PORTAL_SUSPENDED: u8 = b's';
    /// The cycle is over.
    pub const READY_FOR_QUERY: u8 = b'Z';
    /// The columns of the rows to come.
    pub const ROW_DESCRIPTION: u8 = b'T';
}

/// One message of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// One of [`tag`]'s.
    pub tag: u8,
    /// Where its body is, counted from the front of what was parsed.
    pub body: Span,
}

/// The message at the front of `bytes`, with at most `body_bytes_max` bytes of body.
///
/// Only tags that a server may send are let through; what is in the body is not looked at.
///
/// # Errors
/// [`Error::PostgresProtocol`] and [`Error::PostgresTooLarge`], as soon as the header is there.
#[inline]
pub fn parse_frame(bytes: &[u8], body_bytes_max: usize) -> Result<Parsed<Frame>, Error> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return match bytes.first() {
            Some(&tag) if !is_known(tag) => Err(UNKNOWN),
            _ => Ok(Parsed::Incomplete),
        };
    };
    let [tag, length @ ..] = *header;
    if !is_known(tag) {
        return Err(UNKNOWN);
    }
    // The field is signed: what is above `i32::MAX` is a negative length, and no length either.
    let length = u32::from_be_bytes(length) as usize;
    if !(LENGTH_BYTES..=i32::MAX as usize).contains(&length) {
        return Err(Error::PostgresProtocol(
            "PostgreSQL message has an impossible length",
        ));
    }
    let body_bytes = length - LENGTH_BYTES;
    if body_bytes > SHORT_BODY_BYTES_MAX && is_short(tag) {
        return Err(Error::PostgresProtocol(
            "PostgreSQL message is too long for its type",
        ));
    }
    if body_bytes > body_bytes_max {
        return Err(Error::PostgresTooLarge);
    }
    if rest.len() < body_bytes {
        return Ok(Parsed::Incomplete);
    }
    let used = HEADER_BYTES + body_bytes;
    let value = Frame {
        tag,
        body: Span::between(HEADER_BYTES, used),
    };
    Ok(Parsed::Complete { value, used })
}

/// How many bytes the message at the front of `bytes` claims to have, header and all; `None`
/// while the header is not whole. It is [`parse_frame`] that says whether the claim is allowed.
#[inline]
pub fn frame_bytes(bytes: &[u8]) -> Option<usize> {
    let [_, length @ ..] = *bytes.first_chunk::<HEADER_BYTES>()?;
    Some(1 + u32::from_be_bytes(length) as usize)
}

const UNKNOWN: Error = Error::PostgresProtocol("PostgreSQL message of an unknown type");

#[inline]
fn is_known(tag: u8) -> bool {
    tag == tag::DATA_ROW
        || is_short(tag)
        || matches!(
            tag,
            tag::COPY_DATA
                | tag::ERROR_RESPONSE
                | tag::FUNCTION_CALL_RESPONSE
                | tag::NOTICE_RESPONSE
                | tag::NOTIFICATION_RESPONSE
                | tag::PARAMETER_DESCRIPTION
                | tag::PARAMETER_STATUS
                | tag::ROW_DESCRIPTION
        )
}

#[inline]
fn is_short(tag: u8) -> bool {
    matches!(
        tag,
        tag::AUTHENTICATION
            | tag::BACKEND_KEY_DATA
            | tag::BIND_COMPLETE
            | tag::CLOSE_COMPLETE
            | tag::COMMAND_COMPLETE
            | tag::COPY_BOTH_RESPONSE
            | tag::COPY_DONE
            | tag::COPY_IN_RESPONSE
            | tag::COPY_OUT_RESPONSE
            | tag::EMPTY_QUERY_RESPONSE
            | tag::NEGOTIATE_PROTOCOL_VERSION
            | tag::NO_DATA
            | tag::PARSE_COMPLETE
            | tag::PORTAL_SUSPENDED
            | tag::READY_FOR_QUERY
    )
}

//! Field lines, `name ":" OWS value OWS CRLF` (RFC 9112 section 5), found by httparse.

use httparse::{EMPTY_HEADER, Header, Status};

use super::framing::Seen;
use super::request_head::Field;
use crate::{Error, Span};

/// Lines looked for at once in few bytes, and in many: the room for them is filled with empty
/// headers each time, and room for a hundred would cost more than a short request does. Where there
/// are more lines, the room is used again.
const LINES_IN_FEW_BYTES: usize = 8;
const LINES_IN_MANY_BYTES: usize = 24;
/// From here on the bytes are many.
const MANY_BYTES: usize = 256;

/// Why no more lines were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The empty line was taken.
    End,
    /// There may be more lines in the bytes.
    NoRoom,
    /// The next line has no LF yet, so whatever else is wrong with it is not said yet: it would
    /// depend on how the bytes were cut.
    Cut,
}

/// Takes the lines that start at `line_start`, moves it behind them, and notes what they say.
#[inline]
pub(crate) fn take_field_lines(
    window: &[u8],
    line_start: &mut usize,
    fields_max: usize,
    fields: &mut Vec<Field>,
    seen: &mut Seen,
) -> Result<Stop, Error> {
    let rest = window.get(*line_start..).unwrap_or_default();
    let (mut few, mut many);
    let (stop, found) = if rest.len() < MANY_BYTES {
        few = [EMPTY_HEADER; LINES_IN_FEW_BYTES];
        find_lines(rest, &mut few)
    } else {
        many = [EMPTY_HEADER; LINES_IN_MANY_BYTES];
        find_lines(rest, &mut many)
    };
    let allowed = fields_max.saturating_sub(fields.len());
    let taken = found.get(..allowed).unwrap_or(found);
    for line in taken {
        *line_start = line_end(window, Span::within(window, line.value).end())?;
        seen.note(line.name.as_bytes(), line.value, window)?;
    }
    if taken.len() < found.len() {
        return Err(Error::TooManyFields);
    }
    // In one go, after the checks: no line then asks whether the vector must grow.
    fields.extend(taken.iter().map(|line| Field {
        name: Span::within(window, line.name.as_bytes()),
        value: Span::within(window, line.value),
    }));
    let rest = window.get(*line_start..).unwrap_or_default();
    match stop {
        Some(Stop::End) if rest.starts_with(b"\r\n") => {
            *line_start += 2;
            Ok(Stop::End)
        }
        Some(stop @ (Stop::NoRoom | Stop::Cut)) => Ok(stop),
        None if memchr::memchr(b'\n', rest).is_none() => Ok(Stop::Cut),
        Some(Stop::End) | None => Err(Error::BadField),
    }
}

/// The lines at the front of `bytes` that are well-formed to httparse, as many as `room` holds, and
/// why there are no more; `None` when the next one is malformed.
///
/// httparse checks every byte of names and values, and refuses folded lines and whitespace around
/// names. It takes a bare LF for a line end, so that remains to be checked.
#[inline]
fn find_lines<'r, 'b>(
    bytes: &'b [u8],
    room: &'r mut [Header<'b>],
) -> (Option<Stop>, &'r [Header<'b>]) {
    let stop = match httparse::parse_headers(bytes, room) {
        Ok(Status::Complete((_, found))) => {
            let count = found.len();
            return (Some(Stop::End), room.get(..count).unwrap_or_default());
        }
        Ok(Status::Partial) => Some(Stop::Cut),
        Err(httparse::Error::TooManyHeaders) => Some(Stop::NoRoom),
        Err(_) => None,
    };
    // The lines before the one at which it stopped are in `room` nevertheless. No name is empty.
    let count = room
        .iter()
        .position(|line| line.name.is_empty())
        .unwrap_or(room.len());
    (stop, room.get(..count).unwrap_or_default())
}

/// Behind the CRLF that follows the whitespace at `start`.
#[inline]
fn line_end(window: &[u8], start: usize) -> Result<usize, Error> {
    let mut rest = window.get(start..).unwrap_or_default();
    loop {
        match rest {
            [b'\r', b'\n', behind @ ..] => return Ok(window.len() - behind.len()),
            [b' ' | b'\t', behind @ ..] => rest = behind,
            _ => return Err(Error::BadField),
        }
    }
}

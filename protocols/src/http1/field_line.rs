//! One field line, `name ":" OWS value OWS` (RFC 9112 section 5), without its CRLF.

use super::request_head::Field;
use super::syntax::{is_token_byte, is_value, trim_ows};
use crate::{Error, Span};

/// Parses `line`, which starts at `start` in the receive buffer. A folded line starts with
/// whitespace, so it has no name and fails (RFC 9112 section 5.2).
#[inline]
pub(crate) fn parse_field_line(line: &[u8], start: usize) -> Result<Field, Error> {
    let name_len = line
        .iter()
        .position(|&byte| !is_token_byte(byte))
        .ok_or(Error::BadField)?;
    let [b':', after_colon @ ..] = line.get(name_len..).unwrap_or_default() else {
        return Err(Error::BadField);
    };
    if name_len == 0 || !is_value(after_colon) {
        return Err(Error::BadField);
    }
    let value = trim_ows(after_colon);
    let value_start = start + (value.as_ptr().addr() - line.as_ptr().addr());
    Ok(Field {
        name: Span::between(start, start + name_len),
        value: Span::between(value_start, value_start + value.len()),
    })
}

//! The request line, `method SP target SP version`, without its CRLF (RFC 9112 section 3).

use std::ops::Range;

use super::authority::is_authority;
use super::syntax::{is_token, is_token_byte};
use crate::{Error, Span};

/// What the request line says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine {
    pub(crate) method: Span,
    pub(crate) target: Span,
    pub(crate) path: Span,
    pub(crate) query: Span,
    /// Empty unless the target is in absolute-form.
    pub(crate) authority: Span,
    pub(crate) minor_version: u8,
}

/// Parses the line at the front of `text`, CRLF included, if it is `method SP /path SP HTTP/1.1`, as
/// almost all are; `text` starts at `start` in the receive buffer. One pass finds what ends the
/// target, the query, and every byte that does not belong there. `None` says nothing: the line may
/// be good in another form, bad or cut.
#[inline]
pub(crate) fn parse_plain_request_line(text: &[u8], start: usize) -> Option<RequestLine> {
    let method_len = text.iter().position(|&byte| !is_token_byte(byte))?;
    let (method, rest) = text.split_at(method_len);
    let [b' ', rest @ ..] = rest else {
        return None;
    };
    if method.is_empty() || method == b"CONNECT" || !rest.starts_with(b"/") {
        return None;
    }
    let mut word_start = 0;
    let mut query_mark = usize::MAX;
    let target_len = loop {
        let word = u64::from_le_bytes(*rest.get(word_start..)?.first_chunk()?);
        if query_mark == usize::MAX
            && let Some(place) = first_place(question_marks(word))
        {
            query_mark = word_start + place;
        }
        if let Some(place) = first_place(off_target(word)) {
            break word_start + place;
        }
        word_start += 8;
    };
    if !rest.get(target_len..)?.starts_with(b" HTTP/1.1\r\n") {
        return None;
    }
    let target_start = start + method_len + 1;
    let target_end = target_start + target_len;
    let path_end = target_start + query_mark.min(target_len);
    Some(RequestLine {
        method: Span::between(start, start + method_len),
        target: Span::between(target_start, target_end),
        path: Span::between(target_start, path_end),
        query: Span::between(target_end.min(path_end + 1), target_end),
        authority: Span::between(target_start, target_start),
        minor_version: 1,
    })
}

/// Eight times one byte.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The place of the first byte whose high bit is set.
#[inline]
fn first_place(word: u64) -> Option<usize> {
    let high_bits = word & eight(0x80);
    (high_bits != 0).then_some(high_bits.trailing_zeros() as usize / 8)
}

/// Sets the high bit of the first byte that is no visible ASCII or is `#`; those behind it may be
/// wrong, for it borrows from them or carries into them.
#[inline]
fn off_target(word: u64) -> u64 {
    let up_to_space = word.wrapping_sub(eight(b'!'));
    let hash = (word ^ eight(b'#')).wrapping_sub(eight(1));
    let delete_or_higher = word.wrapping_add(eight(1)) | word;
    up_to_space | hash | delete_or_higher
}

/// Sets the high bit of the first `?`, among bytes that are all visible ASCII.
#[inline]
fn question_marks(word: u64) -> u64 {
    (word ^ eight(b'?')).wrapping_sub(eight(1))
}

/// Parses `line`, which starts at `start` in the receive buffer.
///
/// Not left to httparse, as the field lines are: it refuses HTTP/1.2, which a server must take (RFC
/// 9110 section 2.5), and does not tell a version that deserves 505 from one that deserves 400.
pub(crate) fn parse_request_line(line: &[u8], start: usize) -> Result<RequestLine, Error> {
    let method_len = memchr::memchr(b' ', line).ok_or(Error::BadRequestLine)?;
    let (method, rest) = line.split_at(method_len);
    let rest = rest.get(1..).unwrap_or_default();
    let target_len = memchr::memchr(b' ', rest).ok_or(Error::BadRequestLine)?;
    let (target, version) = rest.split_at(target_len);
    if !is_token(method) {
        return Err(Error::BadRequestLine);
    }
    // Before the target: the preface of HTTP/2, `PRI * HTTP/2.0`, deserves 505.
    let minor_version = parse_version(version.get(1..).unwrap_or_default())?;
    let target_start = start + method_len + 1;
    let parts = split_target(method, target)?;
    let at =
        |range: Range<usize>| Span::between(target_start + range.start, target_start + range.end);
    Ok(RequestLine {
        method: Span::between(start, start + method_len),
        target: at(0..target.len()),
        path: at(parts.path),
        query: at(parts.query),
        authority: at(parts.authority),
        minor_version,
    })
}

/// Later minor versions promise to be understood by a 1.1 server (RFC 9110 section 2.5).
fn parse_version(version: &[u8]) -> Result<u8, Error> {
    match version {
        b"HTTP/1.1" => Ok(1),
        b"HTTP/1.0" => Ok(0),
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            major @ b'0'..=b'9',
            b'.',
            b'0'..=b'9',
        ] => {
            if *major == b'1' {
                Ok(1)
            } else {
                Err(Error::UnsupportedVersion)
            }
        }
        _ => Err(Error::BadVersion),
    }
}

/// Ranges within the target.
struct Target {
    authority: Range<usize>,
    path: Range<usize>,
    query: Range<usize>,
}

fn split_target(method: &[u8], target: &[u8]) -> Result<Target, Error> {
    if method == b"CONNECT" {
        return Err(Error::ConnectUnsupported);
    }
    // More than RFC 3986 allows: clients do send `|`, `{` or `"` raw, and they harm nobody. A
    // fragment never belongs on the wire, and who strips it and who does not would disagree.
    if !target
        .iter()
        .all(|&byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err(Error::BadTarget);
    }
    match target {
        [b'/', ..] => Ok(split_query(target, 0..0)),
        b"*" if method == b"OPTIONS" => Ok(Target {
            authority: 0..0,
            path: 0..1,
            query: 1..1,
        }),
        _ => split_absolute_form(target),
    }
}

/// RFC 9112 section 3.2.2, for the two schemes an origin server can be asked for.
fn split_absolute_form(target: &[u8]) -> Result<Target, Error> {
    let start = scheme_len(target).ok_or(Error::BadTarget)?;
    let rest = target.get(start..).unwrap_or_default();
    let end = start + memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    let authority = target.get(start..end).unwrap_or_default();
    // An http URI without a host is invalid (RFC 9110 section 4.2.1).
    if authority.is_empty() || authority.starts_with(b":") || !is_authority(authority) {
        return Err(Error::BadTarget);
    }
    Ok(split_query(target, start..end))
}

fn scheme_len(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| {
            let prefix = target.get(..scheme.len())?;
            prefix.eq_ignore_ascii_case(scheme).then_some(scheme.len())
        })
}

fn split_query(target: &[u8], authority: Range<usize>) -> Target {
    let path_start = authority.end;
    let rest = target.get(path_start..).unwrap_or_default();
    let path_end = path_start + memchr::memchr(b'?', rest).unwrap_or(rest.len());
    let query_start = target.len().min(path_end + 1);
    Target {
        authority,
        path: path_start..path_end,
        query: query_start..target.len(),
    }
}

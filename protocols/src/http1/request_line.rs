//! The request line, `method SP target SP version`, without its CRLF (RFC 9112 section 3).

use std::ops::Range;

use super::authority::is_authority;
use super::syntax::is_token;
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

/// Parses `line`, which starts at `start` in the receive buffer.
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
    if !target.iter().fold(true, |good, &byte| {
        good & byte.is_ascii_graphic() & (byte != b'#')
    }) {
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

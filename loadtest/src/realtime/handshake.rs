//! How a connection begins: the request, and what the head of the answer says.

use std::io;

use super::deflate::CLIENT_WINDOW_BITS;
use crate::target::Target;

/// An answer's head longer than this is an error.
pub const HEAD_MAX_BYTES: usize = 16 * 1024;
const HEADER_FIELDS_MAX: usize = 64;
/// The key of RFC 6455, section 1.3, and its accept value.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The request that opens a WebSocket; with `has_deflate` it offers compression as browsers do.
pub fn websocket_request(target: &Target, has_deflate: bool) -> Vec<u8> {
    let offer = if has_deflate {
        "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n"
    } else {
        ""
    };
    format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n{offer}\r\n",
        target.path, target.host
    )
    .into_bytes()
}

/// The request that opens an event stream.
pub fn events_request(target: &Target) -> Vec<u8> {
    format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\r\n",
        target.path, target.host
    )
    .into_bytes()
}

/// Reads the head of the answer: its length, or `None` while its end is missing.
///
/// Fails when the server refuses, or does not compress although it should.
pub fn accepted(bytes: &[u8], has_deflate: bool) -> io::Result<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; HEADER_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(bytes).map_err(io::Error::other)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if bytes.len() > HEAD_MAX_BYTES => {
            return Err(io::Error::other("the head of the answer is too long"));
        }
        httparse::Status::Partial => return Ok(None),
    };
    if response.code != Some(101) {
        let status = response.code.unwrap_or(0);
        return Err(io::Error::other(format!("refused with status {status}")));
    }
    let value_of = |name: &str| {
        let mut found = response.headers.iter();
        found
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    };
    if value_of("sec-websocket-accept") != Some(ACCEPT) {
        return Err(io::Error::other("the accept value is wrong"));
    }
    let extensions = value_of("sec-websocket-extensions").map(String::from_utf8_lossy);
    check_extensions(extensions.as_deref(), has_deflate)?;
    Ok(Some(length))
}

fn check_extensions(extensions: Option<&str>, has_deflate: bool) -> io::Result<()> {
    match (extensions, has_deflate) {
        (None, true) => Err(io::Error::other("does not negotiate permessage-deflate")),
        (Some(_), false) => Err(io::Error::other("negotiates what was not offered")),
        (None, false) => Ok(()),
        (Some(text), true) => {
            let bits = text.split(';').find_map(|parameter| {
                let value = parameter.trim().strip_prefix("client_max_window_bits=")?;
                value.trim_matches('"').parse::<u8>().ok()
            });
            if bits.is_some_and(|bits| bits < CLIENT_WINDOW_BITS) {
                return Err(io::Error::other("asks for too small a window"));
            }
            Ok(())
        }
    }
}

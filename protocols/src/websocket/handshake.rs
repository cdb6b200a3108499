//! The opening handshake (RFC 6455 section 4.2).

use super::extensions::read_extensions;
use crate::http1::{BodyFraming, RequestHead, Upgrade};
use crate::{Error, Span};

/// A key in base64: 16 bytes.
const KEY_LEN: usize = 24;

/// What the answer is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeRequest {
    /// The value of `Sec-WebSocket-Key`, as sent.
    pub key: Span,
}

/// Checks that `head` is a handshake this server can accept. That the method, the version, `Host`,
/// `Upgrade` and `Connection` are right is what `head.upgrade` says.
pub fn check_handshake(head: &RequestHead, bytes: &[u8]) -> Result<HandshakeRequest, Error> {
    let has_body = !matches!(head.framing, BodyFraming::None | BodyFraming::Length(0));
    if head.upgrade != Upgrade::WebSocket || has_body {
        return Err(Error::BadWebSocketHandshake);
    }
    check_version(only_field(head, bytes, "sec-websocket-version")?.of(bytes))?;
    let key = only_field(head, bytes, "sec-websocket-key")?;
    if !is_key(key.of(bytes)) {
        return Err(Error::BadWebSocketHandshake);
    }
    if !head
        .fields_named(bytes, "sec-websocket-extensions")
        .all(|value| read_extensions(value, &mut |_| ()))
    {
        return Err(Error::BadWebSocketHandshake);
    }
    Ok(HandshakeRequest { key })
}

/// `Sec-WebSocket-Accept` for the client's key (RFC 6455 section 4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    tungstenite::handshake::derive_accept_key(key)
}

/// The value of a field that must be given exactly once.
fn only_field(head: &RequestHead, bytes: &[u8], name: &str) -> Result<Span, Error> {
    let is_it = |candidate: &[u8]| candidate.eq_ignore_ascii_case(name.as_bytes());
    let mut values = head
        .fields
        .iter()
        .filter(|field| is_it(field.name.of(bytes)));
    match (values.next(), values.next()) {
        (Some(field), None) => Ok(field.value),
        _ => Err(Error::BadWebSocketHandshake),
    }
}

fn check_version(value: &[u8]) -> Result<(), Error> {
    match value {
        b"13" => Ok(()),
        _ if (1..=3).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) => {
            Err(Error::WebSocketVersion)
        }
        _ => Err(Error::BadWebSocketHandshake),
    }
}

/// 22 digits of base64 carry 16 bytes; two `=` fill the last group.
fn is_key(value: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match value {
        [digits @ .., b'=', b'='] => value.len() == KEY_LEN && digits.iter().all(is_digit),
        _ => false,
    }
}

//! The opening handshake (RFC 6455 section 4.2).

use super::socket::{Agreed, Socket};
use crate::connection::Stop;
use crate::limits::Limits;
use protocols::http1::{self, RequestHead};
use protocols::websocket::{DeflateCodec, accept_key, check_handshake, negotiate_deflate};
use std::cell::RefCell;
use std::rc::Rc;

/// The socket of a handshake, with what can be agreed on.
pub(crate) fn socket_of(
    head: &RequestHead,
    bytes: &[u8],
    limits: &Limits,
    codec: &Rc<RefCell<DeflateCodec>>,
) -> Rc<Socket> {
    let offers = head.fields_named(bytes, "sec-websocket-extensions");
    let negotiated = limits
        .websocket_deflate
        .then(|| negotiate_deflate(offers))
        .flatten();
    let agreed = negotiated.map(|(params, answer)| Agreed {
        params,
        codec: codec.clone(),
        answer,
    });
    Socket::new(limits.websocket_outbox_bytes_max, agreed)
}

/// The header lines of the answer; `fields` are those of the application.
pub(super) fn answer_fields(
    head: &RequestHead,
    bytes: &[u8],
    fields: &[u8],
    extensions: Option<&str>,
) -> Result<Vec<u8>, Stop> {
    let key = check_handshake(head, bytes)?.key;
    let mut lines = fields.to_vec();
    lines.extend_from_slice(b"connection: Upgrade\r\nupgrade: websocket\r\n");
    let accept = accept_key(key.of(bytes));
    http1::encode_field(b"sec-websocket-accept", accept.as_bytes(), &mut lines)?;
    if let Some(value) = extensions {
        http1::encode_field(b"sec-websocket-extensions", value.as_bytes(), &mut lines)?;
    }
    Ok(lines)
}

/// Whether a page of the request's origin may open a WebSocket here (RFC 6455 section 10.2).
/// Requests without `Origin` come from no page; without a list every page may.
pub(crate) fn is_origin_allowed(allowed: &[String], head: &RequestHead, bytes: &[u8]) -> bool {
    let matches = |origin: &[u8]| {
        allowed
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(origin))
    };
    allowed.is_empty() || head.fields_named(bytes, "origin").all(matches)
}

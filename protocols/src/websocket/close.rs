//! Close frames and their codes (RFC 6455 sections 5.5.1 and 7.4).

use tungstenite::protocol::frame::coding::CloseCode;

use super::frame::{CONTROL_BYTES_MAX, Opcode, encode_frame};
use crate::Error;

/// Stands for a close frame without a code (RFC 6455 section 7.4.1); it is never sent itself.
pub const NO_CLOSE_CODE: u16 = 1005;
/// "Bad gateway" in IANA's registry, which tungstenite does not know.
const BAD_GATEWAY: u16 = 1014;
const CODE_BYTES: usize = 2;

/// Whether `code` may stand in a close frame, sent or received.
pub fn may_send_close_code(code: u16) -> bool {
    code == BAD_GATEWAY || CloseCode::from(code).is_allowed()
}

/// Appends a close frame of the server. [`NO_CLOSE_CODE`] makes one without code and reason. A
/// reason too long for a control frame is cut between two characters, to at most 123 bytes.
pub fn encode_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let mut payload = [0; CONTROL_BYTES_MAX];
    let mut len = 0;
    if code != NO_CLOSE_CODE {
        let fits = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - CODE_BYTES)];
        len = CODE_BYTES + fits.len();
        payload[..CODE_BYTES].copy_from_slice(&code.to_be_bytes());
        payload[CODE_BYTES..len].copy_from_slice(fits.as_bytes());
    }
    encode_frame(Opcode::Close, false, &payload[..len], out);
}

/// The code and the reason in the payload of a client's close frame.
///
/// # Errors
/// [`Error::WebSocketProtocol`] for half a code or one that must not be sent,
/// [`Error::WebSocketText`] for a reason that is not UTF-8.
pub(super) fn parse_close(payload: &[u8]) -> Result<(u16, String), Error> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        let none = (NO_CLOSE_CODE, String::new());
        return if payload.is_empty() {
            Ok(none)
        } else {
            Err(Error::WebSocketProtocol(
                "WebSocket close code is cut short",
            ))
        };
    };
    let code = u16::from_be_bytes(*code);
    if !may_send_close_code(code) {
        return Err(Error::WebSocketProtocol(
            "WebSocket close code is not allowed",
        ));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Error::WebSocketText)?;
    Ok((code, reason.to_owned()))
}

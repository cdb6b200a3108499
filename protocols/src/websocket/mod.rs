//! The WebSocket protocol (RFC 6455) and permessage-deflate (RFC 7692).

mod close;
mod deflate;
mod extensions;
mod frame;
mod handshake;
mod message;
mod negotiation;
mod utf8;

pub use close::{NO_CLOSE_CODE, encode_close, may_send_close_code};
pub use deflate::{COMPRESSORS_MAX, DeflateCodec, SHARED_WINDOW_BITS};
pub use frame::{CONTROL_BYTES_MAX, Opcode, encode_frame, unmask};
pub use handshake::{HandshakeRequest, accept_key, check_handshake};
pub use message::{Decoder, Event, MessageKind};
pub use negotiation::{DeflateParams, negotiate_deflate};

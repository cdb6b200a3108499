//! The WebSocket protocol (RFC 6455).

mod extensions;
mod handshake;

pub use handshake::{HandshakeRequest, check_handshake};

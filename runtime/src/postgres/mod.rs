//! Connections to PostgreSQL servers: sockets and their TLS, without Python.
//!
//! Out of scope: what the bytes say, which is [`protocols::postgres`]'s.

mod line;
mod nonce;
mod receive_buffer;
pub mod tls;
mod wire;

pub use line::Line;
pub use nonce::nonce;
pub use wire::{Flushed, OUTPUT_KEPT_BYTES_MAX, RECEIVE_BYTES_MAX, Received, Wire};

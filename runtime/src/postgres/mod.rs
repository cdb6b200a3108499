//! The client's side of a PostgreSQL connection: its socket and its TLS.
//!
//! In scope: bytes in and out of one non-blocking descriptor, whoever watches it. Out of scope:
//! what the bytes say ([`protocols::postgres`]), and when to read or write.

mod line;
mod receive_buffer;
pub mod tls;
mod wire;

pub use line::Line;
pub use wire::{Flushed, OUTPUT_KEPT_BYTES_MAX, RECEIVE_BYTES_MAX, Received, Wire};

/// Random bytes to begin a log-in with.
///
/// # Errors
/// [`std::io::Error`] when the system has none to give.
pub fn nonce() -> std::io::Result<[u8; protocols::postgres::NONCE_BYTES_MIN]> {
    let mut nonce = [0; protocols::postgres::NONCE_BYTES_MIN];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut nonce)
        .map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
    Ok(nonce)
}

//! Connections to PostgreSQL servers: sockets, without Python.

mod line;
mod nonce;
mod wire;

pub use line::Line;
pub use nonce::nonce;
pub use wire::{Flushed, Received, Wire};

//! Bytes to meaning and back: HTTP/1.1 messages, multipart forms, server-sent events, WebSocket and
//! PostgreSQL's client protocol.
//!
//! In scope: parsing what a peer sent, encoding what it is to be sent, and which status a malformed
//! message deserves. Out of scope: sockets, clocks, threads, and what an answer says.
//!
//! Parsers look at the front of the caller's buffer and never keep a reference to it: what they
//! find are [`Span`]s, so the buffer may grow or move meanwhile.

#![forbid(unsafe_code)]

mod error;
pub mod http1;
pub mod multipart;
mod parsed;
pub mod postgres;
mod span;
pub mod sse;
pub mod websocket;

pub use error::Error;
pub use parsed::Parsed;
pub use span::Span;

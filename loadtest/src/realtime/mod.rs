//! WebSockets and event streams under load: echo, broadcast, events, and what an idle socket costs.
//!
//! The client does the least that finds out whether the server did its part: frames are made once
//! and sent as they are, and what arrives is read to its length. Where messages are compressed, one
//! socket inflates and compares all that it gets, the others count.

pub mod broadcast;
pub mod crowd;
pub mod deflate;
pub mod echo;
pub mod event_stream;
pub mod frame;
pub mod handshake;
pub mod idle;
pub mod peer;
pub mod publisher;
pub mod report;
pub mod texts;
pub mod window;

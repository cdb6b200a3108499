//! WebSockets (RFC 6455): what an application holds, and the task that serves the connection.

mod handshake;
mod member;
mod outbox;
mod session;
mod socket;
mod upgrade;

pub(crate) use handshake::{is_origin_allowed, socket_of};
pub use socket::{ABNORMAL_CLOSE, Counts, Message, Sent, Socket, Taken};
pub use upgrade::Upgrade;

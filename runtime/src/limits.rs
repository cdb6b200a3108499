//! Every bound and timeout of a shard, named, with its unit last.

use serde::{Deserialize, Serialize};

/// The bounds one shard holds its peers to. Each is an option of `fasterapi run`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest request head, in bytes; past it the answer is 431.
    pub head_bytes_max: usize,
    /// Most header fields in one head; past it the answer is 431.
    pub head_fields_max: usize,
    /// Longest request line, in bytes; past it the answer is 414.
    pub request_line_bytes_max: usize,
    /// Largest request body, in bytes; past it the answer is 413.
    pub body_bytes_max: u64,
    /// How long a head may take from its first byte, in seconds; then 408.
    pub header_timeout_s: f64,
    /// How long a body may go without a byte, in seconds; then 408.
    pub body_timeout_s: f64,
    /// How long a handler may take to begin its answer, in seconds; then it is cancelled and the
    /// answer is 504. 0: for ever.
    pub answer_timeout_s: f64,
    /// How long a connection may idle between requests, in seconds.
    pub keep_alive_timeout_s: f64,
    /// How long a peer may leave our bytes unread, in seconds.
    pub send_timeout_s: f64,
    /// Most requests of one connection whose answers share one write.
    pub pipelined_requests_max: usize,
    /// Most open connections of one shard; past it the answer is 503.
    pub connections_max: usize,
    /// Largest WebSocket message, in bytes, compressed or not; past it the close code is 1009.
    pub websocket_message_bytes_max: usize,
    /// How much may wait for the peer of a WebSocket before a sender waits too, in bytes.
    pub websocket_outbox_bytes_max: usize,
    /// How long the peer of a WebSocket may be silent before it is pinged, in seconds; 0: for ever.
    pub websocket_ping_interval_s: f64,
    /// How long it may take to answer a ping, in seconds; then the connection is given up.
    pub websocket_ping_timeout_s: f64,
    /// How long it may take to answer a close frame, in seconds.
    pub websocket_close_timeout_s: f64,
    /// Whether messages are compressed for peers that can read them so (RFC 7692).
    pub websocket_deflate: bool,
    /// How long a draining shard waits for answers in flight, in seconds.
    pub drain_timeout_s: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 64 * 1024,
            head_fields_max: 100,
            request_line_bytes_max: 16 * 1024,
            body_bytes_max: 16 * 1024 * 1024,
            header_timeout_s: 10.0,
            body_timeout_s: 30.0,
            answer_timeout_s: 0.0,
            keep_alive_timeout_s: 75.0,
            send_timeout_s: 30.0,
            pipelined_requests_max: 32,
            connections_max: 20_000,
            websocket_message_bytes_max: 16 * 1024 * 1024,
            websocket_outbox_bytes_max: 1024 * 1024,
            websocket_ping_interval_s: 20.0,
            websocket_ping_timeout_s: 20.0,
            websocket_close_timeout_s: 5.0,
            websocket_deflate: true,
            drain_timeout_s: 30.0,
        }
    }
}

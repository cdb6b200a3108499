//! What a shard counts.

use std::cell::Cell;

/// Counters of one shard, from its start. They only grow, but for those of what is open.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections accepted.
    pub connections_accepted: Cell<u64>,
    /// Connections open now.
    pub connections_open: Cell<u64>,
    /// Connections turned away because too many were open.
    pub connections_refused: Cell<u64>,
    /// Requests answered.
    pub requests: Cell<u64>,
    /// Requests whose peer went before the answer.
    pub requests_abandoned: Cell<u64>,
    /// Waits that were cut short by a timeout.
    pub timeouts: Cell<u64>,
    /// WebSockets open now.
    pub websockets_open: Cell<u64>,
    /// WebSockets whose peer broke the protocol.
    pub websocket_failures: Cell<u64>,
    /// Panics that were caught at a connection.
    pub panics: Cell<u64>,
}

impl Metrics {
    pub(crate) fn add(counter: &Cell<u64>) {
        counter.set(counter.get() + 1);
    }
}

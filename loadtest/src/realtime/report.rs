//! The numbers of one realtime run, for scripts as JSON and for people in two lines.

use std::collections::BTreeMap;

use serde::Serialize;

use super::idle::Footprint;
use crate::process_tree::Memory;
use crate::report::Latency;
use crate::tally::Tally;

/// Everything a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Which load.
    pub load: String,
    /// Connections.
    pub connections: usize,
    /// Length of the window.
    pub window_s: f64,
    /// Messages that came back, or that arrived at a receiver, inside the window.
    pub messages: u64,
    /// The same per second.
    pub messages_per_s: f64,
    /// Messages that were published, of a broadcast.
    pub published: u64,
    /// Server CPU time per message.
    pub server_cpu_us_per_message: Option<f64>,
    /// Messages for each second of server CPU time.
    pub messages_per_cpu_s: Option<f64>,
    /// Share of a core that the server was busy.
    pub server_cores: Option<f64>,
    /// Messages that are wrong or late.
    pub unexpected: u64,
    /// Connections lost.
    pub socket_errors: u64,
    /// Receipts given up.
    pub timeouts: u64,
    /// Bytes of messages that arrived inside the window.
    pub bytes_read: u64,
    /// Connections of each of the server's workers, where they say so.
    pub parts: BTreeMap<u32, usize>,
    /// From sending to receiving.
    pub latency: Latency,
    /// Memory of the server after the window.
    pub server_memory: Option<Memory>,
    /// Of an idle crowd.
    pub footprint: Option<Footprint>,
}

impl Report {
    /// From what was counted.
    pub fn new(load: &str, connections: usize, tally: &Tally, cpu_ns: Option<u64>) -> Self {
        let window_s = tally.window_ns() as f64 / 1e9;
        let messages = tally.answers;
        let cpu_s = cpu_ns.map(|ns| ns as f64 / 1e9).filter(|_| messages > 0);
        Self {
            load: load.to_owned(),
            connections,
            window_s,
            messages,
            messages_per_s: messages as f64 / window_s.max(1e-9),
            published: 0,
            server_cpu_us_per_message: cpu_s.map(|cpu_s| cpu_s * 1e6 / messages as f64),
            messages_per_cpu_s: cpu_s.map(|cpu_s| messages as f64 / cpu_s.max(1e-9)),
            server_cores: cpu_s.map(|cpu_s| cpu_s / window_s.max(1e-9)),
            unexpected: tally.unexpected,
            socket_errors: tally.socket_errors,
            timeouts: tally.timeouts,
            bytes_read: tally.bytes_read,
            parts: BTreeMap::new(),
            latency: Latency::of(tally.latencies_ns()),
            server_memory: None,
            footprint: None,
        }
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        if let Some(footprint) = &self.footprint {
            let kibibytes = footprint.rss_bytes_per_connection / 1024.0;
            return format!(
                "{}: {} connections, {kibibytes:.2} KiB each\n",
                self.load, footprint.connections
            );
        }
        let cpu = self
            .server_cpu_us_per_message
            .map_or(String::new(), |us| format!(", {us:.2} us CPU/message"));
        format!(
            "{}: {} connections, {:.0} messages/s{cpu}\n  p50 {:.0} us  p99 {:.0} us  max {:.0} us  unexpected {}  lost {}  timeouts {}\n",
            self.load,
            self.connections,
            self.messages_per_s,
            self.latency.p50_us,
            self.latency.p99_us,
            self.latency.max_us,
            self.unexpected,
            self.socket_errors,
            self.timeouts
        )
    }
}

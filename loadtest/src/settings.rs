//! What one run does, with every bound named.

use std::path::PathBuf;
use std::time::Duration;

use crate::target::Target;

/// No window is longer than this, whatever is asked for.
pub const WINDOW_MAX_S: f64 = 600.0;
/// No warm-up is longer than this.
pub const WARM_UP_MAX_S: f64 = 60.0;
/// Sockets one generator opens at most.
pub const CONNECTIONS_MAX: u32 = 20_000;
/// Requests in flight on one connection at most.
pub const PIPELINE_MAX: u32 = 1_024;
/// Arrivals per second at most: the schedule's timer cannot tick faster.
pub const RATE_MAX_PER_S: f64 = 1_000_000.0;
/// How long answers are awaited after the window closed.
pub const DRAIN_NS: u64 = 1_000_000_000;
/// How often timeouts are looked for and closed connections opened again.
pub const UPKEEP_NS: u64 = 20_000_000;

/// When the measured window closes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    /// After this time.
    Duration(Duration),
    /// After this many answers, or `WINDOW_MAX_S`.
    Requests(u64),
}

/// One run of the generator.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to send.
    pub target: Target,
    /// Request method.
    pub method: String,
    /// Additional header fields, `name: value`.
    pub headers: Vec<String>,
    /// Request body; no `content-length` is sent when it is `None`.
    pub body: Option<Vec<u8>>,
    /// The status that is right; `None` for any of 200-299.
    pub expected_status: Option<u16>,
    /// Number of keep-alive connections.
    pub connections: u32,
    /// Requests sent together on one connection.
    pub pipeline: u32,
    /// Length of the measured window.
    pub window: Window,
    /// Load before the window opens.
    pub warm_up: Duration,
    /// Arrivals per second (open loop); `None` sends as fast as answers come (closed loop).
    pub rate_per_s: Option<f64>,
    /// A request older than this is given up and its connection closed.
    pub timeout: Duration,
    /// Root of the server's process tree, for CPU time and memory.
    pub server_pid: Option<i32>,
    /// Where to write the numbers.
    pub json: Option<PathBuf>,
    /// Where to write the chart.
    pub svg: Option<PathBuf>,
}

impl Settings {
    /// The bytes of one request.
    pub fn request(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\n",
            self.method, self.target.path, self.target.host
        );
        for field in &self.headers {
            head.push_str(field);
            head.push_str("\r\n");
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

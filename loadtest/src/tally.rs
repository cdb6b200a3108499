//! What is counted while the window is open, and the latencies of the requests that began in it.

use hdrhistogram::Histogram;
use hdrhistogram::errors::CreationError;

/// Latencies are kept to three significant digits up to ten minutes.
const LATENCY_MAX_NS: u64 = 600_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Counters of the window. Nothing is counted before `open`.
#[derive(Debug)]
pub struct Tally {
    expected_status: Option<u16>,
    opened_ns: Option<u64>,
    closed_ns: Option<u64>,
    /// Answers that arrived while the window was open.
    pub answers: u64,
    /// Those of them whose status is another than expected: outside 200-299 unless one was named.
    pub unexpected: u64,
    /// Requests lost with their connection, and connections that could not be opened.
    pub socket_errors: u64,
    /// Requests given up.
    pub timeouts: u64,
    /// Requests without an answer when the run ended; their age is recorded as their latency.
    pub unfinished: u64,
    /// Connections opened again.
    pub reconnects: u64,
    /// Response bytes.
    pub bytes_read: u64,
    latencies_ns: Histogram<u64>,
}

impl Tally {
    /// An empty tally. Every 2xx status is right when `expected_status` is `None`.
    pub fn new(expected_status: Option<u16>) -> Result<Self, CreationError> {
        Ok(Self {
            expected_status,
            opened_ns: None,
            closed_ns: None,
            answers: 0,
            unexpected: 0,
            socket_errors: 0,
            timeouts: 0,
            unfinished: 0,
            reconnects: 0,
            bytes_read: 0,
            latencies_ns: Histogram::new_with_bounds(1, LATENCY_MAX_NS, SIGNIFICANT_DIGITS)?,
        })
    }

    /// The window opens.
    pub fn open(&mut self, now_ns: u64) {
        self.opened_ns = Some(now_ns);
    }

    /// The window closes; only latencies of requests that began in it are still recorded.
    pub fn close(&mut self, now_ns: u64) {
        self.closed_ns = Some(now_ns);
    }

    /// Whether the window is open.
    pub fn counts(&self) -> bool {
        self.opened_ns.is_some() && self.closed_ns.is_none()
    }

    /// Length of the window.
    pub fn window_ns(&self) -> u64 {
        match (self.opened_ns, self.closed_ns) {
            (Some(opened), Some(closed)) => closed - opened,
            _ => 0,
        }
    }

    /// A response arrived for a request that began (or was due) at `began_ns`.
    pub fn answer(&mut self, began_ns: u64, now_ns: u64, status: u16) {
        if self.counts() {
            self.answers += 1;
            let is_right = self
                .expected_status
                .map_or((200..300).contains(&status), |expected| status == expected);
            self.unexpected += u64::from(!is_right);
        }
        self.record(began_ns, now_ns);
    }

    /// The run ends and the request that began at `began_ns` has no answer.
    ///
    /// Leaving it out would hide the slowest requests; its age is a lower bound of its latency.
    pub fn unfinished(&mut self, began_ns: u64, now_ns: u64) {
        if self.record(began_ns, now_ns) {
            self.unfinished += 1;
        }
    }

    /// `lost` requests went down with their connection.
    pub fn socket_error(&mut self, lost: u64) {
        if self.counts() {
            self.socket_errors += lost;
        }
    }

    /// The request that began at `began_ns` is given up; its age is recorded as its latency.
    pub fn timeout(&mut self, began_ns: u64, now_ns: u64) {
        if self.counts() {
            self.timeouts += 1;
        }
        self.record(began_ns, now_ns);
    }

    /// A connection was opened again.
    pub fn reconnect(&mut self) {
        if self.counts() {
            self.reconnects += 1;
        }
    }

    /// Response bytes arrived.
    pub fn read(&mut self, bytes: usize) {
        if self.counts() {
            self.bytes_read += bytes as u64;
        }
    }

    /// Nanoseconds from the beginning of each request to its answer.
    pub fn latencies_ns(&self) -> &Histogram<u64> {
        &self.latencies_ns
    }

    fn record(&mut self, began_ns: u64, now_ns: u64) -> bool {
        let began_inside = self.opened_ns.is_some_and(|opened| began_ns >= opened)
            && self.closed_ns.is_none_or(|closed| began_ns < closed);
        if began_inside {
            self.latencies_ns
                .saturating_record(now_ns.saturating_sub(began_ns).max(1));
        }
        began_inside
    }
}

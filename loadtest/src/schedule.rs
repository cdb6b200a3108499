//! Open loop: arrival times fixed in advance, so that a slow server cannot slow the load down.

/// Arrivals at a constant rate; arrival `i` is due `i / rate` seconds after the start.
///
/// Latency counts from the due time. A request that waits for a free connection has been waiting
/// since it was due, which is what a real user would have seen.
#[derive(Debug, Clone)]
pub struct Schedule {
    start_ns: u64,
    period_ns: f64,
    taken: u64,
}

impl Schedule {
    /// A schedule of `rate_per_s` arrivals per second from `start_ns` on.
    pub fn new(start_ns: u64, rate_per_s: f64) -> Self {
        Self {
            start_ns,
            period_ns: 1e9 / rate_per_s,
            taken: 0,
        }
    }

    /// When arrival `index` is due. Multiplies instead of adding up, so that no error accumulates.
    pub fn due_ns(&self, index: u64) -> u64 {
        self.start_ns + (index as f64 * self.period_ns) as u64
    }

    /// Takes the oldest arrival that is due and has not been taken, and says when it was due.
    pub fn take_due(&mut self, now_ns: u64) -> Option<u64> {
        let due_ns = self.due_ns(self.taken);
        if due_ns > now_ns {
            return None;
        }
        self.taken += 1;
        Some(due_ns)
    }

    /// Time between two arrivals.
    pub fn period_ns(&self) -> u64 {
        self.period_ns as u64
    }
}

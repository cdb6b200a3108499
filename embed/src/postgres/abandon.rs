//! What becomes of operations whose awaiter has gone.
//!
//! Rows that still come are dropped. One that the server works on is cancelled: at once when it is
//! alone, else when it has kept those behind it waiting for a while, for by then the request to
//! cancel hardly comes too late. If it does and hits the next one, that is run again: a statement
//! of its own that was cancelled has had no effect.

use super::core::{Core, locked, now_us};
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long an operation that nobody waits for may keep others waiting.
const STUCK_AFTER: Duration = Duration::from_millis(50);

impl Core {
    /// The awaiter of an operation in flight has gone.
    pub(crate) fn on_abandon(self: &Arc<Self>, py: Python<'_>) {
        match self.in_flight() {
            0 => {}
            1 => self.begin_cancel(py),
            _ => self.watch_head(py),
        }
    }

    /// Whether the server works on something that nobody waits for.
    pub(super) fn is_stuck(&self) -> bool {
        let queue = locked(&self.queue);
        queue
            .front()
            .is_some_and(|operation| operation.owner.get().is_abandoned())
    }

    /// Looks in a while at what the server works on then.
    pub(super) fn watch_head(self: &Arc<Self>, py: Python<'_>) {
        if self.is_closed() || self.head_watched.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.link.look_at_head_later(py, self, STUCK_AFTER) {
            error.write_unraisable(py, None);
        }
    }

    /// The while is over.
    pub(super) fn look_at_head(self: &Arc<Self>, py: Python<'_>) {
        self.head_watched.store(false, Ordering::Relaxed);
        if self.is_closed() || self.is_held() || !self.is_stuck() {
            return;
        }
        if Duration::from_micros(self.stalled_us(now_us())) >= STUCK_AFTER {
            self.begin_cancel(py);
        } else {
            self.watch_head(py);
        }
    }

    /// Has Python ask the server to stop; nothing new is sent until it has.
    fn begin_cancel(self: &Arc<Self>, py: Python<'_>) {
        if self.is_closed() || self.is_held() || !self.hooks.has_abandoned() {
            return;
        }
        for operation in locked(&self.queue).iter() {
            operation.owner.get().may_be_hit();
        }
        self.set_held(py, true);
        self.hooks.abandoned(py);
    }
}

//! What is said of an operation when it is sent.

use std::time::{Duration, Instant};

/// What is said of an operation beside its bytes.
#[derive(Default)]
pub(crate) struct Submission<'a> {
    /// The text, for errors.
    pub(crate) query: Option<&'a str>,
    pub(crate) timeout_s: Option<f64>,
    pub(crate) may_dirty: bool,
    pub(crate) may_lock: bool,
}

/// When `timeout_s` from now is; `None` for never.
pub(crate) fn deadline_after(timeout_s: f64) -> Option<Instant> {
    Instant::now().checked_add(seconds(timeout_s))
}

/// A duration of Python's; one that cannot be is for ever, or over.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

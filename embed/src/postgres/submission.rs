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

/// When `seconds` from now is; `None` for never.
pub(crate) fn deadline_after(seconds: f64) -> Option<Instant> {
    let after = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
    Instant::now().checked_add(after)
}

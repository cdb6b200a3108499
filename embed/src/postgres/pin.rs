//! A connection that goes on although nobody holds it.

use super::core::Core;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Keeps a connection that nobody holds from being given away, while a coroutine goes on with it.
pub(crate) struct Pin {
    core: Arc<Core>,
}

impl Pin {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        core.pins.fetch_add(1, Ordering::Relaxed);
        Self { core: core.clone() }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.core.pins.fetch_sub(1, Ordering::Relaxed);
        Python::attach(|py| self.core.tell_pool(py));
    }
}

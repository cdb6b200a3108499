//! Lets `anyio.from_thread` work in the threads of a pool.

use crate::event_loop::EventLoop;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What anyio is to be told about one thread, once somebody may ask.
pub(crate) struct AnyioThread {
    event_loop: Py<PyAny>,
    modules: Py<PyDict>,
}

impl AnyioThread {
    /// For a thread that works for the event loop of this one; `None` where there is none.
    pub(crate) fn new(py: Python<'_>) -> Option<Self> {
        let event_loop = EventLoop::current().ok()?.object(py).clone().unbind();
        let modules = py.import("sys").ok()?.getattr("modules").ok()?;
        let modules = modules.cast_into().ok()?.unbind();
        Some(Self {
            event_loop,
            modules,
        })
    }

    /// Tells it, on the thread itself. False as long as nobody has imported what could ask.
    pub(crate) fn claim(&self, py: Python<'_>) -> bool {
        let asks = pyo3::intern!(py, "anyio.from_thread");
        if !self.modules.bind(py).contains(asks).unwrap_or(false) {
            return false;
        }
        let told = py
            .import("fasterapi._anyio_threads")
            .and_then(|module| module.call_method1("claim", (&self.event_loop,)));
        if let Err(error) = told {
            error.write_unraisable(py, None);
        }
        true
    }
}

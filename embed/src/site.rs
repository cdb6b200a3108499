//! What all handlers of one application share.

use crate::exchange::log_failure;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// One served application.
pub(crate) struct Site {
    pub(crate) app: Py<PyAny>,
    /// The prefix that a proxy has removed from every path.
    pub(crate) root_path: String,
    /// Show tracebacks to clients.
    pub(crate) debug: bool,
    /// Called with an exception that nobody handles and the request (or `None`), in place of
    /// the log.
    pub(crate) on_failure: Option<Py<PyAny>>,
    lifespan_state: PyOnceLock<Py<PyAny>>,
}

impl Site {
    pub(crate) fn new(
        app: Py<PyAny>,
        root_path: String,
        debug: bool,
        on_failure: Option<Py<PyAny>>,
    ) -> Self {
        Self {
            app,
            root_path,
            debug,
            on_failure,
            lifespan_state: PyOnceLock::new(),
        }
    }

    /// Keeps what the lifespan yielded; the first to say so is right.
    pub(crate) fn set_lifespan_state(&self, py: Python<'_>, state: Py<PyAny>) {
        let _ = self.lifespan_state.set(py, state);
    }

    /// What the lifespan yielded; an empty mapping when it has not.
    pub(crate) fn lifespan_state<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self.lifespan_state.get(py) {
            Some(state) => state.bind(py).clone(),
            None => PyDict::new(py).into_any(),
        }
    }

    /// Tells of an exception that nobody handles: whoever has asked to know, or the log.
    pub(crate) fn report(
        &self,
        py: Python<'_>,
        error: &PyErr,
        request: Option<&Py<PyAny>>,
        label: &str,
    ) {
        let Some(on_failure) = &self.on_failure else {
            log_failure(py, error, label);
            return;
        };
        let value = error.clone_ref(py).into_value(py);
        if let Err(broken) = on_failure.bind(py).call1((value, request)) {
            broken.write_unraisable(py, Some(on_failure.bind(py)));
        }
    }
}

//! Which queries are sent once more: their cached statement was out of date, or what hit them was
//! meant for another.

use super::super::core::Core;
use super::super::errors;
use super::super::pin::Pin;
use super::PgOperation;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::sync::Arc;

/// SQLSTATE of what was cancelled.
const QUERY_CANCELED: &str = "57014";

/// How a query came to be, to send it once more when its cached statement is out of date.
pub(crate) struct Retry {
    pub(crate) sql: Py<PyString>,
    pub(crate) args: Py<PyTuple>,
    pub(crate) shape: Shape,
}

/// What is wanted of a query's rows.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) mode: u8,
    pub(crate) limit: u32,
    pub(crate) column: Option<Py<PyAny>>,
    pub(crate) timeout_s: Option<f64>,
}

impl PgOperation {
    /// Keeps what a second try needs.
    pub(crate) fn set_retry(&self, retry: Retry) {
        self.state().retry = Some(retry);
    }

    /// A request to cancel is about to be sent for an operation before this one.
    pub(crate) fn may_be_hit(&self) {
        self.state().may_be_hit = true;
    }

    /// The server has refused it before it ran, on grounds that may be ours.
    pub(crate) fn was_misguided(&self) {
        self.state().was_misguided = true;
    }

    /// Tells Python that a request to cancel was for somebody else, so that it tries again.
    pub(super) fn mark_hit(&self, py: Python<'_>, error: &PyErr) {
        let may_be_hit = self.state().may_be_hit;
        if may_be_hit && errors::sqlstate(py, error).as_deref() == Some(QUERY_CANCELED) {
            // Without the mark it is as any other error.
            let _ = error
                .value(py)
                .setattr(pyo3::intern!(py, "_meant_another"), true);
        }
    }

    /// Whether a query that ended with `error` is to be sent once more, and with a statement
    /// prepared anew.
    pub(super) fn retries(&self, py: Python<'_>, core: &Core, error: &PyErr) -> Option<bool> {
        if core.may_retry(py, error) {
            return Some(true);
        }
        let (may_be_hit, was_misguided) = {
            let state = self.state();
            (state.may_be_hit, state.was_misguided)
        };
        let was_hit = may_be_hit && errors::sqlstate(py, error).as_deref() == Some(QUERY_CANCELED);
        ((was_hit || was_misguided) && !core.is_closed()).then_some(false)
    }

    /// Keeps its connection for itself where it is to be sent once more on it: somebody else may be
    /// given that before the awaiter goes on.
    pub(crate) fn keep_for_retry(
        &self,
        py: Python<'_>,
        core: &Arc<Core>,
        result: &PyResult<Py<PyAny>>,
    ) {
        let Err(error) = result else { return };
        let may_retry = {
            let state = self.state();
            state.retry.is_some() && !state.abandoned
        };
        if may_retry && self.retries(py, core, error).is_some() {
            self.state().pin = Some(Pin::new(core));
        }
    }
}

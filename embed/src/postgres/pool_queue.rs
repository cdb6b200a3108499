//! Those who wait for a connection of a pool, in their order.

use super::awaitable::{PgOperation, Retry};
use super::{errors, link};
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use std::collections::VecDeque;

/// How many may wait for a connection of one pool.
const WAITING_MAX: usize = 65_536;
/// Shorter queues are not looked through for those who do not wait any more.
const SWEEP_MIN: usize = 64;

/// What waits for a connection.
pub(super) enum Waiting {
    /// A query that any connection may take.
    Query(Py<PgOperation>, Retry),
    /// Somebody who wants a connection for himself.
    Lease(Py<PgOperation>),
}

impl Waiting {
    /// Who is told.
    pub(super) fn owner(&self) -> &Py<PgOperation> {
        match self {
            Self::Query(owner, _) | Self::Lease(owner) => owner,
        }
    }
}

/// First come, first served.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// The length at which those are taken out who do not wait any more.
    sweep_at: usize,
}

impl Queue {
    /// Lines somebody up.
    ///
    /// # Errors
    /// `InterfaceError` when too many wait.
    pub(super) fn push(&mut self, py: Python<'_>, waiting: Waiting) -> PyResult<()> {
        if self.waiting.len() >= self.sweep_at {
            self.waiting
                .retain(|waiting| !waiting.owner().get().is_abandoned());
            self.sweep_at = (self.waiting.len() * 2).max(SWEEP_MIN);
        }
        if self.waiting.len() >= WAITING_MAX {
            let problem = format!("{WAITING_MAX} operations wait for a connection already");
            return Err(errors::interface(py, &problem));
        }
        self.waiting.push_back(waiting);
        Ok(())
    }

    pub(super) fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    pub(super) fn pop_front(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    pub(super) fn push_front(&mut self, waiting: Waiting) {
        self.waiting.push_front(waiting);
    }

    /// Empties the queue.
    pub(super) fn take_all(&mut self) -> VecDeque<Waiting> {
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Ends an operation with `TimeoutError` if it still waits after so many seconds.
///
/// # Errors
/// When the loop is closed.
pub(super) fn expire_later(operation: &Bound<'_, PgOperation>, after_s: f64) -> PyResult<()> {
    let py = operation.py();
    let expiry = PgExpiry {
        operation: PyWeakrefReference::new(operation)?.unbind(),
    };
    link::call_later(
        operation.get().loop_of(py),
        after_s,
        Bound::new(py, expiry)?,
    )
}

/// What a timer calls for [`expire_later`].
#[pyclass(frozen, module = "fasterapi._core")]
struct PgExpiry {
    operation: Py<PyWeakrefReference>,
}

#[pymethods]
impl PgExpiry {
    fn __call__(&self, py: Python<'_>) {
        if let Some(operation) = self.operation.bind(py).upgrade()
            && let Ok(operation) = operation.cast::<PgOperation>()
            && operation.get().is_queued()
        {
            PgOperation::fail_early(operation, errors::timeout());
        }
    }
}

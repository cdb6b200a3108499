//! The queries of a pool that have waited too long for a connection.
//!
//! All are watched by one timer: most wait for microseconds.

use super::awaitable::PgOperation;
use super::core::locked;
use super::pool_core::PoolCore;
use super::pool_queue::Waiting;
use super::{errors, link};
use pyo3::prelude::*;
use std::sync::{Arc, Weak};
use std::time::Instant;

impl PoolCore {
    /// Sees to it that somebody looks at the queue when `deadline` is over.
    ///
    /// # Errors
    /// When the loop is closed.
    pub(super) fn watch(
        self: &Arc<Self>,
        owner: &Bound<'_, PgOperation>,
        deadline: Option<Instant>,
    ) -> PyResult<()> {
        let Some(deadline) = deadline else {
            return Ok(());
        };
        {
            let mut watched = locked(&self.watched);
            if watched.is_some_and(|watched| watched <= deadline) {
                return Ok(());
            }
            *watched = Some(deadline);
        }
        let py = owner.py();
        self.look_later(owner.get().loop_of(py), deadline)
    }

    fn look_later(self: &Arc<Self>, loop_: &Bound<'_, PyAny>, deadline: Instant) -> PyResult<()> {
        let after = deadline.saturating_duration_since(Instant::now());
        let expiry = PgExpiry {
            pool: Arc::downgrade(self),
            loop_: loop_.clone().unbind(),
            deadline,
        };
        let expiry = Bound::new(loop_.py(), expiry)?;
        link::call_later(loop_, after.as_secs_f64(), expiry)
    }

    /// Ends what has waited too long, and watches the rest.
    fn expire(self: &Arc<Self>, loop_: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = loop_.py();
        let (late, next) = {
            let mut members = locked(&self.members);
            let late = members.waiting.take_late(self.wait_max);
            (late, members.waiting.deadline(self.wait_max))
        };
        *locked(&self.watched) = next;
        for waiting in late {
            PgOperation::fail_early(waiting.owner().bind(py), self.too_late(py, &waiting));
        }
        match next {
            Some(next) => self.look_later(loop_, next),
            None => Ok(()),
        }
    }

    /// Its own timeout is over, or the pool's for the wait.
    fn too_late(&self, py: Python<'_>, waiting: &Waiting) -> PyErr {
        if waiting.deadline(self.wait_max) == waiting.deadline(None) {
            return errors::timeout();
        }
        let cause = locked(&self.growth_error)
            .as_ref()
            .map(|error| PyErr::from_value(error.bind(py).clone().into_any()));
        errors::no_connection(py, self.wait_max.unwrap_or_default(), cause)
    }
}

/// What a timer calls for [`PoolCore::watch`].
#[pyclass(frozen, module = "fasterapi._core")]
struct PgExpiry {
    pool: Weak<PoolCore>,
    loop_: Py<PyAny>,
    deadline: Instant,
}

#[pymethods]
impl PgExpiry {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        match self.pool.upgrade() {
            // One for an earlier deadline has taken the place of others: each that went on by
            // itself would set one more for the same deadline.
            Some(pool) if *locked(&pool.watched) == Some(self.deadline) => {
                pool.expire(self.loop_.bind(py))
            }
            _ => Ok(()),
        }
    }
}

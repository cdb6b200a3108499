//! Lets Python wait until something about a connection has changed.

use super::waiter::Waiter;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Who waits for a change.
#[derive(Default)]
pub(crate) struct Signal {
    waiters: Mutex<Vec<Waiter>>,
}

impl Signal {
    /// What to await for the next change.
    ///
    /// # Errors
    /// When the loop gives no future.
    pub(crate) fn wait(&self, loop_: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let waiter = Waiter::new(loop_)?;
        let awaited = waiter.object(loop_.py());
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever was cancelled meanwhile is not kept.
        waiters.retain(|waiter| !waiter.is_done(loop_.py()));
        waiters.push(waiter);
        Ok(awaited)
    }

    /// Tells everybody who waits.
    pub(crate) fn fire(&self, py: Python<'_>) {
        let waiters = {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiters)
        };
        for waiter in waiters {
            waiter.tell(py, false);
        }
    }
}

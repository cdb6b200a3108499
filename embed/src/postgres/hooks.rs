//! What Python has asked to be told.

use super::core::locked;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Mutex;

/// The names of the hooks, as attributes of `PgConnection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Notice,
    Notification,
    Closed,
    Abandoned,
    SlowPath,
    Outdated,
}

const HOOKS: usize = 6;

/// Callables, or nothing.
#[derive(Default)]
pub(crate) struct Hooks {
    callables: Mutex<[Option<Py<PyAny>>; HOOKS]>,
}

impl Hooks {
    pub(crate) fn set(&self, hook: Hook, callable: Option<Py<PyAny>>) {
        let former = std::mem::replace(&mut locked(&self.callables)[hook as usize], callable);
        // Dropped without the lock: it may call Python.
        drop(former);
    }

    pub(crate) fn get(&self, py: Python<'_>, hook: Hook) -> Option<Py<PyAny>> {
        let callables = locked(&self.callables);
        callables[hook as usize]
            .as_ref()
            .map(|callable| callable.clone_ref(py))
    }

    /// Forgets all, so that nothing is kept alive by a connection that has ended.
    fn clear(&self) {
        let former = std::mem::take(&mut *locked(&self.callables));
        drop(former);
    }

    fn call<'py>(&self, py: Python<'py>, hook: Hook, args: impl PyCallArgs<'py>) {
        if let Some(callable) = self.get(py, hook)
            && let Err(error) = callable.bind(py).call1(args)
        {
            error.write_unraisable(py, Some(callable.bind(py)));
        }
    }

    pub(crate) fn notice(&self, py: Python<'_>, fields: &Bound<'_, PyDict>) {
        self.call(py, Hook::Notice, (fields,));
    }

    pub(crate) fn notification(&self, py: Python<'_>, pid: u32, channel: &str, payload: &str) {
        self.call(py, Hook::Notification, (pid, channel, payload));
    }

    pub(crate) fn outdated(&self, py: Python<'_>, error: &PyErr) {
        self.call(py, Hook::Outdated, (error.value(py),));
    }

    pub(crate) fn closed(&self, py: Python<'_>, error: Option<&PyErr>) {
        let error = error.map(|error| error.value(py));
        self.call(py, Hook::Closed, (error,));
        self.clear();
    }

    pub(crate) fn has_abandoned(&self) -> bool {
        locked(&self.callables)[Hook::Abandoned as usize].is_some()
    }

    pub(crate) fn abandoned(&self, py: Python<'_>) {
        self.call(py, Hook::Abandoned, ());
    }

    /// Calls the coroutine function that prepares and runs a query.
    ///
    /// # Errors
    /// `RuntimeError` where there is none.
    pub(crate) fn slow_path<'py>(
        &self,
        py: Python<'py>,
        args: impl PyCallArgs<'py>,
    ) -> PyResult<Py<PyAny>> {
        let callable = self.get(py, Hook::SlowPath).ok_or_else(|| {
            pyo3::exceptions::PyRuntimeError::new_err("the connection has no slow_path")
        })?;
        Ok(callable.bind(py).call1(args)?.unbind())
    }
}

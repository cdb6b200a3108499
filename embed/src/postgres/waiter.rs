//! What an operation's awaiter is told by: a [`Wait`] on a shard's loop, a future on any other.

use crate::event_loop::EventLoop;
use crate::wait::Wait;
use pyo3::prelude::*;

/// Tells whoever awaits that there is something to look at.
pub(crate) enum Waiter {
    /// The shard's reactor resumes the request's task at once.
    Reactor(Py<Wait>),
    /// A future of the connection's loop.
    Future(Py<PyAny>),
}

impl Waiter {
    /// Makes one for the loop that runs on this thread.
    ///
    /// # Errors
    /// What `loop.create_future()` raises.
    pub(crate) fn new(loop_: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = loop_.py();
        if EventLoop::current().is_ok_and(|current| current.object(py).is(loop_)) {
            return Ok(Self::Reactor(Wait::new(py)?.unbind()));
        }
        let future = loop_.call_method0(pyo3::intern!(py, "create_future"))?;
        Ok(Self::Future(future.unbind()))
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Reactor(wait) => Self::Reactor(wait.clone_ref(py)),
            Self::Future(future) => Self::Future(future.clone_ref(py)),
        }
    }

    /// What Python code awaits.
    pub(crate) fn object(&self, py: Python<'_>) -> Py<PyAny> {
        match self {
            Self::Reactor(wait) => wait.clone_ref(py).into_any(),
            Self::Future(future) => future.clone_ref(py),
        }
    }

    /// What a coroutine yields to wait.
    pub(crate) fn to_yield(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Self::Reactor(wait) => Ok(Wait::to_yield(wait.bind(py))),
            Self::Future(future) => {
                let blocking = pyo3::intern!(py, "_asyncio_future_blocking");
                future.bind(py).setattr(blocking, true)?;
                Ok(future.clone_ref(py))
            }
        }
    }

    /// Whether it has been told already.
    pub(crate) fn is_done(&self, py: Python<'_>) -> bool {
        match self {
            Self::Reactor(wait) => wait.get().done(),
            Self::Future(future) => future
                .bind(py)
                .call_method0(pyo3::intern!(py, "done"))
                .and_then(|done| done.is_truthy())
                .unwrap_or(true),
        }
    }

    /// Whether its task has cancelled it, and must hear of that from whoever is resumed.
    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Self::Reactor(wait) => wait.get().cancelled(),
            // asyncio throws it into the coroutine itself.
            Self::Future(_) => false,
        }
    }

    /// The exception of a waiter that was cancelled by its task.
    pub(crate) fn cancellation(&self, py: Python<'_>) -> Option<PyErr> {
        match self {
            Self::Reactor(wait) if self.is_cancelled() => wait.get().outcome(py).err(),
            _ => None,
        }
    }

    /// Resumes who waits: at once where the reactor runs and `is_now`, else soon.
    pub(crate) fn tell(&self, py: Python<'_>, is_now: bool) {
        match self {
            Self::Reactor(wait) if is_now => Wait::finish(wait.bind(py), Ok(py.None())),
            Self::Reactor(wait) => Wait::finish_soon(wait.bind(py), Ok(py.None())),
            Self::Future(future) => crate::event_loop::resolve(py, future),
        }
    }
}

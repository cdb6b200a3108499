//! `_core.Wait`: what a handler awaits and the runtime completes.
//!
//! A request's task that waits for one is resumed straight from the reactor; asyncio's tasks, and
//! whoever adds callbacks, are told through asyncio's ready queue, as by any future.

use crate::done_callbacks::{self, DoneCallback};
use crate::event_loop::EventLoop;
use crate::request_task::{RequestTask, Resume, cancelled_error, invalid_state};
use crate::ticker;
use pyo3::exceptions::{PyBaseException, PyStopIteration};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was waited for.
enum Outcome {
    Returned(Py<PyAny>),
    /// An object, not a `PyErr`: the garbage collector must see it.
    Raised(Py<PyBaseException>),
    /// Its waiter was cancelled; what completes it goes on, and nobody asks for the result.
    Cancelled(Option<Py<PyAny>>),
}

impl Outcome {
    fn of(py: Python<'_>, result: PyResult<Py<PyAny>>) -> Self {
        match result {
            Ok(value) => Self::Returned(value),
            Err(error) => Self::Raised(error.into_value(py)),
        }
    }
}

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    /// Request tasks that wait: the reactor resumes them.
    tasks: Vec<Py<RequestTask>>,
    /// What other tasks have asked to be called, with the contexts.
    callbacks: Vec<DoneCallback>,
    /// Set between a yield and the look of the task that is stepped, as futures do.
    blocking: bool,
    /// True when what would have completed a cancelled wait has come to its end.
    over: bool,
    /// Whoever waits for that.
    until_over: Option<Py<Wait>>,
}

/// Something that Rust will complete. It has the interface of `asyncio.Future`.
#[pyclass(frozen, weakref, module = "fasterapi._core")]
pub(crate) struct Wait {
    state: Mutex<State>,
}

impl Wait {
    /// Makes one that nobody has completed.
    pub(crate) fn new(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let state = Mutex::default();
        Bound::new(py, Self { state })
    }

    /// The state; the lock is never held while Python code runs.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resumes `task` when the wait is over; `false` when it is.
    pub(crate) fn resume_when_done(&self, task: &Bound<'_, RequestTask>) -> bool {
        let mut state = self.state();
        state.blocking = false;
        if state.outcome.is_some() {
            return false;
        }
        state.tasks.push(task.clone().unbind());
        true
    }

    /// What a coroutine yields to wait for this.
    pub(crate) fn to_yield(slf: &Bound<'_, Self>) -> Py<PyAny> {
        slf.get().state().blocking = true;
        slf.clone().into_any().unbind()
    }

    /// Completes the wait and resumes who waits, at once: only from the reactor, and only while no
    /// Python code runs on this thread.
    pub(crate) fn finish(slf: &Bound<'_, Self>, result: PyResult<Py<PyAny>>) {
        let py = slf.py();
        for task in Self::conclude(slf, Outcome::of(py, result)) {
            RequestTask::run(task.bind(py), Resume::Send);
        }
        if let Ok(event_loop) = EventLoop::current() {
            event_loop.after_python(py);
        }
    }

    /// Completes the wait; who waits is resumed in the reactor's next turn. On the shard's thread,
    /// whatever runs there.
    pub(crate) fn finish_soon(slf: &Bound<'_, Self>, result: PyResult<Py<PyAny>>) {
        let py = slf.py();
        for task in Self::conclude(slf, Outcome::of(py, result)) {
            ticker::resume_soon(task, None);
        }
    }

    /// Keeps the outcome and tells asyncio's tasks; the request's tasks are left to the caller.
    fn conclude(slf: &Bound<'_, Self>, outcome: Outcome) -> Vec<Py<RequestTask>> {
        let py = slf.py();
        let (tasks, callbacks) = {
            let mut state = slf.get().state();
            if state.outcome.is_some() {
                state.over = true;
                let waiting = state.until_over.take();
                drop(state);
                let Some(waiting) = waiting else {
                    return Vec::new();
                };
                return Self::conclude(waiting.bind(py), Outcome::Returned(py.None()));
            }
            state.outcome = Some(outcome);
            let callbacks = std::mem::take(&mut state.callbacks);
            (std::mem::take(&mut state.tasks), callbacks)
        };
        if !callbacks.is_empty() {
            match EventLoop::current() {
                Ok(event_loop) => done_callbacks::tell(&event_loop, slf.as_any(), callbacks),
                Err(error) => error.write_unraisable(py, Some(slf.as_any())),
            }
        }
        tasks
    }

    /// What the wait has come to; an error while it goes on.
    pub(crate) fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.state().outcome.as_ref() {
            Some(Outcome::Returned(value)) => Ok(value.clone_ref(py)),
            Some(Outcome::Raised(error)) => {
                Err(PyErr::from_value(error.bind(py).clone().into_any()))
            }
            Some(Outcome::Cancelled(message)) => {
                let message = message.as_ref().map(|message| message.clone_ref(py));
                Err(cancelled_error(py, &*EventLoop::current()?, message))
            }
            None => Err(invalid_state(py, "Result is not set.")),
        }
    }
}

#[pymethods]
impl Wait {
    /// Shows what it holds: who waits often has the wait, which has the error whose traceback has
    /// the frame of who waits.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(state) = self.state.try_lock() else {
            return Ok(());
        };
        match &state.outcome {
            Some(Outcome::Returned(value)) => visit.call(value)?,
            Some(Outcome::Raised(error)) => visit.call(error)?,
            Some(Outcome::Cancelled(message)) => visit.call(message)?,
            None => {}
        }
        for task in &state.tasks {
            visit.call(task)?;
        }
        visit.call(&state.until_over)?;
        done_callbacks::visit(&state.callbacks, &visit)
    }

    fn __clear__(&self) {
        let former = std::mem::take(&mut *self.state());
        // Dropped without the lock: it runs Python code.
        drop(former);
    }

    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        if slf.get().done() {
            let value = slf.get().outcome(py)?;
            return Err(PyStopIteration::new_err((value,)));
        }
        Ok(Self::to_yield(slf))
    }

    /// The result, or the exception raised.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.outcome(py)
    }

    /// The exception that it ended with, or `None`.
    fn exception(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if let Some(Outcome::Raised(error)) = self.state().outcome.as_ref() {
            return Ok(Some(error.clone_ref(py).into_any()));
        }
        self.outcome(py).map(|_| None)
    }

    pub(crate) fn done(&self) -> bool {
        self.state().outcome.is_some()
    }

    pub(crate) fn cancelled(&self) -> bool {
        matches!(self.state().outcome, Some(Outcome::Cancelled(_)))
    }

    /// To be awaited after a cancellation: done when what would have completed this one has ended.
    fn over<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Self>> {
        let over = Self::new(py)?;
        let mut state = self.state();
        let replaced = if state.over {
            over.get().state().outcome = Some(Outcome::Returned(py.None()));
            None
        } else {
            state.until_over.replace(over.clone().unbind())
        };
        drop(state);
        drop(replaced);
        Ok(over)
    }

    /// Lets nobody wait any longer; what would have completed it is left to itself.
    #[pyo3(signature = (msg = None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> bool {
        if slf.get().done() {
            return false;
        }
        for task in Self::conclude(slf, Outcome::Cancelled(msg)) {
            ticker::resume_soon(task, None);
        }
        true
    }

    /// Calls `callback(wait)` when the wait is over.
    #[pyo3(signature = (callback, *, context = None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        callback: Py<PyAny>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        done_callbacks::add(slf.as_any(), callback, context, |added| {
            let mut state = slf.get().state();
            if state.outcome.is_some() {
                return Some(added);
            }
            state.callbacks.push(added);
            None
        })
    }

    /// Removes a callback; how many were removed.
    fn remove_done_callback(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>) -> PyResult<usize> {
        let known = std::mem::take(&mut slf.get().state().callbacks);
        let before = known.len();
        let kept = done_callbacks::without(known, callback)?;
        let removed = before - kept.len();
        slf.get().state().callbacks.extend(kept);
        Ok(removed)
    }

    /// The loop that it is awaited on.
    fn get_loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(EventLoop::current()?.object(py).clone().unbind())
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.get_loop(py)
    }

    /// Futures have this; `asyncio.isfuture` asks for it.
    #[getter(_asyncio_future_blocking)]
    fn blocking(&self) -> bool {
        self.state().blocking
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&self, value: bool) {
        self.state().blocking = value;
    }
}

//! What asyncio, anyio and their users see of a request's task: the interface of `asyncio.Task`,
//! down to the private names that `gather`, `Runner` and anyio look at.

use crate::done_callbacks;
use crate::event_loop::EventLoop;
use crate::request_task::{Outcome, RequestTask, Resume, cancel_future, cancelled_error};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyType};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicU64, Ordering};

static TASKS_MADE: AtomicU64 = AtomicU64::new(0);

#[pymethods]
impl RequestTask {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.visit(&visit)
    }

    fn __clear__(&self) {
        self.clear();
    }

    /// Called by asyncio when the callbacks have run that the task gave way to.
    fn _resume(slf: &Bound<'_, Self>) {
        Self::run(slf, Resume::Send);
    }

    /// Called by asyncio when the awaited future is done.
    fn _wakeup(slf: &Bound<'_, Self>, future: &Bound<'_, PyAny>) {
        let py = slf.py();
        match future.call_method0(pyo3::intern!(py, "result")) {
            Ok(_) => Self::run(slf, Resume::Send),
            Err(error) => Self::run(slf, Resume::Throw(error)),
        }
    }

    /// Asks the coroutine to end with `CancelledError`; false when it has ended.
    #[pyo3(signature = (msg = None))]
    pub(crate) fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        let waits_for = {
            let mut state = slf.get().state();
            if state.outcome.is_some() {
                return Ok(false);
            }
            state.cancel_requests += 1;
            state.cancel_message = msg.as_ref().map(|msg| msg.clone_ref(py));
            state.waits_for.as_ref().map(|future| future.clone_ref(py))
        };
        if let Some(future) = waits_for
            && cancel_future(future.bind(py), msg)?
        {
            return Ok(true);
        }
        slf.get().state().must_cancel = true;
        Ok(true)
    }

    /// How many cancellations are asked for and not taken back.
    fn cancelling(&self) -> u32 {
        self.state().cancel_requests
    }

    /// Takes one request for cancellation back; how many are left.
    fn uncancel(&self) -> u32 {
        let mut state = self.state();
        state.cancel_requests = state.cancel_requests.saturating_sub(1);
        if state.cancel_requests == 0 {
            // Since 3.13 asyncio also forgets a cancellation that has not been delivered.
            state.must_cancel = false;
        }
        state.cancel_requests
    }

    /// True when the task has ended.
    fn done(&self) -> bool {
        self.state().outcome.is_some()
    }

    /// True when the task ended with `CancelledError`.
    fn cancelled(&self) -> bool {
        matches!(self.state().outcome, Some(Outcome::Cancelled))
    }

    /// What the task returned or raised.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.outcome(py)
    }

    /// The exception that the task raised, or `None`.
    fn exception(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match self.state().outcome.as_ref() {
            Some(Outcome::Error(error)) => {
                return Ok(Some(error.clone_ref(py).into_any()));
            }
            Some(Outcome::Result(_)) => return Ok(None),
            _ => {}
        }
        self.outcome(py).map(|_| None)
    }

    /// Calls `callback(task)` when the task ends.
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

    /// The loop of the task.
    fn get_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.loop_.clone_ref(py)
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.get_loop(py)
    }

    /// The coroutine that the task steps.
    fn get_coro(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state()
            .coroutine
            .as_ref()
            .map(|coroutine| coroutine.clone_ref(py))
    }

    #[getter]
    fn _coro(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.get_coro(py)
    }

    /// The context that the coroutine runs in.
    fn get_context(&self, py: Python<'_>) -> Py<PyAny> {
        self.state().context.clone_ref(py)
    }

    /// The name of the task.
    fn get_name(&self, py: Python<'_>) -> Py<PyAny> {
        let mut state = self.state();
        let name = state.name.get_or_insert_with(|| {
            let number = TASKS_MADE.fetch_add(1, Ordering::Relaxed) + 1;
            PyString::new(py, &format!("Request-{number}"))
                .into_any()
                .unbind()
        });
        name.clone_ref(py)
    }

    /// Names the task.
    fn set_name(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = value.str()?.into_any().unbind();
        self.state().name = Some(name);
        Ok(())
    }

    /// The frames of the coroutine.
    #[pyo3(signature = (*, limit = None))]
    fn get_stack<'py>(slf: &Bound<'py, Self>, limit: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        let helper = slf.py().import("asyncio.base_tasks")?;
        helper.call_method1("_task_get_stack", (slf, limit))
    }

    /// Prints the frames of the coroutine.
    #[pyo3(signature = (*, limit = None, file = None))]
    fn print_stack<'py>(
        slf: &Bound<'py, Self>,
        limit: Option<usize>,
        file: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let helper = slf.py().import("asyncio.base_tasks")?;
        helper.call_method1("_task_print_stack", (slf, limit, file))
    }

    /// The message of a cancellation that has been asked for.
    #[getter(_cancel_message)]
    fn cancel_text(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state()
            .cancel_message
            .as_ref()
            .map(|message| message.clone_ref(py))
    }

    #[setter(_cancel_message)]
    fn set_cancel_text(&self, message: Option<Py<PyAny>>) {
        self.state().cancel_message = message;
    }

    /// The error that a cancelled task raises in whoever awaits it; `gather` makes it.
    fn _make_cancelled_error(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let message = self.cancel_text(py);
        let error = cancelled_error(py, &*EventLoop::current()?, message);
        Ok(error.into_value(py).into_any())
    }

    /// The callbacks with their contexts; anyio looks for the task that a loop runs for.
    #[getter]
    fn _callbacks<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let callbacks: Vec<_> = {
            let state = self.state();
            let pairs = state.callbacks.iter();
            pairs
                .map(|(callback, context)| (callback.clone_ref(py), context.clone_ref(py)))
                .collect()
        };
        if callbacks.is_empty() {
            return Ok(None);
        }
        PyList::new(py, callbacks).map(Some)
    }

    /// `"PENDING"`, `"FINISHED"` or `"CANCELLED"`.
    #[getter]
    fn _state(&self) -> &'static str {
        match self.state().outcome {
            None => "PENDING",
            Some(Outcome::Cancelled) => "CANCELLED",
            Some(_) => "FINISHED",
        }
    }

    #[getter]
    fn _result(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self.state().outcome.as_ref() {
            Some(Outcome::Result(value)) => Some(value.clone_ref(py)),
            _ => None,
        }
    }

    /// Whether a task that is dropped while it waits is complained of: never.
    #[getter(_log_destroy_pending)]
    fn log_destroy_pending(&self) -> bool {
        false
    }

    #[setter(_log_destroy_pending)]
    fn set_log_destroy_pending(&self, value: bool) {
        let _ = value;
    }

    /// Whether an exception that nobody asks for is complained of: it has been logged.
    #[getter(_log_traceback)]
    fn log_traceback(&self) -> bool {
        false
    }

    #[setter(_log_traceback)]
    fn set_log_traceback(&self, value: bool) {
        let _ = value;
    }

    #[getter]
    fn _source_traceback(&self) -> Option<Py<PyAny>> {
        None
    }

    /// Only the coroutine gives a task its result.
    fn set_result(&self, result: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = result;
        Err(PyRuntimeError::new_err(
            "Task does not support set_result operation",
        ))
    }

    /// Only the coroutine gives a task its exception.
    fn set_exception(&self, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = exception;
        Err(PyRuntimeError::new_err(
            "Task does not support set_exception operation",
        ))
    }

    /// `RequestTask[int]` in annotations.
    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cls.py()
            .import("types")?
            .getattr("GenericAlias")?
            .call1((cls, item))
    }

    /// What the task waits for; anyio looks here.
    #[getter]
    fn _fut_waiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state()
            .waits_for
            .as_ref()
            .map(|future| future.clone_ref(py))
    }

    #[getter]
    fn _exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self.state().outcome.as_ref() {
            Some(Outcome::Error(error)) => Some(error.clone_ref(py).into_any()),
            _ => None,
        }
    }

    /// Whether the next step throws `CancelledError`; anyio reads and clears it.
    #[getter(_must_cancel)]
    fn must_cancel(&self) -> bool {
        self.state().must_cancel
    }

    #[setter(_must_cancel)]
    fn set_must_cancel(&self, value: bool) {
        self.state().must_cancel = value;
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

    fn __await__(slf: &Bound<'_, Self>) -> TaskWait {
        TaskWait {
            task: slf.clone().unbind(),
        }
    }

    fn __iter__(slf: &Bound<'_, Self>) -> TaskWait {
        TaskWait {
            task: slf.clone().unbind(),
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let state = if this.cancelled() {
            "cancelled"
        } else if this.done() {
            "finished"
        } else {
            "pending"
        };
        let name = this.get_name(slf.py());
        Ok(format!(
            "<RequestTask {state} name={}>",
            name.bind(slf.py()).repr()?
        ))
    }
}

/// `await task`: yields the task itself until it is done, as an asyncio future does.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct TaskWait {
    task: Py<RequestTask>,
}

#[pymethods]
impl TaskWait {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.task)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let task = self.task.bind(py);
        if task.get().done() {
            let value = task.get().outcome(py)?;
            return Err(PyStopIteration::new_err((value,)));
        }
        task.get().set_blocking(true);
        Ok(task.clone().into_any().unbind())
    }
}

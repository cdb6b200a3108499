//! Steps one handler's coroutine: an asyncio task that the reactor resumes.
//!
//! asyncio, anyio and their users see a task: `current_task()`, `cancel`, `cancelling`,
//! `uncancel`, callbacks, `await`. What differs from `asyncio.Task` is who resumes it: the first
//! step runs where the request was parsed, a bare `yield` (`sleep(0)`) comes back from the
//! reactor, and only a wait for an asyncio future comes back through asyncio's ready queue.

use crate::event_loop::EventLoop;
use crate::exchange::{Exchange, Finish};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static TASKS_MADE: AtomicU64 = AtomicU64::new(0);

/// What the coroutine is given when it is resumed.
pub(crate) enum Resume {
    /// Nothing: `send(None)`.
    Send,
    /// An exception.
    Throw(PyErr),
}

/// What a step ended with.
enum Stepped {
    /// The coroutine waits; who wakes it is arranged.
    Suspended,
    /// The coroutine is done.
    Done(PyResult<Py<PyAny>>),
}

enum Outcome {
    Result(Py<PyAny>),
    Error(PyErr),
    Cancelled,
}

struct State {
    coroutine: Option<Py<PyAny>>,
    context: Py<PyAny>,
    /// What becomes of the result; taken when the handler is done.
    exchange: Option<Exchange>,
    must_cancel: bool,
    cancel_message: Option<Py<PyAny>>,
    cancel_requests: u32,
    waits_for: Option<Py<PyAny>>,
    outcome: Option<Outcome>,
    callbacks: Vec<(Py<PyAny>, Option<Py<PyAny>>)>,
    name: Option<Py<PyAny>>,
    registered: bool,
    /// Set between the yield of this task, by who awaits it, and the look of their task.
    blocking: bool,
}

/// The task of one request. It has the interface of `asyncio.Task`.
#[pyclass(frozen, weakref, module = "fasterapi._core")]
pub(crate) struct RequestTask {
    state: Mutex<State>,
}

impl RequestTask {
    /// Makes the task of `coroutine`, in a copy of the present context.
    pub(crate) fn new(py: Python<'_>, coroutine: Py<PyAny>, exchange: Exchange) -> PyResult<Py<Self>> {
        // SAFETY: the interpreter lock is held; the call returns a new reference or null with an
        // exception set.
        let context = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())? };
        let state = State {
            coroutine: Some(coroutine),
            context: context.unbind(),
            exchange: Some(exchange),
            must_cancel: false,
            cancel_message: None,
            cancel_requests: 0,
            waits_for: None,
            outcome: None,
            callbacks: Vec::new(),
            name: None,
            registered: false,
            blocking: false,
        };
        Py::new(py, Self { state: Mutex::new(state) })
    }

    /// The state; the lock is never held while Python code runs, so it is never waited for.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the coroutine until it waits or ends.
    ///
    /// What the handler's end means is decided by its [`Exchange`]; it may go on with another
    /// coroutine (a streamed body) in the same task and context.
    pub(crate) fn run(slf: &Bound<'_, Self>, mut resume: Resume) {
        let py = slf.py();
        let Ok(event_loop) = EventLoop::current() else { return };
        loop {
            let done = match Self::step(slf, &event_loop, resume) {
                Stepped::Suspended => return,
                Stepped::Done(done) => done,
            };
            let exchange = slf.get().state().exchange.take();
            let next = match exchange {
                Some(exchange) => exchange.finish(slf, done),
                None => Finish::Over(done),
            };
            match next {
                Finish::Continue(coroutine, exchange) => {
                    let mut state = slf.get().state();
                    state.coroutine = Some(coroutine);
                    state.exchange = Some(exchange);
                    resume = Resume::Send;
                }
                Finish::Over(done) => {
                    Self::end(slf, &event_loop, done);
                    return;
                }
            }
            event_loop.after_python(py);
        }
    }

    fn step(slf: &Bound<'_, Self>, event_loop: &EventLoop, resume: Resume) -> Stepped {
        let py = slf.py();
        let (coroutine, context, resume) = {
            let mut state = slf.get().state();
            let resume = if state.must_cancel {
                state.must_cancel = false;
                Resume::Throw(cancelled_error(py, event_loop, state.cancel_message.take()))
            } else {
                resume
            };
            state.waits_for = None;
            let Some(coroutine) = state.coroutine.as_ref() else { return Stepped::Suspended };
            (coroutine.clone_ref(py), state.context.clone_ref(py), resume)
        };
        if let Err(error) = event_loop.enter(slf.as_any()) {
            return Stepped::Done(Err(error));
        }
        let advanced = advance(py, &coroutine, &context, resume);
        event_loop.leave(slf.as_any());
        match advanced {
            Advanced::Returned(value) => {
                slf.get().state().coroutine = None;
                Stepped::Done(Ok(value))
            }
            Advanced::Raised(error) => {
                slf.get().state().coroutine = None;
                Stepped::Done(Err(error))
            }
            Advanced::Yielded(waited) => {
                if let Err(error) = Self::wait_for(slf, event_loop, waited.bind(py)) {
                    Self::schedule(slf, Some(error));
                }
                Stepped::Suspended
            }
        }
    }

    /// Arranges to be woken by what the coroutine yielded.
    fn wait_for(slf: &Bound<'_, Self>, event_loop: &EventLoop, waited: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        {
            let mut state = slf.get().state();
            if !state.registered {
                state.registered = true;
                drop(state);
                event_loop.register(slf.as_any())?;
            }
        }
        if waited.is_none() {
            Self::schedule(slf, None);
            return Ok(());
        }
        let blocking = pyo3::intern!(py, "_asyncio_future_blocking");
        if !waited.getattr(blocking).is_ok_and(|flag| flag.is_truthy().unwrap_or(false)) {
            let problem = format!("Task got bad yield: {}", waited.repr()?);
            return Err(PyRuntimeError::new_err(problem));
        }
        if waited.is(slf.as_any()) {
            return Err(PyRuntimeError::new_err("Task cannot await on itself"));
        }
        waited.setattr(blocking, false)?;
        let wakeup = slf.getattr(pyo3::intern!(py, "_wakeup"))?;
        let options = Some(event_loop.callback_options(py));
        waited.call_method(pyo3::intern!(py, "add_done_callback"), (wakeup,), options)?;
        let must_cancel = {
            let mut state = slf.get().state();
            state.waits_for = Some(waited.clone().unbind());
            state.must_cancel
        };
        if must_cancel && cancel_future(waited, slf.get().cancel_message(py))? {
            slf.get().state().must_cancel = false;
        }
        Ok(())
    }

    /// Lets the reactor resume the task in its next turn.
    fn schedule(slf: &Bound<'_, Self>, error: Option<PyErr>) {
        crate::ticker::resume_soon(slf.clone().unbind(), error);
    }

    fn cancel_message(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state().cancel_message.as_ref().map(|message| message.clone_ref(py))
    }

    /// Ends the task: its outcome is kept, whoever awaits it is told.
    fn end(slf: &Bound<'_, Self>, event_loop: &EventLoop, done: PyResult<Py<PyAny>>) {
        let py = slf.py();
        let outcome = match done {
            Ok(value) => Outcome::Result(value),
            Err(error) if error.is_instance(py, event_loop.cancelled_error(py)) => Outcome::Cancelled,
            Err(error) => Outcome::Error(error),
        };
        let (callbacks, registered) = {
            let mut state = slf.get().state();
            state.outcome = Some(outcome);
            state.coroutine = None;
            (std::mem::take(&mut state.callbacks), state.registered)
        };
        if registered {
            event_loop.unregister(slf.as_any());
        }
        for (callback, context) in callbacks {
            let context = context.as_ref().map(|context| context.bind(py));
            if let Err(error) = event_loop.call_soon(py, callback.bind(py), slf.as_any(), context) {
                error.write_unraisable(py, Some(slf.as_any()));
            }
        }
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let event_loop = EventLoop::current()?;
        match self.state().outcome.as_ref() {
            Some(Outcome::Result(value)) => Ok(value.clone_ref(py)),
            Some(Outcome::Error(error)) => Err(error.clone_ref(py)),
            Some(Outcome::Cancelled) => Err(cancelled_error(py, &event_loop, None)),
            None => Err(invalid_state(py, "Result is not set.")),
        }
    }
}

enum Advanced {
    Returned(Py<PyAny>),
    Yielded(Py<PyAny>),
    Raised(PyErr),
}

/// Resumes a coroutine once, inside `context`.
fn advance(py: Python<'_>, coroutine: &Py<PyAny>, context: &Py<PyAny>, resume: Resume) -> Advanced {
    // SAFETY: the interpreter lock is held and `context` is a `Context` object made by
    // `PyContext_CopyCurrent`; it is left below on every path.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Advanced::Raised(PyErr::fetch(py));
    }
    let advanced = match resume {
        Resume::Send => send(py, coroutine),
        Resume::Throw(error) => throw(py, coroutine, error),
    };
    // SAFETY: entered above, and `send` and `throw` leave every context that they enter.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Advanced::Raised(PyErr::fetch(py));
    }
    advanced
}

fn send(py: Python<'_>, coroutine: &Py<PyAny>) -> Advanced {
    let mut result = std::ptr::null_mut();
    // SAFETY: the interpreter lock is held; `PyIter_Send` stores a new reference in `result` for
    // NEXT and RETURN, and sets an exception for ERROR.
    unsafe {
        let sent = ffi::PyIter_Send(coroutine.as_ptr(), ffi::Py_None(), &mut result);
        match sent {
            ffi::PySendResult::PYGEN_RETURN => Advanced::Returned(Bound::from_owned_ptr(py, result).unbind()),
            ffi::PySendResult::PYGEN_NEXT => Advanced::Yielded(Bound::from_owned_ptr(py, result).unbind()),
            ffi::PySendResult::PYGEN_ERROR => Advanced::Raised(PyErr::fetch(py)),
        }
    }
}

fn throw(py: Python<'_>, coroutine: &Py<PyAny>, error: PyErr) -> Advanced {
    match coroutine.bind(py).call_method1(pyo3::intern!(py, "throw"), (error.into_value(py),)) {
        Ok(yielded) => Advanced::Yielded(yielded.unbind()),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            match error.value(py).getattr("value") {
                Ok(value) => Advanced::Returned(value.unbind()),
                Err(error) => Advanced::Raised(error),
            }
        }
        Err(error) => Advanced::Raised(error),
    }
}

fn cancelled_error(py: Python<'_>, event_loop: &EventLoop, message: Option<Py<PyAny>>) -> PyErr {
    let class = event_loop.cancelled_error(py);
    let made = match message {
        Some(message) => class.call1((message,)),
        None => class.call0(),
    };
    made.map_or_else(|error| error, PyErr::from_value)
}

fn invalid_state(py: Python<'_>, problem: &'static str) -> PyErr {
    let made = py
        .import("asyncio.exceptions")
        .and_then(|module| module.getattr("InvalidStateError"))
        .and_then(|class| class.call1((problem,)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// Cancels what a task waits for; false when it was done already.
fn cancel_future(future: &Bound<'_, PyAny>, message: Option<Py<PyAny>>) -> PyResult<bool> {
    let py = future.py();
    let options = pyo3::types::PyDict::new(py);
    options.set_item("msg", message)?;
    future.call_method(pyo3::intern!(py, "cancel"), (), Some(&options))?.is_truthy()
}

#[pymethods]
impl RequestTask {
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
            Some(Outcome::Error(error)) => return Ok(Some(error.clone_ref(py).into_value(py).into_any())),
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
        let py = slf.py();
        let mut state = slf.get().state();
        if state.outcome.is_none() {
            state.callbacks.push((callback, context));
            return Ok(());
        }
        drop(state);
        let context = context.as_ref().map(|context| context.bind(py));
        EventLoop::current()?.call_soon(py, callback.bind(py), slf.as_any(), context)
    }

    /// Removes a callback; how many were removed.
    fn remove_done_callback(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = slf.py();
        let known = std::mem::take(&mut slf.get().state().callbacks);
        let before = known.len();
        let mut kept = Vec::with_capacity(before);
        for (other, context) in known {
            if !other.bind(py).eq(callback)? {
                kept.push((other, context));
            }
        }
        let removed = before - kept.len();
        slf.get().state().callbacks.extend(kept);
        Ok(removed)
    }

    /// The loop of the task.
    fn get_loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(EventLoop::current()?.object(py).clone().unbind())
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.get_loop(py)
    }

    /// The coroutine that the task steps.
    fn get_coro(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state().coroutine.as_ref().map(|coroutine| coroutine.clone_ref(py))
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
            PyString::new(py, &format!("Request-{number}")).into_any().unbind()
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

    /// What the task waits for; anyio looks here.
    #[getter]
    fn _fut_waiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state().waits_for.as_ref().map(|future| future.clone_ref(py))
    }

    #[getter]
    fn _exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self.state().outcome.as_ref() {
            Some(Outcome::Error(error)) => Some(error.clone_ref(py).into_value(py).into_any()),
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
        TaskWait { task: slf.clone().unbind() }
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
        Ok(format!("<RequestTask {state} name={}>", name.bind(slf.py()).repr()?))
    }
}

/// `await task`: yields the task itself until it is done, as an asyncio future does.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct TaskWait {
    task: Py<RequestTask>,
}

#[pymethods]
impl TaskWait {
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

//! Steps one handler's coroutine: an asyncio task that the reactor resumes.
//!
//! asyncio, anyio and their users see a task: `current_task()`, `cancel`, `cancelling`,
//! `uncancel`, callbacks, `await`. What differs from `asyncio.Task` is who resumes it: the first
//! step runs where the request was parsed, a bare `yield` (`sleep(0)`) comes back from the
//! reactor, and only a wait for an asyncio future comes back through asyncio's ready queue.

use crate::done_callbacks::{self, DoneCallback};
use crate::event_loop::EventLoop;
use crate::exchange::{Exchange, Finish, Kept};
use crate::wait::Wait;
use crate::watch::{self, Watch};
use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

pub(crate) enum Outcome {
    Result(Py<PyAny>),
    /// An object, not a `PyErr`: the garbage collector must see it.
    Error(Py<PyBaseException>),
    Cancelled,
}

pub(crate) struct State {
    pub(crate) coroutine: Option<Py<PyAny>>,
    pub(crate) context: Py<PyAny>,
    /// What becomes of the result; taken when the handler is done.
    pub(crate) exchange: Option<Exchange>,
    pub(crate) must_cancel: bool,
    pub(crate) cancel_message: Option<Py<PyAny>>,
    pub(crate) cancel_requests: u32,
    pub(crate) waits_for: Option<Py<PyAny>>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) callbacks: Vec<DoneCallback>,
    pub(crate) name: Option<Py<PyAny>>,
    /// Set between the yield of this task, by who awaits it, and the look of their task.
    pub(crate) blocking: bool,
    /// Whoever waits for the end of the request.
    pub(crate) watch: Option<Watch>,
}

/// The task of one request. It has the interface of `asyncio.Task`.
#[pyclass(frozen, weakref, module = "fasterapi._core")]
pub(crate) struct RequestTask {
    state: Mutex<State>,
    /// asyncio's loop. `all_tasks()` asks for it from every thread that runs one.
    pub(crate) loop_: Py<PyAny>,
}

impl RequestTask {
    /// Makes the task of `coroutine`, in a copy of the present context.
    pub(crate) fn new(
        py: Python<'_>,
        coroutine: Py<PyAny>,
        exchange: Exchange,
    ) -> PyResult<Py<Self>> {
        let state = State {
            coroutine: Some(coroutine),
            context: copy_context(py)?,
            exchange: Some(exchange),
            must_cancel: false,
            cancel_message: None,
            cancel_requests: 0,
            waits_for: None,
            outcome: None,
            callbacks: Vec::new(),
            name: None,
            blocking: false,
            watch: watch::current(),
        };
        let event_loop = EventLoop::current()?;
        let task = Py::new(
            py,
            Self {
                state: Mutex::new(state),
                loop_: event_loop.object(py).clone().unbind(),
            },
        )?;
        event_loop.register(task.bind(py).as_any())?;
        Ok(task)
    }

    /// The state; the lock is never held while Python code runs, so it is never waited for.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the garbage collector what the task holds: a handler's frame often has the task, and
    /// the task has the error whose traceback has the frame.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.loop_)?;
        // Taken while the state changes, which drops nothing: what is not shown is in use.
        let Ok(state) = self.state.try_lock() else {
            return Ok(());
        };
        visit.call(&state.context)?;
        match &state.outcome {
            Some(Outcome::Result(value)) => visit.call(value)?,
            Some(Outcome::Error(error)) => visit.call(error)?,
            Some(Outcome::Cancelled) | None => {}
        }
        let others = [
            &state.coroutine,
            &state.cancel_message,
            &state.waits_for,
            &state.name,
        ];
        for object in others {
            visit.call(object)?;
        }
        done_callbacks::visit(&state.callbacks, visit)
    }

    /// Lets go what [`Self::visit`] shows.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        let outcome = state.outcome.take();
        let callbacks = std::mem::take(&mut state.callbacks);
        let others = (
            state.coroutine.take(),
            state.cancel_message.take(),
            state.waits_for.take(),
            state.name.take(),
        );
        drop(state);
        // Dropped without the lock: it runs Python code.
        drop((outcome, callbacks, others));
    }

    /// Runs the coroutine until it waits or ends.
    ///
    /// What the handler's end means is decided by its [`Exchange`]; it may go on with another
    /// coroutine (a streamed body) in the same task and context.
    pub(crate) fn run(slf: &Bound<'_, Self>, mut resume: Resume) {
        let py = slf.py();
        let Ok(event_loop) = EventLoop::current() else {
            return;
        };
        let _watched = watch::within(slf.get().state().watch.clone());
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
                Finish::Park(exchange) => {
                    slf.get().state().exchange = Some(exchange);
                    return;
                }
                Finish::Over(done) => {
                    Self::end(slf, &event_loop, done);
                    return;
                }
            }
            event_loop.after_python(py);
        }
    }

    /// Whether the task waits for [`Self::keep_request`].
    pub(crate) fn is_parked(&self) -> bool {
        let state = self.state();
        state.exchange.as_ref().is_some_and(Exchange::is_parked)
    }

    /// After a first step: keeps the request with a task that waits, and lets one that is parked
    /// answer. `request` brings the request.
    pub(crate) fn keep_request(
        slf: &Bound<'_, Self>,
        request: impl FnOnce() -> PyResult<Kept>,
    ) -> PyResult<()> {
        let parked = {
            let mut state = slf.get().state();
            match state.exchange.take() {
                None => return Ok(()),
                Some(exchange) if exchange.is_parked() => exchange,
                waiting => {
                    state.exchange = waiting;
                    drop(state);
                    let request = request()?;
                    if let Some(exchange) = slf.get().state().exchange.as_mut() {
                        exchange.keep(request);
                    }
                    return Ok(());
                }
            }
        };
        let mut parked = parked;
        parked.keep(request()?);
        match parked.unpark(slf.py()) {
            Finish::Continue(coroutine, exchange) => {
                let mut state = slf.get().state();
                state.coroutine = Some(coroutine);
                state.exchange = Some(exchange);
                drop(state);
                Self::run(slf, Resume::Send);
            }
            Finish::Over(done) => Self::end(slf, &*EventLoop::current()?, done),
            Finish::Park(_) => {}
        }
        Ok(())
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
            let Some(coroutine) = state.coroutine.as_ref() else {
                return Stepped::Suspended;
            };
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
    fn wait_for(
        slf: &Bound<'_, Self>,
        event_loop: &EventLoop,
        waited: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        if waited.is_none() {
            return Self::give_way(slf, event_loop);
        }
        if let Ok(call) = waited.cast_exact::<Wait>() {
            // Not through asyncio: the reactor that takes the result resumes the task.
            if !call.get().resume_when_done(slf) {
                Self::schedule(slf, None);
                return Ok(());
            }
            return Self::waits_for(slf, waited);
        }
        let blocking = pyo3::intern!(py, "_asyncio_future_blocking");
        if !waited
            .getattr(blocking)
            .is_ok_and(|flag| flag.is_truthy().unwrap_or(false))
        {
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
        Self::waits_for(slf, waited)
    }

    /// Notes what wakes the task, and cancels that if the task is to be cancelled.
    fn waits_for(slf: &Bound<'_, Self>, waited: &Bound<'_, PyAny>) -> PyResult<()> {
        let must_cancel = {
            let mut state = slf.get().state();
            state.waits_for = Some(waited.clone().unbind());
            state.must_cancel
        };
        if must_cancel && cancel_future(waited, slf.get().cancel_message(slf.py()))? {
            slf.get().state().must_cancel = false;
        }
        Ok(())
    }

    /// Lets others go first: the reactor resumes the task, unless asyncio has callbacks that were
    /// ready before; then the task takes its place behind them.
    fn give_way(slf: &Bound<'_, Self>, event_loop: &EventLoop) -> PyResult<()> {
        let py = slf.py();
        if !event_loop.has_callbacks(py) {
            Self::schedule(slf, None);
            return Ok(());
        }
        let resume = slf.getattr(pyo3::intern!(py, "_resume"))?;
        event_loop.call_soon_bare(py, &resume)
    }

    /// Lets the reactor resume the task in its next turn.
    fn schedule(slf: &Bound<'_, Self>, error: Option<PyErr>) {
        crate::ticker::resume_soon(slf.clone().unbind(), error);
    }

    fn cancel_message(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state()
            .cancel_message
            .as_ref()
            .map(|message| message.clone_ref(py))
    }

    /// Ends the task: its outcome is kept, whoever awaits it is told.
    fn end(slf: &Bound<'_, Self>, event_loop: &EventLoop, done: PyResult<Py<PyAny>>) {
        let py = slf.py();
        let outcome = match done {
            Ok(value) => Outcome::Result(value),
            Err(error) if error.is_instance(py, event_loop.cancelled_error(py)) => {
                Outcome::Cancelled
            }
            Err(error) => Outcome::Error(error.into_value(py)),
        };
        // Told when whoever runs this task has left it.
        let _watch = slf.get().state().watch.take();
        let callbacks = {
            let mut state = slf.get().state();
            state.outcome = Some(outcome);
            state.coroutine = None;
            std::mem::take(&mut state.callbacks)
        };
        event_loop.unregister(slf.as_any());
        done_callbacks::tell(event_loop, slf.as_any(), callbacks);
    }

    pub(crate) fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let event_loop = EventLoop::current()?;
        match self.state().outcome.as_ref() {
            Some(Outcome::Result(value)) => Ok(value.clone_ref(py)),
            Some(Outcome::Error(error)) => {
                Err(PyErr::from_value(error.bind(py).clone().into_any()))
            }
            Some(Outcome::Cancelled) => Err(cancelled_error(py, &event_loop, None)),
            None => Err(invalid_state(py, "Result is not set.")),
        }
    }
}

/// A copy of the present context.
pub(crate) fn copy_context(py: Python<'_>) -> PyResult<Py<PyAny>> {
    // SAFETY: the interpreter lock is held; the call returns a new reference or null with an
    // exception set.
    unsafe { Ok(Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())?.unbind()) }
}

/// Runs `act` inside `context`, which no other thread may have entered.
pub(crate) fn in_context<T>(
    py: Python<'_>,
    context: &Py<PyAny>,
    act: impl FnOnce() -> PyResult<T>,
) -> PyResult<T> {
    // SAFETY: the interpreter lock is held and `context` is a `Context` object made by
    // `copy_context`; it is left below on every path.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let result = act();
    // SAFETY: entered above, and Python code leaves every context that it enters.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    result
}

enum Advanced {
    Returned(Py<PyAny>),
    Yielded(Py<PyAny>),
    Raised(PyErr),
}

/// Resumes a coroutine once, inside `context`.
fn advance(py: Python<'_>, coroutine: &Py<PyAny>, context: &Py<PyAny>, resume: Resume) -> Advanced {
    let advanced = in_context(py, context, || {
        Ok(match resume {
            Resume::Send => send(py, coroutine),
            Resume::Throw(error) => throw(py, coroutine, error),
        })
    });
    advanced.unwrap_or_else(Advanced::Raised)
}

fn send(py: Python<'_>, coroutine: &Py<PyAny>) -> Advanced {
    let mut result = std::ptr::null_mut();
    // SAFETY: the interpreter lock is held; `PyIter_Send` stores a new reference in `result` for
    // NEXT and RETURN, and sets an exception for ERROR.
    unsafe {
        let sent = ffi::PyIter_Send(coroutine.as_ptr(), ffi::Py_None(), &mut result);
        match sent {
            ffi::PySendResult::PYGEN_RETURN => {
                Advanced::Returned(Bound::from_owned_ptr(py, result).unbind())
            }
            ffi::PySendResult::PYGEN_NEXT => {
                Advanced::Yielded(Bound::from_owned_ptr(py, result).unbind())
            }
            ffi::PySendResult::PYGEN_ERROR => Advanced::Raised(PyErr::fetch(py)),
        }
    }
}

fn throw(py: Python<'_>, coroutine: &Py<PyAny>, error: PyErr) -> Advanced {
    match coroutine
        .bind(py)
        .call_method1(pyo3::intern!(py, "throw"), (error.into_value(py),))
    {
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

pub(crate) fn cancelled_error(
    py: Python<'_>,
    event_loop: &EventLoop,
    message: Option<Py<PyAny>>,
) -> PyErr {
    let class = event_loop.cancelled_error(py);
    let made = match message {
        Some(message) => class.call1((message,)),
        None => class.call0(),
    };
    made.map_or_else(|error| error, PyErr::from_value)
}

pub(crate) fn invalid_state(py: Python<'_>, problem: &'static str) -> PyErr {
    let made = py
        .import("asyncio.exceptions")
        .and_then(|module| module.getattr("InvalidStateError"))
        .and_then(|class| class.call1((problem,)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// Cancels what a task waits for; false when it was done already.
pub(crate) fn cancel_future(
    future: &Bound<'_, PyAny>,
    message: Option<Py<PyAny>>,
) -> PyResult<bool> {
    let py = future.py();
    let options = pyo3::types::PyDict::new(py);
    options.set_item("msg", message)?;
    future
        .call_method(pyo3::intern!(py, "cancel"), (), Some(&options))?
        .is_truthy()
}

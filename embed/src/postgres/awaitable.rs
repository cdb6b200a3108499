//! `_core.PgOperation`: what Python awaits of the driver, a coroutine without a frame.
//!
//! It begins when it is first awaited, as a coroutine function would, and whoever cancels it
//! abandons the operation: what the server still answers is dropped and given to nobody.

use super::core::Core;
use super::pin::Pin;
use super::waiter::Waiter;
use super::{errors, forgotten};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod retry;

pub(crate) use retry::{Retry, Shape};

/// Begins an operation; called with its own awaitable.
type Begin = Box<dyn FnOnce(&Bound<'_, PgOperation>) -> PyResult<Begun> + Send + Sync>;

/// Undoes what nobody is given.
type TakeBack = Box<dyn FnOnce(Python<'_>) + Send + Sync>;

/// What became of the beginning.
pub(crate) enum Begun {
    /// The server answers on this connection.
    Sent(Arc<Core>),
    /// It waits until there is a connection.
    Queued,
    /// A coroutine in Python goes on with it, on the connection that is kept for it.
    Slow(Py<PyAny>, Pin),
}

enum Stage {
    New(Begin),
    /// Begun; the connection once there is one.
    Begun(Option<Arc<Core>>),
    /// A coroutine in Python does it, on a connection that is kept for it.
    Slow {
        coroutine: Py<PyAny>,
        _pin: Pin,
    },
    Over,
}

struct State {
    stage: Stage,
    /// What the program has called.
    name: &'static str,
    waiter: Option<Waiter>,
    result: Option<PyResult<Py<PyAny>>>,
    abandoned: bool,
    /// A request to cancel was sent for another operation, and may hit this one.
    may_be_hit: bool,
    /// What another connection was told of the query does not hold here, perhaps.
    was_misguided: bool,
    retry: Option<Retry>,
    /// Keeps the connection that it is sent on once more.
    pin: Option<Pin>,
    /// Takes back what came of it when nobody is left to be given it.
    take_back: Option<TakeBack>,
}

impl State {
    /// Who is to be told; one that was cancelled stays, for [`PgOperation::look`] to raise that.
    fn take_waiter(&mut self) -> Option<Waiter> {
        self.waiter.take_if(|waiter| !waiter.is_cancelled())
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Stage::New(_) = self.stage {
            forgotten::warn(self.name);
        }
    }
}

/// An operation of the driver, to be awaited once.
#[pyclass(frozen, weakref, module = "fasterapi._core")]
pub(crate) struct PgOperation {
    state: Mutex<State>,
    loop_: Py<PyAny>,
    /// The program's connection or pool: it must not be closed as forgotten while this is awaited.
    _owner: Option<Py<PyAny>>,
}

/// What [`PgOperation::look`] found to do.
enum Step {
    Begin(Begin),
    Resume(Py<PyAny>),
    Throw(Py<PyAny>, PyErr),
    Yield(Waiter),
    Wait,
    End(PyResult<Py<PyAny>>, Option<Retry>, Option<Arc<Core>>),
    Cancelled(PyErr),
}

impl PgOperation {
    /// An operation that `begin` starts, on the loop `loop_`.
    pub(crate) fn new(
        loop_: Py<PyAny>,
        begin: impl FnOnce(&Bound<'_, Self>) -> PyResult<Begun> + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            stage: Stage::New(Box::new(begin)),
            name: "a query of fasterapi.pg",
            waiter: None,
            result: None,
            abandoned: false,
            may_be_hit: false,
            was_misguided: false,
            retry: None,
            pin: None,
            take_back: None,
        };
        Self {
            state: Mutex::new(state),
            loop_,
            _owner: None,
        }
    }

    /// Says what the program has called to get it.
    pub(crate) fn named(self, name: &'static str) -> Self {
        self.state().name = name;
        self
    }

    /// Says what must not be closed as forgotten while this is awaited.
    pub(crate) fn keeping(self, owner: Bound<'_, PyAny>) -> Self {
        Self {
            _owner: Some(owner.unbind()),
            ..self
        }
    }

    /// The same on the connection `core`.
    pub(crate) fn on(
        core: &Arc<Core>,
        py: Python<'_>,
        begin: impl FnOnce(&Bound<'_, Self>) -> PyResult<Begun> + Send + Sync + 'static,
    ) -> Self {
        Self {
            _owner: core.owner(py),
            ..Self::new(core.loop_.clone_ref(py), begin)
        }
    }

    /// An operation that has been sent already.
    pub(crate) fn begun(core: &Arc<Core>, py: Python<'_>) -> Self {
        let operation = Self::on(core, py, |_| Ok(Begun::Queued));
        operation.state().stage = Stage::Begun(Some(core.clone()));
        operation
    }

    /// The state; the lock is never held while Python code runs.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what to do with a result that comes too late.
    pub(crate) fn set_take_back(&self, take_back: impl FnOnce(Python<'_>) + Send + Sync + 'static) {
        self.state().take_back = Some(Box::new(take_back));
    }

    /// Notes on which connection a queued operation runs now.
    pub(crate) fn set_core(&self, core: Arc<Core>) {
        let mut state = self.state();
        if let Stage::Begun(slot) = &mut state.stage {
            *slot = Some(core);
        }
    }

    /// Nothing comes any more.
    fn set_over(&self) {
        let former = std::mem::replace(&mut self.state().stage, Stage::Over);
        // Dropped without the lock: the connection that it kept may go to somebody.
        drop(former);
    }

    /// The loop that it is awaited on.
    pub(crate) fn loop_of<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.loop_.bind(py)
    }

    /// Whether its result waits for the awaiter.
    pub(crate) fn has_result(&self) -> bool {
        self.state().result.is_some()
    }

    /// Nobody waits for it any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state().abandoned
    }

    /// Gives the awaiter its result; `is_now` as [`Waiter::tell`] has it.
    pub(crate) fn finish(slf: &Bound<'_, Self>, result: PyResult<Py<PyAny>>, is_now: bool) {
        let py = slf.py();
        let (waiter, late) = {
            let mut state = slf.get().state();
            if state.abandoned || state.result.is_some() {
                (None, Some((result, state.take_back.take())))
            } else {
                state.result = Some(result);
                (state.take_waiter(), None)
            }
        };
        if let Some((Ok(_), Some(take_back))) = late {
            take_back(py);
        }
        if let Some(waiter) = waiter {
            waiter.tell(py, is_now);
        }
    }

    /// Fails an operation that is in flight, whose answer is then dropped.
    pub(crate) fn fail_early(slf: &Bound<'_, Self>, error: PyErr) {
        Self::finish(slf, Err(error), false);
        slf.get().state().abandoned = true;
    }

    /// Has a coroutine in Python go on with a queued operation.
    pub(crate) fn go_on(slf: &Bound<'_, Self>, coroutine: Py<PyAny>, pin: Pin) {
        let waiter = {
            let mut state = slf.get().state();
            state.stage = Stage::Slow {
                coroutine,
                _pin: pin,
            };
            state.take_waiter()
        };
        if let Some(waiter) = waiter {
            waiter.tell(slf.py(), false);
        }
    }

    fn look(&self, py: Python<'_>) -> Step {
        let mut state = self.state();
        let cancellation = state.waiter.as_ref().and_then(|it| it.cancellation(py));
        match &mut state.stage {
            Stage::New(_) => {
                let stage = std::mem::replace(&mut state.stage, Stage::Begun(None));
                match stage {
                    Stage::New(begin) => Step::Begin(begin),
                    _ => Step::Wait,
                }
            }
            Stage::Slow { coroutine, .. } => {
                let coroutine = coroutine.clone_ref(py);
                state.waiter = None;
                match cancellation {
                    Some(error) => Step::Throw(coroutine, error),
                    None => Step::Resume(coroutine),
                }
            }
            Stage::Begun(core) => {
                if let Some(error) = cancellation {
                    return Step::Cancelled(error);
                }
                let core = core.clone();
                if let Some(result) = state.result.take() {
                    state.stage = Stage::Over;
                    return Step::End(result, state.retry.take(), core);
                }
                match &state.waiter {
                    Some(waiter) if !waiter.is_done(py) => Step::Yield(waiter.clone_ref(py)),
                    _ => Step::Wait,
                }
            }
            Stage::Over => Step::End(
                Err(PyRuntimeError::new_err(
                    "cannot reuse already awaited coroutine",
                )),
                None,
                None,
            ),
        }
    }

    fn begin(slf: &Bound<'_, Self>, begin: Begin) -> PyResult<()> {
        match begin(slf) {
            Ok(Begun::Sent(core)) => slf.get().set_core(core),
            Ok(Begun::Queued) => {}
            Ok(Begun::Slow(coroutine, pin)) => {
                slf.get().state().stage = Stage::Slow {
                    coroutine,
                    _pin: pin,
                };
            }
            Err(error) => {
                slf.get().set_over();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Ends, unless a stale statement asks for a second try.
    fn end(
        slf: &Bound<'_, Self>,
        result: PyResult<Py<PyAny>>,
        retry: Option<Retry>,
        core: Option<Arc<Core>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let pin = slf.get().state().pin.take();
        if let (Err(error), Some(retry), Some(core)) = (&result, &retry, &core)
            && let Some(_pin) = pin
            && let Some(anew) = slf.get().retries(py, core, error)
        {
            let coroutine = core.slow_path(py, retry, anew)?;
            slf.get().state().stage = Stage::Slow { coroutine, _pin };
            return Ok(());
        }
        match (result, core) {
            (Err(error), core) => {
                slf.get().mark_hit(py, &error);
                if let Some(core) =
                    core.filter(|_| errors::is_stale(py, &error) || errors::is_outdated(py, &error))
                {
                    core.note_outdated(py, &error);
                }
                Err(error)
            }
            (Ok(value), ..) => Err(PyStopIteration::new_err((value,))),
        }
    }

    /// Resumes the coroutine: what it yields, or how it ended as an exception.
    fn advance(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        loop {
            match slf.get().look(py) {
                Step::Begin(begin) => Self::begin(slf, begin)?,
                Step::Resume(coroutine) => {
                    let send = pyo3::intern!(py, "send");
                    return slf
                        .get()
                        .resume(coroutine.bind(py).call_method1(send, (py.None(),)));
                }
                Step::Throw(coroutine, error) => {
                    let throw = pyo3::intern!(py, "throw");
                    return slf
                        .get()
                        .resume(coroutine.bind(py).call_method1(throw, (error,)));
                }
                Step::Yield(waiter) => return waiter.to_yield(py),
                Step::Wait => {
                    let waiter = Waiter::new(slf.get().loop_.bind(py))?;
                    let mut state = slf.get().state();
                    if state.result.is_none() {
                        state.waiter = Some(waiter);
                    }
                }
                Step::End(result, retry, core) => Self::end(slf, result, retry, core)?,
                Step::Cancelled(error) => {
                    Self::abandon(slf);
                    return Err(error);
                }
            }
        }
    }

    /// What the coroutine came to that goes on with it.
    fn resume(&self, yielded: PyResult<Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        if yielded.is_err() {
            self.set_over();
        }
        yielded.map(Bound::unbind)
    }

    /// Nobody waits any more.
    fn abandon(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let (stage, undelivered, take_back, pin) = {
            let mut state = slf.get().state();
            let stage = std::mem::replace(&mut state.stage, Stage::Over);
            state.abandoned = true;
            let undelivered = state.result.take();
            let take_back = undelivered.as_ref().and_then(|_| state.take_back.take());
            (stage, undelivered, take_back, state.pin.take())
        };
        // From here on without the lock: what is dropped may come back.
        drop(pin);
        let core = match stage {
            Stage::Begun(core) if undelivered.is_none() => core,
            _ => None,
        };
        if let (Some(Ok(_)), Some(take_back)) = (undelivered, take_back) {
            take_back(py);
        }
        if let Some(core) = core {
            core.on_abandon(py);
        }
    }

    fn slow(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &self.state().stage {
            Stage::Slow { coroutine, .. } => Some(coroutine.clone_ref(py)),
            _ => None,
        }
    }
}

#[pymethods]
impl PgOperation {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::advance(slf)
    }

    /// Resumes it, as a coroutine.
    fn send(slf: &Bound<'_, Self>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Self::advance(slf)
    }

    /// Raises an exception at where it waits; the operation is abandoned.
    #[pyo3(signature = (exception, value = None, traceback = None))]
    fn throw(
        slf: &Bound<'_, Self>,
        exception: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        if let Some(coroutine) = slf.get().slow(py) {
            let thrown = match value {
                Some(value) => (exception, value, traceback).into_pyobject(py)?,
                None => (exception,).into_pyobject(py)?.into_any().cast_into()?,
            };
            let throw = pyo3::intern!(py, "throw");
            return slf
                .get()
                .resume(coroutine.bind(py).call_method1(throw, thrown));
        }
        Self::abandon(slf);
        Err(match value {
            Some(value) if !value.is_none() => PyErr::from_value(value),
            _ => PyErr::from_value(exception),
        })
    }

    /// Ends it where it waits.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if let Some(coroutine) = slf.get().slow(py) {
            let closed = coroutine.bind(py).call_method0(pyo3::intern!(py, "close"));
            // Only now may somebody else have its connection.
            slf.get().set_over();
            return closed.map(drop);
        }
        Self::abandon(slf);
        Ok(())
    }
}

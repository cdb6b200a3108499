//! asyncio's loop and the reactor that runs inside its `select`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet};
use runtime::{Reactor, Turn};
use std::cell::{Cell, RefCell};
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

/// The loop of this shard: what of asyncio the hot path touches, looked up once.
pub(crate) struct EventLoop {
    reactor: Reactor,
    loop_: Py<PyAny>,
    /// The deque of callbacks that are ready. `call_soon` has no hook that is cheaper to ask.
    ready: Py<PyAny>,
    enter_task: Py<PyAny>,
    leave_task: Py<PyAny>,
    /// `all_tasks()` looks into this set on Python 3.12 and later.
    eager_tasks: Option<Py<PySet>>,
    register_task: Py<PyAny>,
    cancelled_error: Py<PyAny>,
    /// `{"context": ...}` for callbacks of ours, which enter their task's context themselves.
    callback_options: Py<PyDict>,
    timers_before: Cell<usize>,
    /// asyncio's heap of timers, which it replaces now and then between two turns.
    scheduled: RefCell<Py<PyAny>>,
    /// Whose task runs, by loop: what `_enter_task` writes to up to Python 3.13.
    current_tasks: Option<Py<PyDict>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<EventLoop>>> = const { RefCell::new(None) };
}

impl EventLoop {
    /// Ties a reactor to `loop_`, whose selector is an epoll set behind `epoll_fd`.
    ///
    /// # Errors
    /// When the kernel gives no io_uring or asyncio is not as its versions up to 3.14 are.
    pub(crate) fn install(loop_: &Bound<'_, PyAny>, epoll_fd: BorrowedFd<'_>) -> PyResult<()> {
        let py = loop_.py();
        let reactor = Reactor::new(epoll_fd).map_err(explain)?;
        let tasks = py.import("asyncio.tasks")?;
        let eager = tasks
            .getattr("_eager_tasks")
            .ok()
            .and_then(|set| set.cast_into().ok());
        let callback_options = PyDict::new(py);
        let context = py.import("contextvars")?.call_method0("copy_context")?;
        callback_options.set_item("context", context)?;
        let event_loop = Self {
            reactor,
            ready: loop_.getattr("_ready")?.unbind(),
            loop_: loop_.clone().unbind(),
            enter_task: tasks.getattr("_enter_task")?.unbind(),
            leave_task: tasks.getattr("_leave_task")?.unbind(),
            eager_tasks: eager.map(Bound::unbind),
            register_task: tasks.getattr("_register_task")?.unbind(),
            cancelled_error: py
                .import("asyncio.exceptions")?
                .getattr("CancelledError")?
                .unbind(),
            callback_options: callback_options.unbind(),
            timers_before: Cell::new(0),
            scheduled: RefCell::new(loop_.getattr("_scheduled")?.unbind()),
            current_tasks: current_tasks(&tasks),
        };
        CURRENT.with(|current| current.replace(Some(Rc::new(event_loop))));
        Ok(())
    }

    /// Ends the reactor of this thread, once its asyncio loop is closed.
    pub(crate) fn uninstall(py: Python<'_>) {
        let event_loop = CURRENT.with(RefCell::take).and_then(Rc::into_inner);
        if let Some(Self { reactor, .. }) = event_loop {
            detached(py, || reactor.end());
        }
    }

    /// The loop of this thread.
    ///
    /// # Errors
    /// `RuntimeError` where none was installed: outside of a shard's own thread.
    pub(crate) fn current() -> PyResult<Rc<Self>> {
        CURRENT
            .with(|current| current.borrow().clone())
            .ok_or_else(|| {
                pyo3::exceptions::PyRuntimeError::new_err(
                    "this thread runs no FasterAPI event loop",
                )
            })
    }

    /// asyncio's loop object.
    pub(crate) fn object<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.loop_.bind(py)
    }

    /// `asyncio.CancelledError`.
    pub(crate) fn cancelled_error<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.cancelled_error.bind(py)
    }

    /// The keywords with which a future is to call back.
    pub(crate) fn callback_options<'py>(&self, py: Python<'py>) -> &Bound<'py, PyDict> {
        self.callback_options.bind(py)
    }

    /// Runs the reactor without the interpreter lock; true when asyncio's epoll set has events.
    pub(crate) fn run_reactor(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<bool> {
        let scheduled = self
            .loop_
            .bind(py)
            .getattr(pyo3::intern!(py, "_scheduled"))?;
        self.scheduled.replace(scheduled.unbind());
        self.timers_before.set(self.timers(py)?);
        let turn = detached(py, || self.reactor.turn(timeout));
        Ok(turn == Turn::Readable)
    }

    /// After Python code ran inside the reactor: if it scheduled callbacks or timers, asyncio has
    /// to have its turn, because it chose its timeout before.
    pub(crate) fn after_python(&self, py: Python<'_>) {
        if self.has_callbacks(py)
            || self.timers(py).unwrap_or(usize::MAX) > self.timers_before.get()
        {
            runtime::interrupt();
        }
    }

    /// How many timers asyncio holds.
    fn timers(&self, py: Python<'_>) -> PyResult<usize> {
        self.scheduled.borrow().bind(py).len()
    }

    /// Makes `task` the current one.
    pub(crate) fn enter(&self, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = task.py();
        let loop_ = self.loop_.bind(py);
        match &self.current_tasks {
            // Nothing else can be current: callbacks and turns of the reactor do not nest.
            Some(current) => current.bind(py).set_item(loop_, task),
            None => self.enter_task.bind(py).call1((loop_, task)).map(drop),
        }
    }

    /// Ends what [`Self::enter`] began.
    pub(crate) fn leave(&self, task: &Bound<'_, PyAny>) {
        let py = task.py();
        let loop_ = self.loop_.bind(py);
        let left = match &self.current_tasks {
            Some(current) => current.bind(py).del_item(loop_),
            None => self.leave_task.bind(py).call1((loop_, task)).map(drop),
        };
        if let Err(error) = left {
            error.write_unraisable(py, Some(task));
        }
    }

    /// Makes `task` visible to `asyncio.all_tasks()`.
    pub(crate) fn register(&self, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = task.py();
        match &self.eager_tasks {
            Some(set) => set.bind(py).add(task),
            None => self.register_task.bind(py).call1((task,)).map(drop),
        }
    }

    /// Ends what [`Self::register`] began.
    pub(crate) fn unregister(&self, task: &Bound<'_, PyAny>) {
        if let Some(set) = &self.eager_tasks {
            // A task that is not there any more is what was wanted.
            let _ = set.bind(task.py()).discard(task);
        }
    }

    /// Whether asyncio has callbacks that wait for their turn.
    pub(crate) fn has_callbacks(&self, py: Python<'_>) -> bool {
        self.ready.bind(py).len().unwrap_or(1) > 0
    }

    /// Calls `callback(argument)` from asyncio's ready queue, in `context`.
    pub(crate) fn call_soon<'py>(
        &self,
        py: Python<'py>,
        callback: &Bound<'py, PyAny>,
        argument: &Bound<'py, PyAny>,
        context: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let options = PyDict::new(py);
        options.set_item(pyo3::intern!(py, "context"), context)?;
        let call_soon = pyo3::intern!(py, "call_soon");
        self.loop_
            .bind(py)
            .call_method(call_soon, (callback, argument), Some(&options))?;
        self.after_python(py);
        Ok(())
    }

    /// Calls `callback()` of ours from asyncio's ready queue.
    pub(crate) fn call_soon_bare(
        &self,
        py: Python<'_>,
        callback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let call_soon = pyo3::intern!(py, "call_soon");
        self.loop_
            .bind(py)
            .call_method(call_soon, (callback,), Some(self.callback_options(py)))?;
        self.after_python(py);
        Ok(())
    }
}

/// The dictionary that asyncio's own tasks enter themselves into, where there is one.
fn current_tasks(tasks: &Bound<'_, PyModule>) -> Option<Py<PyDict>> {
    let py = tasks.py();
    if py.version_info() >= (3, 14) {
        return None;
    }
    let native = py.import("_asyncio").ok()?.getattr("_current_tasks").ok()?;
    let known = tasks.getattr("_current_tasks").ok()?;
    let same = native.is(&known);
    native.cast_into().ok().filter(|_| same).map(Bound::unbind)
}

/// Why there is no reactor, in the user's terms.
fn explain(error: runtime::Error) -> PyErr {
    let known = match &error {
        runtime::Error::Reactor(cause) => crate::preflight::explain_io_uring(cause),
        _ => None,
    };
    let sentence = known.map_or_else(|| error.to_string(), |known| known.to_string());
    pyo3::exceptions::PyOSError::new_err(sentence)
}

/// Gives the interpreter lock away while `work` runs on this same thread.
fn detached<T>(py: Python<'_>, work: impl FnOnce() -> T) -> T {
    struct OnThisThread<T>(T);
    // SAFETY: `Python::detach` runs the closure on the calling thread, at once, and returns only
    // when it has; nothing is sent anywhere. The closure itself uses no Python object but
    // through `Python::attach`.
    unsafe impl<T> Send for OnThisThread<T> {}
    impl<F: FnOnce() -> T, T> OnThisThread<F> {
        fn call(self) -> OnThisThread<T> {
            OnThisThread((self.0)())
        }
    }
    let work = OnThisThread(work);
    py.detach(move || work.call()).0
}

/// Resolves `future` unless it is done; for futures that only our own code resolves.
pub(crate) fn resolve(py: Python<'_>, future: &Py<PyAny>) {
    let future = future.bind(py);
    let done = future
        .call_method0(pyo3::intern!(py, "done"))
        .and_then(|done| done.is_truthy());
    if matches!(done, Ok(false))
        && let Err(error) = future.call_method1(pyo3::intern!(py, "set_result"), (py.None(),))
    {
        error.write_unraisable(py, Some(future));
    }
    if let Ok(event_loop) = EventLoop::current() {
        event_loop.after_python(py);
    }
}

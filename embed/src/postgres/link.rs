//! Who tells a connection that its socket is ready: an asyncio loop, or the shard's reactor.

use super::core::{Core, locked};
use super::shard_link::ShardLink;
use crate::event_loop::EventLoop;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// The ties of one connection.
pub(crate) struct Link {
    fd: RawFd,
    /// The reactor's task that serves the socket, in a shard.
    shard: Option<Arc<ShardLink>>,
    attached: AtomicBool,
    paused: AtomicBool,
    writing: AtomicBool,
    flush_requested: AtomicBool,
    /// The connection's callbacks, made once.
    flusher: Mutex<Option<Py<PgCallback>>>,
}

impl Link {
    /// For the socket `fd` on the loop of this thread.
    pub(crate) fn new(py: Python<'_>, fd: RawFd, loop_: &Py<PyAny>) -> Self {
        let is_shard = EventLoop::current().is_ok_and(|own| own.object(py).is(loop_));
        Self {
            fd,
            shard: is_shard.then(Arc::default),
            attached: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            writing: AtomicBool::new(false),
            flush_requested: AtomicBool::new(false),
            flusher: Mutex::default(),
        }
    }

    /// Begins to listen to the socket.
    ///
    /// # Errors
    /// When the loop or the reactor refuses the descriptor.
    pub(crate) fn attach(&self, py: Python<'_>, core: &Arc<Core>) -> PyResult<()> {
        let flusher = PgCallback::new(py, core, Event::Flush)?;
        *locked(&self.flusher) = Some(flusher);
        self.attached.store(true, Ordering::Relaxed);
        match &self.shard {
            Some(shard) => shard.attach(core, self.fd),
            None => self.listen(py, core),
        }
    }

    fn listen(&self, py: Python<'_>, core: &Arc<Core>) -> PyResult<()> {
        let callback = PgCallback::new(py, core, Event::Readable)?;
        let add = pyo3::intern!(py, "add_reader");
        core.loop_.bind(py).call_method1(add, (self.fd, callback))?;
        Ok(())
    }

    /// Stops listening, for good.
    pub(crate) fn detach(&self, py: Python<'_>, core: &Core) {
        if !self.attached.swap(false, Ordering::Relaxed) {
            return;
        }
        *locked(&self.flusher) = None;
        if let Some(shard) = &self.shard {
            shard.end();
            return;
        }
        self.forget(py, core, "remove_reader");
        if self.writing.swap(false, Ordering::Relaxed) {
            self.forget(py, core, "remove_writer");
        }
    }

    fn forget(&self, py: Python<'_>, core: &Core, method: &str) {
        // A loop that is closed has forgotten it already.
        let _ = core.loop_.bind(py).call_method1(method, (self.fd,));
    }

    /// Leaves what comes in the socket, or takes it again.
    pub(crate) fn pause(&self, py: Python<'_>, core: &Arc<Core>, paused: bool) {
        if self.paused.swap(paused, Ordering::Relaxed) == paused
            || !self.attached.load(Ordering::Relaxed)
        {
            return;
        }
        match (&self.shard, paused) {
            (Some(shard), _) => shard.pause(paused),
            (None, true) => self.forget(py, core, "remove_reader"),
            (None, false) => {
                if let Err(error) = self.listen(py, core) {
                    error.write_unraisable(py, None);
                }
            }
        }
    }

    /// Whether bytes wait for room in the socket.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.load(Ordering::Relaxed)
    }

    /// Says whether bytes wait for room in the socket.
    pub(crate) fn want_write(&self, py: Python<'_>, core: &Arc<Core>, wanted: bool) {
        if self.writing.swap(wanted, Ordering::Relaxed) == wanted
            || !self.attached.load(Ordering::Relaxed)
        {
            return;
        }
        match (&self.shard, wanted) {
            (Some(shard), true) => shard.request_flush(),
            (Some(_), false) => {}
            (None, false) => self.forget(py, core, "remove_writer"),
            (None, true) => {
                let added = PgCallback::new(py, core, Event::Writable).and_then(|callback| {
                    let add = pyo3::intern!(py, "add_writer");
                    core.loop_.bind(py).call_method1(add, (self.fd, callback))
                });
                if let Err(error) = added {
                    error.write_unraisable(py, None);
                }
            }
        }
    }

    /// Has [`Core::flush`] called once those have run that run now.
    pub(crate) fn request_flush(&self, py: Python<'_>, core: &Arc<Core>) {
        if self.flush_requested.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(shard) = &self.shard {
            shard.request_flush();
            return;
        }
        let flusher = locked(&self.flusher)
            .as_ref()
            .map(|flusher| flusher.clone_ref(py));
        let call_soon = pyo3::intern!(py, "call_soon");
        let asked = core.loop_.bind(py).call_method1(call_soon, (flusher,));
        if let Err(error) = asked {
            error.write_unraisable(py, None);
        }
    }

    /// The flush that was asked for happens now.
    pub(crate) fn begin_flush(&self) {
        self.flush_requested.store(false, Ordering::Relaxed);
    }

    /// Has [`Core::on_timer`] called at `deadline`.
    ///
    /// # Errors
    /// When the loop is closed.
    pub(crate) fn call_at(
        &self,
        py: Python<'_>,
        core: &Arc<Core>,
        deadline: Instant,
    ) -> PyResult<()> {
        let callback = PgCallback::new(py, core, Event::Timer(deadline))?;
        let after = deadline.saturating_duration_since(Instant::now());
        call_later(core.loop_.bind(py), after.as_secs_f64(), callback)
    }
}

impl Link {
    /// Has [`Core::look_at_head`] called after a while.
    ///
    /// # Errors
    /// When the loop is closed.
    pub(super) fn look_at_head_later(
        &self,
        py: Python<'_>,
        core: &Arc<Core>,
        after: Duration,
    ) -> PyResult<()> {
        let callback = PgCallback::new(py, core, Event::Head)?;
        call_later(core.loop_.bind(py), after.as_secs_f64(), callback)
    }
}

/// Has `loop_` call `callback` after so many seconds.
///
/// # Errors
/// When the loop is closed.
pub(crate) fn call_later<'py>(
    loop_: &Bound<'py, PyAny>,
    after_s: f64,
    callback: impl IntoPyObject<'py>,
) -> PyResult<()> {
    let py = loop_.py();
    let callback = callback.into_bound_py_any(py)?;
    loop_.call_method1(pyo3::intern!(py, "call_later"), (after_s, callback))?;
    if let Ok(event_loop) = EventLoop::current() {
        event_loop.after_python(py);
    }
    Ok(())
}

/// What a loop calls back for.
#[derive(Clone, Copy, Debug)]
enum Event {
    Readable,
    Writable,
    Flush,
    Timer(Instant),
    Head,
}

/// A connection's callback for its loop.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct PgCallback {
    core: Weak<Core>,
    event: Event,
}

impl PgCallback {
    fn new(py: Python<'_>, core: &Arc<Core>, event: Event) -> PyResult<Py<Self>> {
        Py::new(
            py,
            Self {
                core: Arc::downgrade(core),
                event,
            },
        )
    }
}

#[pymethods]
impl PgCallback {
    fn __call__(&self, py: Python<'_>) {
        let Some(core) = self.core.upgrade() else {
            return;
        };
        match self.event {
            Event::Readable => core.on_readable(py),
            Event::Writable => core.flush(py),
            Event::Flush => {
                core.link.begin_flush();
                core.flush(py);
            }
            Event::Timer(deadline) => core.on_timer(py, deadline),
            Event::Head => core.look_at_head(py),
        }
    }
}

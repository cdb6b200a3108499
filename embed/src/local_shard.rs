//! `_core.LocalShard`: an application served inside an ordinary Python process, to one end of a
//! socket pair, for the test client.
//!
//! The shard lives on the thread whose asyncio loop runs its reactor. The Python object only
//! names it, for Python may drop the object on any thread.

use crate::compile::{Settings, compile};
use crate::event_loop::EventLoop;
use crate::python_application::PythonApplication;
use crate::python_module::channels;
use crate::request_task::in_context;
use crate::thread_pool::ThreadPool;
use crate::ticker;
use crate::watch::{self, Watch};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use runtime::{
    Application, BodyMode, Drain, Limits, Origin, Reply, Request, RouteId, Shard, ShardOptions,
    Stated,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Every timeout of a connection within this process, in seconds: whoever debugs a test may think
/// for long, and the test client has bounds of its own.
const PATIENCE_S: f64 = 24.0 * 3600.0;

static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static SHARDS: RefCell<HashMap<u64, Shard<LocalApplication>>> = RefCell::default();
    static TICKING: Cell<bool> = const { Cell::new(false) };
}

/// What the test said of the next request of a connection.
struct Expected {
    context: Py<PyAny>,
    watch: Watch,
}

/// By connection. The test's thread writes, the shard's reads.
#[derive(Clone, Default)]
struct Expectations(Arc<Mutex<HashMap<u64, Expected>>>);

impl Expectations {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Expected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The application as a server has it, called in the context of the test that asks.
struct LocalApplication {
    inner: PythonApplication,
    expectations: Expectations,
}

impl Application for LocalApplication {
    fn body_mode(&self, route: RouteId) -> BodyMode {
        self.inner.body_mode(route)
    }

    fn fallback(&self) -> Option<RouteId> {
        self.inner.fallback()
    }

    fn websocket_fallback(&self) -> Option<RouteId> {
        self.inner.websocket_fallback()
    }

    fn respond(&self, request: Request<'_>) -> Reply {
        let connection = request.origin.stated.as_ref().map(|stated| stated.id);
        let expected = connection.and_then(|id| self.expectations.lock().remove(&id));
        let Some(Expected { context, watch }) = expected else {
            return self.inner.respond(request);
        };
        let _watched = watch::within(Some(watch));
        Python::attach(|py| {
            let mut request = Some(request);
            let replied = in_context(py, &context, || match request.take() {
                Some(request) => Ok(self.inner.respond(request)),
                None => Err(PyRuntimeError::new_err("a request is answered once")),
            });
            replied.unwrap_or_else(|error| {
                error.write_unraisable(py, None);
                Reply::Ready(runtime::Answer::text(500, "Internal Server Error"))
            })
        })
    }
}

/// An application that is served to connections of this process.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct LocalShard {
    id: u64,
    expectations: Expectations,
}

impl LocalShard {
    fn shard(&self) -> PyResult<Shard<LocalApplication>> {
        SHARDS
            .with(|shards| shards.borrow().get(&self.id).cloned())
            .ok_or_else(|| {
                PyRuntimeError::new_err("the LocalShard is closed, or of another thread")
            })
    }
}

#[pymethods]
impl LocalShard {
    /// Compiles `app` for the thread that calls, whose loop is a shard's.
    ///
    /// `state` is what the lifespan yielded, `root_path` what a proxy removes (empty: what the
    /// application says).
    #[new]
    #[pyo3(signature = (app, *, root_path, state))]
    fn new(app: &Bound<'_, PyAny>, root_path: String, state: Py<PyAny>) -> PyResult<Self> {
        EventLoop::current()?;
        let settings = Settings {
            root_path,
            ..Settings::default()
        };
        let mut compiled = compile(app, settings)?;
        let middleware = compiled.middleware.take();
        let (router, inner) = compiled.into_application()?;
        inner.site().set_lifespan_state(app.py(), state);
        let expectations = Expectations::default();
        let application = LocalApplication {
            inner,
            expectations: expectations.clone(),
        };
        let shard = Shard::new(ShardOptions {
            application,
            router,
            limits: limits(),
            access_log: None,
            middleware,
            websocket_origins: Vec::new(),
            proxies: None,
        });
        if !TICKING.replace(true) {
            runtime::enqueue(|| runtime::spawn_resident(ticker::run()));
        }
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        SHARDS.with(|shards| shards.borrow_mut().insert(id, shard));
        Ok(Self { id, expectations })
    }

    /// Serves the connected stream socket `fd`, which belongs to the shard from now on.
    ///
    /// `connection` names it in `expect` and `forget`; the rest is what the application is told.
    fn adopt(
        &self,
        fd: RawFd,
        connection: u64,
        scheme: String,
        client: (String, u16),
        server: (String, Option<u16>),
    ) -> PyResult<()> {
        if fd < 0 {
            return Err(PyValueError::new_err("the descriptor is negative"));
        }
        // SAFETY: the caller gives the descriptor away, for this use alone.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let shard = self.shard()?;
        let origin = Origin::of_stated(Stated {
            id: connection,
            scheme,
            client: Some(client),
            server: Some(server),
        });
        runtime::enqueue(move || shard.open(socket, origin));
        Ok(())
    }

    /// Calls the handler of the connection's next request in `context`, and `on_end(exceptions)`
    /// when all that it started has ended. For any thread.
    fn expect(&self, connection: u64, context: Py<PyAny>, on_end: Py<PyAny>) {
        let watch = Watch::new(on_end);
        let expected = Expected { context, watch };
        let former = self.expectations.lock().insert(connection, expected);
        // Dropped without the lock: it calls Python.
        drop(former);
    }

    /// Takes back what `expect` said; false when the handler was called. For any thread.
    fn forget(&self, connection: u64) -> bool {
        let taken = self.expectations.lock().remove(&connection);
        taken.is_some()
    }

    /// Stops serving; on the shard's own thread. Closing twice is no error.
    fn close(&self) {
        let shard = SHARDS.with(|shards| shards.borrow_mut().remove(&self.id));
        if let Some(shard) = shard {
            shard.start_drain(Drain::Stop);
        }
    }
}

/// A server's bounds, but no hurry.
fn limits() -> Limits {
    Limits {
        header_timeout_s: PATIENCE_S,
        body_timeout_s: PATIENCE_S,
        keep_alive_timeout_s: PATIENCE_S,
        send_timeout_s: PATIENCE_S,
        ..Limits::default()
    }
}

/// Ends the reactor of this thread, whose loop is closed.
pub(crate) fn uninstall_loop(py: Python<'_>) {
    TICKING.set(false);
    drop(SHARDS.with(RefCell::take));
    channels::uninstall();
    ThreadPool::uninstall();
    EventLoop::uninstall(py);
    ticker::reset();
}

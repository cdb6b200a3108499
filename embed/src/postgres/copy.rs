//! COPY: bytes to and from the server, as fast as the slower side is.

use super::core::{Core, locked};
use super::operation::Flow;
use bytes::BytesMut;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use runtime::protocols::postgres::frontend;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// Bytes of COPY data that may wait for Python; past it the socket is not read.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// What is shared by the operation of a COPY ... TO STDOUT and its reader.
#[derive(Default)]
struct Out {
    /// What has come and was not taken.
    waiting: Mutex<Vec<u8>>,
    over: AtomicBool,
    unwanted: AtomicBool,
}

/// The operation's end of it.
pub(crate) struct CopyOutFeed {
    shared: Arc<Out>,
    core: Weak<Core>,
}

impl CopyOutFeed {
    pub(crate) fn new(core: &Arc<Core>) -> (Self, PgCopyOut) {
        let shared = Arc::new(Out::default());
        let core = Arc::downgrade(core);
        let reader = PgCopyOut {
            shared: shared.clone(),
            core: core.clone(),
        };
        (Self { shared, core }, reader)
    }

    /// One piece has come: the server sends row by row.
    pub(crate) fn data(&self, py: Python<'_>, body: &[u8]) -> Flow {
        if self.shared.unwanted.load(Ordering::Relaxed) {
            return Flow::Next;
        }
        let (before, after) = {
            let mut waiting = locked(&self.shared.waiting);
            let before = waiting.len();
            waiting.extend_from_slice(body);
            (before, waiting.len())
        };
        if after > WAITING_BYTES_MAX
            && before <= WAITING_BYTES_MAX
            && let Some(core) = self.core.upgrade()
        {
            core.link.pause(py, &core, true);
        }
        // Whoever waits takes all that has come until he is resumed.
        if before == 0 {
            Flow::Changed
        } else {
            Flow::Next
        }
    }
}

impl Drop for CopyOutFeed {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

/// The data of a COPY ... TO STDOUT.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct PgCopyOut {
    shared: Arc<Out>,
    core: Weak<Core>,
}

#[pymethods]
impl PgCopyOut {
    /// Takes what has come and was not taken; empty when that is nothing.
    fn take<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let (taken, was_full) = {
            let mut waiting = locked(&self.shared.waiting);
            let taken = PyBytes::new(py, &waiting);
            let was_full = waiting.len() > WAITING_BYTES_MAX;
            waiting.clear();
            (taken, was_full)
        };
        if was_full && let Some(core) = self.core.upgrade() {
            core.link.pause(py, &core, false);
        }
        taken
    }

    /// Whether nothing comes any more.
    #[getter]
    fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::Relaxed)
    }

    /// Drops what still comes.
    fn abandon(&self, py: Python<'_>) {
        self.shared.unwanted.store(true, Ordering::Relaxed);
        *locked(&self.shared.waiting) = Vec::new();
        if let Some(core) = self.core.upgrade() {
            core.link.pause(py, &core, false);
        }
    }
}

/// The server has not answered yet.
const PENDING: u8 = 0;
/// The server waits for data.
const OPEN: u8 = 1;
/// The operation is over.
const OVER: u8 = 2;

/// The operation's end of a COPY ... FROM STDIN.
pub(crate) struct CopyInStart {
    state: Arc<AtomicU8>,
}

impl CopyInStart {
    pub(crate) fn new(core: &Arc<Core>) -> (Self, PgCopyIn) {
        let state = Arc::new(AtomicU8::new(PENDING));
        let writer = PgCopyIn {
            state: state.clone(),
            core: Arc::downgrade(core),
        };
        (Self { state }, writer)
    }

    /// The server waits for data.
    pub(crate) fn accepted(&self) -> Flow {
        self.state.store(OPEN, Ordering::Relaxed);
        Flow::Changed
    }

    /// The server wants no (more) data.
    pub(crate) fn refused(&self) -> Flow {
        self.state.store(OVER, Ordering::Relaxed);
        Flow::Changed
    }
}

impl Drop for CopyInStart {
    fn drop(&mut self) {
        self.state.store(OVER, Ordering::Relaxed);
    }
}

/// Where the data of a COPY ... FROM STDIN goes.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct PgCopyIn {
    state: Arc<AtomicU8>,
    core: Weak<Core>,
}

impl PgCopyIn {
    fn send(
        &self,
        py: Python<'_>,
        encode: impl FnOnce(&mut BytesMut) -> PyResult<()>,
    ) -> PyResult<bool> {
        let Some(core) = self.core.upgrade() else {
            return Ok(false);
        };
        if self.state.load(Ordering::Relaxed) != OPEN {
            return Ok(false);
        }
        let mut bytes = BytesMut::new();
        encode(&mut bytes)?;
        core.send_more(py, &bytes);
        Ok(true)
    }
}

#[pymethods]
impl PgCopyIn {
    /// Whether the server waits for data.
    #[getter]
    fn is_open(&self) -> bool {
        self.state.load(Ordering::Relaxed) == OPEN
    }

    /// Whether the operation is over: await it to know why.
    #[getter]
    fn is_over(&self) -> bool {
        self.state.load(Ordering::Relaxed) == OVER
    }

    /// Sends one piece; false when the server wants no more.
    fn write(&self, py: Python<'_>, data: PyBackedBytes) -> PyResult<bool> {
        self.send(py, |out| {
            frontend::copy_data(&data, out).map_err(super::errors::request)
        })
    }

    /// Says that all has been sent.
    fn finish(&self, py: Python<'_>) -> PyResult<bool> {
        self.send(py, |out| {
            frontend::copy_done(out);
            Ok(())
        })
    }

    /// Takes it all back: the server fails the command with this reason.
    fn fail(&self, py: Python<'_>, reason: &str) -> PyResult<bool> {
        self.send(py, |out| {
            frontend::copy_fail(reason, out).map_err(super::errors::request)
        })
    }
}

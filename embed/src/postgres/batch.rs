//! `_core.PgBatch`: a statement run once for each of many tuples of arguments, all or none.
//!
//! The arguments are encoded piece by piece, so that a long iterable is never in memory as a whole
//! and a server that has refused one stops the rest.

use super::core::{Core, locked};
use super::errors;
use super::statement::Statement;
use bytes::BytesMut;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PySequence, PyTuple};
use runtime::protocols::postgres::frontend::{self, SYNC};
use std::sync::{Arc, Mutex, Weak};

/// A piece ends with the first tuple that makes it longer, in bytes.
const PIECE_BYTES: usize = 1 << 17;
/// A portal that there is not: executing it fails a batch that must not take effect.
const NO_PORTAL: &str = "__fasterapi_no_portal__";

/// How far a batch is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Progress {
    /// How many tuples were encoded.
    index: usize,
    /// Sync was sent: nothing follows.
    is_complete: bool,
}

impl Progress {
    /// Appends Bind and Execute for the next tuples, and Sync after the last of all.
    ///
    /// # Errors
    /// What the iterator raises, and `DataError` for what cannot be encoded.
    pub(crate) fn encode(
        &mut self,
        statement: &Statement,
        args: &Bound<'_, PyIterator>,
        out: &mut BytesMut,
    ) -> PyResult<()> {
        let mut args = args.clone();
        while out.len() < PIECE_BYTES {
            let Some(values) = args.next() else {
                out.extend_from_slice(SYNC);
                self.is_complete = true;
                return Ok(());
            };
            let values = tuple_of(values?, self.index)?;
            statement.bind_element(&values, self.index, out)?;
            frontend::execute("", 0, out).map_err(errors::request)?;
            self.index += 1;
        }
        Ok(())
    }
}

/// One element of the arguments, as a tuple.
fn tuple_of<'py>(values: Bound<'py, PyAny>, index: usize) -> PyResult<Bound<'py, PyTuple>> {
    let values = match quick_tuple(values) {
        Ok(values) => return Ok(values),
        Err(other) => other,
    };
    match values.cast::<PySequence>() {
        Ok(sequence) => sequence.to_tuple(),
        Err(_) => Err(errors::no_sequence(&values, index)),
    }
}

/// A tuple or a list as a tuple; any other object is given back.
pub(super) fn quick_tuple(
    values: Bound<'_, PyAny>,
) -> Result<Bound<'_, PyTuple>, Bound<'_, PyAny>> {
    let values = match values.cast_into::<PyTuple>() {
        Ok(values) => return Ok(values),
        Err(other) => other.into_inner(),
    };
    match values.cast::<PyList>() {
        Ok(list) => Ok(list.to_tuple()),
        Err(_) => Err(values),
    }
}

/// The rest of a batch whose operation is in flight.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct PgBatch {
    core: Weak<Core>,
    statement: Arc<Statement>,
    args: Py<PyIterator>,
    progress: Mutex<Progress>,
}

impl PgBatch {
    pub(crate) fn new(
        core: &Arc<Core>,
        statement: Arc<Statement>,
        args: Bound<'_, PyIterator>,
        progress: Progress,
    ) -> Self {
        Self {
            core: Arc::downgrade(core),
            statement,
            args: args.unbind(),
            progress: Mutex::new(progress),
        }
    }
}

#[pymethods]
impl PgBatch {
    /// Whether all was sent.
    #[getter]
    fn is_complete(&self) -> bool {
        locked(&self.progress).is_complete
    }

    /// Whether the server has refused something already.
    #[getter]
    fn is_refused(&self) -> bool {
        self.core.upgrade().is_none_or(|core| {
            core.is_closed()
                || locked(&core.queue)
                    .front()
                    .is_none_or(|first| first.error.is_some())
        })
    }

    /// Sends one more piece. Raises what the arguments raise; then none of the piece is sent.
    fn feed(&self, py: Python<'_>) -> PyResult<()> {
        let Some(core) = self.core.upgrade() else {
            return Ok(());
        };
        let mut progress = *locked(&self.progress);
        if progress.is_complete {
            return Ok(());
        }
        let mut bytes = BytesMut::new();
        progress.encode(&self.statement, self.args.bind(py), &mut bytes)?;
        *locked(&self.progress) = progress;
        core.send_more(py, &bytes);
        Ok(())
    }

    /// Sends nothing more. Outside of a transaction nothing of the batch takes effect then.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        let former = {
            let mut progress = locked(&self.progress);
            std::mem::replace(&mut progress.is_complete, true)
        };
        let Some(core) = self.core.upgrade().filter(|_| !former) else {
            return Ok(());
        };
        let mut bytes = BytesMut::new();
        if locked(&core.session).status == b'I' {
            // Sync would commit what was sent.
            frontend::execute(NO_PORTAL, 0, &mut bytes).map_err(errors::request)?;
        }
        bytes.extend_from_slice(SYNC);
        core.send_more(py, &bytes);
        Ok(())
    }
}

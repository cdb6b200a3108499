//! `JsonWriter`: writes what a response model describes, for `fasterapi._json_writer`.

use crate::convert::model_out;
use crate::convert::model_shape::Shape;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most room that is made before anything is written, in bytes.
const ROOM_BYTES_MAX: usize = 64 * 1024;

/// Writes JSON of values of one shape.
#[pyclass(frozen, name = "JsonWriter", module = "fasterapi._core")]
pub(crate) struct JsonWriter {
    shape: Shape,
    /// How long the last value was, in bytes: the next one is probably like it.
    room_bytes: AtomicUsize,
}

#[pymethods]
impl JsonWriter {
    /// `shape` is a tuple of a kind and its parts.
    #[new]
    fn new(shape: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            shape: Shape::read(shape)?,
            room_bytes: AtomicUsize::new(0),
        })
    }

    /// The JSON of `value`; `None` if it is not exactly what the shape says.
    fn write<'py>(&self, value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyBytes>> {
        let room = self.room_bytes.load(Ordering::Relaxed);
        let mut out = Vec::with_capacity(room.min(ROOM_BYTES_MAX));
        model_out::write(&mut out, &self.shape, value).ok()?;
        self.room_bytes.store(out.len(), Ordering::Relaxed);
        Some(PyBytes::new(value.py(), &out))
    }
}

//! UUIDs.

use super::wire::{exactly, kind_of};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple, PyType};
use std::ptr;
use uuid::Uuid;

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    UUID.import(py, "uuid", "UUID")
}

/// Makes a `uuid.UUID` without its constructor, which is Python and takes five times as long as
/// all the rest of a row.
pub(super) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    static UNKNOWN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let number = u128::from_be_bytes(exactly(bytes)?).into_pyobject(py)?;
    let unknown = UNKNOWN.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        let safety = py.import("uuid")?.getattr("SafeUUID")?;
        Ok(safety.getattr("unknown")?.unbind())
    })?;
    let class = class(py)?;
    let nothing = PyTuple::empty(py);
    // SAFETY: `object.__new__` is given a Python class that adds only slots to `object`, and no
    // arguments; the interpreter is attached.
    let object = unsafe {
        let new = pyo3::ffi::PyBaseObject_Type
            .tp_new
            .ok_or_else(|| PyTypeError::new_err("object has no __new__"))?;
        let made = new(class.as_type_ptr(), nothing.as_ptr(), ptr::null_mut());
        Bound::from_owned_ptr_or_err(py, made)?
    };
    set(&object, pyo3::intern!(py, "int"), &number)?;
    set(&object, pyo3::intern!(py, "is_safe"), unknown.bind(py))?;
    Ok(object)
}

/// `object.__setattr__`: that of the class refuses.
fn set(
    object: &Bound<'_, PyAny>,
    name: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    // SAFETY: all three are live objects, and the interpreter is attached.
    let done = unsafe {
        pyo3::ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value.as_ptr())
    };
    if done == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(object.py()))
    }
}

pub(super) fn encode(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let py = value.py();
    if value.is_instance(class(py)?)? {
        let number: u128 = value.getattr(pyo3::intern!(py, "int"))?.extract()?;
        out.put_u128(number);
        return Ok(());
    }
    let Ok(text) = value.cast::<PyString>() else {
        let problem = format!("expected str or uuid.UUID, got {}", kind_of(value));
        return Err(PyTypeError::new_err(problem));
    };
    let text = text.to_str()?;
    let parsed = Uuid::try_parse(text)
        .map_err(|error| PyValueError::new_err(format!("invalid UUID '{text}': {error}")))?;
    out.put_slice(parsed.as_bytes());
    Ok(())
}

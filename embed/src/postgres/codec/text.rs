//! Text in its various guises, bytes, JSON.

use super::wire::{Malformed, expected, kind_of};
use crate::convert::{json_in, json_out};
use bytes::{BufMut, BytesMut};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyString, PyType};

/// The version of the binary forms of jsonb, jsonpath and ltree.
const VERSION: u8 = 1;

/// A `str`, or the value of an enumeration's member that is one.
pub(super) fn put_text(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    if let Ok(text) = value.cast::<PyString>() {
        out.put_slice(text.to_str()?.as_bytes());
        return Ok(());
    }
    static ENUM: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = value.py();
    if value.is_instance(ENUM.import(py, "enum", "Enum")?)? {
        let inner = value.getattr(pyo3::intern!(py, "value"))?;
        if let Ok(text) = inner.cast::<PyString>() {
            out.put_slice(text.to_str()?.as_bytes());
            return Ok(());
        }
    }
    Err(expected("str", value))
}

/// Text after a byte for its version.
///
/// # Errors
/// When the version is one that did not exist yet.
pub(super) fn versioned(bytes: &[u8]) -> Result<&[u8], Malformed> {
    match bytes.split_first() {
        Some((&VERSION, text)) => Ok(text),
        _ => Err(Malformed("an unknown version of the binary form")),
    }
}

pub(super) fn put_versioned(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    out.put_u8(VERSION);
    put_text(value, out)
}

/// How json and jsonb are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonForm {
    /// jsonb: a version comes first.
    pub(crate) is_versioned: bool,
    /// Python sees the text, not what it says.
    pub(crate) as_text: bool,
}

impl JsonForm {
    /// The JSON itself.
    ///
    /// # Errors
    /// When the version is unknown.
    pub(super) fn text(self, bytes: &[u8]) -> Result<&[u8], Malformed> {
        if self.is_versioned {
            versioned(bytes)
        } else {
            Ok(bytes)
        }
    }

    pub(super) fn decode<'py>(self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let text = self.text(bytes)?;
        if self.as_text {
            return Ok(PyString::from_bytes(py, text)?.into_any());
        }
        json_in::parse(py, text).or_else(|error| loads(py, text, error))
    }

    pub(super) fn encode(self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        if self.is_versioned {
            out.put_u8(VERSION);
        }
        if self.as_text {
            return put_text(value, out);
        }
        out.put_slice(&json_out::to_json(value)?);
        Ok(())
    }
}

/// What `json.loads` makes of JSON that the quick parser refused with `refusal`: values nested
/// very deeply, and lone surrogates, which the server's `json` may hold.
fn loads<'py>(py: Python<'py>, text: &[u8], refusal: PyErr) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let text = PyString::from_bytes(py, text)?;
    let loaded = LOADS.import(py, "json", "loads")?.call1((text,));
    loaded.map_err(|error| {
        // Of what is no JSON at all, the first words are as good.
        if error.is_instance_of::<PyValueError>(py) {
            refusal
        } else {
            error
        }
    })
}

pub(super) fn put_bytes(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        out.put_slice(bytes.as_bytes());
        return Ok(());
    }
    out.put_slice(&bytes_of(value)?);
    Ok(())
}

/// A copy of what a bytes-like object holds.
///
/// # Errors
/// `TypeError` for another object.
pub(super) fn bytes_of(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if let Ok(bytes) = value.cast::<PyByteArray>() {
        return Ok(bytes.to_vec());
    }
    let py = value.py();
    if let Ok(buffer) = PyBuffer::<u8>::get(value) {
        return buffer.to_vec(py);
    }
    // SAFETY: the pointer is that of a live object, and the interpreter is attached.
    if unsafe { pyo3::ffi::PyObject_CheckBuffer(value.as_ptr()) } == 1 {
        // Elements that are not bytes, or not one after the other.
        let copy = py.get_type::<PyBytes>().call1((value,))?;
        return Ok(copy.cast::<PyBytes>()?.as_bytes().to_vec());
    }
    Err(PyTypeError::new_err(format!(
        "a bytes-like object is required, not '{}'",
        kind_of(value)
    )))
}

/// `"char"` is one byte of no known encoding.
pub(super) fn put_char(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let bytes = match value.cast::<PyString>() {
        Ok(text) => text.to_str()?.as_bytes().to_vec(),
        Err(_) => bytes_of(value)?,
    };
    let [byte] = bytes[..] else {
        return Err(PyValueError::new_err(format!(
            "a single byte is required (got {})",
            bytes.len()
        )));
    };
    out.put_u8(byte);
    Ok(())
}

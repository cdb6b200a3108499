//! `bit` and `varbit`.

use super::text::bytes_of;
use super::wire::{Malformed, Reader, count_of};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyType};

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "fasterapi.pg.types", "BitString")
}

/// The number of bits, and the bytes they are in.
pub(super) fn parse(bytes: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    let mut reader = Reader::new(bytes);
    let length = reader.count(0)?;
    let bits = reader.take(length.div_ceil(8))?;
    reader.end()?;
    Ok((length, bits))
}

pub(super) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let (length, bits) = parse(bytes)?;
    let make = class(py)?.getattr(pyo3::intern!(py, "frombytes"))?;
    make.call1((PyBytes::new(py, bits), length))
}

/// Takes a `BitString`, its text, or bytes, all of whose bits are meant.
pub(super) fn encode(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let py = value.py();
    let class = class(py)?;
    let made;
    let bits = if value.is_instance(class)? {
        value
    } else if value.is_instance_of::<PyString>() {
        made = class.call1((value,))?;
        &made
    } else {
        let bytes = bytes_of(value)?;
        out.put_i32(count_of(bytes.len().saturating_mul(8), "that many bits")?);
        out.put_slice(&bytes);
        return Ok(());
    };
    let length = bits.len()?;
    let bytes = bytes_of(&bits.getattr(pyo3::intern!(py, "bytes"))?)?;
    if bytes.len() != length.div_ceil(8) {
        return Err(PyValueError::new_err("bits and bytes do not agree"));
    }
    out.put_i32(count_of(length, "that many bits")?);
    out.put_slice(&bytes);
    Ok(())
}

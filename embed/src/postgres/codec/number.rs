//! Booleans, integers and floating-point numbers.

use super::wire::{Malformed, exactly, kind_of};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt};

pub(super) fn bool_of(bytes: &[u8]) -> Result<bool, Malformed> {
    exactly::<1>(bytes).map(|[byte]| byte != 0)
}

pub(super) fn put_bool(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let Ok(flag) = value.cast::<PyBool>() else {
        return Err(PyTypeError::new_err(format!(
            "a boolean is required (got type {})",
            kind_of(value)
        )));
    };
    out.put_u8(flag.is_true().into());
    Ok(())
}

pub(super) fn put_i16(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let int = small_int(value)?.and_then(|int| i16::try_from(int).ok());
    out.put_i16(int.ok_or_else(|| out_of_range("int16"))?);
    Ok(())
}

pub(super) fn put_i32(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let int = small_int(value)?.and_then(|int| i32::try_from(int).ok());
    out.put_i32(int.ok_or_else(|| out_of_range("int32"))?);
    Ok(())
}

pub(super) fn put_i64(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    out.put_i64(small_int(value)?.ok_or_else(|| out_of_range("int64"))?);
    Ok(())
}

pub(super) fn put_u32(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let int = small_int(value)?.and_then(|int| u32::try_from(int).ok());
    out.put_u32(int.ok_or_else(|| out_of_range("uint32"))?);
    Ok(())
}

pub(super) fn put_u64(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let whole = whole(value)?;
    let int: u64 = whole.extract().map_err(|_| out_of_range("uint64"))?;
    out.put_u64(int);
    Ok(())
}

pub(super) fn put_f64(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    out.put_f64(float(value)?);
    Ok(())
}

pub(super) fn put_f32(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    out.put_f32(narrow(float(value)?)?);
    Ok(())
}

/// The nearest number of single precision.
///
/// # Errors
/// `ValueError` where that would be an infinity that `wide` is not.
pub(super) fn narrow(wide: f64) -> PyResult<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
    let narrow = wide as f32;
    if narrow.is_infinite() && wide.is_finite() {
        return Err(PyValueError::new_err("value out of float32 range"));
    }
    Ok(narrow)
}

/// A float, or anything that has a value as one.
pub(super) fn float(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    match value.cast_exact::<PyFloat>() {
        Ok(float) => Ok(float.value()),
        Err(_) => value.extract(),
    }
}

/// A whole number; `None` when it needs more than 64 bits.
pub(super) fn small_int(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if let Ok(int) = value.cast_exact::<PyInt>() {
        return Ok(int.extract().ok());
    }
    Ok(whole(value)?.extract().ok())
}

/// The `int` that `value` is worth.
///
/// # Errors
/// `TypeError` for what is no number, `ValueError` for a number that is not whole.
fn whole<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    if value.cast_exact::<PyInt>().is_ok() {
        return Ok(value.clone());
    }
    // SAFETY: the pointer is that of a live object, and the interpreter is attached.
    let index =
        unsafe { Bound::from_owned_ptr_or_err(py, pyo3::ffi::PyNumber_Index(value.as_ptr())) };
    let error = match index {
        Ok(int) => return Ok(int),
        Err(error) if error.is_instance_of::<PyTypeError>(py) => error,
        Err(error) => return Err(error),
    };
    // Decimal and float have no index, but may be whole.
    if !value.hasattr(pyo3::intern!(py, "__int__"))? {
        return Err(error);
    }
    let int = py.get_type::<PyInt>().call1((value,))?;
    if int.eq(value)? {
        return Ok(int);
    }
    let text = value.repr()?;
    Err(PyValueError::new_err(format!(
        "a whole number is required (got {})",
        text.to_string_lossy()
    )))
}

pub(super) fn out_of_range(kind: &str) -> PyErr {
    PyOverflowError::new_err(format!("value out of {kind} range"))
}

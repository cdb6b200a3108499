//! Codecs that the application brings along.

use super::Codec;
use super::interval;
use super::number::{put_i32, put_i64};
use super::text::{put_bytes, put_text};
use super::wire::{Reader, exactly};
use bytes::BytesMut;
use pyo3::exceptions::{PyNotImplementedError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use std::sync::Arc;

/// What the application's functions give and take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CustomFormat {
    /// `str`, in PostgreSQL's text form.
    Text,
    /// `bytes`, in its binary form.
    Binary,
    /// A tuple of numbers that stands for a date, a time or an interval, or a row's values.
    Tuple,
}

/// The application's functions for a type.
#[derive(Debug)]
pub(crate) struct Custom {
    pub(crate) encoder: Py<PyAny>,
    pub(crate) decoder: Py<PyAny>,
    pub(crate) format: CustomFormat,
}

/// A type with functions of the application's.
#[derive(Debug)]
pub(crate) struct CustomCodec {
    pub(super) custom: Arc<Custom>,
    /// What the type is otherwise.
    pub(super) base: Arc<Codec>,
}

impl CustomCodec {
    pub(super) fn format(&self) -> i16 {
        match self.custom.format {
            CustomFormat::Text => 0,
            CustomFormat::Binary | CustomFormat::Tuple => 1,
        }
    }

    pub(super) fn decode<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let raw = match self.custom.format {
            CustomFormat::Text => PyString::from_bytes(py, bytes)?.into_any(),
            CustomFormat::Binary => PyBytes::new(py, bytes).into_any(),
            CustomFormat::Tuple => to_tuple(py, &self.base, bytes)?,
        };
        self.custom.decoder.bind(py).call1((raw,))
    }

    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        let raw = self.custom.encoder.bind(value.py()).call1((value,))?;
        match self.custom.format {
            CustomFormat::Text => put_text(&raw, out),
            CustomFormat::Binary => put_bytes(&raw, out),
            CustomFormat::Tuple => put_tuple(&raw, &self.base, out),
        }
    }
}

/// Whether a type has a form as a tuple.
pub(super) fn has_tuple_form(codec: &Codec) -> bool {
    matches!(
        codec,
        Codec::Date
            | Codec::Time
            | Codec::TimeTz
            | Codec::Timestamp
            | Codec::TimestampTz
            | Codec::Interval
            | Codec::Composite(_)
    )
}

fn no_tuple_form() -> PyErr {
    PyNotImplementedError::new_err("the type has no tuple format")
}

fn to_tuple<'py>(py: Python<'py>, base: &Codec, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let tuple = match base {
        Codec::Date => PyTuple::new(py, [i32::from_be_bytes(exactly(bytes)?)])?,
        Codec::Time | Codec::Timestamp | Codec::TimestampTz => {
            PyTuple::new(py, [i64::from_be_bytes(exactly(bytes)?)])?
        }
        Codec::TimeTz => {
            let mut reader = Reader::new(bytes);
            let parts = (reader.i64()?, reader.i32()?);
            reader.end()?;
            parts.into_pyobject(py)?
        }
        Codec::Interval => {
            let parts = interval::Parts::parse(bytes)?;
            (parts.months, parts.days, parts.us).into_pyobject(py)?
        }
        Codec::Composite(composite) => return composite.decode(py, bytes),
        _ => return Err(no_tuple_form()),
    };
    Ok(tuple.into_any())
}

fn put_tuple(value: &Bound<'_, PyAny>, base: &Codec, out: &mut BytesMut) -> PyResult<()> {
    if let Codec::Composite(composite) = base {
        return composite.encode(value, out);
    }
    let wanted = match base {
        Codec::Interval => 3,
        Codec::TimeTz => 2,
        Codec::Date | Codec::Time | Codec::Timestamp | Codec::TimestampTz => 1,
        _ => return Err(no_tuple_form()),
    };
    let parts: Vec<Bound<'_, PyAny>> = value.try_iter()?.collect::<PyResult<_>>()?;
    if parts.len() != wanted {
        return Err(PyValueError::new_err(format!(
            "expected a tuple of {wanted}, got {}",
            parts.len()
        )));
    }
    match base {
        Codec::Date => put_i32(&parts[0], out),
        Codec::TimeTz => {
            put_i64(&parts[0], out)?;
            put_i32(&parts[1], out)
        }
        Codec::Interval => {
            put_i64(&parts[2], out)?;
            put_i32(&parts[1], out)?;
            put_i32(&parts[0], out)
        }
        _ => put_i64(&parts[0], out),
    }
}

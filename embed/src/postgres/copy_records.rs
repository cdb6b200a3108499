//! `_core.PgRecords`: records become COPY's binary format ("COPY, Binary Format").

use super::batch::quick_tuple;
use super::codec::{Codec, PyTypes, Types, put_nullable};
use super::core::locked;
use super::errors;
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyKeyError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyTuple};
use std::sync::{Arc, Mutex};

/// Signature, flags, and the length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of a count of values.
const TRAILER: i16 = -1;

/// Encodes the records of one COPY ... FROM STDIN (FORMAT binary).
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct PgRecords {
    codecs: Box<[Arc<Codec>]>,
    /// How many there are, as each record begins.
    count: i16,
    /// What was encoded and not taken. Nobody holds the lock while Python code runs.
    ready: Mutex<BytesMut>,
}

impl PgRecords {
    /// Has `encode` append to what is ready.
    fn append(&self, encode: impl FnOnce(&mut BytesMut) -> PyResult<bool>) -> PyResult<bool> {
        let mut out = std::mem::take(&mut *locked(&self.ready));
        let encoded = encode(&mut out);
        *locked(&self.ready) = out;
        encoded
    }

    fn put(&self, record: Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        let values = tuple_of(record)?;
        if values.len() != self.codecs.len() {
            return Err(errors::record_length(&values, self.codecs.len()));
        }
        out.put_i16(self.count);
        for (value, codec) in values.iter_borrowed().zip(&self.codecs) {
            put_nullable(out, &value, |out| codec.encode(&value, out))
                .map_err(|cause| unfit(&value, cause))?;
        }
        Ok(())
    }
}

#[pymethods]
impl PgRecords {
    /// An encoder of records with columns of these types.
    ///
    /// Raises `InternalClientError` for a type whose values travel as text, `KeyError` for one
    /// that was never added.
    #[new]
    fn new(types: &Bound<'_, PyTypes>, oids: Vec<u32>) -> PyResult<Self> {
        let py = types.py();
        let types = types.get().types();
        let count = i16::try_from(oids.len());
        let codecs = oids.iter().map(|&oid| codec(py, types, oid));
        Ok(Self {
            codecs: codecs.collect::<PyResult<_>>()?,
            count: count.map_err(|_| PyValueError::new_err("too many columns"))?,
            ready: Mutex::new(HEADER.into()),
        })
    }

    /// Encodes one record: how many bytes are ready.
    fn add(&self, record: Bound<'_, PyAny>) -> PyResult<usize> {
        self.append(|out| self.put(record, out).map(|()| true))?;
        Ok(locked(&self.ready).len())
    }

    /// Encodes records until `bytes` are ready; false when there are no more.
    fn fill(&self, records: &Bound<'_, PyIterator>, bytes: usize) -> PyResult<bool> {
        self.append(|out| {
            let mut records = records.clone();
            while out.len() < bytes {
                let Some(record) = records.next() else {
                    return Ok(false);
                };
                self.put(record?, out)?;
            }
            Ok(true)
        })
    }

    /// Takes what is ready.
    fn take<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let mut ready = locked(&self.ready);
        let taken = PyBytes::new(py, &ready);
        ready.clear();
        taken
    }

    /// Takes what is ready, and the end.
    fn finish<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        locked(&self.ready).put_i16(TRAILER);
        self.take(py)
    }
}

fn codec(py: Python<'_>, types: &Types, oid: u32) -> PyResult<Arc<Codec>> {
    let codec = types.codec(oid).ok_or_else(|| PyKeyError::new_err(oid))?;
    match codec.format() {
        1 => Ok(codec),
        _ => Err(errors::no_binary_form(py, &types.name(oid), oid)),
    }
}

/// A record as a tuple.
fn tuple_of(record: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyTuple>> {
    let record = match quick_tuple(record) {
        Ok(record) => return Ok(record),
        Err(other) => other,
    };
    let tuple = record.py().get_type::<PyTuple>().call1((record,))?;
    Ok(tuple.cast_into()?)
}

/// A value that does not fit its column is the data's fault; what else a codec raises is not.
fn unfit(value: &Bound<'_, PyAny>, cause: PyErr) -> PyErr {
    let py = value.py();
    let is_unfit = cause.is_instance_of::<PyTypeError>(py)
        || cause.is_instance_of::<PyValueError>(py)
        || cause.is_instance_of::<PyOverflowError>(py);
    if is_unfit {
        errors::copied_value(value, cause)
    } else {
        cause
    }
}

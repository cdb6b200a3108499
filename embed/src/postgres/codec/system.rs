//! What PostgreSQL keeps its own books with: tuple identifiers, snapshots.

use super::number::{put_u64, small_int};
use super::wire::{Malformed, Reader, count_of};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

/// Block and offset.
pub(super) fn tid_of(bytes: &[u8]) -> Result<(u32, u16), Malformed> {
    let mut reader = Reader::new(bytes);
    let place = (reader.u32()?, reader.u16()?);
    reader.end()?;
    Ok(place)
}

pub(super) fn put_tid(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let parts = sequence(value)?;
    let [block, offset] = &parts[..] else {
        let problem = "invalid number of elements in tid tuple, expecting 2";
        return Err(PyValueError::new_err(problem));
    };
    let block = small_int(block)?.and_then(|block| u32::try_from(block).ok());
    out.put_u32(
        block
            .ok_or_else(|| PyOverflowError::new_err("tuple id block value out of uint32 range"))?,
    );
    let offset = small_int(offset)?.and_then(|offset| u16::try_from(offset).ok());
    out.put_u16(
        offset
            .ok_or_else(|| PyOverflowError::new_err("tuple id offset value out of uint16 range"))?,
    );
    Ok(())
}

fn sequence<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return Ok(tuple.iter().collect());
    }
    if let Ok(list) = value.cast::<PyList>() {
        return Ok(list.iter().collect());
    }
    let kind = value.get_type();
    Err(PyTypeError::new_err(format!(
        "list or tuple expected (got type {})",
        kind.repr()?.to_string_lossy()
    )))
}

/// Oldest running transaction, next one, and those in progress between them.
pub(super) fn snapshot_of(bytes: &[u8]) -> Result<(u64, u64, Vec<u64>), Malformed> {
    let mut reader = Reader::new(bytes);
    let count = reader.count(8)?;
    let unsigned = |value: i64| u64::from_be_bytes(value.to_be_bytes());
    let (oldest, next) = (unsigned(reader.i64()?), unsigned(reader.i64()?));
    let running = (0..count).map(|_| reader.i64().map(unsigned));
    let running = running.collect::<Result<Vec<_>, _>>()?;
    reader.end()?;
    Ok((oldest, next, running))
}

pub(super) fn decode_snapshot<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let (oldest, next, running) = snapshot_of(bytes)?;
    let running = PyTuple::new(py, running)?;
    Ok((oldest, next, running).into_pyobject(py)?.into_any())
}

pub(super) fn put_snapshot(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let parts = sequence(value)?;
    let [oldest, next, running] = &parts[..] else {
        let problem = "invalid number of elements in txid_snapshot tuple, expecting 3";
        return Err(PyValueError::new_err(problem));
    };
    let running = sequence(running)?;
    out.put_i32(count_of(running.len(), "that many transactions")?);
    put_u64(oldest, out)?;
    put_u64(next, out)?;
    running.iter().try_for_each(|one| put_u64(one, out))
}

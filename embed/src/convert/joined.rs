//! Pieces of bytes to one Python object, copied once.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// All `pieces`, one after the other.
///
/// # Errors
/// `MemoryError`.
pub(crate) fn joined<'py>(py: Python<'py>, pieces: &[Vec<u8>]) -> PyResult<Bound<'py, PyBytes>> {
    if let [only] = pieces {
        return Ok(PyBytes::new(py, only));
    }
    let size: usize = pieces.iter().map(Vec::len).sum();
    let length = ffi::Py_ssize_t::try_from(size)?;
    // SAFETY: without a source the object is new, ours alone, and `length` bytes long (and at least
    // a terminator, so that its storage is never null); all of them are written before anybody
    // else sees it. The pieces cannot overlap with it.
    unsafe {
        let bytes = ffi::PyBytes_FromStringAndSize(std::ptr::null(), length);
        let bytes = Bound::from_owned_ptr_or_err(py, bytes)?;
        let mut target = ffi::PyBytes_AsString(bytes.as_ptr()).cast::<u8>();
        for piece in pieces {
            target.copy_from_nonoverlapping(piece.as_ptr(), piece.len());
            target = target.add(piece.len());
        }
        Ok(bytes.cast_into_unchecked())
    }
}

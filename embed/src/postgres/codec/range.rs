//! Ranges and multiranges.

use super::Codec;
use super::array::items_of;
use super::wire::{Malformed, Reader, count_of, kind_of, put_sized};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use std::sync::Arc;

const EMPTY: u8 = 0x01;
const LOWER_INCLUSIVE: u8 = 0x02;
const UPPER_INCLUSIVE: u8 = 0x04;
const LOWER_INFINITE: u8 = 0x08;
const UPPER_INFINITE: u8 = 0x10;

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "fasterapi.pg.types", "Range")
}

/// A range, by the type of its bounds.
#[derive(Debug)]
pub(crate) struct RangeCodec {
    pub(super) subtype: Arc<Codec>,
}

/// The parts of a range; a bound that is `None` is infinite.
pub(super) struct Parts<'a> {
    pub(super) is_empty: bool,
    pub(super) lower: Option<&'a [u8]>,
    pub(super) upper: Option<&'a [u8]>,
    pub(super) lower_inclusive: bool,
    pub(super) upper_inclusive: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let flags = reader.u8()?;
        let is_empty = flags & EMPTY != 0;
        let mut bound = |infinite: u8| {
            if is_empty || flags & infinite != 0 {
                return Ok(None);
            }
            let bound = reader.value()?;
            bound.map(Some).ok_or(Malformed("a bound that is NULL"))
        };
        let (lower, upper) = (bound(LOWER_INFINITE)?, bound(UPPER_INFINITE)?);
        reader.end()?;
        Ok(Self {
            is_empty,
            lower,
            upper,
            lower_inclusive: flags & LOWER_INCLUSIVE != 0,
            upper_inclusive: flags & UPPER_INCLUSIVE != 0,
        })
    }
}

impl RangeCodec {
    pub(super) fn decode<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let parts = Parts::parse(bytes)?;
        let options = PyDict::new(py);
        if parts.is_empty {
            options.set_item(pyo3::intern!(py, "empty"), true)?;
            return class(py)?.call((), Some(&options));
        }
        let bound = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) => self.subtype.decode(py, bytes),
            None => Ok(py.None().into_bound(py)),
        };
        let bounds = (bound(parts.lower)?, bound(parts.upper)?);
        options.set_item(pyo3::intern!(py, "lower_inc"), parts.lower_inclusive)?;
        options.set_item(pyo3::intern!(py, "upper_inc"), parts.upper_inclusive)?;
        class(py)?.call(bounds, Some(&options))
    }

    /// Takes a `Range`, or a list or tuple of up to two bounds, which belong to the range.
    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        let py = value.py();
        if !value.is_instance(class(py)?)? {
            return self.encode_bounds(value, out);
        }
        if value.getattr(pyo3::intern!(py, "isempty"))?.is_truthy()? {
            out.put_u8(EMPTY);
            return Ok(());
        }
        let is = |name| value.getattr(name)?.is_truthy();
        let mut flags = 0;
        if is(pyo3::intern!(py, "lower_inc"))? {
            flags |= LOWER_INCLUSIVE;
        }
        if is(pyo3::intern!(py, "upper_inc"))? {
            flags |= UPPER_INCLUSIVE;
        }
        let lower = value.getattr(pyo3::intern!(py, "lower"))?;
        let upper = value.getattr(pyo3::intern!(py, "upper"))?;
        self.put(flags, &lower, &upper, out)
    }

    fn encode_bounds(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        let py = value.py();
        if !value.is_instance_of::<PyTuple>() && !value.is_instance_of::<PyList>() {
            return Err(PyTypeError::new_err(format!(
                "list, tuple or Range object expected (got type {})",
                value.get_type().repr()?.to_string_lossy()
            )));
        }
        let bounds: Vec<Bound<'_, PyAny>> = value.try_iter()?.collect::<PyResult<_>>()?;
        let none = py.None().into_bound(py);
        match &bounds[..] {
            [] => {
                out.put_u8(EMPTY);
                Ok(())
            }
            [lower] => self.put(LOWER_INCLUSIVE, lower, &none, out),
            // Both belong to the range, as with asyncpg.
            [lower, upper] => self.put(LOWER_INCLUSIVE | UPPER_INCLUSIVE, lower, upper, out),
            more => Err(PyValueError::new_err(format!(
                "expected 0, 1 or 2 elements in range (got {})",
                more.len()
            ))),
        }
    }

    fn put(
        &self,
        mut flags: u8,
        lower: &Bound<'_, PyAny>,
        upper: &Bound<'_, PyAny>,
        out: &mut BytesMut,
    ) -> PyResult<()> {
        if lower.is_none() {
            flags = flags & !LOWER_INCLUSIVE | LOWER_INFINITE;
        }
        if upper.is_none() {
            flags = flags & !UPPER_INCLUSIVE | UPPER_INFINITE;
        }
        out.put_u8(flags);
        for bound in [lower, upper] {
            if !bound.is_none() {
                put_sized(out, |out| self.subtype.encode(bound, out))?;
            }
        }
        Ok(())
    }

    /// The ranges of a multirange.
    pub(super) fn split(bytes: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
        let mut reader = Reader::new(bytes);
        let count = reader.count(4)?;
        let mut ranges = Vec::with_capacity(count);
        for _ in 0..count {
            ranges.push(reader.value()?.ok_or(Malformed("a range that is NULL"))?);
        }
        reader.end()?;
        Ok(ranges)
    }

    pub(super) fn decode_many<'py>(
        &self,
        py: Python<'py>,
        bytes: &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        let ranges = Self::split(bytes)?;
        let ranges = ranges.into_iter().map(|range| self.decode(py, range));
        Ok(PyList::new(py, ranges.collect::<PyResult<Vec<_>>>()?)?.into_any())
    }

    pub(super) fn encode_many(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        let Some(items) = items_of(value) else {
            return Err(PyTypeError::new_err(format!(
                "expected a sequence (got type '{}')",
                kind_of(value)
            )));
        };
        let items = items?;
        out.put_i32(count_of(items.len(), "that many ranges")?);
        for item in items.iter() {
            put_sized(out, |out| self.encode(&item, out))?;
        }
        Ok(())
    }
}

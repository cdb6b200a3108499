//! Arrays of any type, with up to six dimensions.

use super::wire::{Malformed, Reader, count_of, kind_of, put_nullable};
use super::{Codec, array_text};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyNotImplementedError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{
    PyByteArray, PyBytes, PyFloat, PyInt, PyList, PyMapping, PyMemoryView, PyString, PyTuple,
};
use std::sync::Arc;

/// PostgreSQL's `MAXDIM`.
pub(super) const DIMENSIONS_MAX: usize = 6;
const LENGTH_BYTES: usize = 4;

/// The type of an array.
#[derive(Debug)]
pub(crate) struct ArrayCodec {
    pub(super) element: Arc<Codec>,
    pub(super) element_oid: u32,
    pub(super) delimiter: u8,
    /// The index of the first element; vectors of the system's begin at 0.
    pub(super) lower_bound: i32,
}

/// What stands before an array's elements.
pub(super) struct Shape {
    /// How many elements each dimension has; none for an empty array.
    pub(super) counts: Vec<usize>,
    pub(super) element_oid: u32,
}

impl Shape {
    /// # Errors
    /// When there are more elements than could follow, so that nobody allocates for them.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let dimensions = reader.count(0)?;
        if dimensions > DIMENSIONS_MAX {
            return Err(Malformed("an array of more than six dimensions"));
        }
        let _has_nulls = reader.i32()?;
        let element_oid = reader.u32()?;
        let mut counts = Vec::with_capacity(dimensions);
        let mut total = usize::from(dimensions > 0);
        for _ in 0..dimensions {
            let count = reader.count(0)?;
            let _lower_bound = reader.i32()?;
            counts.push(count);
            total = total.saturating_mul(count);
        }
        if total == 0 {
            counts.clear();
        }
        if total.saturating_mul(LENGTH_BYTES) > reader.rest().len() {
            return Err(Malformed("an array of more elements than follow"));
        }
        Ok(Self {
            counts,
            element_oid,
        })
    }
}

/// Makes lists of lists of what the elements say.
pub(super) fn decode_elements<'py>(
    py: Python<'py>,
    element: &Codec,
    counts: &[usize],
    reader: &mut Reader<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some((&count, inner)) = counts.split_first() else {
        return Ok(PyList::empty(py).into_any());
    };
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(if inner.is_empty() {
            match reader.value()? {
                Some(bytes) => element.decode(py, bytes)?,
                None => py.None().into_bound(py),
            }
        } else {
            decode_elements(py, element, inner, reader)?
        });
    }
    Ok(PyList::new(py, items)?.into_any())
}

impl ArrayCodec {
    /// The same for elements that are read otherwise.
    pub(super) fn with_element(&self, element: Codec) -> Self {
        Self {
            element: Arc::new(element),
            ..*self
        }
    }

    pub(super) fn decode<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        if self.element.format() == 0 {
            return array_text::decode(py, self, bytes);
        }
        let mut reader = Reader::new(bytes);
        let shape = Shape::parse(&mut reader)?;
        if shape.element_oid != self.element_oid {
            return Err(Malformed("an array of another type").into());
        }
        let list = decode_elements(py, &self.element, &shape.counts, &mut reader)?;
        reader.end()?;
        Ok(list)
    }

    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        let Some(top) = items_of(value) else {
            return Err(PyTypeError::new_err(format!(
                "a sized iterable container expected (got type '{}')",
                kind_of(value)
            )));
        };
        let top = top?;
        let counts = self.dimensions(&top)?;
        if self.element.format() == 0 {
            return array_text::encode(self, &top, &counts, out);
        }
        out.put_i32(count_of(counts.len(), "that many dimensions")?);
        let flags = out.len();
        out.put_i32(0);
        out.put_u32(self.element_oid);
        for &count in &counts {
            out.put_i32(count_of(count, "that many elements")?);
            out.put_i32(self.lower_bound);
        }
        let mut has_nulls = false;
        self.visit(&top, &counts, &mut |index, item| {
            has_nulls |= item.is_none();
            put_nullable(out, item, |out| self.element.encode(item, out))
                .map_err(|error| bad_element(item.py(), index, &error))
        })?;
        out[flags + 3] = has_nulls.into();
        Ok(())
    }

    /// The length of each level of lists; none when there is no element.
    fn dimensions(&self, top: &Bound<'_, PyList>) -> PyResult<Vec<usize>> {
        let mut counts = vec![top.len()];
        let mut first = top.get_item(0).ok();
        while let Some(item) = first.take() {
            let Some(inner) = self.inner_list(&item) else {
                break;
            };
            let inner = inner?;
            counts.push(inner.len());
            if counts.len() > DIMENSIONS_MAX {
                return Err(PyValueError::new_err(format!(
                    "number of array dimensions ({}) exceed the maximum expected ({DIMENSIONS_MAX})",
                    counts.len()
                )));
            }
            first = inner.get_item(0).ok();
        }
        if counts.contains(&0) {
            counts.clear();
        }
        Ok(counts)
    }

    /// The items of a list that is a dimension. A tuple is a row, and where elements are lists
    /// themselves there is one dimension only.
    fn inner_list<'py>(&self, item: &Bound<'py, PyAny>) -> Option<PyResult<Bound<'py, PyList>>> {
        // Nearly all elements are one of these, and asking them for a length is slow.
        let is_plain = item.is_none()
            || item.cast_exact::<PyInt>().is_ok()
            || item.cast_exact::<PyString>().is_ok()
            || item.cast_exact::<PyFloat>().is_ok();
        if is_plain || item.is_instance_of::<PyTuple>() || self.element.takes(item) {
            return None;
        }
        items_of(item)
    }

    /// Calls `act` with every element and its number.
    pub(super) fn visit<'py>(
        &self,
        top: &Bound<'py, PyList>,
        counts: &[usize],
        act: &mut impl FnMut(usize, &Bound<'py, PyAny>) -> PyResult<()>,
    ) -> PyResult<()> {
        if counts.is_empty() {
            return Ok(());
        }
        let mut index = 0;
        self.visit_level(top, counts, &mut |item| {
            index += 1;
            act(index - 1, item)
        })
    }

    fn visit_level<'py>(
        &self,
        list: &Bound<'py, PyList>,
        counts: &[usize],
        act: &mut impl FnMut(&Bound<'py, PyAny>) -> PyResult<()>,
    ) -> PyResult<()> {
        let ragged = || PyValueError::new_err("non-homogeneous array");
        let inner_counts = counts.get(1..).unwrap_or_default();
        let mut seen = 0;
        for item in list.iter() {
            seen += 1;
            let inner = self.inner_list(&item).transpose()?;
            match inner {
                Some(inner) if !inner_counts.is_empty() => {
                    self.visit_level(&inner, inner_counts, act)?;
                }
                None if inner_counts.is_empty() => act(&item)?,
                _ => return Err(ragged()),
            }
        }
        // An encoder of the application's may have changed the list meanwhile.
        if counts.first() == Some(&seen) {
            Ok(())
        } else {
            Err(ragged())
        }
    }
}

/// `ValueError: invalid array element at index 1: expected str, got int`.
pub(super) fn bad_element(py: Python<'_>, index: usize, error: &PyErr) -> PyErr {
    let problem = error.value(py);
    let text = problem.str().map_or_else(
        |_| String::new(),
        |text| text.to_string_lossy().into_owned(),
    );
    let text = format!("invalid array element at index {index}: {text}");
    let wrapped = if error.is_instance_of::<PyNotImplementedError>(py) {
        PyNotImplementedError::new_err(text)
    } else {
        PyValueError::new_err(text)
    };
    wrapped.set_cause(py, Some(error.clone_ref(py)));
    wrapped
}

/// The items of anything that has a length and can be iterated, texts and mappings excepted.
pub(super) fn items_of<'py>(value: &Bound<'py, PyAny>) -> Option<PyResult<Bound<'py, PyList>>> {
    if let Ok(list) = value.cast::<PyList>() {
        return Some(Ok(list.clone()));
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return Some(Ok(tuple.to_list()));
    }
    let is_text = value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>()
        || value.is_instance_of::<PyMemoryView>();
    let py = value.py();
    let has = |name| value.get_type().hasattr(name).unwrap_or(false);
    let is_sized = !is_text
        && has(pyo3::intern!(py, "__len__"))
        && has(pyo3::intern!(py, "__iter__"))
        && value.cast::<PyMapping>().is_err();
    if !is_sized {
        return None;
    }
    let items = value.try_iter().and_then(Iterator::collect);
    Some(items.and_then(|items: Vec<Bound<'py, PyAny>>| PyList::new(py, items)))
}

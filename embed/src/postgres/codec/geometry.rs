//! Points and what is made of them.

use super::number::float;
use super::wire::{Reader, count_of, kind_of};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyMapping, PyString, PyTuple, PyType};

const POINT_BYTES: usize = 16;

/// A geometric type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Point,
    Line,
    LineSegment,
    Box,
    Path,
    Polygon,
    Circle,
}

const CLASSES: [&str; 7] = [
    "Point",
    "Line",
    "LineSegment",
    "Box",
    "Path",
    "Polygon",
    "Circle",
];

impl Shape {
    fn class(self, py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
        static KNOWN: [PyOnceLock<Py<PyType>>; 7] = [const { PyOnceLock::new() }; 7];
        let index = self as usize;
        KNOWN[index].import(py, "fasterapi.pg.types", CLASSES[index])
    }

    pub(super) fn decode<'py>(self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let mut reader = Reader::new(bytes);
        let class = self.class(py)?;
        let made = match self {
            Self::Point => class.call1((reader.f64()?, reader.f64()?))?,
            Self::Line => class.call1((reader.f64()?, reader.f64()?, reader.f64()?))?,
            Self::LineSegment | Self::Box => {
                class.call1((point(py, &mut reader)?, point(py, &mut reader)?))?
            }
            Self::Circle => class.call1((point(py, &mut reader)?, reader.f64()?))?,
            Self::Polygon => class.call1(points(py, &mut reader)?)?,
            Self::Path => {
                let is_closed = reader.u8()? != 0;
                let options = PyDict::new(py);
                options.set_item("is_closed", is_closed)?;
                class.call(points(py, &mut reader)?, Some(&options))?
            }
        };
        reader.end()?;
        Ok(made)
    }

    /// Takes our own classes, and sequences of the same numbers.
    pub(super) fn encode(self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        match self {
            Self::Point => put_point(value, out),
            Self::Line => self.parts(value, 3)?.iter().try_for_each(|number| {
                out.put_f64(float(number)?);
                Ok(())
            }),
            Self::LineSegment | Self::Box => {
                let ends = self.parts(value, 2)?;
                ends.iter().try_for_each(|end| put_point(end, out))
            }
            Self::Circle => {
                let parts = self.parts(value, 2)?;
                put_point(&parts[0], out)?;
                out.put_f64(float(&parts[1])?);
                Ok(())
            }
            Self::Polygon => put_points(value, out),
            Self::Path => {
                // Square brackets make an open path, as in PostgreSQL's own text.
                let py = value.py();
                let is_closed = match value.getattr_opt(pyo3::intern!(py, "is_closed"))? {
                    Some(is_closed) => is_closed.is_truthy()?,
                    None => value.is_instance_of::<PyTuple>(),
                };
                out.put_u8(is_closed.into());
                put_points(value, out)
            }
        }
    }

    fn parts<'py>(
        self,
        value: &Bound<'py, PyAny>,
        count: usize,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let parts = items(value)?;
        if parts.len() == count {
            return Ok(parts);
        }
        Err(PyValueError::new_err(format!(
            "a {} has {count} parts, not {}",
            CLASSES[self as usize],
            parts.len()
        )))
    }
}

fn point<'py>(py: Python<'py>, reader: &mut Reader<'_>) -> PyResult<Bound<'py, PyAny>> {
    let (x, y) = (reader.f64()?, reader.f64()?);
    Shape::Point.class(py)?.call1((x, y))
}

fn points<'py>(py: Python<'py>, reader: &mut Reader<'_>) -> PyResult<Bound<'py, PyTuple>> {
    let count = reader.count(POINT_BYTES)?;
    let points = (0..count).map(|_| point(py, reader));
    PyTuple::new(py, points.collect::<PyResult<Vec<_>>>()?)
}

fn items<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let is_text = value.is_instance_of::<PyString>() || value.cast::<PyMapping>().is_ok();
    let items = if is_text { None } else { value.try_iter().ok() };
    items
        .ok_or_else(|| {
            let kind = kind_of(value);
            PyTypeError::new_err(format!(
                "a sequence of numbers is required (got type {kind})"
            ))
        })?
        .collect()
}

fn put_point(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    for number in Shape::Point.parts(value, 2)? {
        out.put_f64(float(&number)?);
    }
    Ok(())
}

fn put_points(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let points = items(value)?;
    out.put_i32(count_of(points.len(), "that many points")?);
    points.iter().try_for_each(|point| put_point(point, out))
}

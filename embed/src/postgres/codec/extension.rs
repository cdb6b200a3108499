//! Types of extensions that nearly everybody has: hstore and pgvector's.

use super::array::items_of;
use super::number::{float, narrow};
use super::wire::{Malformed, Reader, count_of, expected, kind_of, put_nullable, put_sized};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFloat, PyList, PyString, PyType};

/// A key and its value, which may be NULL.
pub(super) type Pair<'a> = (&'a [u8], Option<&'a [u8]>);

/// The pairs of an hstore.
pub(super) fn hstore_of(bytes: &[u8]) -> Result<Vec<Pair<'_>>, Malformed> {
    let mut reader = Reader::new(bytes);
    let count = reader.count(8)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let key = reader.value()?.ok_or(Malformed("a key that is NULL"))?;
        pairs.push((key, reader.value()?));
    }
    reader.end()?;
    Ok(pairs)
}

pub(super) fn decode_hstore<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let dict = PyDict::new(py);
    for (key, value) in hstore_of(bytes)? {
        let value = value.map(|value| PyString::from_bytes(py, value));
        dict.set_item(PyString::from_bytes(py, key)?, value.transpose()?)?;
    }
    Ok(dict.into_any())
}

/// Takes a mapping, or pairs.
pub(super) fn put_hstore(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let py = value.py();
    let pairs = match value.getattr_opt(pyo3::intern!(py, "items"))? {
        Some(items) => items.call0()?,
        None => value.clone(),
    };
    let is_text = pairs.is_instance_of::<PyString>();
    let Some(pairs) = pairs.try_iter().ok().filter(|_| !is_text) else {
        return Err(expected("a mapping or an iterable of pairs", value));
    };
    let start = out.len();
    out.put_i32(0);
    let mut count = 0;
    for pair in pairs {
        let (key, item): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
        if key.is_none() {
            return Err(PyValueError::new_err(
                "null value not allowed in hstore key",
            ));
        }
        put_sized(out, |out| put_str(&key, out))?;
        put_nullable(out, &item, |out| put_str(&item, out))?;
        count += 1;
    }
    let count = count_of(count, "that many pairs")?;
    out[start..start + 4].copy_from_slice(&count.to_be_bytes());
    Ok(())
}

fn put_str(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let text = value
        .cast::<PyString>()
        .map_err(|_| expected("str", value))?;
    out.put_slice(text.to_str()?.as_bytes());
    Ok(())
}

/// A type of pgvector's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vector {
    /// Numbers of single precision.
    Single,
    /// Numbers of half precision.
    Half,
    /// The numbers that are not 0, and their places.
    Sparse,
}

/// The places that are not 0, of a vector of so many.
pub(super) struct Sparse {
    pub(super) dimensions: i32,
    pub(super) values: Vec<(i32, f32)>,
}

impl Sparse {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let dimensions = reader.i32()?;
        let count = reader.count(0)?;
        let _unused = reader.i32()?;
        if count.saturating_mul(8) != reader.rest().len() {
            return Err(Malformed("wrong length"));
        }
        let places = (0..count).map(|_| reader.i32());
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let mut values = Vec::with_capacity(count);
        for place in places {
            values.push((place, reader.f32()?));
        }
        Ok(Self { dimensions, values })
    }
}

fn sparse_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "fasterapi.pg.types", "SparseVector")
}

impl Vector {
    /// The numbers of a vector that is not sparse.
    pub(super) fn numbers(self, bytes: &[u8]) -> Result<Vec<f32>, Malformed> {
        let mut reader = Reader::new(bytes);
        let count = usize::from(reader.u16()?);
        let _unused = reader.u16()?;
        let number_bytes = if self == Self::Half { 2 } else { 4 };
        if count * number_bytes != reader.rest().len() {
            return Err(Malformed("wrong length"));
        }
        (0..count)
            .map(|_| match self {
                Self::Half => reader.u16().map(from_half),
                _ => reader.f32(),
            })
            .collect()
    }

    pub(super) fn decode<'py>(self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        if self == Self::Sparse {
            let sparse = Sparse::parse(bytes)?;
            let values = PyDict::new(py);
            for (place, value) in sparse.values {
                values.set_item(place, f64::from(value))?;
            }
            return sparse_class(py)?.call1((sparse.dimensions, values));
        }
        let numbers = self.numbers(bytes)?.into_iter();
        let numbers = numbers.map(|number| PyFloat::new(py, number.into()));
        Ok(PyList::new(py, numbers)?.into_any())
    }

    /// Takes any sequence of numbers; the sparse one a `SparseVector` too.
    pub(super) fn encode(self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        if self == Self::Sparse && value.is_instance(sparse_class(value.py())?)? {
            return put_sparse_object(value, out);
        }
        let Some(items) = items_of(value) else {
            return Err(PyTypeError::new_err(format!(
                "a sequence of numbers is required (got type {})",
                kind_of(value)
            )));
        };
        let numbers = items?.iter().map(|item| narrow(float(&item)?));
        let numbers = numbers.collect::<PyResult<Vec<f32>>>()?;
        if self == Self::Sparse {
            let places = (0..).zip(numbers.iter().copied());
            let values: Vec<_> = places.filter(|&(_, value)| value != 0.0).collect();
            let dimensions = count_of(numbers.len(), "that many dimensions")?;
            return put_sparse(dimensions, &values, out);
        }
        let count = u16::try_from(numbers.len())
            .map_err(|_| PyValueError::new_err("a vector of more than 65535 dimensions"))?;
        out.put_u16(count);
        out.put_u16(0);
        for number in numbers {
            if self == Self::Half {
                let half = to_half(number)
                    .ok_or_else(|| PyValueError::new_err("value out of float16 range"))?;
                out.put_u16(half);
            } else {
                out.put_f32(number);
            }
        }
        Ok(())
    }
}

fn put_sparse_object(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let py = value.py();
    let dimensions = value.getattr(pyo3::intern!(py, "dimensions"))?.extract()?;
    let pairs = value.getattr(pyo3::intern!(py, "values"))?;
    let mut values = Vec::new();
    for (place, number) in pairs.cast::<PyDict>()?.iter() {
        values.push((place.extract::<i32>()?, narrow(float(&number)?)?));
    }
    values.sort_by_key(|&(place, _)| place);
    values.retain(|&(_, value)| value != 0.0);
    put_sparse(dimensions, &values, out)
}

fn put_sparse(dimensions: i32, values: &[(i32, f32)], out: &mut BytesMut) -> PyResult<()> {
    out.put_i32(dimensions);
    out.put_i32(count_of(values.len(), "that many numbers")?);
    out.put_i32(0);
    values.iter().for_each(|&(place, _)| out.put_i32(place));
    values.iter().for_each(|&(_, value)| out.put_f32(value));
    Ok(())
}

/// IEEE 754's binary16.
fn from_half(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10 & 0x1F);
    let fraction = u32::from(half & 0x3FF);
    match (exponent, fraction) {
        (0, _) => {
            // Too small for a leading one: so many 2**-24.
            let magnitude = f32::from(half & 0x3FF) / 16_777_216.0;
            f32::from_bits(sign | magnitude.to_bits())
        }
        (0x1F, _) => f32::from_bits(sign | 0x7F80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// The nearest number of half precision, the even one of two; `None` when it is too large.
fn to_half(number: f32) -> Option<u16> {
    let bits = number.to_bits();
    let half = |bits: u32| u16::try_from(bits).ok();
    let sign = bits >> 16 & 0x8000;
    let magnitude = bits & 0x7FFF_FFFF;
    if number.is_nan() {
        return half(sign | 0x7E00);
    }
    if number.is_infinite() {
        return half(sign | 0x7C00);
    }
    let exponent = magnitude >> 23;
    let rounded = |value: u32, shift: u32| {
        let (kept, lost, middle) = (value >> shift, value & ((1 << shift) - 1), 1 << (shift - 1));
        kept + u32::from(lost > middle || (lost == middle && kept & 1 == 1))
    };
    let result = match exponent {
        0..=101 => 0,
        102..=112 => rounded(magnitude & 0x7F_FFFF | 0x80_0000, 126 - exponent),
        _ => rounded(magnitude - (112 << 23), 13),
    };
    (result < 0x7C00).then(|| half(sign | result)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_and_back() {
        for bits in 0..=u16::MAX {
            let number = from_half(bits);
            if number.is_nan() {
                assert_eq!(to_half(number).map(|half| half & 0x7FFF), Some(0x7E00));
            } else {
                assert_eq!(to_half(number), Some(bits), "{number}");
            }
        }
    }

    #[test]
    fn halves_round_to_even() {
        assert_eq!(to_half(1.0 + 1.0 / 2048.0), Some(0x3C00));
        assert_eq!(to_half(1.0 + 3.0 / 2048.0), Some(0x3C02));
        assert_eq!(to_half(65_519.0), Some(0x7BFF));
        assert_eq!(to_half(65_520.0), None);
        assert_eq!(to_half(2.0_f32.powi(-25)), Some(0));
        assert_eq!(to_half(2.0_f32.powi(-25) * 1.5), Some(1));
    }
}

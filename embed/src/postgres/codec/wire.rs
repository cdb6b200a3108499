//! Reading and writing the parts that PostgreSQL's binary formats are made of.

use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// The server sent a value that is no value of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Malformed {
    /// How the message of its exception begins.
    pub(crate) const PREFIX: &str = "malformed value from the server";
    /// A composite value whose type has gained or lost fields since it was asked for.
    pub(crate) const OTHER_FIELDS: Self = Self("unexpected number of attributes of composite type");
    /// One of whose fields another has taken the place.
    pub(crate) const OTHER_FIELD: Self = Self("unexpected data type of composite type");

    /// Whether the server is right, and what is known of the type is out of date.
    fn is_outdated(&self) -> bool {
        [Self::OTHER_FIELDS.0, Self::OTHER_FIELD.0].contains(&self.0)
    }
}

impl From<Malformed> for PyErr {
    fn from(problem: Malformed) -> Self {
        if problem.is_outdated() {
            return Python::attach(|py| crate::postgres::errors::outdated(py, problem.0));
        }
        PyValueError::new_err(format!("{}: {}", Malformed::PREFIX, problem.0))
    }
}

/// All of `bytes`, which must be as long as that.
///
/// # Errors
/// When they are not.
pub(crate) fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed("wrong length"))
}

/// Reads one part after the other.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When there are fewer; so with all that follow.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.fixed().map(u16::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.fixed().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.fixed().map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.fixed().map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.fixed().map(i64::from_be_bytes)
    }

    pub(crate) fn f32(&mut self) -> Result<f32, Malformed> {
        self.fixed().map(f32::from_be_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Malformed> {
        self.fixed().map(f64::from_be_bytes)
    }

    /// A count that is followed by at least `bytes_min` bytes for each of what it counts, so that
    /// nobody allocates more than the server has sent.
    pub(crate) fn count(&mut self, bytes_min: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.i32()?).map_err(|_| Malformed("a negative count"))?;
        if count.saturating_mul(bytes_min) > self.rest.len() {
            return Err(Malformed("a count of more than follows"));
        }
        Ok(count)
    }

    /// A length and as many bytes, or `None` for NULL, whose length is -1.
    pub(crate) fn value(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| Malformed("a negative length"))?;
                self.take(length).map(Some)
            }
        }
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed("it goes on after its end"))
        }
    }
}

/// Writes what `write` writes with its length before it.
///
/// # Errors
/// Those of `write`, and `ValueError` for what is longer than a length can tell.
pub(crate) fn put_sized(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> PyResult<()>,
) -> PyResult<()> {
    let start = out.len();
    out.put_i32(0);
    write(out)?;
    let length = count_of(out.len() - start - 4, "a value of that many bytes")?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Writes an element: `None` is NULL.
///
/// # Errors
/// Those of `write`.
pub(crate) fn put_nullable(
    out: &mut BytesMut,
    value: &Bound<'_, PyAny>,
    write: impl FnOnce(&mut BytesMut) -> PyResult<()>,
) -> PyResult<()> {
    if value.is_none() {
        out.put_i32(-1);
        return Ok(());
    }
    put_sized(out, write)
}

/// A count as PostgreSQL writes it.
///
/// # Errors
/// `ValueError` when there are more than 2**31 - 1.
pub(crate) fn count_of(count: usize, what: &str) -> PyResult<i32> {
    i32::try_from(count)
        .map_err(|_| PyValueError::new_err(format!("{what} is more than PostgreSQL takes")))
}

/// `TypeError: expected str, got int`.
pub(crate) fn expected(what: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("expected {what}, got {}", kind_of(value)))
}

/// `TypeError: expected a datetime.date instance, got 'int'`.
pub(crate) fn expected_instance(what: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!(
        "expected a {what} instance, got '{}'",
        kind_of(value)
    ))
}

/// The name of the class of `value`.
pub(crate) fn kind_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(
        |_| "an object".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

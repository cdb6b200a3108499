//! What PostgreSQL's calendar and clock have and Python's do not: BC, year 12000, 24:00.

use super::calendar::{self, DAY_US};
use super::wire::{Malformed, exactly};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};
use std::fmt::Write;

/// The type that a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutOfRange {
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
}

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "fasterapi.pg.types", "OutOfRange")
}

impl OutOfRange {
    fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Time => "time",
            Self::TimeTz => "timetz",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
        }
    }

    /// A `fasterapi.pg.types.OutOfRange`, whose text is PostgreSQL's.
    pub(super) fn make<'py>(self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let mut text = String::new();
        self.write(bytes, &mut text)?;
        class(py)?.call1((text, self.name(), PyBytes::new(py, bytes)))
    }

    /// The text of any value of the type, finite or not, in ISO 8601 as PostgreSQL writes it.
    ///
    /// # Errors
    /// When the length is wrong.
    pub(super) fn write(self, bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
        match self {
            Self::Date => {
                let days = i32::from_be_bytes(exactly(bytes)?);
                write_date(i64::from(days), out);
                write_era(i64::from(days), out);
            }
            Self::Time => write_time(i64::from_be_bytes(exactly(bytes)?), out),
            Self::TimeTz => {
                let (us, west_s) = super::time::timetz_of(bytes)?;
                write_time(us, out);
                write_offset(-west_s, out);
            }
            Self::Timestamp | Self::TimestampTz => {
                let us = i64::from_be_bytes(exactly(bytes)?);
                let days = us.div_euclid(DAY_US);
                write_date(days, out);
                out.push(' ');
                write_time(us.rem_euclid(DAY_US), out);
                if self == Self::TimestampTz {
                    out.push_str("+00");
                }
                write_era(days, out);
            }
        }
        Ok(())
    }
}

fn write_date(days: i64, out: &mut String) {
    let (year, month, day) = calendar::date(days);
    let year = if year > 0 { year } else { 1 - year };
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
}

fn write_era(days: i64, out: &mut String) {
    if calendar::date(days).0 <= 0 {
        out.push_str(" BC");
    }
}

fn write_time(us: i64, out: &mut String) {
    let (hour, minute, second, microsecond) = calendar::time(us);
    let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
    if microsecond > 0 {
        let _ = write!(out, ".{microsecond:06}");
        out.truncate(out.trim_end_matches('0').len());
    }
}

fn write_offset(east_s: i32, out: &mut String) {
    let sign = if east_s < 0 { '-' } else { '+' };
    let s = east_s.abs();
    let _ = write!(out, "{sign}{:02}", s / 3_600);
    if s % 3_600 != 0 {
        let _ = write!(out, ":{:02}", s / 60 % 60);
    }
    if s % 60 != 0 {
        let _ = write!(out, ":{:02}", s % 60);
    }
}

/// What the server sent, when `value` is such an object of that type.
///
/// # Errors
/// `TypeError` when it is one of another type.
pub(super) fn given_back(
    value: &Bound<'_, PyAny>,
    wanted: OutOfRange,
) -> PyResult<Option<Vec<u8>>> {
    let py = value.py();
    if !value.is_instance(class(py)?)? {
        return Ok(None);
    }
    let kind: String = value.getattr(pyo3::intern!(py, "type"))?.extract()?;
    if kind != wanted.name() {
        let problem = format!(
            "expected an OutOfRange of type {}, got {kind}",
            wanted.name()
        );
        return Err(PyTypeError::new_err(problem));
    }
    let wire = value.getattr(pyo3::intern!(py, "wire"))?;
    Ok(Some(wire.cast::<PyBytes>()?.as_bytes().to_vec()))
}

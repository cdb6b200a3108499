//! `interval`: months, days and microseconds, which are not worth a fixed number of each other.

use super::calendar::DAY_US;
use super::time::SECOND_US;
use super::wire::{Malformed, Reader, expected_instance};
use bytes::{BufMut, BytesMut};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDelta, PyDeltaAccess, PyType};

/// Python's longest timedelta.
const DELTA_DAYS_MAX: i64 = 999_999_999;

/// The parts of an interval.
pub(super) struct Parts {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) us: i64,
}

impl Parts {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (us, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
        reader.end()?;
        Ok(Self { months, days, us })
    }

    /// Days and microseconds when that is all there is, and Python can tell it.
    fn without_months(&self) -> Option<(i64, i64)> {
        let days = i64::from(self.days) + self.us.div_euclid(DAY_US);
        let is_python_s = self.months == 0 && (-DELTA_DAYS_MAX..=DELTA_DAYS_MAX).contains(&days);
        is_python_s.then(|| (days, self.us.rem_euclid(DAY_US)))
    }
}

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "fasterapi.pg.types", "Interval")
}

/// A timedelta; one of its subclass `Interval` when it has months.
pub(super) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let parts = Parts::parse(bytes)?;
    let Some((days, us)) = parts.without_months() else {
        return class(py)?.call1((parts.months, parts.days, parts.us));
    };
    let part = |value: i64| i32::try_from(value).unwrap_or_default();
    let (seconds, us) = (us / SECOND_US, us % SECOND_US);
    Ok(PyDelta::new(py, part(days), part(seconds), part(us), false)?.into_any())
}

pub(super) fn encode(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let Ok(delta) = value.cast::<PyDelta>() else {
        return Err(expected_instance("datetime.timedelta", value));
    };
    let py = value.py();
    if value.cast_exact::<PyDelta>().is_err() && value.is_instance(class(py)?)? {
        let parts = value.getattr(pyo3::intern!(py, "parts"))?;
        let (months, days, us): (i32, i32, i64) = parts.extract()?;
        put(&Parts { months, days, us }, out);
        return Ok(());
    }
    let seconds = i64::from(delta.get_seconds());
    let us = seconds * SECOND_US + i64::from(delta.get_microseconds());
    let (months, days) = (0, delta.get_days());
    put(&Parts { months, days, us }, out);
    Ok(())
}

pub(super) fn put(parts: &Parts, out: &mut BytesMut) {
    out.put_i64(parts.us);
    out.put_i32(parts.days);
    out.put_i32(parts.months);
}

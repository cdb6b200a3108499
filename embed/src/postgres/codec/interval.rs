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

    /// What it is worth with years of 365 days and months of 30; `None` beyond 292,000 years.
    pub(super) fn total_us(&self) -> Option<i64> {
        let months = i64::from(self.months);
        let days = months / 12 * 365 + months % 12 * 30 + i64::from(self.days);
        days.checked_mul(DAY_US)?.checked_add(self.us)
    }

    /// The parts of a timedelta, whose seconds are never negative: they get the sign of its days,
    /// so that an hour less is not a day less and 23 hours more.
    fn of_delta(days: i64, us: i64) -> (i64, i64) {
        if days < 0 && us > 0 {
            (days + 1, us - DAY_US)
        } else {
            (days, us)
        }
    }

    /// Days and microseconds of a timedelta that is worth the same and says the same: a day and
    /// 24 hours are two things.
    fn delta(&self) -> Option<(i64, i64)> {
        let days = i64::from(self.days) + self.us.div_euclid(DAY_US);
        let us = self.us.rem_euclid(DAY_US);
        let is_python_s = self.months == 0
            && (-DELTA_DAYS_MAX..=DELTA_DAYS_MAX).contains(&days)
            && Self::of_delta(days, us) == (self.days.into(), self.us);
        is_python_s.then_some((days, us))
    }
}

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "fasterapi.pg.types", "Interval")
}

/// A timedelta; one of its subclass `Interval` when it has months, or more hours than a day.
pub(super) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let parts = Parts::parse(bytes)?;
    let Some((days, us)) = parts.delta() else {
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
    let (days, us) = Parts::of_delta(delta.get_days().into(), us);
    let days = i32::try_from(days).unwrap_or_default();
    put(
        &Parts {
            months: 0,
            days,
            us,
        },
        out,
    );
    Ok(())
}

pub(super) fn put(parts: &Parts, out: &mut BytesMut) {
    out.put_i64(parts.us);
    out.put_i32(parts.days);
    out.put_i32(parts.months);
}

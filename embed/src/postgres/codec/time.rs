//! Dates, times and timestamps: days and microseconds since the beginning of 2000.

use super::calendar::{self, DAY_US, Moment};
use super::out_of_range::{OutOfRange, given_back};
use super::wire::{Malformed, Reader, exactly, expected_instance};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{
    PyDate, PyDateAccess, PyDateTime, PyDelta, PyDeltaAccess, PyTime, PyTimeAccess, PyTzInfo,
    PyTzInfoAccess,
};

pub(super) const SECOND_US: i64 = 1_000_000;

pub(super) fn decode_date<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let days = i32::from_be_bytes(exactly(bytes)?);
    let days = match days {
        i32::MAX => calendar::DAYS_MAX,
        i32::MIN => calendar::DAYS_MIN,
        days => i64::from(days),
    };
    if !calendar::is_within_python(days) {
        return OutOfRange::Date.make(py, bytes);
    }
    let (year, month, day) = calendar::date(days);
    Ok(PyDate::new(py, year, month, day)?.into_any())
}

pub(super) fn encode_date(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let Ok(date) = value.cast::<PyDate>() else {
        return match given_back(value, OutOfRange::Date)? {
            Some(wire) => put(out, &wire),
            None => Err(expected_instance("datetime.date", value)),
        };
    };
    out.put_i32(match days_of(date) {
        calendar::DAYS_MAX => i32::MAX,
        calendar::DAYS_MIN => i32::MIN,
        days => i32::try_from(days).unwrap_or_default(),
    });
    Ok(())
}

fn put(out: &mut BytesMut, wire: &[u8]) -> PyResult<()> {
    out.put_slice(wire);
    Ok(())
}

fn days_of(date: &impl PyDateAccess) -> i64 {
    calendar::days(date.get_year(), date.get_month(), date.get_day())
}

fn time_of_day(time: &impl PyTimeAccess) -> i64 {
    let minutes = i64::from(time.get_hour()) * 60 + i64::from(time.get_minute());
    let seconds = minutes * 60 + i64::from(time.get_second());
    seconds * SECOND_US + i64::from(time.get_microsecond())
}

/// A timestamp without a time zone.
pub(super) fn decode_timestamp<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let value = i64::from_be_bytes(exactly(bytes)?);
    match Moment::of(value) {
        Some(moment) => datetime(py, &moment, None),
        None => OutOfRange::Timestamp.make(py, bytes),
    }
}

/// A timestamp with a time zone is in UTC; the infinities are in none, as asyncpg has them.
pub(super) fn decode_timestamptz<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    let value = i64::from_be_bytes(exactly(bytes)?);
    match Moment::of(value) {
        Some(moment) if value == i64::MAX || value == i64::MIN => datetime(py, &moment, None),
        Some(moment) => {
            let utc = PyTzInfo::utc(py)?;
            datetime(py, &moment, Some(&utc))
        }
        None => OutOfRange::TimestampTz.make(py, bytes),
    }
}

fn datetime<'py>(
    py: Python<'py>,
    moment: &Moment,
    zone: Option<&Bound<'py, PyTzInfo>>,
) -> PyResult<Bound<'py, PyAny>> {
    let Moment {
        date: (year, month, day),
        time: (hour, minute, second, microsecond),
    } = *moment;
    let made = PyDateTime::new(
        py,
        year,
        month,
        day,
        hour,
        minute,
        second,
        microsecond,
        zone,
    )?;
    Ok(made.into_any())
}

pub(super) fn encode_timestamp(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    if let Ok(moment) = value.cast::<PyDateTime>() {
        if moment.get_tzinfo().is_some() {
            return Err(PyTypeError::new_err(
                "can't subtract offset-naive and offset-aware datetimes",
            ));
        }
        out.put_i64(or_infinity(local_us(moment)));
        return Ok(());
    }
    if let Ok(date) = value.cast::<PyDate>() {
        out.put_i64(days_of(date) * DAY_US);
        return Ok(());
    }
    match given_back(value, OutOfRange::Timestamp)? {
        Some(wire) => put(out, &wire),
        None => Err(expected_instance(
            "datetime.date or datetime.datetime",
            value,
        )),
    }
}

pub(super) fn encode_timestamptz(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let py = value.py();
    if let Ok(moment) = value.cast::<PyDateTime>() {
        let offset = match moment.get_tzinfo() {
            None => None,
            Some(zone) if zone.is(PyTzInfo::utc(py)?) => Some(0),
            Some(_) => offset_us(value)?,
        };
        let us = local_us(moment);
        out.put_i64(match offset {
            Some(offset) => us - offset,
            None if or_infinity(us) != us => or_infinity(us),
            None => us_in_utc(value)?,
        });
        return Ok(());
    }
    if let Ok(date) = value.cast::<PyDate>() {
        let (year, month, day) = (date.get_year(), date.get_month(), date.get_day());
        let midnight = PyDateTime::new(py, year, month, day, 0, 0, 0, 0, None)?;
        out.put_i64(us_in_utc(&midnight)?);
        return Ok(());
    }
    match given_back(value, OutOfRange::TimestampTz)? {
        Some(wire) => put(out, &wire),
        None => Err(expected_instance(
            "datetime.date or datetime.datetime",
            value,
        )),
    }
}

fn local_us(moment: &Bound<'_, PyDateTime>) -> i64 {
    days_of(moment) * DAY_US + time_of_day(moment)
}

/// The last and the first moment that Python knows stand for the infinities, as with asyncpg.
fn or_infinity(us: i64) -> i64 {
    match us {
        calendar::US_MAX => i64::MAX,
        calendar::US_MIN => i64::MIN,
        us => us,
    }
}

/// A moment without a zone is in that of this machine.
fn us_in_utc(moment: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = moment.py();
    let utc = PyTzInfo::utc(py)?;
    let moved = moment.call_method1(pyo3::intern!(py, "astimezone"), (utc,))?;
    Ok(local_us(moved.cast::<PyDateTime>()?))
}

/// `value.utcoffset()`, in microseconds.
fn offset_us(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    let offset = value.call_method0(pyo3::intern!(value.py(), "utcoffset"))?;
    if offset.is_none() {
        return Ok(None);
    }
    Ok(Some(delta_us(offset.cast::<PyDelta>()?)))
}

fn delta_us(delta: &Bound<'_, PyDelta>) -> i64 {
    let seconds = i64::from(delta.get_seconds()) * SECOND_US;
    i64::from(delta.get_days()) * DAY_US + seconds + i64::from(delta.get_microseconds())
}

/// Microseconds since midnight.
pub(super) fn time_of(bytes: &[u8]) -> Result<i64, Malformed> {
    let us = i64::from_be_bytes(exactly(bytes)?);
    // PostgreSQL's day may end at 24:00.
    if (0..=DAY_US).contains(&us) {
        Ok(us)
    } else {
        Err(Malformed("a time outside of the day"))
    }
}

pub(super) fn decode_time<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let us = time_of(bytes)?;
    if us == DAY_US {
        return OutOfRange::Time.make(py, bytes);
    }
    let (hour, minute, second, microsecond) = calendar::time(us);
    Ok(PyTime::new(py, hour, minute, second, microsecond, None)?.into_any())
}

pub(super) fn encode_time(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let Ok(time) = value.cast::<PyTime>() else {
        return match given_back(value, OutOfRange::Time)? {
            Some(wire) => put(out, &wire),
            None => Err(expected_instance("datetime.time", value)),
        };
    };
    out.put_i64(time_of_day(time));
    Ok(())
}

/// The time and the seconds that its zone is west of Greenwich.
pub(super) fn decode_timetz<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let (us, west_s) = timetz_of(bytes)?;
    if us == DAY_US {
        return OutOfRange::TimeTz.make(py, bytes);
    }
    let offset = PyDelta::new(py, 0, -west_s, 0, true)?;
    let zone = PyTzInfo::fixed_offset(py, offset)?;
    let (hour, minute, second, microsecond) = calendar::time(us);
    Ok(PyTime::new(py, hour, minute, second, microsecond, Some(&zone))?.into_any())
}

/// Microseconds, and seconds west of Greenwich.
pub(super) fn timetz_of(bytes: &[u8]) -> Result<(i64, i32), Malformed> {
    let mut reader = Reader::new(bytes);
    let (us, west_s) = (reader.i64()?, reader.i32()?);
    reader.end()?;
    if !(0..=DAY_US).contains(&us) || !(-86_399..=86_399).contains(&west_s) {
        return Err(Malformed("a time outside of the day"));
    }
    Ok((us, west_s))
}

pub(super) fn encode_timetz(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let Ok(time) = value.cast::<PyTime>() else {
        return match given_back(value, OutOfRange::TimeTz)? {
            Some(wire) => put(out, &wire),
            None => Err(expected_instance("datetime.time", value)),
        };
    };
    let offset = offset_us(value)?.ok_or_else(|| {
        PyTypeError::new_err("expected a datetime.time with a time zone of fixed offset")
    })?;
    if offset % SECOND_US != 0 {
        let problem = "the offset of a time zone must be whole seconds";
        return Err(PyValueError::new_err(problem));
    }
    out.put_i64(time_of_day(time));
    out.put_i32(i32::try_from(-offset / SECOND_US).unwrap_or_default());
    Ok(())
}

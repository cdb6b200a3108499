//! `numeric`: groups of four decimal digits, exact, with its scale.

use super::number::out_of_range;
use super::wire::{Malformed, Reader, kind_of};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyInt, PyString, PyType};
use smallvec::SmallVec;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// Most digits after the point that PostgreSQL keeps (`NUMERIC_DSCALE_MAX`).
const SCALE_MAX: u16 = 0x3FFF;
const GROUP_DIGITS: usize = 4;
/// A whole number that ends in more zero groups than that is written with an exponent: 1e130000
/// is worth neither its memory nor the time.
const ZERO_GROUPS_MAX: usize = 64;

/// The text of a number, or its digits: nearly all are shorter.
pub(super) type Digits = SmallVec<[u8; 64]>;

/// A `numeric` as the server sends it.
pub(super) struct Numeric<'a> {
    groups: &'a [u8],
    /// How many groups stand before the point, less one.
    weight: i16,
    sign: u16,
    /// Digits after the point.
    scale: u16,
}

impl<'a> Numeric<'a> {
    /// # Errors
    /// For what is no such value.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let count = usize::from(reader.u16()?);
        let (weight, sign, scale) = (reader.i16()?, reader.u16()?, reader.u16()?);
        let groups = reader.take(count * 2)?;
        reader.end()?;
        if scale > SCALE_MAX {
            return Err(Malformed("a scale out of range"));
        }
        let signs = [POSITIVE, NEGATIVE, NAN, INFINITY, NEGATIVE_INFINITY];
        if !signs.contains(&sign) {
            return Err(Malformed("an unknown sign"));
        }
        let parsed = Self {
            groups,
            weight,
            sign,
            scale,
        };
        if (0..count).any(|index| parsed.group(index) > 9999) {
            return Err(Malformed("a group of more than four digits"));
        }
        Ok(parsed)
    }

    /// NaN and the infinities, by name.
    pub(super) fn special(&self) -> Option<&'static str> {
        match self.sign {
            NAN => Some("NaN"),
            INFINITY => Some("Infinity"),
            NEGATIVE_INFINITY => Some("-Infinity"),
            _ => None,
        }
    }

    fn group(&self, index: usize) -> u16 {
        match self.groups.get(index * 2..index * 2 + 2) {
            Some(&[high, low]) => u16::from_be_bytes([high, low]),
            _ => 0,
        }
    }

    /// Writes it as `Decimal` and JSON read it, with an exponent where that saves much if
    /// `may_shorten`; not for special values.
    pub(super) fn write(&self, may_shorten: bool, out: &mut Digits) {
        if self.sign == NEGATIVE {
            out.push(b'-');
        }
        let before = usize::try_from(i32::from(self.weight) + 1).unwrap_or(0);
        let count = self.groups.len() / 2;
        let is_round = self.scale == 0 && count > 0 && before > count + ZERO_GROUPS_MAX;
        if is_round && may_shorten {
            return self.write_round(out, before - count);
        }
        let start = out.len();
        for index in 0..before {
            push_group(out, self.group(index));
        }
        strip_zeros(out, start);
        if self.scale > 0 {
            out.push(b'.');
            let point = out.len();
            let end = point + usize::from(self.scale);
            let mut place = i32::from(self.weight) + 1 - i32::try_from(before).unwrap_or(0);
            while out.len() < end {
                // Before the first group there are zeros: `before` is 0 then.
                match usize::try_from(place) {
                    Ok(place) => push_group(out, self.group(before + place)),
                    Err(_) => push_group(out, 0),
                }
                place += 1;
            }
            out.truncate(end);
        }
    }

    fn write_round(&self, out: &mut Digits, zero_groups: usize) {
        let start = out.len();
        for index in 0..self.groups.len() / 2 {
            push_group(out, self.group(index));
        }
        strip_zeros(out, start);
        let mut exponent = zero_groups * GROUP_DIGITS;
        while out.len() > start + 1 && out.last() == Some(&b'0') {
            out.pop();
            exponent += 1;
        }
        out.extend_from_slice(format!("E{exponent}").as_bytes());
    }
}

fn push_group(out: &mut Digits, group: u16) {
    let (high, low) = (group / 100, group % 100);
    let digits = [high / 10, high % 10, low / 10, low % 10];
    // Each is less than ten: groups are checked when the value is parsed.
    out.extend(digits.map(|digit| b'0' + digit.to_be_bytes()[1]));
}

/// Leaves one digit at least.
fn strip_zeros(out: &mut Digits, start: usize) {
    if out.len() == start {
        out.push(b'0');
        return;
    }
    let digits = &out[start..];
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let zeros = zeros.min(digits.len() - 1);
    out.drain(start..start + zeros);
}

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    DECIMAL.import(py, "decimal", "Decimal")
}

pub(super) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let number = Numeric::parse(bytes)?;
    if let Some(name) = number.special() {
        return class(py)?.call1((name,));
    }
    let mut text = Digits::new();
    number.write(true, &mut text);
    class(py)?.call1((PyString::from_bytes(py, &text)?,))
}

pub(super) fn encode(value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let py = value.py();
    if let Ok(int) = value.cast_exact::<PyInt>()
        && let Ok(small) = int.extract::<i64>()
    {
        return put(small.to_string().as_bytes(), out);
    }
    let class = class(py)?;
    let text = if value.is_instance(class)? {
        value.str()?
    } else if let Ok(text) = value.cast::<PyString>() {
        text.clone()
    } else if value.cast::<PyFloat>().is_ok() {
        // The shortest that reads back as the same float; a subclass may print otherwise.
        PyFloat::new(py, value.extract()?).repr()?
    } else {
        // By way of Decimal: Python refuses to print integers of more than 4,300 digits.
        let index = value.call_method0(pyo3::intern!(py, "__index__"));
        let whole = index.map_err(|_| {
            let kind = kind_of(value);
            PyTypeError::new_err(format!(
                "conversion from {kind} to Decimal is not supported"
            ))
        })?;
        class.call1((whole,))?.str()?
    };
    put(text.to_str()?.as_bytes(), out)
}

/// Writes the number that `text` says, in the forms that `Decimal` prints and reads.
pub(super) fn put(text: &[u8], out: &mut BytesMut) -> PyResult<()> {
    let text = text.trim_ascii();
    let (is_negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let special = |sign: u16, out: &mut BytesMut| {
        out.put_u32(0);
        out.put_u16(sign);
        out.put_u16(0);
    };
    if text.eq_ignore_ascii_case(b"infinity") || text.eq_ignore_ascii_case(b"inf") {
        let sign = [INFINITY, NEGATIVE_INFINITY][usize::from(is_negative)];
        special(sign, out);
        return Ok(());
    }
    let lower = text.to_ascii_lowercase();
    let nan = lower.strip_prefix(b"s").unwrap_or(&lower);
    if let Some(payload) = nan.strip_prefix(b"nan")
        && payload.iter().all(u8::is_ascii_digit)
    {
        special(NAN, out);
        return Ok(());
    }
    let problem = || {
        let text = String::from_utf8_lossy(text);
        PyValueError::new_err(format!("invalid syntax for type numeric: '{text}'"))
    };
    let number = Plain::parse(text).ok_or_else(problem)?;
    number.put(is_negative, out)
}

/// Digits and where the point stands among them.
struct Plain {
    digits: Digits,
    /// Digits before the point; negative when zeros follow the point first.
    point: i64,
    scale: i64,
}

impl Plain {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut digits = Digits::new();
        let mut before = None;
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            match byte {
                b'0'..=b'9' => digits.push(byte - b'0'),
                b'.' if before.is_none() => before = Some(digits.len()),
                b'e' | b'E' => break,
                _ => return None,
            }
            rest = after;
        }
        let exponent = match rest.split_first() {
            None => 0,
            Some((_, exponent)) => exponent_of(exponent)?,
        };
        if digits.is_empty() {
            return None;
        }
        let before = before.unwrap_or(digits.len());
        let fraction = i64::try_from(digits.len() - before).ok()?;
        let zeros = digits.iter().take_while(|&&digit| digit == 0).count();
        let point = i64::try_from(before).ok()? + exponent - i64::try_from(zeros).ok()?;
        digits.drain(..zeros);
        Some(Self {
            digits,
            point,
            scale: (fraction - exponent).max(0),
        })
    }

    fn put(self, is_negative: bool, out: &mut BytesMut) -> PyResult<()> {
        let scale = u16::try_from(self.scale).ok();
        let scale = scale.filter(|&scale| scale <= SCALE_MAX).ok_or_else(|| {
            let problem = format!("more than {SCALE_MAX} digits after the point");
            PyValueError::new_err(problem)
        })?;
        let start = out.len();
        out.put_u16(0);
        if self.digits.is_empty() {
            out.put_slice(&[0; 4]);
            out.put_u16(scale);
            return Ok(());
        }
        // Groups are counted from the point, so the first one may have fewer digits.
        let group = 4;
        let weight = (self.point - 1).div_euclid(group);
        let weight = i16::try_from(weight).map_err(|_| out_of_range("numeric"))?;
        out.put_i16(weight);
        out.put_u16(if is_negative { NEGATIVE } else { POSITIVE });
        out.put_u16(scale);
        let first = usize::try_from((self.point - 1).rem_euclid(group) + 1).unwrap_or(1);
        let first = first.min(self.digits.len());
        let (head, tail) = self.digits.split_at(first);
        let value = |digits: &[u8]| {
            let digits = digits.iter();
            digits.fold(0, |sum, &digit| sum * 10 + u16::from(digit))
        };
        let missing = |digits: &[u8], wanted: usize| {
            let zeros = u32::try_from(wanted - digits.len()).unwrap_or(0);
            value(digits) * 10_u16.pow(zeros)
        };
        let head_wanted = usize::try_from((self.point - 1).rem_euclid(group) + 1).unwrap_or(1);
        out.put_u16(missing(head, head_wanted));
        for digits in tail.chunks(GROUP_DIGITS) {
            out.put_u16(missing(digits, GROUP_DIGITS));
        }
        while out.len() > start + 10 && out.ends_with(&[0, 0]) {
            out.truncate(out.len() - 2);
        }
        let groups = u16::try_from((out.len() - start - 8) / 2);
        let groups = groups.map_err(|_| out_of_range("numeric"))?;
        out[start..start + 2].copy_from_slice(&groups.to_be_bytes());
        Ok(())
    }
}

/// Whoever writes an exponent of more digits than that means an infinity.
const EXPONENT_DIGITS_MAX: usize = 12;

fn exponent_of(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+"));
    let digits = digits.unwrap_or(text);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !is_number || digits.len() > EXPONENT_DIGITS_MAX {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

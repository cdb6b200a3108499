//! Pydantic models to JSON text by their schema, without pydantic: for values that are what it says.
//!
//! Whatever is not exactly as the schema has it (a subclass, a NaN, a field too many) is left to
//! pydantic, which knows what becomes of it: [`Unlike`].

use crate::convert::model_shape::{Field, Model, Shape};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDateTime, PyDelta, PyDeltaAccess, PyDict, PyFloat, PyInt, PyList, PyString,
    PyTimeAccess, PyTzInfoAccess,
};
use serde::Serialize;

/// Deepest nesting that is written; circular objects end here too.
const DEPTH_MAX: u32 = 100;

/// The value is not what its shape says, or cannot be written: nothing is said about it here.
#[derive(Debug)]
pub(crate) struct Unlike;

impl From<PyErr> for Unlike {
    fn from(_: PyErr) -> Self {
        Self
    }
}

impl From<pyo3::CastError<'_, '_>> for Unlike {
    fn from(_: pyo3::CastError<'_, '_>) -> Self {
        Self
    }
}

type Written = Result<(), Unlike>;

/// Writes `value` as JSON; what was written before an error is of no use.
///
/// # Errors
/// [`Unlike`].
pub(crate) fn write(out: &mut Vec<u8>, shape: &Shape, value: &Bound<'_, PyAny>) -> Written {
    Writer { out, depth: 0 }.value(shape, value)
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    depth: u32,
}

impl Writer<'_> {
    /// `value` may be lent: what can run code, in Python too, gets a reference of its own.
    fn value(&mut self, shape: &Shape, value: &Bound<'_, PyAny>) -> Written {
        match shape {
            Shape::Int => self.int(value),
            Shape::Text => self.text(value.cast_exact::<PyString>()?),
            Shape::Float => self.float(value.cast_exact::<PyFloat>()?.value()),
            Shape::Bool => self.plain(value.cast_exact::<PyBool>()?.is_true()),
            Shape::Null if value.is_none() => self.null(),
            Shape::Null => Err(Unlike),
            Shape::DateTime => self.datetime(&value.cast_exact::<PyDateTime>()?.clone()),
            Shape::Nullable(_) if value.is_none() => self.null(),
            Shape::Nullable(inner) => self.value(inner, value),
            Shape::List(items) => self.list(items, &value.cast_exact::<PyList>()?.clone()),
            Shape::Dict(values) => self.dict(values, &value.cast_exact::<PyDict>()?.clone()),
            Shape::Model(model) => self.nested(|writer| writer.model(model, &value.clone())),
            Shape::Any => self.any(value),
            Shape::Member(members) => self.member(members, value),
            Shape::Other(to_json) => self.other(to_json, &value.clone()),
        }
    }

    /// Writes what serde_json writes without help.
    fn plain(&mut self, value: impl Serialize) -> Written {
        serde_json::to_writer(&mut *self.out, &value).map_err(|_| Unlike)
    }

    fn null(&mut self) -> Written {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn int(&mut self, value: &Bound<'_, PyAny>) -> Written {
        let small: i64 = value.cast_exact::<PyInt>()?.extract()?;
        self.plain(small)
    }

    fn float(&mut self, value: f64) -> Written {
        if value.is_finite() {
            self.plain(value)
        } else {
            Err(Unlike)
        }
    }

    fn text(&mut self, text: &Bound<'_, PyString>) -> Written {
        let text = text.to_str()?;
        if is_plain(text.as_bytes()) {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
            return Ok(());
        }
        self.plain(text)
    }

    /// Writes something one level deeper.
    fn nested(&mut self, write: impl FnOnce(&mut Self) -> Written) -> Written {
        if self.depth >= DEPTH_MAX {
            return Err(Unlike);
        }
        self.depth += 1;
        let written = write(self);
        self.depth -= 1;
        written
    }

    fn list(&mut self, items: &Shape, list: &Bound<'_, PyList>) -> Written {
        self.nested(|writer| {
            let mut before = b'[';
            for_each_item(list, |item| {
                writer.out.push(before);
                before = b',';
                writer.value(items, &item)
            })?;
            writer.end(before, b'[', b']');
            Ok(())
        })
    }

    fn dict(&mut self, values: &Shape, dict: &Bound<'_, PyDict>) -> Written {
        self.nested(|writer| {
            let mut before = b'{';
            for_each(dict, |key, value| {
                writer.out.push(before);
                let key = key.cast_exact::<PyString>()?;
                writer.text(&key)?;
                writer.out.push(b':');
                before = b',';
                writer.value(values, &value)
            })?;
            writer.end(before, b'{', b'}');
            Ok(())
        })
    }

    /// Ends a collection; one without members has not been begun.
    fn end(&mut self, before: u8, open: u8, close: u8) {
        if before == open {
            self.out.push(open);
        }
        self.out.push(close);
    }

    /// The fields in the order in which the object has them, as pydantic writes them.
    fn model(&mut self, model: &Model, object: &Bound<'_, PyAny>) -> Written {
        if object.get_type_ptr() != model.class.as_ptr().cast() {
            return Err(Unlike);
        }
        let mut before = b'{';
        let (mut seen, mut expected) = (0, 0);
        for_each(&attributes_of(object)?, |name, value| {
            let at = model.place_of(&name, expected).ok_or(Unlike)?;
            seen += 1;
            expected = at + 1;
            let Field { key, shape, .. } = &model.fields[at];
            let Some(shape) = shape else {
                return Ok(());
            };
            self.out.push(before);
            key.write(self.out);
            before = b',';
            self.value(shape, &value)
        })?;
        if seen != model.fields.len() {
            return Err(Unlike);
        }
        self.end(before, b'{', b'}');
        Ok(())
    }

    /// What needs no schema: the plain types that JSON has.
    fn any(&mut self, value: &Bound<'_, PyAny>) -> Written {
        if let Ok(text) = value.cast_exact::<PyString>() {
            self.text(text)
        } else if value.cast_exact::<PyInt>().is_ok() {
            self.int(value)
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            self.dict(&Shape::Any, &dict.clone())
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            self.list(&Shape::Any, &list.clone())
        } else if value.is_none() {
            self.null()
        } else if let Ok(flag) = value.cast_exact::<PyBool>() {
            self.plain(flag.is_true())
        } else {
            self.float(value.cast_exact::<PyFloat>()?.value())
        }
    }

    fn member(&mut self, members: &[(Py<PyAny>, Box<[u8]>)], value: &Bound<'_, PyAny>) -> Written {
        let is_it = |(member, _): &&(Py<PyAny>, _)| member.as_ptr() == value.as_ptr();
        let (_, json) = members.iter().find(is_it).ok_or(Unlike)?;
        self.out.extend_from_slice(json);
        Ok(())
    }

    fn other(&mut self, to_json: &Py<PyAny>, value: &Bound<'_, PyAny>) -> Written {
        let json = to_json.bind(value.py()).call1((value,))?;
        self.out
            .extend_from_slice(json.cast_exact::<PyBytes>()?.as_bytes());
        Ok(())
    }

    /// As pydantic does: ISO 8601, `Z` for UTC, microseconds only where there are some.
    fn datetime(&mut self, moment: &Bound<'_, PyDateTime>) -> Written {
        use pyo3::types::PyDateAccess;
        let (year, month, day) = (moment.get_year(), moment.get_month(), moment.get_day());
        let year = u32::try_from(year).map_err(|_| Unlike)?;
        self.out.push(b'"');
        self.digits(year, 4);
        self.digits_after(b'-', u32::from(month));
        self.digits_after(b'-', u32::from(day));
        self.digits_after(b'T', u32::from(moment.get_hour()));
        self.digits_after(b':', u32::from(moment.get_minute()));
        self.digits_after(b':', u32::from(moment.get_second()));
        let micros = moment.get_microsecond();
        if micros != 0 {
            self.out.push(b'.');
            self.digits(micros, 6);
        }
        self.offset(moment)?;
        self.out.push(b'"');
        Ok(())
    }

    fn offset(&mut self, moment: &Bound<'_, PyDateTime>) -> Written {
        let py = moment.py();
        if moment.get_tzinfo().is_none() {
            return Ok(());
        }
        let offset = moment.call_method0(pyo3::intern!(py, "utcoffset"))?;
        let offset = offset.cast_exact::<PyDelta>()?;
        let seconds = offset.get_days() * 86_400 + offset.get_seconds();
        if seconds % 60 != 0 || offset.get_microseconds() != 0 {
            return Err(Unlike);
        }
        if seconds == 0 {
            self.out.push(b'Z');
            return Ok(());
        }
        let sign = if seconds < 0 { b'-' } else { b'+' };
        let minutes = seconds.unsigned_abs() / 60;
        self.digits_after(sign, minutes / 60);
        self.digits_after(b':', minutes % 60);
        Ok(())
    }

    fn digits_after(&mut self, before: u8, number: u32) {
        self.out.push(before);
        self.digits(number, 2);
    }

    /// The last `count` digits of `number`.
    fn digits(&mut self, number: u32, count: u32) {
        for place in (0..count).rev() {
            let digit = number / 10_u32.pow(place) % 10;
            self.out.push(b'0' + u8::try_from(digit).unwrap_or(0));
        }
    }
}

/// Whether JSON has these bytes of a text as they are.
fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let is_odd = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    !words
        .iter()
        .any(|word| has_odd_byte(u64::from_ne_bytes(*word)))
        && !rest.iter().any(is_odd)
}

/// Whether a byte of `word` is below 0x20, a quote or a backslash: a byte is zero exactly where
/// subtracting one from each borrows into a high bit that was clear.
fn has_odd_byte(word: u64) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES * 0x80;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = is_zero(word ^ (ONES * u64::from(b'"')));
    let backslash = is_zero(word ^ (ONES * u64::from(b'\\')));
    (below_space | quote | backslash) & HIGH != 0
}

/// The dictionary of an object's own attributes.
fn attributes_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = object.py();
    // SAFETY: the object is alive; the call gives a new reference, or null with an exception set.
    let attributes = unsafe {
        let found = ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut());
        Bound::from_owned_ptr_or_err(py, found)
    }?;
    Ok(attributes.cast_into::<PyDict>()?)
}

/// Calls `act` with each key and value, until it fails. Both are lent: whoever runs code that may
/// change the dictionary has a reference of its own first.
///
/// Unlike pyo3's iterator this does not panic when the dictionary changes meanwhile.
fn for_each<'py>(
    dict: &Bound<'py, PyDict>,
    mut act: impl FnMut(Borrowed<'_, 'py, PyAny>, Borrowed<'_, 'py, PyAny>) -> Written,
) -> Written {
    let py = dict.py();
    let mut place = 0;
    let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
    loop {
        // SAFETY: the dictionary is alive and the interpreter lock is held. `PyDict_Next` checks
        // `place` against the dictionary as it is now and lends two references.
        let (key, value) = unsafe {
            if ffi::PyDict_Next(dict.as_ptr(), &raw mut place, &raw mut key, &raw mut value) == 0 {
                return Ok(());
            }
            (Borrowed::from_ptr(py, key), Borrowed::from_ptr(py, value))
        };
        act(key, value)?;
    }
}

/// Calls `act` with each item, as [`for_each`] does.
fn for_each_item<'py>(
    list: &Bound<'py, PyList>,
    mut act: impl FnMut(Borrowed<'_, 'py, PyAny>) -> Written,
) -> Written {
    let mut at = 0;
    // The list may change meanwhile: its length is read anew each time.
    while at < list.len() {
        // SAFETY: the list is alive and has that item, to which it lends a reference.
        let item = unsafe {
            let at = ffi::Py_ssize_t::try_from(at).map_err(|_| Unlike)?;
            Borrowed::from_ptr(list.py(), ffi::PyList_GET_ITEM(list.as_ptr(), at))
        };
        act(item)?;
        at += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn every_byte_is_told_at_every_place() {
        for length in [1, 7, 8, 9, 16, 19] {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    let odd = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(is_plain(&text), !odd, "{byte} at {place} of {length}");
                }
            }
        }
    }
}

//! Python objects to JSON text, by serde_json, without objects in between.

use crate::convert::other_types::{Rendered, render_other};
use pyo3::exceptions::{PyRecursionError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;
use std::cell::Cell;

/// Deepest nesting that is written; circular objects end here too.
const DEPTH_MAX: u32 = 500;
/// Room for a small object, in bytes.
const SMALL_BYTES: usize = 128;

/// Writes `object` as JSON, in the form FastAPI's `jsonable_encoder` and `JSONResponse` give it.
///
/// # Errors
/// `ValueError` for what JSON cannot hold (NaN, infinities, unknown objects), `RecursionError`
/// for what is nested too deeply, and whatever the object's own methods raise.
pub(crate) fn to_json(object: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let failure = Failure::default();
    let mut out = Vec::with_capacity(SMALL_BYTES);
    let value = Value {
        object,
        depth: 0,
        failure: &failure,
    };
    match serde_json::to_writer(&mut out, &value) {
        Ok(()) => Ok(out),
        Err(error) => Err(failure
            .error
            .take()
            .unwrap_or_else(|| PyValueError::new_err(error.to_string()))),
    }
}

/// Carries a Python exception past serde, whose errors are text.
#[derive(Default)]
struct Failure {
    error: Cell<Option<PyErr>>,
}

impl Failure {
    fn raise<E: serde::ser::Error>(&self, error: PyErr) -> E {
        self.error.set(Some(error));
        E::custom("a Python exception")
    }
}

struct Value<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    depth: u32,
    failure: &'a Failure,
}

impl<'a, 'py> Value<'a, 'py> {
    fn inner<'b>(&'b self, object: &'b Bound<'py, PyAny>) -> Value<'b, 'py> {
        Value {
            object,
            depth: self.depth + 1,
            failure: self.failure,
        }
    }

    fn string<S: Serializer>(&self, text: &Bound<'py, PyString>, to: S) -> Result<S::Ok, S::Error> {
        match text.to_str() {
            Ok(text) => to.serialize_str(text),
            Err(error) => Err(self.failure.raise(error)),
        }
    }

    fn int<S: Serializer>(&self, int: &Bound<'py, PyAny>, to: S) -> Result<S::Ok, S::Error> {
        if let Ok(small) = int.extract::<i64>() {
            return to.serialize_i64(small);
        }
        let digits = int.str().and_then(|text| Ok(text.to_str()?.to_owned()));
        let raw = match digits.map(RawValue::from_string) {
            Ok(Ok(raw)) => raw,
            Ok(Err(error)) => return Err(S::Error::custom(error)),
            Err(error) => return Err(self.failure.raise(error)),
        };
        raw.serialize(to)
    }

    fn float<S: Serializer>(&self, value: f64, to: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            return to.serialize_f64(value);
        }
        Err(self.failure.raise(PyValueError::new_err(format!(
            "Out of range float values are not JSON compliant: {value}"
        ))))
    }

    fn dict<S: Serializer>(&self, dict: &Bound<'py, PyDict>, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(dict.len()))?;
        for (key, value) in dict.iter() {
            if let Ok(text) = key.cast_exact::<PyString>() {
                match text.to_str() {
                    Ok(text) => map.serialize_key(text)?,
                    Err(error) => return Err(self.failure.raise(error)),
                }
            } else {
                map.serialize_key(&key_text(&key).map_err(|e| self.failure.raise(e))?)?;
            }
            map.serialize_value(&self.inner(&value))?;
        }
        map.end()
    }

    fn sequence<S: Serializer>(
        &self,
        length: usize,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut sequence = to.serialize_seq(Some(length))?;
        for item in items {
            sequence.serialize_element(&self.inner(&item))?;
        }
        sequence.end()
    }

    fn other<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rendered = render_other(self.object).map_err(|error| self.failure.raise(error))?;
        match rendered {
            Rendered::Text(text) => to.serialize_str(&text),
            Rendered::Object(object) => self.inner(&object).serialize(to),
            Rendered::Int(int) => self.int(&int, to),
            Rendered::Float(float) => self.float(float, to),
        }
    }
}

impl Serialize for Value<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.depth > DEPTH_MAX {
            let problem = "the object is nested too deeply, or circular, for JSON";
            return Err(self.failure.raise(PyRecursionError::new_err(problem)));
        }
        let object = self.object;
        if let Ok(text) = object.cast_exact::<PyString>() {
            self.string(text, to)
        } else if object.cast_exact::<PyInt>().is_ok() {
            self.int(object, to)
        } else if let Ok(dict) = object.cast_exact::<PyDict>() {
            self.dict(dict, to)
        } else if let Ok(list) = object.cast_exact::<PyList>() {
            self.sequence(list.len(), list.iter(), to)
        } else if object.is_none() {
            to.serialize_unit()
        } else if let Ok(flag) = object.cast_exact::<PyBool>() {
            to.serialize_bool(flag.is_true())
        } else if let Ok(float) = object.cast_exact::<PyFloat>() {
            self.float(float.value(), to)
        } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            self.sequence(tuple.len(), tuple.iter(), to)
        } else {
            self.other(to)
        }
    }
}

/// The text of a key that is no plain `str`, as `json.dumps` and `jsonable_encoder` write it.
fn key_text(key: &Bound<'_, PyAny>) -> PyResult<String> {
    if key.is_none() {
        return Ok("null".into());
    }
    if let Ok(flag) = key.cast_exact::<PyBool>() {
        return Ok(if flag.is_true() { "true" } else { "false" }.into());
    }
    if key.cast_exact::<PyInt>().is_ok() {
        return Ok(key.str()?.to_str()?.to_owned());
    }
    if let Ok(float) = key.cast_exact::<PyFloat>() {
        return Ok(float.repr()?.to_str()?.to_owned());
    }
    match render_other(key)? {
        Rendered::Text(text) => Ok(text),
        Rendered::Object(object) if object.cast_exact::<PyString>().is_ok() => {
            Ok(object.cast_exact::<PyString>()?.to_str()?.to_owned())
        }
        Rendered::Int(int) => Ok(int.str()?.to_str()?.to_owned()),
        Rendered::Float(float) => Ok(float.to_string()),
        Rendered::Object(_) => {
            let kind = key.get_type().name()?;
            Err(PyValueError::new_err(format!(
                "a JSON key cannot be a {kind}"
            )))
        }
    }
}

//! Python objects to JSON text, without objects in between; serde_json writes strings and numbers.

use crate::convert::other_types::{Rendered, render_other};
use pyo3::exceptions::{PyRecursionError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::Serialize;

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
    let mut writer = Writer {
        out: Vec::with_capacity(SMALL_BYTES),
        depth: 0,
    };
    writer.value(object)?;
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    depth: u32,
}

impl Writer {
    fn value(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(text) = object.cast_exact::<PyString>() {
            self.plain(text.to_str()?)
        } else if object.cast_exact::<PyInt>().is_ok() {
            self.int(object)
        } else if let Ok(dict) = object.cast_exact::<PyDict>() {
            self.nested(|writer| writer.dict(dict))
        } else if let Ok(list) = object.cast_exact::<PyList>() {
            self.nested(|writer| writer.items(list.iter()))
        } else if object.is_none() {
            self.out.extend_from_slice(b"null");
            Ok(())
        } else if let Ok(flag) = object.cast_exact::<PyBool>() {
            self.plain(flag.is_true())
        } else if let Ok(float) = object.cast_exact::<PyFloat>() {
            self.float(float.value())
        } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            self.nested(|writer| writer.items(tuple.iter()))
        } else {
            self.nested(|writer| writer.other(object))
        }
    }

    /// Writes what serde_json writes without help.
    fn plain(&mut self, value: impl Serialize) -> PyResult<()> {
        serde_json::to_writer(&mut self.out, &value)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn int(&mut self, int: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(small) = int.extract::<i64>() {
            return self.plain(small);
        }
        let digits = int.str()?;
        self.out.extend_from_slice(digits.to_str()?.as_bytes());
        Ok(())
    }

    fn float(&mut self, value: f64) -> PyResult<()> {
        if value.is_finite() {
            return self.plain(value);
        }
        Err(PyValueError::new_err(format!(
            "Out of range float values are not JSON compliant: {value}"
        )))
    }

    /// Writes something one level deeper.
    fn nested(&mut self, write: impl FnOnce(&mut Self) -> PyResult<()>) -> PyResult<()> {
        if self.depth > DEPTH_MAX {
            let problem = "the object is nested too deeply, or circular, for JSON";
            return Err(PyRecursionError::new_err(problem));
        }
        self.depth += 1;
        let written = write(self);
        self.depth -= 1;
        written
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>) -> PyResult<()> {
        let mut before = b'{';
        for (key, value) in dict.iter() {
            if let Ok(text) = key.cast_exact::<PyString>() {
                let text = text.to_str()?;
                if text.starts_with("_sa") {
                    // SQLAlchemy's own state; FastAPI leaves it out too.
                    continue;
                }
                self.out.push(before);
                self.plain(text)?;
            } else {
                self.out.push(before);
                self.plain(key_text(&key)?)?;
            }
            self.out.push(b':');
            self.value(&value)?;
            before = b',';
        }
        self.end(before, b'{', b'}');
        Ok(())
    }

    fn items<'py>(&mut self, items: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<()> {
        let mut before = b'[';
        for item in items {
            self.out.push(before);
            self.value(&item)?;
            before = b',';
        }
        self.end(before, b'[', b']');
        Ok(())
    }

    /// Ends a collection; one without members has not been begun.
    fn end(&mut self, before: u8, open: u8, close: u8) {
        if before == open {
            self.out.push(open);
        }
        self.out.push(close);
    }

    fn other(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        match render_other(object)? {
            Rendered::Text(text) => self.plain(text),
            Rendered::Json(json) => {
                self.out.extend_from_slice(json.as_bytes());
                Ok(())
            }
            Rendered::Object(object) => self.value(&object),
            Rendered::Int(int) => self.int(&int),
            Rendered::Float(float) => self.float(float),
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
    let plain = match render_other(key)? {
        Rendered::Text(text) => return Ok(text),
        Rendered::Float(float) => PyFloat::new(key.py(), float).into_any(),
        Rendered::Int(object) | Rendered::Object(object) => object,
        Rendered::Json(_) => key.clone(),
    };
    if let Ok(text) = plain.cast::<PyString>() {
        return Ok(text.to_str()?.to_owned());
    }
    if plain.cast::<PyInt>().is_ok() || plain.cast::<PyFloat>().is_ok() || plain.is_none() {
        return key_text(&plain);
    }
    let kind = key.get_type().name()?;
    Err(PyValueError::new_err(format!(
        "a JSON key cannot be a {kind}"
    )))
}

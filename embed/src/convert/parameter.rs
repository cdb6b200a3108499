//! The text of a path or query parameter to the Python value its annotation asks for.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The scalar types a parameter can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Convert {
    Str,
    Int,
    Float,
    Bool,
    Uuid,
}

/// What a 422 answer says about a value: `type` and `msg`, as pydantic words them.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: &'static str,
    pub(crate) message: Cow<'static, str>,
    /// What pydantic adds: its name and value.
    pub(crate) context: Option<(&'static str, Context)>,
}

/// A value in a problem's context.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Context {
    /// The parser's own words.
    Text(String),
    Int(i64),
    Float(f64),
    /// An integer of more than 64 bits.
    Large(Box<RawValue>),
}

impl Context {
    /// As it stands in the message: `3` for 3.0 too.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Int(int) => int.to_string(),
            Self::Float(float) => float.to_string(),
            Self::Large(digits) => digits.get().to_owned(),
        }
    }
}

/// A value that has been read, before it becomes a Python object.
pub(crate) enum Scalar<'t, 'py> {
    Text(&'t str),
    Int(i64),
    /// An integer of more than 64 bits.
    Large(Bound<'py, PyAny>),
    Float(f64),
    Bool(bool),
    Object(Bound<'py, PyAny>),
}

impl<'py> Scalar<'_, 'py> {
    /// The Python object.
    pub(crate) fn object(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Text(text) => PyString::new(py, text).into_any(),
            Self::Int(int) => int.into_pyobject(py)?.into_any(),
            Self::Large(object) | Self::Object(object) => object,
            Self::Float(float) => PyFloat::new(py, float).into_any(),
            Self::Bool(flag) => PyBool::new(py, flag).to_owned().into_any(),
        })
    }
}

impl Problem {
    const fn fixed(kind: &'static str, message: &'static str) -> Self {
        Self {
            kind,
            message: Cow::Borrowed(message),
            context: None,
        }
    }
}

pub(crate) const MISSING: Problem = Problem::fixed("missing", "Field required");
const NOT_INT: Problem = Problem::fixed(
    "int_parsing",
    "Input should be a valid integer, unable to parse string as an integer",
);
const LONG_INT: Problem = Problem::fixed(
    "int_parsing_size",
    "Unable to parse input string as an integer, exceeded maximum size",
);
/// The interpreter's own limit against quadratic conversions.
const INT_DIGITS_MAX: usize = 4300;
const NOT_FLOAT: Problem = Problem::fixed(
    "float_parsing",
    "Input should be a valid number, unable to parse string as a number",
);
const NOT_BOOL: Problem = Problem::fixed(
    "bool_parsing",
    "Input should be a valid boolean, unable to interpret input",
);

impl Convert {
    /// The converter of that name in a route plan.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "int" => Self::Int,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "uuid" => Self::Uuid,
            _ => Self::Str,
        }
    }

    /// Reads a text, or says what is wrong with it.
    pub(crate) fn read<'t, 'py>(
        self,
        py: Python<'py>,
        text: &'t str,
    ) -> Result<Scalar<'t, 'py>, Problem> {
        match self {
            Self::Str => Ok(Scalar::Text(text)),
            Self::Int => match text.parse() {
                Ok(small) => Ok(Scalar::Int(small)),
                Err(_) => int(py, text),
            },
            Self::Float => float(text).map(Scalar::Float).ok_or(NOT_FLOAT),
            Self::Bool => boolean(text).map(Scalar::Bool).ok_or(NOT_BOOL),
            Self::Uuid => uuid(py, text).map(Scalar::Object),
        }
    }

    /// The value that `request.path_params` has: the text itself where it does not convert.
    pub(crate) fn or_text<'py>(self, py: Python<'py>, text: &str) -> Bound<'py, PyAny> {
        let read = self.read(py, text).ok();
        read.and_then(|scalar| scalar.object(py).ok())
            .unwrap_or_else(|| PyString::new(py, text).into_any())
    }
}

/// Digits with an optional sign; pydantic also takes single underscores between digits, blanks
/// around, and a fraction of zeros.
fn int<'t, 'py>(py: Python<'py>, text: &str) -> Result<Scalar<'t, 'py>, Problem> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return Err(NOT_INT),
        None => text,
    };
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let bytes = digits.as_bytes();
    let ends_ok = bytes.first().is_some_and(u8::is_ascii_digit)
        && bytes.last().is_some_and(u8::is_ascii_digit);
    let inner_ok = bytes.iter().all(|b| b.is_ascii_digit() || *b == b'_') && !digits.contains("__");
    if !ends_ok || !inner_ok {
        return Err(NOT_INT);
    }
    let digits = digits.replace('_', "");
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        significant => significant,
    };
    if digits.len() > INT_DIGITS_MAX {
        return Err(LONG_INT);
    }
    let sign = if whole.starts_with('-') { "-" } else { "" };
    let int = py.get_type::<PyInt>().call1((format!("{sign}{digits}"),));
    let int = int.map_err(|_| LONG_INT)?;
    Ok(match int.extract() {
        Ok(small) => Scalar::Int(small),
        Err(_) => Scalar::Large(int),
    })
}

fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let between = |at: usize| {
        let digit = |i: Option<usize>| {
            i.and_then(|i| text.as_bytes().get(i))
                .is_some_and(u8::is_ascii_digit)
        };
        digit(at.checked_sub(1)) && digit(Some(at + 1))
    };
    if !text.match_indices('_').all(|(at, _)| between(at)) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 6] = ["1", "on", "t", "true", "y", "yes"];
    const FALSE: [&str; 6] = ["0", "off", "f", "false", "n", "no"];
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(&TRUE) {
        return Some(true);
    }
    is_one_of(&FALSE).then_some(false)
}

fn uuid<'py>(py: Python<'py>, text: &str) -> Result<Bound<'py, PyAny>, Problem> {
    let problem = |error: String| Problem {
        kind: "uuid_parsing",
        message: format!("Input should be a valid UUID, {error}").into(),
        context: Some(("error", Context::Text(error))),
    };
    let parsed = uuid::Uuid::parse_str(text).map_err(|error| problem(error.to_string()))?;
    uuid_object(py, parsed.as_u128()).map_err(|error| problem(error.to_string()))
}

/// What making a `uuid.UUID` takes, looked up once.
struct UuidParts {
    class: Py<PyAny>,
    make: Py<PyAny>,
    set: Py<PyAny>,
    safety: Py<PyAny>,
}

/// A `uuid.UUID`, without its constructor, which would parse a text once more.
fn uuid_object(py: Python<'_>, value: u128) -> PyResult<Bound<'_, PyAny>> {
    static PARTS: PyOnceLock<UuidParts> = PyOnceLock::new();
    let parts = PARTS.get_or_try_init(py, || -> PyResult<UuidParts> {
        let module = py.import("uuid")?;
        let object = py.get_type::<PyAny>();
        Ok(UuidParts {
            class: module.getattr("UUID")?.unbind(),
            make: object.getattr("__new__")?.unbind(),
            set: object.getattr("__setattr__")?.unbind(),
            safety: module.getattr("SafeUUID")?.getattr("unknown")?.unbind(),
        })
    })?;
    let made = parts.make.bind(py).call1((&parts.class,))?;
    let set = parts.set.bind(py);
    set.call1((&made, pyo3::intern!(py, "int"), value))?;
    set.call1((&made, pyo3::intern!(py, "is_safe"), &parts.safety))?;
    Ok(made)
}

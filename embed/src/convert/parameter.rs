//! The text of a path or query parameter to the Python value its annotation asks for.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: &'static str,
    pub(crate) message: Cow<'static, str>,
    /// The parser's own words, where pydantic passes them on.
    pub(crate) error: Option<String>,
}

impl Problem {
    const fn fixed(kind: &'static str, message: &'static str) -> Self {
        Self {
            kind,
            message: Cow::Borrowed(message),
            error: None,
        }
    }
}

pub(crate) const MISSING: Problem = Problem::fixed("missing", "Field required");
const NOT_INT: Problem = Problem::fixed(
    "int_parsing",
    "Input should be a valid integer, unable to parse string as an integer",
);
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

    /// Converts, or says what is wrong.
    pub(crate) fn apply<'py>(
        self,
        py: Python<'py>,
        text: &str,
    ) -> Result<Bound<'py, PyAny>, Problem> {
        match self {
            Self::Str => Ok(PyString::new(py, text).into_any()),
            Self::Int => int(py, text).ok_or(NOT_INT),
            Self::Float => float(text)
                .map(|f| PyFloat::new(py, f).into_any())
                .ok_or(NOT_FLOAT),
            Self::Bool => boolean(text)
                .map(|flag| PyBool::new(py, flag).to_owned().into_any())
                .ok_or(NOT_BOOL),
            Self::Uuid => uuid(py, text),
        }
    }
}

/// Digits with an optional sign; pydantic also takes single underscores between digits, blanks
/// around, and a fraction of zeros.
fn int<'py>(py: Python<'py>, text: &str) -> Option<Bound<'py, PyAny>> {
    if let Ok(small) = text.parse::<i64>() {
        return Some(small.into_pyobject(py).ok()?.into_any());
    }
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let bytes = digits.as_bytes();
    let ends_ok = bytes.first().is_some_and(u8::is_ascii_digit)
        && bytes.last().is_some_and(u8::is_ascii_digit);
    let inner_ok = bytes.iter().all(|b| b.is_ascii_digit() || *b == b'_') && !digits.contains("__");
    // The interpreter's own limit against quadratic conversions: 4,300 digits.
    if !ends_ok || !inner_ok {
        return None;
    }
    py.get_type::<PyInt>().call1((whole,)).ok()
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
    let lower = text.to_ascii_lowercase();
    if TRUE.contains(&lower.as_str()) {
        return Some(true);
    }
    FALSE.contains(&lower.as_str()).then_some(false)
}

fn uuid<'py>(py: Python<'py>, text: &str) -> Result<Bound<'py, PyAny>, Problem> {
    static UUID: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let problem = |error: String| Problem {
        kind: "uuid_parsing",
        message: format!("Input should be a valid UUID, {error}").into(),
        error: Some(error),
    };
    let parsed = uuid::Uuid::parse_str(text).map_err(|error| problem(error.to_string()))?;
    UUID.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("uuid")?.getattr("UUID")?.unbind())
    })
    .and_then(|class| class.bind(py).call1((parsed.to_string(),)))
    .map_err(|error| problem(error.to_string()))
}

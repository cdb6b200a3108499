//! What goes wrong, as the exceptions of `fasterapi.pg.exceptions`.

use super::codec::Malformed;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use runtime::protocols::Error;
use runtime::protocols::postgres::ErrorFields;
use std::time::Duration;

/// Makes an exception of the class `name`.
fn make(py: Python<'_>, name: &str, message: &str) -> PyErr {
    let made = py
        .import("fasterapi.pg.exceptions")
        .and_then(|module| module.getattr(name))
        .and_then(|class| class.call1((message,)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// A COPY ... FROM STDIN where nobody has data for it.
pub(crate) fn no_copy_data(py: Python<'_>) -> PyErr {
    let problem = "COPY ... FROM STDIN cannot be run as a query";
    let hint = "HINT:  Use copy_to_table() or copy_records_to_table().";
    interface(py, &format!("{problem}\n{hint}"))
}

/// A use of the driver that cannot work.
pub(crate) fn interface(py: Python<'_>, message: &str) -> PyErr {
    make(py, "InterfaceError", message)
}

/// The connection is gone.
pub(crate) fn closed(py: Python<'_>, message: &str) -> PyErr {
    make(py, "ConnectionDoesNotExistError", message)
}

/// What an operation in flight is told when its connection is lost, if the server had said `own`
/// of it: that the server goes is the reason, not the outcome.
pub(crate) fn lost(py: Python<'_>, own: PyErr) -> PyErr {
    // Class 57: operator intervention; P: the session is ended.
    if !sqlstate(py, &own).is_some_and(|state| state.starts_with("57P")) {
        return own;
    }
    let why = own.value(py).to_string();
    let error = closed(
        py,
        &format!("connection was closed in the middle of operation: {why}"),
    );
    error.set_cause(py, Some(own));
    error
}

/// What the server sent is against the protocol.
pub(crate) fn protocol(py: Python<'_>, message: &str) -> PyErr {
    make(py, "ProtocolError", message)
}

/// A value is not of the type that is known under its oid.
pub(crate) fn outdated(py: Python<'_>, message: &str) -> PyErr {
    make(py, "OutdatedSchemaCacheError", message)
}

/// What a decoder had to say: a value that is none of its type is the server's fault.
pub(crate) fn decoding(py: Python<'_>, error: PyErr) -> PyErr {
    let is_malformed = error.is_instance_of::<pyo3::exceptions::PyValueError>(py)
        && error.value(py).to_string().starts_with(Malformed::PREFIX);
    if !is_malformed {
        return error;
    }
    protocol(py, &error.value(py).to_string())
}

/// Whether `error` says that what is known of a type is out of date.
pub(crate) fn is_outdated(py: Python<'_>, error: &PyErr) -> bool {
    let class = py
        .import(pyo3::intern!(py, "fasterapi.pg.exceptions"))
        .and_then(|module| module.getattr(pyo3::intern!(py, "OutdatedSchemaCacheError")));
    class.is_ok_and(|class| error.is_instance(py, &class))
}

/// What was to be sent cannot be sent, as a program's mistake.
pub(crate) fn request(error: Error) -> PyErr {
    Python::attach(|py| interface(py, &error.to_string()))
}

/// The operation took longer than it may.
pub(crate) fn timeout() -> PyErr {
    pyo3::exceptions::PyTimeoutError::new_err(())
}

/// No connection of the pool has become free in time; `cause` is why it has no more of them.
pub(crate) fn no_connection(py: Python<'_>, wait_max: Duration, cause: Option<PyErr>) -> PyErr {
    let waited_s = wait_max.as_secs_f64();
    let mut problem = format!("no connection of the pool was free within {waited_s} s");
    if let Some(cause) = &cause {
        problem.push_str(&format!(", and another one could not be made: {cause}"));
    }
    let error = pyo3::exceptions::PyTimeoutError::new_err(problem);
    error.set_cause(py, cause);
    error
}

/// The argument at `position`, counted from 1, cannot be sent; `element` counts in a batch.
pub(crate) fn argument(
    position: usize,
    element: Option<usize>,
    value: &Bound<'_, PyAny>,
    cause: PyErr,
) -> PyErr {
    let py = value.py();
    if cause.is_instance_of::<pyo3::exceptions::PyNotImplementedError>(py) {
        let message = format!("query argument ${position}: {}", cause.value(py));
        return make(py, "UnsupportedClientFeatureError", &message);
    }
    let inner = cause.value(py).to_string();
    let place = element.map_or_else(String::new, |element| {
        format!(" in element #{element} of executemany() sequence")
    });
    let shown = shown(value);
    let message = format!("invalid input for query argument ${position}{place}: {shown} ({inner})");
    unfit(py, &message, cause)
}

/// An element of a batch's arguments that is no sequence.
pub(crate) fn no_sequence(values: &Bound<'_, PyAny>, element: usize) -> PyErr {
    let kind = values.get_type();
    let kind = kind
        .name()
        .map_or_else(|_| "?".into(), |name| name.to_string());
    make(
        values.py(),
        "DataError",
        &format!(
            "invalid input in executemany() argument sequence element #{element}: \
             expected a sequence, got {kind}"
        ),
    )
}

/// A column whose values cannot be sent in COPY's binary format.
pub(crate) fn no_binary_form(py: Python<'_>, name: &str, oid: u32) -> PyErr {
    let problem = format!("no binary format encoder for type {name} (OID {oid})");
    make(py, "InternalClientError", &problem)
}

/// A record that has not one value for each column.
pub(crate) fn record_length(record: &Bound<'_, PyTuple>, expected: usize) -> PyErr {
    let given = record.len();
    let problem = format!("record has {given} values, {expected} are expected");
    make(record.py(), "DataError", &problem)
}

/// A value of a record that does not fit its column.
pub(crate) fn copied_value(value: &Bound<'_, PyAny>, cause: PyErr) -> PyErr {
    let py = value.py();
    let shown = shown(value);
    let problem = format!("invalid input for COPY of {shown}: {}", cause.value(py));
    unfit(py, &problem, cause)
}

/// A value that is not of its type, for `cause`.
fn unfit(py: Python<'_>, message: &str, cause: PyErr) -> PyErr {
    let error = make(py, "DataError", message);
    error.set_cause(py, Some(cause));
    error
}

/// A value as a message names it, which stays readable when the value is huge.
fn shown(value: &Bound<'_, PyAny>) -> String {
    const CHARS_MAX: usize = 200;
    let shown = value
        .repr()
        .map_or_else(|_| "?".into(), |repr| repr.to_string());
    if shown.chars().nth(CHARS_MAX).is_none() {
        return shown;
    }
    shown.chars().take(CHARS_MAX).chain("...".chars()).collect()
}

/// The number of arguments is not the statement's.
pub(crate) fn argument_count(py: Python<'_>, expected: usize, given: usize) -> PyErr {
    let plural = if expected == 1 { "" } else { "s" };
    let were = if given == 1 { "was" } else { "were" };
    let hint = "HINT:  Check the query against the passed list of arguments.";
    interface(
        py,
        &format!(
            "the server expects {expected} argument{plural} for this query, {given} {were} passed\n{hint}"
        ),
    )
}

/// The fields of an error or a notice by their letters.
pub(crate) fn fields_dict<'py>(
    py: Python<'py>,
    fields: &ErrorFields<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (letter, value) in fields.iter() {
        dict.set_item(char::from(letter).to_string(), value)?;
    }
    Ok(dict)
}

/// What the server reports, as the class of its SQLSTATE.
pub(crate) fn server(py: Python<'_>, fields: &ErrorFields<'_>, query: Option<&str>) -> PyErr {
    static FROM_FIELDS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = FROM_FIELDS
        .get_or_try_init(py, || -> PyResult<Py<PyAny>> {
            let module = py.import("fasterapi.pg.exceptions")?;
            Ok(module.getattr("from_fields")?.unbind())
        })
        .and_then(|make| make.bind(py).call1((fields_dict(py, fields)?, query)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The SQLSTATE of an exception that [`server`] made.
pub(crate) fn sqlstate(py: Python<'_>, error: &PyErr) -> Option<String> {
    let value = error.value(py);
    value
        .getattr(pyo3::intern!(py, "sqlstate"))
        .ok()?
        .extract()
        .ok()
}

/// Whether `error` says that a cached statement does not fit any more: its result has another
/// type now, or the server has forgotten it.
pub(crate) fn is_stale(py: Python<'_>, error: &PyErr) -> bool {
    match sqlstate(py, error).as_deref() {
        // invalid_sql_statement_name: what a pooler's other server does not know.
        Some("26000") => true,
        // feature_not_supported: told apart by the routine, the message being translated.
        Some("0A000") => error.get_type(py).is(stale_class(py)),
        _ => false,
    }
}

fn stale_class(py: Python<'_>) -> Py<PyType> {
    let found = py
        .import("fasterapi.pg.exceptions")
        .and_then(|module| module.getattr("InvalidCachedStatementError"))
        .and_then(|class| Ok(class.cast_into::<PyType>()?));
    found.map_or_else(|_| py.get_type::<PyAny>().unbind(), Bound::unbind)
}

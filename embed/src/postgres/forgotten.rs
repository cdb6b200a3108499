//! A query that was never awaited was never sent: Python's warning for that.

use super::rows::mode;
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::CString;
use std::ptr;

/// Warns as Python does of coroutines. What a filter turns into an exception is only printed, as
/// whoever drops something cannot be told.
pub(super) fn warn(name: &str) {
    // At the end of the interpreter there is nobody to warn.
    let _ = Python::try_attach(|py| {
        let Ok(message) = CString::new(format!("coroutine '{name}' was never awaited")) else {
            return;
        };
        aside(py, || {
            let category = py.get_type::<PyRuntimeWarning>();
            if let Err(error) = PyErr::warn(py, &category, &message, 1) {
                error.write_unraisable(py, None);
            }
        });
    });
}

/// Runs `act` beside an exception that is on its way: what it leaves behind is being dropped.
#[allow(
    deprecated,
    reason = "what follows it in Python 3.12 is not in Python 3.11"
)]
fn aside(_py: Python<'_>, act: impl FnOnce()) {
    let (mut kind, mut value, mut traceback) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the interpreter is attached, and the pointers are to places that take its own.
    unsafe { ffi::PyErr_Fetch(&mut kind, &mut value, &mut traceback) };
    act();
    // SAFETY: they are owned since they were fetched, and given back once.
    unsafe { ffi::PyErr_Restore(kind, value, traceback) };
}

/// The methods of connections and of pools that ask for a result of that kind.
fn methods(kind: u8) -> (&'static str, &'static str) {
    match kind {
        mode::FIRST => ("Connection.fetchrow", "Pool.fetchrow"),
        mode::VALUE => ("Connection.fetchval", "Pool.fetchval"),
        mode::STATUS => ("Connection.execute", "Pool.execute"),
        mode::JSON => ("Connection.fetch_json", "Pool.fetch_json"),
        _ => ("Connection.fetch", "Pool.fetch"),
    }
}

/// The method of connections that asks for a result of that kind.
pub(super) fn connection_method(kind: u8) -> &'static str {
    methods(kind).0
}

/// The method of pools that does.
pub(super) fn pool_method(kind: u8) -> &'static str {
    methods(kind).1
}

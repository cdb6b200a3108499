//! `module:attribute` to routes and handlers, once, before anything is served.

use crate::compile::{Compiled, Settings, compile};
use crate::exchange::traceback_of;
use pyo3::prelude::*;
use std::path::Path;

/// An imported application, ready to be served.
pub(crate) struct Imported {
    pub(crate) app: Py<PyAny>,
    pub(crate) compiled: Compiled,
}

/// What is imported, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The module, or file, and the application in it.
    pub(crate) target: &'a str,
    /// The directory that comes first on `sys.path`.
    pub(crate) app_dir: &'a Path,
    /// Whether `import fastapi` is answered with FasterAPI.
    pub(crate) as_fastapi: bool,
    /// Whether the application shows tracebacks, whatever it says itself.
    pub(crate) debug: bool,
    /// The prefix that a proxy removes; empty: what the application says.
    pub(crate) root_path: &'a str,
}

/// Imports what is wanted and compiles its routes.
///
/// # Errors
/// A text for the person who wrote the application.
pub(crate) fn import(py: Python<'_>, wanted: Wanted<'_>) -> Result<Imported, String> {
    let explained = |error: PyErr| explain(py, &error);
    let app = load(py, wanted).map_err(explained)?;
    let settings = Settings {
        root_path: wanted.root_path.to_owned(),
        ..Settings::default()
    };
    let compiled = compile(&app, settings).map_err(explained)?;
    let app = app.unbind();
    Ok(Imported { app, compiled })
}

/// Imports what is wanted.
pub(crate) fn load<'py>(py: Python<'py>, wanted: Wanted<'_>) -> PyResult<Bound<'py, PyAny>> {
    let finder = py.import("fasterapi._find_app")?;
    let arguments = (wanted.target, wanted.app_dir, wanted.as_fastapi);
    let app = finder.call_method1("load_target", arguments)?;
    if wanted.debug {
        // Before the plans: what stands around the handlers depends on it.
        app.setattr("debug", true)?;
    }
    Ok(app)
}

/// One sentence for what the user did wrong, a traceback for what their code raised.
pub(crate) fn explain(py: Python<'_>, error: &PyErr) -> String {
    let name = error
        .get_type(py)
        .name()
        .map(|name| name.to_string())
        .unwrap_or_default();
    if name == "TargetError" || name == "RouteError" {
        return error.value(py).to_string();
    }
    traceback_of(py, error)
}

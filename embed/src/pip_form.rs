//! The pip-installed form: Python runs already, and shards are started with it.

use crate::cli::Launcher;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

/// How this Python starts itself anew as a shard: with the options that it was given itself, and
/// without the working folder on `sys.path`, which would come before the installed packages.
///
/// # Errors
/// When the interpreter does not know its own path.
pub(crate) fn launcher(py: Python<'_>) -> PyResult<Launcher> {
    let program: Option<PathBuf> = py.import("sys")?.getattr("executable")?.extract()?;
    let program = program
        .filter(|program| !program.as_os_str().is_empty())
        .ok_or_else(|| PyRuntimeError::new_err("this Python does not know where it is"))?;
    // What multiprocessing starts its processes with.
    let mut arguments: Vec<OsString> = py
        .import("subprocess")?
        .call_method0("_args_from_interpreter_flags")?
        .extract()?;
    arguments.extend(["-P", "-m", "fasterapi"].map(OsString::from));
    Ok(Launcher { program, arguments })
}

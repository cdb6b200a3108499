//! The pip-installed form: Python runs already, and shards are started with it.

use crate::cli::Launcher;
use pyo3::prelude::*;
use std::path::PathBuf;

/// How this Python starts itself anew as a shard.
///
/// # Errors
/// When the interpreter does not know its own path.
pub(crate) fn launcher(py: Python<'_>) -> PyResult<Launcher> {
    let program: PathBuf = py.import("sys")?.getattr("executable")?.extract()?;
    Ok(Launcher { program, arguments: vec!["-m".into(), "fasterapi".into()] })
}

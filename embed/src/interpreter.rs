//! Starts and ends the CPython of this process, unless it runs already.

use crate::python_package;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{CString, OsStr};
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The Python this binary was built with and for, and its version as `3.13`.
const BUILT_WITH: &str = env!("FASTERAPI_PYTHON");
const BUILT_FOR: &str = env!("FASTERAPI_PYTHON_VERSION");

/// Starts the interpreter as `python` itself would start here: in the virtual environment, with
/// `PYTHONPATH` and the other `PYTHON*` variables. Does nothing where one runs already.
///
/// # Errors
/// One sentence for the user.
pub(crate) fn start() -> Result<(), String> {
    // SAFETY: may be called at any time.
    if unsafe { ffi::Py_IsInitialized() } != 0 {
        return Ok(());
    }
    let program = find_program()?;
    initialize(&program)?;
    Python::attach(python_package::install).map_err(|error| error.to_string())
}

/// Lets Python's exit functions run and its streams be flushed, then forgets the interpreter:
/// threads that block in user code would keep a full finalization waiting for ever.
pub(crate) fn finish() {
    Python::attach(|py| {
        let ended = py.import("atexit").and_then(|atexit| {
            atexit.call_method0("_run_exitfuncs")?;
            let sys = py.import("sys")?;
            sys.getattr("stdout")?.call_method0("flush")?;
            sys.getattr("stderr")?.call_method0("flush")
        });
        if let Err(error) = ended {
            error.write_unraisable(py, None);
        }
    });
}

/// Which `python` to be: the virtual environment's that is active or that this binary lies in,
/// else the one it was built with.
fn find_program() -> Result<PathBuf, String> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.to_owned()));
    let beside = beside.filter(|prefix| prefix.join("pyvenv.cfg").exists());
    let active = std::env::var_os("VIRTUAL_ENV")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    match active.or(beside) {
        Some(prefix) => {
            check_version(&prefix)?;
            Ok(prefix.join("bin/python"))
        }
        None => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            Ok(base_program(Path::new(BUILT_WITH), &path))
        }
    }
}

/// The Python this binary was built with; where it has gone, one of that version on `PATH`.
/// libpython itself knows where its standard library is, so that neither has to be there.
fn base_program(built_with: &Path, path: &OsStr) -> PathBuf {
    if built_with.exists() {
        return built_with.to_owned();
    }
    std::env::split_paths(path)
        .map(|folder| folder.join(format!("python{BUILT_FOR}")))
        .find(|program| is_executable_image(program))
        .unwrap_or_else(|| built_with.to_owned())
}

/// Version managers put scripts of that name on `PATH`, which say nothing of the prefix.
fn is_executable_image(program: &Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(program)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok()
        && magic == *b"\x7fELF"
}

fn check_version(prefix: &Path) -> Result<(), String> {
    let path = prefix.join("pyvenv.cfg");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Err(format!(
            "{} is no virtual environment: pyvenv.cfg cannot be read",
            prefix.display()
        ));
    };
    let version = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        matches!(name.trim(), "version" | "version_info").then(|| value.trim().to_owned())
    });
    let matches = |version: &str| {
        version == BUILT_FOR
            || version
                .strip_prefix(BUILT_FOR)
                .is_some_and(|rest| rest.starts_with('.'))
    };
    match version {
        Some(version) if !matches(&version) => Err(format!(
            "the virtual environment {} has Python {version}, but this fasterapi is built for \
             Python {BUILT_FOR}: use an environment of that version, or `pip install fasterapi` in this one",
            prefix.display()
        )),
        _ => Ok(()),
    }
}

fn initialize(program: &Path) -> Result<(), String> {
    let program =
        CString::new(program.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    let mut config = MaybeUninit::<ffi::PyConfig>::uninit();
    // SAFETY: no interpreter runs yet and this is the only thread that touches Python. The
    // configuration is initialised by the first call, freed by the last, and not moved between.
    let status = unsafe {
        ffi::PyConfig_InitPythonConfig(config.as_mut_ptr());
        let config = config.as_mut_ptr();
        (*config).parse_argv = 0;
        // Signals belong to the supervisor and to what the application installs.
        (*config).install_signal_handlers = 0;
        let mut status =
            ffi::PyConfig_SetBytesString(config, &raw mut (*config).program_name, program.as_ptr());
        if ffi::PyStatus_Exception(status) == 0 {
            status = ffi::Py_InitializeFromConfig(config);
        }
        ffi::PyConfig_Clear(config);
        status
    };
    // SAFETY: reads the value alone.
    if unsafe { ffi::PyStatus_Exception(status) } != 0 {
        // SAFETY: CPython's messages are static C strings, or null.
        let message = unsafe {
            if status.err_msg.is_null() {
                "unknown reason".into()
            } else {
                std::ffi::CStr::from_ptr(status.err_msg).to_string_lossy()
            }
        };
        return Err(format!("Python {BUILT_FOR} does not start: {message}"));
    }
    // SAFETY: the interpreter has just started, so this thread holds its lock; giving it up is
    // what lets `Python::attach` take it.
    unsafe { ffi::PyEval_SaveThread() };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_python_of_the_build_is_used_while_it_is_there() {
        let built_with = std::env::current_exe().unwrap();
        assert_eq!(base_program(&built_with, OsStr::new("")), built_with);
    }

    #[test]
    fn another_python_of_the_version_is_found_on_the_path_but_no_script() {
        let gone = Path::new("/nowhere/python");
        let name = format!("python{BUILT_FOR}");
        let folder = std::env::temp_dir().join(format!("fasterapi-path-{}", std::process::id()));
        let (scripts, programs) = (folder.join("scripts"), folder.join("programs"));
        for (place, content) in [
            (&scripts, b"#!/bin/sh" as &[u8]),
            (&programs, b"\x7fELF\x02"),
        ] {
            std::fs::create_dir_all(place).unwrap();
            std::fs::write(place.join(&name), content).unwrap();
        }
        let path = std::env::join_paths([&folder, &scripts, &programs]).unwrap();
        assert_eq!(base_program(gone, &path), programs.join(&name));
        assert_eq!(base_program(gone, scripts.as_os_str()), gone);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_environment_of_another_version_is_refused() {
        let folder = std::env::temp_dir().join(format!("fasterapi-venv-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(
            check_version(&folder)
                .unwrap_err()
                .contains("is no virtual environment")
        );
        for (version, fits) in [(BUILT_FOR, true), ("3.1", false), ("2.7.18", false)] {
            let text = format!("home = /nowhere\nversion = {version}\n");
            std::fs::write(folder.join("pyvenv.cfg"), text).unwrap();
            assert_eq!(check_version(&folder).is_ok(), fits, "{version}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

//! `fasterapi._core`: what the Python package sees of the Rust side.

pub(crate) mod request;
pub(crate) mod stream_sender;

use crate::convert::{json_in, json_out};
use crate::event_loop::EventLoop;
use crate::request_task::RequestTask;
use crate::task_interface::TaskWait;
use crate::{pip_form, shard_process};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use request::PyRequest;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;
use stream_sender::StreamSender;

/// Longest wait of one turn, in seconds: asyncio itself never waits longer than a day.
const TURN_S_MAX: f64 = 86_400.0;

/// The Rust side of FasterAPI.
#[pymodule]
#[pyo3(name = "_core")]
pub fn core_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<PyRequest>()?;
    module.add_class::<RequestTask>()?;
    module.add_class::<TaskWait>()?;
    module.add_class::<StreamSender>()?;
    module.add_function(wrap_pyfunction!(install_loop, module)?)?;
    module.add_function(wrap_pyfunction!(run_reactor, module)?)?;
    module.add_function(wrap_pyfunction!(set_drain_future, module)?)?;
    module.add_function(wrap_pyfunction!(ready, module)?)?;
    module.add_function(wrap_pyfunction!(on_control, module)?)?;
    module.add_function(wrap_pyfunction!(log_error, module)?)?;
    module.add_function(wrap_pyfunction!(json_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(json_loads, module)?)?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    Ok(())
}

/// Ties a reactor to an asyncio loop whose selector is the epoll set `epoll_fd`.
#[pyfunction]
fn install_loop(loop_: &Bound<'_, PyAny>, epoll_fd: RawFd) -> PyResult<()> {
    // SAFETY: the caller's selector owns the descriptor and outlives this call, in which it is
    // duplicated.
    let epoll_fd = unsafe { BorrowedFd::borrow_raw(epoll_fd) };
    EventLoop::install(loop_, epoll_fd)
}

/// Runs the reactor for up to `timeout` seconds (`None`: no limit), without the interpreter lock.
///
/// True when the epoll set has events for asyncio.
#[pyfunction]
#[pyo3(signature = (timeout))]
fn run_reactor(py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
    let timeout = timeout.map(|seconds| {
        Duration::try_from_secs_f64(seconds.clamp(0.0, TURN_S_MAX)).unwrap_or_default()
    });
    EventLoop::current()?.run_reactor(py, timeout)
}

/// Registers the future that is resolved when the shard has drained.
#[pyfunction]
fn set_drain_future(future: Bound<'_, PyAny>) -> PyResult<()> {
    shard_process::set_drain_future(future)
}

/// Begins to accept connections: the application has started.
#[pyfunction]
fn ready(py: Python<'_>, state: &Bound<'_, PyAny>) -> PyResult<()> {
    let _ = state;
    shard_process::start_serving(py)
}

/// Reads what the supervisor has to say; asyncio calls this when there is something.
#[pyfunction]
fn on_control(py: Python<'_>) {
    shard_process::on_control(py);
}

/// Writes a line to the server's log.
#[pyfunction]
fn log_error(message: &str) {
    crate::logging::error(message);
}

/// Writes an object as JSON; raises `ValueError` for what has no JSON form.
#[pyfunction]
fn json_bytes<'py>(content: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(content.py(), &json_out::to_json(content)?))
}

/// Reads JSON from `str` or `bytes`; raises `ValueError` for what is none.
#[pyfunction]
fn json_loads<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = data.py();
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return json_in::parse(py, bytes.as_bytes());
    }
    match data.cast::<PyString>() {
        Ok(text) => json_in::parse(py, text.to_str()?.as_bytes()),
        Err(_) => Err(PyTypeError::new_err("JSON is read from str or bytes")),
    }
}

/// Does what a command line says, its program name included; returns the exit code.
#[pyfunction]
fn main(py: Python<'_>, arguments: &Bound<'_, PyList>) -> PyResult<i32> {
    let arguments: Vec<std::ffi::OsString> = arguments.extract()?;
    let launcher = pip_form::launcher(py)?;
    Ok(py.detach(move || crate::cli::main(arguments, launcher, shard_process::HOOKS)))
}

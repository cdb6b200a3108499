//! `fasterapi._core`: what the Python package sees of the Rust side.

pub(crate) mod channels;
pub(crate) mod event_stream;
mod form_reader;
pub(crate) mod json_writer;
pub(crate) mod multipart;
pub(crate) mod request;
pub(crate) mod stream_sender;
pub(crate) mod subscription_queue;
pub(crate) mod websocket;
mod websocket_receive;
mod websocket_send;

use crate::convert::{json_in, json_out};
use crate::event_loop::EventLoop;
use crate::local_shard::{self, LocalShard};
use crate::request_task::RequestTask;
use crate::task_interface::TaskWait;
use crate::thread_call::run_in_thread;
use crate::thread_pool::ThreadPool;
use crate::wait::Wait;
use crate::{pip_form, shard_process};
use channels::{PyChannels, current_channels, newest_channels};
use event_stream::{EventStream, Sent};
use form_reader::FormReader;
use json_writer::JsonWriter;
use multipart::MultipartParser;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use request::PyRequest;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;
use stream_sender::StreamSender;
use subscription_queue::SubscriptionQueue;
use websocket::PyWebSocket;
use websocket_receive::{MessageIterator, Receive};
use websocket_send::Send;

/// Longest wait of one turn, in seconds: asyncio itself never waits longer than a day.
const TURN_S_MAX: f64 = 86_400.0;

/// The Rust side of FasterAPI.
#[pymodule]
#[pyo3(name = "_core")]
pub fn core_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<PyRequest>()?;
    module.add_class::<MultipartParser>()?;
    module.add_class::<FormReader>()?;
    module.add_class::<JsonWriter>()?;
    module.add_class::<RequestTask>()?;
    module.add_class::<TaskWait>()?;
    module.add_class::<StreamSender>()?;
    module.add_class::<PyWebSocket>()?;
    module.add_class::<MessageIterator>()?;
    module.add_class::<Receive>()?;
    module.add_class::<Send>()?;
    module.add_class::<Wait>()?;
    module.add_class::<EventStream>()?;
    module.add_class::<Sent>()?;
    module.add_function(wrap_pyfunction!(run_in_thread, module)?)?;
    module.add_class::<PyChannels>()?;
    module.add_class::<SubscriptionQueue>()?;
    module.add_function(wrap_pyfunction!(current_channels, module)?)?;
    module.add_function(wrap_pyfunction!(newest_channels, module)?)?;
    module.add_function(wrap_pyfunction!(install_loop, module)?)?;
    module.add_function(wrap_pyfunction!(run_reactor, module)?)?;
    module.add_function(wrap_pyfunction!(set_drain_future, module)?)?;
    module.add_function(wrap_pyfunction!(drain_left_s, module)?)?;
    module.add_function(wrap_pyfunction!(shard_place, module)?)?;
    module.add_function(wrap_pyfunction!(ready, module)?)?;
    module.add_function(wrap_pyfunction!(on_control, module)?)?;
    module.add_function(wrap_pyfunction!(log_error, module)?)?;
    module.add_function(wrap_pyfunction!(json_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(json_loads, module)?)?;
    module.add_function(wrap_pyfunction!(gzip, module)?)?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_class::<LocalShard>()?;
    module.add_function(wrap_pyfunction!(uninstall_loop, module)?)?;
    module.add_function(wrap_pyfunction!(report_failure, module)?)?;
    crate::postgres::add_to(module)
}

/// Ties a reactor to an asyncio loop whose selector is the epoll set `epoll_fd`.
#[pyfunction]
fn install_loop(loop_: &Bound<'_, PyAny>, epoll_fd: RawFd) -> PyResult<()> {
    // SAFETY: the caller's selector owns the descriptor and outlives this call, in which it is
    // duplicated.
    let epoll_fd = unsafe { BorrowedFd::borrow_raw(epoll_fd) };
    EventLoop::install(loop_, epoll_fd)?;
    channels::install(loop_.py(), None)?;
    ThreadPool::install(shard_process::threads_max());
    Ok(())
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

/// Which shard this is, from 0, and how many shards the server has; `(0, 1)` elsewhere.
#[pyfunction]
fn shard_place() -> (usize, usize) {
    shard_process::place()
}

/// How long the work after answers may still take once the shard drains, in seconds.
#[pyfunction]
fn drain_left_s() -> f64 {
    shard_process::drain_left_s()
}

/// Begins to accept connections: the application has started, and has `changed` meanwhile or not.
#[pyfunction]
fn ready(state: &Bound<'_, PyAny>, changed: bool) -> PyResult<()> {
    shard_process::start_serving(state, changed)
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

/// Compresses `data` to one gzip member; `level` is 0 to 9.
#[pyfunction]
fn gzip<'py>(py: Python<'py>, data: &[u8], level: u32) -> PyResult<Bound<'py, PyBytes>> {
    let packed = runtime::middleware::gzip(data, level)
        .ok_or_else(|| PyValueError::new_err("the data cannot be compressed"))?;
    Ok(PyBytes::new(py, &packed))
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

/// Ends the reactor of this thread, whose loop is closed already.
#[pyfunction]
fn uninstall_loop(py: Python<'_>) {
    local_shard::uninstall_loop(py);
}

/// Tells the test client what a request raised although it was answered.
///
/// False when no test client waits for this request: the exception is then to be logged.
#[pyfunction]
fn report_failure(error: &Bound<'_, PyAny>) -> bool {
    crate::watch::failed(error)
}

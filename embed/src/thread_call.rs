//! `_core.run_in_thread`: a function's call on the shard's pool, to be awaited.

use crate::request_task::copy_context;
use crate::thread_pool::{FunctionCall, ThreadPool};
use crate::wait::Wait;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Calls `function` on the shard's pool of threads, in a copy of the present context.
///
/// What it returns is to be awaited; that raises what the function raises. Cancelling it leaves
/// the thread to finish. Raises `RuntimeError` on a thread that runs no shard's loop.
#[pyfunction]
#[pyo3(signature = (function, /, *args, **kwargs))]
pub(crate) fn run_in_thread<'py>(
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, Wait>> {
    let py = function.py();
    let call = Wait::new(py)?;
    ThreadPool::current()?.submit_function(FunctionCall {
        call: call.clone().unbind(),
        function: function.clone().unbind(),
        arguments: args.clone().unbind(),
        keywords: kwargs.map(|kwargs| kwargs.clone().unbind()),
        context: copy_context(py)?,
    })?;
    Ok(call)
}

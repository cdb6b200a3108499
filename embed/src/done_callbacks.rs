//! Whom a task or a call tells when it is done, as `asyncio.Future` does.

use crate::event_loop::EventLoop;
use crate::request_task::copy_context;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// A callback and the context that it runs in.
pub(crate) type DoneCallback = (Py<PyAny>, Py<PyAny>);

/// Adds a callback to `owner`: `keep` gives it back when `owner` is done, and it is called soon.
///
/// # Errors
/// When the loop takes no callbacks.
pub(crate) fn add(
    owner: &Bound<'_, PyAny>,
    callback: Py<PyAny>,
    context: Option<Py<PyAny>>,
    keep: impl FnOnce(DoneCallback) -> Option<DoneCallback>,
) -> PyResult<()> {
    let py = owner.py();
    let context = match context {
        Some(context) => context,
        None => copy_context(py)?,
    };
    let Some((callback, context)) = keep((callback, context)) else {
        return Ok(());
    };
    EventLoop::current()?.call_soon(py, callback.bind(py), owner, context.bind(py))
}

/// Those of `known` that are not `callback`.
///
/// # Errors
/// What comparing raises.
pub(crate) fn without(
    known: Vec<DoneCallback>,
    callback: &Bound<'_, PyAny>,
) -> PyResult<Vec<DoneCallback>> {
    let mut kept = Vec::with_capacity(known.len());
    for (other, context) in known {
        if !other.bind(callback.py()).eq(callback)? {
            kept.push((other, context));
        }
    }
    Ok(kept)
}

/// Shows them to the garbage collector.
///
/// # Errors
/// What its visitor asks to stop for.
pub(crate) fn visit(
    callbacks: &[DoneCallback],
    visit: &PyVisit<'_>,
) -> Result<(), PyTraverseError> {
    for (callback, context) in callbacks {
        visit.call(callback)?;
        visit.call(context)?;
    }
    Ok(())
}

/// Has asyncio call them all with `owner`; what goes wrong is reported and stops nobody.
pub(crate) fn tell(event_loop: &EventLoop, owner: &Bound<'_, PyAny>, callbacks: Vec<DoneCallback>) {
    let py = owner.py();
    for (callback, context) in callbacks {
        if let Err(error) = event_loop.call_soon(py, callback.bind(py), owner, context.bind(py)) {
            error.write_unraisable(py, Some(owner));
        }
    }
}

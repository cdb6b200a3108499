//! Which of a handler's results are responses, decided once for each type.

use crate::type_cache::TypeCache;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyType};

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Content for an answer.
    Value,
    /// A response with a whole body.
    Whole,
    /// A response that is sent while it is made.
    Streaming,
    /// A response that names a file.
    File,
    /// A response that has a way of its own to answer over ASGI.
    Asgi,
}

/// The response classes, looked up when the first object appears that may be one.
struct Classes {
    response: Py<PyType>,
    streaming: Py<PyType>,
    file: Py<PyType>,
}

impl Classes {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
        CLASSES.get_or_try_init(py, || {
            let module = py.import("fasterapi.responses")?;
            let class = |name: &str| -> PyResult<Py<PyType>> {
                Ok(module.getattr(name)?.cast_into::<PyType>()?.unbind())
            };
            Ok(Self {
                response: class("Response")?,
                streaming: class("StreamingResponse")?,
                file: class("FileResponse")?,
            })
        })
    }
}

static KNOWN: TypeCache<Kind> = TypeCache::new();

/// What a handler's result is.
///
/// # Errors
/// What the result's own attributes raise.
pub(crate) fn kind_of(result: &Bound<'_, PyAny>) -> PyResult<Kind> {
    if is_plain(result) {
        return Ok(Kind::Value);
    }
    let class = result.get_type();
    KNOWN
        .get(&class, || decide(result, &class))
        .map(|kind| *kind)
}

/// Types that cannot be responses, told by one comparison each.
fn is_plain(result: &Bound<'_, PyAny>) -> bool {
    result.is_exact_instance_of::<PyString>()
        || result.is_exact_instance_of::<PyDict>()
        || result.is_exact_instance_of::<PyList>()
        || result.is_none()
}

fn decide(result: &Bound<'_, PyAny>, class: &Bound<'_, PyType>) -> PyResult<Kind> {
    let py = result.py();
    let ours = Classes::get(py)?;
    let is_asgi = has_own_call(class)?;
    if class.is_subclass(ours.response.bind(py))? {
        return Ok(if is_asgi {
            Kind::Asgi
        } else if class.is_subclass(ours.streaming.bind(py))? {
            Kind::Streaming
        } else if class.is_subclass(ours.file.bind(py))? {
            Kind::File
        } else {
            Kind::Whole
        });
    }
    // Another framework's: it is known by what it has, not by where it comes from.
    let has = |name: &str| result.hasattr(name);
    if !has("raw_headers")? || !has("status_code")? {
        return Ok(Kind::Value);
    }
    Ok(if is_asgi {
        Kind::Asgi
    } else if has("body_iterator")? {
        Kind::Streaming
    } else if has("body")? {
        Kind::Whole
    } else if has("path")? {
        Kind::File
    } else {
        Kind::Value
    })
}

/// Whether the class says itself how it is called, rather than a framework whose responses are
/// known to send what their attributes hold.
fn has_own_call(class: &Bound<'_, PyType>) -> PyResult<bool> {
    for base in class.mro().iter() {
        if !base.getattr("__dict__")?.contains("__call__")? {
            continue;
        }
        let module: String = base.getattr("__module__")?.extract()?;
        let package = module.split('.').next().unwrap_or_default();
        return Ok(!matches!(package, "fasterapi" | "starlette" | "fastapi"));
    }
    Ok(false)
}

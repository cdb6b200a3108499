//! `_core.Request`: what Rust knows of a request, for `fasterapi.requests.NativeRequest`.

use super::form_reader::FormReader;
use crate::convert::joined::joined;
use crate::kept_request::{Body, KeptRequest};
use crate::pending::{self, RequestKey};
use crate::wait::Wait;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use runtime::{BodyFeed, FeedTake};
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

/// One HTTP request, as the server received it.
#[pyclass(frozen, weakref, name = "Request", module = "fasterapi._core")]
pub(crate) struct PyRequest {
    kept: KeptRequest,
    path_params: PyOnceLock<Py<PyDict>>,
    /// A body that had arrived has been taken as a piece.
    taken: AtomicBool,
}

impl PyRequest {
    pub(crate) fn new(kept: KeptRequest) -> Self {
        Self {
            kept,
            path_params: PyOnceLock::new(),
            taken: AtomicBool::new(false),
        }
    }

    /// The name of the request among those that are not answered.
    pub(crate) fn key(&self) -> RequestKey {
        self.kept.key
    }

    /// The value of the first field called `name`, in any case.
    pub(crate) fn field(&self, name: &[u8]) -> Option<&[u8]> {
        self.kept.field(name)
    }
}

/// The methods that most requests have, without a conversion for each.
fn method_object<'py>(py: Python<'py>, method: &str) -> Bound<'py, PyString> {
    let known = match method {
        "GET" => pyo3::intern!(py, "GET"),
        "POST" => pyo3::intern!(py, "POST"),
        "PUT" => pyo3::intern!(py, "PUT"),
        "PATCH" => pyo3::intern!(py, "PATCH"),
        "DELETE" => pyo3::intern!(py, "DELETE"),
        "HEAD" => pyo3::intern!(py, "HEAD"),
        "OPTIONS" => pyo3::intern!(py, "OPTIONS"),
        other => return PyString::new(py, other),
    };
    known.clone()
}

#[pymethods]
impl PyRequest {
    /// The method.
    #[getter]
    fn method<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        method_object(py, self.kept.method())
    }

    /// The percent-decoded path.
    #[getter]
    fn path(&self) -> &str {
        self.kept.path()
    }

    /// The path as it was sent.
    #[getter]
    fn raw_path<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.kept.raw_path())
    }

    /// What followed the question mark.
    #[getter]
    fn query_string<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.kept.query())
    }

    /// The header fields in their order, names in lower case.
    #[getter]
    fn raw_headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for (name, value) in self.kept.fields() {
            let name = PyBytes::new_with(py, name.len(), |lower| {
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                Ok(())
            })?;
            list.append(PyTuple::new(py, [name, PyBytes::new(py, value)])?)?;
        }
        Ok(list)
    }

    /// The value of the first field called `name`, in any case; `None` without one.
    fn header<'py>(&self, py: Python<'py>, name: &[u8]) -> Option<Bound<'py, PyBytes>> {
        let value = self.kept.field(name)?;
        Some(PyBytes::new(py, value))
    }

    /// `"1.0"` or `"1.1"`.
    #[getter]
    fn http_version<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let version = if self.kept.minor_version == 0 {
            pyo3::intern!(py, "1.0")
        } else {
            pyo3::intern!(py, "1.1")
        };
        version.clone()
    }

    /// `"http"`, unless a trusted proxy says otherwise: TLS ends before this server.
    #[getter]
    fn scheme(&self) -> &str {
        self.kept.scheme()
    }

    /// Host and port that the client connected to; `None` on a Unix socket.
    #[getter]
    fn server_address(&self) -> Option<(Cow<'_, str>, Option<u16>)> {
        self.kept.server()
    }

    /// The client's host and port, as a trusted proxy tells them (the port is 0 then) or the
    /// socket; `None` on a Unix socket.
    #[getter]
    fn client_address(&self) -> Option<(Cow<'_, str>, u16)> {
        self.kept.client()
    }

    /// The prefix that a proxy has removed from the path, and that of a mount.
    #[getter]
    fn root_path<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.kept.handler.root_path.bind(py).clone()
    }

    /// The prefix that a proxy has removed from the path, without that of a mount.
    #[getter]
    fn main_root_path(&self) -> &str {
        &self.kept.handler.site.root_path
    }

    /// The application that is served, also where a mounted one answers.
    #[getter]
    fn main_app(&self, py: Python<'_>) -> Py<PyAny> {
        self.kept.handler.site.app.clone_ref(py)
    }

    /// The application, or the mounted one that answers.
    #[getter]
    fn app(&self, py: Python<'_>) -> Py<PyAny> {
        self.kept.handler.app.clone_ref(py)
    }

    /// The route that the plan was made from.
    #[getter]
    fn route(&self, py: Python<'_>) -> Py<PyAny> {
        self.kept.handler.route.clone_ref(py)
    }

    /// The user's function that answers.
    #[getter]
    fn endpoint(&self, py: Python<'_>) -> Py<PyAny> {
        self.kept.handler.user_endpoint.clone_ref(py)
    }

    /// What the application's lifespan yielded; an empty mapping where it yielded nothing.
    #[getter]
    fn lifespan_state<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.kept.handler.site.lifespan_state(py)
    }

    /// The path's parameters, converted as the route's path says.
    #[getter]
    fn path_params(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let params = self
            .path_params
            .get_or_try_init(py, || self.kept.path_params(py).map(Bound::unbind))?;
        Ok(params.clone_ref(py))
    }

    /// The whole body if it has arrived.
    fn _body_now<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        match &self.kept.body {
            Body::Empty => Some(PyBytes::new(py, b"")),
            Body::Whole(bytes) => Some(bytes.bind(py).clone()),
            Body::Arriving => None,
        }
    }

    /// The next piece of an arriving body, `None` when there is none yet; empty at its end.
    fn _take_chunk<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let whole = match &self.kept.body {
            Body::Empty => Some(PyBytes::new(py, b"")),
            Body::Whole(_) if self.taken.swap(true, Ordering::Relaxed) => {
                Some(PyBytes::new(py, b""))
            }
            Body::Whole(bytes) => Some(bytes.bind(py).clone()),
            Body::Arriving => None,
        };
        if whole.is_some() {
            return Ok(whole);
        }
        let Some(feed) = pending::feed(self.kept.key) else {
            return Err(PyRuntimeError::new_err(
                "the request has been answered already",
            ));
        };
        match feed.take() {
            FeedTake::Chunk(chunk) => waiting_pieces(py, chunk, &feed).map(Some),
            FeedTake::End => Ok(Some(PyBytes::new(py, b""))),
            FeedTake::Empty => Ok(None),
            FeedTake::Failed => {
                let class = py
                    .import("fasterapi.requests")?
                    .getattr("ClientDisconnect")?;
                Err(PyErr::from_value(class.call0()?))
            }
        }
    }

    /// Done when [`Self::_take_chunk`] has something to say.
    fn _chunk_arrival<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Wait>> {
        let wait = Wait::new(py)?;
        if let Some(feed) = pending::feed(self.kept.key) {
            let waiting = wait.clone().unbind();
            feed.notify(Box::new(move || {
                Python::attach(|py| Wait::finish(waiting.bind(py), Ok(py.None())));
            }));
        }
        Ok(wait)
    }

    /// Splits the body, a multipart form, while it arrives; the whole of it may have `bytes_max`.
    #[pyo3(signature = (boundary, bytes_max))]
    fn _form_reader(&self, boundary: &[u8], bytes_max: Option<u64>) -> PyResult<FormReader> {
        FormReader::new(self.kept.key, boundary, bytes_max)
    }

    /// Whether the client has gone: then the handler has been cancelled, or the answer sent.
    fn _is_disconnected(&self) -> bool {
        pending::is_abandoned(self.kept.key)
    }

    fn __repr__(&self) -> String {
        format!("<Request {} {}>", self.kept.method(), self.kept.path())
    }
}

/// `first` and the pieces that wait behind it as one: each has its price in Python.
fn waiting_pieces<'py>(
    py: Python<'py>,
    first: Vec<u8>,
    feed: &BodyFeed,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut pieces = vec![first];
    // The feed itself bounds how much that is; its end is still there next time.
    while let FeedTake::Chunk(piece) = feed.take() {
        pieces.push(piece);
    }
    joined(py, &pieces)
}

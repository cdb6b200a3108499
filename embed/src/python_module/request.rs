//! `Request`, as handlers see it: a copy of the head, the body, and what Python derives from them.

use crate::event_loop::{EventLoop, resolve};
use crate::pending::{self, RequestKey};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use runtime::protocols::Span;
use runtime::protocols::http1::Field;
use runtime::{FeedTake, Peer, Request, RequestBody};

/// One HTTP request.
#[pyclass(
    frozen,
    subclass,
    dict,
    weakref,
    name = "Request",
    module = "fasterapi._core"
)]
pub(crate) struct PyRequest {
    bytes: Box<[u8]>,
    fields: Box<[Field]>,
    method: Span,
    raw_path: Span,
    query: Span,
    minor_version: u8,
    path: String,
    peer: Peer,
    key: RequestKey,
    /// All of the body; `None` while it arrives.
    body: Option<Vec<u8>>,
    app: Py<PyAny>,
    root_path: String,
    path_params: Py<PyDict>,
    derived: [PyOnceLock<Py<PyAny>>; Derived::COUNT],
}

/// What Python makes of the request, each on first use, by the function of that name.
#[derive(Clone, Copy)]
enum Derived {
    Headers,
    QueryParams,
    Cookies,
    Url,
    BaseUrl,
    Client,
    State,
}

impl Derived {
    const COUNT: usize = 7;

    fn function(self) -> &'static str {
        match self {
            Self::Headers => "headers_of",
            Self::QueryParams => "query_params_of",
            Self::Cookies => "cookies_of",
            Self::Url => "url_of",
            Self::BaseUrl => "base_url_of",
            Self::Client => "client_of",
            Self::State => "state_of",
        }
    }
}

impl PyRequest {
    /// Copies what the handler may ask for: it may keep the request longer than the buffer lives.
    pub(crate) fn new(
        py: Python<'_>,
        request: &Request<'_>,
        path_values: Vec<(String, Bound<'_, PyAny>)>,
        key: RequestKey,
        app: &Py<PyAny>,
        root_path: &str,
    ) -> PyResult<Self> {
        let head = request.head;
        let path_params = PyDict::new(py);
        for (name, value) in path_values {
            path_params.set_item(name, value)?;
        }
        let end = head_end(request);
        Ok(Self {
            bytes: request.bytes.get(..end).unwrap_or(request.bytes).into(),
            fields: head.fields.as_slice().into(),
            method: head.method,
            raw_path: head.path,
            query: head.query,
            minor_version: head.minor_version,
            path: request.path.to_owned(),
            peer: request.peer.clone(),
            key,
            body: match &request.body {
                RequestBody::Full(bytes) => Some(bytes.to_vec()),
                RequestBody::Stream(_) => None,
            },
            app: app.clone_ref(py),
            root_path: root_path.to_owned(),
            path_params: path_params.unbind(),
            derived: std::array::from_fn(|_| PyOnceLock::new()),
        })
    }

    /// Calls a function of `fasterapi.requests` with the request.
    fn ask<'py>(slf: &Bound<'py, Self>, function: &str) -> PyResult<Bound<'py, PyAny>> {
        functions(slf.py())?
            .bind(slf.py())
            .getattr(function)?
            .call1((slf,))
    }

    fn derive(slf: &Bound<'_, Self>, what: Derived) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let cell = &slf.get().derived[what as usize];
        let made =
            cell.get_or_try_init(py, || Self::ask(slf, what.function()).map(Bound::unbind))?;
        Ok(made.clone_ref(py))
    }

    fn text(&self, span: Span) -> String {
        String::from_utf8_lossy(span.of(&self.bytes)).into_owned()
    }
}

/// Where the last field of the head ends.
fn head_end(request: &Request<'_>) -> usize {
    let head = request.head;
    let last = head.fields.last().map_or(head.target, |field| field.value);
    let fallback = head.fields.last().map_or(head.target, |field| field.name);
    let end = |span: Span| span.start as usize + span.len as usize;
    end(last).max(end(fallback)).max(end(head.target))
}

fn functions(py: Python<'_>) -> PyResult<&'static Py<PyAny>> {
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MODULE.get_or_try_init(py, || {
        Ok(py.import("fasterapi.requests")?.into_any().unbind())
    })
}

#[pymethods]
impl PyRequest {
    /// The method, upper case.
    #[getter]
    fn method(&self) -> String {
        self.text(self.method)
    }

    /// The percent-decoded path.
    #[getter]
    fn path(&self) -> &str {
        &self.path
    }

    /// The path as it was sent.
    #[getter]
    fn raw_path<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let raw = self.raw_path.of(&self.bytes);
        PyBytes::new(py, if raw.is_empty() { b"/" } else { raw })
    }

    /// What followed the question mark.
    #[getter]
    fn query_string<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.query.of(&self.bytes))
    }

    /// The header fields in their order, names in lower case.
    #[getter]
    fn raw_headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for field in &self.fields {
            let name = field.name.of(&self.bytes).to_ascii_lowercase();
            let value = field.value.of(&self.bytes);
            list.append(PyTuple::new(
                py,
                [PyBytes::new(py, &name), PyBytes::new(py, value)],
            )?)?;
        }
        Ok(list)
    }

    /// `"1.0"` or `"1.1"`.
    #[getter]
    fn http_version(&self) -> &'static str {
        if self.minor_version == 0 {
            "1.0"
        } else {
            "1.1"
        }
    }

    /// `"http"`: TLS ends before this server.
    #[getter]
    fn scheme(&self) -> &'static str {
        "http"
    }

    /// The address the client connected to; not kept.
    #[getter]
    fn server_address(&self) -> Option<(String, u16)> {
        None
    }

    /// The client's address; `None` on a Unix socket.
    #[getter]
    fn client_address(&self) -> Option<(String, u16)> {
        match &self.peer {
            Peer::Tcp(address) => Some((address.ip().to_string(), address.port())),
            Peer::Unix => None,
        }
    }

    /// The prefix that a proxy has removed from the path.
    #[getter]
    fn root_path(&self) -> &str {
        &self.root_path
    }

    /// The application.
    #[getter]
    fn app(&self, py: Python<'_>) -> Py<PyAny> {
        self.app.clone_ref(py)
    }

    /// The path's parameters.
    #[getter]
    fn path_params(&self, py: Python<'_>) -> Py<PyDict> {
        self.path_params.clone_ref(py)
    }

    /// The header fields by name.
    #[getter]
    fn headers(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::derive(slf, Derived::Headers)
    }

    /// The decoded query.
    #[getter]
    fn query_params(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::derive(slf, Derived::QueryParams)
    }

    /// The cookies.
    #[getter]
    fn cookies(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::derive(slf, Derived::Cookies)
    }

    /// The URL that was asked for.
    #[getter]
    fn url(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::derive(slf, Derived::Url)
    }

    /// The URL of the application.
    #[getter]
    fn base_url(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::derive(slf, Derived::BaseUrl)
    }

    /// The client's address.
    #[getter]
    fn client(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::derive(slf, Derived::Client)
    }

    /// A bag for this request.
    #[getter]
    fn state(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::derive(slf, Derived::State)
    }

    /// The whole body, to be awaited.
    fn body<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::ask(slf, "read_body")
    }

    /// The body parsed as JSON, to be awaited.
    fn json<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::ask(slf, "read_json")
    }

    /// The form, to be awaited or entered.
    #[pyo3(signature = (**bounds))]
    fn form<'py>(
        slf: &Bound<'py, Self>,
        bounds: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        functions(slf.py())?
            .bind(slf.py())
            .getattr("read_form")?
            .call((slf,), bounds)
    }

    /// The body as it arrives.
    fn stream<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::ask(slf, "stream_of")
    }

    /// Whether the client has gone, to be awaited.
    fn is_disconnected<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::ask(slf, "is_disconnected")
    }

    /// The absolute URL of a route.
    #[pyo3(signature = (name, /, **path_params))]
    fn url_for<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
        path_params: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        functions(slf.py())?
            .bind(slf.py())
            .getattr("url_for_of")?
            .call((slf, name), path_params)
    }

    /// The whole body if it has arrived.
    fn _body_now<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.body.as_ref().map(|body| PyBytes::new(py, body))
    }

    /// The next piece of an arriving body, `None` when there is none yet; empty at its end.
    fn _take_chunk<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some(feed) = pending::feed(self.key) else {
            return Err(PyRuntimeError::new_err(
                "the request has been answered already",
            ));
        };
        match feed.take() {
            FeedTake::Chunk(chunk) => Ok(Some(PyBytes::new(py, &chunk))),
            FeedTake::End => Ok(Some(PyBytes::new(py, b""))),
            FeedTake::Empty => Ok(None),
            FeedTake::Failed => {
                let class = functions(py)?.bind(py).getattr("ClientDisconnect")?;
                Err(PyErr::from_value(class.call0()?))
            }
        }
    }

    /// The next piece of an arriving body, to be awaited; empty at its end.
    fn _next_chunk<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::ask(slf, "next_chunk_of")
    }

    /// A future that is done when [`Self::_take_chunk`] has something to say.
    fn _chunk_arrival<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = EventLoop::current()?.create_future(py)?;
        if let Some(feed) = pending::feed(self.key) {
            let waiting = future.clone().unbind();
            feed.notify(Box::new(move || Python::attach(|py| resolve(py, &waiting))));
        }
        Ok(future)
    }

    /// Whether the client has gone: then the handler has been cancelled, or the answer sent.
    fn _is_disconnected(&self) -> bool {
        pending::is_abandoned(self.key)
    }

    fn __repr__(&self) -> String {
        format!("<Request {} {}>", self.method(), self.path)
    }
}

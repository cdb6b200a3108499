//! A request that is being handed to Python, and what has been made of it so far.

use crate::exchange::Kept;
use crate::handler::Handler;
use crate::kept_request::{Body, KeptRequest};
use crate::pending::{self, RequestKey};
use crate::python_module::request::PyRequest;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use runtime::{Request, RequestBody};
use std::sync::Arc;

/// One request while its bytes are still in the receive buffer.
pub(crate) struct Incoming<'a, 'py> {
    pub(crate) py: Python<'py>,
    pub(crate) handler: &'a Arc<Handler>,
    pub(crate) request: &'a Request<'a>,
    pub(crate) key: RequestKey,
    body: Option<Bound<'py, PyBytes>>,
    native: Option<Bound<'py, PyRequest>>,
    object: Option<Bound<'py, PyAny>>,
}

impl<'a, 'py> Incoming<'a, 'py> {
    pub(crate) fn new(
        py: Python<'py>,
        handler: &'a Arc<Handler>,
        request: &'a Request<'a>,
        key: RequestKey,
    ) -> Self {
        Self {
            py,
            handler,
            request,
            key,
            body: None,
            native: None,
            object: None,
        }
    }

    /// The body, copied once; `None` when it is empty or still arriving.
    pub(crate) fn body(&mut self) -> Option<Bound<'py, PyBytes>> {
        match &self.request.body {
            RequestBody::Full([]) | RequestBody::Stream(_) => None,
            RequestBody::Full(bytes) => {
                let body = self
                    .body
                    .get_or_insert_with(|| PyBytes::new(self.py, bytes));
                Some(body.clone())
            }
        }
    }

    /// `_core.Request`, which outlives the receive buffer.
    pub(crate) fn native(&mut self) -> PyResult<Bound<'py, PyRequest>> {
        if let Some(native) = &self.native {
            return Ok(native.clone());
        }
        let body = match (&self.request.body, self.body()) {
            (RequestBody::Stream(_), _) => Body::Arriving,
            (_, Some(bytes)) => Body::Whole(bytes.unbind()),
            (_, None) => Body::Empty,
        };
        let kept = KeptRequest::new(self.request, body, self.key, self.handler);
        let native = Bound::new(self.py, PyRequest::new(kept))?;
        self.native = Some(native.clone());
        Ok(native)
    }

    /// The request as handlers know it.
    pub(crate) fn object(&mut self) -> PyResult<Bound<'py, PyAny>> {
        if let Some(object) = &self.object {
            return Ok(object.clone());
        }
        let object = request_object(self.native()?)?;
        self.object = Some(object.clone());
        Ok(object)
    }

    /// `fasterapi._native_websocket.NativeWebSocket` of a handshake.
    pub(crate) fn websocket(&mut self) -> PyResult<Bound<'py, PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = CLASS.get_or_try_init(self.py, || -> PyResult<Py<PyAny>> {
            let module = self.py.import("fasterapi._native_websocket")?;
            Ok(module.getattr("NativeWebSocket")?.unbind())
        })?;
        if let Some(socket) = &self.request.websocket {
            pending::set_socket(self.key, socket.clone());
        }
        class.bind(self.py).call1((self.native()?,))
    }

    /// What has been made of the request, for those that come later.
    pub(crate) fn made(&self) -> Option<Kept> {
        match (&self.object, &self.native) {
            (Some(object), _) => Some(Kept::Object(object.clone().unbind())),
            (None, Some(native)) => Some(Kept::Native(native.clone().unbind())),
            (None, None) => None,
        }
    }

    /// The request in a form that outlives the receive buffer.
    pub(crate) fn keep(&mut self) -> PyResult<Kept> {
        match self.made() {
            Some(made) => Ok(made),
            None => Ok(Kept::Native(self.native()?.unbind())),
        }
    }
}

/// `fasterapi.requests.NativeRequest(native)`.
pub(crate) fn request_object<'py>(native: Bound<'py, PyRequest>) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = native.py();
    let class = CLASS.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        let module = py.import("fasterapi.requests")?;
        Ok(module.getattr("NativeRequest")?.unbind())
    })?;
    class.bind(py).call1((native,))
}

//! `_core.WebSocket`: what Rust does of a WebSocket, for `fasterapi._native_websocket`.

use crate::convert::json_out;
use crate::pending::{self, RequestKey};
use crate::python_module::channels::{lag_of, refused};
use crate::python_module::request::PyRequest;
use crate::python_module::websocket_receive::{Form, MessageIterator, Receive};
use crate::python_module::websocket_send::Send;
use crate::websocket;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use runtime::protocols::http1::encode_field;
use runtime::protocols::websocket::{MessageKind, may_send_close_code};
use runtime::{Answer, AnswerBody, Counts, Socket};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The longest payload of a control frame, in bytes (RFC 6455 section 5.5).
const CONTROL_BYTES_MAX: usize = 125;
/// The longest reason of a close frame, in bytes: its code takes two of the payload.
const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// How far one side of a WebSocket is: the values of `WebSocketState`.
pub(crate) mod state {
    pub(crate) const CONNECTING: u8 = 0;
    pub(crate) const CONNECTED: u8 = 1;
    pub(crate) const DISCONNECTED: u8 = 2;
    pub(crate) const RESPONSE: u8 = 3;
}

/// One WebSocket. Only its shard's thread may use it.
#[pyclass(
    frozen,
    subclass,
    weakref,
    name = "WebSocket",
    module = "fasterapi._core"
)]
pub(crate) struct PyWebSocket {
    request: Py<PyRequest>,
    key: RequestKey,
    id: u64,
    application: AtomicU8,
    client: AtomicU8,
}

impl PyWebSocket {
    /// The socket.
    ///
    /// # Errors
    /// `RuntimeError` when its handler has ended, and on another thread.
    pub(crate) fn socket(&self) -> PyResult<Rc<Socket>> {
        pending::socket(self.key).ok_or_else(|| {
            PyRuntimeError::new_err("the WebSocket has ended, or is of another thread")
        })
    }

    pub(crate) fn key(&self) -> RequestKey {
        self.key
    }

    pub(crate) fn application_state(&self) -> u8 {
        self.application.load(Ordering::Relaxed)
    }

    pub(crate) fn set_application_state(&self, state: u8) {
        self.application.store(state, Ordering::Relaxed);
    }

    pub(crate) fn client_state(&self) -> u8 {
        self.client.load(Ordering::Relaxed)
    }

    pub(crate) fn set_client_state(&self, state: u8) {
        self.client.store(state, Ordering::Relaxed);
    }

    fn counts(&self) -> Counts {
        pending::socket(self.key)
            .map(|socket| socket.counts())
            .unwrap_or_default()
    }

    fn send(slf: &Bound<'_, Self>, kind: MessageKind, data: Bound<'_, PyAny>) -> Send {
        Send::message(slf, kind, data.unbind())
    }
}

#[pymethods]
impl PyWebSocket {
    #[new]
    fn new(request: &Bound<'_, PyRequest>) -> PyResult<Self> {
        let key = request.get().key();
        let socket = pending::socket(key)
            .ok_or_else(|| PyRuntimeError::new_err("the request is no WebSocket handshake"))?;
        Ok(Self {
            request: request.clone().unbind(),
            key,
            id: socket.id(),
            application: AtomicU8::new(state::CONNECTING),
            client: AtomicU8::new(state::CONNECTING),
        })
    }

    /// The handshake.
    #[getter]
    fn native(&self, py: Python<'_>) -> Py<PyRequest> {
        self.request.clone_ref(py)
    }

    #[getter(_application_state)]
    fn application_state_number(&self) -> u8 {
        self.application_state()
    }

    #[getter(_client_state)]
    fn client_state_number(&self) -> u8 {
        self.client_state()
    }

    #[setter(_client_state)]
    fn set_client_state_number(&self, state: u8) {
        self.set_client_state(state);
    }

    /// Names the WebSocket among those of its shard.
    #[getter]
    fn connection_id(&self) -> u64 {
        self.id
    }

    /// True between `accept` and the first close frame of either side.
    #[getter]
    fn is_open(&self) -> bool {
        pending::socket(self.key).is_some_and(|socket| socket.is_open())
    }

    /// Messages that the handler has received.
    #[getter]
    fn messages_received(&self) -> u64 {
        self.counts().messages_received
    }

    /// Bytes of those messages.
    #[getter]
    fn bytes_received(&self) -> u64 {
        self.counts().bytes_received
    }

    /// Messages that were sent.
    #[getter]
    fn messages_sent(&self) -> u64 {
        self.counts().messages_sent
    }

    /// Bytes of those messages, before compression.
    #[getter]
    fn bytes_sent(&self) -> u64 {
        self.counts().bytes_sent
    }

    /// Messages of channels that the client lost because it was too slow.
    #[getter]
    fn messages_dropped(&self) -> u64 {
        self.counts().messages_dropped
    }

    /// Has the client sent what is published in a channel; `on_lag` is `"disconnect"` or `"drop"`.
    #[pyo3(signature = (channel, *, on_lag = "disconnect"))]
    fn join(&self, channel: &str, on_lag: &str) -> PyResult<()> {
        let lag = lag_of(on_lag)?;
        let socket = self.socket()?;
        if !socket.is_open() {
            return Err(websocket::disconnected(
                "WebSocket is not connected. Need to call \"accept\" first.",
            ));
        }
        socket.join(channel, lag).map_err(refused)
    }

    /// Ends what `join` began; false when it had not.
    fn leave(&self, channel: &str) -> bool {
        pending::socket(self.key).is_some_and(|socket| socket.leave(channel))
    }

    /// Answers the handshake with 101.
    fn _accept(&self, subprotocol: Option<&str>, headers: Vec<(Vec<u8>, Vec<u8>)>) -> PyResult<()> {
        if self.application_state() != state::CONNECTING {
            return Err(PyRuntimeError::new_err(
                "the handshake has been answered already",
            ));
        }
        let socket = self.socket()?;
        let fields = fields_of(subprotocol, &headers)?;
        socket.accept();
        self.set_application_state(state::CONNECTED);
        self.set_client_state(state::CONNECTED);
        let answer = Answer {
            status: 101,
            fields: Cow::Owned(fields),
            close: false,
            body: AnswerBody::WebSocket(socket.into()),
        };
        pending::deliver_head(self.key, answer);
        Ok(())
    }

    /// Answers the handshake with something else.
    fn _deny(&self, status: u16, headers: Vec<(Vec<u8>, Vec<u8>)>, body: Vec<u8>) -> PyResult<()> {
        if self.application_state() != state::CONNECTING || !(200..=599).contains(&status) {
            return Err(PyRuntimeError::new_err(
                "the handshake has been answered already, or the status is none",
            ));
        }
        let fields = fields_of(None, &headers)?;
        self.set_application_state(state::RESPONSE);
        self.set_client_state(state::DISCONNECTED);
        websocket::deny(self.key, status, fields, body);
        Ok(())
    }

    /// Begins the closing handshake; does nothing once it has begun.
    fn _close(&self, code: u16, reason: &str) -> PyResult<()> {
        if !may_send_close_code(code) {
            return Err(PyValueError::new_err(format!(
                "{code} is no code that a close frame may carry (RFC 6455, section 7.4)"
            )));
        }
        if reason.len() > REASON_BYTES_MAX {
            return Err(PyValueError::new_err(format!(
                "the reason of a close frame has at most {REASON_BYTES_MAX} bytes"
            )));
        }
        self.set_application_state(state::DISCONNECTED);
        self.socket()?.close(code, reason);
        Ok(())
    }

    /// The code and the reason that the WebSocket was closed with; `None` while it is open.
    fn _close_reason(&self) -> Option<(u16, String)> {
        pending::socket(self.key)?.close_reason()
    }

    /// The next message, `str` or `bytes`; raises `WebSocketDisconnect`.
    fn _receive_any(slf: &Bound<'_, Self>) -> Receive {
        Receive::new(slf, Form::Any)
    }

    /// The next message, which must be text; raises `WebSocketDisconnect`.
    fn receive_text(slf: &Bound<'_, Self>) -> Receive {
        Receive::new(slf, Form::Text)
    }

    /// The next message, which must be binary; raises `WebSocketDisconnect`.
    fn receive_bytes(slf: &Bound<'_, Self>) -> Receive {
        Receive::new(slf, Form::Bytes)
    }

    /// The next message, parsed as JSON; raises `WebSocketDisconnect`, and
    /// `json.JSONDecodeError` for what is none. `mode` is `"text"` or `"binary"`.
    #[pyo3(signature = (mode = "text"))]
    fn receive_json(slf: &Bound<'_, Self>, mode: &str) -> PyResult<Receive> {
        let form = match kind_of(mode)? {
            MessageKind::Text => Form::JsonText,
            MessageKind::Binary => Form::JsonBytes,
        };
        Ok(Receive::new(slf, form))
    }

    /// The text messages until the client closes.
    fn iter_text(slf: &Bound<'_, Self>) -> MessageIterator {
        MessageIterator::new(slf, Form::Text)
    }

    /// The binary messages until the client closes.
    fn iter_bytes(slf: &Bound<'_, Self>) -> MessageIterator {
        MessageIterator::new(slf, Form::Bytes)
    }

    /// The messages, parsed as JSON, until the client closes.
    fn iter_json(slf: &Bound<'_, Self>) -> MessageIterator {
        MessageIterator::new(slf, Form::JsonText)
    }

    /// Sends text.
    fn send_text(slf: &Bound<'_, Self>, data: Bound<'_, PyString>) -> Send {
        Self::send(slf, MessageKind::Text, data.into_any())
    }

    /// Sends `bytes`, or what they can be made of.
    fn send_bytes(slf: &Bound<'_, Self>, data: Bound<'_, PyAny>) -> PyResult<Send> {
        if data.is_exact_instance_of::<PyBytes>() {
            return Ok(Self::send(slf, MessageKind::Binary, data));
        }
        if data.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("send_bytes takes bytes, not str"));
        }
        let copy = PyBytes::new(data.py(), &data.extract::<Vec<u8>>()?);
        Ok(Self::send(slf, MessageKind::Binary, copy.into_any()))
    }

    /// As `send_bytes`.
    fn send_binary(slf: &Bound<'_, Self>, data: Bound<'_, PyAny>) -> PyResult<Send> {
        Self::send_bytes(slf, data)
    }

    /// Sends `data` as JSON; `mode` is `"text"` or `"binary"`.
    #[pyo3(signature = (data, mode = "text"))]
    fn send_json(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>, mode: &str) -> PyResult<Send> {
        let kind = kind_of(mode)?;
        let json = PyBytes::new(slf.py(), &json_out::to_json(data)?);
        Ok(Self::send(slf, kind, json.into_any()))
    }

    /// Sends a ping with up to 125 bytes; the peer's pong is not waited for.
    #[pyo3(signature = (data = None))]
    fn ping(slf: &Bound<'_, Self>, data: Option<Vec<u8>>) -> PyResult<Send> {
        Ok(Send::ping(slf, control(slf.py(), data)?))
    }

    /// Sends a pong with up to 125 bytes that answers no ping.
    #[pyo3(signature = (data = None))]
    fn pong(slf: &Bound<'_, Self>, data: Option<Vec<u8>>) -> PyResult<Send> {
        Ok(Send::pong(slf, control(slf.py(), data)?))
    }
}

fn control(py: Python<'_>, data: Option<Vec<u8>>) -> PyResult<Py<PyAny>> {
    let data = data.unwrap_or_default();
    if data.len() > CONTROL_BYTES_MAX {
        return Err(PyValueError::new_err(format!(
            "a ping or pong carries at most {CONTROL_BYTES_MAX} bytes (RFC 6455, section 5.5)"
        )));
    }
    Ok(PyBytes::new(py, &data).into_any().unbind())
}

fn kind_of(mode: &str) -> PyResult<MessageKind> {
    match mode {
        "text" => Ok(MessageKind::Text),
        "binary" => Ok(MessageKind::Binary),
        _ => Err(PyRuntimeError::new_err(
            "The \"mode\" argument should be \"text\" or \"binary\".",
        )),
    }
}

/// Header lines of the answer to a handshake. Those that the server writes itself are left out.
fn fields_of(subprotocol: Option<&str>, headers: &[(Vec<u8>, Vec<u8>)]) -> PyResult<Vec<u8>> {
    let mut fields = Vec::new();
    let bad = |_| PyValueError::new_err("a header's name or value cannot be sent");
    if let Some(subprotocol) = subprotocol {
        encode_field(
            b"sec-websocket-protocol",
            subprotocol.as_bytes(),
            &mut fields,
        )
        .map_err(bad)?;
    }
    for (name, value) in headers {
        let known: [&[u8]; 6] = [
            b"connection",
            b"upgrade",
            b"date",
            b"content-length",
            b"sec-websocket-accept",
            b"sec-websocket-extensions",
        ];
        if !known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            encode_field(name, value, &mut fields).map_err(bad)?;
        }
    }
    Ok(fields)
}

//! A WebSocket's handler: how it begins, what its end means for the socket.

use crate::event_loop::EventLoop;
use crate::exchange::cancel_from_reactor;
use crate::handler::Handler;
use crate::pending::{self, RequestKey};
use crate::request_task::RequestTask;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use runtime::protocols::websocket::MessageKind;
use runtime::{Answer, AnswerBody};
use std::borrow::Cow;

/// The close codes of a handler's end (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const UNSUPPORTED_DATA: u16 = 1003;
const INTERNAL_ERROR: u16 = 1011;
/// What the peer is told when the handler's failure is not its business.
const FAILURE: &str = "Internal error";

/// Cancels `task` if the peer goes and the handler does not notice.
pub(crate) fn watch(key: RequestKey, task: &Py<RequestTask>, py: Python<'_>) {
    if let Some(socket) = pending::socket(key) {
        let task = task.clone_ref(py);
        socket.on_lost(Box::new(move || cancel_from_reactor(&task)));
    }
}

/// Refuses a handshake.
pub(crate) fn deny(key: RequestKey, status: u16, fields: Vec<u8>, body: Vec<u8>) {
    let answer = Answer {
        status,
        fields: Cow::Owned(fields),
        close: false,
        body: AnswerBody::Bytes(body),
    };
    if let Some(socket) = pending::socket(key) {
        socket.refuse();
    }
    pending::deliver(key, answer);
}

/// The handler has ended, and with it the WebSocket.
pub(crate) fn end(py: Python<'_>, key: RequestKey, done: &PyResult<Py<PyAny>>, handler: &Handler) {
    let Some(socket) = pending::socket(key) else {
        // The handshake was refused: the answer has been given.
        report(py, done, handler);
        return;
    };
    let failed = report(py, done, handler);
    if socket.is_connecting() {
        let status = if failed.is_some_and(|code| code == INTERNAL_ERROR) {
            500
        } else {
            403
        };
        pending::deliver(key, Answer::text(status, ""));
        return;
    }
    match failed {
        None => socket.close(NORMAL, ""),
        Some(code @ INTERNAL_ERROR) => socket.close(code, FAILURE),
        Some(code) => socket.close(code, ""),
    }
    socket.detach();
    pending::end_stream(key);
}

/// Logs what is to be logged; the close code of an end that is none in order.
fn report(py: Python<'_>, done: &PyResult<Py<PyAny>>, handler: &Handler) -> Option<u16> {
    let error = done.as_ref().err()?;
    let cancelled =
        EventLoop::current().is_ok_and(|loop_| error.is_instance(py, loop_.cancelled_error(py)));
    if cancelled {
        return Some(GOING_AWAY);
    }
    if class(py, Class::Disconnect).is_ok_and(|class| error.is_instance(py, class)) {
        return None;
    }
    if class(py, Class::WrongKind).is_ok_and(|class| error.is_instance(py, class)) {
        return Some(UNSUPPORTED_DATA);
    }
    handler.site.report(py, error, None, &handler.label);
    Some(INTERNAL_ERROR)
}

#[derive(Clone, Copy)]
enum Class {
    Disconnect,
    Slow,
    Disconnected,
    WrongKind,
}

/// A class of `fasterapi.websockets`.
fn class(py: Python<'_>, which: Class) -> PyResult<&Bound<'_, PyAny>> {
    static CLASSES: PyOnceLock<[Py<PyAny>; 4]> = PyOnceLock::new();
    let classes = CLASSES.get_or_try_init(py, || -> PyResult<[Py<PyAny>; 4]> {
        let module = py.import("fasterapi.websockets")?;
        Ok([
            module.getattr("WebSocketDisconnect")?.unbind(),
            module.getattr("WebSocketSlow")?.unbind(),
            module.getattr("WebSocketDisconnected")?.unbind(),
            module.getattr("WebSocketMessageKindError")?.unbind(),
        ])
    })?;
    Ok(classes[which as usize].bind(py))
}

/// `WebSocketDisconnect`, or `WebSocketSlow` where the peer did not take what was sent.
pub(crate) fn disconnect(py: Python<'_>, reason: Option<(u16, String)>, slow: bool) -> PyErr {
    let (code, reason) = reason.unwrap_or((runtime::ABNORMAL_CLOSE, String::new()));
    let which = if slow { Class::Slow } else { Class::Disconnect };
    let made = class(py, which).and_then(|class| class.call1((code, reason)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// `WebSocketDisconnected`, a `RuntimeError`: the call makes no sense in this state.
pub(crate) fn disconnected(problem: &'static str) -> PyErr {
    Python::attach(|py| {
        let made = class(py, Class::Disconnected).and_then(|class| class.call1((problem,)));
        made.map_or_else(|_| PyRuntimeError::new_err(problem), PyErr::from_value)
    })
}

/// The peer has sent text for bytes or the other way round.
pub(crate) fn wrong_kind(py: Python<'_>, wanted: MessageKind) -> PyErr {
    let wanted = match wanted {
        MessageKind::Text => "text",
        MessageKind::Binary => "bytes",
    };
    let made = class(py, Class::WrongKind).and_then(|class| class.call1((wanted,)));
    made.map_or_else(|error| error, PyErr::from_value)
}

//! `await websocket.receive_text()`: a coroutine of our own, without a frame in Python, that ends
//! at once when a message waits; and `async for` over such.

use crate::convert::json_in;
use crate::pending;
use crate::python_module::websocket::{PyWebSocket, state};
use crate::wait::Wait;
use crate::websocket::{disconnect, disconnected, wrong_kind};
use pyo3::exceptions::{PyStopAsyncIteration, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use runtime::protocols::websocket::MessageKind;
use runtime::{Message, Taken};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `str` or `bytes`, as it came.
    Any,
    Text,
    Bytes,
    JsonText,
    JsonBytes,
}

/// A wait that has begun, and its name at the socket.
struct Begun {
    wait: Py<Wait>,
    token: u64,
}

/// Receives one message when it is awaited.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct Receive {
    websocket: Py<PyWebSocket>,
    form: Form,
    /// The close ends an iteration, and is no error.
    iterates: bool,
    begun: Mutex<Option<Begun>>,
}

impl Receive {
    pub(crate) fn new(websocket: &Bound<'_, PyWebSocket>, form: Form) -> Self {
        Self {
            websocket: websocket.clone().unbind(),
            form,
            iterates: false,
            begun: Mutex::default(),
        }
    }

    /// The state; the lock is never held while Python code runs.
    fn begun(&self) -> MutexGuard<'_, Option<Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops waiting.
    fn withdraw(&self) {
        let begun = self.begun().take();
        if let Some(begun) = begun
            && let Some(socket) = pending::socket(self.websocket.get().key())
        {
            socket.withdraw(begun.token);
        }
    }

    fn check(&self) -> PyResult<()> {
        let websocket = self.websocket.get();
        if websocket.application_state() != state::CONNECTED && self.form != Form::Any {
            return Err(disconnected(
                "WebSocket is not connected. Need to call \"accept\" first.",
            ));
        }
        if websocket.client_state() == state::DISCONNECTED {
            return Err(disconnected(
                "Cannot call \"receive\" once a disconnect message has been received.",
            ));
        }
        Ok(())
    }
}

impl Drop for Receive {
    fn drop(&mut self) {
        self.withdraw();
    }
}

#[pymethods]
impl Receive {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let waited = self.begun().as_ref().map(|begun| begun.wait.clone_ref(py));
        match waited {
            // Resumed by somebody else, a cancelled scope for one: the wait goes on.
            Some(wait) if !wait.get().done() => return Ok(Wait::to_yield(wait.bind(py))),
            Some(wait) => {
                let waited = wait.get().outcome(py);
                self.withdraw();
                waited?;
            }
            None => self.check()?,
        }
        let websocket = self.websocket.get();
        let socket = websocket.socket()?;
        match socket.take() {
            Taken::Message(message) => {
                let value = self.value(py, message)?;
                Err(PyStopIteration::new_err((value,)))
            }
            Taken::Closed => {
                websocket.set_client_state(state::DISCONNECTED);
                if self.iterates {
                    return Err(PyStopAsyncIteration::new_err(()));
                }
                Err(disconnect(py, socket.close_reason(), socket.was_slow()))
            }
            Taken::Empty => {
                let wait = Wait::new(py)?;
                let waiting = wait.clone().unbind();
                let token = socket.notify(Box::new(move || {
                    Python::attach(|py| Wait::finish(waiting.bind(py), Ok(py.None())));
                }));
                let begun = Begun {
                    wait: wait.clone().unbind(),
                    token,
                };
                *self.begun() = Some(begun);
                Ok(Wait::to_yield(&wait))
            }
        }
    }

    /// As a coroutine's: tasks that asyncio makes of it call this.
    fn send(&self, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__next__(value.py())
    }

    /// As a coroutine's.
    #[pyo3(signature = (kind, value = None, traceback = None))]
    fn throw(
        &self,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        self.withdraw();
        Err(thrown(kind, value, traceback))
    }

    /// As a coroutine's.
    fn close(&self) {
        self.withdraw();
    }
}

impl Receive {
    fn value(&self, py: Python<'_>, message: Message) -> PyResult<Py<PyAny>> {
        let Message { kind, payload } = message;
        let wanted = match self.form {
            Form::Any => kind,
            Form::Text | Form::JsonText => MessageKind::Text,
            Form::Bytes | Form::JsonBytes => MessageKind::Binary,
        };
        if kind != wanted {
            return Err(wrong_kind(py, wanted));
        }
        if matches!(self.form, Form::JsonText | Form::JsonBytes) {
            return json(py, &payload);
        }
        Ok(match kind {
            MessageKind::Text => PyString::from_bytes(py, &payload)?.into_any().unbind(),
            MessageKind::Binary => PyBytes::new(py, &payload).into_any().unbind(),
        })
    }
}

/// Parses JSON; the standard library words the error, as callers expect.
fn json(py: Python<'_>, payload: &[u8]) -> PyResult<Py<PyAny>> {
    if let Ok(value) = json_in::parse(py, payload) {
        return Ok(value.unbind());
    }
    let loads = py.import("json")?.getattr("loads")?;
    Ok(loads.call1((PyBytes::new(py, payload),))?.unbind())
}

/// `async for text in websocket.iter_text()`.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct MessageIterator {
    websocket: Py<PyWebSocket>,
    form: Form,
}

impl MessageIterator {
    pub(crate) fn new(websocket: &Bound<'_, PyWebSocket>, form: Form) -> Self {
        Self {
            websocket: websocket.clone().unbind(),
            form,
        }
    }
}

#[pymethods]
impl MessageIterator {
    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> Receive {
        let mut receive = Receive::new(self.websocket.bind(py), self.form);
        receive.iterates = true;
        receive
    }
}

/// The exception of a coroutine's `throw`, in both of its forms.
pub(crate) fn thrown(
    kind: Bound<'_, PyAny>,
    value: Option<Bound<'_, PyAny>>,
    traceback: Option<Bound<'_, PyAny>>,
) -> PyErr {
    let made = match value {
        Some(value) if value.is_instance_of::<pyo3::exceptions::PyBaseException>() => Ok(value),
        Some(value) => kind.call1((value,)),
        None if kind.is_instance_of::<pyo3::exceptions::PyBaseException>() => Ok(kind),
        None => kind.call0(),
    };
    let error = made.map_or_else(|error| error, PyErr::from_value);
    if let Some(Ok(traceback)) = traceback.map(Bound::cast_into) {
        error.set_traceback(traceback.py(), Some(traceback));
    }
    error
}

//! `await websocket.send_text(...)`: a coroutine of our own, without a frame in Python, that ends at
//! once while the peer keeps up.

use crate::python_module::websocket::{PyWebSocket, state};
use crate::python_module::websocket_receive::thrown;
use crate::wait::Wait;
use crate::websocket::{disconnect, disconnected};
use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use runtime::protocols::websocket::MessageKind;
use runtime::{Sent, Socket};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is to be sent.
enum What {
    Message(MessageKind),
    Ping,
    Pong,
}

enum Progress {
    Unsent,
    Waits(Py<Wait>),
}

/// Sends one message when it is awaited, and waits while the peer has too much to take.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct Send {
    websocket: Py<PyWebSocket>,
    what: What,
    /// `bytes`, or `str`.
    data: Py<PyAny>,
    progress: Mutex<Progress>,
}

impl Send {
    fn new(websocket: &Bound<'_, PyWebSocket>, what: What, data: Py<PyAny>) -> Self {
        Self {
            websocket: websocket.clone().unbind(),
            what,
            data,
            progress: Mutex::new(Progress::Unsent),
        }
    }

    pub(crate) fn message(
        websocket: &Bound<'_, PyWebSocket>,
        kind: MessageKind,
        data: Py<PyAny>,
    ) -> Self {
        Self::new(websocket, What::Message(kind), data)
    }

    pub(crate) fn ping(websocket: &Bound<'_, PyWebSocket>, data: Py<PyAny>) -> Self {
        Self::new(websocket, What::Ping, data)
    }

    pub(crate) fn pong(websocket: &Bound<'_, PyWebSocket>, data: Py<PyAny>) -> Self {
        Self::new(websocket, What::Pong, data)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let websocket = self.websocket.get();
        match websocket.application_state() {
            state::CONNECTED => {}
            state::CONNECTING => {
                return Err(disconnected(
                    "WebSocket is not connected. Need to call \"accept\" first.",
                ));
            }
            _ => {
                return Err(disconnected(
                    "Cannot call \"send\" once a close message has been sent.",
                ));
            }
        }
        let socket = websocket.socket()?;
        let sent = match self.data.bind(py).cast::<PyString>() {
            Ok(text) => self.send_with(&socket, text.to_str()?.as_bytes()),
            Err(_) => {
                let data = self.data.bind(py).cast::<PyBytes>()?;
                self.send_with(&socket, data.as_bytes())
            }
        };
        match sent {
            Sent::Queued => Ok(None),
            Sent::Closed => Err(self.gone(py, &socket)),
            Sent::Full => {
                let wait = Wait::new(py)?;
                let waiting = wait.clone().unbind();
                socket.on_room(Box::new(move || {
                    Python::attach(|py| Wait::finish(waiting.bind(py), Ok(py.None())));
                }));
                *self.progress() = Progress::Waits(wait.clone().unbind());
                Ok(Some(Wait::to_yield(&wait)))
            }
        }
    }

    fn send_with(&self, socket: &Socket, data: &[u8]) -> Sent {
        match self.what {
            What::Message(kind) => socket.send(kind, data),
            What::Ping => socket.ping(data),
            What::Pong => socket.pong(data),
        }
    }

    /// The error that says that nothing can be sent any more.
    fn gone(&self, py: Python<'_>, socket: &Rc<Socket>) -> PyErr {
        self.websocket
            .get()
            .set_application_state(state::DISCONNECTED);
        disconnect(py, socket.close_reason(), socket.was_slow())
    }
}

#[pymethods]
impl Send {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let waited = match &*self.progress() {
            Progress::Unsent => None,
            Progress::Waits(wait) => Some(wait.clone_ref(py)),
        };
        let Some(wait) = waited else {
            return self.begin(py);
        };
        if !wait.get().done() {
            return Ok(Some(Wait::to_yield(wait.bind(py))));
        }
        wait.get().outcome(py)?;
        let socket = self.websocket.get().socket()?;
        if socket.was_slow() {
            return Err(self.gone(py, &socket));
        }
        Ok(None)
    }

    /// As a coroutine's: tasks that asyncio makes of it call this.
    fn send(&self, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = value.py();
        match self.__next__(py)? {
            Some(wait) => Ok(wait),
            None => Err(PyStopIteration::new_err((py.None(),))),
        }
    }

    /// As a coroutine's.
    #[pyo3(signature = (kind, value = None, traceback = None))]
    fn throw(
        &self,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        Err(thrown(kind, value, traceback))
    }

    /// As a coroutine's.
    fn close(&self) {}
}

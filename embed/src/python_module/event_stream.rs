//! `_core.EventStream`: the event stream that a handler answers with, for `fasterapi.SSE`.

use crate::convert::json_out::to_json;
use crate::convert::response::StreamHead;
use crate::event_loop::EventLoop;
use crate::pending::{self, RequestKey};
use crate::python_module::channels::{lag_of, refused};
use crate::python_module::request::PyRequest;
use crate::wait::Wait;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString};
use runtime::protocols::sse;
use runtime::{AnswerBody, ChunkSender, EventCounts, KeepAlive, chunk_queue};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After how long without a byte a comment is sent, unless the handler says otherwise.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(15);
/// The head of the answer waits so long for the first event: until then an exception can still
/// become an ordinary answer. A client must not wait longer to see that it is connected.
const OPEN_AFTER: Duration = Duration::from_millis(500);

static LAST_CONNECTION_ID: AtomicU64 = AtomicU64::new(0);

/// What the answer will be, until it begins.
struct Head {
    status: u16,
    /// The header fields as pairs of `bytes`, which the handler may still change.
    fields: Py<PyList>,
    /// The task to cancel when the client goes.
    task: Py<PyAny>,
}

struct State {
    /// `None` before the handler runs, and once the answer has begun.
    head: Option<Head>,
    keep_alive: KeepAlive,
    /// What had been sent when somebody last looked.
    counts: EventCounts,
}

/// One client's events. It names its stream, which lives on the shard's thread.
#[pyclass(frozen, subclass, weakref, module = "fasterapi._core")]
pub(crate) struct EventStream {
    key: RequestKey,
    connection_id: u64,
    last_event_id: Option<String>,
    /// The handler has ended the stream, or ended itself.
    closed: AtomicBool,
    state: Mutex<State>,
}

impl EventStream {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream; the answer begins if it has not.
    fn open(&self, py: Python<'_>) -> PyResult<Rc<ChunkSender>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(PyRuntimeError::new_err("the event stream is closed"));
        }
        if let Some(events) = pending::events(self.key) {
            return if events.is_gone() {
                Err(disconnected(py))
            } else {
                Ok(events)
            };
        }
        if pending::is_abandoned(self.key) {
            return Err(disconnected(py));
        }
        let mut state = self.state();
        let Some(head) = &state.head else {
            let problem = "events can be sent only while the handler of the route runs";
            return Err(PyRuntimeError::new_err(problem));
        };
        let fields = head.fields.bind(py).as_any();
        let answer_head = StreamHead::read(head.status, fields, &[b"content-length"])?;
        let task = head.task.clone_ref(py);
        let keep_alive = state.keep_alive;
        let begun = state.head.take();
        // Dropping what it holds may call Python code.
        drop(state);
        drop(begun);
        let (sender, receiver) = chunk_queue();
        sender.keep_alive(keep_alive);
        let key = self.key;
        sender.on_gone(Box::new(move || {
            pending::abandon(key);
            cancel(&task);
        }));
        let events = Rc::new(sender);
        let answer = answer_head.answer(AnswerBody::Stream(receiver, None));
        pending::deliver_events(self.key, answer, events.clone());
        Ok(events)
    }

    /// Sends the bytes of one event or comment; what is to be awaited, if anything.
    fn put<'py>(
        &self,
        py: Python<'py>,
        bytes: Vec<u8>,
        is_event: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let events = self.open(py)?;
        let has_room = if is_event {
            events.send_event(bytes)
        } else {
            events.send(bytes)
        };
        self.state().counts = events.counts();
        if has_room {
            return sent(py);
        }
        let wait = Wait::new(py)?;
        let waiting = wait.clone().unbind();
        // Not at once: a client that has gone already makes this be called right here.
        events.notify(Box::new(move || {
            Python::attach(|py| Wait::finish_soon(waiting.bind(py), Ok(py.None())));
        }));
        Ok(wait.into_any())
    }

    fn put_event<'py>(
        &self,
        py: Python<'py>,
        data: &[u8],
        event: Option<&str>,
        id: Option<&str>,
        retry: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let retry_ms = match retry.map(u64::try_from).transpose() {
            Ok(retry_ms) => retry_ms,
            Err(_) => return Err(PyValueError::new_err("SSE 'retry' must not be negative")),
        };
        let mut bytes = Vec::new();
        sse::encode_event(event, Some(data), id, retry_ms, &mut bytes).map_err(explain)?;
        self.put(py, bytes, true)
    }

    fn counts(&self) -> EventCounts {
        let events = pending::events(self.key);
        let mut state = self.state();
        if let Some(events) = events {
            state.counts = events.counts();
        }
        state.counts
    }
}

#[pymethods]
impl EventStream {
    /// The stream of the request that `native` is.
    #[new]
    fn new(native: &Bound<'_, PyRequest>) -> Self {
        let request = native.get();
        let last_event_id = request.field(b"last-event-id");
        let last_event_id = last_event_id.map(|id| String::from_utf8_lossy(id).into_owned());
        Self {
            key: request.key(),
            connection_id: LAST_CONNECTION_ID.fetch_add(1, Ordering::Relaxed) + 1,
            last_event_id: last_event_id.filter(|id| !id.is_empty()),
            closed: AtomicBool::new(false),
            state: Mutex::new(State {
                head: None,
                keep_alive: KeepAlive {
                    after: Some(KEEP_ALIVE_AFTER),
                    comment: KeepAlive::COMMENT,
                },
                counts: EventCounts::default(),
            }),
        }
    }

    /// The handler is about to run, in `task`; from now on the answer can begin.
    fn _prepare(
        slf: &Bound<'_, Self>,
        status: u16,
        fields: Bound<'_, PyList>,
        task: Bound<'_, PyAny>,
    ) {
        let this = slf.get();
        this.state().head = Some(Head {
            status,
            fields: fields.unbind(),
            task: task.unbind(),
        });
        let stream = slf.clone().unbind();
        runtime::enqueue(move || {
            runtime::spawn(async move {
                runtime::sleep(OPEN_AFTER).await;
                Python::attach(|py| {
                    // It has begun already, or is over; a head that cannot be sent is an error
                    // of the first event.
                    let _ = stream.get().open(py);
                    drop(stream);
                });
            });
        });
    }

    /// The handler has ended.
    fn _over(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let _ = self.counts();
        let head = self.state().head.take();
        drop(head);
    }

    /// Sends an event; `str` as it is, everything else as JSON.
    #[pyo3(signature = (data, event = None, id = None, retry = None))]
    fn send<'py>(
        &self,
        data: &Bound<'py, PyAny>,
        event: Option<&str>,
        id: Option<&str>,
        retry: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match data.cast::<PyString>() {
            Ok(text) => self.send_text(text, event, id, retry),
            Err(_) => self.send_json(data, event, id, retry),
        }
    }

    /// Sends an event with the JSON of `data`.
    #[pyo3(signature = (data, event = None, id = None, retry = None))]
    fn send_json<'py>(
        &self,
        data: &Bound<'py, PyAny>,
        event: Option<&str>,
        id: Option<&str>,
        retry: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.put_event(data.py(), &to_json(data)?, event, id, retry)
    }

    /// Sends an event with `text` as it is.
    #[pyo3(signature = (text, event = None, id = None, retry = None))]
    fn send_text<'py>(
        &self,
        text: &Bound<'py, PyString>,
        event: Option<&str>,
        id: Option<&str>,
        retry: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.put_event(text.py(), text.to_str()?.as_bytes(), event, id, retry)
    }

    /// Sends a comment.
    #[pyo3(signature = (text = ""))]
    fn comment<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
        let mut bytes = Vec::new();
        sse::encode_comment(text, &mut bytes);
        self.put(py, bytes, false)
    }

    /// Has the client sent what is published in a channel, each message with its id; with `after`
    /// what is kept and newer comes first. `on_lag` is `"disconnect"` or `"drop"`.
    #[pyo3(signature = (channel, *, after = None, on_lag = "disconnect"))]
    fn join(
        &self,
        py: Python<'_>,
        channel: &str,
        after: Option<&str>,
        on_lag: &str,
    ) -> PyResult<()> {
        let lag = lag_of(on_lag)?;
        let events = self.open(py)?;
        // What is no id is older than all.
        let after = after.map(|after| after.parse().unwrap_or_default());
        events.join(channel, lag, after).map_err(refused)
    }

    /// Ends what `join` began; false when it had not.
    fn leave(&self, channel: &str) -> bool {
        pending::events(self.key).is_some_and(|events| events.leave(channel))
    }

    /// Sends a comment, for what is between this server and the client.
    fn ping<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.comment(py, "ping")
    }

    /// After how many seconds without a byte a comment is sent; 0 and `None`: never.
    fn keep_alive(&self, seconds: Option<f64>) -> PyResult<()> {
        let after = match Duration::try_from_secs_f64(seconds.unwrap_or(0.0)) {
            Ok(after) => Some(after).filter(|after| !after.is_zero()),
            Err(_) if seconds.is_some_and(|seconds| seconds > 0.0) => None,
            Err(_) => {
                let problem = "keep_alive takes seconds, 0 or None";
                return Err(PyValueError::new_err(problem));
            }
        };
        let mut state = self.state();
        state.keep_alive.after = after;
        let keep_alive = state.keep_alive;
        drop(state);
        if let Some(events) = pending::events(self.key) {
            events.keep_alive(keep_alive);
        }
        Ok(())
    }

    /// Ends the stream in order; the handler goes on.
    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if !self.closed.load(Ordering::Relaxed) {
            let events = match self.open(py) {
                Ok(events) => events,
                Err(error) if is_instance_of_disconnect(py, &error) => return sent(py),
                Err(error) => return Err(error),
            };
            self.closed.store(true, Ordering::Relaxed);
            events.finish();
        }
        sent(py)
    }

    /// The id of the last event that the client has got, when it comes back.
    #[getter]
    fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// Whether events still arrive.
    #[getter]
    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
            && match pending::events(self.key) {
                Some(events) => !events.is_gone(),
                None => !pending::is_abandoned(self.key),
            }
    }

    /// A number of its own in this process.
    #[getter]
    fn connection_id(&self) -> u64 {
        self.connection_id
    }

    /// How many events have been sent.
    #[getter]
    fn events_sent(&self) -> u64 {
        self.counts().events
    }

    /// How many bytes have been sent, without framing and compression.
    #[getter]
    fn bytes_sent(&self) -> u64 {
        self.counts().bytes
    }
}

/// What `send` returns when there is nothing to wait for: an awaitable that is done.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct Sent;

#[pymethods]
impl Sent {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// The end, at once.
    fn __next__(&self) -> Option<()> {
        None
    }
}

/// The awaitable that is done; one serves all.
fn sent(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static SENT: PyOnceLock<Py<Sent>> = PyOnceLock::new();
    let sent = SENT.get_or_try_init(py, || Py::new(py, Sent))?;
    Ok(sent.bind(py).as_any().clone())
}

/// Cancels a task because its client has gone.
fn cancel(task: &Py<PyAny>) {
    Python::attach(|py| {
        let task = task.bind(py);
        if let Err(error) = task.call_method0(pyo3::intern!(py, "cancel")) {
            error.write_unraisable(py, Some(task));
        }
        if let Ok(event_loop) = EventLoop::current() {
            event_loop.after_python(py);
        }
    });
}

/// The error of an event that cannot be encoded, worded as FastAPI words it.
fn explain(error: runtime::protocols::Error) -> PyErr {
    use runtime::protocols::Error;
    PyValueError::new_err(match error {
        Error::BadEventName => "SSE 'event' must be a single line",
        Error::BadEventId => "SSE 'id' must be a single line without null characters",
        other => other.reason_for_log(),
    })
}

fn disconnect_class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("fasterapi.requests")?.getattr("ClientDisconnect")
}

/// `ClientDisconnect`: nothing that is sent will arrive.
fn disconnected(py: Python<'_>) -> PyErr {
    match disconnect_class(py).and_then(|class| class.call0()) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

fn is_instance_of_disconnect(py: Python<'_>, error: &PyErr) -> bool {
    disconnect_class(py).is_ok_and(|class| error.is_instance(py, &class))
}

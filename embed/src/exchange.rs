//! What becomes of a handler's result: an answer, a stream, a refusal, a logged failure.

mod events;

use crate::convert::response::{
    Converted, StreamHead, from_http_exception, from_result, is_http_exception,
};
use crate::debug_answer::debug_answer;
use crate::event_loop::EventLoop;
use crate::handler::Handler;
use crate::incoming::request_object;
use crate::pending::{self, RequestKey};
use crate::python_module::request::PyRequest;
use crate::python_module::stream_sender::StreamSender;
use crate::request_task::RequestTask;
use crate::websocket;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt, PyRuntimeError, PySystemExit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use runtime::{Answer, AnswerBody, ChunkSender, chunk_queue};
use std::borrow::Cow;
use std::sync::Arc;

/// What a task does after its coroutine has ended.
pub(crate) enum Finish {
    /// Step another coroutine.
    Continue(Py<PyAny>, Exchange),
    /// Wait for [`Exchange::unpark`]: the request has not been kept, and only the caller has it.
    Park(Exchange),
    /// Nothing: the task is over.
    Over(PyResult<Py<PyAny>>),
}

enum Stage {
    /// The handler runs, or what answers in its place; its result is the answer.
    Handler(RequestKey),
    /// The handler has failed, and nobody has been told.
    Failed(RequestKey, PyErr),
    /// The handler has returned a response that wants to be called, with the request.
    Uncalled(RequestKey, Py<PyAny>),
    /// `on_error` runs; its result is the answer.
    Recovery(RequestKey),
    /// The body of the answer is being sent; what is to be awaited after it, if anything.
    /// The request may be read while it is; a plain call's is not.
    Stream(Py<StreamSender>, Option<Py<PyAny>>, Option<RequestKey>),
    /// The answer is on its way; the response's background work runs.
    Background,
    /// The handler of a WebSocket runs.
    WebSocket(RequestKey),
}

/// The request of an exchange, as far as anything has been made of it.
pub(crate) enum Kept {
    Native(Py<PyRequest>),
    Object(Py<PyAny>),
}

impl Kept {
    /// The request as handlers know it.
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Self::Native(native) => Ok(request_object(native.bind(py).clone())?.unbind()),
            Self::Object(object) => Ok(object.clone_ref(py)),
        }
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Native(native) => Self::Native(native.clone_ref(py)),
            Self::Object(object) => Self::Object(object.clone_ref(py)),
        }
    }
}

/// One request's way from its handler to its answer.
pub(crate) struct Exchange {
    handler: Arc<Handler>,
    request: Option<Kept>,
    stage: Stage,
}

impl Exchange {
    pub(crate) fn new(handler: Arc<Handler>, key: RequestKey, request: Option<Kept>) -> Self {
        let stage = if handler.is_websocket {
            Stage::WebSocket(key)
        } else {
            Stage::Handler(key)
        };
        Self {
            handler,
            request,
            stage,
        }
    }

    /// Keeps the request for `on_error`, if nobody has done so.
    pub(crate) fn keep(&mut self, request: Kept) {
        self.request.get_or_insert(request);
    }

    /// Decides what comes after `done`, the end of the task's coroutine.
    pub(crate) fn finish(self, task: &Bound<'_, RequestTask>, done: PyResult<Py<PyAny>>) -> Finish {
        let py = task.py();
        match &self.stage {
            Stage::Handler(key) | Stage::Recovery(key) => {
                let key = *key;
                if let Some(events) = pending::take_events(key) {
                    return self.end_events(py, key, &events, done);
                }
                let converted =
                    done.and_then(|value| from_result(value.into_bound(py), &self.handler));
                match converted {
                    Ok(Converted::Answer(answer)) => {
                        pending::deliver(key, answer);
                        Finish::Over(Ok(py.None()))
                    }
                    Ok(Converted::WithBackground(answer, background)) => {
                        pending::deliver(key, answer);
                        self.start_background(&background)
                    }
                    Ok(Converted::Stream(head, response)) => {
                        self.start_stream(task, key, head, &response)
                    }
                    Ok(Converted::Asgi(response)) => self.call_response(key, &response),
                    Err(error) => self.fail(py, key, error),
                }
            }
            Stage::Stream(sender, background, key) => {
                if let Some(key) = key {
                    pending::end_stream(*key);
                }
                let sender = sender.get();
                if let Err(error) = &done {
                    sender.abort();
                    self.report_unless_cancelled(py, error);
                    return Finish::Over(done);
                }
                if let Some(problem) = sender.finish() {
                    crate::logging::error(format!("{} {problem}", self.handler.label));
                }
                let Some(background) = background.as_ref().map(|b| b.clone_ref(py)) else {
                    return Finish::Over(done);
                };
                self.start_background(background.bind(py))
            }
            Stage::WebSocket(key) => {
                websocket::end(py, *key, &done, &self.handler);
                Finish::Over(done)
            }
            Stage::Background | Stage::Failed(..) | Stage::Uncalled(..) => {
                if let Err(error) = &done {
                    self.report_unless_cancelled(py, error);
                }
                Finish::Over(done)
            }
        }
    }

    /// Answers for an exception, or finds who does.
    fn fail(self, py: Python<'_>, key: RequestKey, error: PyErr) -> Finish {
        if is_cancelled(py, &error) {
            pending::give_up(key);
            return Finish::Over(Err(error));
        }
        let recoverable = matches!(self.stage, Stage::Handler(_))
            && self.handler.on_error.is_some()
            && is_for_on_error(py, &error, &self.handler);
        if !recoverable {
            let request = self.request_object(py);
            let answer = answer_for_error(py, &error, &self.handler, request.as_ref());
            pending::deliver(key, answer);
            return Finish::Over(Err(error));
        }
        let failed = Self {
            stage: Stage::Failed(key, error),
            ..self
        };
        if failed.request.is_none() {
            return Finish::Park(failed);
        }
        failed.unpark(py)
    }

    /// Lets a response answer in its own way; what comes of that is another response.
    fn call_response(self, key: RequestKey, response: &Bound<'_, PyAny>) -> Finish {
        let py = response.py();
        let Some(request) = &self.request else {
            let stage = Stage::Uncalled(key, response.clone().unbind());
            return Finish::Park(Self { stage, ..self });
        };
        let called = request.object(py).and_then(|request| {
            let bridge = py.import("fasterapi._bridge")?.getattr("answer_of")?;
            bridge.call1((response, request))
        });
        match called {
            Ok(coroutine) => Finish::Continue(coroutine.unbind(), self),
            Err(error) => self.fail(py, key, error),
        }
    }

    /// True for an exchange that [`Finish::Park`] has left to its task's owner.
    pub(crate) fn is_parked(&self) -> bool {
        matches!(self.stage, Stage::Failed(..) | Stage::Uncalled(..))
    }

    /// Goes on with what wanted the request: calls the response that the handler returned, or
    /// `on_error` for the exception that it raised.
    pub(crate) fn unpark(self, py: Python<'_>) -> Finish {
        let Self {
            handler,
            request,
            stage,
        } = self;
        let (key, error) = match stage {
            Stage::Failed(key, error) => (key, error),
            Stage::Uncalled(key, response) => {
                let exchange = Self::new(handler, key, request);
                return exchange.call_response(key, response.bind(py));
            }
            _ => return Finish::Over(Ok(py.None())),
        };
        let called = match (&handler.on_error, &request) {
            (Some(on_error), Some(request)) => request.object(py).and_then(|request| {
                let value = error.clone_ref(py).into_value(py);
                on_error.bind(py).call1((request, value))
            }),
            _ => Err(error),
        };
        let stage = Stage::Recovery(key);
        let exchange = Self {
            handler,
            request,
            stage,
        };
        match called {
            Ok(coroutine) => Finish::Continue(coroutine.unbind(), exchange),
            Err(error) => exchange.fail(py, key, error),
        }
    }

    /// The request, if it was kept.
    fn request_object(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.request.as_ref()?.object(py).ok()
    }

    fn report_unless_cancelled(&self, py: Python<'_>, error: &PyErr) {
        if !is_cancelled(py, error) {
            let request = self.request_object(py);
            let label = &self.handler.label;
            self.handler.site.report(py, error, request.as_ref(), label);
        }
    }

    /// Goes on with a response's background work, in the same task and context.
    fn start_background(self, background: &Bound<'_, PyAny>) -> Finish {
        match background.call0() {
            Ok(coroutine) => {
                let stage = Stage::Background;
                Finish::Continue(coroutine.unbind(), Self { stage, ..self })
            }
            Err(error) => {
                self.report_unless_cancelled(background.py(), &error);
                Finish::Over(Err(error))
            }
        }
    }

    fn start_stream(
        self,
        task: &Bound<'_, RequestTask>,
        key: RequestKey,
        head: StreamHead,
        response: &Bound<'_, PyAny>,
    ) -> Finish {
        let py = task.py();
        let stated = head.length;
        let (sender, answer) = stream_of(head);
        match prepare_stream(response, sender, stated) {
            Ok((coroutine, sender)) => {
                sender.get().on_gone(task);
                pending::deliver_head(key, answer);
                let stage = Stage::Stream(sender, background_of(response), Some(key));
                Finish::Continue(coroutine, Self { stage, ..self })
            }
            Err(error) => self.fail(py, key, error),
        }
    }
}

/// Makes the queue of a streamed answer, and the answer that reads from it.
fn stream_of(head: StreamHead) -> (ChunkSender, Answer) {
    let (sender, receiver) = chunk_queue();
    let body = AnswerBody::Stream(receiver, head.length);
    let fields = Cow::Owned(head.fields);
    (
        sender,
        Answer {
            status: head.status,
            fields,
            close: head.close,
            body,
        },
    )
}

/// Cancels a task because its peer is gone; for calls from the reactor.
pub(crate) fn cancel_from_reactor(task: &Py<RequestTask>) {
    Python::attach(|py| {
        if let Err(error) = RequestTask::cancel(task.bind(py), None) {
            error.write_unraisable(py, Some(task.bind(py).as_any()));
        }
        if let Ok(event_loop) = EventLoop::current() {
            event_loop.after_python(py);
        }
    });
}

/// Makes the task that calls a response which no coroutine returned, so that it answers.
pub(crate) fn task_of_response(
    handler: &Arc<Handler>,
    key: RequestKey,
    request: Option<&Kept>,
    response: &Bound<'_, PyAny>,
) -> PyResult<Py<RequestTask>> {
    let py = response.py();
    let request = request.map(|request| request.clone_ref(py));
    let exchange = Exchange::new(handler.clone(), key, request);
    match exchange.call_response(key, response) {
        Finish::Continue(coroutine, exchange) => RequestTask::new(py, coroutine, exchange),
        Finish::Over(Err(error)) => Err(error),
        Finish::Over(Ok(_)) | Finish::Park(_) => Err(PyRuntimeError::new_err(
            "no request is left for the response",
        )),
    }
}

/// The coroutine that sends the body of a streaming response, and what it sends into.
fn prepare_stream(
    response: &Bound<'_, PyAny>,
    sender: ChunkSender,
    stated: Option<u64>,
) -> PyResult<(Py<PyAny>, Py<StreamSender>)> {
    static DRIVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = response.py();
    let drive = DRIVE.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        Ok(py
            .import("fasterapi._serve")?
            .getattr("drive_stream")?
            .unbind())
    })?;
    let sender = Py::new(py, StreamSender::new(sender, stated))?;
    let coroutine = drive.bind(py).call1((response, &sender))?;
    Ok((coroutine.unbind(), sender))
}

/// Makes the task that sends a streaming response which no coroutine returned.
pub(crate) fn stream_from_plain_call(
    py: Python<'_>,
    handler: Arc<Handler>,
    head: StreamHead,
    response: &Bound<'_, PyAny>,
) -> PyResult<(Answer, Py<RequestTask>)> {
    let stated = head.length;
    let (sender, answer) = stream_of(head);
    let (coroutine, sender) = prepare_stream(response, sender, stated)?;
    let stage = Stage::Stream(sender.clone_ref(py), background_of(response), None);
    let task = RequestTask::new(
        py,
        coroutine,
        Exchange {
            handler,
            request: None,
            stage,
        },
    )?;
    sender.get().on_gone(task.bind(py));
    Ok((answer, task))
}

fn background_of(response: &Bound<'_, PyAny>) -> Option<Py<PyAny>> {
    let background = response.getattr("background").ok()?;
    (!background.is_none()).then(|| background.unbind())
}

/// Makes the task that runs the background work of a response which no coroutine returned.
pub(crate) fn background_of_plain_call(
    handler: Arc<Handler>,
    background: &Bound<'_, PyAny>,
) -> PyResult<Py<RequestTask>> {
    let coroutine = background.call0()?.unbind();
    let exchange = Exchange {
        handler,
        request: None,
        stage: Stage::Background,
    };
    RequestTask::new(background.py(), coroutine, exchange)
}

fn is_cancelled(py: Python<'_>, error: &PyErr) -> bool {
    EventLoop::current()
        .is_ok_and(|event_loop| error.is_instance(py, event_loop.cancelled_error(py)))
}

/// Whether `on_error` is to be asked: it is for exceptions that are errors, and not for those
/// that Rust answers.
fn is_for_on_error(py: Python<'_>, error: &PyErr, handler: &Handler) -> bool {
    error.is_instance_of::<PyException>(py)
        && !(handler.http_exceptions && is_http_exception(py, error).unwrap_or(false))
}

/// What is done about an exception that no task's coroutine raised.
pub(crate) enum Remedy {
    Answer(Answer),
    /// A task that will answer; it has not been stepped.
    Task(Py<RequestTask>),
}

/// Answers for an exception that a handler's call raised. `request` makes the request object.
pub(crate) fn remedy_for_error(
    py: Python<'_>,
    handler: &Arc<Handler>,
    key: RequestKey,
    error: PyErr,
    request: impl FnOnce() -> PyResult<Option<Kept>>,
) -> Remedy {
    let asks = handler.on_error.is_some() || handler.site.on_failure.is_some();
    let request = if asks { request() } else { Ok(None) };
    let (request, error) = match request {
        Ok(request) => (request, error),
        Err(broken) => (None, broken),
    };
    let exchange = Exchange::new(handler.clone(), key, request);
    if exchange.request.is_none()
        || handler.on_error.is_none()
        || !is_for_on_error(py, &error, handler)
    {
        let request = exchange.request_object(py);
        return Remedy::Answer(answer_for_error(py, &error, handler, request.as_ref()));
    }
    let stage = Stage::Failed(key, error);
    let started = match (Exchange { stage, ..exchange }).unpark(py) {
        Finish::Continue(coroutine, exchange) => RequestTask::new(py, coroutine, exchange),
        Finish::Over(Err(error)) => Err(error),
        // `unpark` has no other end.
        Finish::Over(Ok(_)) | Finish::Park(_) => Err(PyRuntimeError::new_err("no answer")),
    };
    match started {
        Ok(task) => Remedy::Task(task),
        Err(error) => Remedy::Answer(answer_for_error(py, &error, handler, None)),
    }
}

/// The answer to a request whose handler raised.
fn answer_for_error(
    py: Python<'_>,
    error: &PyErr,
    handler: &Handler,
    request: Option<&Py<PyAny>>,
) -> Answer {
    let site = &handler.site;
    match from_http_exception(py, error) {
        Ok(Some(answer)) => return answer,
        Ok(None) => site.report(py, error, request, &handler.label),
        Err(broken) => site.report(py, &broken, request, &handler.label),
    }
    if !site.debug {
        return Answer::text(500, "Internal Server Error");
    }
    debug_answer(py, error, request)
}

/// Logs an exception with its traceback; it never reaches the client.
pub(crate) fn log_failure(py: Python<'_>, error: &PyErr, label: &str) {
    if crate::watch::failed(error.value(py).as_any()) {
        return;
    }
    let what = if error.is_instance_of::<PySystemExit>(py) {
        // A request must not be able to end the server for all others.
        "called sys.exit(), which ends only this request"
    } else if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        "raised KeyboardInterrupt, which ends only this request"
    } else {
        "failed"
    };
    crate::logging::error(format!("{label} {what}\n{}", traceback_of(py, error)));
}

/// The traceback as Python prints it.
pub(crate) fn traceback_of(py: Python<'_>, error: &PyErr) -> String {
    let formatted = py.import("traceback").and_then(|module| {
        // Up to Python 3.11 only this form of the error has its traceback in it.
        let value = error.clone_ref(py).into_value(py);
        let lines = module.call_method1("format_exception", (value,))?;
        pyo3::types::PyString::new(py, "")
            .call_method1("join", (lines,))?
            .extract::<String>()
    });
    formatted.unwrap_or_else(|_| error.to_string())
}

//! What becomes of a handler's result: an answer, a stream, a refusal, a logged failure.

use crate::convert::response::{Converted, StreamHead, from_http_exception, from_result};
use crate::event_loop::EventLoop;
use crate::handler::Handler;
use crate::pending::{self, RequestKey};
use crate::python_module::stream_sender::StreamSender;
use crate::request_task::RequestTask;
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use runtime::{Answer, AnswerBody, ChunkSender, chunk_queue};
use std::borrow::Cow;
use std::sync::Arc;

/// What a task does after its coroutine has ended.
pub(crate) enum Finish {
    /// Step another coroutine.
    Continue(Py<PyAny>, Exchange),
    /// Nothing: the task is over.
    Over(PyResult<Py<PyAny>>),
}

enum Stage {
    /// The handler runs; its result is the answer.
    Handler(RequestKey),
    /// The body of the answer is being sent; what is to be awaited after it, if anything.
    /// The request may be read while it is; a plain call's is not.
    Stream(Py<StreamSender>, Option<Py<PyAny>>, Option<RequestKey>),
    /// The answer is on its way; the response's background work runs.
    Background,
}

/// One request's way from its handler to its answer.
pub(crate) struct Exchange {
    handler: Arc<Handler>,
    debug: bool,
    stage: Stage,
}

impl Exchange {
    pub(crate) fn new(handler: Arc<Handler>, debug: bool, key: RequestKey) -> Self {
        Self {
            handler,
            debug,
            stage: Stage::Handler(key),
        }
    }

    /// Decides what comes after `done`, the end of the task's coroutine.
    pub(crate) fn finish(self, task: &Bound<'_, RequestTask>, done: PyResult<Py<PyAny>>) -> Finish {
        let py = task.py();
        match self.stage {
            Stage::Handler(key) => {
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
                    Err(error) if is_cancelled(py, &error) => {
                        pending::give_up(key);
                        Finish::Over(Err(error))
                    }
                    Err(error) => {
                        pending::deliver(
                            key,
                            answer_for_error(py, &error, &self.handler, self.debug),
                        );
                        Finish::Over(Err(error))
                    }
                }
            }
            Stage::Stream(ref sender, ref background, key) => {
                if let Some(key) = key {
                    pending::end_stream(key);
                }
                let sender = sender.bind(py).borrow();
                if let Err(error) = &done {
                    sender.abort();
                    self.log_unless_cancelled(py, error);
                    return Finish::Over(done);
                }
                if let Some(problem) = sender.finish() {
                    crate::logging::error(format!("{} {problem}", self.handler.label));
                }
                match background {
                    Some(background) => self.start_background(background.bind(py)),
                    None => Finish::Over(done),
                }
            }
            Stage::Background => {
                if let Err(error) = &done {
                    self.log_unless_cancelled(py, error);
                }
                Finish::Over(done)
            }
        }
    }

    fn log_unless_cancelled(&self, py: Python<'_>, error: &PyErr) {
        if !is_cancelled(py, error) {
            log_failure(py, error, &self.handler.label);
        }
    }

    /// Goes on with a response's background work, in the same task and context.
    fn start_background(&self, background: &Bound<'_, PyAny>) -> Finish {
        let exchange = Self {
            handler: self.handler.clone(),
            debug: self.debug,
            stage: Stage::Background,
        };
        match background.call0() {
            Ok(coroutine) => Finish::Continue(coroutine.unbind(), exchange),
            Err(error) => {
                self.log_unless_cancelled(background.py(), &error);
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
                sender.bind(py).borrow().on_gone(task);
                pending::deliver_head(key, answer);
                let stage = Stage::Stream(sender, background_of(response), Some(key));
                Finish::Continue(coroutine, Self { stage, ..self })
            }
            Err(error) => {
                pending::deliver(key, answer_for_error(py, &error, &self.handler, self.debug));
                Finish::Over(Err(error))
            }
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
    debug: bool,
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
            debug,
            stage,
        },
    )?;
    sender.bind(py).borrow().on_gone(task.bind(py));
    Ok((answer, task))
}

fn background_of(response: &Bound<'_, PyAny>) -> Option<Py<PyAny>> {
    let background = response.getattr("background").ok()?;
    (!background.is_none()).then(|| background.unbind())
}

/// Makes the task that runs the background work of a response which no coroutine returned.
pub(crate) fn background_of_plain_call(
    handler: Arc<Handler>,
    debug: bool,
    background: &Bound<'_, PyAny>,
) -> PyResult<Py<RequestTask>> {
    let coroutine = background.call0()?.unbind();
    let exchange = Exchange {
        handler,
        debug,
        stage: Stage::Background,
    };
    RequestTask::new(background.py(), coroutine, exchange)
}

fn is_cancelled(py: Python<'_>, error: &PyErr) -> bool {
    EventLoop::current()
        .is_ok_and(|event_loop| error.is_instance(py, event_loop.cancelled_error(py)))
}

/// The answer to a request whose handler raised.
pub(crate) fn answer_for_error(
    py: Python<'_>,
    error: &PyErr,
    handler: &Handler,
    debug: bool,
) -> Answer {
    match from_http_exception(py, error) {
        Ok(Some(answer)) => return answer,
        Ok(None) => log_failure(py, error, &handler.label),
        Err(broken) => log_failure(py, &broken, &handler.label),
    }
    if !debug {
        return Answer::text(500, "Internal Server Error");
    }
    let mut answer = Answer::text(500, "");
    answer.body = AnswerBody::Bytes(traceback_of(py, error).into_bytes());
    answer
}

/// Logs an exception with its traceback; it never reaches the client.
pub(crate) fn log_failure(py: Python<'_>, error: &PyErr, label: &str) {
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

//! The application whose answers come from Python handlers.

use crate::convert::response::{Converted, from_invalid, from_result};
use crate::event_loop::EventLoop;
use crate::exchange::{
    Exchange, answer_for_error, background_of_plain_call, cancel_from_reactor,
    stream_from_plain_call,
};
use crate::handler::{Arguments, Handler, Run};
use crate::pending::{self, RequestKey};
use crate::python_module::request::PyRequest;
use crate::request_task::{RequestTask, Resume, copy_context, in_context};
use crate::thread_pool::{Done, ThreadPool};
use pyo3::ffi;
use pyo3::prelude::*;
use runtime::{Answer, Application, BodyMode, Reply, Request, RequestBody, RouteId, answer_slot};
use std::rc::Rc;
use std::sync::Arc;

/// The routes of one Python application and what runs their handlers.
pub(crate) struct PythonApplication {
    handlers: Vec<Arc<Handler>>,
    pool: Rc<ThreadPool>,
    app: Py<PyAny>,
    root_path: String,
    debug: bool,
}

impl PythonApplication {
    pub(crate) fn new(
        handlers: Vec<Arc<Handler>>,
        threads: usize,
        app: Py<PyAny>,
        root_path: String,
        debug: bool,
    ) -> Self {
        let pool = Rc::new(ThreadPool::new(threads));
        Self {
            handlers,
            pool,
            app,
            root_path,
            debug,
        }
    }

    /// The pool, for the task that delivers its results.
    pub(crate) fn pool(&self) -> Rc<ThreadPool> {
        self.pool.clone()
    }

    fn respond_attached(&self, py: Python<'_>, request: Request<'_>) -> Reply {
        let Some(handler) = self.handlers.get(request.route) else {
            return Reply::Ready(Answer::json(404, r#"{"detail":"Not Found"}"#));
        };
        let feed = match &request.body {
            RequestBody::Stream(feed) => Some(feed.clone()),
            RequestBody::Full(_) => None,
        };
        let key = pending::begin(feed);
        let replied = self.bring_and_call(py, handler, &request, key);
        replied.unwrap_or_else(|error| {
            pending::finish(key);
            Reply::Ready(answer_for_error(py, &error, handler, self.debug))
        })
    }

    fn bring_and_call(
        &self,
        py: Python<'_>,
        handler: &Arc<Handler>,
        request: &Request<'_>,
        key: RequestKey,
    ) -> PyResult<Reply> {
        let object = if handler.takes_request {
            let path = handler.path_values(py, &request.parameters);
            let made = PyRequest::new(py, request, path, key, &self.app, &self.root_path)?;
            Some(Py::new(py, made)?.into_bound(py).into_any())
        } else {
            None
        };
        let query = request.head.query.of(request.bytes);
        let arguments = match handler.arguments(py, &request.parameters, query, object.as_ref()) {
            Ok(arguments) => arguments,
            Err(invalid) => {
                pending::finish(key);
                return Ok(Reply::Ready(from_invalid(&invalid)));
            }
        };
        match handler.run {
            Run::Async => self.start_task(py, handler, &arguments, key),
            Run::Thread => self.start_job(py, handler, arguments, key),
            Run::Inline => {
                let context = copy_context(py)?;
                let answer = in_context(py, &context, || {
                    let result = handler.call(py, &arguments)?;
                    self.plain_answer(py, handler, result)
                })?;
                pending::finish(key);
                Ok(Reply::Ready(answer))
            }
        }
    }

    /// Takes a coroutine's first step; most end with it.
    fn start_task(
        &self,
        py: Python<'_>,
        handler: &Arc<Handler>,
        arguments: &Arguments<'_>,
        key: RequestKey,
    ) -> PyResult<Reply> {
        let result = handler.call(py, arguments)?;
        let coroutine = match steppable(result)? {
            Ok(coroutine) => coroutine,
            Err(plain) => {
                let answer = self.plain_answer(py, handler, plain)?;
                pending::finish(key);
                return Ok(Reply::Ready(answer));
            }
        };
        let exchange = Exchange::new(handler.clone(), self.debug, key);
        let task = RequestTask::new(py, coroutine.unbind(), exchange)?;
        RequestTask::run(task.bind(py), Resume::Send);
        if let Some(answer) = pending::take_early(key) {
            pending::finish(key);
            return Ok(Reply::Ready(answer));
        }
        let (sender, receiver) = answer_slot();
        sender.on_abandoned(Box::new(move || {
            pending::abandon(key);
            cancel_from_reactor(&task);
        }));
        pending::set_answer(key, sender);
        Ok(Reply::Later(receiver))
    }

    fn start_job(
        &self,
        py: Python<'_>,
        handler: &Arc<Handler>,
        arguments: Arguments<'_>,
        key: RequestKey,
    ) -> PyResult<Reply> {
        let (sender, receiver) = answer_slot();
        // A call on a thread cannot be cancelled; it may ask whether anybody waits for it.
        sender.on_abandoned(Box::new(move || pending::abandon(key)));
        pending::set_answer(key, sender);
        if self.pool.submit(py, handler, arguments, key)? {
            return Ok(Reply::Later(receiver));
        }
        pending::finish(key);
        Ok(Reply::Ready(Answer::json(
            503,
            r#"{"detail":"Service Unavailable"}"#,
        )))
    }

    /// The answer for what a plain call returned.
    fn plain_answer(
        &self,
        py: Python<'_>,
        handler: &Arc<Handler>,
        result: Bound<'_, PyAny>,
    ) -> PyResult<Answer> {
        match from_result(result, handler)? {
            Converted::Answer(answer) => Ok(answer),
            Converted::WithBackground(answer, background) => {
                let task = background_of_plain_call(handler.clone(), self.debug, &background)?;
                crate::ticker::resume_soon(task, None);
                Ok(answer)
            }
            Converted::Stream(head, response) => {
                let (answer, task) =
                    stream_from_plain_call(py, handler.clone(), self.debug, head, &response)?;
                // Not stepped here: the first step belongs to the reactor.
                crate::ticker::resume_soon(task, None);
                Ok(answer)
            }
        }
    }

    /// Delivers what the pool's threads have done.
    pub(crate) fn deliver(&self, batch: Vec<(RequestKey, Arc<Handler>, Done)>) {
        for (key, handler, done) in batch {
            match done {
                Done::Answer(flat) => pending::deliver(key, flat.into()),
                Done::Python(result) => Python::attach(|py| {
                    let answer = result
                        .and_then(|value| self.plain_answer(py, &handler, value.into_bound(py)))
                        .unwrap_or_else(|error| answer_for_error(py, &error, &handler, self.debug));
                    pending::deliver(key, answer);
                }),
            }
        }
    }
}

/// What can be stepped of what an `async` handler's call returned: a coroutine as a rule, the
/// iterator of another awaitable, or (`Err`) nothing at all: a plain value.
fn steppable(result: Bound<'_, PyAny>) -> PyResult<Result<Bound<'_, PyAny>, Bound<'_, PyAny>>> {
    // SAFETY: only looks at the type of a live object.
    if unsafe { ffi::PyCoro_CheckExact(result.as_ptr()) } != 0 {
        return Ok(Ok(result));
    }
    let py = result.py();
    if result.hasattr(pyo3::intern!(py, "send"))? && result.hasattr(pyo3::intern!(py, "throw"))? {
        return Ok(Ok(result));
    }
    if result.hasattr(pyo3::intern!(py, "__await__"))? {
        let wrapper = py.import("fasterapi._serve")?.getattr("await_it")?;
        return wrapper.call1((result,)).map(Ok);
    }
    Ok(Err(result))
}

impl Application for PythonApplication {
    fn body_mode(&self, route: RouteId) -> BodyMode {
        match self.handlers.get(route) {
            Some(handler) if handler.takes_request && handler.run == Run::Async => BodyMode::Stream,
            Some(handler) if handler.takes_request => BodyMode::Collect,
            _ => BodyMode::Ignore,
        }
    }

    fn respond(&self, request: Request<'_>) -> Reply {
        Python::attach(|py| {
            let reply = self.respond_attached(py, request);
            if let Ok(event_loop) = EventLoop::current() {
                event_loop.after_python(py);
            }
            reply
        })
    }
}

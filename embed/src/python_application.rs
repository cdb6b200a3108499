//! The application whose answers come from Python handlers.

use crate::arguments::{self, Arguments, Refused};
use crate::convert::response::{Converted, from_invalid, from_result};
use crate::event_loop::EventLoop;
use crate::exchange::{
    Exchange, Remedy, background_of_plain_call, cancel_from_reactor, remedy_for_error,
    stream_from_plain_call, task_of_response,
};
use crate::handler::{Handler, Run};
use crate::incoming::Incoming;
use crate::pending::{self, RequestKey};
use crate::request_task::{RequestTask, Resume, copy_context, in_context};
use crate::site::Site;
use crate::thread_pool::{HandlerCall, Outcome, ThreadPool};
use crate::{watch, websocket};
use pyo3::ffi;
use pyo3::prelude::*;
use runtime::{Answer, Application, BodyMode, Reply, Request, RequestBody, RouteId, answer_slot};
use std::rc::Rc;
use std::sync::Arc;

/// The routes of one Python application and what runs their handlers.
pub(crate) struct PythonApplication {
    site: Arc<Site>,
    handlers: Vec<Arc<Handler>>,
    /// The handler of what no route answers.
    fallback: Option<RouteId>,
    /// The handler of WebSockets that no route answers.
    websocket_fallback: Option<RouteId>,
    pool: Rc<ThreadPool>,
}

impl PythonApplication {
    pub(crate) fn new(
        site: Arc<Site>,
        handlers: Vec<Arc<Handler>>,
        [fallback, websocket_fallback]: [Option<RouteId>; 2],
        pool: Rc<ThreadPool>,
    ) -> Self {
        Self {
            site,
            handlers,
            fallback,
            websocket_fallback,
            pool,
        }
    }

    /// What the handlers share.
    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.site
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
        let mut incoming = Incoming::new(py, handler, &request, key);
        let error = match self.bring_and_call(&mut incoming) {
            Ok(reply) => return reply,
            Err(error) => error,
        };
        let keep = || incoming.keep().map(Some);
        match remedy_for_error(py, handler, key, error, keep) {
            Remedy::Answer(answer) => {
                pending::finish(key);
                Reply::Ready(answer)
            }
            Remedy::Task(task) => {
                RequestTask::run(task.bind(py), Resume::Send);
                reply_of(task, key)
            }
        }
    }

    fn bring_and_call(&self, incoming: &mut Incoming<'_, '_>) -> PyResult<Reply> {
        let (py, handler, key) = (incoming.py, incoming.handler, incoming.key);
        let arguments = match arguments::bring(incoming) {
            Ok(arguments) => arguments,
            Err(Refused::Raised(error)) => return Err(error),
            Err(Refused::Invalid(invalid)) => {
                let Some(general) = &handler.general else {
                    pending::finish(key);
                    return Ok(Reply::Ready(from_invalid(&invalid)));
                };
                let coroutine = general.bind(py).call1((incoming.object()?,))?;
                return start_task(incoming, coroutine);
            }
        };
        match handler.run {
            Run::Async => start_task(incoming, handler.call(py, &arguments)?),
            Run::Thread => self.start_job(incoming, arguments),
            Run::Inline => {
                let context = copy_context(py)?;
                let plain = in_context(py, &context, || {
                    plain_answer(py, handler, handler.call(py, &arguments)?)
                })?;
                plain_reply(incoming, plain)
            }
        }
    }

    fn start_job(
        &self,
        incoming: &mut Incoming<'_, '_>,
        arguments: Arguments<'_>,
    ) -> PyResult<Reply> {
        let (py, handler, key) = (incoming.py, incoming.handler, incoming.key);
        let request = if outlives_call(handler) {
            Some(incoming.keep()?)
        } else {
            None
        };
        let (sender, receiver) = answer_slot();
        // A call on a thread cannot be cancelled; it may ask whether anybody waits for it.
        sender.on_abandoned(Box::new(move || pending::abandon(key)));
        pending::set_answer(key, sender);
        let call = HandlerCall::new(handler, arguments, key, request);
        if self.pool.submit(py, call)? {
            return Ok(Reply::Later(receiver));
        }
        pending::finish(key);
        Ok(Reply::Ready(Answer::json(
            503,
            r#"{"detail":"Service Unavailable"}"#,
        )))
    }
}

/// True when somebody may ask for the request after the handler has failed.
fn outlives_call(handler: &Handler) -> bool {
    handler.on_error.is_some() || handler.site.on_failure.is_some()
}

/// Takes a coroutine's first step; most end with it.
fn start_task(incoming: &mut Incoming<'_, '_>, coroutine: Bound<'_, PyAny>) -> PyResult<Reply> {
    let (py, handler, key) = (incoming.py, incoming.handler, incoming.key);
    let coroutine = match steppable(coroutine)? {
        Ok(coroutine) => coroutine,
        Err(plain) => {
            let plain = plain_answer(py, handler, plain)?;
            return plain_reply(incoming, plain);
        }
    };
    let exchange = Exchange::new(handler.clone(), key, incoming.made());
    let task = RequestTask::new(py, coroutine.unbind(), exchange)?;
    if handler.is_websocket {
        websocket::watch(key, &task, py);
    }
    RequestTask::run(task.bind(py), Resume::Send);
    if let Some(answer) = pending::take_early(key) {
        pending::finish(key);
        return Ok(Reply::Ready(answer));
    }
    if outlives_call(handler) || task.get().is_parked() {
        RequestTask::keep_request(task.bind(py), || incoming.keep())?;
    }
    Ok(reply_of(task, key))
}

/// The reply of a task whose first step has been taken.
fn reply_of(task: Py<RequestTask>, key: RequestKey) -> Reply {
    if let Some(answer) = pending::take_early(key) {
        pending::finish(key);
        return Reply::Ready(answer);
    }
    let (sender, receiver) = answer_slot();
    sender.on_abandoned(Box::new(move || {
        pending::abandon(key);
        cancel_from_reactor(&task);
    }));
    pending::set_answer(key, sender);
    Reply::Later(receiver)
}

/// What a plain call has come to.
enum Plain<'py> {
    Answer(Answer),
    /// A response that is to be called, in a task.
    Asgi(Bound<'py, PyAny>),
}

/// The reply for what a plain call on the shard has come to.
fn plain_reply(incoming: &mut Incoming<'_, '_>, plain: Plain<'_>) -> PyResult<Reply> {
    let (py, handler, key) = (incoming.py, incoming.handler, incoming.key);
    match plain {
        Plain::Answer(answer) => {
            pending::finish(key);
            Ok(Reply::Ready(answer))
        }
        Plain::Asgi(response) => {
            let request = incoming.keep()?;
            let task = task_of_response(handler, key, Some(&request), &response)?;
            RequestTask::run(task.bind(py), Resume::Send);
            Ok(reply_of(task, key))
        }
    }
}

/// The answer for what a plain call returned.
fn plain_answer<'py>(
    py: Python<'py>,
    handler: &Arc<Handler>,
    result: Bound<'py, PyAny>,
) -> PyResult<Plain<'py>> {
    match from_result(result, handler)? {
        Converted::Answer(answer) => Ok(Plain::Answer(answer)),
        Converted::Asgi(response) => Ok(Plain::Asgi(response)),
        Converted::WithBackground(answer, background) => {
            let task = background_of_plain_call(handler.clone(), &background)?;
            crate::ticker::resume_soon(task, None);
            Ok(Plain::Answer(answer))
        }
        Converted::Stream(head, response) => {
            let (answer, task) = stream_from_plain_call(py, handler.clone(), head, &response)?;
            // Not stepped here: the first step belongs to the reactor.
            crate::ticker::resume_soon(task, None);
            Ok(Plain::Answer(answer))
        }
    }
}

/// Delivers what a handler's call on a thread has come to; runs on the shard.
pub(crate) fn deliver(py: Python<'_>, call: HandlerCall, outcome: Outcome) {
    let HandlerCall {
        handler,
        key,
        request,
        ..
    } = call;
    let _watched = watch::within(pending::watch(key));
    let error = match outcome {
        Outcome::Answer(flat) => return pending::deliver(key, flat.into()),
        Outcome::Returned(value) => match plain_answer(py, &handler, value.into_bound(py)) {
            Ok(Plain::Answer(answer)) => return pending::deliver(key, answer),
            Ok(Plain::Asgi(response)) => {
                match task_of_response(&handler, key, request.as_ref(), &response) {
                    Ok(task) => return RequestTask::run(task.bind(py), Resume::Send),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        },
        Outcome::Raised(error) => error,
    };
    match remedy_for_error(py, &handler, key, error, || Ok(request)) {
        Remedy::Answer(answer) => pending::deliver(key, answer),
        Remedy::Task(task) => RequestTask::run(task.bind(py), Resume::Send),
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
        self.handlers
            .get(route)
            .map_or(BodyMode::Ignore, |handler| handler.body_mode)
    }

    fn fallback(&self) -> Option<RouteId> {
        self.fallback
    }

    fn websocket_fallback(&self) -> Option<RouteId> {
        self.websocket_fallback
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

//! Runs `def` handlers, and functions for others, on a bounded pool of threads, so that a
//! blocking one stalls no shard.

use crate::anyio_thread::AnyioThread;
use crate::arguments::Arguments;
use crate::convert::response::{Converted, from_result};
use crate::event_loop::EventLoop;
use crate::exchange::Kept;
use crate::handler::Handler;
use crate::pending::RequestKey;
use crate::python_application::deliver;
use crate::python_module::channels;
use crate::request_task::{copy_context, in_context};
use crate::wait::Wait;
use crossbeam::channel::{Receiver, Sender, unbounded};
use crossbeam::queue::SegQueue;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use runtime::{Answer, AnswerBody};
use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Most calls that wait for a thread; more are answered 503.
const QUEUED_MAX: usize = 4096;

/// One call of a handler.
pub(crate) struct HandlerCall {
    pub(crate) handler: Arc<Handler>,
    arguments: Vec<Py<PyAny>>,
    pub(crate) key: RequestKey,
    /// The request, where somebody may ask for it if the handler fails.
    pub(crate) request: Option<Kept>,
}

impl HandlerCall {
    pub(crate) fn new(
        handler: &Arc<Handler>,
        arguments: Arguments<'_>,
        key: RequestKey,
        request: Option<Kept>,
    ) -> Self {
        Self {
            handler: handler.clone(),
            arguments: arguments.into_iter().map(Bound::unbind).collect(),
            key,
            request,
        }
    }
}

/// One call of a function.
pub(crate) struct FunctionCall {
    pub(crate) call: Py<Wait>,
    pub(crate) function: Py<PyAny>,
    pub(crate) arguments: Py<PyTuple>,
    pub(crate) keywords: Option<Py<PyDict>>,
    pub(crate) context: Py<PyAny>,
}

/// What the pool does.
enum Job {
    Handler(HandlerCall, Py<PyAny>),
    Function(FunctionCall),
}

/// What was done.
enum Done {
    Handler(HandlerCall, Outcome),
    Function(Py<Wait>, PyResult<Py<PyAny>>),
}

/// What came of a handler's call.
pub(crate) enum Outcome {
    /// An answer, ready to be sent.
    Answer(FlatAnswer),
    /// Something that the shard's own thread has to look at.
    Returned(Py<PyAny>),
    Raised(PyErr),
}

/// An answer that can cross threads.
pub(crate) struct FlatAnswer {
    status: u16,
    fields: Cow<'static, [u8]>,
    close: bool,
    body: Vec<u8>,
}

impl FlatAnswer {
    fn new(answer: Answer) -> Option<Self> {
        let body = match answer.body {
            AnswerBody::Empty => Vec::new(),
            AnswerBody::Bytes(bytes) => bytes,
            AnswerBody::Static(bytes) => bytes.to_vec(),
            AnswerBody::Unsent(_)
            | AnswerBody::File(_)
            | AnswerBody::Stream(..)
            | AnswerBody::WebSocket(_) => return None,
        };
        Some(Self {
            status: answer.status,
            fields: answer.fields,
            close: answer.close,
            body,
        })
    }
}

impl From<FlatAnswer> for Answer {
    fn from(flat: FlatAnswer) -> Self {
        let body = AnswerBody::Bytes(flat.body);
        Self {
            status: flat.status,
            fields: flat.fields,
            close: flat.close,
            body,
        }
    }
}

/// What the threads and the shard share.
struct Shared {
    done: SegQueue<Done>,
    /// True from a wake until the shard has looked: one wake serves many results.
    woken: AtomicBool,
    shard: Mutex<Option<Waker>>,
    idle: AtomicUsize,
}

/// The pool of one shard.
pub(crate) struct ThreadPool {
    jobs: Sender<Job>,
    queue: Receiver<Job>,
    shared: Arc<Shared>,
    threads: AtomicUsize,
    threads_max: usize,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<ThreadPool>>> = const { RefCell::new(None) };
}

impl ThreadPool {
    /// Makes the pool of this thread's event loop: at most `threads_max` threads, which start
    /// when they are needed.
    pub(crate) fn install(threads_max: usize) {
        let (jobs, queue) = unbounded();
        let shared = Shared {
            done: SegQueue::new(),
            woken: AtomicBool::new(false),
            shard: Mutex::new(None),
            idle: AtomicUsize::new(0),
        };
        let pool = Rc::new(Self {
            jobs,
            queue,
            shared: Arc::new(shared),
            threads: AtomicUsize::new(0),
            threads_max: threads_max.max(1),
        });
        CURRENT.with(|current| current.replace(Some(pool.clone())));
        runtime::enqueue(move || runtime::spawn_resident(deliver_all(pool)));
    }

    /// Lets the pool of this thread go; its threads end when they have done what they do.
    pub(crate) fn uninstall() {
        drop(CURRENT.with(RefCell::take));
    }

    /// The pool of this thread's event loop.
    ///
    /// # Errors
    /// `RuntimeError` where there is none.
    pub(crate) fn current() -> PyResult<Rc<Self>> {
        CURRENT
            .with(|current| current.borrow().clone())
            .ok_or_else(|| PyRuntimeError::new_err("this thread runs no FasterAPI event loop"))
    }

    /// Queues a handler's call in a copy of the present context; false when too many wait already.
    pub(crate) fn submit(&self, py: Python<'_>, call: HandlerCall) -> PyResult<bool> {
        if self.queue.len() >= QUEUED_MAX {
            return Ok(false);
        }
        let context = copy_context(py)?;
        // The queue has no end of its own, and this pool holds the other side.
        let _ = self.jobs.send(Job::Handler(call, context));
        self.start_thread_if_needed()?;
        Ok(true)
    }

    /// Queues a function's call. There are never more than there are tasks that wait for one.
    pub(crate) fn submit_function(&self, call: FunctionCall) -> PyResult<()> {
        let _ = self.jobs.send(Job::Function(call));
        self.start_thread_if_needed()
    }

    fn start_thread_if_needed(&self) -> PyResult<()> {
        let busy = self.queue.len() > self.shared.idle.load(Ordering::Acquire);
        let threads = self.threads.load(Ordering::Relaxed);
        if !busy || threads >= self.threads_max {
            return Ok(());
        }
        let (queue, shared) = (self.queue.clone(), self.shared.clone());
        let shard = Python::attach(channels::of_thread);
        let anyio = Python::attach(AnyioThread::new);
        let spawned = std::thread::Builder::new()
            .name(format!("fasterapi-{threads}"))
            .spawn(move || {
                channels::adopt(shard);
                work(&queue, &shared, anyio);
                channels::adopt(None);
            });
        match spawned {
            Ok(_) => {
                self.threads.store(threads + 1, Ordering::Relaxed);
                Ok(())
            }
            // The threads that run already will get to the job.
            Err(_) if threads > 0 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the next results; runs on the shard.
    async fn next_done(&self) -> Vec<Done> {
        poll_fn(|cx| {
            *self
                .shared
                .shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            self.shared.woken.store(false, Ordering::Release);
            let batch: Vec<Done> = std::iter::from_fn(|| self.shared.done.pop()).collect();
            if batch.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(batch)
            }
        })
        .await
    }
}

/// Delivers what the threads have done, for as long as the reactor runs.
async fn deliver_all(pool: Rc<ThreadPool>) {
    loop {
        let batch = pool.next_done().await;
        Python::attach(|py| {
            for done in batch {
                match done {
                    Done::Handler(call, outcome) => deliver(py, call, outcome),
                    Done::Function(call, result) => Wait::finish(call.bind(py), result),
                }
            }
            if let Ok(event_loop) = EventLoop::current() {
                event_loop.after_python(py);
            }
        });
    }
}

/// One thread of a pool, until the pool is dropped.
fn work(queue: &Receiver<Job>, shared: &Shared, mut anyio: Option<AnyioThread>) {
    // Attached for the thread's whole life: its `threading.local` values outlive a request.
    Python::attach(|py| {
        loop {
            let job = match queue.try_recv() {
                Ok(job) => job,
                Err(_) => {
                    shared.idle.fetch_add(1, Ordering::AcqRel);
                    let job = py.detach(|| queue.recv());
                    shared.idle.fetch_sub(1, Ordering::AcqRel);
                    let Ok(job) = job else { return };
                    job
                }
            };
            anyio = anyio.filter(|anyio| !anyio.claim(py));
            let done = match job {
                Job::Handler(mut call, context) => {
                    let outcome = call_handler(py, &mut call, &context);
                    Done::Handler(call, outcome)
                }
                Job::Function(job) => {
                    let result = call_function(py, &job);
                    Done::Function(job.call, result)
                }
            };
            shared.done.push(done);
            if !shared.woken.swap(true, Ordering::AcqRel) {
                let waker = shared
                    .shard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    });
}

fn call_function(py: Python<'_>, job: &FunctionCall) -> PyResult<Py<PyAny>> {
    let keywords = job.keywords.as_ref().map(|keywords| keywords.bind(py));
    in_context(py, &job.context, || {
        job.function.call(py, job.arguments.bind(py), keywords)
    })
}

fn call_handler(py: Python<'_>, call: &mut HandlerCall, context: &Py<PyAny>) -> Outcome {
    let arguments = std::mem::take(&mut call.arguments);
    let arguments: Arguments<'_> = arguments.into_iter().map(|a| a.into_bound(py)).collect();
    let handler = &call.handler;
    // Rendering belongs to the handler: it may run the user's code too.
    let done = in_context(py, context, || {
        handler
            .call(py, &arguments)
            .map(|value| render(value, handler))
    });
    done.unwrap_or_else(Outcome::Raised)
}

fn render(value: Bound<'_, PyAny>, handler: &Handler) -> Outcome {
    let kept = value.clone().unbind();
    match from_result(value, handler) {
        Ok(Converted::Answer(answer)) => match FlatAnswer::new(answer) {
            Some(flat) => Outcome::Answer(flat),
            None => Outcome::Returned(kept),
        },
        Ok(_) => Outcome::Returned(kept),
        Err(error) => Outcome::Raised(error),
    }
}

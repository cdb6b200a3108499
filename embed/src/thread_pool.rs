//! Runs `def` handlers on a bounded pool of threads, so that a blocking one stalls no shard.

use crate::convert::response::{Converted, from_result};
use crate::handler::{Arguments, Handler};
use crate::pending::RequestKey;
use crate::request_task::{copy_context, in_context};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use crossbeam::queue::SegQueue;
use pyo3::prelude::*;
use runtime::{Answer, AnswerBody};
use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Most calls that wait for a thread; more are answered 503.
const QUEUED_MAX: usize = 4096;

/// One call of a handler.
struct Job {
    handler: Arc<Handler>,
    arguments: Vec<Py<PyAny>>,
    context: Py<PyAny>,
    key: RequestKeyOnItsThread,
}

/// A key on its way through another thread, which does not use it.
struct RequestKeyOnItsThread(RequestKey);

/// What came of a call.
pub(crate) enum Done {
    /// An answer, ready to be sent.
    Answer(FlatAnswer),
    /// Something that the shard's own thread has to look at.
    Python(PyResult<Py<PyAny>>),
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
            AnswerBody::File(_) | AnswerBody::Stream(..) => return None,
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
    done: SegQueue<(RequestKeyOnItsThread, Arc<Handler>, Done)>,
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

impl ThreadPool {
    /// A pool of at most `threads_max` threads, which start when they are needed.
    pub(crate) fn new(threads_max: usize) -> Self {
        let (jobs, queue) = bounded(QUEUED_MAX);
        let shared = Shared {
            done: SegQueue::new(),
            woken: AtomicBool::new(false),
            shard: Mutex::new(None),
            idle: AtomicUsize::new(0),
        };
        let threads = AtomicUsize::new(0);
        Self {
            jobs,
            queue,
            shared: Arc::new(shared),
            threads,
            threads_max: threads_max.max(1),
        }
    }

    /// Queues a call in a copy of the present context; false when too many wait already.
    pub(crate) fn submit(
        &self,
        py: Python<'_>,
        handler: &Arc<Handler>,
        arguments: Arguments<'_>,
        key: RequestKey,
    ) -> PyResult<bool> {
        let job = Job {
            handler: handler.clone(),
            arguments: arguments.into_iter().map(Bound::unbind).collect(),
            context: copy_context(py)?,
            key: RequestKeyOnItsThread(key),
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.jobs.try_send(job)
        {
            return Ok(false);
        }
        self.start_thread_if_needed()?;
        Ok(true)
    }

    fn start_thread_if_needed(&self) -> PyResult<()> {
        let busy = self.queue.len() > self.shared.idle.load(Ordering::Acquire);
        let threads = self.threads.load(Ordering::Relaxed);
        if !busy || threads >= self.threads_max {
            return Ok(());
        }
        let (queue, shared) = (self.queue.clone(), self.shared.clone());
        let spawned = std::thread::Builder::new()
            .name(format!("fasterapi-{threads}"))
            .spawn(move || work(&queue, &shared));
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
    pub(crate) async fn next_done(&self) -> Vec<(RequestKey, Arc<Handler>, Done)> {
        poll_fn(|cx| {
            *self
                .shared
                .shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            self.shared.woken.store(false, Ordering::Release);
            let mut batch = Vec::new();
            while let Some((key, handler, done)) = self.shared.done.pop() {
                batch.push((key.0, handler, done));
            }
            if batch.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(batch)
            }
        })
        .await
    }
}

/// One thread of a pool, until the pool is dropped.
fn work(queue: &Receiver<Job>, shared: &Shared) {
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
            let Job {
                handler,
                arguments,
                context,
                key,
            } = job;
            let done = call(py, &handler, arguments, &context);
            shared.done.push((key, handler, done));
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

fn call(py: Python<'_>, handler: &Handler, arguments: Vec<Py<PyAny>>, context: &Py<PyAny>) -> Done {
    let arguments: Arguments<'_> = arguments.into_iter().map(|a| a.into_bound(py)).collect();
    // Rendering belongs to the handler: it may run the user's code too.
    let done = in_context(py, context, || {
        handler
            .call(py, &arguments)
            .map(|value| render(value, handler))
    });
    done.unwrap_or_else(|error| Done::Python(Err(error)))
}

fn render(value: Bound<'_, PyAny>, handler: &Handler) -> Done {
    let kept = value.clone().unbind();
    match from_result(value, handler) {
        Ok(Converted::Answer(answer)) => match FlatAnswer::new(answer) {
            Some(flat) => Done::Answer(flat),
            None => Done::Python(Ok(kept)),
        },
        Ok(Converted::Stream(..) | Converted::WithBackground(..)) => Done::Python(Ok(kept)),
        Err(error) => Done::Python(Err(error)),
    }
}

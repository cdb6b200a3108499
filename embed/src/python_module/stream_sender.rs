//! `send` of a streamed answer.

use crate::exchange::cancel_from_reactor;
use crate::request_task::RequestTask;
use crate::wait::Wait;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use runtime::{ChunkSender, KeepAlive};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One streamed answer, on its shard's thread.
struct Stream {
    queue: ChunkSender,
    /// The length that the head has stated, and the bytes that came, both in bytes.
    stated: Option<u64>,
    sent: Cell<u64>,
}

static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Those that have not ended. A traceback may take the Python object to any thread, so that
    /// only names its stream.
    static STREAMS: RefCell<HashMap<u64, Rc<Stream>>> = RefCell::default();
}

/// Takes the pieces of one streamed answer, on the shard's thread.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct StreamSender {
    id: u64,
}

impl StreamSender {
    pub(crate) fn new(queue: ChunkSender, stated: Option<u64>) -> Self {
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        let stream = Stream {
            queue,
            stated,
            sent: Cell::new(0),
        };
        STREAMS.with(|streams| streams.borrow_mut().insert(id, Rc::new(stream)));
        Self { id }
    }

    fn stream(&self) -> Option<Rc<Stream>> {
        STREAMS.with(|streams| streams.borrow().get(&self.id).cloned())
    }

    /// Takes the stream out, outside of whose borrow it is dropped: that may call back.
    fn take(&self) -> Option<Rc<Stream>> {
        let taken = STREAMS.try_with(|streams| streams.borrow_mut().remove(&self.id));
        taken.ok().flatten()
    }

    /// The answer is complete. What is wrong with its length, if anything is.
    pub(crate) fn finish(&self) -> Option<String> {
        let stream = self.take()?;
        stream.queue.finish();
        let (stated, sent) = (stream.stated?, stream.sent.get());
        (sent != stated && !stream.queue.is_gone())
            .then(|| format!("stated a content-length of {stated} and sent {sent} bytes"))
    }

    /// The answer cannot be completed.
    pub(crate) fn abort(&self) {
        drop(self.take());
    }

    /// Cancels `task` if the peer goes first.
    pub(crate) fn on_gone(&self, task: &Bound<'_, RequestTask>) {
        let task = task.clone().unbind();
        if let Some(stream) = self.stream() {
            let gone = move || cancel_from_reactor(&task);
            stream.queue.on_gone(Box::new(gone));
        }
    }
}

impl Drop for StreamSender {
    fn drop(&mut self) {
        // Whoever runs the stream has ended it, unless they never came to it: on this thread then.
        self.abort();
    }
}

#[pymethods]
impl StreamSender {
    /// Makes the answer an event stream, which gets a comment after `seconds` without an event;
    /// 0: none.
    fn keep_alive(&self, seconds: f64) {
        // As FastAPI's.
        const COMMENT: &[u8] = b": ping\n\n";
        if let Some(stream) = self.stream() {
            let after = Duration::try_from_secs_f64(seconds).ok();
            stream.queue.keep_alive(KeepAlive {
                after: after.filter(|after| !after.is_zero()),
                comment: COMMENT,
            });
        }
    }

    /// Queues a piece; what it returns, if anything, is to be awaited before the next.
    fn __call__<'py>(&self, data: &Bound<'py, PyBytes>) -> PyResult<Option<Bound<'py, Wait>>> {
        let py = data.py();
        let Some(stream) = self.stream() else {
            return Ok(None);
        };
        let data = data.as_bytes();
        stream.sent.set(stream.sent.get() + data.len() as u64);
        if stream.queue.send(data.to_vec()) {
            return Ok(None);
        }
        let wait = Wait::new(py)?;
        let waiting = wait.clone().unbind();
        // Not at once: a peer that has gone already makes this be called right here.
        let notify =
            move || Python::attach(|py| Wait::finish_soon(waiting.bind(py), Ok(py.None())));
        stream.queue.notify(Box::new(notify));
        Ok(Some(wait))
    }
}

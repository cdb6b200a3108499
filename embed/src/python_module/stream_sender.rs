//! `send` of a streamed answer.

use crate::event_loop::{EventLoop, resolve};
use crate::exchange::cancel_from_reactor;
use crate::request_task::RequestTask;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use runtime::ChunkSender;
use std::cell::{Cell, RefCell};

/// Takes the pieces of one streamed answer, on the shard's thread.
#[pyclass(unsendable, module = "fasterapi._core")]
pub(crate) struct StreamSender {
    queue: RefCell<Option<ChunkSender>>,
    /// The length that the head has stated, and the bytes that came, both in bytes.
    stated: Option<u64>,
    sent: Cell<u64>,
}

impl StreamSender {
    pub(crate) fn new(queue: ChunkSender, stated: Option<u64>) -> Self {
        Self {
            queue: RefCell::new(Some(queue)),
            stated,
            sent: Cell::new(0),
        }
    }

    /// The answer is complete. What is wrong with its length, if anything is.
    pub(crate) fn finish(&self) -> Option<String> {
        let queue = self.queue.take()?;
        let is_gone = queue.is_gone();
        queue.finish();
        let (stated, sent) = (self.stated?, self.sent.get());
        (sent != stated && !is_gone)
            .then(|| format!("stated a content-length of {stated} and sent {sent} bytes"))
    }

    /// The answer cannot be completed.
    pub(crate) fn abort(&self) {
        drop(self.queue.take());
    }

    /// Cancels `task` if the peer goes first.
    pub(crate) fn on_gone(&self, task: &Bound<'_, RequestTask>) {
        let task = task.clone().unbind();
        if let Some(queue) = self.queue.borrow().as_ref() {
            queue.on_gone(Box::new(move || cancel_from_reactor(&task)));
        }
    }
}

#[pymethods]
impl StreamSender {
    /// Queues a piece; what it returns, if anything, is to be awaited before the next.
    fn __call__<'py>(&self, data: &Bound<'py, PyBytes>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = data.py();
        let queue = self.queue.borrow();
        let Some(queue) = queue.as_ref() else {
            return Ok(None);
        };
        let data = data.as_bytes();
        self.sent.set(self.sent.get() + data.len() as u64);
        if queue.send(data.to_vec()) {
            return Ok(None);
        }
        let future = EventLoop::current()?.create_future(py)?;
        let waiting = future.clone().unbind();
        queue.notify(Box::new(move || Python::attach(|py| resolve(py, &waiting))));
        Ok(Some(future))
    }
}

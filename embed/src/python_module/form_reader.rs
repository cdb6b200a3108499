//! `FormReader`: takes an arriving multipart body apart without waking Python for each piece.

use super::multipart::{PART_BEGIN, PART_DATA, PART_END};
use crate::convert::joined::joined;
use crate::pending::{self, RequestKey};
use crate::wait::Wait;
use pyo3::exceptions::{PyOverflowError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use runtime::protocols::multipart::{Malformed, Multipart, Part};
use runtime::{BodyFeed, FeedTake};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Past so many bytes of content the events go to Python; a file that large goes to disk there.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Past so many parts they go to Python too, which counts them.
const BATCH_PARTS_MAX: usize = 1024;
/// Pieces up to this length are joined, so that single bytes do not take a buffer each.
const SHORT_BYTES_MAX: usize = 4 * 1024;
/// How long joined pieces become, in bytes.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// What the body turned out to contain.
enum Event {
    Head(Vec<u8>),
    Data(Vec<Vec<u8>>),
    End,
}

/// Why no more events come.
#[derive(Clone, Copy)]
enum End {
    Whole,
    Malformed(Malformed),
    TooLarge,
    Disconnected,
}

struct Collector {
    /// Boxed: its search tables want an alignment of their own.
    parser: Box<Multipart>,
    bytes_max: u64,
    received_bytes: u64,
    /// The batch, and how much content and how many parts it has.
    events: Vec<Event>,
    batch_bytes: usize,
    batch_parts: usize,
    end: Option<End>,
}

impl Collector {
    /// Takes what waits in `feed`; true when Python has something to do.
    fn pull(&mut self, feed: &BodyFeed) -> bool {
        while !self.is_ready() {
            match feed.take() {
                FeedTake::Chunk(chunk) => self.feed(chunk),
                FeedTake::End => {
                    let finished = self.parser.finish();
                    self.end = Some(finished.map_or_else(End::Malformed, |()| End::Whole));
                }
                FeedTake::Failed => self.end = Some(End::Disconnected),
                FeedTake::Empty => return false,
            }
        }
        true
    }

    fn is_ready(&self) -> bool {
        self.end.is_some()
            || self.batch_bytes > BATCH_BYTES_MAX
            || self.batch_parts > BATCH_PARTS_MAX
    }

    fn feed(&mut self, chunk: Vec<u8>) {
        self.received_bytes += chunk.len() as u64;
        if self.received_bytes > self.bytes_max {
            self.end = Some(End::TooLarge);
            return;
        }
        let (events, batch_bytes) = (&mut self.events, &mut self.batch_bytes);
        let (mut is_all_content, mut parts) = (false, 0);
        let fed = self.parser.feed(&chunk, &mut |part| match part {
            Part::Head(head) => {
                parts += 1;
                events.push(Event::Head(head.to_vec()));
            }
            Part::Data(content) => {
                *batch_bytes += content.len();
                is_all_content = std::ptr::eq(content, chunk.as_slice());
                if !is_all_content || content.len() <= SHORT_BYTES_MAX {
                    is_all_content = false;
                    append(events, content);
                }
            }
            Part::End => events.push(Event::End),
        });
        self.batch_parts += parts;
        if let Err(problem) = fed {
            self.end = Some(End::Malformed(problem));
        } else if is_all_content {
            // The piece itself, not a copy.
            match self.events.last_mut() {
                Some(Event::Data(pieces)) => pieces.push(chunk),
                _ => self.events.push(Event::Data(vec![chunk])),
            }
        }
    }
}

/// Adds content to the event that is last.
fn append(events: &mut Vec<Event>, content: &[u8]) {
    let Some(Event::Data(pieces)) = events.last_mut() else {
        events.push(Event::Data(vec![content.to_vec()]));
        return;
    };
    match pieces.last_mut() {
        Some(last) if last.len() + content.len() <= JOINED_BYTES_MAX => {
            last.extend_from_slice(content);
        }
        _ => pieces.push(content.to_vec()),
    }
}

fn lock(collector: &Mutex<Collector>) -> MutexGuard<'_, Collector> {
    collector.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Completes `wait` once `collector` has a batch, after as many pieces as that takes.
fn pull_when_fed(feed: &Rc<BodyFeed>, collector: Arc<Mutex<Collector>>, wait: Py<Wait>) {
    // Not the feed itself: it keeps the function.
    let fed = Rc::downgrade(feed);
    feed.notify(Box::new(move || {
        let Some(feed) = fed.upgrade() else {
            return;
        };
        let is_ready = lock(&collector).pull(&feed);
        if is_ready {
            Python::attach(|py| Wait::finish(wait.bind(py), Ok(py.None())));
        } else {
            pull_when_fed(&feed, collector, wait);
        }
    }));
}

/// Reads the form of one request.
#[pyclass(frozen, name = "FormReader", module = "fasterapi._core")]
pub(crate) struct FormReader {
    key: RequestKey,
    collector: Arc<Mutex<Collector>>,
}

#[pymethods]
impl FormReader {
    /// Takes what has arrived; true when [`Self::take`] has something to say.
    fn pull(&self) -> PyResult<bool> {
        let feed = self.feed()?;
        Ok(lock(&self.collector).pull(&feed))
    }

    /// Done when [`Self::take`] has something to say.
    fn arrival<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Wait>> {
        let wait = Wait::new(py)?;
        let waiting = wait.clone().unbind();
        pull_when_fed(&self.feed()?, self.collector.clone(), waiting);
        Ok(wait)
    }

    /// The events so far, pairs of a kind and bytes; `None` at the end of the form.
    ///
    /// Raises `ValueError` where it is malformed, `ClientDisconnect`, and `OverflowError` past the
    /// bound.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let (events, end) = {
            let mut collector = lock(&self.collector);
            if collector.events.is_empty() {
                (Vec::new(), collector.end)
            } else {
                collector.batch_bytes = 0;
                collector.batch_parts = 0;
                (std::mem::take(&mut collector.events), None)
            }
        };
        match end {
            None => {}
            Some(End::Whole) => return Ok(None),
            Some(End::Malformed(problem)) => return Err(refused(problem)),
            Some(End::TooLarge) => return Err(PyOverflowError::new_err("the body is too large")),
            Some(End::Disconnected) => {
                let requests = py.import("fasterapi.requests")?;
                let class = requests.getattr("ClientDisconnect")?;
                return Err(PyErr::from_value(class.call0()?));
            }
        }
        let list = PyList::empty(py);
        for event in &events {
            list.append(match event {
                Event::Head(head) => (PART_BEGIN, joined(py, std::slice::from_ref(head))?),
                Event::Data(pieces) => (PART_DATA, joined(py, pieces)?),
                Event::End => (PART_END, joined(py, &[])?),
            })?;
        }
        Ok(Some(list))
    }
}

impl FormReader {
    /// `bytes_max` bounds the whole body, the boundaries included.
    ///
    /// # Errors
    /// `ValueError` for an impossible boundary.
    pub(super) fn new(key: RequestKey, boundary: &[u8], bytes_max: Option<u64>) -> PyResult<Self> {
        let parser = Multipart::new(boundary).map_err(refused)?;
        let collector = Collector {
            parser: Box::new(parser),
            bytes_max: bytes_max.unwrap_or(u64::MAX),
            received_bytes: 0,
            events: Vec::new(),
            batch_bytes: 0,
            batch_parts: 0,
            end: None,
        };
        Ok(Self {
            key,
            collector: Arc::new(Mutex::new(collector)),
        })
    }

    fn feed(&self) -> PyResult<Rc<BodyFeed>> {
        pending::feed(self.key)
            .ok_or_else(|| PyRuntimeError::new_err("the request has been answered already"))
    }
}

fn refused(problem: Malformed) -> PyErr {
    PyValueError::new_err(problem.to_string())
}

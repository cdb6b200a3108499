//! One connection to a server: its socket, what is in flight on it, and what is known of it.
//!
//! No lock but `wire` is held while Python code runs, and `wire` is only ever tried: whoever finds
//! it taken is called from within the loop that holds it, which flushes at its end.

use super::awaitable::{PgOperation, Retry, Shape};
use super::codec::Types;
use super::descriptions::Descriptions;
use super::errors;
use super::hooks::Hooks;
use super::link::Link;
use super::operation::{Operation, Work};
use super::pool_core::PoolCore;
use super::session::Session;
use super::signal::Signal;
use super::statement_cache::StatementCache;
use super::submission::{Submission, deadline_after};
use bytes::BytesMut;
use pyo3::prelude::*;
use pyo3::types::{PyType, PyWeakrefMethods, PyWeakrefReference};
use runtime::postgres::{Flushed, Wire};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

/// Memory of a longer operation is given back, in bytes.
const SCRATCH_KEPT_BYTES_MAX: usize = 256 * 1024;

/// A lock that a panic elsewhere does not close.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state of one connection, shared by its Python object, its link and its pool.
pub(crate) struct Core {
    pub(crate) loop_: Py<PyAny>,
    pub(crate) types: Types,
    pub(crate) descriptions: Descriptions,
    /// What rows are made of; `None` for `Record` itself.
    pub(crate) record_class: Option<Py<PyType>>,
    pub(crate) message_bytes_max: usize,
    pub(super) wire: Mutex<Wire>,
    /// What is to be sent and has not reached the wire.
    outbox: Mutex<BytesMut>,
    /// Where operations are encoded; kept for its memory.
    scratch: Mutex<BytesMut>,
    pub(super) queue: Mutex<VecDeque<Operation>>,
    pub(super) session: Mutex<Session>,
    pub(crate) hooks: Hooks,
    /// A weak reference to the program's connection object, which operations keep alive.
    owner: OnceLock<Py<PyWeakrefReference>>,
    pub(crate) statements: Mutex<StatementCache>,
    pub(crate) changed: Signal,
    pub(super) link: Link,
    pub(super) pool: Mutex<Option<Weak<PoolCore>>>,
    pub(super) in_flight: AtomicUsize,
    held: AtomicBool,
    closed: AtomicBool,
    dirty: AtomicBool,
    /// What was submitted last may wait for locks of others.
    may_lock: AtomicBool,
    /// Only one operation at a time may be under way.
    exclusive: AtomicBool,
    /// What is submitted waits to be sent in one piece.
    corked: AtomicBool,
    /// How many operations were begun, but for those that only prepare.
    queries: AtomicU64,
    /// Coroutines in Python that go on with it although nobody holds it.
    pub(super) pins: AtomicUsize,
    /// When the server last began or ended something for us, by [`now_us`].
    progress_us: AtomicU64,
    /// A timer looks at the operation that the server works on.
    pub(super) head_watched: AtomicBool,
    /// The earliest deadline that a timer is set for.
    timer: Mutex<Option<Instant>>,
}

/// What a connection is made with.
pub(crate) struct Settings {
    pub(crate) types: Types,
    pub(crate) descriptions: Descriptions,
    pub(crate) record_class: Option<Py<PyType>>,
    /// A message of the server that is longer ends the connection, in bytes.
    pub(crate) message_bytes_max: usize,
}

impl Core {
    /// A connection over `wire`, not yet attached to a loop.
    pub(crate) fn new(loop_: Py<PyAny>, wire: Wire, link: Link, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            loop_,
            types: settings.types,
            descriptions: settings.descriptions,
            record_class: settings.record_class,
            message_bytes_max: settings.message_bytes_max,
            wire: Mutex::new(wire),
            outbox: Mutex::default(),
            scratch: Mutex::default(),
            queue: Mutex::default(),
            session: Mutex::default(),
            hooks: Hooks::default(),
            owner: OnceLock::new(),
            statements: Mutex::default(),
            changed: Signal::default(),
            link,
            pool: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            dirty: AtomicBool::new(false),
            may_lock: AtomicBool::new(false),
            exclusive: AtomicBool::new(true),
            corked: AtomicBool::new(false),
            queries: AtomicU64::new(0),
            pins: AtomicUsize::new(0),
            progress_us: AtomicU64::new(0),
            head_watched: AtomicBool::new(false),
            timer: Mutex::default(),
        })
    }

    /// Says what the program has in its hands as this connection.
    pub(crate) fn set_owner(&self, owner: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = self.owner.set(PyWeakrefReference::new(owner)?.unbind());
        Ok(())
    }

    /// What [`Self::set_owner`] was told, if it is alive.
    pub(super) fn owner(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let owner = self.owner.get()?.bind(py).upgrade()?;
        Some(owner.unbind())
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The server has begun or ended something.
    pub(super) fn note_progress(&self) {
        self.progress_us.store(now_us(), Ordering::Relaxed);
    }

    /// Since when, in microseconds, the server has ended nothing.
    pub(super) fn stalled_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.progress_us.load(Ordering::Relaxed))
    }

    /// Whether new operations must wait.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn set_held(self: &Arc<Self>, py: Python<'_>, held: bool) {
        self.held.store(held, Ordering::Relaxed);
        if !held {
            self.changed.fire(py);
            self.tell_pool(py);
        }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Relaxed)
    }

    pub(crate) fn set_dirty(&self, dirty: bool) {
        self.dirty.store(dirty, Ordering::Relaxed);
    }

    pub(crate) fn is_exclusive(&self) -> bool {
        self.exclusive.load(Ordering::Relaxed)
    }

    pub(crate) fn set_exclusive(&self, exclusive: bool) {
        self.exclusive.store(exclusive, Ordering::Relaxed);
    }

    /// While it is corked, nothing is sent of what is submitted.
    pub(crate) fn set_corked(self: &Arc<Self>, py: Python<'_>, corked: bool) {
        self.corked.store(corked, Ordering::Relaxed);
        if !corked {
            self.flush(py);
        }
    }

    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Whether somebody else may have it: nothing goes on.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight() == 0 && self.is_unpinned()
    }

    /// Whether no coroutine in Python goes on with it.
    pub(super) fn is_unpinned(&self) -> bool {
        self.pins.load(Ordering::Relaxed) == 0
    }

    /// Whether what was submitted last may wait for locks of others.
    pub(super) fn may_wait_for_locks(&self) -> bool {
        self.may_lock.load(Ordering::Relaxed)
    }

    /// Whether a session of it is as a new one.
    pub(super) fn is_clean(&self) -> bool {
        !self.is_dirty() && (self.in_flight() > 0 || locked(&self.session).status == b'I')
    }

    /// Whether an operation that somebody waits for is under way.
    fn is_busy(&self) -> bool {
        self.in_flight() > 0
            && locked(&self.queue)
                .iter()
                .any(|operation| !operation.owner.get().is_abandoned())
    }

    /// Sends what `encode` writes, as one operation of the queue.
    ///
    /// # Errors
    /// When the connection is closed, and what `encode` says; then nothing is sent.
    pub(crate) fn submit(
        self: &Arc<Self>,
        owner: &Bound<'_, PgOperation>,
        work: Work,
        submission: Submission<'_>,
        encode: impl FnOnce(&mut BytesMut) -> PyResult<()>,
    ) -> PyResult<()> {
        let py = owner.py();
        if self.is_closed() {
            return Err(self.closed_error(py));
        }
        if self.is_exclusive() && self.is_busy() {
            let problem = "cannot perform operation: another operation is in progress";
            return Err(errors::interface(py, problem));
        }
        // Encoding may run Python code, which may come back here: not under a lock.
        let mut bytes = BytesMut::new();
        std::mem::swap(&mut bytes, &mut *locked(&self.scratch));
        let encoded = encode(&mut bytes);
        if encoded.is_ok() {
            locked(&self.outbox).extend_from_slice(&bytes);
        }
        bytes.clear();
        if bytes.capacity() <= SCRATCH_KEPT_BYTES_MAX {
            std::mem::swap(&mut bytes, &mut *locked(&self.scratch));
        }
        encoded?;
        if submission.may_dirty {
            self.set_dirty(true);
        }
        self.may_lock.store(submission.may_lock, Ordering::Relaxed);
        if !matches!(work, Work::Prepare(_)) {
            self.queries.fetch_add(1, Ordering::Relaxed);
        }
        let deadline = submission.timeout_s.and_then(deadline_after);
        locked(&self.queue).push_back(Operation {
            work,
            owner: owner.clone().unbind(),
            query: submission.query.map(Into::into),
            error: None,
            deadline,
            tag: None,
        });
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            self.note_progress();
        }
        if let Some(deadline) = deadline {
            self.arm_timer(py, deadline)?;
        }
        self.send_soon(py, before == 0);
        Ok(())
    }

    /// Sends bytes that belong to the operation in flight.
    pub(crate) fn send_more(self: &Arc<Self>, py: Python<'_>, bytes: &[u8]) {
        locked(&self.outbox).extend_from_slice(bytes);
        self.send_soon(py, true);
    }

    /// How many bytes wait to be sent.
    pub(crate) fn unsent(&self) -> usize {
        let waiting = locked(&self.outbox).len();
        let wire = self.wire.try_lock();
        waiting + wire.map_or(0, |mut wire| wire.output().len())
    }

    /// What is sent while the server works anyway is sent with what comes next; to a server that
    /// waits it is sent at once.
    fn send_soon(self: &Arc<Self>, py: Python<'_>, at_once: bool) {
        if self.corked.load(Ordering::Relaxed) {
            return;
        }
        if at_once {
            self.flush(py);
        } else {
            self.link.request_flush(py, self);
        }
    }

    /// Writes as much as the socket takes.
    pub(crate) fn flush(self: &Arc<Self>, py: Python<'_>) {
        self.flush_with(py, Wire::flush);
    }

    /// The same with a flush of one's own.
    pub(super) fn flush_with(
        self: &Arc<Self>,
        py: Python<'_>,
        flush: impl FnOnce(&mut Wire) -> io::Result<Flushed>,
    ) {
        let (flushed, was_waiting) = {
            let Ok(mut wire) = self.wire.try_lock() else {
                return;
            };
            let was_waiting = !wire.output().is_empty();
            {
                let mut outbox = locked(&self.outbox);
                if was_waiting {
                    wire.output().extend_from_slice(&outbox);
                    outbox.clear();
                } else {
                    std::mem::swap(wire.output(), &mut *outbox);
                }
            }
            (flush(&mut wire), was_waiting)
        };
        match flushed {
            Ok(Flushed::All) => {
                self.link.want_write(py, self, false);
                if was_waiting && self.unsent() == 0 {
                    self.changed.fire(py);
                }
            }
            Ok(Flushed::WouldBlock) => self.link.want_write(py, self, true),
            // What the server said before it hung up may still be read.
            Err(_) => self.link.want_write(py, self, false),
        }
    }

    /// Ends the socket, unless its wire is in use: whoever uses it does so then.
    pub(super) fn shut_down(&self) {
        if let Ok(mut wire) = self.wire.try_lock() {
            wire.close();
        }
    }

    /// Ends the connection at once: everything in flight fails.
    pub(crate) fn fail(self: &Arc<Self>, py: Python<'_>, error: Option<PyErr>) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        self.link.detach(py, self);
        self.shut_down();
        let reason = error.as_ref().map(|error| error.clone_ref(py));
        locked(&self.session).error = reason.map(|error| error.into_value(py));
        // Before anybody goes on: whoever listens hears of it first.
        self.hooks.closed(py, error.as_ref());
        self.fail_handshake(py, error.as_ref());
        let operations = std::mem::take(&mut *locked(&self.queue));
        self.in_flight.store(0, Ordering::Relaxed);
        for operation in operations {
            let reason = match (operation.error, &error) {
                (Some(own), _) => errors::lost(py, own),
                (None, Some(error)) => error.clone_ref(py),
                (None, None) => {
                    errors::closed(py, "connection was closed in the middle of operation")
                }
            };
            PgOperation::finish(operation.owner.bind(py), Err(reason), false);
        }
        self.changed.fire(py);
        if let Some(pool) = self.pool() {
            pool.on_closed(py, self);
        }
    }

    /// Why nothing can be asked any more.
    pub(crate) fn closed_error(&self, py: Python<'_>) -> PyErr {
        match &locked(&self.session).error {
            Some(error) => {
                errors::interface(py, &format!("connection is closed: {}", error.bind(py)))
            }
            None => errors::interface(py, "connection is closed"),
        }
    }

    pub(super) fn pool(&self) -> Option<Arc<PoolCore>> {
        locked(&self.pool).as_ref().and_then(Weak::upgrade)
    }

    /// Room may have come for who waits in the pool.
    pub(super) fn tell_pool(self: &Arc<Self>, py: Python<'_>) {
        if let Some(pool) = self.pool() {
            pool.on_progress(py, self);
        }
    }

    /// A statement's description is out of date.
    pub(super) fn note_outdated(&self, py: Python<'_>, error: &PyErr) {
        self.hooks.outdated(py, error);
    }

    /// Whether a query that ended so may be sent once more.
    pub(crate) fn may_retry(&self, py: Python<'_>, error: &PyErr) -> bool {
        !self.is_closed() && locked(&self.session).status == b'I' && errors::is_stale(py, error)
    }

    /// The coroutine that prepares a statement before it runs it.
    pub(crate) fn slow_path(
        &self,
        py: Python<'_>,
        retry: &Retry,
        again: bool,
    ) -> PyResult<Py<PyAny>> {
        let Shape {
            mode,
            limit,
            column,
            timeout_s,
        } = &retry.shape;
        self.hooks.slow_path(
            py,
            (
                &retry.sql,
                &retry.args,
                *mode,
                *limit,
                column,
                *timeout_s,
                again,
            ),
        )
    }

    fn arm_timer(self: &Arc<Self>, py: Python<'_>, deadline: Instant) -> PyResult<()> {
        let mut timer = locked(&self.timer);
        if timer.is_some_and(|armed| armed <= deadline) {
            return Ok(());
        }
        *timer = Some(deadline);
        drop(timer);
        self.link.call_at(py, self, deadline)
    }

    /// Ends what is late; called by the timer for `armed`.
    pub(crate) fn on_timer(self: &Arc<Self>, py: Python<'_>, armed: Instant) {
        // One for an earlier deadline may have taken its place, which sets the next.
        if locked(&self.timer)
            .take_if(|timer| *timer == armed)
            .is_none()
        {
            return;
        }
        let now = Instant::now();
        let mut late = Vec::new();
        let mut next: Option<Instant> = None;
        for operation in locked(&self.queue).iter_mut() {
            match operation.deadline {
                Some(deadline) if deadline <= now => {
                    operation.deadline = None;
                    late.push(operation.owner.clone_ref(py));
                }
                Some(deadline) => next = Some(next.map_or(deadline, |next| next.min(deadline))),
                None => {}
            }
        }
        for owner in late {
            let owner = owner.bind(py);
            PgOperation::fail_early(owner, errors::timeout());
            self.on_abandon(py);
        }
        if let Some(next) = next
            && let Err(error) = self.arm_timer(py, next)
        {
            error.write_unraisable(py, None);
        }
    }
}

/// Microseconds since some moment in the past.
pub(super) fn now_us() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let since = EPOCH.get_or_init(Instant::now).elapsed();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

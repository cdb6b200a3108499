//! Every open connection with the moment its patience ends, swept by one task.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// How often deadlines are looked at. The clock they are counted on is as old as the last look, so
/// they are late by less than twice this, and never early.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_millis(SWEEP_MS);
const SWEEP_MS: u64 = 250;
/// The shard's clock runs at most this far between two sweeps: while a handler holds the shard
/// peers cannot make progress, and must not be blamed for it.
const SWEEP_STEP_MAX: Duration = Duration::from_millis(500);
/// Most entries of closed connections that are kept, at about 100 bytes each.
const CLOSED_MAX: usize = 512;
/// How long a connection must have been idle before a drain closes it, in milliseconds: one that
/// is in use is about to send a request, whose answer can tell it to close.
pub(crate) const DRAIN_GRACE_MS: u64 = 1_000;

/// What a connection waits for, which decides what its end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between requests.
    Idle,
    /// For the rest of a request head.
    Head,
    /// For more of a request body.
    Body,
    /// For its handler: no deadline, unless the answer has one.
    Handler,
    /// For the next event of its event stream: no deadline.
    Events,
    /// For the peer to take what was sent.
    Send,
    /// For the peer to close, after the last answer.
    Linger,
    /// For either side of a WebSocket to have something to say.
    Socket,
}

/// Why a wait was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Its deadline passed.
    Expired,
    /// The shard drains and the connection is idle.
    Drained,
}

/// One connection as the sweep sees it.
pub(crate) struct Entry {
    phase: Cell<Phase>,
    since_ms: Cell<u64>,
    deadline_ms: Cell<u64>,
    /// When the handler must have begun its answer.
    answer_due_ms: Cell<u64>,
    cut: Cell<Option<Cut>>,
    waker: RefCell<Option<Waker>>,
}

impl Entry {
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Enters a phase that must end within `limit` from `now_ms`.
    fn wait_for(&self, phase: Phase, now_ms: u64, limit: Option<u64>) {
        self.phase.set(phase);
        // What ended an earlier wait says nothing about this one.
        self.cut.set(None);
        self.since_ms.set(now_ms);
        let no_limit = match phase {
            Phase::Handler => self.answer_due_ms.get(),
            _ => u64::MAX,
        };
        self.deadline_ms
            .set(limit.map_or(no_limit, |limit| after(now_ms, limit)));
    }

    /// Why the present wait must end, if it must.
    pub(crate) fn cut(&self) -> Option<Cut> {
        self.cut.take()
    }

    /// Registers the task to wake when the wait is cut short.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    fn end(&self, cut: Cut) {
        self.cut.set(Some(cut));
        if let Some(waker) = self.waker.borrow_mut().take() {
            crate::reactor::wake(waker);
        }
    }
}

/// The moment that is surely `limit_ms` later: the clock may be late by a sweep.
fn after(now_ms: u64, limit_ms: u64) -> u64 {
    now_ms.saturating_add(limit_ms).saturating_add(SWEEP_MS)
}

/// All open connections of a shard and its coarse clock.
pub(crate) struct Deadlines {
    entries: RefCell<Vec<Rc<Entry>>>,
    now_ms: Cell<u64>,
    unix_s: Cell<u64>,
    swept_at: Cell<Instant>,
    /// No deadline is before this moment, so that most sweeps need not look at the entries.
    due_ms: Cell<u64>,
    /// Connections that have closed since the entries were looked at.
    closed: Cell<usize>,
}

impl Deadlines {
    pub(crate) fn new() -> Self {
        let clock = Self {
            entries: RefCell::default(),
            now_ms: Cell::new(0),
            unix_s: Cell::new(0),
            swept_at: Cell::new(Instant::now()),
            due_ms: Cell::new(u64::MAX),
            closed: Cell::new(0),
        };
        clock.tick();
        clock
    }

    /// Milliseconds on the shard's own clock, as of the last sweep.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Seconds since 1970, as of the last sweep.
    pub(crate) fn unix_s(&self) -> u64 {
        self.unix_s.get()
    }

    /// Adds a connection.
    pub(crate) fn enter(&self) -> Rc<Entry> {
        let entry = Rc::new(Entry {
            phase: Cell::new(Phase::Idle),
            since_ms: Cell::new(self.now_ms.get()),
            deadline_ms: Cell::new(u64::MAX),
            answer_due_ms: Cell::new(u64::MAX),
            cut: Cell::new(None),
            waker: RefCell::new(None),
        });
        self.entries.borrow_mut().push(entry.clone());
        entry
    }

    /// Lets a connection enter a phase that must end within `limit_ms`.
    pub(crate) fn wait_for(&self, entry: &Entry, phase: Phase, limit_ms: Option<u64>) {
        entry.wait_for(phase, self.now_ms.get(), limit_ms);
        self.due_ms
            .set(self.due_ms.get().min(entry.deadline_ms.get()));
    }

    /// Lets a connection wait for its handler, which must answer within `limit_ms`.
    pub(crate) fn wait_for_answer(&self, entry: &Entry, limit_ms: Option<u64>) {
        let due_ms = limit_ms.map_or(u64::MAX, |limit| after(self.now_ms.get(), limit));
        entry.answer_due_ms.set(due_ms);
        self.wait_for(entry, Phase::Handler, None);
    }

    /// Notes that a connection has closed; its entry goes with the next look.
    pub(crate) fn leave(&self) {
        self.closed.set(self.closed.get() + 1);
    }

    /// Moves the clock on. While nobody is connected nobody sweeps, so `enter` is preceded by it.
    pub(crate) fn tick(&self) {
        let now = Instant::now();
        let step = now
            .duration_since(self.swept_at.replace(now))
            .min(SWEEP_STEP_MAX);
        self.now_ms
            .set(self.now_ms.get() + u64::try_from(step.as_millis()).unwrap_or(0));
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        self.unix_s.set(unix.map_or(0, |since| since.as_secs()));
    }

    /// Moves the clock on, forgets closed connections and cuts the waits that took too long.
    pub(crate) fn sweep(&self) {
        self.tick();
        let now_ms = self.now_ms.get();
        if now_ms < self.due_ms.get() && self.closed.get() < CLOSED_MAX {
            return;
        }
        let mut expired = Vec::new();
        let mut due_ms = u64::MAX;
        self.entries.borrow_mut().retain(|entry| {
            if Rc::strong_count(entry) == 1 {
                return false;
            }
            if entry.deadline_ms.get() <= now_ms {
                entry.deadline_ms.set(u64::MAX);
                expired.push(entry.clone());
            }
            due_ms = due_ms.min(entry.deadline_ms.get());
            true
        });
        self.due_ms.set(due_ms);
        self.closed.set(0);
        for entry in expired {
            entry.end(Cut::Expired);
        }
    }

    /// Wakes every connection that waits for an event, because the shard drains.
    pub(crate) fn drain_event_streams(&self) {
        let entries = self.entries.borrow();
        let waits = |entry: &&Rc<Entry>| entry.phase() == Phase::Events;
        let waiting: Vec<_> = entries.iter().filter(waits).cloned().collect();
        drop(entries);
        for entry in waiting {
            entry.end(Cut::Drained);
        }
    }

    /// Ends every connection that has been idle for a while, and every WebSocket.
    pub(crate) fn drain_idle(&self) {
        let now_ms = self.now_ms.get();
        let old = |entry: &Rc<Entry>| {
            let idle_ms = now_ms.saturating_sub(entry.since_ms.get());
            match entry.phase() {
                Phase::Idle => idle_ms >= DRAIN_GRACE_MS,
                Phase::Socket => true,
                _ => false,
            }
        };
        let idle: Vec<_> = self
            .entries
            .borrow()
            .iter()
            .filter(|e| old(e))
            .cloned()
            .collect();
        for entry in idle {
            entry.end(Cut::Drained);
        }
    }
}

//! `_core.PgPool`: which connection a query goes to.
//!
//! An idle connection comes first. Without one a query that stands alone is sent behind others,
//! on the connection with the fewest, up to a depth; never on one that somebody holds. What finds
//! no place waits its turn, whether it wants a query's answer or a connection.

use super::awaitable::{Begun, PgOperation, Retry, Shape};
use super::connection::{PgConnection, begin_query};
use super::core::{Core, locked, now_us};
use super::pool_queue::{Queue, Waiting, expire_later};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A connection that has answered nothing for so long, in microseconds, works on something slow.
const STALLED_US: u64 = 5_000;

/// A connection of the pool.
struct Member {
    core: Arc<Core>,
    /// What `acquire` gives.
    object: Py<PyAny>,
    leased: bool,
}

#[derive(Default)]
struct Members {
    all: Vec<Member>,
    waiting: Queue,
}

/// The connections of one pool and those who wait for them.
pub(crate) struct PoolCore {
    members: Mutex<Members>,
    depth_max: AtomicUsize,
    pipelining: AtomicBool,
    on_demand: Mutex<Option<Py<PyAny>>>,
    on_dirty: Mutex<Option<Py<PyAny>>>,
}

impl PoolCore {
    /// The connection for a query that stands alone; the flag says whether others wait on it.
    fn place_for_query(&self, members: &Members) -> Option<(Arc<Core>, bool)> {
        let free = members.all.iter().filter(|member| member.is_free());
        // The one that was added last comes first: those at the front may fall idle and be closed.
        if let Some(idle) = free
            .clone()
            .rev()
            .find(|member| member.core.in_flight() == 0)
        {
            return Some((idle.core.clone(), false));
        }
        if !self.pipelining.load(Ordering::Relaxed) {
            return None;
        }
        let depth_max = self.depth_max.load(Ordering::Relaxed);
        let now_us = now_us();
        // Behind a slow query nobody waits who need not.
        let rank = |member: &&Member| {
            let is_stalled = member.core.stalled_us(now_us) > STALLED_US;
            (is_stalled, member.core.in_flight())
        };
        let best = free.min_by_key(rank)?;
        (best.core.in_flight() < depth_max).then(|| (best.core.clone(), true))
    }

    fn place_for_lease(members: &mut Members, py: Python<'_>) -> Option<(Arc<Core>, Py<PyAny>)> {
        let idle = |member: &&mut Member| member.is_free() && member.core.is_idle();
        let member = members.all.iter_mut().rev().find(idle)?;
        member.leased = true;
        member.core.set_exclusive(true);
        Some((member.core.clone(), member.object.clone_ref(py)))
    }

    /// Asks Python for more connections.
    fn demand(&self, py: Python<'_>) {
        let callable = locked(&self.on_demand)
            .as_ref()
            .map(|callable| callable.clone_ref(py));
        if let Some(callable) = callable
            && let Err(error) = callable.bind(py).call0()
        {
            error.write_unraisable(py, Some(callable.bind(py)));
        }
    }

    fn begin(&self, owner: &Bound<'_, PgOperation>, retry: Retry) -> PyResult<Begun> {
        let py = owner.py();
        let place = {
            let members = locked(&self.members);
            // First come, first served.
            if members.waiting.is_empty() {
                self.place_for_query(&members)
            } else {
                None
            }
        };
        if let Some((core, is_shared)) = place {
            if is_shared {
                self.demand(py);
            }
            return begin_query(&core, owner, retry);
        }
        let timeout_s = retry.shape.timeout_s;
        self.line_up(py, Waiting::Query(owner.clone().unbind(), retry))?;
        if let Some(timeout_s) = timeout_s {
            expire_later(owner, timeout_s)?;
        }
        self.demand(py);
        Ok(Begun::Queued)
    }

    fn line_up(&self, py: Python<'_>, waiting: Waiting) -> PyResult<()> {
        locked(&self.members).waiting.push(py, waiting)
    }

    fn lease(self: &Arc<Self>, owner: &Bound<'_, PgOperation>) -> PyResult<Begun> {
        let py = owner.py();
        self.line_up(py, Waiting::Lease(owner.clone().unbind()))?;
        self.serve(py, false);
        if !owner.get().has_result() {
            self.demand(py);
        }
        Ok(Begun::Queued)
    }

    /// Gives those who wait what has become free, in their order.
    fn serve(self: &Arc<Self>, py: Python<'_>, is_now: bool) {
        loop {
            let served = {
                let mut members = locked(&self.members);
                let Some(first) = members.waiting.front() else {
                    return;
                };
                if first.owner().get().is_abandoned() {
                    Served::Skip(members.waiting.pop_front())
                } else {
                    let wants_lease = matches!(first, Waiting::Lease(_));
                    let place = match wants_lease {
                        true => Self::place_for_lease(&mut members, py)
                            .map(|(core, object)| (core, Some(object))),
                        false => self.place_for_query(&members).map(|(core, _)| (core, None)),
                    };
                    match (place, members.waiting.pop_front()) {
                        (Some((core, object)), Some(waiting)) => {
                            Served::Place(waiting, core, object)
                        }
                        (None, Some(waiting)) => {
                            members.waiting.push_front(waiting);
                            return;
                        }
                        (_, None) => return,
                    }
                }
            };
            match served {
                Served::Skip(waiting) => drop(waiting),
                Served::Place(Waiting::Lease(owner), core, Some(object)) => {
                    self.give(owner.bind(py), core, object, is_now);
                }
                Served::Place(Waiting::Query(owner, retry), core, _) => {
                    Self::send(owner.bind(py), &core, retry, is_now);
                }
                Served::Place(Waiting::Lease(_), _, None) => {}
            }
        }
    }

    fn give(
        self: &Arc<Self>,
        owner: &Bound<'_, PgOperation>,
        core: Arc<Core>,
        object: Py<PyAny>,
        is_now: bool,
    ) {
        let pool = self.clone();
        owner.get().set_take_back(move |py| pool.release(py, &core));
        PgOperation::finish(owner, Ok(object), is_now);
    }

    fn send(owner: &Bound<'_, PgOperation>, core: &Arc<Core>, retry: Retry, is_now: bool) {
        match begin_query(core, owner, retry) {
            Ok(Begun::Sent(core)) => owner.get().set_core(core),
            Ok(Begun::Slow(coroutine, pin)) => PgOperation::go_on(owner, coroutine, pin),
            Ok(Begun::Queued) => {}
            Err(error) => PgOperation::finish(owner, Err(error), is_now),
        }
    }

    /// A connection has answered something: perhaps there is room now.
    pub(super) fn on_progress(self: &Arc<Self>, py: Python<'_>, core: &Arc<Core>) {
        if core.is_idle() && !core.is_clean() {
            self.tell_dirty(py, core);
        }
        if !locked(&self.members).waiting.is_empty() {
            self.serve(py, false);
        }
    }

    /// A query that stood alone has left something behind: Python resets the session.
    fn tell_dirty(&self, py: Python<'_>, core: &Arc<Core>) {
        let object = {
            let members = locked(&self.members);
            let mut unleased = members.all.iter().filter(|member| !member.leased);
            let found = unleased.find(|member| Arc::ptr_eq(&member.core, core));
            found.map(|member| member.object.clone_ref(py))
        };
        let callable = locked(&self.on_dirty)
            .as_ref()
            .map(|callable| callable.clone_ref(py));
        if let (Some(object), Some(callable)) = (object, callable)
            && let Err(error) = callable.bind(py).call1((object,))
        {
            error.write_unraisable(py, Some(callable.bind(py)));
        }
    }

    /// A connection is gone.
    pub(super) fn on_closed(self: &Arc<Self>, py: Python<'_>, core: &Arc<Core>) {
        let removed = {
            let mut members = locked(&self.members);
            let found = members
                .all
                .iter()
                .position(|member| Arc::ptr_eq(&member.core, core));
            // Whoever has a lease gives it back.
            found
                .filter(|index| !members.all[*index].leased)
                .map(|index| members.all.remove(index))
        };
        drop(removed);
        self.demand(py);
    }

    fn release(self: &Arc<Self>, py: Python<'_>, core: &Arc<Core>) {
        let removed = {
            let mut members = locked(&self.members);
            let found = members
                .all
                .iter()
                .position(|member| Arc::ptr_eq(&member.core, core));
            match found {
                Some(index) if core.is_closed() => Some(members.all.remove(index)),
                Some(index) => {
                    members.all[index].leased = false;
                    core.set_exclusive(false);
                    None
                }
                None => None,
            }
        };
        let is_gone = removed.is_some();
        drop(removed);
        self.serve(py, false);
        if is_gone {
            self.demand(py);
        }
    }

    /// Fails everybody who waits.
    fn fail_waiting(&self, py: Python<'_>, error: &PyErr) {
        let waiting = locked(&self.members).waiting.take_all();
        for waiting in waiting {
            let owner = waiting.owner().bind(py);
            PgOperation::finish(owner, Err(error.clone_ref(py)), false);
        }
    }
}

/// What [`PoolCore::serve`] found.
enum Served {
    Skip(Option<Waiting>),
    Place(Waiting, Arc<Core>, Option<Py<PyAny>>),
}

impl Member {
    /// Whether queries that stand alone, or whoever wants it for himself, may have it.
    fn is_free(&self) -> bool {
        !self.leased && !self.core.is_closed() && !self.core.is_held() && self.core.is_clean()
    }
}

/// The connections of a pool, and who gets which.
#[pyclass(frozen, weakref, subclass, module = "fasterapi._core")]
pub(crate) struct PgPool {
    core: Arc<PoolCore>,
    loop_: Py<PyAny>,
}

#[pymethods]
impl PgPool {
    /// A pool without connections, for `loop`. At most `depth_max` queries share a connection.
    #[new]
    #[pyo3(signature = (loop_, *, depth_max, pipelining))]
    fn new(loop_: Py<PyAny>, depth_max: usize, pipelining: bool) -> Self {
        let core = Arc::new(PoolCore {
            members: Mutex::default(),
            depth_max: AtomicUsize::new(depth_max),
            pipelining: AtomicBool::new(pipelining),
            on_demand: Mutex::default(),
            on_dirty: Mutex::default(),
        });
        Self { core, loop_ }
    }

    /// Calls `callable` when the pool may want more connections.
    fn set_on_demand(&self, callable: Option<Py<PyAny>>) {
        let former = std::mem::replace(&mut *locked(&self.core.on_demand), callable);
        drop(former);
    }

    /// Calls `callable(object)` for a connection that a query which stood alone has left dirty or
    /// inside a transaction: nobody is given it until it was reserved, reset and released.
    fn set_on_dirty(&self, callable: Option<Py<PyAny>>) {
        let former = std::mem::replace(&mut *locked(&self.core.on_dirty), callable);
        drop(former);
    }

    /// Adds a connection; `object` is what `acquire` gives. A `leased` one is given to nobody
    /// until `release`.
    #[pyo3(signature = (connection, object, *, leased = false))]
    fn add(
        &self,
        py: Python<'_>,
        connection: &Bound<'_, PgConnection>,
        object: Py<PyAny>,
        leased: bool,
    ) {
        let core = connection.get().core.clone();
        *locked(&core.pool) = Some(Arc::downgrade(&self.core));
        core.set_exclusive(leased);
        let member = Member {
            core,
            object,
            leased,
        };
        locked(&self.core.members).all.push(member);
        self.core.serve(py, false);
    }

    /// Takes a connection out; it is not closed.
    fn remove(&self, connection: &Bound<'_, PgConnection>) {
        let core = &connection.get().core;
        *locked(&core.pool) = None;
        let removed = {
            let mut members = locked(&self.core.members);
            let found = members
                .all
                .iter()
                .position(|member| Arc::ptr_eq(&member.core, core));
            found.map(|index| members.all.remove(index))
        };
        drop(removed);
    }

    /// Takes an idle connection out of use, to close, check or reset it; false when it is in use.
    fn reserve(&self, connection: &Bound<'_, PgConnection>) -> bool {
        let core = &connection.get().core;
        let mut members = locked(&self.core.members);
        let found = members
            .all
            .iter_mut()
            .find(|member| Arc::ptr_eq(&member.core, core));
        match found {
            Some(member) if !member.leased && !core.is_closed() && core.is_idle() => {
                member.leased = true;
                core.set_exclusive(true);
                true
            }
            _ => false,
        }
    }

    /// Runs `sql` with `args` on one of the connections, as `PgConnection.query` does.
    #[pyo3(signature = (sql, args, *, mode = 0, limit = 0, column = None, timeout = None))]
    fn query(
        &self,
        sql: Bound<'_, PyString>,
        args: Bound<'_, PyTuple>,
        mode: u8,
        limit: u32,
        column: Option<Py<PyAny>>,
        timeout: Option<f64>,
    ) -> PgOperation {
        let core = self.core.clone();
        let loop_ = self.loop_.clone_ref(args.py());
        let shape = Shape {
            mode,
            limit,
            column,
            timeout_s: timeout,
        };
        let retry = Retry {
            sql: sql.unbind(),
            args: args.unbind(),
            shape,
        };
        PgOperation::new(loop_, move |owner| core.begin(owner, retry))
    }

    /// Takes an idle connection for oneself: what was given to `add`.
    fn acquire(&self, py: Python<'_>) -> PgOperation {
        let core = self.core.clone();
        PgOperation::new(self.loop_.clone_ref(py), move |owner| core.lease(owner))
    }

    /// Takes an idle connection if there is one and nobody waits for it.
    fn try_acquire(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let mut members = locked(&self.core.members);
        if !members.waiting.is_empty() {
            return None;
        }
        PoolCore::place_for_lease(&mut members, py).map(|(_, object)| object)
    }

    /// Fails whoever has waited longest with `error`; false when nobody waits.
    fn fail_first(&self, error: &Bound<'_, PyAny>) -> bool {
        loop {
            let first = locked(&self.core.members).waiting.pop_front();
            let Some(first) = first else {
                return false;
            };
            if !first.owner().get().is_abandoned() {
                let owner = first.owner().bind(error.py());
                PgOperation::finish(owner, Err(PyErr::from_value(error.clone())), false);
                return true;
            }
        }
    }

    /// Gives a connection back.
    fn release(&self, connection: &Bound<'_, PgConnection>) {
        self.core.release(connection.py(), &connection.get().core);
    }

    /// Fails everybody who waits with `error`.
    fn fail_waiting(&self, error: &Bound<'_, PyAny>) {
        self.core
            .fail_waiting(error.py(), &PyErr::from_value(error.clone()));
    }

    /// How many connections there are.
    #[getter]
    fn size(&self) -> usize {
        locked(&self.core.members).all.len()
    }

    /// How many of them are idle.
    #[getter]
    fn idle(&self) -> usize {
        let members = locked(&self.core.members);
        let idle = |member: &&Member| member.is_free() && member.core.is_idle();
        members.all.iter().filter(idle).count()
    }

    /// How many wait for a connection.
    #[getter]
    fn waiting(&self) -> usize {
        locked(&self.core.members).waiting.len()
    }
}

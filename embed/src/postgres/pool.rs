//! `_core.PgPool`: which connection a query goes to.
//!
//! An idle connection comes first. Without one a query waits its turn, as does whoever wants a
//! connection for himself; the next idle connection may take several along (`pool_batch.rs`).

use super::awaitable::{Begun, PgOperation, Retry, Shape};
use super::connection::PgConnection;
use super::core::{Core, locked};
use super::forgotten::pool_method;
use super::pool_batch::Batch;
use super::pool_queue::{Queue, Waiting};
use super::query::begin_query;
use super::submission::seconds;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A connection of the pool.
pub(super) struct Member {
    pub(super) core: Arc<Core>,
    /// What `acquire` gives.
    object: Py<PyAny>,
    leased: bool,
}

#[derive(Default)]
pub(super) struct Members {
    pub(super) all: Vec<Member>,
    pub(super) waiting: Queue,
}

/// The connections of one pool and those who wait for them.
pub(crate) struct PoolCore {
    pub(super) members: Mutex<Members>,
    pub(super) depth_max: usize,
    pub(super) pipelining: bool,
    /// How many connections there may be.
    size_max: usize,
    /// How many are being made.
    pub(super) growing: AtomicUsize,
    /// How long a query may wait for a connection.
    pub(super) wait_max: Option<Duration>,
    /// Why no more connections could be made, if so.
    pub(super) growth_error: Mutex<Option<PyErr>>,
    /// When somebody looks whether one has waited too long.
    pub(super) watched: Mutex<Option<Instant>>,
    on_demand: Mutex<Option<Py<PyAny>>>,
    on_dirty: Mutex<Option<Py<PyAny>>>,
}

impl Members {
    /// A connection on which nothing goes on. The one that was added last comes first: those at
    /// the front may fall idle and be closed.
    pub(super) fn idle(&self) -> Option<Arc<Core>> {
        let mut free = self.all.iter().rev().filter(|member| member.is_free());
        let idle = free.find(|member| member.core.is_idle())?;
        Some(idle.core.clone())
    }
}

impl PoolCore {
    fn place_for_lease(members: &mut Members, py: Python<'_>) -> Option<(Arc<Core>, Py<PyAny>)> {
        let idle = |member: &&mut Member| member.is_free() && member.core.is_idle();
        let member = members.all.iter_mut().rev().find(idle)?;
        member.leased = true;
        member.core.set_exclusive(true);
        Some((member.core.clone(), member.object.clone_ref(py)))
    }

    /// Asks Python for more connections, if there may be more.
    fn demand(&self, py: Python<'_>) {
        if locked(&self.members).all.len() >= self.size_max {
            return;
        }
        let callable = locked(&self.on_demand)
            .as_ref()
            .map(|callable| callable.clone_ref(py));
        if let Some(callable) = callable
            && let Err(error) = callable.bind(py).call0()
        {
            error.write_unraisable(py, Some(callable.bind(py)));
        }
    }

    fn begin(self: &Arc<Self>, owner: &Bound<'_, PgOperation>, retry: Retry) -> PyResult<Begun> {
        let py = owner.py();
        let (idle, is_first) = {
            let members = locked(&self.members);
            (members.idle(), members.waiting.is_empty())
        };
        let is_idle = idle.is_some();
        // First come, first served.
        if let Some(core) = idle.filter(|_| is_first) {
            return begin_query(&core, owner, retry);
        }
        let waiting = Waiting::Query(owner.clone().unbind(), retry, Instant::now());
        let deadline = waiting.deadline(self.wait_max);
        self.line_up(py, waiting)?;
        self.watch(owner, deadline)?;
        match is_idle {
            true => self.serve(py, false),
            false => self.demand(py),
        }
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
        let mut batch = None;
        loop {
            let served = {
                let mut members = locked(&self.members);
                self.serve_first(py, &mut members, &mut batch)
            };
            match served {
                Served::Nobody => return,
                Served::Skip(waiting) => drop(waiting),
                Served::Lease(owner, core, object) => {
                    self.give(owner.bind(py), core, object, is_now);
                }
                Served::Query(owner, retry, core) => {
                    Self::send(owner.bind(py), &core, retry, is_now);
                }
            }
        }
    }

    /// Takes whoever is first out of the queue, if there is something for him.
    fn serve_first(
        &self,
        py: Python<'_>,
        members: &mut Members,
        batch: &mut Option<Batch>,
    ) -> Served {
        let Some(first) = members.waiting.pop_front() else {
            return Served::Nobody;
        };
        if first.owner().get().is_abandoned() {
            return Served::Skip(first);
        }
        let first = match first {
            Waiting::Lease(owner) => match Self::place_for_lease(members, py) {
                Some((core, object)) => return Served::Lease(owner, core, object),
                None => Waiting::Lease(owner),
            },
            Waiting::Query(owner, mut retry, since) => match self.place(members, batch) {
                Some(core) => {
                    let timeout_s = &mut retry.shape.timeout_s;
                    *timeout_s = timeout_s.map(|all| all - since.elapsed().as_secs_f64());
                    return Served::Query(owner, retry, core);
                }
                None => Waiting::Query(owner, retry, since),
            },
        };
        members.waiting.push_front(first);
        Served::Nobody
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
        if !core.is_idle() {
            return;
        }
        if !core.is_clean() {
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
    Nobody,
    /// Does not wait any more.
    Skip(Waiting),
    Query(Py<PgOperation>, Retry, Arc<Core>),
    Lease(Py<PgOperation>, Arc<Core>, Py<PyAny>),
}

impl Member {
    /// Whether queries that stand alone, or whoever wants it for himself, may have it.
    pub(super) fn is_free(&self) -> bool {
        !self.leased && !self.core.is_closed() && !self.core.is_held() && self.core.is_clean()
    }

    /// Whether somebody has it for himself.
    pub(super) fn is_lent(&self) -> bool {
        self.leased
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
    /// A pool without connections, for `loop`, of at most `size_max`. At most `depth_max` queries
    /// share a connection; none waits longer than `wait_s_max` for one.
    #[new]
    #[pyo3(signature = (loop_, *, size_max, depth_max, pipelining, wait_s_max = None))]
    fn new(
        loop_: Py<PyAny>,
        size_max: usize,
        depth_max: usize,
        pipelining: bool,
        wait_s_max: Option<f64>,
    ) -> Self {
        let core = Arc::new(PoolCore {
            members: Mutex::default(),
            depth_max,
            pipelining,
            size_max,
            growing: AtomicUsize::new(0),
            wait_max: wait_s_max.map(seconds),
            growth_error: Mutex::default(),
            watched: Mutex::default(),
            on_demand: Mutex::default(),
            on_dirty: Mutex::default(),
        });
        Self { core, loop_ }
    }

    /// Says how many connections are being made: who waits for those is not sent behind others.
    fn set_growing(&self, count: usize) {
        self.core.growing.store(count, Ordering::Relaxed);
    }

    /// Notes why the pool could not grow, for those who wait in vain; `None`: it could.
    fn set_growth_error(&self, error: Option<Bound<'_, PyAny>>) {
        let error = error.map(PyErr::from_value);
        let former = std::mem::replace(&mut *locked(&self.core.growth_error), error);
        drop(former);
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
        PgOperation::new(loop_, move |owner| core.begin(owner, retry)).named(pool_method(mode))
    }

    /// Takes an idle connection for oneself: what was given to `add`.
    fn acquire(&self, py: Python<'_>) -> PgOperation {
        let core = self.core.clone();
        PgOperation::new(self.loop_.clone_ref(py), move |owner| core.lease(owner))
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

//! Which connection of a pool a query goes to.
//!
//! An idle connection comes first. Without one a query waits its turn, as does whoever wants a
//! connection for himself; the next idle connection may take several along (`pool_batch.rs`).

use super::awaitable::{Begun, PgOperation, Retry};
use super::core::{Core, locked};
use super::pool_batch::Batch;
use super::pool_queue::{Queue, Waiting};
use super::query::begin_query;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A connection of the pool.
pub(super) struct Member {
    pub(super) core: Arc<Core>,
    /// What `acquire` gives.
    pub(super) object: Py<PyAny>,
    pub(super) leased: bool,
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
    pub(super) size_max: usize,
    /// How many are being made.
    pub(super) growing: AtomicUsize,
    /// How long a query may wait for a connection.
    pub(super) wait_max: Option<Duration>,
    /// Why no more connections could be made, if so.
    pub(super) growth_error: Mutex<Option<Py<PyBaseException>>>,
    /// When somebody looks whether one has waited too long.
    pub(super) watched: Mutex<Option<Instant>>,
    pub(super) on_demand: Mutex<Option<Py<PyAny>>>,
    pub(super) on_dirty: Mutex<Option<Py<PyAny>>>,
}

impl Members {
    /// Where the member of a connection is.
    pub(super) fn position(&self, core: &Arc<Core>) -> Option<usize> {
        let mut members = self.all.iter();
        members.position(|member| Arc::ptr_eq(&member.core, core))
    }

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

    pub(super) fn begin(
        self: &Arc<Self>,
        owner: &Bound<'_, PgOperation>,
        retry: Retry,
    ) -> PyResult<Begun> {
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

    pub(super) fn lease(self: &Arc<Self>, owner: &Bound<'_, PgOperation>) -> PyResult<Begun> {
        let py = owner.py();
        self.line_up(py, Waiting::Lease(owner.clone().unbind()))?;
        self.serve(py, false);
        if !owner.get().has_result() {
            self.demand(py);
        }
        Ok(Begun::Queued)
    }

    /// Gives those who wait what has become free, in their order.
    pub(super) fn serve(self: &Arc<Self>, py: Python<'_>, is_now: bool) {
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
            let found = members.position(core);
            // Whoever has a lease gives it back.
            found
                .filter(|index| !members.all[*index].leased)
                .map(|index| members.all.remove(index))
        };
        drop(removed);
        self.demand(py);
    }

    pub(super) fn release(self: &Arc<Self>, py: Python<'_>, core: &Arc<Core>) {
        let removed = {
            let mut members = locked(&self.members);
            let found = members.position(core);
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
    pub(super) fn fail_waiting(&self, py: Python<'_>, error: &PyErr) {
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

//! `_core.PgPool`: a pool's connections as Python sees them.

use super::awaitable::{PgOperation, Retry, Shape};
use super::connection::PgConnection;
use super::core::locked;
use super::forgotten::pool_method;
use super::pool_core::{Member, PoolCore};
use super::submission::seconds;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The connections of a pool, and who gets which.
#[pyclass(frozen, weakref, subclass, module = "fasterapi._core")]
pub(crate) struct PgPool {
    core: Arc<PoolCore>,
    loop_: Py<PyAny>,
}

#[pymethods]
impl PgPool {
    /// Lets a pool that nobody has any more be found, although its connections and callbacks lead
    /// back to it, and the traceback of why it could not grow. While an operation is under way it
    /// has the pool, too.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.loop_)?;
        if Arc::strong_count(&self.core) > 1 {
            return Ok(());
        }
        for callable in [&self.core.on_demand, &self.core.on_dirty] {
            if let Ok(callable) = callable.try_lock() {
                visit.call(&*callable)?;
            }
        }
        if let Ok(error) = self.core.growth_error.try_lock() {
            visit.call(&*error)?;
        }
        if let Ok(members) = self.core.members.try_lock() {
            for member in &members.all {
                visit.call(&member.object)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        self.set_on_demand(None);
        self.set_on_dirty(None);
        self.set_growth_error(None);
        let members = std::mem::take(&mut locked(&self.core.members).all);
        drop(members);
    }

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
    fn set_growth_error(&self, error: Option<Py<PyBaseException>>) {
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
            let found = members.position(core);
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
        slf: &Bound<'_, Self>,
        sql: Bound<'_, PyString>,
        args: Bound<'_, PyTuple>,
        mode: u8,
        limit: u32,
        column: Option<Py<PyAny>>,
        timeout: Option<f64>,
    ) -> PgOperation {
        let core = slf.get().core.clone();
        let loop_ = slf.get().loop_.clone_ref(args.py());
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
            .named(pool_method(mode))
            .keeping(slf.clone().into_any())
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

    /// How many of them somebody has for himself, or is about to be told that he has.
    #[getter]
    fn lent(&self) -> usize {
        let members = locked(&self.core.members);
        members.all.iter().filter(|member| member.is_lent()).count()
    }

    /// How many wait for a connection.
    #[getter]
    fn waiting(&self) -> usize {
        locked(&self.core.members).waiting.len()
    }
}

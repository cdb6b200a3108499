//! `_core.PgState`: what is known of a connection, and what it tells.

use super::core::{Core, locked};
use super::hooks::Hook;
use super::statement::PgStatement;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use runtime::protocols::postgres::frontend;
use std::sync::Arc;
use std::time::Duration;

/// The state of one connection to a server; `PgConnection` adds what can be asked.
#[pyclass(frozen, weakref, subclass, module = "fasterapi._core")]
pub(crate) struct PgState {
    core: Arc<Core>,
}

impl PgState {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

impl Drop for PgState {
    fn drop(&mut self) {
        // Forgotten by the program: the socket must not stay open.
        Python::attach(|py| self.core.fail(py, None));
    }
}

#[pymethods]
impl PgState {
    /// Whether it is closed, by whomever.
    #[getter]
    fn is_closed(&self) -> bool {
        self.core.is_closed()
    }

    /// Whether `hold` lets new queries wait.
    #[getter]
    fn is_held(&self) -> bool {
        self.core.is_held()
    }

    /// How many operations are not over.
    #[getter]
    fn in_flight(&self) -> usize {
        self.core.in_flight()
    }

    /// Whether the server works on something that nobody waits for any more.
    #[getter]
    fn is_stuck(&self) -> bool {
        self.core.is_stuck()
    }

    /// How many bytes wait to be sent.
    #[getter]
    fn unsent(&self) -> usize {
        self.core.unsent()
    }

    /// "I" outside of a transaction, "T" inside, "E" inside one that has failed.
    #[getter]
    fn status(&self) -> char {
        char::from(locked(&self.core.session).status)
    }

    /// The status of the last command.
    #[getter]
    fn last_status(&self) -> Option<String> {
        locked(&self.core.session)
            .last_status
            .as_deref()
            .map(str::to_owned)
    }

    /// Whether the session may have settings, locks or tables of its own.
    #[getter]
    fn is_dirty(&self) -> bool {
        self.core.is_dirty()
    }

    #[setter]
    fn set_is_dirty(&self, dirty: bool) {
        self.core.set_dirty(dirty);
    }

    /// Whether a second operation is refused while one is under way.
    #[getter]
    fn exclusive(&self) -> bool {
        self.core.is_exclusive()
    }

    #[setter]
    fn set_exclusive(&self, exclusive: bool) {
        self.core.set_exclusive(exclusive);
    }

    /// How many operations were begun, but for those that only prepare.
    #[getter]
    fn queries(&self) -> u64 {
        self.core.queries()
    }

    /// Whether TLS was begun.
    #[getter]
    fn is_tls(&self) -> bool {
        self.core.is_tls()
    }

    /// Whether the server has let the user in, whatever became of the session then.
    #[getter]
    fn is_accepted(&self) -> bool {
        locked(&self.core.session).is_accepted
    }

    /// The settings that the server reports.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parameters = locked(&self.core.session).parameters.clone();
        let dict = PyDict::new(py);
        for (name, value) in parameters {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }

    /// The number of the server's process.
    #[getter]
    fn pid(&self) -> u32 {
        locked(&self.core.session).pid
    }

    /// What a request to cancel must bring.
    #[getter]
    fn secret<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &locked(&self.core.session).secret)
    }

    /// Why it is closed, if anybody has said so.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let error = locked(&self.core.session)
            .error
            .as_ref()
            .map(|error| error.clone_ref(py));
        error.map(Py::into_any)
    }

    /// Says which object the program has as this connection: operations keep it alive.
    fn set_owner(&self, owner: &Bound<'_, PyAny>) -> PyResult<()> {
        self.core.set_owner(owner)
    }

    /// Calls `callable` for what `name` says: "notice" (fields), "notification" (pid, channel,
    /// payload), "closed" (exception or None), "abandoned" (), "slow_path" (sql, args, mode,
    /// limit, column, timeout, again), "outdated" (exception). Raises `ValueError` for another name.
    #[pyo3(signature = (name, callable))]
    fn set_hook(&self, name: &str, callable: Option<Py<PyAny>>) -> PyResult<()> {
        let hook = match name {
            "notice" => Hook::Notice,
            "notification" => Hook::Notification,
            "closed" => Hook::Closed,
            "abandoned" => Hook::Abandoned,
            "slow_path" => Hook::SlowPath,
            "outdated" => Hook::Outdated,
            _ => {
                return Err(pyo3::exceptions::PyValueError::new_err(
                    "there is no such hook",
                ));
            }
        };
        self.core.hooks.set(hook, callable);
        Ok(())
    }

    /// Bounds the cache: at most `size` statements, none older than `lifetime_s` (0: of any age).
    fn limit_statements(&self, size: usize, lifetime_s: f64) {
        let mut statements = locked(&self.core.statements);
        statements.size_max = size;
        statements.lifetime = Duration::try_from_secs_f64(lifetime_s).unwrap_or_default();
        statements.shrink();
    }

    /// The cached statement of a query, if there is one.
    fn find_statement(&self, sql: &str) -> Option<PgStatement> {
        locked(&self.core.statements)
            .find(sql)
            .map(|inner| PgStatement { inner })
    }

    /// The cached statements.
    fn statements(&self) -> Vec<PgStatement> {
        locked(&self.core.statements).list()
    }

    /// Drops a query's statement from the cache, or every one without a query; what others of
    /// the pool know of it too.
    #[pyo3(signature = (sql = None))]
    fn forget(&self, sql: Option<&str>) {
        let mut statements = locked(&self.core.statements);
        match sql {
            Some(sql) => {
                statements.forget(sql);
                self.core.descriptions.forget(sql);
            }
            None => {
                statements.forget_all();
                self.core.descriptions.forget_all();
            }
        }
    }

    /// The names of statements that were dropped and are to be closed, once.
    fn take_evicted(&self) -> Vec<String> {
        locked(&self.core.statements).take_evicted()
    }

    /// What to await for the next change of anything that this object tells.
    fn change(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.core.changed.wait(self.core.loop_.bind(py))
    }

    /// Lets new queries wait: they take the slow path until `resume`.
    fn hold(&self, py: Python<'_>) {
        self.core.set_held(py, true);
    }

    /// Ends what `hold` began.
    fn resume(&self, py: Python<'_>) {
        self.core.set_held(py, false);
    }

    /// Keeps what is submitted from now on, to be sent in one piece by `uncork`.
    fn cork(&self, py: Python<'_>) {
        self.core.set_corked(py, true);
    }

    /// Sends what was submitted since `cork`.
    fn uncork(&self, py: Python<'_>) {
        self.core.set_corked(py, false);
    }

    /// Closes the socket at once; what is in flight fails.
    fn terminate(&self, py: Python<'_>) {
        self.core.fail(py, None);
    }

    /// Says good-bye to the server: it hangs up, which closes the connection.
    fn say_goodbye(&self, py: Python<'_>) {
        let mut bytes = bytes::BytesMut::new();
        frontend::terminate(&mut bytes);
        self.core.send_more(py, &bytes);
    }

    /// Says good-bye, and closes the socket without waiting for the server.
    fn close_soon(&self, py: Python<'_>) {
        self.say_goodbye(py);
        self.core.fail(py, None);
    }
}

//! `_core.PgConnection`: one connection to a server, as the Python package drives it.

use super::awaitable::{Begun, PgOperation, Retry, Shape};
use super::batch::{PgBatch, Progress};
use super::codec::PyTypes;
use super::copy::{CopyInStart, CopyOutFeed, PgCopyIn, PgCopyOut};
use super::core::{Core, Settings, locked};
use super::descriptions::{Described, PgDescriptions};
use super::errors;
use super::forgotten;
use super::link::Link;
use super::login;
use super::operation::{Prepared, Work};
use super::query::{begin_query, send_query};
use super::rows::{Rows, Sink, mode};
use super::state::PgState;
use super::statement::{ColumnTuple, Definition, PgStatement, Statement, may_change_session};
use super::submission::Submission;
use super::tls::{self, PgTls};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use runtime::postgres::Wire;
use runtime::protocols::postgres::frontend::{self, Target};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Longest message that a server may send unless told otherwise, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// One connection to a server.
///
/// What it is asked comes back in the order of asking; it does not wait for one answer before it
/// sends the next question.
#[pyclass(frozen, extends = PgState, module = "fasterapi._core")]
pub(crate) struct PgConnection {
    pub(crate) core: Arc<Core>,
}

impl PgConnection {
    /// An operation that sends what `encode` writes.
    fn operation(
        &self,
        py: Python<'_>,
        send: impl FnOnce(&Arc<Core>, &Bound<'_, PgOperation>) -> PyResult<()> + Send + Sync + 'static,
    ) -> PgOperation {
        let core = self.core.clone();
        PgOperation::on(&self.core, py, move |owner| {
            send(&core, owner)?;
            Ok(Begun::Sent(core))
        })
    }

    /// An operation that has begun already.
    fn begun(
        &self,
        py: Python<'_>,
        work: Work,
        sql: &str,
        timeout_s: Option<f64>,
    ) -> PyResult<Py<PgOperation>> {
        let operation = Py::new(py, PgOperation::begun(&self.core, py))?;
        let submission = Submission {
            query: Some(sql),
            timeout_s,
            may_dirty: may_change_session(sql),
            ..Submission::default()
        };
        self.core
            .submit(operation.bind(py), work, submission, |out| {
                frontend::query(sql, out).map_err(errors::request)
            })?;
        Ok(operation)
    }
}

#[pymethods]
impl PgConnection {
    /// Shows why it is closed: who was told so has the connection in a frame, and the error has
    /// the frame in its traceback. What the error says is of use to nobody else.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.core.session.try_lock() {
            Ok(session) => visit.call(&session.error),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        let error = locked(&self.core.session).error.take();
        // Dropped without the lock: it runs Python code.
        drop(error);
    }

    /// Takes over the connected, non-blocking stream socket `fd`, on `loop`.
    ///
    /// What it is told of queries it shares with others by `descriptions`. Rows are instances of
    /// `record_class`. A message of the server over `message_bytes_max` ends the connection.
    #[new]
    #[pyo3(signature = (
        fd, loop_, types, *, descriptions = None, record_class = None,
        message_bytes_max = MESSAGE_BYTES_MAX
    ))]
    fn new(
        fd: RawFd,
        loop_: &Bound<'_, PyAny>,
        types: &Bound<'_, PyTypes>,
        descriptions: Option<&Bound<'_, PgDescriptions>>,
        record_class: Option<Py<PyType>>,
        message_bytes_max: usize,
    ) -> PyResult<PyClassInitializer<Self>> {
        if fd < 0 {
            return Err(pyo3::exceptions::PyValueError::new_err(
                "the descriptor is negative",
            ));
        }
        let py = loop_.py();
        // SAFETY: the caller gives the descriptor away, for this use alone.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let loop_ = loop_.clone().unbind();
        let link = Link::new(py, fd, &loop_);
        let settings = Settings {
            types: types.get().types().clone(),
            descriptions: descriptions
                .map(|shared| shared.get().inner.clone())
                .unwrap_or_default(),
            record_class,
            message_bytes_max,
        };
        let core = Core::new(loop_, Wire::new(socket), link, settings);
        core.link.attach(py, &core)?;
        let state = PyClassInitializer::from(PgState::new(core.clone()));
        Ok(state.add_subclass(Self { core }))
    }

    /// Makes the TLS handshake with the server called `host`, before anything else.
    ///
    /// Raises `ssl.SSLError`, or `ssl.SSLCertVerificationError` for a bad certificate.
    fn tls(&self, settings: Py<PgTls>, host: String, py: Python<'_>) -> PgOperation {
        self.operation(py, move |core, owner| {
            tls::begin(core, owner, settings.get(), &host)
        })
    }

    /// Logs in with the settings of `parameters`, `user` and `database` among them. `methods` are
    /// those that the server may ask for, by libpq's names; `must_bind` demands channel binding.
    ///
    /// `None` when the session is ready; a salt and a count of iterations when a key must be
    /// derived from the password (`scram_key`), for `authenticate`.
    #[pyo3(signature = (parameters, password = None, *, methods = None, must_bind = false))]
    fn start(
        &self,
        py: Python<'_>,
        parameters: Vec<(String, String)>,
        password: Option<Vec<u8>>,
        methods: Option<Vec<String>>,
        must_bind: bool,
    ) -> PyResult<PgOperation> {
        let demands = login::Demands::new(must_bind, methods)?;
        Ok(self.operation(py, move |core, owner| {
            login::start(core, owner, &parameters, password, demands)
        }))
    }

    /// Goes on with the key that `scram_key` derived.
    fn authenticate(&self, py: Python<'_>, key: [u8; 32]) -> PgOperation {
        self.operation(py, move |core, owner| login::authenticate(core, owner, key))
    }

    /// Runs `sql` with `args`: at once where its statement is cached, else through `slow_path`.
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
        let shape = Shape {
            mode,
            limit,
            column,
            timeout_s: timeout,
        };
        let retry = Retry {
            args: args.clone().unbind(),
            sql: sql.unbind(),
            shape,
        };
        PgOperation::on(&self.core, args.py(), move |owner| {
            begin_query(&core, owner, retry)
        })
        .named(forgotten::connection_method(mode))
    }

    /// Runs a prepared statement once.
    #[pyo3(signature = (statement, args, *, mode = 0, limit = 0, column = None, timeout = None))]
    fn run(
        &self,
        statement: &Bound<'_, PgStatement>,
        args: Bound<'_, PyTuple>,
        mode: u8,
        limit: u32,
        column: Option<Py<PyAny>>,
        timeout: Option<f64>,
    ) -> PgOperation {
        let statement = statement.get().inner.clone();
        let shape = Shape {
            mode,
            limit,
            column,
            timeout_s: timeout,
        };
        let py = args.py();
        let args = args.unbind();
        self.operation(py, move |core, owner| {
            send_query(core, owner, &statement, args.bind(owner.py()), &shape)
        })
    }

    /// Begins to run a prepared statement once for each tuple of arguments, all or none of them:
    /// the operation, to be awaited at the end, and the batch, to be fed until it is complete.
    ///
    /// With `rows` the result is the list of all rows. Raises what the first arguments raise.
    #[pyo3(signature = (statement, args, *, rows = false, timeout = None))]
    fn run_many(
        &self,
        statement: &Bound<'_, PgStatement>,
        args: &Bound<'_, PyAny>,
        rows: bool,
        timeout: Option<f64>,
    ) -> PyResult<(Py<PgOperation>, PgBatch)> {
        let py = args.py();
        let statement = statement.get().inner.clone();
        let args = args.try_iter()?;
        let sink = if rows {
            Sink::Records(PyList::empty(py).unbind())
        } else {
            Sink::Status
        };
        let submission = Submission {
            query: Some(&statement.query),
            timeout_s: timeout,
            may_dirty: statement.may_dirty,
            ..Submission::default()
        };
        let work = Work::Rows(Rows::new(statement.clone(), sink));
        let operation = Py::new(py, PgOperation::begun(&self.core, py))?;
        let mut progress = Progress::default();
        self.core
            .submit(operation.bind(py), work, submission, |out| {
                progress.encode(&statement, &args, out)
            })?;
        let batch = PgBatch::new(&self.core, statement, args, progress);
        Ok((operation, batch))
    }

    /// Sends `sql` as it is, perhaps several commands; the status of the last is the result.
    #[pyo3(signature = (sql, *, timeout = None))]
    fn simple(&self, py: Python<'_>, sql: String, timeout: Option<f64>) -> PgOperation {
        self.operation(py, move |core, owner| {
            let may_dirty = may_change_session(&sql);
            let submission = Submission {
                query: Some(&sql),
                timeout_s: timeout,
                may_dirty,
                ..Submission::default()
            };
            core.submit(owner, Work::Status, submission, |out| {
                frontend::query(&sql, out).map_err(errors::request)
            })
        })
        .named(forgotten::connection_method(mode::STATUS))
    }

    /// Prepares `sql` as `name`: the oids of its parameters, and its columns.
    #[pyo3(signature = (name, sql, *, timeout = None))]
    fn prepare(
        &self,
        py: Python<'_>,
        name: String,
        sql: String,
        timeout: Option<f64>,
    ) -> PgOperation {
        self.operation(py, move |core, owner| {
            let submission = Submission {
                query: Some(&sql),
                timeout_s: timeout,
                ..Submission::default()
            };
            core.submit(
                owner,
                Work::Prepare(Prepared::default()),
                submission,
                |out| {
                    frontend::parse(&name, &sql, [], out).map_err(errors::request)?;
                    frontend::describe(Target::Statement(&name), out).map_err(errors::request)?;
                    frontend::sync(out);
                    Ok(())
                },
            )
        })
    }

    /// Makes a statement of what `prepare` told, keeps it in the cache if so asked, and lets the
    /// pool's other connections know if it is shared.
    ///
    /// Raises `KeyError` with a list of oids: types that `types` must be told of first.
    #[pyo3(signature = (
        name, sql, parameter_oids, columns, *, record_class = None, cache = false, share = false
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is named where it is called"
    )]
    fn define(
        slf: &Bound<'_, Self>,
        name: String,
        sql: String,
        parameter_oids: Vec<u32>,
        columns: Vec<ColumnTuple>,
        record_class: Option<&Bound<'_, PyType>>,
        cache: bool,
        share: bool,
    ) -> PyResult<PgStatement> {
        let core = &slf.get().core;
        if share {
            let described = Described {
                parameter_oids: parameter_oids.clone(),
                columns: columns.clone(),
            };
            core.descriptions.keep(&sql, described);
        }
        let definition = Definition {
            name,
            query: sql,
            parameter_oids,
            columns,
            types: &core.types,
            record_class,
        };
        let inner = Statement::define(slf.py(), definition)?;
        if cache {
            locked(&core.statements).keep(&inner);
        }
        Ok(PgStatement { inner })
    }

    /// Binds a statement to the portal `portal`, which lives as long as the transaction.
    #[pyo3(signature = (statement, portal, args, *, timeout = None))]
    fn bind(
        &self,
        statement: &Bound<'_, PgStatement>,
        portal: String,
        args: Bound<'_, PyTuple>,
        timeout: Option<f64>,
    ) -> PgOperation {
        let statement = statement.get().inner.clone();
        let py = args.py();
        let args = args.unbind();
        self.operation(py, move |core, owner| {
            let py = owner.py();
            let submission = Submission {
                query: Some(&statement.query),
                timeout_s: timeout,
                ..Submission::default()
            };
            core.submit(owner, Work::Status, submission, |out| {
                statement.bind_portal(&portal, args.bind(py), out)?;
                frontend::sync(out);
                Ok(())
            })
        })
    }

    /// Takes up to `limit` rows of a portal (0: all): the rows, and whether there are more.
    #[pyo3(signature = (statement, portal, limit, *, timeout = None))]
    fn execute_portal(
        &self,
        statement: &Bound<'_, PgStatement>,
        portal: String,
        limit: u32,
        timeout: Option<f64>,
    ) -> PgOperation {
        let py = statement.py();
        let statement = statement.get().inner.clone();
        self.operation(py, move |core, owner| {
            let sink = Sink::Portal(PyList::empty(owner.py()).unbind());
            let submission = Submission {
                query: Some(&statement.query),
                timeout_s: timeout,
                may_dirty: statement.may_dirty,
                ..Submission::default()
            };
            let work = Work::Rows(Rows::new(statement.clone(), sink));
            core.submit(owner, work, submission, |out| {
                frontend::execute(&portal, limit, out).map_err(errors::request)?;
                frontend::sync(out);
                Ok(())
            })
        })
    }

    /// Closes a portal.
    #[pyo3(signature = (portal, *, timeout = None))]
    fn close_portal(&self, py: Python<'_>, portal: String, timeout: Option<f64>) -> PgOperation {
        self.operation(py, move |core, owner| {
            close(core, owner, Target::Portal(&portal), timeout)
        })
    }

    /// Closes a prepared statement.
    #[pyo3(signature = (name, *, timeout = None))]
    fn close_statement(&self, py: Python<'_>, name: String, timeout: Option<f64>) -> PgOperation {
        self.operation(py, move |core, owner| {
            close(core, owner, Target::Statement(&name), timeout)
        })
    }

    /// Begins COPY ... TO STDOUT: the operation, to be awaited for its status, and its data.
    #[pyo3(signature = (sql, *, timeout = None))]
    fn copy_out(
        &self,
        py: Python<'_>,
        sql: &str,
        timeout: Option<f64>,
    ) -> PyResult<(Py<PgOperation>, PgCopyOut)> {
        let (feed, reader) = CopyOutFeed::new(&self.core);
        let operation = self.begun(py, Work::CopyOut(feed), sql, timeout)?;
        Ok((operation, reader))
    }

    /// Begins COPY ... FROM STDIN: the operation, to be awaited for its status, and where its
    /// data goes once `is_open`.
    #[pyo3(signature = (sql, *, timeout = None))]
    fn copy_in(
        &self,
        py: Python<'_>,
        sql: &str,
        timeout: Option<f64>,
    ) -> PyResult<(Py<PgOperation>, PgCopyIn)> {
        let (start, writer) = CopyInStart::new(&self.core);
        let operation = self.begun(py, Work::CopyIn(start), sql, timeout)?;
        Ok((operation, writer))
    }
}

fn close(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    target: Target<'_>,
    timeout_s: Option<f64>,
) -> PyResult<()> {
    let submission = Submission {
        timeout_s,
        ..Submission::default()
    };
    core.submit(owner, Work::Status, submission, |out| {
        frontend::close(target, out).map_err(errors::request)?;
        frontend::sync(out);
        Ok(())
    })
}

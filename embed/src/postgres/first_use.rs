//! A query that its connection has not prepared but another one of the pool has: it is prepared
//! and run in one round trip, on what that one was told.
//!
//! The server describes the portal all the same, before its rows. So rows are read as what they
//! are, also when the schema has changed in between or the sessions' search paths differ. The types
//! of the parameters are given to the server: it refuses what does not fit them before anything
//! has run, and the query takes the long way.

use super::awaitable::{Begun, PgOperation, Retry};
use super::core::{Core, locked};
use super::descriptions::Described;
use super::errors;
use super::pin::Pin;
use super::query::submit_rows;
use super::rows::{Rows, Sink, column_of};
use super::statement::{ColumnTuple, Definition, Statement};
use bytes::BytesMut;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use runtime::protocols::postgres::Format;
use runtime::protocols::postgres::frontend::{self, Target};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the rows of such a query are read with, until the server has described them.
pub(crate) struct Guess {
    core: Arc<Core>,
    /// The column that is wanted, by the name or number that it was asked for with.
    column: Option<Py<PyAny>>,
    is_parsed: bool,
    is_described: bool,
    /// The description was out of date.
    is_corrected: bool,
}

/// Begins a query that the connection has not prepared.
///
/// # Errors
/// As those of [`super::query::begin_query`].
pub(crate) fn begin(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    retry: Retry,
) -> PyResult<Begun> {
    let py = owner.py();
    let assumed = assume(py, core, retry.sql.bind(py).to_str()?);
    // Arguments that do not fit may fit what the query is like now.
    let is_sent = assumed.is_some_and(|statement| send(core, owner, &statement, &retry).is_ok());
    if !is_sent {
        let coroutine = core.slow_path(py, &retry, false)?;
        return Ok(Begun::Slow(coroutine, Pin::new(core)));
    }
    owner.get().set_retry(retry);
    Ok(Begun::Sent(core.clone()))
}

/// The statement as it probably is; `None` where a wrong guess could not be made good: inside a
/// transaction, which an error would end.
fn assume(py: Python<'_>, core: &Core, query: &str) -> Option<Arc<Statement>> {
    if core.is_held() || locked(&core.session).status != b'I' {
        return None;
    }
    let described = core.descriptions.find(query)?;
    let name = match locked(&core.statements).size_max {
        0 => String::new(),
        _ => unique_name(),
    };
    let Described {
        parameter_oids,
        columns,
    } = &*described;
    define(py, core, (&name, query), parameter_oids, columns.clone()).ok()
}

/// No other session of a pooler's may have it either.
fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("__fasterapi_{:x}_{count:x}__", std::process::id())
}

fn define(
    py: Python<'_>,
    core: &Core,
    (name, query): (&str, &str),
    parameter_oids: &[u32],
    columns: Vec<ColumnTuple>,
) -> PyResult<Arc<Statement>> {
    let record_class = core.record_class.as_ref().map(|class| class.bind(py));
    let definition = Definition {
        name: name.to_owned(),
        query: query.to_owned(),
        parameter_oids: parameter_oids.to_vec(),
        columns,
        types: &core.types,
        record_class,
    };
    Statement::define(py, definition)
}

fn send(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    statement: &Arc<Statement>,
    retry: &Retry,
) -> PyResult<()> {
    let py = owner.py();
    let shape = &retry.shape;
    let guess = Guess {
        core: core.clone(),
        column: shape.column.as_ref().map(|column| column.clone_ref(py)),
        is_parsed: false,
        is_described: false,
        is_corrected: false,
    };
    let evicted = locked(&core.statements).take_evicted();
    let guess = Some(Box::new(guess));
    let sent = submit_rows(core, owner, statement, shape, guess, |out| {
        close(&evicted, out)?;
        encode(statement, retry.args.bind(py), out)
    });
    if sent.is_err() {
        locked(&core.statements).evict(evicted);
    }
    sent
}

/// Has the server forget statements, along with whatever is asked of it.
fn close(names: &[String], out: &mut BytesMut) -> PyResult<()> {
    for name in names {
        frontend::close(Target::Statement(name), out).map_err(errors::request)?;
    }
    Ok(())
}

/// Parse, Bind, and Describe of the portal.
fn encode(statement: &Statement, args: &Bound<'_, PyTuple>, out: &mut BytesMut) -> PyResult<()> {
    if !statement.name.is_empty() {
        statement.parse(out)?;
    }
    // It brings its Parse along where the statement has no name.
    statement.bind(args, out)?;
    frontend::describe(Target::Portal(""), out).map_err(errors::request)
}

impl Rows {
    /// The server knows the statement.
    pub(crate) fn parsed(&mut self) {
        if let Some(guess) = &mut self.guess {
            guess.is_parsed = true;
        }
    }

    /// Whether an error that comes now says that the guess was wrong.
    pub(crate) fn may_be_misguided(&self) -> bool {
        self.guess.is_some() && !self.is_bound
    }

    /// The portal is described; `formats` are those in which its rows come.
    ///
    /// # Errors
    /// `OutdatedSchemaCacheError` when they cannot be read, although the query runs.
    pub(crate) fn described(
        &mut self,
        py: Python<'_>,
        columns: Vec<ColumnTuple>,
        formats: &[Format],
    ) -> PyResult<()> {
        let Some(guess) = &mut self.guess else {
            return Ok(());
        };
        if *columns == *self.statement.columns {
            guess.is_described = true;
            return Ok(());
        }
        let was_deaf = std::mem::replace(&mut self.deaf, true);
        let old = &self.statement;
        let oids: Vec<_> = old.parameter_oids().collect();
        let names = (old.name.as_str(), old.query.as_str());
        let outdated = || errors::outdated(py, "the columns of the query have changed");
        let statement = define(py, &guess.core, names, &oids, columns).map_err(|_| outdated())?;
        let decoders = statement.decoders.iter().map(|codec| codec.format());
        if !decoders.eq(formats.iter().map(|&format| format as i16)) {
            return Err(outdated());
        }
        if let Sink::Value(position, _) = &mut self.sink {
            let column = guess.column.as_ref().map(|column| column.bind(py));
            *position = column_of(column, &statement)?;
        }
        self.statement = statement;
        self.deaf = was_deaf;
        guess.is_described = true;
        guess.is_corrected = true;
        Ok(())
    }

    /// The cycle is over: the connection keeps what it has prepared, if it is known to be right.
    pub(crate) fn settle_guess(&self) {
        let Some(guess) = &self.guess else { return };
        let (core, statement) = (&guess.core, &self.statement);
        if guess.is_described {
            locked(&core.statements).keep(statement);
        } else if guess.is_parsed && !statement.name.is_empty() {
            locked(&core.statements).evict([statement.name.clone()]);
        }
        if !guess.is_described {
            core.descriptions.forget(&statement.query);
        } else if guess.is_corrected {
            let described = Described {
                parameter_oids: statement.parameter_oids().collect(),
                columns: statement.columns.to_vec(),
            };
            core.descriptions.keep(&statement.query, described);
        }
    }
}

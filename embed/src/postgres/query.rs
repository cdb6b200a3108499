//! A query with its arguments, on a connection that may have its statement.

use super::awaitable::{Begun, PgOperation, Retry, Shape};
use super::core::{Core, locked};
use super::errors;
use super::first_use::{self, Guess};
use super::operation::Work;
use super::rows::{Rows, Sink};
use super::statement::Statement;
use super::submission::Submission;
use bytes::BytesMut;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use runtime::protocols::postgres::frontend::{self, EXECUTE_SYNC, SYNC};
use std::sync::Arc;

/// Appends Execute for the unnamed portal, and Sync.
fn execute_sync(limit: u32, out: &mut BytesMut) -> PyResult<()> {
    if limit == 0 {
        out.extend_from_slice(EXECUTE_SYNC);
        return Ok(());
    }
    frontend::execute("", limit, out).map_err(errors::request)?;
    out.extend_from_slice(SYNC);
    Ok(())
}

/// Sends a prepared statement's query.
pub(crate) fn send_query(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    statement: &Arc<Statement>,
    args: &Bound<'_, PyTuple>,
    shape: &Shape,
) -> PyResult<()> {
    submit_rows(core, owner, statement, shape, None, |out| {
        statement.bind(args, out)
    })
}

/// Submits what `encode` writes, which binds the unnamed portal, and asks for its rows. `guess` is
/// what they are read with where the server has yet to describe them.
pub(super) fn submit_rows(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    statement: &Arc<Statement>,
    shape: &Shape,
    guess: Option<Box<Guess>>,
    encode: impl FnOnce(&mut BytesMut) -> PyResult<()>,
) -> PyResult<()> {
    let py = owner.py();
    let column = shape.column.as_ref().map(|column| column.bind(py));
    let sink = Sink::new(py, shape.mode, column, statement)?;
    let submission = Submission {
        query: Some(&statement.query),
        timeout_s: shape.timeout_s,
        may_dirty: statement.may_dirty,
        may_lock: statement.may_lock,
    };
    let mut rows = Rows::new(statement.clone(), sink);
    rows.guess = guess;
    core.submit(owner, Work::Rows(rows), submission, |out| {
        encode(out)?;
        execute_sync(shape.limit, out)
    })
}

/// Begins a query: with its statement where there is one.
///
/// # Errors
/// When the connection is closed, and for arguments that do not fit; then nothing is sent.
pub(crate) fn begin_query(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    retry: Retry,
) -> PyResult<Begun> {
    let py = owner.py();
    if core.is_closed() {
        return Err(core.closed_error(py));
    }
    let found = match core.is_held() {
        true => None,
        false => {
            let sql = retry.sql.bind(py).to_str()?;
            locked(&core.statements).find(sql)
        }
    };
    let Some(statement) = found else {
        return first_use::begin(core, owner, retry);
    };
    send_query(core, owner, &statement, retry.args.bind(py), &retry.shape)?;
    owner.get().set_retry(retry);
    Ok(Begun::Sent(core.clone()))
}

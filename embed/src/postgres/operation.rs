//! One operation in flight: what it makes of the messages that answer it.

use super::awaitable::PgOperation;
use super::copy::{CopyInStart, CopyOutFeed};
use super::errors;
use super::rows::Rows;
use super::starting::Starting;
use super::statement::ColumnTuple;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use runtime::protocols::Error;
use runtime::protocols::postgres::{
    Column, ErrorFields, command_tag, parameter_description, row_description, tag,
};
use std::time::Instant;

/// What an operation is for.
pub(crate) enum Work {
    /// Rows, as Python objects.
    Rows(Rows),
    /// Only that it was done: the command tag.
    Status,
    /// Parse and Describe.
    Prepare(Prepared),
    /// COPY ... TO STDOUT.
    CopyOut(CopyOutFeed),
    /// COPY ... FROM STDIN.
    CopyIn(CopyInStart),
    /// Authentication and what follows until the session is ready.
    Start(Box<Starting>),
}

/// What Describe has told so far.
#[derive(Default)]
pub(crate) struct Prepared {
    parameters: Vec<u32>,
    columns: Vec<ColumnTuple>,
}

/// An operation whose ReadyForQuery has not come yet.
pub(crate) struct Operation {
    pub(crate) work: Work,
    /// Who is told.
    pub(crate) owner: Py<PgOperation>,
    /// The text, for errors.
    pub(crate) query: Option<Box<str>>,
    /// What the server or a decoder had to say against it, first of all.
    pub(crate) error: Option<PyErr>,
    pub(crate) deadline: Option<Instant>,
    /// The tag of the last command that completed.
    pub(crate) tag: Option<Box<str>>,
}

/// What follows from a message.
pub(crate) enum Flow {
    /// The next message.
    Next,
    /// Somebody may wait for what has changed.
    Changed,
    /// The server waits for data that nobody has: it is told so, and so is the owner at the end.
    NoData {
        /// The command came by Execute, so that the copy has swallowed its Sync.
        with_sync: bool,
    },
    /// The owner is to be told now; the operation itself is over.
    Tell(PyResult<Py<PyAny>>),
}

impl Operation {
    /// Takes one message of the operation's cycle, ReadyForQuery excepted.
    ///
    /// # Errors
    /// When the message is malformed or may not come now.
    pub(crate) fn message(&mut self, py: Python<'_>, kind: u8, body: &[u8]) -> Result<Flow, Error> {
        match kind {
            tag::DATA_ROW => {
                if let Work::Rows(rows) = &mut self.work
                    && let Err(problem) = rows.row(py, body)?
                {
                    self.error.get_or_insert(problem);
                }
            }
            tag::COMMAND_COMPLETE => {
                self.tag = Some(command_tag(body)?.into());
            }
            tag::ERROR_RESPONSE => {
                let fields = ErrorFields::new(body)?;
                let error = errors::server(py, &fields, self.query.as_deref());
                if let Work::Start(_) = self.work {
                    return Ok(Flow::Tell(Err(error)));
                }
                if let Work::CopyIn(start) = &self.work {
                    self.error.get_or_insert(error);
                    return Ok(start.refused());
                }
                if let Work::Rows(rows) = &self.work
                    && rows.may_be_misguided()
                {
                    self.owner.get().was_misguided();
                }
                self.error.get_or_insert(error);
            }
            tag::BIND_COMPLETE => {
                if let Work::Rows(rows) = &mut self.work {
                    rows.bound();
                }
            }
            tag::PARSE_COMPLETE => {
                if let Work::Rows(rows) = &mut self.work {
                    rows.parsed();
                }
            }
            tag::CLOSE_COMPLETE | tag::EMPTY_QUERY_RESPONSE => {}
            tag::NO_DATA => self.described(py, Vec::new()),
            tag::PORTAL_SUSPENDED => {
                if let Work::Rows(rows) = &mut self.work {
                    rows.suspend();
                }
            }
            tag::PARAMETER_DESCRIPTION => {
                let oids = parameter_description(body)?;
                if let Work::Prepare(prepared) = &mut self.work {
                    prepared.parameters = oids;
                }
            }
            tag::ROW_DESCRIPTION => self.described(py, row_description(body)?),
            _ => return self.special(py, kind, body),
        }
        Ok(Flow::Next)
    }

    /// What Describe has told of the columns.
    fn described(&mut self, py: Python<'_>, columns: Vec<Column>) {
        match &mut self.work {
            Work::Prepare(prepared) => prepared.columns = columns_of(columns),
            Work::Rows(rows) => {
                let formats: Vec<_> = columns.iter().map(|column| column.format).collect();
                if let Err(problem) = rows.described(py, columns_of(columns), &formats) {
                    self.error.get_or_insert(problem);
                }
            }
            _ => {}
        }
    }

    /// Messages that only one kind of work knows.
    fn special(&mut self, py: Python<'_>, kind: u8, body: &[u8]) -> Result<Flow, Error> {
        match (&mut self.work, kind) {
            (Work::Start(starting), _) => starting.message(py, kind, body),
            (Work::CopyOut(feed), tag::COPY_DATA) => Ok(feed.data(py, body)),
            (Work::CopyOut(_), tag::COPY_OUT_RESPONSE | tag::COPY_DONE) => Ok(Flow::Next),
            (Work::CopyIn(start), tag::COPY_IN_RESPONSE) => Ok(start.accepted()),
            (Work::Rows(_) | Work::Status, tag::COPY_IN_RESPONSE) => {
                self.error.get_or_insert_with(|| errors::no_copy_data(py));
                Ok(Flow::NoData {
                    with_sync: matches!(self.work, Work::Rows(_)),
                })
            }
            // Queries have rows and COPY ... TO STDOUT has none: its data is for `copy_out` only.
            (
                Work::Rows(_) | Work::Status,
                tag::COPY_OUT_RESPONSE | tag::COPY_DATA | tag::COPY_DONE,
            ) => Ok(Flow::Next),
            _ => Err(Error::PostgresProtocol(
                "a message that does not belong here",
            )),
        }
    }

    /// What the awaiter gets once the cycle is over.
    pub(crate) fn conclude(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let Some(error) = self.error {
            return Err(error);
        }
        match self.work {
            Work::Rows(rows) => rows.conclude(py, self.tag.as_deref()),
            Work::Prepare(prepared) => {
                let parameters = PyTuple::new(py, prepared.parameters)?;
                let columns = PyTuple::new(py, prepared.columns)?;
                Ok((parameters, columns).into_pyobject(py)?.into_any().unbind())
            }
            Work::Start(_) => Ok(py.None()),
            Work::CopyOut(_) | Work::CopyIn(_) | Work::Status => Ok(self
                .tag
                .as_deref()
                .unwrap_or("")
                .into_pyobject(py)?
                .into_any()
                .unbind()),
        }
    }
}

/// Columns as Python is told of them.
fn columns_of(columns: Vec<Column>) -> Vec<ColumnTuple> {
    let columns = columns.into_iter();
    columns
        .map(|column| {
            (
                column.name,
                column.table_oid,
                column.attribute,
                column.type_oid,
                column.type_modifier,
            )
        })
        .collect()
}

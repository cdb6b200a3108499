//! DataRow messages become Python objects, straight from the receive buffer.

use super::errors;
use super::first_use::Guess;
use super::record::Record;
use super::statement::Statement;
use pyo3::exceptions::{PyIndexError, PyKeyError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString};
use runtime::protocols::Error;
use runtime::protocols::postgres::DataRow;
use std::sync::Arc;

/// What becomes of the rows.
pub(crate) enum Sink {
    /// A list of records.
    Records(Py<PyList>),
    /// The first record.
    First(Option<Py<PyAny>>),
    /// One column of the first row.
    Value(usize, Option<Py<PyAny>>),
    /// Nothing: only the command's tag is wanted.
    Status,
    /// A list of records, and whether the portal has more.
    Portal(Py<PyList>),
    /// A JSON array of objects.
    Json(Vec<u8>),
}

/// The numbers by which Python names the kinds of result; any other means all records.
pub(crate) mod mode {
    pub(crate) const FIRST: u8 = 1;
    pub(crate) const VALUE: u8 = 2;
    pub(crate) const STATUS: u8 = 3;
    pub(crate) const JSON: u8 = 4;
}

impl Sink {
    /// The sink that Python has asked for.
    ///
    /// # Errors
    /// `IndexError` or `KeyError` for a column that the statement does not have.
    pub(crate) fn new(
        py: Python<'_>,
        kind: u8,
        column: Option<&Bound<'_, PyAny>>,
        statement: &Statement,
    ) -> PyResult<Self> {
        Ok(match kind {
            mode::FIRST => Self::First(None),
            mode::VALUE => Self::Value(column_of(column, statement)?, None),
            mode::STATUS => Self::Status,
            mode::JSON => Self::Json(vec![b'[']),
            _ => Self::Records(PyList::empty(py).unbind()),
        })
    }
}

/// Which column `fetchval` wants.
pub(super) fn column_of(
    column: Option<&Bound<'_, PyAny>>,
    statement: &Statement,
) -> PyResult<usize> {
    let Some(column) = column else { return Ok(0) };
    if let Ok(name) = column.cast::<PyString>() {
        let name = name.to_str()?;
        let found = statement
            .columns
            .iter()
            .rposition(|column| column.0 == name);
        return found.ok_or_else(|| PyKeyError::new_err(name.to_owned()));
    }
    let position: isize = column.extract()?;
    let count = statement.columns.len().cast_signed();
    let position = if position < 0 {
        position + count
    } else {
        position
    };
    // Statements without columns have no value, whatever was asked for.
    if count > 0 && !(0..count).contains(&position) {
        return Err(PyIndexError::new_err("record index out of range"));
    }
    Ok(position.max(0).cast_unsigned())
}

/// The rows of one operation.
pub(crate) struct Rows {
    pub(super) statement: Arc<Statement>,
    pub(super) sink: Sink,
    suspended: bool,
    /// The server has bound the portal that the rows are of.
    pub(super) is_bound: bool,
    /// The awaiter has gone, or a value could not be read: what still comes is dropped.
    pub(super) deaf: bool,
    /// The statement is what another connection was told.
    pub(super) guess: Option<Box<Guess>>,
}

impl Rows {
    /// Takes rows of `statement`.
    pub(crate) fn new(statement: Arc<Statement>, sink: Sink) -> Self {
        // A portal of its own was bound by an operation before.
        let is_bound = matches!(sink, Sink::Portal(_));
        Self {
            statement,
            sink,
            suspended: false,
            is_bound,
            deaf: false,
            guess: None,
        }
    }

    /// Nobody wants the rows any more.
    pub(crate) fn drop_rest(&mut self) {
        self.deaf = true;
    }

    /// The portal is bound.
    pub(crate) fn bound(&mut self) {
        self.is_bound = true;
    }

    /// The portal has more rows than were asked for.
    pub(crate) fn suspend(&mut self) {
        self.suspended = true;
    }

    /// Takes one row. The inner error is a value's that Python cannot have; the row is dropped.
    ///
    /// # Errors
    /// When the message is malformed.
    pub(crate) fn row(&mut self, py: Python<'_>, body: &[u8]) -> Result<PyResult<()>, Error> {
        if self.deaf {
            return Ok(Ok(()));
        }
        if !self.is_bound {
            return Err(Error::PostgresProtocol("a row before its portal is bound"));
        }
        let row = DataRow::new(body)?;
        if row.len() != self.statement.decoders.len() {
            return Err(Error::PostgresProtocol(
                "a row has not its statement's columns",
            ));
        }
        let taken = self
            .take(py, &row)
            .map_err(|error| errors::decoding(py, error));
        self.deaf = taken.is_err();
        Ok(taken)
    }

    fn take(&mut self, py: Python<'_>, row: &DataRow<'_>) -> PyResult<()> {
        let statement = &self.statement;
        match &mut self.sink {
            Sink::Records(list) | Sink::Portal(list) => {
                list.bind(py).append(record(py, statement, row)?)
            }
            Sink::First(first) => {
                if first.is_none() {
                    *first = Some(record(py, statement, row)?.unbind());
                }
                Ok(())
            }
            Sink::Value(column, value) => {
                if value.is_none()
                    && let Some((bytes, codec)) = row.iter().zip(&statement.decoders).nth(*column)
                {
                    *value = Some(match bytes {
                        Some(bytes) => codec.decode(py, bytes)?.unbind(),
                        None => py.None(),
                    });
                }
                Ok(())
            }
            Sink::Status => Ok(()),
            Sink::Json(out) => json_object(py, statement, row, out),
        }
    }

    /// The result, once all rows have come.
    pub(crate) fn conclude(self, py: Python<'_>, tag: Option<&str>) -> PyResult<Py<PyAny>> {
        Ok(match self.sink {
            Sink::Records(list) => list.into_any(),
            Sink::Portal(list) => (list, self.suspended)
                .into_pyobject(py)?
                .into_any()
                .unbind(),
            Sink::First(value) | Sink::Value(_, value) => value.unwrap_or_else(|| py.None()),
            Sink::Status => tag.unwrap_or("").into_pyobject(py)?.into_any().unbind(),
            Sink::Json(mut out) => {
                out.push(b']');
                json_rows(py, &out)?
            }
        })
    }
}

/// One row as a record.
fn record<'py>(
    py: Python<'py>,
    statement: &Statement,
    row: &DataRow<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut values = Vec::with_capacity(statement.decoders.len());
    for (bytes, codec) in row.iter().zip(&statement.decoders) {
        values.push(match bytes {
            Some(bytes) => codec.decode(py, bytes)?.unbind(),
            None => py.None(),
        });
    }
    Record::create(py, &statement.descriptor, values)
}

/// One row as a JSON object, without Python objects but for values that only Python can write.
fn json_object(
    py: Python<'_>,
    statement: &Statement,
    row: &DataRow<'_>,
    out: &mut Vec<u8>,
) -> PyResult<()> {
    if out.len() > 1 {
        out.push(b',');
    }
    out.push(b'{');
    let columns = row
        .iter()
        .zip(&statement.decoders)
        .zip(&statement.json_keys);
    for (position, ((bytes, codec), key)) in columns.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        match bytes {
            Some(bytes) => codec.json_text_or_object(py, bytes, out)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    Ok(())
}

/// The JSON as what a handler may return.
fn json_rows(py: Python<'_>, json: &[u8]) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        let module = py.import("fasterapi.pg._json_rows")?;
        Ok(module.getattr("JsonRows")?.unbind())
    })?;
    class.call1(py, (PyBytes::new(py, json),))
}

//! `_core.PgStatement`: a statement that the server has prepared, and how its values travel.

use super::codec::{Codec, Types};
use super::errors;
use super::record::Descriptor;
use bytes::BytesMut;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use runtime::protocols::Error;
use runtime::protocols::postgres::{BindTemplate, Format, IsNull, frontend};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A column as the server described it: name, table's oid, attribute's number, type's oid and
/// type modifier.
pub(crate) type ColumnTuple = (String, u32, i16, u32, i32);

/// One prepared statement of one connection.
pub(crate) struct Statement {
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) parameters: Box<[(u32, Arc<Codec>)]>,
    pub(crate) columns: Box<[ColumnTuple]>,
    pub(crate) decoders: Box<[Arc<Codec>]>,
    pub(crate) descriptor: Arc<Descriptor>,
    /// The columns' names as JSON, each with its colon.
    pub(crate) json_keys: Box<[Box<[u8]>]>,
    /// Bind for the unnamed portal, but for the values.
    template: BindTemplate,
    /// Running it may change what the session has set.
    pub(crate) may_dirty: bool,
    /// Running it may wait for locks on rows.
    pub(crate) may_lock: bool,
    pub(crate) since: Instant,
    used: AtomicU64,
}

/// What is known of a statement before it is used.
pub(crate) struct Definition<'a, 'py> {
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) parameter_oids: Vec<u32>,
    pub(crate) columns: Vec<ColumnTuple>,
    pub(crate) types: &'a Types,
    pub(crate) record_class: Option<&'a Bound<'py, PyType>>,
}

impl Statement {
    /// Chooses the codecs of a statement's parameters and columns.
    ///
    /// # Errors
    /// `KeyError` with the list of type oids that must be introspected first.
    pub(crate) fn define(py: Python<'_>, definition: Definition<'_, '_>) -> PyResult<Arc<Self>> {
        let Definition { types, columns, .. } = definition;
        let column_oids = columns.iter().map(|column| column.3);
        let unknown = types.unknown(
            &definition
                .parameter_oids
                .iter()
                .copied()
                .chain(column_oids)
                .collect::<Vec<_>>(),
        );
        let missing = || PyKeyError::new_err((unknown.clone(),));
        if !unknown.is_empty() {
            return Err(missing());
        }
        let codec = |oid| types.codec(oid).ok_or_else(missing);
        let parameters = (definition.parameter_oids.iter())
            .map(|oid| Ok((*oid, codec(*oid)?)))
            .collect::<PyResult<Box<[_]>>>()?;
        let decoders = columns
            .iter()
            .map(|column| codec(column.3))
            .collect::<PyResult<Box<[_]>>>()?;
        let names: Vec<_> = columns.iter().map(|column| column.0.as_str()).collect();
        Ok(Arc::new(Self {
            may_dirty: may_change_session(&definition.query),
            may_lock: may_lock_rows(&definition.query),
            descriptor: Descriptor::new(py, &names, definition.record_class)?,
            json_keys: names.iter().map(|name| json_key(name)).collect(),
            template: template("", &definition.name, &parameters, &decoders)?,
            name: definition.name,
            query: definition.query,
            parameters,
            columns: columns.into(),
            decoders,
            since: Instant::now(),
            used: AtomicU64::new(0),
        }))
    }

    /// Appends Bind with these arguments, for the unnamed portal.
    ///
    /// # Errors
    /// `InterfaceError` for a wrong number of arguments, `DataError` for one that does not fit;
    /// then `out` is as it was.
    pub(crate) fn bind(&self, args: &Bound<'_, PyTuple>, out: &mut BytesMut) -> PyResult<()> {
        self.bind_to(&self.template, args, None, out)
    }

    /// The same for the arguments at `index` of a batch.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub(crate) fn bind_element(
        &self,
        args: &Bound<'_, PyTuple>,
        index: usize,
        out: &mut BytesMut,
    ) -> PyResult<()> {
        self.bind_to(&self.template, args, Some(index), out)
    }

    /// The same for a portal of that name.
    ///
    /// # Errors
    /// As [`Self::bind`], and when the name cannot be sent.
    pub(crate) fn bind_portal(
        &self,
        portal: &str,
        args: &Bound<'_, PyTuple>,
        out: &mut BytesMut,
    ) -> PyResult<()> {
        let template = template(portal, &self.name, &self.parameters, &self.decoders)?;
        self.bind_to(&template, args, None, out)
    }

    fn bind_to(
        &self,
        template: &BindTemplate,
        args: &Bound<'_, PyTuple>,
        element: Option<usize>,
        out: &mut BytesMut,
    ) -> PyResult<()> {
        let (expected, given) = (self.parameters.len(), args.len());
        if given != expected {
            return Err(errors::argument_count(args.py(), expected, given));
        }
        if self.name.is_empty() && element.is_none_or(|element| element == 0) {
            // The unnamed statement is whatever was parsed last, perhaps by another client of a
            // pooler.
            self.parse(out)?;
        }
        let encode = |position, out: &mut BytesMut| {
            let value = args.get_borrowed_item(position)?;
            if value.is_none() {
                return Ok(IsNull::Yes);
            }
            let (_, codec) = &self.parameters[position];
            match codec.encode(&value, out) {
                Ok(()) => Ok(IsNull::No),
                Err(cause) => Err(Unsent(errors::argument(
                    position + 1,
                    element,
                    &value,
                    cause,
                ))),
            }
        };
        template.bind(encode, out).map_err(|Unsent(error)| error)
    }

    /// The types of its parameters.
    pub(crate) fn parameter_oids(&self) -> impl Iterator<Item = u32> {
        self.parameters.iter().map(|(oid, _)| *oid)
    }

    /// Appends Parse, with the types of the parameters.
    ///
    /// # Errors
    /// When the query cannot be sent.
    pub(crate) fn parse(&self, out: &mut BytesMut) -> PyResult<()> {
        let oids = self.parameter_oids();
        frontend::parse(&self.name, &self.query, oids, out).map_err(errors::request)
    }

    /// Marks the statement as used for the `count`th time.
    pub(crate) fn touch(&self, count: u64) {
        self.used.store(count, Ordering::Relaxed);
    }

    /// When it was last used, in the connection's count of uses.
    pub(crate) fn last_use(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// Why a Bind was not written.
struct Unsent(PyErr);

impl From<PyErr> for Unsent {
    fn from(error: PyErr) -> Self {
        Self(error)
    }
}

impl From<Error> for Unsent {
    fn from(error: Error) -> Self {
        Self(errors::request(error))
    }
}

/// `"name":`
fn json_key(name: &str) -> Box<[u8]> {
    let mut key = serde_json::Value::from(name).to_string().into_bytes();
    key.push(b':');
    key.into()
}

fn template(
    portal: &str,
    statement: &str,
    parameters: &[(u32, Arc<Codec>)],
    decoders: &[Arc<Codec>],
) -> PyResult<BindTemplate> {
    let format = |codec: &Codec| {
        if codec.format() == 0 {
            Format::Text
        } else {
            Format::Binary
        }
    };
    let inputs: Vec<_> = parameters.iter().map(|(_, codec)| format(codec)).collect();
    let outputs: Vec<_> = decoders.iter().map(|codec| format(codec)).collect();
    BindTemplate::new(portal, statement, &inputs, &outputs).map_err(errors::request)
}

/// Whether a query may leave something behind in its session: a setting, a lock, a listener, a
/// temporary table, a cursor.
///
/// It looks for words, also within literals and comments: at worst a session is reset in vain.
/// What a function of the database does inside cannot be seen.
pub(crate) fn may_change_session(query: &str) -> bool {
    const WORDS: &[&str] = &[
        "set",
        "set_config",
        "listen",
        "temp",
        "temporary",
        "declare",
        "prepare",
        "load",
        "do",
        "call",
        "discard",
        "reset",
        "advisory",
    ];
    let is_word = |word: &str| {
        let word = word.to_ascii_lowercase();
        WORDS.contains(&word.as_str()) || word.contains("advisory")
    };
    // These have a SET and a DO of their own, which change rows and not the session.
    let changes_rows = ["update", "insert", "merge", "with"]
        .iter()
        .any(|command| first_word(query).eq_ignore_ascii_case(command));
    let is_of_rows = |word: &str| {
        ["set", "do"]
            .iter()
            .any(|own| word.eq_ignore_ascii_case(own))
    };
    words(query).any(|word| is_word(word) && !(changes_rows && is_of_rows(word)))
}

/// Whether a query may wait for others' locks on rows; plain SELECTs do not.
fn may_lock_rows(query: &str) -> bool {
    // FOR UPDATE and FOR SHARE, in all their forms.
    const WORDS: &[&str] = &[
        "update", "share", "insert", "delete", "merge", "lock", "truncate",
    ];
    words(query).any(|word| WORDS.iter().any(|one| word.eq_ignore_ascii_case(one)))
}

fn words(query: &str) -> impl Iterator<Item = &str> {
    query
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

fn first_word(query: &str) -> &str {
    let query = query.trim_start();
    query
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or("")
}

/// What Python sees of a [`Statement`].
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct PgStatement {
    pub(crate) inner: Arc<Statement>,
}

#[pymethods]
impl PgStatement {
    /// Its name on the server; empty for the unnamed statement.
    #[getter]
    fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its text.
    #[getter]
    fn query(&self) -> &str {
        &self.inner.query
    }

    /// The oids of its parameters' types.
    #[getter]
    fn parameter_oids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.parameter_oids().collect::<Vec<_>>())
    }

    /// Its columns: name, table's oid, attribute's number, type's oid, type modifier.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.columns.iter().cloned())
    }

    fn __repr__(&self) -> String {
        format!("<PgStatement {:?} {:?}>", self.inner.name, self.inner.query)
    }
}

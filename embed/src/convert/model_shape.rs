//! What values a schema of pydantic's describes, for `model_out`; `fasterapi._json_writer` tells.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple, PyType};

/// Objects, each with its JSON.
type Members = Box<[(Py<PyAny>, Box<[u8]>)]>;

/// The type of a value, as JSON sees it. Each stands for exactly that type, without subclasses.
pub(crate) enum Shape {
    /// An `int`; of more than 64 bits it is left to pydantic.
    Int,
    Text,
    /// A `float`; NaN and infinities are left to pydantic.
    Float,
    Bool,
    Null,
    DateTime,
    /// `None`, or what is inside.
    Nullable(Box<Shape>),
    List(Box<Shape>),
    /// Keys are `str`.
    Dict(Box<Shape>),
    Model(Box<Model>),
    /// What of these has no schema: `str`, `int`, `float`, `bool`, `None`, `list` and `dict`.
    Any,
    /// One of these objects (members of an enum), each with its JSON.
    Member(Members),
    /// What this function makes JSON of; it raises for a value of another type.
    Other(Py<PyAny>),
}

/// A class of models.
pub(crate) struct Model {
    pub(crate) class: Py<PyType>,
    pub(crate) fields: Box<[Field]>,
}

/// One field of a model.
pub(crate) struct Field {
    pub(crate) name: Py<PyString>,
    text: Box<str>,
    /// The name in JSON and the colon after it.
    pub(crate) key: Key,
    /// `None` for a field that is left out.
    pub(crate) shape: Option<Shape>,
}

/// Bytes that are written often and mostly few: a copy of constant length takes no call.
pub(crate) struct Key {
    short: [u8; KEY_BYTES],
    length: usize,
    long: Box<[u8]>,
}

/// How long the key of a field may be to be copied quickly, in bytes.
const KEY_BYTES: usize = 32;

impl Key {
    fn new(key: &[u8]) -> Self {
        let mut short = [0; KEY_BYTES];
        let front = key.len().min(KEY_BYTES);
        short[..front].copy_from_slice(&key[..front]);
        Self {
            short,
            length: key.len(),
            long: key.into(),
        }
    }

    /// Adds the key to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.length > KEY_BYTES {
            out.extend_from_slice(&self.long);
            return;
        }
        let end = out.len() + self.length;
        out.extend_from_slice(&self.short);
        out.truncate(end);
    }
}

impl Model {
    /// Which field is called `name`; `expected` is where it should be.
    pub(crate) fn place_of(&self, name: &Bound<'_, PyAny>, expected: usize) -> Option<usize> {
        // Names are interned, so that most often one look is enough.
        let is_it = |field: &Field| field.name.as_ptr() == name.as_ptr();
        if self.fields.get(expected).is_some_and(is_it) {
            return Some(expected);
        }
        let name = name.cast_exact::<PyString>().ok()?.to_str().ok()?;
        let equals = |field: &Field| field.text.as_ref() == name;
        self.fields.iter().position(equals)
    }
}

impl Shape {
    /// Reads the nested tuples that `_json_writer` makes of a schema: a kind and its parts.
    ///
    /// # Errors
    /// `ValueError` for an unknown kind, and `TypeError` for parts of other types.
    pub(crate) fn read(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let given = given.cast::<PyTuple>()?;
        let kind = given.get_item(0)?;
        let part = || given.get_item(1);
        let inner = || part().and_then(|inner| Self::read(&inner)).map(Box::new);
        Ok(match kind.cast::<PyString>()?.to_str()? {
            "int" => Self::Int,
            "str" => Self::Text,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "none" => Self::Null,
            "datetime" => Self::DateTime,
            "any" => Self::Any,
            "nullable" => Self::Nullable(inner()?),
            "list" => Self::List(inner()?),
            "dict" => Self::Dict(inner()?),
            "other" => Self::Other(part()?.unbind()),
            "members" => Self::Member(members(&part()?)?),
            "model" => {
                let class = part()?.cast_into::<PyType>()?.unbind();
                let fields = given.get_item(2)?;
                let fields = fields.try_iter()?.map(|field| Field::read(&field?));
                let fields = fields.collect::<PyResult<_>>()?;
                Self::Model(Box::new(Model { class, fields }))
            }
            other => return Err(PyValueError::new_err(format!("no shape {other:?}"))),
        })
    }
}

impl Field {
    fn read(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (name, key, shape): (Bound<'_, PyString>, Bound<'_, PyBytes>, Bound<'_, PyAny>) =
            given.extract()?;
        let shape = (!shape.is_none())
            .then(|| Shape::read(&shape))
            .transpose()?;
        Ok(Self {
            text: name.to_str()?.into(),
            name: PyString::intern(name.py(), name.to_str()?).unbind(),
            key: Key::new(key.as_bytes()),
            shape,
        })
    }
}

fn members(given: &Bound<'_, PyAny>) -> PyResult<Members> {
    let pair = |pair: Bound<'_, PyAny>| -> PyResult<_> {
        let (member, json): (Py<PyAny>, Bound<'_, PyBytes>) = pair.extract()?;
        Ok((member, json.as_bytes().into()))
    };
    given.try_iter()?.map(|given| pair(given?)).collect()
}

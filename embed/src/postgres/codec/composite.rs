//! Composite types, and rows that belong to no type.

use super::Codec;
use super::array::items_of;
use super::types::WeakTypes;
use super::wire::{Malformed, Reader, count_of, kind_of, put_nullable};
use crate::postgres::record::{Descriptor, Record};
use bytes::{BufMut, BytesMut};
use pyo3::exceptions::{PyNotImplementedError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyTuple};
use std::cell::Cell;
use std::sync::{Arc, OnceLock};

/// The type identifier and the length that come before each field.
const FIELD_BYTES: usize = 8;

/// Values within values that say their types themselves, at most: the stack is not endless, and
/// nobody knows what a server sends.
const LEVELS_MAX: u32 = 256;

thread_local! {
    static LEVELS: Cell<u32> = const { Cell::new(0) };
}

/// Being within a value that says itself what it is of.
pub(super) struct Level(());

impl Level {
    /// # Errors
    /// When there are too many around it.
    pub(super) fn enter() -> Result<Self, Malformed> {
        let levels = LEVELS.get();
        if levels >= LEVELS_MAX {
            return Err(Malformed("rows within rows, too many of them"));
        }
        LEVELS.set(levels + 1);
        Ok(Self(()))
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        LEVELS.set(LEVELS.get() - 1);
    }
}

/// A field of a composite type.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) oid: u32,
    pub(crate) codec: Arc<Codec>,
}

/// A composite type, all of whose fields have binary forms.
#[derive(Debug)]
pub(crate) struct CompositeCodec {
    name: String,
    fields: Vec<Field>,
    /// What all its records have in common, once there is one.
    descriptor: OnceLock<Arc<Descriptor>>,
}

impl CompositeCodec {
    pub(super) fn new(name: String, fields: Vec<Field>) -> Self {
        Self {
            name,
            fields,
            descriptor: OnceLock::new(),
        }
    }

    /// The row that Python sees.
    fn record<'py>(&self, py: Python<'py>, values: Vec<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let descriptor = match self.descriptor.get() {
            Some(descriptor) => descriptor,
            None => {
                let names = self.fields.iter().map(|field| field.name.as_str());
                let made = Descriptor::new(py, &names.collect::<Vec<_>>(), None)?;
                self.descriptor.get_or_init(|| made)
            }
        };
        Record::create(py, descriptor, values)
    }

    /// Calls `each` with every field and its bytes.
    ///
    /// # Errors
    /// When the fields are not those of the type (any more), and those of `each`.
    pub(super) fn split<'a, E: From<Malformed>>(
        &self,
        bytes: &'a [u8],
        mut each: impl FnMut(&Field, Option<&'a [u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = Reader::new(bytes);
        if reader.count(FIELD_BYTES)? != self.fields.len() {
            return Err(Malformed::OTHER_FIELDS.into());
        }
        for field in &self.fields {
            if reader.u32()? != field.oid {
                return Err(Malformed::OTHER_FIELD.into());
            }
            each(field, reader.value()?)?;
        }
        Ok(reader.end()?)
    }

    pub(super) fn decode<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let mut values = Vec::with_capacity(self.fields.len());
        self.split::<PyErr>(bytes, |field, bytes| {
            values.push(match bytes {
                Some(bytes) => field.codec.decode(py, bytes)?.unbind(),
                None => py.None(),
            });
            Ok(())
        })?;
        self.record(py, values)
    }

    /// Takes a mapping (what it leaves out is NULL), or a sequence of all fields.
    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        out.put_i32(count_of(self.fields.len(), "that many fields")?);
        if value.is_instance_of::<PyDict>() || value.cast::<PyMapping>().is_ok() {
            return self.encode_mapping(value, out);
        }
        let Some(items) = items_of(value) else {
            return Err(PyTypeError::new_err(format!(
                "expected a tuple, a mapping or a Record for composite type {}, got {}",
                self.name,
                kind_of(value)
            )));
        };
        let items = items?;
        if items.len() != self.fields.len() {
            return Err(PyValueError::new_err(format!(
                "composite type {} has {} elements, not {}",
                self.name,
                self.fields.len(),
                items.len()
            )));
        }
        for (field, item) in self.fields.iter().zip(items.iter()) {
            field.encode(&item, out)?;
        }
        Ok(())
    }

    fn encode_mapping(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        let py = value.py();
        for key in value.try_iter()? {
            let key = key?;
            let name: Option<String> = key.extract().ok();
            let is_known = |name| self.fields.iter().any(|field| field.name == name);
            if !name.is_some_and(is_known) {
                return Err(PyValueError::new_err(format!(
                    "{} is not a valid element of composite type {}",
                    key.repr()?.to_string_lossy(),
                    self.name
                )));
            }
        }
        for field in &self.fields {
            let item = if value.contains(&field.name)? {
                value.get_item(&field.name)?
            } else {
                py.None().into_bound(py)
            };
            field.encode(&item, out)?;
        }
        Ok(())
    }
}

impl Field {
    fn encode(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        out.put_u32(self.oid);
        put_nullable(out, value, |out| self.codec.encode(value, out))
    }
}

/// The codec of a value that says its type itself and is always in the binary format; `None` where
/// the type is unknown, or belongs to the application's functions for texts.
pub(super) fn binary_codec(types: &WeakTypes, oid: u32) -> Option<Arc<Codec>> {
    let codec = types.codec(oid)?;
    match codec.binary_form(oid) {
        Some(form) => Some(Arc::new(form)),
        None => Some(codec).filter(|codec| codec.format() == 1),
    }
}

/// `NotImplementedError` for a value in a row without a type, or in an array of any.
pub(super) fn no_decoder(oid: u32, position: usize) -> PyErr {
    PyNotImplementedError::new_err(format!(
        "no decoder for composite type element in position {position} of type OID {oid}"
    ))
}

/// A `record`: a tuple.
pub(super) fn decode_row<'py>(
    py: Python<'py>,
    types: &WeakTypes,
    bytes: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    let _level = Level::enter()?;
    let mut reader = Reader::new(bytes);
    let count = reader.count(FIELD_BYTES)?;
    let mut values = Vec::with_capacity(count);
    for position in 0..count {
        let oid = reader.u32()?;
        values.push(match reader.value()? {
            Some(bytes) => binary_codec(types, oid)
                .ok_or_else(|| no_decoder(oid, position))?
                .decode(py, bytes)?,
            None => py.None().into_bound(py),
        });
    }
    reader.end()?;
    Ok(PyTuple::new(py, values)?.into_any())
}

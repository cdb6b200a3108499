//! PostgreSQL's values to Python objects and back, in the binary formats where there are any.
//!
//! The formats are those of the server's `*_send` and `*_recv` functions. Whatever a server sends
//! is a Python object or an error, never a panic.

mod array;
mod array_text;
mod bits;
mod builtin;
mod calendar;
pub(crate) mod composite;
mod custom;
mod extension;
mod geometry;
mod identifier;
mod interval;
mod json_text;
mod network;
mod number;
mod numeric;
mod out_of_range;
mod python;
mod range;
mod system;
mod text;
mod time;
mod types;
mod wire;

use array::ArrayCodec;
use bytes::{BufMut, BytesMut};
use composite::CompositeCodec;
use custom::CustomCodec;
use extension::Vector;
use geometry::Shape;
use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyList, PyString};
use range::RangeCodec;

use text::JsonForm;
use types::WeakTypes;
use wire::{Reader, exactly};

pub(crate) use custom::{Custom, CustomFormat};
pub(crate) use python::PyTypes;
pub(crate) use types::{TypeInfo, TypeKind, Types, TypesOptions};
pub(crate) use wire::{Malformed, put_nullable};

/// How the values of one type are written and read.
#[derive(Debug)]
pub(crate) enum Codec {
    Bool,
    Int2,
    Int4,
    Int8,
    /// `oid`, `xid` and `cid`.
    Unsigned4,
    /// `xid8` and `pg_lsn`.
    Unsigned8,
    Float4,
    Float8,
    Numeric,
    /// Text whose binary form is its bytes.
    Text,
    /// Text after a version: `jsonpath`, `ltree`.
    VersionedText,
    /// What is only known as text, which is what the server makes of it.
    Literal,
    Bytea,
    Char,
    Uuid,
    Json(JsonForm),
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Inet,
    Cidr,
    /// The address of a network card, of so many bytes.
    Mac(usize),
    Bits,
    Tid,
    Snapshot,
    Void,
    Geometry(Shape),
    Hstore,
    Vector(Vector),
    Array(ArrayCodec),
    /// An array that says itself what it is of.
    AnyArray(WeakTypes),
    Composite(CompositeCodec),
    /// A row that says itself what it is of.
    Record(WeakTypes),
    Range(RangeCodec),
    Multirange(RangeCodec),
    Custom(CustomCodec),
    /// A composite or range type with parts that have no binary form: its literal as text. The
    /// name of its kind is in the message for other values.
    LiteralOf(&'static str),
}

impl Codec {
    /// 1 where values travel in the binary format, 0 where as text.
    pub(crate) fn format(&self) -> i16 {
        match self {
            Self::Literal | Self::LiteralOf(_) => 0,
            Self::Array(array) => array.element.format(),
            Self::Custom(custom) => custom.format(),
            _ => 1,
        }
    }

    /// The Python object of a value that is not NULL.
    ///
    /// # Errors
    /// `ValueError` for what is no value of the type, `NotImplementedError` for a row that has
    /// columns of unknown types, and what a decoder of the application's raises.
    pub(crate) fn decode<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Bool => PyBool::new(py, number::bool_of(bytes)?)
                .to_owned()
                .into_any(),
            Self::Int2 => i16::from_be_bytes(exactly(bytes)?)
                .into_pyobject(py)?
                .into_any(),
            Self::Int4 => i32::from_be_bytes(exactly(bytes)?)
                .into_pyobject(py)?
                .into_any(),
            Self::Int8 => i64::from_be_bytes(exactly(bytes)?)
                .into_pyobject(py)?
                .into_any(),
            Self::Unsigned4 => u32::from_be_bytes(exactly(bytes)?)
                .into_pyobject(py)?
                .into_any(),
            Self::Unsigned8 => u64::from_be_bytes(exactly(bytes)?)
                .into_pyobject(py)?
                .into_any(),
            Self::Float4 => PyFloat::new(py, f32::from_be_bytes(exactly(bytes)?).into()).into_any(),
            Self::Float8 => PyFloat::new(py, f64::from_be_bytes(exactly(bytes)?)).into_any(),
            Self::Numeric => return numeric::decode(py, bytes),
            Self::Text | Self::Literal | Self::LiteralOf(_) => {
                PyString::from_bytes(py, bytes)?.into_any()
            }
            Self::VersionedText => PyString::from_bytes(py, text::versioned(bytes)?)?.into_any(),
            Self::Bytea | Self::Char => PyBytes::new(py, bytes).into_any(),
            Self::Uuid => return identifier::decode(py, bytes),
            Self::Json(form) => return form.decode(py, bytes),
            Self::Date => return time::decode_date(py, bytes),
            Self::Time => return time::decode_time(py, bytes),
            Self::TimeTz => return time::decode_timetz(py, bytes),
            Self::Timestamp => return time::decode_timestamp(py, bytes),
            Self::TimestampTz => return time::decode_timestamptz(py, bytes),
            Self::Interval => return interval::decode(py, bytes),
            Self::Array(array) => return array.decode(py, bytes),
            _ => return self.decode_rare(py, bytes),
        })
    }

    fn decode_rare<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Inet => network::decode(py, bytes, false),
            Self::Cidr => network::decode(py, bytes, true),
            Self::Mac(length) => {
                let mut text = String::new();
                network::write_mac(bytes, *length, &mut text)?;
                Ok(PyString::new(py, &text).into_any())
            }
            Self::Bits => bits::decode(py, bytes),
            Self::Tid => Ok(system::tid_of(bytes)?.into_pyobject(py)?.into_any()),
            Self::Snapshot => system::decode_snapshot(py, bytes),
            Self::Geometry(shape) => shape.decode(py, bytes),
            Self::Hstore => extension::decode_hstore(py, bytes),
            Self::Vector(vector) => vector.decode(py, bytes),
            Self::AnyArray(types) => {
                let _level = composite::Level::enter()?;
                let mut reader = Reader::new(bytes);
                let shape = array::Shape::parse(&mut reader)?;
                let element = composite::binary_codec(types, shape.element_oid);
                let element = element.ok_or_else(|| composite::no_decoder(shape.element_oid, 0))?;
                let list = array::decode_elements(py, &element, &shape.counts, &mut reader)?;
                reader.end()?;
                Ok(list)
            }
            Self::Composite(composite) => composite.decode(py, bytes),
            Self::Record(types) => composite::decode_row(py, types, bytes),
            Self::Range(range) => range.decode(py, bytes),
            Self::Multirange(range) => range.decode_many(py, bytes),
            Self::Custom(custom) => custom.decode(py, bytes),
            // Void; `decode` has seen to all others.
            _ => Ok(py.None().into_bound(py)),
        }
    }

    /// Appends a value that is not `None`, without its length.
    ///
    /// # Errors
    /// `TypeError`, `ValueError` and `OverflowError` for what is no value of the type,
    /// `NotImplementedError` for a type that nothing can be written to, and what an encoder of the
    /// application's raises. Some bytes may have been written then.
    pub(crate) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        match self {
            Self::Bool => number::put_bool(value, out),
            Self::Int2 => number::put_i16(value, out),
            Self::Int4 => number::put_i32(value, out),
            Self::Int8 => number::put_i64(value, out),
            Self::Unsigned4 => number::put_u32(value, out),
            Self::Unsigned8 => number::put_u64(value, out),
            Self::Float4 => number::put_f32(value, out),
            Self::Float8 => number::put_f64(value, out),
            Self::Numeric => numeric::encode(value, out),
            Self::Text | Self::Literal => text::put_text(value, out),
            Self::VersionedText => text::put_versioned(value, out),
            Self::Bytea => text::put_bytes(value, out),
            Self::Char => text::put_char(value, out),
            Self::Uuid => identifier::encode(value, out),
            Self::Json(form) => form.encode(value, out),
            Self::Date => time::encode_date(value, out),
            Self::Time => time::encode_time(value, out),
            Self::TimeTz => time::encode_timetz(value, out),
            Self::Timestamp => time::encode_timestamp(value, out),
            Self::TimestampTz => time::encode_timestamptz(value, out),
            Self::Interval => interval::encode(value, out),
            Self::Array(array) => array.encode(value, out),
            _ => self.encode_rare(value, out),
        }
    }

    fn encode_rare(&self, value: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
        match self {
            Self::Inet => network::encode(value, out, false),
            Self::Cidr => network::encode(value, out, true),
            Self::Mac(length) => network::put_mac(value, *length, out),
            Self::Bits => bits::encode(value, out),
            Self::Tid => system::put_tid(value, out),
            Self::Snapshot => system::put_snapshot(value, out),
            Self::Geometry(shape) => shape.encode(value, out),
            Self::Hstore => extension::put_hstore(value, out),
            Self::Vector(vector) => vector.encode(value, out),
            Self::Composite(composite) => composite.encode(value, out),
            Self::Range(range) => range.encode(value, out),
            Self::Multirange(range) => range.encode_many(value, out),
            Self::Custom(custom) => custom.encode(value, out),
            Self::Record(_) | Self::AnyArray(_) => Err(PyNotImplementedError::new_err(
                "input of anonymous composite types is not supported",
            )),
            Self::LiteralOf(kind) => match value.cast::<PyString>() {
                Ok(literal) => {
                    out.put_slice(literal.to_str()?.as_bytes());
                    Ok(())
                }
                Err(_) => Err(PyNotImplementedError::new_err(format!(
                    "text encoding of {kind} types is not supported"
                ))),
            },
            // Void has one value, of no bytes; `encode` has seen to all others.
            _ => Ok(()),
        }
    }

    /// What reads the binary form of a type that we otherwise ask for as text: numbers for the
    /// names of objects, bytes for all others.
    fn binary_form(&self, oid: u32) -> Option<Self> {
        match self {
            Self::Literal if builtin::is_object_name(oid) => Some(Self::Unsigned4),
            Self::Literal | Self::LiteralOf(_) => Some(Self::Bytea),
            Self::Array(array) => {
                let element = array.element.binary_form(array.element_oid)?;
                Some(Self::Array(array.with_element(element)))
            }
            _ => None,
        }
    }

    /// Whether a list-like object is a value of this type, and no dimension of an array of it.
    fn takes(&self, value: &Bound<'_, PyAny>) -> bool {
        match self {
            Self::Json(form) => !form.as_text,
            Self::Vector(_) | Self::Hstore | Self::Multirange(_) => true,
            Self::Geometry(Shape::Path | Shape::Polygon) => true,
            // A Record is one as well as a tuple.
            Self::Composite(_) => !value.is_instance_of::<PyList>(),
            _ => false,
        }
    }
}

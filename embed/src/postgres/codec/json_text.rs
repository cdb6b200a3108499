//! Values as JSON, without Python objects in between: rows become a response's body.
//!
//! The JSON is what `jsonable_encoder` makes of the objects of `Codec::decode`, with these
//! exceptions: a number is written with all its digits; NaN and infinities, which JSON has none
//! for, are the texts that PostgreSQL's `to_json` makes; ranges, bit strings, paths and sparse
//! vectors, which FastAPI cannot write, have forms of their own.

use super::array::Shape as ArrayShape;
use super::calendar::{DAY_US, Moment};
use super::composite::{Level, binary_codec};
use super::geometry::Shape;
use super::interval::Parts;
use super::network::{Network, write_mac};
use super::numeric::{Digits, Numeric};
use super::out_of_range::OutOfRange;
use super::range::{Parts as RangeParts, RangeCodec};
use super::types::WeakTypes;
use super::wire::{Malformed, Reader, exactly};
use super::{Codec, Vector, bits, extension, number, system, text, time};
use crate::convert::json_out;
use pyo3::prelude::*;
use serde::Serialize;
use std::fmt::Write;
use uuid::Uuid;

/// Why there is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// The server sent what is no value of the type.
    Malformed(Malformed),
    /// Only Python can tell: a function of the application's decodes the value, or it has no JSON
    /// form and FastAPI has words for that.
    NeedsPython,
}

impl From<Malformed> for JsonError {
    fn from(problem: Malformed) -> Self {
        Self::Malformed(problem)
    }
}

type Written = Result<(), JsonError>;
/// Whole numbers up to that are exact in a float.
const EXACT_MAX: i64 = 1 << 53;

impl Codec {
    /// Appends a value that is not NULL as JSON. For any thread, attached to Python or not.
    ///
    /// # Errors
    /// When the value is malformed, or needs Python; a part of it may have been written then.
    pub(crate) fn json_text(&self, bytes: &[u8], out: &mut Vec<u8>) -> Written {
        match self {
            Self::Bool => plain(number::bool_of(bytes)?, out),
            Self::Int2 => plain(i16::from_be_bytes(exactly(bytes)?), out),
            Self::Int4 => plain(i32::from_be_bytes(exactly(bytes)?), out),
            Self::Int8 => plain(i64::from_be_bytes(exactly(bytes)?), out),
            Self::Unsigned4 => plain(u32::from_be_bytes(exactly(bytes)?), out),
            Self::Unsigned8 => plain(u64::from_be_bytes(exactly(bytes)?), out),
            Self::Float4 => float(f32::from_be_bytes(exactly(bytes)?).into(), out),
            Self::Float8 => float(f64::from_be_bytes(exactly(bytes)?), out),
            Self::Numeric => numeric(bytes, out),
            Self::Text | Self::Literal | Self::LiteralOf(_) => string(bytes, out),
            Self::VersionedText => string(text::versioned(bytes)?, out),
            Self::Bytea | Self::Char => {
                let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NeedsPython)?;
                plain(text, out)
            }
            Self::Uuid => {
                let uuid = Uuid::from_bytes(exactly(bytes)?);
                plain(
                    &*uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()),
                    out,
                )
            }
            Self::Json(form) => {
                out.extend_from_slice(form.text(bytes)?);
                Ok(())
            }
            Self::Date | Self::Time | Self::TimeTz | Self::Timestamp | Self::TimestampTz => {
                let mut text = String::new();
                self.write_moment(bytes, &mut text)?;
                plain(text.as_str(), out)
            }
            Self::Interval => interval(&Parts::parse(bytes)?, out),
            Self::Array(array) if array.element.format() == 1 => {
                let mut reader = Reader::new(bytes);
                let shape = ArrayShape::parse(&mut reader)?;
                if shape.element_oid != array.element_oid {
                    return Err(Malformed("an array of another type").into());
                }
                self::array(&array.element, &shape, reader, out)
            }
            Self::Composite(composite) => {
                let mut separator = b'{';
                composite.split(bytes, |field, bytes| {
                    out.push(separator);
                    separator = b',';
                    plain(field.name.as_str(), out)?;
                    out.push(b':');
                    nullable(&field.codec, bytes, out)
                })?;
                close(separator, *b"{}", out);
                Ok(())
            }
            _ => self.json_rare(bytes, out),
        }
    }

    fn json_rare(&self, bytes: &[u8], out: &mut Vec<u8>) -> Written {
        match self {
            Self::Void => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            Self::Inet | Self::Cidr => {
                let network = Network::parse(bytes)?;
                let is_whole = network.prefix == network.prefix_max();
                if is_whole && matches!(self, Self::Inet) {
                    return plain(network.address, out);
                }
                plain(format!("{}/{}", network.address, network.prefix), out)
            }
            Self::Mac(length) => {
                let mut text = String::new();
                write_mac(bytes, *length, &mut text)?;
                plain(text, out)
            }
            Self::Bits => {
                let (length, bits) = bits::parse(bytes)?;
                let bit = |place: usize| bits[place / 8] >> (7 - place % 8) & 1 == 1;
                let text: String = (0..length)
                    .map(|place| if bit(place) { '1' } else { '0' })
                    .collect();
                plain(text, out)
            }
            Self::Tid => plain(system::tid_of(bytes)?, out),
            Self::Snapshot => plain(system::snapshot_of(bytes)?, out),
            Self::Geometry(shape) => geometry(*shape, bytes, out),
            Self::Hstore => hstore(bytes, out),
            Self::Vector(Vector::Sparse) => sparse_vector(bytes, out),
            Self::Vector(vector) => {
                let numbers = vector.numbers(bytes)?.into_iter();
                list(numbers, out, |number, out| float(number.into(), out))
            }
            Self::AnyArray(types) => {
                let _level = Level::enter()?;
                let mut reader = Reader::new(bytes);
                let shape = ArrayShape::parse(&mut reader)?;
                let element = binary_codec(types, shape.element_oid);
                let element = element.ok_or(JsonError::NeedsPython)?;
                array(&element, &shape, reader, out)
            }
            Self::Record(types) => row(types, bytes, out),
            Self::Range(codec) => range(codec, bytes, out),
            Self::Multirange(codec) => {
                let ranges = RangeCodec::split(bytes)?.into_iter();
                list(ranges, out, |bytes, out| range(codec, bytes, out))
            }
            // Arrays that are texts, and functions of the application's.
            _ => Err(JsonError::NeedsPython),
        }
    }

    /// The same, by way of Python where that is needed.
    ///
    /// # Errors
    /// Those of `decode`, and of what writes objects as JSON.
    pub(crate) fn json_text_or_object(
        &self,
        py: Python<'_>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> PyResult<()> {
        let start = out.len();
        match self.json_text(bytes, out) {
            Ok(()) => Ok(()),
            Err(JsonError::Malformed(problem)) => Err(problem.into()),
            Err(JsonError::NeedsPython) => {
                out.truncate(start);
                out.extend_from_slice(&json_out::to_json(&self.decode(py, bytes)?)?);
                Ok(())
            }
        }
    }

    /// What `isoformat` writes; for what Python has none for, PostgreSQL's own text.
    fn write_moment(&self, bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
        let (kind, us) = match self {
            Self::Date => {
                let days = i32::from_be_bytes(exactly(bytes)?);
                let us = match days {
                    i32::MAX => i64::MAX,
                    i32::MIN => i64::MIN,
                    // Farther than microseconds reach is out of Python's range in any case.
                    days => i64::from(days)
                        .saturating_mul(DAY_US)
                        .clamp(i64::MIN + 1, i64::MAX - 1),
                };
                (OutOfRange::Date, us)
            }
            Self::Time => (OutOfRange::Time, time::time_of(bytes)?),
            Self::TimeTz => (OutOfRange::TimeTz, time::timetz_of(bytes)?.0),
            Self::Timestamp => (OutOfRange::Timestamp, i64::from_be_bytes(exactly(bytes)?)),
            _ => (OutOfRange::TimestampTz, i64::from_be_bytes(exactly(bytes)?)),
        };
        let has_date = !matches!(kind, OutOfRange::Time | OutOfRange::TimeTz);
        let moment = Moment::of(us).filter(|_| has_date || us < DAY_US);
        let Some(moment) = moment else {
            return kind.write(bytes, out);
        };
        let (year, month, day) = moment.date;
        if has_date {
            let _ = write!(out, "{year:04}-{month:02}-{day:02}");
        }
        if kind == OutOfRange::Date {
            return Ok(());
        }
        let (hour, minute, second, microsecond) = moment.time;
        let t = if has_date { "T" } else { "" };
        let _ = write!(out, "{t}{hour:02}:{minute:02}:{second:02}");
        if microsecond > 0 {
            let _ = write!(out, ".{microsecond:06}");
        }
        let east_s = match kind {
            OutOfRange::TimeTz => -time::timetz_of(bytes)?.1,
            // The infinities are in no zone.
            OutOfRange::TimestampTz if us != i64::MAX && us != i64::MIN => 0,
            _ => return Ok(()),
        };
        let sign = if east_s < 0 { '-' } else { '+' };
        let s = east_s.abs();
        let _ = write!(out, "{sign}{:02}:{:02}", s / 3_600, s / 60 % 60);
        if s % 60 != 0 {
            let _ = write!(out, ":{:02}", s % 60);
        }
        Ok(())
    }
}

/// Formats into bytes.
struct Text<'a>(&'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Writes what serde_json writes without help.
fn plain(value: impl Serialize, out: &mut Vec<u8>) -> Written {
    serde_json::to_writer(out, &value).map_err(|_| JsonError::NeedsPython)
}

fn string(bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed("text that is not UTF-8"))?;
    plain(text, out)
}

fn float(value: f64, out: &mut Vec<u8>) -> Written {
    if value.is_finite() {
        plain(value, out)
    } else if value.is_nan() {
        plain("NaN", out)
    } else if value > 0.0 {
        plain("Infinity", out)
    } else {
        plain("-Infinity", out)
    }
}

fn numeric(bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let number = Numeric::parse(bytes)?;
    if let Some(name) = number.special() {
        return plain(name, out);
    }
    let mut digits = Digits::new();
    // An exponent would make most readers read a float.
    number.write(false, &mut digits);
    out.extend_from_slice(&digits);
    Ok(())
}

/// `total_seconds()`.
fn interval(parts: &Parts, out: &mut Vec<u8>) -> Written {
    let us = parts.total_us().filter(|us| us.abs() <= EXACT_MAX);
    let us = us.ok_or(JsonError::NeedsPython)?;
    #[expect(clippy::cast_precision_loss, reason = "it is small enough to be exact")]
    float(us as f64 / 1e6, out)
}

fn nullable(codec: &Codec, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Written {
    match bytes {
        Some(bytes) => codec.json_text(bytes, out),
        None => {
            out.extend_from_slice(b"null");
            Ok(())
        }
    }
}

/// Ends a collection; one without members has not been begun.
fn close(separator: u8, [open, end]: [u8; 2], out: &mut Vec<u8>) {
    if separator == open {
        out.push(open);
    }
    out.push(end);
}

fn list<T>(
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>) -> Written,
) -> Written {
    let mut separator = b'[';
    for item in items {
        out.push(separator);
        separator = b',';
        write(item, out)?;
    }
    close(separator, *b"[]", out);
    Ok(())
}

fn hstore(bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let mut separator = b'{';
    for (key, value) in extension::hstore_of(bytes)? {
        out.push(separator);
        separator = b',';
        string(key, out)?;
        out.push(b':');
        nullable(&Codec::Text, value, out)?;
    }
    close(separator, *b"{}", out);
    Ok(())
}

/// `{"dimensions": 4, "values": {"1": 2.5}}`.
fn sparse_vector(bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let sparse = extension::Sparse::parse(bytes)?;
    let dimensions = sparse.dimensions;
    let _ = write!(Text(out), "{{\"dimensions\":{dimensions},\"values\":");
    let mut separator = b'{';
    for (place, value) in sparse.values {
        out.push(separator);
        separator = b',';
        plain(place.to_string(), out)?;
        out.push(b':');
        float(value.into(), out)?;
    }
    close(separator, *b"{}", out);
    out.push(b'}');
    Ok(())
}

fn array(
    element: &Codec,
    shape: &ArrayShape,
    mut reader: Reader<'_>,
    out: &mut Vec<u8>,
) -> Written {
    elements(element, &shape.counts, &mut reader, out)?;
    Ok(reader.end()?)
}

fn elements(
    element: &Codec,
    counts: &[usize],
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
) -> Written {
    let (count, inner) = counts
        .split_first()
        .map_or((0, counts), |(&n, rest)| (n, rest));
    list(0..count, out, |_, out| {
        if inner.is_empty() {
            nullable(element, reader.value()?, out)
        } else {
            elements(element, inner, reader, out)
        }
    })
}

fn row(types: &WeakTypes, bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let _level = Level::enter()?;
    let mut reader = Reader::new(bytes);
    let count = reader.count(0)?;
    list(0..count, out, |_, out| {
        let oid = reader.u32()?;
        match reader.value()? {
            Some(bytes) => binary_codec(types, oid)
                .ok_or(JsonError::NeedsPython)?
                .json_text(bytes, out),
            None => nullable(&Codec::Void, None, out),
        }
    })?;
    Ok(reader.end()?)
}

/// `{"lower": 1, "upper": 5, "bounds": "[)"}`, or `{"empty": true}`.
fn range(codec: &RangeCodec, bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let parts = RangeParts::parse(bytes)?;
    if parts.is_empty {
        out.extend_from_slice(b"{\"empty\":true}");
        return Ok(());
    }
    out.extend_from_slice(b"{\"lower\":");
    nullable(&codec.subtype, parts.lower, out)?;
    out.extend_from_slice(b",\"upper\":");
    nullable(&codec.subtype, parts.upper, out)?;
    let before = if parts.lower_inclusive { '[' } else { '(' };
    let after = if parts.upper_inclusive { ']' } else { ')' };
    let _ = write!(Text(out), ",\"bounds\":\"{before}{after}\"}}");
    Ok(())
}

/// Lists of numbers, as our classes are tuples of them; a path is the list of its points.
fn geometry(shape: Shape, bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let mut reader = Reader::new(bytes);
    let reader = &mut reader;
    let point = |reader: &mut Reader<'_>, out: &mut Vec<u8>| {
        list(0..2, out, |_, out| float(reader.f64()?, out))
    };
    match shape {
        Shape::Point => point(reader, out)?,
        Shape::Line => list(0..3, out, |_, out| float(reader.f64()?, out))?,
        Shape::LineSegment | Shape::Box => list(0..2, out, |_, out| point(reader, out))?,
        Shape::Circle => {
            out.push(b'[');
            point(reader, out)?;
            out.push(b',');
            float(reader.f64()?, out)?;
            out.push(b']');
        }
        Shape::Path | Shape::Polygon => {
            if shape == Shape::Path {
                let _is_closed = reader.u8()?;
            }
            let count = reader.count(0)?;
            list(0..count, out, |_, out| point(reader, out))?;
        }
    }
    Ok(reader.end()?)
}

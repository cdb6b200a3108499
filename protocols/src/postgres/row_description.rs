//! RowDescription, ParameterDescription and the three CopyResponses: what the data to come is.

use super::reader::Reader;
use crate::Error;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Format {
    /// As `psql` shows it.
    Text = 0,
    /// As its type's send function writes it.
    Binary = 1,
}

impl Format {
    fn of(code: u16) -> Result<Self, Error> {
        match code {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            _ => Err(Error::PostgresProtocol("PostgreSQL format code is unknown")),
        }
    }
}

/// One column of the rows to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; not always unique.
    pub name: String,
    /// The table it comes from; 0 for anything else than a column of a table.
    pub table_oid: u32,
    /// Its attribute number in that table, else 0.
    pub attribute: i16,
    /// Its type.
    pub type_oid: u32,
    /// `pg_type.typlen`, in bytes; negative for types of variable size.
    pub type_size: i16,
    /// `pg_attribute.atttypmod`; -1 when the type has none.
    pub type_modifier: i32,
    /// How its values are written; text while only a statement was described.
    pub format: Format,
}

/// The smallest column: an empty name and its NUL, then 18 bytes.
const COLUMN_BYTES_MIN: usize = 19;

/// The columns in the body of a RowDescription.
///
/// # Errors
/// [`Error::PostgresProtocol`] when it is malformed.
pub fn row_description(body: &[u8]) -> Result<Vec<Column>, Error> {
    let mut reader = Reader::new(body);
    let count = usize::from(reader.u16()?);
    // What is claimed is not yet there: no more room than the body can fill.
    let mut columns = Vec::with_capacity(count.min(body.len() / COLUMN_BYTES_MIN));
    for _ in 0..count {
        columns.push(Column {
            name: reader.string()?.to_owned(),
            table_oid: reader.u32()?,
            attribute: reader.i16()?,
            type_oid: reader.u32()?,
            type_size: reader.i16()?,
            type_modifier: reader.i32()?,
            format: Format::of(reader.u16()?)?,
        });
    }
    reader.end()?;
    Ok(columns)
}

/// The types of a statement's parameters, in the body of a ParameterDescription.
///
/// # Errors
/// [`Error::PostgresProtocol`] when it is malformed.
pub fn parameter_description(body: &[u8]) -> Result<Vec<u32>, Error> {
    let mut reader = Reader::new(body);
    let count = usize::from(reader.u16()?);
    let mut oids = Vec::with_capacity(count.min(body.len() / size_of::<u32>()));
    for _ in 0..count {
        oids.push(reader.u32()?);
    }
    reader.end()?;
    Ok(oids)
}

/// How a copy's data is written: CopyInResponse, CopyOutResponse and CopyBothResponse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyResponse {
    /// That of the whole.
    pub format: Format,
    /// That of each column.
    pub column_formats: Vec<Format>,
}

impl CopyResponse {
    /// Reads one body.
    ///
    /// # Errors
    /// [`Error::PostgresProtocol`] when it is malformed.
    pub fn new(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let format = Format::of(u16::from(reader.u8()?))?;
        let count = usize::from(reader.u16()?);
        let mut column_formats = Vec::with_capacity(count.min(body.len() / size_of::<u16>()));
        for _ in 0..count {
            column_formats.push(Format::of(reader.u16()?)?);
        }
        reader.end()?;
        Ok(Self {
            format,
            column_formats,
        })
    }
}

//! DataRow: the values of one row, borrowed from the receive buffer.

use super::reader::Reader;
use crate::Error;

/// One row. Its lengths were checked when it was made, so that walking it needs no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRow<'a> {
    values: &'a [u8],
    count: u16,
}

impl<'a> DataRow<'a> {
    /// The row whose body this is.
    ///
    /// # Errors
    /// [`Error::PostgresProtocol`] when lengths, count and body do not agree.
    #[inline]
    pub fn new(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let count = reader.u16()?;
        let values = reader.rest();
        for _ in 0..count {
            let length = reader.i32()?;
            if let Ok(length) = usize::try_from(length) {
                reader.bytes(length)?;
            } else if length != NULL {
                return Err(Error::PostgresProtocol(
                    "PostgreSQL value has a negative length",
                ));
            }
        }
        reader.end()?;
        Ok(Self { values, count })
    }

    /// How many values there are.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether the row has no columns.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values in order; `None` is NULL.
    #[inline]
    pub fn iter(&self) -> Values<'a> {
        Values {
            rest: self.values,
            left: self.count,
        }
    }
}

impl<'a> IntoIterator for DataRow<'a> {
    type Item = Option<&'a [u8]>;
    type IntoIter = Values<'a>;

    #[inline]
    fn into_iter(self) -> Values<'a> {
        self.iter()
    }
}

/// The length that means NULL.
const NULL: i32 = -1;

/// The values of one row, in order.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
    left: u16,
}

impl<'a> Iterator for Values<'a> {
    type Item = Option<&'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // The row was checked as a whole: `?` only ever leaves after the last value.
        let (length, rest) = self.rest.split_first_chunk()?;
        self.left = self.left.saturating_sub(1);
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.rest = rest;
            return Some(None);
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Some(value))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Values<'_> {}

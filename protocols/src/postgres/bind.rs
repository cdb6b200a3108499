//! Bind, from a template that is made once for a statement.

use bytes::{BufMut, BytesMut};
pub use postgres_protocol::IsNull;

use super::Format;
use super::frontend::{EXECUTE_SYNC, TOO_LARGE, without_nul};
use crate::Error;

/// The length that means NULL.
const NULL: i32 = -1;
/// Most values and formats that the protocol can count.
const COUNT_MAX: usize = u16::MAX as usize;

/// Everything of a Bind that does not change from one execution of a statement to the next.
#[derive(Clone, Debug)]
pub struct BindTemplate {
    /// From the tag to the count of values; the length is filled in later.
    head: Box<[u8]>,
    /// The formats of the results, then Execute and Sync.
    tail: Box<[u8]>,
    parameters: u16,
}

impl BindTemplate {
    /// A template that binds `statement` to `portal`, with one format for each parameter and one
    /// for each column of the result.
    ///
    /// # Errors
    /// [`Error::PostgresRequest`] for a NUL in a name, or more than 65,535 parameters or columns.
    pub fn new(
        portal: &str,
        statement: &str,
        parameter_formats: &[Format],
        result_formats: &[Format],
    ) -> Result<Self, Error> {
        without_nul(&[portal.as_bytes(), statement.as_bytes()])?;
        if result_formats.len() > COUNT_MAX {
            return Err(TOO_LARGE);
        }
        let parameters = u16::try_from(parameter_formats.len()).map_err(|_| TOO_LARGE)?;
        let mut head = b"B\0\0\0\0".to_vec();
        for name in [portal, statement] {
            head.extend_from_slice(name.as_bytes());
            head.push(0);
        }
        append_formats(parameter_formats, &mut head);
        head.extend_from_slice(&parameters.to_be_bytes());
        let mut tail = Vec::new();
        append_formats(result_formats, &mut tail);
        tail.extend_from_slice(EXECUTE_SYNC);
        Ok(Self {
            head: head.into(),
            tail: tail.into(),
            parameters,
        })
    }

    /// How many parameters the statement has.
    #[inline]
    pub fn parameters(&self) -> usize {
        usize::from(self.parameters)
    }

    /// Appends Bind. `encode` is called for each parameter in order; it appends the value's bytes,
    /// takes nothing away, and says whether the value is NULL instead.
    ///
    /// # Errors
    /// Those of `encode`, and [`Error::PostgresRequest`] when a value or the message is too
    /// large. `out` is then as it was.
    #[inline]
    pub fn bind<E: From<Error>>(
        &self,
        encode: impl FnMut(usize, &mut BytesMut) -> Result<IsNull, E>,
        out: &mut BytesMut,
    ) -> Result<(), E> {
        let formats = &self.tail[..self.tail.len() - EXECUTE_SYNC.len()];
        self.append(encode, formats, formats.len(), out)
    }

    /// Appends Bind, Execute of the unnamed portal without a row limit, and Sync.
    ///
    /// # Errors
    /// As those of [`bind`](Self::bind).
    #[inline]
    pub fn bind_execute_sync<E: From<Error>>(
        &self,
        encode: impl FnMut(usize, &mut BytesMut) -> Result<IsNull, E>,
        out: &mut BytesMut,
    ) -> Result<(), E> {
        let formats_bytes = self.tail.len() - EXECUTE_SYNC.len();
        self.append(encode, &self.tail, formats_bytes, out)
    }

    /// `tail_bytes` of `tail` belong to Bind.
    #[inline]
    fn append<E: From<Error>>(
        &self,
        encode: impl FnMut(usize, &mut BytesMut) -> Result<IsNull, E>,
        tail: &[u8],
        tail_bytes: usize,
        out: &mut BytesMut,
    ) -> Result<(), E> {
        let start = out.len();
        // Room for short values: most statements are asked for by a key.
        const VALUE_BYTES: usize = 16;
        out.reserve(self.head.len() + tail.len() + VALUE_BYTES * self.parameters());
        out.extend_from_slice(&self.head);
        let written = self.append_values(encode, out).and_then(|()| {
            // All but the tag.
            let length = out.len() - start + tail_bytes - 1;
            let length = i32::try_from(length).map_err(|_| TOO_LARGE)?;
            out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
            Ok(())
        });
        match written {
            Ok(()) => out.extend_from_slice(tail),
            Err(_) => out.truncate(start),
        }
        written
    }

    #[inline]
    fn append_values<E: From<Error>>(
        &self,
        mut encode: impl FnMut(usize, &mut BytesMut) -> Result<IsNull, E>,
        out: &mut BytesMut,
    ) -> Result<(), E> {
        for index in 0..self.parameters() {
            let at = out.len();
            out.put_i32(NULL);
            let start = out.len();
            match encode(index, out)? {
                IsNull::Yes => out.truncate(start),
                IsNull::No => {
                    let length = i32::try_from(out.len() - start).map_err(|_| TOO_LARGE)?;
                    out[at..start].copy_from_slice(&length.to_be_bytes());
                }
            }
        }
        Ok(())
    }
}

/// A count and so many formats; none stand for text, and one for all that are the same.
fn append_formats(formats: &[Format], out: &mut Vec<u8>) {
    let sent = match formats {
        [] => &[],
        [first, rest @ ..] if rest.iter().all(|format| format == first) => match first {
            Format::Text => &[],
            Format::Binary => &formats[..1],
        },
        _ => formats,
    };
    out.extend_from_slice(&(sent.len() as u16).to_be_bytes());
    for &format in sent {
        out.extend_from_slice(&(format as u16).to_be_bytes());
    }
}

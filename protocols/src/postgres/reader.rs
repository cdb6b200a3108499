//! Takes integers and strings from the front of a body.

use crate::Error;

/// What is left of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

const TRUNCATED: Error = Error::PostgresProtocol("PostgreSQL message ends too early");

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Error> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(super) fn i32(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A string up to its NUL, which is taken and not given.
    pub(super) fn string_bytes(&mut self) -> Result<&'a [u8], Error> {
        let end = memchr::memchr(0, self.rest).ok_or(Error::PostgresProtocol(
            "PostgreSQL message has a string without an end",
        ))?;
        let bytes = self.bytes(end)?;
        self.bytes(1)?;
        Ok(bytes)
    }

    pub(super) fn string(&mut self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.string_bytes()?).map_err(|_| {
            Error::PostgresProtocol("PostgreSQL message has a string that is not UTF-8")
        })
    }

    /// Nothing may be left.
    #[inline]
    pub(super) fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::PostgresProtocol(
                "PostgreSQL message has bytes behind its end",
            ))
        }
    }
}

//! The fields of ErrorResponse and NoticeResponse (section "Error and Notice Message Fields").

use std::borrow::Cow;

use super::reader::Reader;
use crate::Error;

/// What the server says about an error or a notice.
///
/// Text that is no UTF-8 is shown with replacement characters: until a client has logged in, a
/// server speaks the encoding of its own locale, and why it refuses must still be readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorFields<'a> {
    fields: &'a [u8],
}

impl<'a> ErrorFields<'a> {
    /// The fields in this body.
    ///
    /// # Errors
    /// [`Error::PostgresProtocol`] when it is malformed.
    pub fn new(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        while reader.u8()? != 0 {
            reader.string_bytes()?;
        }
        reader.end()?;
        Ok(Self { fields: body })
    }

    /// The field with this code, a letter that the manual's section names.
    pub fn get(&self, code: u8) -> Option<Cow<'a, str>> {
        self.iter()
            .find_map(|(found, text)| (found == code).then_some(text))
    }

    /// The SQLSTATE, which every error has.
    pub fn sqlstate(&self) -> Option<Cow<'a, str>> {
        self.get(b'C')
    }

    /// The primary message, which every error has.
    pub fn message(&self) -> Option<Cow<'a, str>> {
        self.get(b'M')
    }

    /// All fields, those of unknown codes too.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Cow<'a, str>)> + use<'a> {
        let mut reader = Reader::new(self.fields);
        std::iter::from_fn(move || {
            let code = reader.u8().ok().filter(|&code| code != 0)?;
            let text = reader.string_bytes().ok()?;
            Some((code, String::from_utf8_lossy(text)))
        })
    }

    /// The fields that have a name, with it; a client is to ignore the others.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, Cow<'a, str>)> + use<'a> {
        self.iter()
            .filter_map(|(code, text)| Some((name_of(code)?, text)))
    }
}

fn name_of(code: u8) -> Option<&'static str> {
    Some(match code {
        b'S' => "severity",
        b'V' => "severity_v",
        b'C' => "code",
        b'M' => "message",
        b'D' => "detail",
        b'H' => "hint",
        b'P' => "position",
        b'p' => "internal_position",
        b'q' => "internal_query",
        b'W' => "where",
        b's' => "schema",
        b't' => "table",
        b'c' => "column",
        b'd' => "data_type",
        b'n' => "constraint",
        b'F' => "file",
        b'L' => "line",
        b'R' => "routine",
        _ => return None,
    })
}

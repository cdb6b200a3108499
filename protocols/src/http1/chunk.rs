//! Chunked framing, byte by byte between the data (RFC 9112 section 7.1).

use super::body::BodyPiece;
use super::syntax::{hex_value, is_token_byte, is_value_byte};
use crate::Error;

/// Extension bytes, and leading zeros of sizes, in one whole body.
const EXTENSION_BYTES_MAX: usize = 16 * 1024;
/// The trailer section of one body.
const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// The trailer section's field lines.
const TRAILER_FIELDS_MAX: usize = 100;

/// The place in the grammar where the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first digit of a size.
    SizeStart,
    /// Any further digit, or what ends the size.
    Size,
    /// Behind `;`: the first byte of a name.
    ExtensionStart,
    ExtensionName,
    /// Behind `=`: the first byte of a value.
    ExtensionValueStart,
    ExtensionToken,
    ExtensionQuoted,
    /// Behind a backslash in a quoted string.
    ExtensionEscape,
    ExtensionQuotedEnd,
    /// The LF that ends a size line.
    SizeLf,
    Data,
    /// The CR and the LF behind the data.
    DataCr,
    DataLf,
    /// The first byte of a trailer line, or the CR of the empty line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// The LF of the empty line.
    EndLf,
    Done,
}

#[derive(Clone, Debug)]
pub(crate) struct ChunkDecoder {
    state: State,
    /// Of the chunk at hand: its size while that is read, then what is left of its data.
    chunk_remaining: u64,
    body_remaining: u64,
    extension_bytes: usize,
    trailer_bytes: usize,
    trailer_fields: usize,
}

impl ChunkDecoder {
    pub(crate) fn new(body_bytes_max: u64) -> Self {
        Self {
            state: State::SizeStart,
            chunk_remaining: 0,
            body_remaining: body_bytes_max,
            extension_bytes: 0,
            trailer_bytes: 0,
            trailer_fields: 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads framing up to the next data, and then the data that is there.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<BodyPiece, Error> {
        let mut used = 0;
        while self.state != State::Data && self.state != State::Done {
            let Some(&byte) = bytes.get(used) else {
                return Ok(if used == 0 {
                    BodyPiece::Incomplete
                } else {
                    BodyPiece::Framing { used }
                });
            };
            self.state = self.step(byte)?;
            used += 1;
        }
        if self.state == State::Done {
            return Ok(BodyPiece::End { used });
        }
        let available = bytes.len() - used;
        if available == 0 {
            return Ok(if used == 0 {
                BodyPiece::Incomplete
            } else {
                BodyPiece::Framing { used }
            });
        }
        let len = usize::try_from(self.chunk_remaining)
            .unwrap_or(usize::MAX)
            .min(available);
        self.chunk_remaining -= len as u64;
        if self.chunk_remaining == 0 {
            self.state = State::DataCr;
        }
        Ok(BodyPiece::Data {
            data: used..used + len,
            used: used + len,
        })
    }

    /// The state behind one byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, Error> {
        match self.state {
            State::SizeStart | State::Size => self.size(byte),
            State::SizeLf => self.size_line_end(byte),
            State::ExtensionStart
            | State::ExtensionName
            | State::ExtensionValueStart
            | State::ExtensionToken
            | State::ExtensionQuoted
            | State::ExtensionEscape
            | State::ExtensionQuotedEnd => self.extension(byte),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::SizeStart),
            State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::EndLf => self.trailer(byte),
            State::DataCr | State::DataLf | State::Data | State::Done => Err(Error::BadChunk),
        }
    }

    /// `chunk-size = 1*HEXDIG`, and it must fit (RFC 9112 section 7.1, against overflow).
    fn size(&mut self, byte: u8) -> Result<State, Error> {
        if let Some(digit) = hex_value(byte) {
            if self.state == State::SizeStart {
                self.chunk_remaining = 0;
            } else if self.chunk_remaining == 0 {
                self.count_extension_byte()?;
            }
            let shifted = self
                .chunk_remaining
                .checked_mul(16)
                .ok_or(Error::BadChunk)?;
            self.chunk_remaining = shifted | u64::from(digit);
            return Ok(State::Size);
        }
        match (self.state, byte) {
            (State::Size, b';') => self.count_extension_byte().map(|()| State::ExtensionStart),
            (State::Size, b'\r') => Ok(State::SizeLf),
            _ => Err(Error::BadChunk),
        }
    }

    fn size_line_end(&mut self, byte: u8) -> Result<State, Error> {
        if byte != b'\n' {
            return Err(Error::BadChunk);
        }
        if self.chunk_remaining == 0 {
            return Ok(State::TrailerStart);
        }
        self.body_remaining = self
            .body_remaining
            .checked_sub(self.chunk_remaining)
            .ok_or(Error::BodyTooLarge)?;
        Ok(State::Data)
    }

    /// RFC 9112 section 7.1.1, without the "bad whitespace" that recipients may accept there.
    fn extension(&mut self, byte: u8) -> Result<State, Error> {
        if byte != b'\r' {
            self.count_extension_byte()?;
        }
        match (self.state, byte) {
            (State::ExtensionStart | State::ExtensionName, _) if is_token_byte(byte) => {
                Ok(State::ExtensionName)
            }
            (State::ExtensionName, b'=') => Ok(State::ExtensionValueStart),
            (State::ExtensionValueStart | State::ExtensionToken, _) if is_token_byte(byte) => {
                Ok(State::ExtensionToken)
            }
            (State::ExtensionValueStart, b'"') => Ok(State::ExtensionQuoted),
            (State::ExtensionQuoted, b'"') => Ok(State::ExtensionQuotedEnd),
            (State::ExtensionQuoted, b'\\') => Ok(State::ExtensionEscape),
            (State::ExtensionQuoted | State::ExtensionEscape, _) if is_value_byte(byte) => {
                Ok(State::ExtensionQuoted)
            }
            (State::ExtensionName | State::ExtensionToken | State::ExtensionQuotedEnd, _) => {
                match byte {
                    b';' => Ok(State::ExtensionStart),
                    b'\r' => Ok(State::SizeLf),
                    _ => Err(Error::BadChunk),
                }
            }
            _ => Err(Error::BadChunk),
        }
    }

    /// RFC 9112 section 7.1.2. Whatever the fields say is dropped: nothing here acts on trailers,
    /// and framing or routing fields must not be taken from them (RFC 9110 section 6.5.1).
    fn trailer(&mut self, byte: u8) -> Result<State, Error> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(Error::TrailerTooLarge);
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerStart, _) if is_token_byte(byte) => {
                self.trailer_fields += 1;
                let fits = self.trailer_fields <= TRAILER_FIELDS_MAX;
                if fits {
                    Ok(State::TrailerName)
                } else {
                    Err(Error::TrailerTooLarge)
                }
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerName, _) if is_token_byte(byte) => Ok(State::TrailerName),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if is_value_byte(byte) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::EndLf, b'\n') => Ok(State::Done),
            _ => Err(Error::BadTrailer),
        }
    }

    fn count_extension_byte(&mut self) -> Result<(), Error> {
        self.extension_bytes += 1;
        let fits = self.extension_bytes <= EXTENSION_BYTES_MAX;
        if fits {
            Ok(())
        } else {
            Err(Error::ChunkExtensionsTooLarge)
        }
    }
}

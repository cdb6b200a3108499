//! A request body, piece by piece as it arrives (RFC 9112 sections 6 and 7).

use std::ops::Range;

use super::chunk::ChunkDecoder;
use super::framing::BodyFraming;
use crate::Error;

/// Finds the body in the bytes behind a head. It copies nothing and never looks at a byte twice.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Length { remaining: u64 },
    Chunked(ChunkDecoder),
}

/// What stands at the front of the bytes. Consume `used` bytes before the next call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPiece {
    /// The next piece of the body; never empty.
    Data {
        /// Where in the bytes looked at.
        data: Range<usize>,
        /// At least `data.end`.
        used: usize,
    },
    /// Chunk framing only, perhaps cut in the middle; the decoder remembers where.
    Framing {
        /// At least 1.
        used: usize,
    },
    /// Nothing to look at; more must be received.
    Incomplete,
    /// The body is whole; what follows is the next request.
    End {
        /// The bytes of the terminator.
        used: usize,
    },
}

impl BodyDecoder {
    /// For one body; `BodyTooLarge` at once when its length is known to exceed the bound.
    pub fn new(framing: BodyFraming, body_bytes_max: u64) -> Result<Self, Error> {
        let state = match framing {
            BodyFraming::None => State::Length { remaining: 0 },
            BodyFraming::Length(length) if length > body_bytes_max => {
                return Err(Error::BodyTooLarge);
            }
            BodyFraming::Length(length) => State::Length { remaining: length },
            BodyFraming::Chunked => State::Chunked(ChunkDecoder::new(body_bytes_max)),
        };
        Ok(Self { state })
    }

    /// Looks at the front of `bytes`. Call again after consuming, until `End` or `Incomplete`.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<BodyPiece, Error> {
        match &mut self.state {
            State::Length { remaining: 0 } => Ok(BodyPiece::End { used: 0 }),
            State::Length { .. } if bytes.is_empty() => Ok(BodyPiece::Incomplete),
            State::Length { remaining } => {
                let len = usize::try_from(*remaining)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *remaining -= len as u64;
                Ok(BodyPiece::Data {
                    data: 0..len,
                    used: len,
                })
            }
            State::Chunked(chunks) => chunks.decode(bytes),
        }
    }

    /// Whether the whole body, its terminator included, has been consumed.
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Length { remaining } => *remaining == 0,
            State::Chunked(chunks) => chunks.is_done(),
        }
    }

    /// How much body is still to come, where the framing tells.
    pub fn remaining_hint(&self) -> Option<u64> {
        match &self.state {
            State::Length { remaining } => Some(*remaining),
            State::Chunked(chunks) => chunks.is_done().then_some(0),
        }
    }
}

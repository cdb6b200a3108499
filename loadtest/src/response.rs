//! The least that must be read of a response to know where it ends: status, length, chunks.

use std::fmt;

/// A response head longer than this is an error.
pub const HEAD_MAX_BYTES: usize = 64 * 1024;
const HEADER_FIELDS_MAX: usize = 64;
const CHUNK_SIZE_DIGITS_MAX: u8 = 12;

/// A response read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
}

/// How far one call came. `answer` is `None` when more bytes are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes consumed; the rest belongs to the next response.
    pub used: usize,
    /// The response that ended within these bytes.
    pub answer: Option<Answer>,
}

/// Bytes that are no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseError {
    /// The head does not parse.
    Head,
    /// The head does not end within `HEAD_MAX_BYTES`.
    HeadTooLong,
    /// `content-length` is no number.
    Length,
    /// A chunk size or the end of a chunk is malformed.
    Chunk,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Head => "malformed response head",
            Self::HeadTooLong => "response head too long",
            Self::Length => "malformed content-length",
            Self::Chunk => "malformed chunk",
        })
    }
}

impl std::error::Error for ResponseError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    status: u16,
    body: Body,
}

/// Position inside a chunked body (RFC 9112, section 7.1).
#[derive(Debug, Clone, Copy)]
enum Chunk {
    Size { value: u64, digits: u8 },
    Extension { value: u64 },
    SizeLf { value: u64 },
    Data { remaining: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    TrailerField,
    EndLf,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Head,
    Length { remaining: u64 },
    Chunked(Chunk),
    UntilClose,
}

/// Finds the ends of the responses of one connection.
#[derive(Debug)]
pub struct ResponseParser {
    /// The request was HEAD: no response has a body (RFC 9110, section 9.3.2).
    bodiless: bool,
    phase: Phase,
    status: u16,
    /// Start of a head whose end has not arrived.
    partial: Vec<u8>,
    /// The last head and its meaning: servers repeat themselves, and comparing is cheaper than parsing.
    known: Vec<u8>,
    known_head: Head,
}

impl ResponseParser {
    /// A parser for answers to `method`.
    pub fn new(method: &str) -> Self {
        Self {
            bodiless: method == "HEAD",
            phase: Phase::Head,
            status: 0,
            partial: Vec::new(),
            known: Vec::new(),
            known_head: Head {
                status: 0,
                body: Body::Length(0),
            },
        }
    }

    /// Reads until the end of one response or of `bytes`.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Progress, ResponseError> {
        self.push_with(bytes, |_| {})
    }

    /// The same, and hands out the pieces of the body.
    pub fn push_with(
        &mut self,
        bytes: &[u8],
        mut on_body: impl FnMut(&[u8]),
    ) -> Result<Progress, ResponseError> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let (step, ended) = match self.phase {
                Phase::Head => match self.push_head(rest)? {
                    Some(step) => (step, self.body_is_empty()),
                    None => {
                        return Ok(Progress {
                            used: bytes.len(),
                            answer: None,
                        });
                    }
                },
                Phase::Length { remaining } => {
                    let step = remaining.min(rest.len() as u64);
                    on_body(&rest[..step as usize]);
                    self.phase = Phase::Length {
                        remaining: remaining - step,
                    };
                    (step as usize, remaining == step)
                }
                Phase::Chunked(chunk) => self.push_chunked(chunk, rest, &mut on_body)?,
                Phase::UntilClose => {
                    on_body(rest);
                    (rest.len(), false)
                }
            };
            used += step;
            if ended {
                self.phase = Phase::Head;
                // 1xx announces a response, it is none (RFC 9110, section 15.2).
                if self.status >= 200 {
                    return Ok(Progress {
                        used,
                        answer: Some(Answer {
                            status: self.status,
                        }),
                    });
                }
            }
            if used == bytes.len() {
                return Ok(Progress { used, answer: None });
            }
        }
    }

    /// The peer closed: that ends a response without a length, and only such a one.
    pub fn finish(&mut self) -> Option<Answer> {
        let ended = matches!(self.phase, Phase::UntilClose);
        self.phase = Phase::Head;
        ended.then_some(Answer {
            status: self.status,
        })
    }

    fn body_is_empty(&self) -> bool {
        matches!(self.phase, Phase::Length { remaining: 0 })
    }

    /// Consumes a head and returns its length in `bytes`, or keeps `bytes` when its end is missing.
    fn push_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, ResponseError> {
        if self.partial.is_empty() && !self.known.is_empty() && bytes.starts_with(&self.known) {
            self.start_body(self.known_head);
            return Ok(Some(self.known.len()));
        }
        let kept = self.partial.len();
        if kept > 0 {
            self.partial.extend_from_slice(bytes);
        }
        let all = if kept > 0 { &self.partial } else { bytes };
        let Some((head, length)) = parse_head(all, self.bodiless)? else {
            if all.len() > HEAD_MAX_BYTES {
                return Err(ResponseError::HeadTooLong);
            }
            if kept == 0 {
                self.partial.extend_from_slice(bytes);
            }
            return Ok(None);
        };
        self.known.clear();
        self.known.extend_from_slice(&all[..length]);
        self.known_head = head;
        self.partial.clear();
        self.start_body(head);
        Ok(Some(length - kept))
    }

    fn start_body(&mut self, head: Head) {
        self.status = head.status;
        self.phase = match head.body {
            Body::Length(remaining) => Phase::Length { remaining },
            Body::Chunked => Phase::Chunked(Chunk::Size {
                value: 0,
                digits: 0,
            }),
            Body::UntilClose => Phase::UntilClose,
        };
    }

    fn push_chunked(
        &mut self,
        mut chunk: Chunk,
        bytes: &[u8],
        on_body: &mut impl FnMut(&[u8]),
    ) -> Result<(usize, bool), ResponseError> {
        let mut used = 0;
        while used < bytes.len() {
            if let Chunk::Data { remaining } = chunk {
                let step = remaining.min((bytes.len() - used) as u64);
                on_body(&bytes[used..used + step as usize]);
                used += step as usize;
                let remaining = remaining - step;
                chunk = if remaining == 0 {
                    Chunk::DataCr
                } else {
                    Chunk::Data { remaining }
                };
                continue;
            }
            let byte = bytes[used];
            used += 1;
            match next_chunk(chunk, byte)? {
                Some(next) => chunk = next,
                None => return Ok((used, true)),
            }
        }
        self.phase = Phase::Chunked(chunk);
        Ok((used, false))
    }
}

/// One byte of a chunked body outside of chunk data; `None` is the end of the body.
fn next_chunk(chunk: Chunk, byte: u8) -> Result<Option<Chunk>, ResponseError> {
    Ok(Some(match (chunk, byte) {
        (Chunk::Size { digits: 1.., value }, b'\r') => Chunk::SizeLf { value },
        (Chunk::Size { digits: 1.., value }, b';' | b' ' | b'\t') => Chunk::Extension { value },
        (Chunk::Size { value, digits }, _) => {
            let digit = (byte as char).to_digit(16).ok_or(ResponseError::Chunk)?;
            if digits == CHUNK_SIZE_DIGITS_MAX {
                return Err(ResponseError::Chunk);
            }
            Chunk::Size {
                value: value * 16 + u64::from(digit),
                digits: digits + 1,
            }
        }
        (Chunk::Extension { value }, b'\r') => Chunk::SizeLf { value },
        (Chunk::Extension { .. }, _) => chunk,
        (Chunk::SizeLf { value: 0 }, b'\n') => Chunk::TrailerStart,
        (Chunk::SizeLf { value }, b'\n') => Chunk::Data { remaining: value },
        (Chunk::DataCr, b'\r') => Chunk::DataLf,
        (Chunk::DataLf, b'\n') => Chunk::Size {
            value: 0,
            digits: 0,
        },
        (Chunk::TrailerStart, b'\r') => Chunk::EndLf,
        (Chunk::TrailerField, b'\n') => Chunk::TrailerStart,
        (Chunk::TrailerStart | Chunk::TrailerField, _) => Chunk::TrailerField,
        (Chunk::EndLf, b'\n') => return Ok(None),
        _ => return Err(ResponseError::Chunk),
    }))
}

fn parse_head(bytes: &[u8], bodiless: bool) -> Result<Option<(Head, usize)>, ResponseError> {
    let mut fields = [httparse::EMPTY_HEADER; HEADER_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(bytes).map_err(|_| ResponseError::Head)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.ok_or(ResponseError::Head)?;
    let body = if bodiless || status < 200 || status == 204 || status == 304 {
        Body::Length(0)
    } else {
        body_of(response.headers)?
    };
    Ok(Some((Head { status, body }, length)))
}

/// RFC 9112, section 6.3: chunked goes before content-length, and neither means until the close.
fn body_of(fields: &[httparse::Header<'_>]) -> Result<Body, ResponseError> {
    let mut body = Body::UntilClose;
    for field in fields {
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Body::Chunked);
        }
        if field.name.eq_ignore_ascii_case("content-length") {
            let text = str::from_utf8(field.value).map_err(|_| ResponseError::Length)?;
            body = Body::Length(text.trim().parse().map_err(|_| ResponseError::Length)?);
        }
    }
    Ok(body)
}

//! `multipart/form-data` (RFC 7578; RFC 2046, section 5.1): parts of a body as it arrives.

use memchr::{memchr_iter, memmem};

/// Longest boundary; RFC 2046 allows 70 bytes, some clients exceed it.
pub const BOUNDARY_BYTES_MAX: usize = 256;
/// Longest head of a part, and longest line after a boundary.
pub const PART_HEAD_BYTES_MAX: usize = 8 * 1024;

/// What the body turns out to contain, in this order for each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The part's header fields, without the empty line after them.
    Head(&'a [u8]),
    /// Some of its content; never empty.
    Data(&'a [u8]),
    /// The content has ended.
    End,
}

/// Why a body is not the form that its media type promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The boundary is empty or too long.
    Boundary,
    /// Something else than a line's end follows a boundary.
    AfterBoundary,
    /// A part has no header fields.
    NoHead,
    /// A part's head is longer than [`PART_HEAD_BYTES_MAX`].
    HeadTooLong,
    /// The body ends before its last boundary.
    Unfinished,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Boundary => "Missing or invalid boundary in multipart.",
            Self::AfterBoundary => "Unexpected bytes after a boundary.",
            Self::NoHead => r#"The Content-Disposition header field "name" must be provided."#,
            Self::HeadTooLong => {
                return write!(out, "A part's header exceeds {PART_HEAD_BYTES_MAX} bytes.");
            }
            Self::Unfinished => "The form ends before its last boundary.",
        })
    }
}

impl std::error::Error for Malformed {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    AfterBoundary,
    Head,
    Data,
    Epilogue,
}

/// Fed with a body's pieces, however it is cut, then told that it has ended.
#[derive(Debug)]
pub struct Multipart {
    delimiter: memmem::Finder<'static>,
    state: State,
    /// What may be the beginning of a delimiter, or of a line or a head that is not all there.
    held: Vec<u8>,
    is_empty: bool,
}

impl Multipart {
    /// Starts a body.
    ///
    /// # Errors
    /// [`Malformed::Boundary`].
    pub fn new(boundary: &[u8]) -> Result<Self, Malformed> {
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
            return Err(Malformed::Boundary);
        }
        let delimiter = [b"\r\n--", boundary].concat();
        Ok(Self {
            delimiter: memmem::Finder::new(&delimiter).into_owned(),
            state: State::Preamble,
            // The first delimiter needs no line before it; this stands for its CRLF.
            held: b"\r\n".to_vec(),
            is_empty: true,
        })
    }

    /// Gives `take` what `data` completes.
    ///
    /// # Errors
    /// [`Malformed`], other than `Boundary` and `Unfinished`.
    pub fn feed(&mut self, data: &[u8], take: &mut dyn FnMut(Part<'_>)) -> Result<(), Malformed> {
        self.is_empty &= data.is_empty();
        if self.held.is_empty() {
            let used = self.run(data, take)?;
            self.held
                .extend_from_slice(data.get(used..).unwrap_or_default());
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.held);
        joined.extend_from_slice(data);
        let used = self.run(&joined, take)?;
        joined.drain(..used);
        self.held = joined;
        Ok(())
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// [`Malformed::Unfinished`]; a body of nothing at all is a form without fields.
    pub fn finish(&self) -> Result<(), Malformed> {
        if self.state == State::Epilogue || self.is_empty {
            return Ok(());
        }
        Err(Malformed::Unfinished)
    }

    /// Goes through `bytes` as far as they are clear; how many of them are done with.
    fn run(&mut self, bytes: &[u8], take: &mut dyn FnMut(Part<'_>)) -> Result<usize, Malformed> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let used = match self.state {
                State::Preamble | State::Data => match self.delimiter.find(rest) {
                    Some(end) => {
                        self.give(&rest[..end], take);
                        if self.state == State::Data {
                            take(Part::End);
                        }
                        self.state = State::AfterBoundary;
                        Some(end + self.delimiter.needle().len())
                    }
                    None => {
                        let clear = rest.len() - self.open_end(rest);
                        self.give(&rest[..clear], take);
                        return Ok(at + clear);
                    }
                },
                State::AfterBoundary => self.after_boundary(rest)?,
                State::Head => head_end(rest)?.map(|end| {
                    take(Part::Head(&rest[..end]));
                    self.state = State::Data;
                    end + 4
                }),
                State::Epilogue => return Ok(bytes.len()),
            };
            match used {
                Some(used) => at += used,
                None => return Ok(at),
            }
        }
    }

    fn give(&self, content: &[u8], take: &mut dyn FnMut(Part<'_>)) {
        if self.state == State::Data && !content.is_empty() {
            take(Part::Data(content));
        }
    }

    /// How many bytes at the end of `bytes` may be the beginning of a delimiter.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let delimiter = self.delimiter.needle();
        let window = &bytes[bytes.len().saturating_sub(delimiter.len() - 1)..];
        memchr_iter(b'\r', window)
            .map(|at| &window[at..])
            .find(|end| delimiter.starts_with(end))
            .map_or(0, <[u8]>::len)
    }

    /// Past the rest of a delimiter's line; `None` until it is all there.
    fn after_boundary(&mut self, rest: &[u8]) -> Result<Option<usize>, Malformed> {
        if rest.starts_with(b"--") {
            self.state = State::Epilogue;
            return Ok(Some(2));
        }
        if rest.len() < 2 && b"--".starts_with(rest) {
            return Ok(None);
        }
        let near = &rest[..rest.len().min(PART_HEAD_BYTES_MAX)];
        let end = memmem::find(near, b"\r\n");
        // Transport padding: RFC 2046 lets spaces and tabs follow a boundary.
        let line = end.map_or(rest, |end| &rest[..end]);
        let line = if end.is_none() {
            line.strip_suffix(b"\r").unwrap_or(line)
        } else {
            line
        };
        if line.iter().any(|byte| !matches!(byte, b' ' | b'\t')) || line.len() > near.len() {
            return Err(Malformed::AfterBoundary);
        }
        if end.is_none() && rest.len() > PART_HEAD_BYTES_MAX {
            return Err(Malformed::AfterBoundary);
        }
        if end.is_some() {
            self.state = State::Head;
        }
        Ok(end.map(|end| end + 2))
    }
}

/// Where a part's head ends; `None` until all of it is there.
fn head_end(rest: &[u8]) -> Result<Option<usize>, Malformed> {
    if rest.starts_with(b"\r\n") {
        return Err(Malformed::NoHead);
    }
    let near = &rest[..rest.len().min(PART_HEAD_BYTES_MAX + 4)];
    match memmem::find(near, b"\r\n\r\n") {
        Some(end) if end <= PART_HEAD_BYTES_MAX => Ok(Some(end)),
        None if rest.len() <= PART_HEAD_BYTES_MAX => Ok(None),
        _ => Err(Malformed::HeadTooLong),
    }
}

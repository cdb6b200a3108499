//! A request head: request line, field lines, empty line (RFC 9112 sections 2 to 5).

use super::field_line::{Stop, take_field_lines};
use super::framing::{BodyFraming, Reuse, Seen, Upgrade};
use super::request_line::{RequestLine, parse_plain_request_line, parse_request_line};
use super::syntax::is_token_byte;
use crate::{Error, Parsed, Span};

/// Empty lines skipped before a request line (RFC 9112 section 2.2 asks for one at least).
const EMPTY_LINES_MAX: u8 = 4;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// From the first byte to the end of the empty line; the receive buffer must hold as much.
    pub head_bytes_max: usize,
    /// Field lines.
    pub fields_max: usize,
    /// The request line without its CRLF.
    pub request_line_bytes_max: usize,
}

/// One field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// As sent, in any case.
    pub name: Span,
    /// Without the whitespace around it.
    pub value: Span,
}

/// A request head. Keep one per connection: what it has allocated serves the next request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, a token; case matters.
    pub method: Span,
    /// The whole target, in any of its forms.
    pub target: Span,
    /// The target's path, still percent-encoded; see [`RequestHead::path`].
    pub path: Span,
    /// What follows the first `?`, still percent-encoded.
    pub query: Span,
    /// The target's authority or, without one, the value of `Host` (RFC 9112 section 3.2.2).
    pub authority: Span,
    /// 0 for HTTP/1.0; 1 for every later HTTP/1.x.
    pub minor_version: u8,
    /// The field lines in the order sent.
    pub fields: Vec<Field>,
    /// How the body ends.
    pub framing: BodyFraming,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// Whether the client will use the connection again.
    pub reuse: Reuse,
    /// The protocol the client wants to change to.
    pub upgrade: Upgrade,
    progress: Progress,
}

/// How far the head has been read; all zero between requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// Where the line being received starts.
    line_start: usize,
    /// From `line_start` up to here there is no LF.
    searched: usize,
    empty_lines: u8,
    request_line_done: bool,
    seen: Seen,
}

impl RequestHead {
    /// An empty head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the request and any half-read head; keeps the capacity.
    pub fn clear(&mut self) {
        // One by one: replacing the whole struct would move it through the stack.
        self.method = Span::default();
        self.target = Span::default();
        self.path = Span::default();
        self.query = Span::default();
        self.authority = Span::default();
        self.minor_version = 0;
        self.fields.clear();
        self.framing = BodyFraming::default();
        self.expect_continue = false;
        self.reuse = Reuse::default();
        self.upgrade = Upgrade::default();
        self.progress = Progress::default();
    }

    /// The path as sent: `/` when an absolute-form target had none, `*` for asterisk-form.
    #[inline]
    pub fn path<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        if self.path.is_empty() {
            b"/"
        } else {
            self.path.of(bytes)
        }
    }

    /// The value of the first field called `name`, in any case.
    #[inline]
    pub fn field<'b>(&self, bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
        self.fields_named(bytes, name).next()
    }

    /// The values of all fields called `name`, in any case, in the order sent.
    #[inline]
    pub fn fields_named<'a, 'b>(
        &'a self,
        bytes: &'b [u8],
        name: &'a str,
    ) -> impl Iterator<Item = &'b [u8]> + use<'a, 'b> {
        self.fields
            .iter()
            .filter(move |field| {
                field.name.len as usize == name.len()
                    && field.name.of(bytes).eq_ignore_ascii_case(name.as_bytes())
            })
            .map(move |field| field.value.of(bytes))
    }

    /// The fields that belong to this head, named and valued.
    #[inline]
    pub fn iter<'a, 'b>(
        &'a self,
        bytes: &'b [u8],
    ) -> impl Iterator<Item = (&'b [u8], &'b [u8])> + use<'a, 'b> {
        self.fields
            .iter()
            .map(move |field| (field.name.of(bytes), field.value.of(bytes)))
    }
}

/// Parses the head at the front of `bytes` into `head`.
///
/// After `Incomplete`, call again with the same bytes and more behind them: a head that trickles in
/// costs little more than one that comes whole, and a line that is wrong fails as soon as it is
/// there. After `Complete` or an error the next call starts a new head. What it says does not depend
/// on how the bytes were cut.
pub fn parse_request_head(
    bytes: &[u8],
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<Parsed<()>, Error> {
    if head.progress.line_start == 0 && head.progress.searched == 0 {
        head.clear();
    }
    let outcome = parse_lines(bytes, limits, head);
    if !matches!(outcome, Ok(Parsed::Incomplete)) {
        head.progress = Progress::default();
    }
    outcome
}

fn parse_lines(
    bytes: &[u8],
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<Parsed<()>, Error> {
    // Looking no further than the bound makes "too large" independent of how much has arrived.
    let head_bytes_max = limits.head_bytes_max.min(u32::MAX as usize);
    let window = bytes.get(..head_bytes_max).unwrap_or(bytes);
    let is_whole = if head.progress.request_line_done {
        has_new_line_end(window, head) && take_fields(window, limits, head)?
    } else {
        take_request_line(window, limits, head)? && take_fields(window, limits, head)?
    };
    if is_whole {
        conclude(window, head)?;
        Ok(Parsed::Complete {
            value: (),
            used: head.progress.line_start,
        })
    } else {
        incomplete(window, head_bytes_max)
    }
}

/// Takes the field lines that are there. False while the empty line is not.
fn take_fields(window: &[u8], limits: &HeadLimits, head: &mut RequestHead) -> Result<bool, Error> {
    loop {
        let stop = take_field_lines(
            window,
            &mut head.progress.line_start,
            limits.fields_max,
            &mut head.fields,
            &mut head.progress.seen,
        )?;
        match stop {
            Stop::End => return Ok(true),
            Stop::NoRoom => {}
            Stop::Cut => {
                head.progress.searched = window.len();
                return Ok(false);
            }
        }
    }
}

/// Whether there is something to parse: the cut line is not looked at again before its end comes,
/// or a line that comes byte by byte would take quadratic time.
fn has_new_line_end(window: &[u8], head: &mut RequestHead) -> bool {
    let unsearched = window.get(head.progress.searched..).unwrap_or_default();
    head.progress.searched = head.progress.searched.max(window.len());
    memchr::memchr(b'\n', unsearched).is_some()
}

fn incomplete(window: &[u8], head_bytes_max: usize) -> Result<Parsed<()>, Error> {
    if window.len() >= head_bytes_max {
        Err(Error::HeadTooLarge)
    } else {
        Ok(Parsed::Incomplete)
    }
}

/// Skips empty lines, then parses the request line. False while it is not all there.
#[inline]
fn take_request_line(
    window: &[u8],
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<bool, Error> {
    if head.progress.line_start == 0
        && head.progress.searched == 0
        && let Some(parsed) = parse_plain_request_line(window, 0)
    {
        // The version and the two spaces, then CRLF.
        let line_len = parsed.target.end() + " HTTP/1.1".len();
        if line_len <= limits.request_line_bytes_max {
            head.progress.line_start = line_len + 2;
            set_request_line(head, &parsed);
            return Ok(true);
        }
    }
    take_any_request_line(window, limits, head)
}

fn take_any_request_line(
    window: &[u8],
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<bool, Error> {
    loop {
        let start = head.progress.line_start;
        // A TLS hello or other noise need not be waited for.
        if window
            .get(start)
            .is_some_and(|&byte| !is_token_byte(byte) && byte != b'\r')
        {
            return Err(Error::BadRequestLine);
        }
        let window_end = start
            .saturating_add(limits.request_line_bytes_max)
            .saturating_add(2);
        let line_window = window.get(..window_end).unwrap_or(window);
        let line = next_line(line_window, &mut head.progress).map_err(|_| Error::BadRequestLine)?;
        let Some(line) = line else {
            let too_long = line_window.len() == window_end;
            return if too_long {
                Err(line_too_long(line_window, start))
            } else {
                Ok(false)
            };
        };
        if !line.is_empty() {
            set_request_line(head, &parse_request_line(line, start)?);
            return Ok(true);
        }
        head.progress.empty_lines += 1;
        if head.progress.empty_lines > EMPTY_LINES_MAX {
            return Err(Error::BadRequestLine);
        }
    }
}

#[inline]
fn set_request_line(head: &mut RequestHead, line: &RequestLine) {
    head.method = line.method;
    head.target = line.target;
    head.path = line.path;
    head.query = line.query;
    head.authority = line.authority;
    head.minor_version = line.minor_version;
    head.progress.request_line_done = true;
}

/// 414 speaks of the target (RFC 9112 section 3); an endless method is just wrong.
fn line_too_long(window: &[u8], start: usize) -> Error {
    let line = window.get(start..).unwrap_or_default();
    match memchr::memchr(b' ', line) {
        Some(_) => Error::RequestLineTooLong,
        None => Error::BadRequestLine,
    }
}

/// A CR without LF or a LF without CR: both are ways to smuggle (RFC 9112 section 2.2).
struct BareLineEnd;

/// The next line without its CRLF; moves `progress` behind it.
#[inline]
fn next_line<'b>(
    window: &'b [u8],
    progress: &mut Progress,
) -> Result<Option<&'b [u8]>, BareLineEnd> {
    let unsearched = window.get(progress.searched..).unwrap_or_default();
    let Some(found) = memchr::memchr2(b'\r', b'\n', unsearched) else {
        progress.searched = progress.searched.max(window.len());
        return Ok(None);
    };
    let end = progress.searched + found;
    match window.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => {
            let line = window.get(progress.line_start..end).unwrap_or_default();
            progress.line_start = end + 2;
            progress.searched = end + 2;
            Ok(Some(line))
        }
        [b'\r'] => {
            progress.searched = end;
            Ok(None)
        }
        _ => Err(BareLineEnd),
    }
}

fn conclude(window: &[u8], head: &mut RequestHead) -> Result<(), Error> {
    let meaning = head
        .progress
        .seen
        .conclude(head.method.of(window), head.minor_version)?;
    if head.authority.is_empty() {
        head.authority = meaning.host;
    }
    head.framing = meaning.framing;
    head.expect_continue = meaning.expect_continue;
    head.reuse = meaning.reuse;
    head.upgrade = meaning.upgrade;
    Ok(())
}

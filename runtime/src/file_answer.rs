//! A file as an answer: conditions, ranges, and its bytes in bounded pieces.

use crate::answer::{FileBody, FileSource};
use crate::application::Application;
use crate::connection::{Connection, OUTPUT_BYTES_MAX, Stop};
use crate::exchange::{Exchange, HeadAt};
use crate::open_file::OpenFile;
use glommio::io::BufferedFile;
use protocols::http1::{self, Precondition, RangeOutcome, ResponseFraming, Reuse, Validators};
use std::borrow::Cow;
use std::ops::Range;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::rc::Rc;

/// How much of a file is read at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// Separates the parts of a multipart/byteranges answer; files are sent as they are, and a part
/// is framed by its stated length too.
const BOUNDARY: &str = "fasterapi-byteranges-5f1c0e7d9a";

/// What of a file goes out, and under which head.
struct Plan<'f> {
    status: u16,
    fields: Cow<'f, [u8]>,
    length: u64,
    parts: Vec<Part>,
}

/// Some bytes of the file, after a literal text.
pub(crate) struct Part {
    before: Vec<u8>,
    range: Range<u64>,
}

impl<A: Application> Connection<A> {
    /// Answers with a file.
    pub(crate) async fn file_answer(
        &mut self,
        status: u16,
        fields: Vec<u8>,
        body: FileBody,
        exchange: Exchange,
    ) -> Result<Reuse, Stop> {
        let opened = match body.source {
            FileSource::Open(file) => Ok(file),
            FileSource::Path(path) => OpenFile::open(&path).map(Rc::new),
        };
        let Ok(opened) = opened else {
            return self.no_file(exchange);
        };
        let parts = self.file_head(status, &fields, &opened, exchange, HeadAt::Saved);
        if parts.is_empty() {
            return Ok(exchange.reuse);
        }
        let Ok(file) = opened.file.try_clone() else {
            return Err(Stop::Gone);
        };
        // SAFETY: the descriptor is owned and is given up here; the file closes it.
        let file = unsafe { BufferedFile::from_raw_fd(file.into_raw_fd()) };
        let sent = self.send_parts(&file, parts).await;
        let _ = file.close().await;
        sent.map(|()| exchange.reuse)
    }

    /// Appends the head of the answer with a file; the parts of it that are to follow.
    pub(crate) fn file_head(
        &mut self,
        status: u16,
        fields: &[u8],
        file: &OpenFile,
        exchange: Exchange,
        at: HeadAt,
    ) -> Vec<Part> {
        let plan = self.plan(status, fields, file, at);
        let has_body = http1::body_allowed(plan.status);
        let framing = if has_body {
            ResponseFraming::Length(plan.length)
        } else {
            ResponseFraming::None
        };
        self.write_head(plan.status, &plan.fields, framing, exchange);
        self.answered(exchange, at, plan.status, Some(plan.length));
        if exchange.head_only || !has_body {
            return Vec::new();
        }
        plan.parts
    }

    /// The handler promised a file that is not there: that is its fault, not the peer's.
    fn no_file(&mut self, exchange: Exchange) -> Result<Reuse, Stop> {
        let answer = crate::answer::Answer::json(500, r#"{"detail":"Internal Server Error"}"#);
        Ok(self.write_short(&answer, exchange, HeadAt::Saved))
    }

    async fn send_parts(&mut self, file: &BufferedFile, parts: Vec<Part>) -> Result<(), Stop> {
        for part in parts {
            self.append(&part.before)?;
            let mut at = part.range.start;
            while at < part.range.end {
                let left = usize::try_from(part.range.end - at).unwrap_or(usize::MAX);
                let read = file.read_at(at, left.min(PIECE_BYTES)).await;
                let Ok(piece) = read else {
                    return Err(Stop::Gone);
                };
                if piece.is_empty() {
                    // The file shrank: what was announced can no longer be kept.
                    return Err(Stop::Gone);
                }
                self.append(&piece)?;
                at += piece.len() as u64;
                if self
                    .work
                    .as_ref()
                    .is_some_and(|work| work.output.len() >= OUTPUT_BYTES_MAX)
                {
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let Some(work) = self.work.as_mut() else {
            return Err(Stop::Gone);
        };
        work.output.extend_from_slice(bytes);
        Ok(())
    }

    /// Decides what of the file the request is for (RFC 9110 sections 13 and 14).
    fn plan<'f>(&self, status: u16, fields: &[u8], file: &'f OpenFile, at: HeadAt) -> Plan<'f> {
        let size = file.size;
        let validators = Validators {
            etag: &file.etag,
            last_modified_s: file.modified_s,
        };
        let fields = if fields.is_empty() {
            Cow::Borrowed(&*file.fields)
        } else {
            let mut fields = fields.to_vec();
            add_missing(&mut fields, &file.fields);
            Cow::Owned(fields)
        };
        let whole = |fields| {
            let parts = vec![Part {
                before: Vec::new(),
                range: 0..size,
            }];
            Plan {
                status,
                fields,
                length: size,
                parts,
            }
        };
        let Some(work) = self.work.as_ref().filter(|_| status == 200) else {
            return whole(fields);
        };
        let bytes = work.head_bytes(at);
        let head = &work.head;
        let method = head.method.of(bytes);
        match http1::evaluate(method, head, bytes, &validators) {
            Precondition::NotModified => return nothing(304, fields),
            Precondition::Failed => return nothing(412, fields),
            Precondition::Proceed => {}
        }
        let wanted = head.field(bytes, "range").filter(|_| method == b"GET");
        let wanted = wanted.filter(|_| http1::if_range_holds(head, bytes, &validators));
        match wanted.map_or(RangeOutcome::Whole, |range| http1::parse_range(range, size)) {
            RangeOutcome::Whole => whole(fields),
            RangeOutcome::Unsatisfiable => {
                let mut fields = fields.into_owned();
                put(
                    &mut fields,
                    "content-range",
                    format!("bytes */{size}").as_bytes(),
                );
                nothing(416, Cow::Owned(fields))
            }
            RangeOutcome::Parts(ranges) => partial(fields.into_owned(), size, ranges),
        }
    }
}

/// Adds those encoded lines whose names are not there yet: the handler's own come first.
fn add_missing(fields: &mut Vec<u8>, lines: &[u8]) {
    let given = fields.len();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or(line);
        let named = |known: &[u8]| {
            known
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(b":"))
        };
        if !fields[..given].split(|byte| *byte == b'\n').any(named) {
            fields.extend_from_slice(line);
        }
    }
}

fn put(fields: &mut Vec<u8>, name: &str, value: &[u8]) {
    // Values of ours are always valid.
    let _ = http1::encode_field(name.as_bytes(), value, fields);
}

fn nothing(status: u16, fields: Cow<'_, [u8]>) -> Plan<'_> {
    Plan {
        status,
        fields,
        length: 0,
        parts: Vec::new(),
    }
}

fn partial(mut fields: Vec<u8>, size: u64, ranges: Vec<Range<u64>>) -> Plan<'static> {
    let span = |range: &Range<u64>| format!("bytes {}-{}/{size}", range.start, range.end - 1);
    if let [range] = ranges.as_slice() {
        put(&mut fields, "content-range", span(range).as_bytes());
        let length = range.end - range.start;
        let parts = vec![Part {
            before: Vec::new(),
            range: range.clone(),
        }];
        return Plan {
            status: 206,
            fields: Cow::Owned(fields),
            length,
            parts,
        };
    }
    let media_type = take_content_type(&mut fields);
    put(
        &mut fields,
        "content-type",
        format!("multipart/byteranges; boundary={BOUNDARY}").as_bytes(),
    );
    let mut length = 0;
    let mut parts = Vec::with_capacity(ranges.len() + 1);
    for range in ranges {
        let before = format!(
            "\r\n--{BOUNDARY}\r\ncontent-type: {media_type}\r\ncontent-range: {}\r\n\r\n",
            span(&range)
        );
        length += before.len() as u64 + (range.end - range.start);
        parts.push(Part {
            before: before.into_bytes(),
            range,
        });
    }
    let last = format!("\r\n--{BOUNDARY}--\r\n").into_bytes();
    length += last.len() as u64;
    parts.push(Part {
        before: last,
        range: 0..0,
    });
    Plan {
        status: 206,
        fields: Cow::Owned(fields),
        length,
        parts,
    }
}

/// Takes the `content-type` line out of encoded fields: it moves into the parts.
fn take_content_type(fields: &mut Vec<u8>) -> String {
    const NAME: &[u8] = b"content-type: ";
    let mut value = "application/octet-stream".to_owned();
    let mut kept = Vec::with_capacity(fields.len());
    for line in fields.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(NAME) {
            Some(rest) => value = String::from_utf8_lossy(rest).trim_end().to_owned(),
            None => kept.extend_from_slice(line),
        }
    }
    *fields = kept;
    value
}

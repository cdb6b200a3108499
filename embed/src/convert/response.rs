//! What a handler returned or raised to the answer that goes out.

use crate::arguments::Invalid;
use crate::convert::json_out::to_json;
use crate::convert::parameter::Context;
use crate::convert::response_kind::{Kind, kind_of};
use crate::handler::Handler;
use pyo3::exceptions::{PyException, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use runtime::protocols::http1;
use runtime::{Answer, AnswerBody, FileBody, FileSource, OpenFile};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

const JSON_FIELDS: &[u8] = b"content-type: application/json\r\n";
/// Room for the usual header fields, in bytes.
const FIELDS_BYTES: usize = 64;

/// The answer, or a response whose body has still to be produced.
pub(crate) enum Converted<'py> {
    /// All there is to it.
    Answer(Answer),
    /// An answer, and what is to be called and awaited once it is on its way.
    WithBackground(Answer, Bound<'py, PyAny>),
    /// A streaming response: its head, and the object that yields its body.
    Stream(StreamHead, Bound<'py, PyAny>),
    /// A response that is to be called as an ASGI application.
    Asgi(Bound<'py, PyAny>),
}

/// The head of a streamed answer.
pub(crate) struct StreamHead {
    pub(crate) status: u16,
    pub(crate) fields: Vec<u8>,
    /// The body's length in bytes, when the response states one.
    pub(crate) length: Option<u64>,
    pub(crate) close: bool,
}

/// Turns what a handler returned into an answer.
///
/// # Errors
/// `ValueError` for what has no JSON form or a header that cannot be sent; what `render` raises.
pub(crate) fn from_result<'py>(
    result: Bound<'py, PyAny>,
    handler: &Handler,
) -> PyResult<Converted<'py>> {
    if handler.returns_json
        && let Some(converted) = from_json_bytes(&result, handler.status)
    {
        return Ok(converted);
    }
    match kind_of(&result)? {
        Kind::Value => {}
        kind => return from_response(result, kind),
    }
    let Some(class) = &handler.response_class else {
        return json_answer(&result, handler.status).map(Converted::Answer);
    };
    let py = result.py();
    let options = PyDict::new(py);
    options.set_item(pyo3::intern!(py, "status_code"), handler.status)?;
    let rendered = class.bind(py).call((result,), Some(&options))?;
    match kind_of(&rendered)? {
        Kind::Value => {
            let name = rendered.get_type().fully_qualified_name()?;
            let problem = format!("the response class made a {name}, which is no Response");
            Err(PyTypeError::new_err(problem))
        }
        kind => from_response(rendered, kind),
    }
}

/// The answer of a handler that returns its JSON body, alone or with work for after the answer.
fn from_json_bytes<'py>(result: &Bound<'py, PyAny>, status: u16) -> Option<Converted<'py>> {
    if let Ok(body) = result.cast_exact::<PyBytes>() {
        return Some(Converted::Answer(json_bytes_answer(body, status)));
    }
    let pair = result.cast_exact::<PyTuple>().ok()?;
    let (body, background) = (pair.get_item(0).ok()?, pair.get_item(1).ok()?);
    let body = body.cast_exact::<PyBytes>().ok()?;
    if pair.len() != 2 || !background.is_callable() {
        return None;
    }
    let answer = json_bytes_answer(body, status);
    Some(Converted::WithBackground(answer, background))
}

fn json_bytes_answer(body: &Bound<'_, PyBytes>, status: u16) -> Answer {
    json_body_answer(body.as_bytes().to_vec(), status)
}

/// An answer whose JSON body is written already.
fn json_body_answer(body: Vec<u8>, status: u16) -> Answer {
    Answer {
        status,
        fields: Cow::Borrowed(JSON_FIELDS),
        close: false,
        body: if http1::body_allowed(status) {
            AnswerBody::Bytes(body)
        } else {
            AnswerBody::Empty
        },
    }
}

/// An answer with `content` as its JSON body.
pub(crate) fn json_answer(content: &Bound<'_, PyAny>, status: u16) -> PyResult<Answer> {
    let body = if http1::body_allowed(status) {
        to_json(content)?
    } else {
        Vec::new()
    };
    Ok(json_body_answer(body, status))
}

fn from_response(response: Bound<'_, PyAny>, kind: Kind) -> PyResult<Converted<'_>> {
    if kind == Kind::Asgi {
        return Ok(Converted::Asgi(response));
    }
    let py = response.py();
    let status: u16 = response
        .getattr(pyo3::intern!(py, "status_code"))?
        .extract()?;
    if !(200..=599).contains(&status) {
        let problem = format!("{status} is no final status: choose one from 200 to 599");
        return Err(PyValueError::new_err(problem));
    }
    let head = head_of(&response, status, kind)?;
    if kind == Kind::Streaming {
        return Ok(Converted::Stream(head, response));
    }
    let body = if kind == Kind::File {
        let path: PathBuf = response.getattr(pyo3::intern!(py, "path"))?.extract()?;
        let file = OpenFile::open(&path).map_err(|error| {
            let problem = format!("the file {} cannot be sent: {error}", path.display());
            PyRuntimeError::new_err(problem)
        })?;
        AnswerBody::File(FileBody {
            source: FileSource::Open(Rc::new(file)),
        })
    } else {
        let body = response.getattr(pyo3::intern!(py, "body"))?;
        let bytes: Vec<u8> = match body.cast::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes().to_vec(),
            // `bytearray` and `memoryview`.
            Err(_) => body.extract()?,
        };
        match head.length {
            Some(length @ 1..) if bytes.is_empty() => AnswerBody::Unsent(length),
            _ => AnswerBody::Bytes(bytes),
        }
    };
    let background = response.getattr(pyo3::intern!(py, "background"))?;
    let answer = head.answer(body);
    if background.is_none() {
        return Ok(Converted::Answer(answer));
    }
    Ok(Converted::WithBackground(answer, background))
}

impl StreamHead {
    fn new(status: u16) -> Self {
        Self {
            status,
            fields: Vec::with_capacity(FIELDS_BYTES),
            length: None,
            close: false,
        }
    }

    /// Encodes pairs of names and values, without those that are named in `left_out`.
    ///
    /// # Errors
    /// `ValueError` for a field that cannot be sent.
    pub(crate) fn read(status: u16, raw: &Bound<'_, PyAny>, left_out: &[&[u8]]) -> PyResult<Self> {
        let mut head = Self::new(status);
        for pair in raw.try_iter()? {
            let (name, value): (Bound<'_, PyBytes>, Bound<'_, PyBytes>) = pair?.extract()?;
            let lower;
            let name = match name.as_bytes() {
                name if name.iter().any(u8::is_ascii_uppercase) => {
                    lower = name.to_ascii_lowercase();
                    lower.as_slice()
                }
                name => name,
            };
            if !left_out.contains(&name) {
                head.add(name, value.as_bytes())?;
            }
        }
        Ok(head)
    }

    /// Adds a header field; framing, date and connection are the server's.
    fn add(&mut self, name: &[u8], value: &[u8]) -> PyResult<()> {
        match name {
            b"content-length" => {
                self.length = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
            }
            b"connection" => self.close |= value.eq_ignore_ascii_case(b"close"),
            b"transfer-encoding" | b"date" | b"keep-alive" => {}
            _ => http1::encode_field(name, value, &mut self.fields).map_err(|error| {
                let name = String::from_utf8_lossy(name);
                PyValueError::new_err(format!("the header {name:?} cannot be sent: {error}"))
            })?,
        }
        Ok(())
    }

    pub(crate) fn answer(self, body: AnswerBody) -> Answer {
        Answer {
            status: self.status,
            fields: Cow::Owned(self.fields),
            close: self.close,
            body,
        }
    }
}

/// Encodes the header fields of a response.
fn head_of(response: &Bound<'_, PyAny>, status: u16, kind: Kind) -> PyResult<StreamHead> {
    let py = response.py();
    let raw = response.getattr(pyo3::intern!(py, "raw_headers"))?;
    // Rust sends the file, and knows these of the file that it has opened.
    let left_out: &[&[u8]] = match kind {
        Kind::File => &[b"etag", b"last-modified", b"accept-ranges"],
        _ => &[],
    };
    StreamHead::read(status, &raw, left_out)
}

/// Whether an exception is an `HTTPException`, ours or Starlette's.
pub(crate) fn is_http_exception(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    static OURS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let ours = OURS.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        let module = py.import("fasterapi.exceptions")?;
        Ok(module.getattr("is_http_exception")?.unbind())
    })?;
    ours.bind(py).call1((error.value(py),))?.is_truthy()
}

/// The answer of an `HTTPException`; `None` for every other exception.
pub(crate) fn from_http_exception(py: Python<'_>, error: &PyErr) -> PyResult<Option<Answer>> {
    if !error.is_instance_of::<PyException>(py) || !is_http_exception(py, error)? {
        return Ok(None);
    }
    let value = error.value(py);
    let status: u16 = value.getattr(pyo3::intern!(py, "status_code"))?.extract()?;
    let content = PyDict::new(py);
    content.set_item(
        pyo3::intern!(py, "detail"),
        value.getattr(pyo3::intern!(py, "detail"))?,
    )?;
    let mut answer = json_answer(&content.into_any(), status)?;
    let headers = value.getattr(pyo3::intern!(py, "headers"))?;
    if headers.is_none() {
        return Ok(Some(answer));
    }
    let mut head = StreamHead::new(status);
    let mut has_type = !http1::body_allowed(status);
    for pair in headers.call_method0("items")?.try_iter()? {
        let (name, value): (String, String) = pair?.extract()?;
        let name = name.to_ascii_lowercase();
        has_type |= name == "content-type";
        head.add(name.as_bytes(), &latin1_bytes(&name, &value)?)?;
    }
    if !has_type {
        head.fields.extend_from_slice(JSON_FIELDS);
    }
    answer.close = head.close;
    answer.fields = Cow::Owned(head.fields);
    Ok(Some(answer))
}

/// A header's value as bytes.
fn latin1_bytes(name: &str, value: &str) -> PyResult<Vec<u8>> {
    let bytes: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
    bytes.map_err(|_| {
        let problem = format!("the header {name:?} cannot be sent: {value:?} is not Latin-1");
        PyValueError::new_err(problem)
    })
}

/// The 422 answer for parameters that could not be read, worded as FastAPI words it.
pub(crate) fn from_invalid(invalid: &[Invalid]) -> Answer {
    let detail = invalid.iter().map(|wrong| Complaint {
        kind: wrong.problem.kind,
        loc: std::iter::once(wrong.place)
            .chain(wrong.name.as_deref())
            .collect(),
        msg: &wrong.problem.message,
        input: wrong.input.as_deref(),
        ctx: wrong
            .problem
            .context
            .as_ref()
            .map(|(name, value)| HashMap::from([(*name, value)])),
    });
    let complaints = Complaints {
        detail: detail.collect(),
    };
    // Strings always have a JSON form.
    let body = AnswerBody::Bytes(serde_json::to_vec(&complaints).unwrap_or_default());
    Answer {
        status: 422,
        fields: Cow::Borrowed(JSON_FIELDS),
        close: false,
        body,
    }
}

/// The body of a 422 answer.
#[derive(Serialize)]
struct Complaints<'a> {
    detail: Vec<Complaint<'a>>,
}

/// One of its entries, in FastAPI's order.
#[derive(Serialize)]
struct Complaint<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    loc: Vec<&'a str>,
    msg: &'a str,
    input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<HashMap<&'static str, &'a Context>>,
}

//! What a handler returned or raised to the answer that goes out.

use crate::convert::json_out::to_json;
use crate::handler::{Handler, Invalid};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyType};
use runtime::protocols::http1;
use runtime::{Answer, AnswerBody, FileBody, FileSource, OpenFile};
use serde::Serialize;
use std::borrow::Cow;
use std::path::PathBuf;
use std::rc::Rc;

const JSON_FIELDS: &[u8] = b"content-type: application/json\r\n";

/// The answer, or a response whose body has still to be produced.
pub(crate) enum Converted<'py> {
    /// All there is to it.
    Answer(Answer),
    /// An answer, and what is to be called and awaited once it is on its way.
    WithBackground(Answer, Bound<'py, PyAny>),
    /// A streaming response: its head, and the object that yields its body.
    Stream(StreamHead, Bound<'py, PyAny>),
}

/// The head of a streamed answer.
pub(crate) struct StreamHead {
    pub(crate) status: u16,
    pub(crate) fields: Vec<u8>,
    /// The body's length in bytes, when the response states one.
    pub(crate) length: Option<u64>,
    pub(crate) close: bool,
}

/// The response classes, looked up when the first response object appears.
struct Classes {
    response: Py<PyType>,
    streaming: Py<PyType>,
    file: Py<PyType>,
}

impl Classes {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
        CLASSES.get_or_try_init(py, || {
            let module = py.import("fasterapi.responses")?;
            let class = |name: &str| -> PyResult<Py<PyType>> {
                Ok(module.getattr(name)?.cast_into::<PyType>()?.unbind())
            };
            Ok(Self {
                response: class("Response")?,
                streaming: class("StreamingResponse")?,
                file: class("FileResponse")?,
            })
        })
    }
}

/// Turns what a handler returned into an answer.
///
/// # Errors
/// `ValueError` for what has no JSON form or a header that cannot be sent; what `render` raises.
pub(crate) fn from_result<'py>(
    result: Bound<'py, PyAny>,
    handler: &Handler,
) -> PyResult<Converted<'py>> {
    let py = result.py();
    if is_plain(&result) || !result.is_instance(Classes::get(py)?.response.bind(py))? {
        let Some(class) = &handler.response_class else {
            return json_answer(&result, handler.status).map(Converted::Answer);
        };
        let options = PyDict::new(py);
        options.set_item("status_code", handler.status)?;
        let rendered = class.bind(py).call((result,), Some(&options))?;
        return from_response(rendered);
    }
    from_response(result)
}

/// Types that cannot be responses, told by one comparison each.
fn is_plain(result: &Bound<'_, PyAny>) -> bool {
    result.is_exact_instance_of::<PyString>()
        || result.is_exact_instance_of::<PyDict>()
        || result.is_exact_instance_of::<PyList>()
        || result.is_none()
}

/// An answer with `content` as its JSON body.
pub(crate) fn json_answer(content: &Bound<'_, PyAny>, status: u16) -> PyResult<Answer> {
    let body = if http1::body_allowed(status) {
        AnswerBody::Bytes(to_json(content)?)
    } else {
        AnswerBody::Empty
    };
    Ok(Answer {
        status,
        fields: Cow::Borrowed(JSON_FIELDS),
        close: false,
        body,
    })
}

fn from_response(response: Bound<'_, PyAny>) -> PyResult<Converted<'_>> {
    let py = response.py();
    let classes = Classes::get(py)?;
    let status: u16 = response
        .getattr(pyo3::intern!(py, "status_code"))?
        .extract()?;
    if !(200..=599).contains(&status) {
        let problem = format!("{status} is no final status: choose one from 200 to 599");
        return Err(PyValueError::new_err(problem));
    }
    let head = head_of(&response, status)?;
    if response.is_instance(classes.streaming.bind(py))? {
        return Ok(Converted::Stream(head, response));
    }
    let StreamHead {
        status,
        fields,
        close,
        ..
    } = head;
    let body = if response.is_instance(classes.file.bind(py))? {
        let path: PathBuf = response.getattr("path")?.extract()?;
        let file = OpenFile::open(&path).map_err(|error| {
            let problem = format!("the file {} cannot be sent: {error}", path.display());
            PyRuntimeError::new_err(problem)
        })?;
        AnswerBody::File(FileBody {
            source: FileSource::Open(Rc::new(file)),
        })
    } else {
        let body = response.getattr(pyo3::intern!(py, "body"))?;
        AnswerBody::Bytes(body.cast_into::<PyBytes>()?.as_bytes().to_vec())
    };
    let answer = Answer {
        status,
        fields: Cow::Owned(fields),
        close,
        body,
    };
    let background = response.getattr(pyo3::intern!(py, "background"))?;
    if background.is_none() {
        return Ok(Converted::Answer(answer));
    }
    Ok(Converted::WithBackground(answer, background))
}

/// Encodes the header fields of a response; framing and connection are the server's.
fn head_of(response: &Bound<'_, PyAny>, status: u16) -> PyResult<StreamHead> {
    let py = response.py();
    let mut head = StreamHead {
        status,
        fields: Vec::with_capacity(64),
        length: None,
        close: false,
    };
    for pair in response
        .getattr(pyo3::intern!(py, "raw_headers"))?
        .try_iter()?
    {
        let (name, value): (Bound<'_, PyBytes>, Bound<'_, PyBytes>) = pair?.extract()?;
        let (name, value) = (name.as_bytes(), value.as_bytes());
        match name {
            b"content-length" => {
                head.length = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
            }
            b"connection" => head.close |= value.eq_ignore_ascii_case(b"close"),
            b"transfer-encoding" | b"date" | b"keep-alive" => {}
            _ => http1::encode_field(name, value, &mut head.fields).map_err(|error| {
                let name = String::from_utf8_lossy(name);
                PyValueError::new_err(format!("the header {name:?} cannot be sent: {error}"))
            })?,
        }
    }
    Ok(head)
}

/// The answer of an `HTTPException`; `None` for every other exception.
pub(crate) fn from_http_exception(py: Python<'_>, error: &PyErr) -> PyResult<Option<Answer>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || -> PyResult<Py<PyType>> {
        let class = py
            .import("fasterapi.exceptions")?
            .getattr("HTTPException")?;
        Ok(class.cast_into::<PyType>()?.unbind())
    })?;
    let value = error.value(py);
    if !value.is_instance(class.bind(py))? {
        return Ok(None);
    }
    let status: u16 = value.getattr("status_code")?.extract()?;
    let content = PyDict::new(py);
    content.set_item("detail", value.getattr("detail")?)?;
    let mut answer = json_answer(&content.into_any(), status)?;
    let headers = value.getattr("headers")?;
    if headers.is_none() {
        return Ok(Some(answer));
    }
    let mut fields = std::mem::take(&mut answer.fields).into_owned();
    for pair in headers.call_method0("items")?.try_iter()? {
        let (name, value): (String, String) = pair?.extract()?;
        let name = name.to_ascii_lowercase();
        http1::encode_field(name.as_bytes(), value.as_bytes(), &mut fields).map_err(|error| {
            PyValueError::new_err(format!("the header {name:?} cannot be sent: {error}"))
        })?;
    }
    answer.fields = Cow::Owned(fields);
    Ok(Some(answer))
}

/// The 422 answer for parameters that could not be read, worded as FastAPI words it.
pub(crate) fn from_invalid(invalid: &[Invalid]) -> Answer {
    let detail = invalid.iter().map(|wrong| Complaint {
        kind: wrong.problem.kind,
        loc: (wrong.place, &wrong.name),
        msg: &wrong.problem.message,
        input: wrong.input.as_deref(),
        ctx: wrong
            .problem
            .error
            .as_deref()
            .map(|error| Context { error }),
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
    loc: (&'static str, &'a str),
    msg: &'a str,
    input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Context<'a>>,
}

/// What pydantic adds to some entries.
#[derive(Serialize)]
struct Context<'a> {
    error: &'a str,
}

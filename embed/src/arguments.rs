//! A request's parts to a handler's arguments: one pass over the query, one over the cookies.

use crate::convert::bounds::Bounds;
use crate::convert::cookies::{latin1, pairs};
use crate::convert::parameter::{Convert, MISSING, Problem};
use crate::incoming::Incoming;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use runtime::RequestBody;
use runtime::protocols::http1;
use smallvec::SmallVec;
use std::borrow::Cow;

/// Arguments that are kept without an allocation.
const FEW: usize = 8;

/// What a handler is called with: owned references, in order.
pub(crate) type Arguments<'py> = SmallVec<[Bound<'py, PyAny>; FEW]>;

/// The texts of parameters by position, where they were found.
type Texts<'r> = SmallVec<[Option<Cow<'r, str>>; FEW]>;

/// Where a parameter's text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TextSource {
    Path(usize),
    Query,
    Header,
    Cookie,
}

impl TextSource {
    /// Its name in a 422 answer.
    fn place(self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// Where a parameter's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Text(TextSource),
    /// A `NativeRequest`.
    Request,
    /// A `NativeWebSocket`.
    WebSocket,
    /// `_core.Request` itself.
    Native,
    /// All of a body that says it is JSON.
    JsonBody,
    /// All of the body.
    Body,
}

/// One parameter of a handler.
pub(crate) struct Parameter {
    source: Source,
    convert: Convert,
    bounds: Option<Box<Bounds>>,
    /// The name in the path, the query, the head or the cookies.
    alias: String,
    /// `None` for a required one.
    default: Option<Py<PyAny>>,
}

/// One wrong parameter: where it is, what is wrong, what was given.
pub(crate) struct Invalid {
    pub(crate) place: &'static str,
    /// `None` for a whole body.
    pub(crate) name: Option<String>,
    pub(crate) problem: Problem,
    pub(crate) input: Option<String>,
    order: usize,
}

/// Why there are no arguments.
pub(crate) enum Refused {
    /// These are wrong, in FastAPI's order; none are listed where somebody else will find them.
    Invalid(Vec<Invalid>),
    /// Making one raised an exception.
    Raised(PyErr),
}

impl From<PyErr> for Refused {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl Parameter {
    /// Builds the extractor of a `ParameterPlan`.
    ///
    /// # Errors
    /// When the plan lacks what every plan has.
    pub(crate) fn build(plan: &Bound<'_, PyAny>, path: &[(String, Convert)]) -> PyResult<Self> {
        let alias: String = plan.getattr("alias")?.extract()?;
        let source: String = plan.getattr("source")?.extract()?;
        let convert: String = plan.getattr("convert")?.extract()?;
        let required = plan.getattr("required")?.is_truthy()?;
        let in_path = || path.iter().position(|(name, _)| *name == alias);
        let source = match source.as_str() {
            "path" => Source::Text(TextSource::Path(in_path().unwrap_or(0))),
            "header" => Source::Text(TextSource::Header),
            "cookie" => Source::Text(TextSource::Cookie),
            "request" => Source::Request,
            "websocket" => Source::WebSocket,
            "native" => Source::Native,
            "json_body" => Source::JsonBody,
            "body" => Source::Body,
            _ => Source::Text(TextSource::Query),
        };
        Ok(Self {
            source,
            convert: Convert::named(&convert),
            bounds: Bounds::read(plan)?,
            alias,
            default: if required {
                None
            } else {
                Some(plan.getattr("default")?.unbind())
            },
        })
    }

    pub(crate) fn text_source(&self) -> Option<TextSource> {
        match self.source {
            Source::Text(source) => Some(source),
            _ => None,
        }
    }

    pub(crate) fn is_body(&self) -> bool {
        matches!(self.source, Source::JsonBody | Source::Body)
    }

    pub(crate) fn is_websocket(&self) -> bool {
        self.source == Source::WebSocket
    }

    pub(crate) fn is_request(&self) -> bool {
        matches!(self.source, Source::Request | Source::Native)
    }

    /// The value of a text, or of its absence.
    fn value<'py>(&self, py: Python<'py>, text: Option<&str>) -> Result<Bound<'py, PyAny>, Wrong> {
        let Some(text) = text else {
            return match &self.default {
                Some(default) => Ok(default.bind(py).clone()),
                None => Err(Wrong::Problem(MISSING)),
            };
        };
        let scalar = self.convert.read(py, text)?;
        if let Some(bounds) = &self.bounds {
            bounds.check(py, &scalar)?;
        }
        Ok(scalar.object(py)?)
    }

    fn invalid(&self, source: TextSource, problem: Problem, input: Option<&str>) -> Invalid {
        Invalid {
            place: source.place(),
            name: Some(self.alias.clone()),
            problem,
            input: input.map(str::to_owned),
            order: match source {
                TextSource::Path(_) => 0,
                TextSource::Query => 1,
                TextSource::Header => 2,
                TextSource::Cookie => 3,
            },
        }
    }
}

/// Why a text has no value.
enum Wrong {
    Problem(Problem),
    Raised(PyErr),
}

impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<PyErr> for Wrong {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

/// Brings every argument of the request's handler, or says why there are none.
pub(crate) fn bring<'py>(incoming: &mut Incoming<'_, 'py>) -> Result<Arguments<'py>, Refused> {
    let handler = incoming.handler;
    let request = incoming.request;
    let mut texts = Texts::new();
    if !handler.in_query.is_empty() {
        texts.resize(handler.parameters.len(), None);
        from_query(incoming, &mut texts);
    }
    if !handler.in_cookies.is_empty() {
        texts.resize(handler.parameters.len(), None);
        from_cookies(incoming, &mut texts);
    }
    let mut arguments = Arguments::new();
    let mut invalid = Vec::new();
    for (at, parameter) in handler.parameters.iter().enumerate() {
        let source = match parameter.source {
            Source::Text(source) => source,
            other => {
                match object(incoming, other)? {
                    Some(object) => arguments.push(object),
                    None => invalid.push(no_body()),
                }
                continue;
            }
        };
        let header;
        let text = match source {
            TextSource::Path(at) => Some(request.parameters.get(at)),
            TextSource::Query | TextSource::Cookie => texts[at].as_deref(),
            TextSource::Header => {
                let field = request.head.field(request.bytes, &parameter.alias);
                header = field.map(latin1);
                header.as_deref()
            }
        };
        match parameter.value(incoming.py, text) {
            Ok(value) => arguments.push(value),
            Err(Wrong::Problem(_)) if handler.general.is_some() => {
                return Err(Refused::Invalid(Vec::new()));
            }
            Err(Wrong::Problem(problem)) => invalid.push(parameter.invalid(source, problem, text)),
            Err(Wrong::Raised(error)) => return Err(error.into()),
        }
    }
    if invalid.is_empty() {
        return Ok(arguments);
    }
    invalid.sort_by_key(|wrong| wrong.order);
    Err(Refused::Invalid(invalid))
}

/// An argument that is no text; `None` for a body that is not as it must be.
fn object<'py>(
    incoming: &mut Incoming<'_, 'py>,
    source: Source,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(match source {
        Source::Native => Some(incoming.native()?.into_any()),
        Source::WebSocket => Some(incoming.websocket()?),
        Source::JsonBody if !has_json(incoming) => None,
        Source::JsonBody | Source::Body => Some(match incoming.body() {
            Some(bytes) => bytes.into_any(),
            None => PyBytes::new(incoming.py, b"").into_any(),
        }),
        Source::Request | Source::Text(_) => Some(incoming.object()?),
    })
}

fn no_body() -> Invalid {
    Invalid {
        place: "body",
        name: None,
        problem: MISSING,
        input: None,
        order: 4,
    }
}

/// The last value of each name in the query.
fn from_query<'r>(incoming: &Incoming<'r, '_>, texts: &mut Texts<'r>) {
    let request = incoming.request;
    let query = request.head.query.of(request.bytes);
    if query.is_empty() {
        return;
    }
    let handler = incoming.handler;
    for (name, value) in http1::query_pairs(query) {
        for &at in &handler.in_query {
            if handler.parameters[at].alias.as_bytes() == &*name {
                texts[at] = Some(text_of(value.clone()));
            }
        }
    }
}

/// The last value of each name in the cookies.
fn from_cookies<'r>(incoming: &Incoming<'r, '_>, texts: &mut Texts<'r>) {
    let request = incoming.request;
    let handler = incoming.handler;
    for field in request.head.fields_named(request.bytes, "cookie") {
        for (name, value) in pairs(field) {
            for &at in &handler.in_cookies {
                if handler.parameters[at].alias == name {
                    texts[at] = Some(value.clone());
                }
            }
        }
    }
}

/// UTF-8, with replacement characters for what is none.
fn text_of(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }),
    }
}

/// Whether there is a body that says it is JSON.
fn has_json(incoming: &Incoming<'_, '_>) -> bool {
    let request = incoming.request;
    let says_json = request
        .head
        .field(request.bytes, "content-type")
        .is_some_and(is_json);
    says_json && !matches!(request.body, RequestBody::Full([]))
}

/// Whether a media type is `application/json` or `application/<...>+json`.
fn is_json(content_type: &[u8]) -> bool {
    let end = content_type
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(content_type.len());
    let media_type = content_type[..end].trim_ascii();
    const APPLICATION: &[u8] = b"application/";
    let Some((kind, subtype)) = media_type.split_at_checked(APPLICATION.len()) else {
        return false;
    };
    let suffix = subtype.len().checked_sub(b"+json".len());
    kind.eq_ignore_ascii_case(APPLICATION)
        && !subtype.contains(&b'/')
        && (subtype.eq_ignore_ascii_case(b"json")
            || suffix.is_some_and(|at| subtype[at..].eq_ignore_ascii_case(b"+json")))
}

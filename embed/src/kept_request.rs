//! What is kept of a request for as long as Python may ask for it.

use crate::handler::Handler;
use crate::pending::RequestKey;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use runtime::protocols::Span;
use runtime::protocols::http1::Field;
use runtime::{Origin, Request};
use std::borrow::Cow;
use std::sync::Arc;

/// A copy of a request's head, and its body if that has arrived.
pub(crate) struct KeptRequest {
    bytes: Box<[u8]>,
    fields: Box<[Field]>,
    method: Span,
    raw_path: Span,
    query: Span,
    pub(crate) minor_version: u8,
    /// The percent-decoded path, where it is not the path as it was sent.
    path: Option<Box<str>>,
    /// Where in the path its parameters are, as start and length in bytes.
    path_values: Box<[(usize, usize)]>,
    origin: Arc<Origin>,
    pub(crate) key: RequestKey,
    pub(crate) handler: Arc<Handler>,
    pub(crate) body: Body,
}

/// The body as far as it is known.
pub(crate) enum Body {
    /// There is none, or it has no bytes.
    Empty,
    /// All of it.
    Whole(Py<PyBytes>),
    /// It can be taken from the request's feed.
    Arriving,
}

impl KeptRequest {
    /// Copies what Python may ask for: it may keep the request longer than the buffer lives.
    pub(crate) fn new(
        request: &Request<'_>,
        body: Body,
        key: RequestKey,
        handler: &Arc<Handler>,
    ) -> Self {
        let head = request.head;
        let end = head_end(request);
        let raw_path = head.path(request.bytes);
        let path = (raw_path != request.path.as_bytes()).then(|| request.path.into());
        let place = |at| place_in(request.path, request.parameters.get(at));
        Self {
            bytes: request.bytes.get(..end).unwrap_or(request.bytes).into(),
            fields: head.fields.as_slice().into(),
            method: head.method,
            raw_path: head.path,
            query: head.query,
            minor_version: head.minor_version,
            path,
            path_values: (0..handler.path_converters.len()).map(place).collect(),
            origin: request.origin.clone(),
            key,
            handler: handler.clone(),
            body,
        }
    }

    pub(crate) fn method(&self) -> &str {
        std::str::from_utf8(self.method.of(&self.bytes)).unwrap_or_default()
    }

    pub(crate) fn raw_path(&self) -> &[u8] {
        let raw = self.raw_path.of(&self.bytes);
        if raw.is_empty() { b"/" } else { raw }
    }

    /// The percent-decoded path.
    pub(crate) fn path(&self) -> &str {
        match &self.path {
            Some(path) => path,
            None => std::str::from_utf8(self.raw_path()).unwrap_or("/"),
        }
    }

    pub(crate) fn query(&self) -> &[u8] {
        self.query.of(&self.bytes)
    }

    /// Names, as they were sent, and values.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes)))
    }

    /// The value of the first field of that name, in any case.
    pub(crate) fn field(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// `"http"`, unless the connection is said to be another, by a proxy for one: TLS ends before
    /// this server.
    pub(crate) fn scheme(&self) -> &str {
        match &self.origin.stated {
            Some(stated) => &stated.scheme,
            None if self.origin.is_secure(&self.fields, &self.bytes) => "https",
            None => "http",
        }
    }

    /// The client's host and port.
    pub(crate) fn client(&self) -> Option<(Cow<'_, str>, u16)> {
        if let Some(stated) = &self.origin.stated {
            let (host, port) = stated.client.as_ref()?;
            return Some((Cow::Borrowed(host), *port));
        }
        let (address, port) = self.origin.client(&self.fields, &self.bytes)?;
        Some((address.to_string().into(), port))
    }

    /// The server's host and port.
    pub(crate) fn server(&self) -> Option<(Cow<'_, str>, Option<u16>)> {
        if let Some(stated) = &self.origin.stated {
            let (host, port) = stated.server.as_ref()?;
            return Some((Cow::Borrowed(host), *port));
        }
        let address = self.origin.server?;
        Some((address.ip().to_string().into(), Some(address.port())))
    }

    /// The path's parameters, converted as the route's path says.
    pub(crate) fn path_params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let params = PyDict::new(py);
        let path = self.path();
        for ((start, length), (name, convert)) in
            self.path_values.iter().zip(&self.handler.path_converters)
        {
            let text = path.get(*start..start + length).unwrap_or_default();
            params.set_item(name, convert.or_text(py, text))?;
        }
        Ok(params)
    }
}

/// Where `value`, which was cut out of `path`, is in it; an empty one may be from elsewhere.
fn place_in(path: &str, value: &str) -> (usize, usize) {
    let start = value.as_ptr().addr().wrapping_sub(path.as_ptr().addr());
    if start.saturating_add(value.len()) <= path.len() {
        (start, value.len())
    } else {
        (path.len(), 0)
    }
}

/// Where the last field of the head ends.
fn head_end(request: &Request<'_>) -> usize {
    let head = request.head;
    let last = head.fields.last().map_or(head.target, |field| field.value);
    let fallback = head.fields.last().map_or(head.target, |field| field.name);
    let end = |span: Span| span.start as usize + span.len as usize;
    end(last).max(end(fallback)).max(end(head.target))
}

//! The answer that shows a traceback: for `fasterapi dev`, and applications with `debug=True`.

use crate::exchange::traceback_of;
use pyo3::prelude::*;
use runtime::{Answer, AnswerBody};
use std::borrow::Cow;

const HTML: &[u8] = b"content-type: text/html; charset=utf-8\r\n";

/// A page for who takes HTML, else the text that Python prints. `request` is a Python request.
pub(crate) fn debug_answer(py: Python<'_>, error: &PyErr, request: Option<&Py<PyAny>>) -> Answer {
    let page = request.map_or(Ok(None), |request| page(error, request.bind(py)));
    let mut answer = Answer::text(500, "");
    match page {
        Ok(Some(page)) => {
            answer.fields = Cow::Borrowed(HTML);
            answer.body = AnswerBody::Bytes(page.into_bytes());
        }
        Ok(None) => answer.body = AnswerBody::Bytes(traceback_of(py, error).into_bytes()),
        Err(broken) => {
            broken.write_unraisable(py, None);
            answer.body = AnswerBody::Bytes(traceback_of(py, error).into_bytes());
        }
    }
    answer
}

fn page(error: &PyErr, request: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let py = request.py();
    let headers = request.getattr("headers")?;
    let accept: String = headers.call_method1("get", ("accept", ""))?.extract()?;
    if !accept.contains("text/html") {
        return Ok(None);
    }
    // Up to Python 3.11 only this form of the error has its traceback in it.
    let error = error.clone_ref(py).into_value(py);
    let module = py.import("fasterapi.middleware._debug_page")?;
    module
        .call_method1("debug_page", (error,))?
        .extract()
        .map(Some)
}

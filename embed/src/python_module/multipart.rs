//! `MultipartParser`: splits a form that arrives in pieces, for the Python package.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use runtime::protocols::multipart::{Malformed, Multipart, Part};

/// The kinds of event, as `fasterapi._multipart` numbers them.
pub(super) const PART_BEGIN: u8 = 0;
pub(super) const PART_DATA: u8 = 1;
pub(super) const PART_END: u8 = 2;

/// Fed with the body's chunks, then told that it has ended.
#[pyclass(name = "MultipartParser", module = "fasterapi._core")]
pub(crate) struct MultipartParser {
    /// Boxed: its search tables want an alignment that Python does not give its objects.
    parser: Box<Multipart>,
}

fn refused(problem: Malformed) -> PyErr {
    PyValueError::new_err(problem.to_string())
}

#[pymethods]
impl MultipartParser {
    #[new]
    fn new(boundary: &[u8]) -> PyResult<Self> {
        let parser = Multipart::new(boundary).map_err(refused)?;
        Ok(Self {
            parser: Box::new(parser),
        })
    }

    /// The events that `data` completes: pairs of a kind and bytes.
    fn feed<'py>(&mut self, data: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyList>> {
        let py = data.py();
        let given = data.as_bytes();
        let events = PyList::empty(py);
        let mut failed = Ok(());
        let fed = self.parser.feed(given, &mut |part| {
            let (kind, bytes) = match part {
                Part::Head(head) => (PART_BEGIN, PyBytes::new(py, head)),
                // All of it is content: the same object, not a copy.
                Part::Data(content) if std::ptr::eq(content, given) => (PART_DATA, data.clone()),
                Part::Data(content) => (PART_DATA, PyBytes::new(py, content)),
                Part::End => (PART_END, PyBytes::new(py, b"")),
            };
            let event = (kind, bytes).into_pyobject(py);
            if let Err(error) = event.and_then(|event: Bound<'_, PyTuple>| events.append(event)) {
                failed = Err(error);
            }
        });
        fed.map_err(refused)?;
        failed.map(|()| events)
    }

    /// Raises `ValueError` unless the last boundary has been seen.
    fn finish(&self) -> PyResult<()> {
        self.parser.finish().map_err(refused)
    }
}

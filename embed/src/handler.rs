//! How one route calls its handler: one extractor for each parameter, built once at start.

use crate::convert::parameter::{Convert, MISSING, Problem};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use runtime::PathParameters;
use runtime::protocols::http1;
use std::borrow::Cow;

/// Where a handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// As a coroutine, on the shard.
    Async,
    /// On the thread pool.
    Thread,
    /// As a plain call, on the shard.
    Inline,
}

/// Where a parameter's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Path(usize),
    Query,
    Request,
}

/// One parameter of a handler.
struct Parameter {
    source: Source,
    convert: Convert,
    /// The name in the path or the query.
    alias: String,
    /// `None` for a required one.
    default: Option<Py<PyAny>>,
}

/// One route's call plan.
pub(crate) struct Handler {
    endpoint: Py<PyAny>,
    pub(crate) run: Run,
    parameters: Vec<Parameter>,
    keyword_names: Option<Py<PyTuple>>,
    /// The path's parameters and what `request.path_params` makes of them, by position.
    path_converters: Vec<(String, Convert)>,
    pub(crate) status: u16,
    pub(crate) response_class: Option<Py<PyAny>>,
    /// `METHODS /path`, for logs.
    pub(crate) label: String,
    pub(crate) takes_request: bool,
}

/// What a handler is called with: owned references, in order.
pub(crate) type Arguments<'py> = Vec<Bound<'py, PyAny>>;

/// One wrong parameter: where it is, what is wrong, what was given.
pub(crate) struct Invalid {
    pub(crate) place: &'static str,
    pub(crate) name: String,
    pub(crate) problem: Problem,
    pub(crate) input: Option<String>,
}

impl Handler {
    /// Builds the call plan of a `RoutePlan`.
    ///
    /// # Errors
    /// When the plan lacks what every plan has.
    pub(crate) fn build(plan: &Bound<'_, PyAny>) -> PyResult<Self> {
        let path_converters = path_converters(plan)?;
        let mut parameters = Vec::new();
        let mut keyword_names = Vec::new();
        for item in plan.getattr("parameters")?.try_iter()? {
            let item = item?;
            if item.getattr("keyword_only")?.is_truthy()? {
                keyword_names.push(item.getattr("name")?.cast_into::<PyString>()?);
            }
            parameters.push(Parameter::build(&item, &path_converters)?);
        }
        let py = plan.py();
        let response_class = plan.getattr("response_class")?;
        let methods: Vec<String> = plan.getattr("methods")?.extract()?;
        let path: String = plan.getattr("original_path")?.extract()?;
        let run: String = plan.getattr("run")?.extract()?;
        Ok(Self {
            endpoint: plan.getattr("endpoint")?.unbind(),
            run: match run.as_str() {
                "async" => Run::Async,
                "inline" => Run::Inline,
                _ => Run::Thread,
            },
            takes_request: parameters.iter().any(|p| p.source == Source::Request),
            parameters,
            keyword_names: if keyword_names.is_empty() {
                None
            } else {
                Some(PyTuple::new(py, keyword_names)?.unbind())
            },
            path_converters,
            status: plan.getattr("status_code")?.extract()?,
            response_class: (!response_class.is_none()).then(|| response_class.unbind()),
            label: format!("{} {path}", methods.join(",")),
        })
    }

    /// The path parameters as `request.path_params` has them.
    pub(crate) fn path_values<'py>(
        &self,
        py: Python<'py>,
        given: &PathParameters<'_>,
    ) -> Vec<(String, Bound<'py, PyAny>)> {
        let convert = |(at, (name, convert)): (usize, &(String, Convert))| {
            let text = given.get(at);
            let value = convert.apply(py, text);
            (
                name.clone(),
                value.unwrap_or_else(|_| PyString::new(py, text).into_any()),
            )
        };
        self.path_converters
            .iter()
            .enumerate()
            .map(convert)
            .collect()
    }

    /// Brings every parameter, or says which are wrong.
    pub(crate) fn arguments<'py>(
        &self,
        py: Python<'py>,
        path: &PathParameters<'_>,
        query: &[u8],
        request: Option<&Bound<'py, PyAny>>,
    ) -> Result<Arguments<'py>, Vec<Invalid>> {
        let mut arguments = Vec::with_capacity(self.parameters.len());
        let mut invalid = Vec::new();
        for parameter in &self.parameters {
            match parameter.value(py, path, query, request) {
                Ok(value) => arguments.push(value),
                Err(problem) => invalid.push(*problem),
            }
        }
        if invalid.is_empty() {
            Ok(arguments)
        } else {
            Err(invalid)
        }
    }

    /// Calls the handler.
    ///
    /// # Errors
    /// What the handler raises; one that is a coroutine function raises nothing here.
    pub(crate) fn call<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(first) = arguments.first() else {
            return self.endpoint.bind(py).call0();
        };
        let names = self.keyword_names.as_ref();
        let by_name = names.map_or(0, |names| names.bind(py).len());
        // SAFETY: `Bound` is a transparent pointer to a live object, so the vector is an array of
        // `PyObject*` that outlives the call; the last `by_name` of them are the keywords named in
        // the tuple, as the vectorcall protocol wants them. A null result means an exception is set.
        unsafe {
            let result = ffi::PyObject_Vectorcall(
                self.endpoint.as_ptr(),
                std::ptr::from_ref(first).cast::<*mut ffi::PyObject>(),
                arguments.len() - by_name,
                names.map_or(std::ptr::null_mut(), |names| names.as_ptr()),
            );
            Bound::from_owned_ptr_or_err(py, result)
        }
    }
}

impl Parameter {
    fn build(item: &Bound<'_, PyAny>, path: &[(String, Convert)]) -> PyResult<Self> {
        let alias: String = item.getattr("alias")?.extract()?;
        let source: String = item.getattr("source")?.extract()?;
        let convert: String = item.getattr("convert")?.extract()?;
        let required = item.getattr("required")?.is_truthy()?;
        let source = match source.as_str() {
            "path" => Source::Path(
                path.iter()
                    .position(|(name, _)| *name == alias)
                    .unwrap_or(0),
            ),
            "request" => Source::Request,
            _ => Source::Query,
        };
        Ok(Self {
            source,
            convert: Convert::named(&convert),
            alias,
            default: if required {
                None
            } else {
                Some(item.getattr("default")?.unbind())
            },
        })
    }

    fn value<'py>(
        &self,
        py: Python<'py>,
        path: &PathParameters<'_>,
        query: &[u8],
        request: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>, Box<Invalid>> {
        match self.source {
            Source::Path(at) => self.converted(py, "path", path.get(at)),
            Source::Request => Ok(request.cloned().unwrap_or_else(|| py.None().into_bound(py))),
            Source::Query => match query_value(query, self.alias.as_bytes()) {
                Some(text) => self.converted(py, "query", &String::from_utf8_lossy(&text)),
                None => match &self.default {
                    Some(default) => Ok(default.bind(py).clone()),
                    None => Err(self.invalid("query", MISSING, None)),
                },
            },
        }
    }

    fn converted<'py>(
        &self,
        py: Python<'py>,
        place: &'static str,
        text: &str,
    ) -> Result<Bound<'py, PyAny>, Box<Invalid>> {
        self.convert
            .apply(py, text)
            .map_err(|problem| self.invalid(place, problem, Some(text)))
    }

    fn invalid(&self, place: &'static str, problem: Problem, input: Option<&str>) -> Box<Invalid> {
        Box::new(Invalid {
            place,
            name: self.alias.clone(),
            problem,
            input: input.map(str::to_owned),
        })
    }
}

/// The value of `name` in a query string; of several, the last.
fn query_value<'q>(query: &'q [u8], name: &[u8]) -> Option<Cow<'q, [u8]>> {
    if query.is_empty() {
        return None;
    }
    http1::query_pairs(query)
        .filter(|(key, _)| **key == *name)
        .last()
        .map(|(_, value)| value)
}

fn path_converters(plan: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Convert)>> {
    let mut converters = Vec::new();
    for pair in plan.getattr("path_parameters")?.try_iter()? {
        let (name, convert): (String, String) = pair?.extract()?;
        converters.push((name, Convert::named(&convert)));
    }
    Ok(converters)
}

//! How one route calls its handler: a call plan, built once at start.

use crate::arguments::{Arguments, Parameter, TextSource};
use crate::convert::parameter::Convert;
use crate::site::Site;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use runtime::BodyMode;
use std::sync::Arc;

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

/// One route's call plan.
pub(crate) struct Handler {
    pub(crate) site: Arc<Site>,
    endpoint: Py<PyAny>,
    pub(crate) run: Run,
    pub(crate) parameters: Vec<Parameter>,
    /// The parameters whose text is in the query, by position.
    pub(crate) in_query: Vec<usize>,
    /// The parameters whose text is in a cookie, by position.
    pub(crate) in_cookies: Vec<usize>,
    keyword_names: Option<Py<PyTuple>>,
    /// The path's parameters and what `request.path_params` makes of them, by position.
    pub(crate) path_converters: Vec<(String, Convert)>,
    pub(crate) status: u16,
    pub(crate) response_class: Option<Py<PyAny>>,
    /// `bytes` that the handler returns are the JSON body.
    pub(crate) returns_json: bool,
    /// Answers requests whose parameters are not as they should be.
    pub(crate) general: Option<Py<PyAny>>,
    /// Answers for exceptions.
    pub(crate) on_error: Option<Py<PyAny>>,
    /// Rust answers an `HTTPException` before `on_error` is asked.
    pub(crate) http_exceptions: bool,
    pub(crate) app: Py<PyAny>,
    pub(crate) root_path: Py<PyString>,
    pub(crate) route: Py<PyAny>,
    pub(crate) user_endpoint: Py<PyAny>,
    /// `METHODS /path`, for logs.
    pub(crate) label: String,
    pub(crate) body_mode: BodyMode,
    /// It answers handshakes, and its call lasts as long as the WebSocket.
    pub(crate) is_websocket: bool,
}

/// An attribute that a plan may lack; `None` too when it is Python's `None`.
fn optional<'py>(plan: &Bound<'py, PyAny>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(plan.getattr_opt(name)?.filter(|value| !value.is_none()))
}

/// A flag that a plan may lack.
fn flag(plan: &Bound<'_, PyAny>, name: &str, otherwise: bool) -> PyResult<bool> {
    optional(plan, name)?.map_or(Ok(otherwise), |value| value.is_truthy())
}

impl Handler {
    /// Builds the call plan of a `RoutePlan`.
    ///
    /// # Errors
    /// When the plan lacks what every plan has.
    pub(crate) fn build(plan: &Bound<'_, PyAny>, site: &Arc<Site>) -> PyResult<Self> {
        let py = plan.py();
        let path_converters = path_converters(plan)?;
        let (parameters, keyword_names) = parameters(plan, &path_converters)?;
        let by_source = |source: TextSource| -> Vec<usize> {
            let of_source = |(_, p): &(usize, &Parameter)| p.text_source() == Some(source);
            let all = parameters.iter().enumerate();
            all.filter(of_source).map(|(at, _)| at).collect()
        };
        let methods: Vec<String> = plan.getattr("methods")?.extract()?;
        let path: String = plan.getattr("original_path")?.extract()?;
        let run = match plan.getattr("run")?.extract::<String>()?.as_str() {
            "async" => Run::Async,
            "inline" => Run::Inline,
            _ => Run::Thread,
        };
        let general = optional(plan, "general")?.map(Bound::unbind);
        let on_error = optional(plan, "on_error")?.map(Bound::unbind);
        let endpoint = plan.getattr("endpoint")?;
        let route = plan.getattr_opt("route")?;
        let user_endpoint = match &route {
            Some(route) => optional(route, "endpoint")?,
            None => None,
        };
        let result = optional(plan, "result")?;
        let mounted_at: String = match optional(plan, "root_path")? {
            Some(path) => path.extract()?,
            None => String::new(),
        };
        let app = optional(plan, "app")?;
        Ok(Self {
            site: site.clone(),
            user_endpoint: user_endpoint.unwrap_or_else(|| endpoint.clone()).unbind(),
            endpoint: endpoint.unbind(),
            run,
            in_query: by_source(TextSource::Query),
            in_cookies: by_source(TextSource::Cookie),
            body_mode: body_mode(&parameters, run, general.is_some() || on_error.is_some()),
            is_websocket: parameters.iter().any(Parameter::is_websocket),
            parameters,
            keyword_names,
            path_converters,
            status: plan.getattr("status_code")?.extract()?,
            response_class: optional(plan, "response_class")?.map(Bound::unbind),
            returns_json: result.is_some_and(|kind| kind.eq("json").unwrap_or(false)),
            general,
            on_error,
            http_exceptions: flag(plan, "http_exceptions", true)?,
            app: app.map_or_else(|| site.app.clone_ref(py), Bound::unbind),
            root_path: PyString::new(py, &format!("{}{mounted_at}", site.root_path)).unbind(),
            route: route.map_or_else(|| py.None(), Bound::unbind),
            label: format!("{} {path}", methods.join(",")),
        })
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

/// The extractors, and the names of those that are passed by name, which come last.
fn parameters(
    plan: &Bound<'_, PyAny>,
    path: &[(String, Convert)],
) -> PyResult<(Vec<Parameter>, Option<Py<PyTuple>>)> {
    let (mut parameters, mut by_name, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for item in plan.getattr("parameters")?.try_iter()? {
        let item = item?;
        let parameter = Parameter::build(&item, path)?;
        if item.getattr("keyword_only")?.is_truthy()? {
            names.push(item.getattr("name")?.cast_into::<PyString>()?);
            by_name.push(parameter);
        } else {
            parameters.push(parameter);
        }
    }
    parameters.append(&mut by_name);
    let names = match names.as_slice() {
        [] => None,
        names => Some(PyTuple::new(plan.py(), names)?.unbind()),
    };
    Ok((parameters, names))
}

/// What a route wants with bodies. Whoever answers in the handler's place may read one that is
/// not the handler's business.
fn body_mode(parameters: &[Parameter], run: Run, has_deputy: bool) -> BodyMode {
    if parameters.iter().any(Parameter::is_body) {
        BodyMode::Collect
    } else if parameters.iter().any(Parameter::is_request) {
        match run {
            Run::Async => BodyMode::Stream,
            Run::Thread | Run::Inline => BodyMode::Collect,
        }
    } else if has_deputy {
        BodyMode::Collect
    } else {
        BodyMode::Ignore
    }
}

fn path_converters(plan: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Convert)>> {
    let mut converters = Vec::new();
    for pair in plan.getattr("path_parameters")?.try_iter()? {
        let (name, convert): (String, String) = pair?.extract()?;
        converters.push((name, Convert::named(&convert)));
    }
    Ok(converters)
}

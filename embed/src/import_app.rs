//! `module:attribute` to routes and handlers, once, before anything is served.

use crate::exchange::traceback_of;
use crate::handler::Handler;
use pyo3::prelude::*;
use pyo3::types::PyList;
use runtime::{Converter, Router, RouterBuilder, StaticFolder, Target};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// An imported application, ready to be served.
pub(crate) struct Imported {
    pub(crate) app: Py<PyAny>,
    pub(crate) router: Router,
    pub(crate) handlers: Vec<Arc<Handler>>,
}

/// Imports `target` and compiles its routes.
///
/// # Errors
/// A text for the person who wrote the application.
pub(crate) fn import(py: Python<'_>, target: &str, app_dir: &Path) -> Result<Imported, String> {
    let explained = |error: PyErr| explain(py, &error);
    let (app, plans) = load(py, target, app_dir).map_err(explained)?;
    let redirect: bool = app
        .getattr("redirect_slashes")
        .and_then(|flag| flag.is_truthy())
        .map_err(explained)?;
    let mut router = RouterBuilder::new(redirect);
    let mut handlers = Vec::new();
    for plan in plans.iter() {
        add_route(&plan, &mut router, &mut handlers).map_err(explained)?;
    }
    let router = router.build().map_err(|error| error.to_string())?;
    Ok(Imported {
        app: app.unbind(),
        router,
        handlers,
    })
}

/// Imports `target` and asks the package for its route plans.
pub(crate) fn load<'py>(
    py: Python<'py>,
    target: &str,
    app_dir: &Path,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyList>)> {
    let finder = py.import("fasterapi._find_app")?;
    let app = finder.call_method1("load_target", (target, app_dir))?;
    let plans = py
        .import("fasterapi._plan")?
        .call_method1("compile_app", (&app,))?;
    Ok((app, plans.cast_into::<PyList>()?))
}

/// One sentence for what the user did wrong, a traceback for what their code raised.
pub(crate) fn explain(py: Python<'_>, error: &PyErr) -> String {
    let name = error
        .get_type(py)
        .name()
        .map(|name| name.to_string())
        .unwrap_or_default();
    if name == "TargetError" || name == "RouteError" {
        return error.value(py).to_string();
    }
    traceback_of(py, error)
}

fn add_route(
    plan: &Bound<'_, PyAny>,
    router: &mut RouterBuilder,
    handlers: &mut Vec<Arc<Handler>>,
) -> PyResult<()> {
    let path: String = plan.getattr("path")?.extract()?;
    let methods: Vec<String> = plan.getattr("methods")?.extract()?;
    let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
    let converters = converters(plan)?;
    let files = plan.getattr("static")?;
    if !files.is_none() {
        let folder = static_folder(&files)?;
        router.add(
            &path,
            &converters,
            &methods,
            &Target::Static(Rc::new(folder)),
        );
        return Ok(());
    }
    router.add(&path, &converters, &methods, &Target::Route(handlers.len()));
    handlers.push(Arc::new(Handler::build(plan)?));
    Ok(())
}

/// What the path itself demands of its parameters (`{id:int}`), in their order.
fn converters(plan: &Bound<'_, PyAny>) -> PyResult<Vec<Converter>> {
    let pairs: Vec<(String, String)> = plan.getattr("path_parameters")?.extract()?;
    let converter = |(_, name): (String, String)| match name.as_str() {
        "int" => Converter::Int,
        "float" => Converter::Float,
        "uuid" => Converter::Uuid,
        _ => Converter::Text,
    };
    Ok(pairs.into_iter().map(converter).collect())
}

fn static_folder(files: &Bound<'_, PyAny>) -> PyResult<StaticFolder> {
    let directory: PathBuf = files.getattr("directory")?.extract()?;
    let html = files.getattr("html")?.is_truthy()?;
    let follow = files.getattr("follow_symlink")?.is_truthy()?;
    let types: HashMap<String, String> = files
        .py()
        .import("mimetypes")?
        .getattr("types_map")?
        .extract()?;
    let media_type = move |name: &str| {
        let extension = name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase());
        let known = extension.and_then(|extension| types.get(&format!(".{extension}")));
        match known {
            Some(text) if text.starts_with("text/") => format!("{text}; charset=utf-8"),
            Some(other) => other.clone(),
            None => "text/plain; charset=utf-8".to_owned(),
        }
    };
    Ok(StaticFolder::open(
        &directory,
        html,
        follow,
        Box::new(media_type),
    )?)
}

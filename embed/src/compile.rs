//! An application to a router and the handlers behind it.

use crate::handler::Handler;
use crate::middleware::chain_of;
use crate::python_application::PythonApplication;
use crate::site::Site;
use crate::thread_pool::ThreadPool;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use runtime::middleware::Chain;
use runtime::{Converter, RouteId, Router, RouterBuilder, StaticFolder, Target};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// How an application is to be served, beyond what it says itself.
#[derive(Default)]
pub(crate) struct Settings {
    /// The prefix that a proxy removes; empty: what the application says.
    pub(crate) root_path: String,
    /// Show tracebacks to clients, whatever the application says.
    pub(crate) debug: bool,
    /// Called with an exception that nobody handles and the request (or `None`), in place of
    /// the log.
    pub(crate) on_failure: Option<Py<PyAny>>,
}

/// A compiled application: what a shard is made of.
pub(crate) struct Compiled {
    pub(crate) router: Router,
    pub(crate) site: Arc<Site>,
    /// What stands around the application; the shard takes it.
    pub(crate) middleware: Option<Chain>,
    handlers: Vec<Arc<Handler>>,
    fallbacks: [Option<RouteId>; 2],
}

impl Compiled {
    /// The router, and the application that answers for this thread's event loop.
    ///
    /// # Errors
    /// `RuntimeError` on a thread that has none.
    pub(crate) fn into_application(self) -> PyResult<(Router, PythonApplication)> {
        let pool = ThreadPool::current()?;
        let application = PythonApplication::new(self.site, self.handlers, self.fallbacks, pool);
        Ok((self.router, application))
    }
}

/// The plan of an application: an `AppPlan`.
///
/// # Errors
/// `RouteError` for the first route that cannot be served.
pub(crate) fn plan_of<'py>(app: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let module = app.py().import("fasterapi._plan")?;
    module.call_method1("compile_app", (app,))
}

/// Compiles an application.
///
/// # Errors
/// `RouteError` for the first route that cannot be served, `RuntimeError` for two that cannot be
/// told apart, `ValueError` for a middleware that cannot be as it is described.
pub(crate) fn compile(app: &Bound<'_, PyAny>, settings: Settings) -> PyResult<Compiled> {
    let plan = plan_of(app)?;
    let root_path = if settings.root_path.is_empty() {
        app.getattr("root_path")?.extract()?
    } else {
        settings.root_path
    };
    let debug = settings.debug || app.getattr("debug")?.is_truthy()?;
    let site = Site::new(app.clone().unbind(), root_path, debug, settings.on_failure);
    let site = Arc::new(site);
    let redirect_slashes = plan.getattr("redirect_slashes")?.is_truthy()?;
    let mut router = RouterBuilder::new(redirect_slashes).below(&site.root_path);
    let mut handlers = Vec::new();
    for route in plan.getattr("routes")?.try_iter()? {
        add_route(&route?, &site, &mut router, &mut handlers)?;
    }
    let mut fallbacks = [None, None];
    for (slot, name) in fallbacks.iter_mut().zip(["fallback", "websocket_fallback"]) {
        let fallback = plan.getattr(name)?;
        if !fallback.is_none() {
            handlers.push(Arc::new(Handler::build(&fallback, &site)?));
            *slot = Some(handlers.len() - 1);
        }
    }
    let router = router
        .build()
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok(Compiled {
        router,
        site,
        middleware: chain_of(&plan.getattr("middleware")?)?,
        handlers,
        fallbacks,
    })
}

fn add_route(
    plan: &Bound<'_, PyAny>,
    site: &Arc<Site>,
    router: &mut RouterBuilder,
    handlers: &mut Vec<Arc<Handler>>,
) -> PyResult<()> {
    let path: String = plan.getattr("path")?.extract()?;
    let methods: Vec<String> = plan.getattr("methods")?.extract()?;
    let methods: Vec<&str> = methods.iter().map(|method| method_of(method)).collect();
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
    handlers.push(Arc::new(Handler::build(plan, site)?));
    Ok(())
}

/// A method as the router knows it. Those of requests are in upper case in a plan.
fn method_of(name: &str) -> &str {
    match name {
        "websocket" => runtime::WEBSOCKET,
        method => method,
    }
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

//! One shard process: configured by the supervisor, serving until it is told to drain.

use crate::access_log;
use crate::cli::Hooks;
use crate::compile::{Settings, compile, plan_of};
use crate::control::{DrainReason, FromShard, ShardConfig, ShardEnd, ToShard};
use crate::event_loop::{EventLoop, resolve};
use crate::exchange::traceback_of;
use crate::import_app::{self, Imported, Wanted};
use crate::logging;
use crate::options::RoutesOptions;
use crate::python_application::PythonApplication;
use crate::python_module::channels;
use crate::{interpreter, shard_links, ticker};
use futures_lite::FutureExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use runtime::{Drain, Listener, Shard, ShardOptions};
use std::cell::RefCell;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// The share of the drain deadline that answers in flight get; the rest is for the lifespan.
const DRAIN_SHARE: f64 = 0.85;

/// How long a new shard waits for the histories of the channels before it serves without them.
const HISTORIES_WAIT: Duration = Duration::from_secs(2);

/// Threads of a loop that was started without a supervisor.
const THREADS_MAX: usize = 40;

/// What the command line calls when Python is needed.
pub const HOOKS: Hooks = Hooks {
    shard: run,
    routes: print_routes,
};

/// What this process serves, on its only serving thread.
struct Serving {
    config: ShardConfig,
    control: ShardEnd,
    imported: Option<Imported>,
    shard: Option<Shard<PythonApplication>>,
    drained: Option<Py<PyAny>>,
    docs: Option<String>,
    draining: bool,
    /// Until when answers, and the work after them, may take.
    drain_ends: Option<Instant>,
    started: Instant,
}

thread_local! {
    static SERVING: RefCell<Option<Serving>> = const { RefCell::new(None) };
}

fn with_serving<T>(act: impl FnOnce(&mut Serving) -> T) -> Option<T> {
    SERVING.with(|serving| serving.borrow_mut().as_mut().map(act))
}

/// Which shard this is, from 0, and how many serve together: 0 and 1 where nobody started others.
pub(crate) fn place() -> (usize, usize) {
    with_serving(|serving| (serving.config.index, serving.config.shards)).unwrap_or((0, 1))
}

/// Runs a shard from its configuration to its end; returns the exit code.
fn run(control: ShardEnd) -> i32 {
    let started = Instant::now();
    let config = match control.receive_config() {
        Ok(config) => config,
        Err(error) => {
            logging::error(error);
            return 1;
        }
    };
    logging::configure(config.log_level, config.log_format, Some(config.index));
    logging::set_color(config.log_color);
    if let Some(cpu) = config.cpu
        && !core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
    {
        logging::warning(format!("cannot stay on CPU {cpu}: it is not ours any more"));
    }
    if let Err(message) = interpreter::start() {
        let _ = control.send(&FromShard::Failed { message });
        return 1;
    }
    let code = Python::attach(|py| serve(py, control, config, started));
    interpreter::finish();
    code
}

fn serve(py: Python<'_>, control: ShardEnd, config: ShardConfig, started: Instant) -> i32 {
    if let Err(error) = channels::install(py, Some((config.process, &config.node))) {
        let message = traceback_of(py, &error);
        let _ = control.send(&FromShard::Failed { message });
        return 1;
    }
    let wanted = Wanted {
        target: &config.target,
        app_dir: &config.app_dir,
        as_fastapi: config.as_fastapi,
        debug: config.debug,
        root_path: &config.root_path,
    };
    let imported = match import_app::import(py, wanted) {
        Ok(imported) => imported,
        Err(message) => {
            let _ = control.send(&FromShard::Failed { message });
            return 1;
        }
    };
    let app = imported.app.clone_ref(py);
    let serving = Serving {
        config,
        control,
        imported: Some(imported),
        shard: None,
        drained: None,
        docs: None,
        draining: false,
        drain_ends: None,
        started,
    };
    SERVING.with(|slot| slot.replace(Some(serving)));
    let ran = py
        .import("fasterapi._serve")
        .and_then(|module| module.call_method1("run", (app,)));
    shard_links::flush();
    let was_ready = with_serving(|serving| serving.shard.is_some()).unwrap_or(false);
    match ran {
        Ok(_) => {
            let _ = with_serving(|serving| serving.control.send(&FromShard::Drained));
            0
        }
        Err(error) => {
            let message = traceback_of(py, &error);
            if was_ready {
                logging::error(format!("the shard ends:\n{message}"));
            } else {
                let message = format!("the application failed to start:\n{message}");
                let _ =
                    with_serving(|serving| serving.control.send(&FromShard::Failed { message }));
            }
            1
        }
    }
}

/// Registers the future that ends serving, and listens to the supervisor from now on.
///
/// # Errors
/// When the loop refuses the control socket.
pub(crate) fn set_drain_future(future: Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    let event_loop = EventLoop::current()?;
    let core = py.import("fasterapi._core")?;
    let Some(control) = with_serving(|serving| {
        serving.drained = Some(future.unbind());
        serving.control.as_raw_fd()
    }) else {
        return Ok(());
    };
    let loop_ = event_loop.object(py);
    loop_.call_method1("add_reader", (control, core.getattr("on_control")?))?;
    // `signal.signal` handlers run when Python next runs: a signal has to end the reactor's turn.
    let wakeup = loop_.getattr("_csock")?.call_method0("fileno")?;
    py.import("signal")?
        .call_method1("set_wakeup_fd", (wakeup,))?;
    Ok(())
}

/// Begins to accept; compiles the application again first if it has changed since its import.
///
/// # Errors
/// When a listening socket cannot be used; those of [`compile`].
pub(crate) fn start_serving(state: &Bound<'_, PyAny>, changed: bool) -> PyResult<()> {
    let py = state.py();
    if changed {
        compile_again(py)?;
    }
    // Whom to ask for histories has most likely been said already.
    on_control(py);
    let Some(ready) = with_serving(|serving| prepare(py, serving, state)) else {
        return Ok(());
    };
    let Some((shard, listeners)) = ready? else {
        return Ok(());
    };
    runtime::enqueue(move || {
        runtime::spawn(ticker::run());
        runtime::spawn(async move {
            let histories = shard_links::restored();
            histories.or(runtime::sleep(HISTORIES_WAIT)).await;
            for listener in listeners {
                runtime::spawn(shard.clone().accept_from(listener));
            }
            tell_ready();
        });
    });
    Ok(())
}

/// Tells the supervisor that this shard accepts.
fn tell_ready() {
    let _ = with_serving(|serving| {
        let started_ms = u64::try_from(serving.started.elapsed().as_millis()).unwrap_or(0);
        let docs = serving.docs.take();
        let ready = FromShard::Ready { started_ms, docs };
        serving.control.send(&ready)
    });
}

/// Reads what the application has become during its start.
fn compile_again(py: Python<'_>) -> PyResult<()> {
    let found = with_serving(|serving| {
        let root_path = serving.config.root_path.clone();
        let imported = serving.imported.as_ref()?;
        Some((imported.app.clone_ref(py), root_path))
    });
    let Some((app, root_path)) = found.flatten() else {
        return Ok(());
    };
    let settings = Settings {
        root_path,
        ..Settings::default()
    };
    // The application's own code may run here, so `SERVING` is not borrowed meanwhile.
    let compiled = compile(app.bind(py), settings)?;
    let former = with_serving(|serving| {
        let imported = serving.imported.as_mut()?;
        Some(std::mem::replace(&mut imported.compiled, compiled))
    });
    drop(former);
    Ok(())
}

type Prepared = Option<(Shard<PythonApplication>, Vec<Listener>)>;

fn prepare(py: Python<'_>, serving: &mut Serving, state: &Bound<'_, PyAny>) -> PyResult<Prepared> {
    let Some(imported) = serving.imported.take().filter(|_| !serving.draining) else {
        return Ok(None);
    };
    serving.docs = docs_of(imported.app.bind(py));
    let config = &serving.config;
    let mut listeners = Vec::with_capacity(config.listeners.len());
    for listener in &config.listeners {
        // SAFETY: the supervisor passed this descriptor to this process, for this use alone, and
        // it is taken once.
        let socket = unsafe { OwnedFd::from_raw_fd(listener.fd) };
        listeners.push(Listener::new(socket)?);
    }
    let mut compiled = imported.compiled;
    let middleware = compiled.middleware.take();
    let (router, application) = compiled.into_application()?;
    application
        .site()
        .set_lifespan_state(py, state.clone().unbind());
    let shard = Shard::new(ShardOptions {
        application,
        router,
        limits: config.limits.clone(),
        access_log: config.access_log.then(access_log::access_log),
        middleware,
        websocket_origins: config.websocket_origins.clone(),
        proxies: config.proxies.clone(),
    });
    serving.shard = Some(shard.clone());
    Ok(Some((shard, listeners)))
}

/// The path of the application's documentation page, if it has one.
fn docs_of(app: &Bound<'_, PyAny>) -> Option<String> {
    let path = |name| app.getattr(name).ok()?.extract::<Option<String>>().ok()?;
    path("openapi_url").filter(|url| !url.is_empty())?;
    path("docs_url").filter(|url| !url.is_empty())
}

/// Reads the supervisor's messages; its going is a reason to go too.
pub(crate) fn on_control(py: Python<'_>) {
    loop {
        let Some(message) = with_serving(|serving| serving.control.try_receive()) else {
            return;
        };
        match message {
            Ok(Some((ToShard::Drain { deadline_s, reason }, _))) => {
                let reason = match reason {
                    DrainReason::Stop => Drain::Stop,
                    DrainReason::Reload => Drain::Reload,
                };
                drain(py, deadline_s, reason);
            }
            Ok(Some((ToShard::Stop, _))) => std::process::exit(130),
            Ok(Some((ToShard::Configure(_), _))) => {}
            Ok(Some((message, fd))) => shard_links::hear(&message, fd),
            Ok(None) => return,
            Err(_) => {
                forget_control(py);
                logging::warning("the supervisor is gone: this shard drains and ends");
                drain_alone(py);
                return;
            }
        }
    }
}

/// Most threads of the pool of this process's event loop.
pub(crate) fn threads_max() -> usize {
    with_serving(|serving| serving.config.threads).unwrap_or(THREADS_MAX)
}

fn forget_control(py: Python<'_>) {
    let control = with_serving(|serving| serving.control.as_raw_fd());
    if let (Some(control), Ok(event_loop)) = (control, EventLoop::current()) {
        let _ = event_loop
            .object(py)
            .call_method1("remove_reader", (control,));
    }
}

/// How long the work after answers may still take, in seconds.
pub(crate) fn drain_left_s() -> f64 {
    let ends = with_serving(|serving| serving.drain_ends).flatten();
    ends.map_or(0.0, |ends| {
        ends.saturating_duration_since(Instant::now()).as_secs_f64()
    })
}

/// Drains within the configured time.
fn drain_alone(py: Python<'_>) {
    let deadline_s = with_serving(|serving| serving.config.limits.drain_timeout_s);
    drain(py, deadline_s.unwrap_or(0.0), Drain::Stop);
}

fn drain(py: Python<'_>, deadline_s: f64, reason: Drain) {
    let patience = Duration::try_from_secs_f64(deadline_s * DRAIN_SHARE).unwrap_or_default();
    let Some((again, shard, drained)) = with_serving(|serving| {
        let again = std::mem::replace(&mut serving.draining, true);
        serving.drain_ends.get_or_insert(Instant::now() + patience);
        let drained = serving.drained.as_ref().map(|future| future.clone_ref(py));
        (again, serving.shard.clone(), drained)
    }) else {
        return;
    };
    let Some(drained) = drained.filter(|_| !again) else {
        return;
    };
    let Some(shard) = shard else {
        resolve(py, &drained);
        return;
    };
    shard.start_drain(reason);
    runtime::enqueue(move || {
        runtime::spawn(async move {
            shard.drained().or(runtime::sleep(patience)).await;
            Python::attach(|py| resolve(py, &drained));
        });
    });
    // The present turn of asyncio does not end by itself.
    runtime::interrupt();
}

/// Prints the routes of an application; returns the exit code.
fn print_routes(options: &RoutesOptions) -> i32 {
    if let Err(message) = interpreter::start() {
        eprintln!("fasterapi: {message}");
        return 1;
    }
    let app_dir = options
        .app_dir
        .clone()
        .unwrap_or_else(|| Path::new(".").into());
    let wanted = Wanted {
        target: &options.target,
        app_dir: &app_dir,
        as_fastapi: options.as_fastapi,
        debug: false,
        root_path: "",
    };
    let as_json = options.format == logging::Format::Json;
    let code = Python::attach(|py| {
        apply_environment(py, &options.environment);
        let table = import_app::load(py, wanted).and_then(|app| {
            let plans = plan_of(&app)?.getattr("routes")?;
            let module = py.import("fasterapi._routes_table")?;
            module.call_method1("print_routes", (plans, as_json))
        });
        match table {
            Ok(_) => 0,
            Err(error) => {
                eprintln!("fasterapi: {}", import_app::explain(py, &error));
                1
            }
        }
    });
    interpreter::finish();
    code
}

fn apply_environment(py: Python<'_>, environment: &[(String, String)]) {
    let applied = py.import("os").and_then(|os| {
        let additions = PyDict::new(py);
        for (name, value) in environment {
            additions.set_item(name, value)?;
        }
        os.getattr("environ")?.call_method1("update", (additions,))
    });
    if let Err(error) = applied {
        error.write_unraisable(py, None);
    }
}

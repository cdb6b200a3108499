//! What the command line, the environment and an environment file may say.

mod application;
mod dev;
mod limits;
mod log;
mod proxy;
mod reload;
mod websocket;

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};

use crate::error::Error;
use crate::logging::Format;

pub use application::ApplicationOptions;
pub use dev::with_dev_defaults;
pub use limits::LimitOptions;
pub use log::{Color, LogOptions};
pub use proxy::{COMMON_VARIABLE, ProxyOptions};
pub use reload::ReloadOptions;
pub use websocket::WebSocketOptions;

/// Longest timeout that is accepted, in seconds: a week.
const TIMEOUT_S_MAX: f64 = 7.0 * 86_400.0;

/// Most shards that are started.
pub const SHARDS_MAX: usize = 1024;

/// Most threads of one shard's pool for `def` handlers.
pub const THREADS_MAX: usize = 1024;

/// The whole command line.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "fasterapi",
    version,
    about = "Serves Python web APIs: one pinned shard per core, HTTP in Rust, handlers in Python.",
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `fasterapi` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve an application.
    #[command(after_help = SIGNALS_HELP)]
    Run(Box<RunOptions>),
    /// Serve an application while it is written: reloads it, shows tracebacks, logs for people.
    #[command(after_help = DEV_HELP)]
    Dev(Box<RunOptions>),
    /// Print an application's routes.
    Routes(RoutesOptions),
    /// One shard, started by the supervisor with its control socket as stdin.
    #[command(hide = true)]
    Shard,
}

const DEV_HELP: &str = "\
As 'fasterapi run --shards 1 --no-pin --reload --debug --access-log --log-format short \
--drain-timeout-s 3'; every one of these can be given otherwise. Without a target, main.py, \
app.py, api.py or one of these in app/ is served, or what pyproject.toml names in \
[tool.fastapi] entrypoint.";

const SIGNALS_HELP: &str = "\
Signals: SIGTERM or SIGINT drains and stops, a second one stops at once; SIGHUP loads the \
application anew without losing a request. Every option can also be given in the environment \
or in the file of --env-file: --port as FASTERAPI_PORT. The command line wins over the \
environment, the environment over the file.";

/// What `fasterapi run` may be told.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct RunOptions {
    /// The module and the application in it, such as main:app, or a file [default: main.py or the
    /// like, see 'fasterapi dev --help']
    #[arg(
        env = "FASTERAPI_TARGET",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub target: String,

    /// Where to listen.
    #[command(flatten)]
    pub listen: ListenOptions,

    /// Whose word on the client is taken.
    #[command(flatten)]
    pub proxy: ProxyOptions,

    /// What WebSockets may do.
    #[command(flatten)]
    pub websocket: WebSocketOptions,

    /// Processes and threads.
    #[command(flatten)]
    pub processes: ProcessOptions,

    /// The application and its surroundings.
    #[command(flatten)]
    pub application: ApplicationOptions,

    /// What is watched, and whether at all.
    #[command(flatten)]
    pub reload: ReloadOptions,

    /// What is logged.
    #[command(flatten)]
    pub log: LogOptions,

    /// The bounds peers are held to.
    #[command(flatten)]
    pub limits: LimitOptions,

    /// Whether this is `fasterapi dev`, which says where the documentation is.
    #[arg(skip)]
    pub is_dev: bool,
}

/// Where `fasterapi run` listens.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "Where to listen")]
pub struct ListenOptions {
    /// Address or name to listen on; 0.0.0.0 is every IPv4 address, :: every address
    #[arg(
        long,
        env = "FASTERAPI_HOST",
        hide_env_values = true,
        default_value = "127.0.0.1"
    )]
    pub host: String,

    /// Port to listen on; 0 lets the system choose
    #[arg(
        long,
        env = "FASTERAPI_PORT",
        hide_env_values = true,
        default_value_t = 8000
    )]
    pub port: u16,

    /// Path of a Unix socket to listen on instead
    #[arg(
        long,
        env = "FASTERAPI_UDS",
        hide_env_values = true,
        value_name = "PATH"
    )]
    pub uds: Option<PathBuf>,

    /// Permissions of the Unix socket, in octal, such as 660 [default: what umask leaves of 777]
    #[arg(long, env = "FASTERAPI_UDS_PERMISSIONS", hide_env_values = true, value_name = "MODE",
          value_parser = parse_permissions)]
    pub uds_permissions: Option<u32>,

    /// Descriptor of a listening socket that is passed in, shared by all shards
    #[arg(long, env = "FASTERAPI_FD", hide_env_values = true, value_name = "N")]
    pub fd: Option<i32>,

    /// Connections that may wait in each socket to be accepted; at most net.core.somaxconn and 4096
    #[arg(
        long,
        env = "FASTERAPI_BACKLOG",
        hide_env_values = true,
        default_value_t = 2048,
        value_name = "CONNECTIONS"
    )]
    pub backlog: u32,
}

/// Which processes and threads `fasterapi run` starts.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "Processes")]
pub struct ProcessOptions {
    /// Shard processes; auto is one per CPU that may be used (affinity and cgroup quota)
    #[arg(
        long,
        visible_alias = "workers",
        env = "FASTERAPI_SHARDS",
        hide_env_values = true,
        default_value = "auto",
        value_name = "N|auto"
    )]
    pub shards: Shards,

    /// Let shards move between CPUs instead of pinning each to one
    #[arg(long, env = "FASTERAPI_NO_PIN", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value = "false", default_missing_value = "true",
          hide_default_value = true, value_parser = BoolishValueParser::new(), value_name = "BOOL",
          action = clap::ArgAction::Set, hide_possible_values = true)]
    pub no_pin: bool,

    /// Most threads per shard that run `def` handlers; they start when first needed
    #[arg(
        long,
        env = "FASTERAPI_THREADS",
        hide_env_values = true,
        default_value_t = 40
    )]
    pub threads: usize,

    /// How long a shard may take to import and start the application, in seconds
    #[arg(
        long,
        env = "FASTERAPI_READY_TIMEOUT_S",
        hide_env_values = true,
        default_value_t = 60.0,
        allow_negative_numbers = true,
        value_name = "SECONDS"
    )]
    pub ready_timeout_s: f64,

    /// File that holds the supervisor's process id while it runs
    #[arg(
        long,
        env = "FASTERAPI_PID_FILE",
        hide_env_values = true,
        value_name = "PATH"
    )]
    pub pid_file: Option<PathBuf>,
}

/// What `fasterapi routes` may be told.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct RoutesOptions {
    /// The module and the application in it, such as main:app
    #[arg(
        env = "FASTERAPI_TARGET",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub target: String,

    /// Directory that comes first on sys.path [default: the current directory]
    #[arg(
        long,
        env = "FASTERAPI_APP_DIR",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub app_dir: Option<PathBuf>,

    /// File of NAME=value lines for the application's environment and these options
    #[arg(
        long,
        env = "FASTERAPI_ENV_FILE",
        hide_env_values = true,
        value_name = "PATH"
    )]
    pub env_file: Option<PathBuf>,

    /// Answer the program's `import fastapi` with FasterAPI
    #[arg(long, env = "FASTERAPI_AS_FASTAPI", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value = "false", default_missing_value = "true",
          hide_default_value = true, value_parser = BoolishValueParser::new(), value_name = "BOOL",
          action = clap::ArgAction::Set, hide_possible_values = true)]
    pub as_fastapi: bool,

    /// How the routes are printed
    #[arg(long, default_value = "text")]
    pub format: Format,

    /// What the environment file adds to the environment, for `os.environ` before the import.
    #[arg(skip)]
    pub environment: Vec<(String, String)>,
}

/// How many shards are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shards {
    /// One per CPU that this process may use.
    Auto,
    /// So many.
    Count(usize),
}

impl FromStr for Shards {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(Shards::Auto);
        }
        match text.parse() {
            Ok(count) if (1..=SHARDS_MAX).contains(&count) => Ok(Shards::Count(count)),
            _ => Err(format!("must be auto or a number from 1 to {SHARDS_MAX}")),
        }
    }
}

impl RunOptions {
    /// Checks what no single option can know about itself.
    pub fn validate(&self) -> Result<(), Error> {
        if self.target.trim().is_empty() {
            return Err(Error::TargetMissing);
        }
        if self.listen.uds.is_some() && self.listen.fd.is_some() {
            return Err(Error::OptionsConflict {
                one: "--uds".to_owned(),
                other: "--fd".to_owned(),
            });
        }
        // 0 to 2 are a shard's control socket and its output.
        if let Some(fd) = self.listen.fd.filter(|fd| *fd < 3) {
            return Err(Error::option("--fd", fd, "must be at least 3"));
        }
        if self.listen.host.is_empty() {
            return Err(Error::option("--host", "''", "must name an address"));
        }
        at_least("--backlog", self.listen.backlog.into(), 1)?;
        at_least("--threads", self.processes.threads as u64, 1)?;
        at_most(
            "--threads",
            self.processes.threads as u64,
            THREADS_MAX as u64,
        )?;
        positive_time("--ready-timeout-s", self.processes.ready_timeout_s)?;
        let root_path = &self.application.root_path;
        if !root_path.is_empty() && !root_path.starts_with('/') {
            return Err(Error::option(
                "--root-path",
                root_path,
                "must begin with a slash",
            ));
        }
        self.websocket.validate()?;
        self.limits.validate()
    }

    /// Whether the application is loaded anew when its files change.
    pub fn reloads(&self) -> bool {
        self.reload.reload && !self.reload.no_reload
    }

    /// The root path without its final slash.
    pub fn root_path(&self) -> &str {
        self.application.root_path.trim_end_matches('/')
    }

    /// Whether answers are logged.
    pub fn access_log(&self) -> bool {
        self.log.access_log && !self.log.no_access_log
    }

    /// The directory that comes first on `sys.path`, absolute.
    pub fn app_dir(&self) -> Result<PathBuf, Error> {
        absolute_app_dir(self.application.app_dir.as_ref())
    }
}

impl RoutesOptions {
    /// The directory that comes first on `sys.path`, absolute.
    pub fn app_dir(&self) -> Result<PathBuf, Error> {
        absolute_app_dir(self.app_dir.as_ref())
    }
}

fn absolute_app_dir(given: Option<&PathBuf>) -> Result<PathBuf, Error> {
    let path = given.cloned().unwrap_or_else(|| PathBuf::from("."));
    let missing = |reason: String| Error::AppDirMissing {
        path: path.clone(),
        reason,
    };
    let absolute = path
        .canonicalize()
        .map_err(|error| missing(error.to_string()))?;
    if absolute.is_dir() {
        Ok(absolute)
    } else {
        Err(missing("is not a directory".to_owned()))
    }
}

fn parse_permissions(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text.trim_start_matches("0o"), 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("must be octal, from 0 to 777".to_owned()),
    }
}

fn at_least(option: &str, value: u64, least: u64) -> Result<(), Error> {
    if value < least {
        return Err(Error::option(
            option,
            value,
            &format!("must be at least {least}"),
        ));
    }
    Ok(())
}

fn at_most(option: &str, value: u64, most: u64) -> Result<(), Error> {
    if value > most {
        return Err(Error::option(
            option,
            value,
            &format!("must be at most {most}"),
        ));
    }
    Ok(())
}

fn positive_time(option: &str, seconds: f64) -> Result<(), Error> {
    // Written so that NaN fails.
    if seconds > 0.0 && seconds <= TIMEOUT_S_MAX {
        return Ok(());
    }
    let must = format!("must be more than 0 and at most {TIMEOUT_S_MAX} seconds");
    Err(Error::option(option, seconds, &must))
}

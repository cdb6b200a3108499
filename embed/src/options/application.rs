//! What surrounds the application, as options.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

/// What surrounds the application.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "Application")]
pub struct ApplicationOptions {
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

    /// Path that a proxy strips before it passes requests on
    #[arg(
        long,
        env = "FASTERAPI_ROOT_PATH",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true,
        value_name = "PATH"
    )]
    pub root_path: String,

    /// Put tracebacks into answers; never in production
    #[arg(long, env = "FASTERAPI_DEBUG", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value = "false", default_missing_value = "true",
          hide_default_value = true, value_parser = BoolishValueParser::new(), value_name = "BOOL",
          action = clap::ArgAction::Set, hide_possible_values = true)]
    pub debug: bool,

    /// Answer the program's `import fastapi` with FasterAPI, to serve it as it is
    #[arg(long, env = "FASTERAPI_AS_FASTAPI", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value = "false", default_missing_value = "true",
          hide_default_value = true, value_parser = BoolishValueParser::new(), value_name = "BOOL",
          action = clap::ArgAction::Set, hide_possible_values = true)]
    pub as_fastapi: bool,

    /// Name of the application in the target's module [default: app, api, or the only one]
    #[arg(
        long,
        env = "FASTERAPI_APP",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub app: Option<String>,

    /// The target, as FastAPI's command line takes it too; wins over the one without a name
    #[arg(long, short, value_name = "TARGET")]
    pub entrypoint: Option<String>,
}

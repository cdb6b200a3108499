//! When the application is loaded anew, as options.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

/// What is watched, and whether at all.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "Reload")]
pub struct ReloadOptions {
    /// Load the application anew when one of its files changes
    #[arg(long, env = "FASTERAPI_RELOAD", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value = "false", default_missing_value = "true",
          hide_default_value = true, value_parser = BoolishValueParser::new(), value_name = "BOOL",
          action = clap::ArgAction::Set, hide_possible_values = true,
          overrides_with = "no_reload")]
    pub reload: bool,

    /// Do not, whatever the environment says
    #[arg(long, overrides_with = "reload")]
    pub no_reload: bool,

    /// Directory to watch, with all below; may be given again [default: --app-dir]
    #[arg(long, value_name = "DIR")]
    pub reload_dir: Vec<PathBuf>,

    /// Names of files to watch beside *.py, such as *.html; may be given again
    #[arg(long, value_name = "PATTERN")]
    pub reload_include: Vec<String>,

    /// Names of files and directories not to watch, such as data; may be given again
    #[arg(long, value_name = "PATTERN")]
    pub reload_exclude: Vec<String>,
}

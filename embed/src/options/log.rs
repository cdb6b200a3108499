//! What is logged, and how, as options.

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::logging::{Format, Level};

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "Log (to stderr)")]
pub struct LogOptions {
    /// Log every answer; off by default, for it costs time on the request's path
    #[arg(long, env = "FASTERAPI_ACCESS_LOG", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value = "false", default_missing_value = "true",
          hide_default_value = true, value_parser = BoolishValueParser::new(), value_name = "BOOL",
          action = clap::ArgAction::Set, hide_possible_values = true,
          overrides_with = "no_access_log")]
    pub access_log: bool,

    /// Do not log answers, whatever the environment says
    #[arg(long, overrides_with = "access_log")]
    pub no_access_log: bool,

    /// The least level that is logged
    #[arg(
        long,
        env = "FASTERAPI_LOG_LEVEL",
        hide_env_values = true,
        default_value = "info",
        ignore_case = true,
        value_name = "LEVEL"
    )]
    pub log_level: Level,

    /// How a line looks
    #[arg(
        long,
        env = "FASTERAPI_LOG_FORMAT",
        hide_env_values = true,
        default_value = "text",
        ignore_case = true,
        value_name = "FORMAT"
    )]
    pub log_format: Format,
    /// Whether short lines have colours: auto is on a terminal, unless NO_COLOR is set
    #[arg(long, env = "FASTERAPI_COLOR", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value = "auto", default_missing_value = "always",
          ignore_case = true, value_name = "WHEN")]
    pub color: Color,
}

impl LogOptions {
    /// Whether lines are coloured.
    pub fn has_color(&self) -> bool {
        use std::io::IsTerminal;
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                std::io::stderr().is_terminal() && !refused("NO_COLOR")
            }
        }
    }
}

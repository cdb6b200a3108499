//! What `fasterapi dev` does differently unless it is told.

use clap::{Arg, Command};

/// The options whose defaults differ, and what they are.
const DEFAULTS: [(&str, &str); 7] = [
    ("shards", "1"),
    ("no_pin", "true"),
    ("reload", "true"),
    ("debug", "true"),
    ("access_log", "true"),
    ("log_format", "short"),
    // An old shard lives on for a page that is still streaming, but not for long.
    ("drain_timeout_s", "3"),
];

/// The command line with the defaults of `dev`.
pub fn with_dev_defaults(command: Command) -> Command {
    command.mut_subcommand("dev", |dev| {
        DEFAULTS.iter().fold(dev, |dev, (option, value)| {
            dev.mut_arg(option, |argument: Arg| argument.default_value(*value))
        })
    })
}

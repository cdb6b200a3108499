//! `fasterapi`: the self-contained binary.

use embed::cli::{self, Launcher};
use embed::shard_process::HOOKS;

fn main() {
    let arguments: Vec<_> = std::env::args_os().collect();
    // The link, not its target: an upgrade may replace the file while the supervisor runs.
    let program = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    let launcher = Launcher {
        program,
        arguments: Vec::new(),
    };
    std::process::exit(cli::main(arguments, launcher, HOOKS));
}

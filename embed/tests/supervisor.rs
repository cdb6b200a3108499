//! The supervisor as a process: this executable runs the tests, and is `fasterapi` with a fake
//! shard when its first argument is one of the commands.

// Clippy knows tests by #[test], which an executable of one's own does not have.
#![allow(clippy::unwrap_used)]

#[path = "supervisor_harness/fake_shard.rs"]
mod fake_shard;
#[path = "supervisor_harness/lifecycle.rs"]
mod lifecycle;
#[path = "supervisor_harness/links.rs"]
mod links;
#[path = "supervisor_harness/server.rs"]
mod server;
#[path = "supervisor_harness/sockets.rs"]
mod sockets;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use embed::cli::{Hooks, Launcher};

/// A test and its name.
type Test = (&'static str, fn());

/// Tests that run at the same time; they mostly wait.
const PARALLEL: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let first = arguments.get(1).and_then(|first| first.to_str());
    if let Some("run" | "shard" | "routes" | "--version") = first {
        let launcher = Launcher {
            program: std::env::var_os("FAKE_PROGRAM").map_or_else(
                || std::env::current_exe().expect("our own path"),
                Into::into,
            ),
            arguments: Vec::new(),
        };
        let hooks = Hooks {
            shard: fake_shard::run,
            routes: |options| i32::from(options.target != "fake:app"),
        };
        let code = embed::cli::main(arguments, launcher, hooks);
        return ExitCode::from(u8::try_from(code).unwrap_or(255));
    }
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    // cargo-nextest starts one process for each test: `--exact NAME --nocapture`.
    let filter = (arguments
        .iter()
        .skip(1)
        .filter_map(|argument| argument.to_str()))
    .find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| {
        filter.is_none_or(|filter| name == filter || !flag("--exact") && name.contains(filter))
    };
    let tests = [lifecycle::TESTS, links::TESTS, sockets::TESTS].concat();
    if flag("--list") {
        // cargo-nextest asks twice: for all tests, and for those that are ignored.
        if !flag("--ignored") {
            tests.iter().for_each(|(name, _)| println!("{name}: test"));
        }
        return ExitCode::SUCCESS;
    }
    run_all(
        &tests
            .into_iter()
            .filter(|(name, _)| is_wanted(name))
            .collect::<Vec<_>>(),
    )
}

fn run_all(tests: &[Test]) -> ExitCode {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some((name, test)) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let passed = catch_unwind(test).is_ok();
                    let word = if passed { "ok" } else { "FAILED" };
                    println!(
                        "test {name} ... {word} ({} ms)",
                        began.elapsed().as_millis()
                    );
                    if !passed {
                        failed.lock().expect("the list").push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("the list");
    let (count, seconds) = (tests.len(), started.elapsed().as_secs_f64());
    println!(
        "{} of {count} passed in {seconds:.1} s; failed: {failed:?}",
        count - failed.len()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

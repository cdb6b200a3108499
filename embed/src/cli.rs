//! Reads the command line and starts what it asks for.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{CommandFactory, FromArgMatches};
use nix::sys::signal::{SigSet, Signal};

use crate::control::ShardEnd;
use crate::env_file;
use crate::error::Error;
use crate::logging::{self, Format, Level};
use crate::options::{
    COMMON_VARIABLE, Command, CommandLine, RoutesOptions, RunOptions, with_dev_defaults,
};
use crate::{discover, supervisor};

/// How this program starts itself anew as a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// What to execute: this binary, or the Python that runs the `fasterapi` package.
    pub program: PathBuf,
    /// What comes before the command, such as `-m fasterapi`.
    pub arguments: Vec<OsString>,
}

/// What needs Python, and therefore lives elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// Runs one shard until it is told to end; returns the exit code.
    pub shard: fn(ShardEnd) -> i32,
    /// Prints an application's routes; returns the exit code.
    pub routes: fn(&RoutesOptions) -> i32,
}

/// Does what the command line says, whose first argument is the program's name; returns the
/// exit code.
pub fn main(arguments: Vec<OsString>, launcher: Launcher, hooks: Hooks) -> i32 {
    let (command_line, environment) = match parse(&arguments) {
        Ok(parsed) => parsed,
        Err(Refusal::Clap(error)) => {
            // Nobody is left to tell when this fails.
            let _ = error.print();
            return error.exit_code();
        }
        Err(Refusal::Ours(error)) => return fail(&error, Format::Text),
    };
    match command_line.command {
        Command::Run(options) => run(*options, environment, &launcher),
        Command::Dev(options) => {
            let options = RunOptions {
                is_dev: true,
                ..*options
            };
            run(options, environment, &launcher)
        }
        Command::Routes(mut options) => {
            logging::configure(Level::Warning, Format::Text, None);
            options.environment = environment;
            let found = options
                .app_dir()
                .and_then(|folder| discover::target(&options.target, None, &folder));
            match found {
                Ok(target) => options.target = target,
                Err(error) => return fail(&error, Format::Text),
            }
            (hooks.routes)(&options)
        }
        Command::Shard => shard(hooks),
    }
}

fn run(mut options: RunOptions, environment: Vec<(String, String)>, launcher: &Launcher) -> i32 {
    logging::configure(options.log.log_level, options.log.log_format, None);
    logging::set_color(options.log.has_color());
    let ended = find_target(&options)
        .and_then(|target| {
            options.target = target;
            options.validate()
        })
        .and_then(|()| supervisor::run(&options, environment, launcher));
    ended.unwrap_or_else(|error| fail(&error, options.log.log_format))
}

fn find_target(options: &RunOptions) -> Result<String, Error> {
    let application = &options.application;
    let given = application.entrypoint.as_ref().unwrap_or(&options.target);
    discover::target(given, application.app.as_deref(), &options.app_dir()?)
}

fn shard(hooks: Hooks) -> i32 {
    let control = take_signals().and_then(|()| ShardEnd::from_stdin());
    match control {
        Ok(control) => (hooks.shard)(control),
        Err(error) => fail(&error, Format::Text),
    }
}

/// Leaves the terminal's and systemd's signals to the supervisor, which tells the shards.
///
/// By handlers that do nothing: a handler ends at `exec`, but an ignored or blocked signal stays
/// so in whatever the application starts, and `Popen.terminate` would do nothing.
fn take_signals() -> Result<(), Error> {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signal_hook::flag::register(signal as i32, Arc::new(AtomicBool::new(false)))
            .map_err(|error| Error::system("installing a signal handler", error))?;
    }
    // The supervisor had blocked what it reads from its signal descriptor.
    SigSet::empty()
        .thread_set_mask()
        .map_err(|errno| Error::system("restoring the signal mask", errno))
}

/// Says what went wrong, in the user's format; returns the exit code.
fn fail(error: &Error, format: Format) -> i32 {
    match format {
        Format::Text | Format::Short => eprintln!("fasterapi: {error}"),
        Format::Json => logging::error(error),
    }
    error.exit_code()
}

/// Why a command line is not carried out; help and version are among clap's reasons.
#[derive(Debug)]
enum Refusal {
    Clap(clap::Error),
    Ours(Error),
}

/// The command line, and what the environment file adds to the environment.
type Parsed = (CommandLine, Vec<(String, String)>);

/// Reads the command line twice if it names an environment file, which may hold options too.
fn parse(arguments: &[OsString]) -> Result<Parsed, Refusal> {
    let first = parse_with(arguments, &[])?;
    let path = match &first.command {
        Command::Run(options) | Command::Dev(options) => options.application.env_file.as_ref(),
        Command::Routes(options) => options.env_file.as_ref(),
        Command::Shard => None,
    };
    let Some(path) = path else {
        return Ok((first, Vec::new()));
    };
    let environment = env_file::load(path).map_err(Refusal::Ours)?;
    let second = parse_with(arguments, &environment)?;
    Ok((second, environment))
}

/// Reads the command line with some options' defaults taken from an environment file, which
/// puts them below the command line and the real environment.
fn parse_with(
    arguments: &[OsString],
    environment: &[(String, String)],
) -> Result<CommandLine, Refusal> {
    let from_file = |argument: clap::Arg| {
        let name = argument.get_env().and_then(|name| name.to_str());
        let value = environment
            .iter()
            .find(|(variable, value)| Some(variable.as_str()) == name && !value.is_empty());
        match value {
            // Clap keeps borrowed defaults only; this is read once per process.
            Some((_, value)) => argument.default_value(&*value.clone().leak()),
            None => argument,
        }
    };
    let mut command = with_dev_defaults(CommandLine::command());
    let trusted = common_list(environment);
    for name in ["run", "dev", "routes"] {
        command = command.mut_subcommand(name, |command| {
            let command = match &trusted {
                Some(list) if name != "routes" => {
                    command.mut_arg("forwarded_allow_ips", |argument| {
                        // As below.
                        argument.default_value(&*list.clone().leak())
                    })
                }
                _ => command,
            };
            command.mut_args(from_file)
        });
    }
    // As Python's `-m` the first argument is a path that would stand in the help.
    let name = OsString::from("fasterapi");
    command
        .try_get_matches_from(std::iter::once(&name).chain(arguments.iter().skip(1)))
        .and_then(|matches| CommandLine::from_arg_matches(&matches))
        .map_err(Refusal::Clap)
}

/// The list of trusted proxies in the variable that other servers share, whose default it becomes.
fn common_list(environment: &[(String, String)]) -> Option<String> {
    std::env::var(COMMON_VARIABLE).ok().or_else(|| {
        let mut variables = environment.iter();
        let found = variables.find(|(name, _)| name == COMMON_VARIABLE);
        found.map(|(_, value)| value.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_options(arguments: &str, environment: &[(&str, &str)]) -> Result<RunOptions, String> {
        let arguments: Vec<OsString> = arguments.split_whitespace().map(Into::into).collect();
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        match parse_with(&arguments, &environment) {
            Ok(CommandLine {
                command: Command::Run(options) | Command::Dev(options),
            }) => Ok(*options),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_command_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let file = [
            ("FASTERAPI_PORT", "9000"),
            ("FASTERAPI_DEBUG", "1"),
            ("FASTERAPI_SHARDS", "3"),
            ("FASTERAPI_TARGET", "other:app"),
            ("FASTERAPI_HOST", ""),
        ];
        let options = run_options("fasterapi run main:app --shards 2", &file).unwrap();
        assert_eq!(options.target, "main:app");
        assert_eq!(options.listen.port, 9000);
        assert_eq!(options.listen.host, "127.0.0.1");
        assert_eq!(options.processes.shards, crate::options::Shards::Count(2));
        assert!(options.application.debug);
        let options = run_options("fasterapi run", &file).unwrap();
        assert_eq!(options.target, "other:app");
    }

    #[test]
    fn a_flag_may_have_a_value_and_may_be_taken_back() {
        let options = |arguments| run_options(arguments, &[]).unwrap();
        assert!(options("fasterapi run a:b --debug").application.debug);
        assert!(!options("fasterapi run a:b --debug=false").application.debug);
        assert!(options("fasterapi run --no-pin a:b").processes.no_pin);
        assert!(options("fasterapi run a:b --access-log").access_log());
        assert!(!options("fasterapi run a:b --access-log --no-access-log").access_log());
        assert!(options("fasterapi run a:b --no-access-log --access-log").access_log());
        let by_file = [("FASTERAPI_ACCESS_LOG", "yes")];
        assert!(
            run_options("fasterapi run a:b", &by_file)
                .unwrap()
                .access_log()
        );
        let taken_back = run_options("fasterapi run a:b --no-access-log", &by_file).unwrap();
        assert!(!taken_back.access_log());
    }

    #[test]
    fn proxies_are_trusted_as_elsewhere() {
        let trusted = |arguments: &str, file: &[(&str, &str)]| {
            run_options(arguments, file).map(|options| options.proxy.trusted())
        };
        let list = |list: &str| Ok(Some(list.parse().unwrap()));
        let common = [("FORWARDED_ALLOW_IPS", "10.0.0.0/8")];
        let both = [("FASTERAPI_FORWARDED_ALLOW_IPS", "1.1.1.1"), common[0]];
        assert_eq!(trusted("fasterapi run a:b", &[]), list("127.0.0.1,::1"));
        assert_eq!(trusted("fasterapi run a:b", &common), list("10.0.0.0/8"));
        assert_eq!(trusted("fasterapi dev a:b", &both), list("1.1.1.1"));
        let given = "fasterapi run --proxy-headers --forwarded-allow-ips * main.py";
        assert_eq!(trusted(given, &both), list("*"));
        let refused = ["--no-proxy-headers", "--proxy-headers --no-proxy-headers"];
        for flags in refused {
            assert_eq!(
                trusted(&format!("fasterapi run a:b {flags}"), &both),
                Ok(None)
            );
        }
        let off = [("FASTERAPI_PROXY_HEADERS", "0")];
        assert_eq!(trusted("fasterapi run a:b", &off), Ok(None));
        let taken_back = "fasterapi run --no-proxy-headers --proxy-headers main.py";
        assert_eq!(trusted(taken_back, &off), list("127.0.0.1,::1"));
        let error = trusted("fasterapi run a:b --forwarded-allow-ips localhost", &[]);
        assert!(error.is_err_and(|error| error.contains("must be *, an address")));
    }

    #[test]
    fn dev_has_defaults_of_its_own_that_can_be_taken_back() {
        let dev = run_options("fasterapi dev", &[]).unwrap();
        assert!(dev.reloads() && dev.application.debug && dev.access_log());
        assert_eq!(dev.processes.shards, crate::options::Shards::Count(1));
        assert_eq!(dev.log.log_format, Format::Short);
        assert!(
            !run_options("fasterapi dev --no-reload", &[])
                .unwrap()
                .reloads()
        );
        let file = [
            ("FASTERAPI_LOG_FORMAT", "json"),
            ("FASTERAPI_AS_FASTAPI", "1"),
        ];
        let dev = run_options("fasterapi dev --workers 2", &file).unwrap();
        assert_eq!(dev.log.log_format, Format::Json);
        assert_eq!(dev.processes.shards, crate::options::Shards::Count(2));
        assert!(dev.application.as_fastapi);
        let run = run_options("fasterapi run -e main:app --reload", &[]).unwrap();
        assert!(run.reloads() && !run.application.debug);
        assert_eq!(run.application.entrypoint.as_deref(), Some("main:app"));
    }

    #[test]
    fn values_out_of_range_are_refused_with_a_sentence() {
        let sentence = |arguments: &str| {
            let options = run_options(&format!("fasterapi run {arguments}"), &[])?;
            options.validate().map_err(|error| error.to_string())
        };
        assert_eq!(sentence("a:b"), Ok(()));
        assert_eq!(sentence("a:b --drain-timeout-s 0"), Ok(()));
        let refused = |arguments| sentence(arguments).unwrap_err();
        assert!(refused("").contains("what shall be run?"));
        assert!(refused("a:b --header-timeout-s -1").contains("--header-timeout-s -1: must be"));
        assert!(refused("a:b --send-timeout-s nan").contains("must be more than 0"));
        assert!(refused("a:b --drain-timeout-s inf").contains("must be more than 0"));
        assert!(refused("a:b --port 70000").contains("70000"));
        assert!(refused("a:b --shards 0").contains("must be auto or a number"));
        assert!(refused("a:b --threads 0").contains("--threads 0: must be at least 1"));
        assert!(refused("a:b --fd 2").contains("--fd 2: must be at least 3"));
        assert!(refused("a:b --root-path api").contains("must begin with a slash"));
        assert!(refused("a:b --uds x --fd 3").contains("give only one"));
        assert!(refused("a:b --head-bytes-max 1000").contains("must not exceed"));
        assert!(refused("a:b --uds-permissions 999").contains("octal"));
    }
}

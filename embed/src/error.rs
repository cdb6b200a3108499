//! What can go wrong between the command line and a serving shard: what, where, and how to mend it.

use std::fmt;
use std::path::PathBuf;

/// Every failure of the command line and the supervisor, in the words the user reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// An option has a value that cannot be used.
    OptionInvalid {
        /// The option as it is written on the command line, such as `--port`.
        option: String,
        /// The value that was given.
        value: String,
        /// What a value must be, as the end of a sentence.
        must: String,
    },
    /// Two options were given that contradict each other.
    OptionsConflict {
        /// One option, as written.
        one: String,
        /// The other option, as written.
        other: String,
    },
    /// `fasterapi run` was not told what to run.
    TargetMissing,
    /// The environment file could not be read.
    EnvFileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A line of the environment file is not `NAME=value`.
    EnvFileSyntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The application directory is not there.
    AppDirMissing {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The host name has no address.
    HostUnknown {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// The host's address does not belong to this machine.
    HostForeign {
        /// The name.
        host: String,
    },
    /// Another process listens on the port.
    PortInUse {
        /// The host as given.
        host: String,
        /// The port.
        port: u16,
    },
    /// The port needs a privilege that this process lacks.
    PortDenied {
        /// The host as given.
        host: String,
        /// The port.
        port: u16,
    },
    /// Another server listens on the Unix socket.
    UdsInUse {
        /// The socket's path.
        path: PathBuf,
    },
    /// Something other than a socket lies at the Unix socket's path.
    UdsNotSocket {
        /// The path.
        path: PathBuf,
    },
    /// The Unix socket could not be made.
    UdsUnusable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// An inherited descriptor is not open, or not a socket.
    FdNotSocket {
        /// The descriptor.
        fd: i32,
    },
    /// An inherited socket is not a listening stream socket.
    FdNotListening {
        /// The descriptor.
        fd: i32,
    },
    /// systemd's `LISTEN_FDS` cannot be understood.
    ListenFdsInvalid {
        /// Its value.
        value: String,
    },
    /// The kernel is older than the reactor needs.
    KernelTooOld {
        /// The running kernel's release.
        release: String,
    },
    /// `kernel.io_uring_disabled` forbids io_uring to this process.
    IoUringDisabled {
        /// The setting's value, 1 or 2.
        value: u32,
    },
    /// io_uring is refused, as a container's seccomp filter does.
    IoUringDenied,
    /// The kernel was built without io_uring.
    IoUringMissing,
    /// Too little memory may be locked for io_uring's rings.
    MemlockTooLow {
        /// The hard limit, in bytes.
        limit_bytes: u64,
        /// What a shard needs, in bytes.
        needed_bytes: u64,
    },
    /// The pid file could not be written.
    PidFileUnusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A shard process could not be started.
    SpawnFailed {
        /// The program that was to run.
        program: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A shard said that it cannot serve; the words are its own.
    ShardFailed {
        /// What the shard said.
        message: String,
    },
    /// A shard ended before it was ready, without a word.
    ShardDied {
        /// How it ended, such as `was killed by SIGSEGV`.
        how: String,
    },
    /// A shard did not become ready in time.
    ShardSlow {
        /// The time it had, in seconds.
        timeout_s: f64,
    },
    /// The hidden `shard` command was run by something other than the supervisor.
    ControlMissing,
    /// The other end of the control socket is gone.
    ControlClosed,
    /// The other end of the control socket does not read.
    ControlFull,
    /// A control message cannot be understood or is out of order.
    ControlMessageInvalid {
        /// What is wrong with it.
        reason: String,
    },
    /// A control message is larger than a packet may be.
    ControlMessageTooLarge {
        /// Its size, in bytes.
        bytes: usize,
    },
    /// A system call failed that has no business failing.
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        reason: String,
    },
}

impl Error {
    /// The exit code this failure deserves: 2 for a wrong command line, 1 for the rest.
    pub fn exit_code(&self) -> i32 {
        match self {
            Error::OptionInvalid { .. }
            | Error::OptionsConflict { .. }
            | Error::TargetMissing
            | Error::EnvFileUnreadable { .. }
            | Error::EnvFileSyntax { .. }
            | Error::AppDirMissing { .. }
            | Error::ControlMissing => 2,
            _ => 1,
        }
    }

    /// Names the option whose value is of no use, and says what a value must be.
    pub fn option(option: &str, value: impl fmt::Display, must: &str) -> Self {
        Error::OptionInvalid {
            option: option.to_owned(),
            value: value.to_string(),
            must: must.to_owned(),
        }
    }

    /// Names the system call that failed.
    pub fn system(what: &'static str, reason: impl fmt::Display) -> Self {
        Error::System {
            what,
            reason: reason.to_string(),
        }
    }

    fn write_usage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::OptionInvalid {
                option,
                value,
                must,
            } => write!(f, "{option} {value}: {must}"),
            Error::OptionsConflict { one, other } => write!(
                f,
                "{one} and {other} both say where to listen: give only one"
            ),
            Error::TargetMissing => f.write_str(
                "what shall be run? name the module and the application in it, as in \
                 'fasterapi run main:app'; without a name main.py, app.py, api.py, one of these in \
                 app/, or the entrypoint in pyproject.toml is served, but there is none",
            ),
            Error::EnvFileUnreadable { path, reason } => {
                write!(f, "--env-file {}: {reason}", path.display())
            }
            Error::EnvFileSyntax { path, line, reason } => {
                write!(f, "{}, line {line}: {reason}", path.display())
            }
            Error::AppDirMissing { path, reason } => {
                write!(f, "--app-dir {}: {reason}", path.display())
            }
            _ => self.write_socket(f),
        }
    }

    fn write_socket(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::HostUnknown { host, reason } => write!(
                f,
                "--host {host} has no address ({reason}): give an address of this machine, \
                 or 0.0.0.0 for all of them"
            ),
            Error::HostForeign { host } => write!(
                f,
                "--host {host} is not an address of this machine: give one that is, \
                 or 0.0.0.0 for all of them"
            ),
            Error::PortInUse { host, port } => write!(
                f,
                "port {port} on {host} is in use by another process: choose another with \
                 --port, or stop it"
            ),
            Error::PortDenied { host, port } => write!(
                f,
                "port {port} on {host} needs root or CAP_NET_BIND_SERVICE: choose one above \
                 1023 with --port, or let systemd pass the socket"
            ),
            Error::UdsInUse { path } => write!(
                f,
                "another server listens on {}: choose another path with --uds, or stop it",
                path.display()
            ),
            Error::UdsNotSocket { path } => write!(
                f,
                "{} exists and is not a socket: choose another path with --uds, or remove it",
                path.display()
            ),
            Error::UdsUnusable { path, reason } => {
                write!(f, "--uds {}: {reason}", path.display())
            }
            Error::FdNotSocket { fd } => write!(
                f,
                "descriptor {fd} is not an open socket: whoever starts fasterapi must pass a \
                 listening one"
            ),
            Error::FdNotListening { fd } => write!(
                f,
                "descriptor {fd} is not a listening stream socket: whoever starts fasterapi \
                 must call listen on it"
            ),
            Error::ListenFdsInvalid { value } => write!(
                f,
                "LISTEN_FDS is '{value}': it must be the number of sockets that are passed"
            ),
            _ => self.write_system(f),
        }
    }

    fn write_system(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::KernelTooOld { release } => write!(
                f,
                "the kernel is {release}: FasterAPI needs Linux 5.8 or newer for io_uring"
            ),
            Error::IoUringDisabled { value } => write!(
                f,
                "io_uring is switched off: kernel.io_uring_disabled is {value}, and must be 0 \
                 ('sysctl kernel.io_uring_disabled=0' as root)"
            ),
            Error::IoUringDenied => f.write_str(
                "io_uring is refused to this process: a container's seccomp profile must allow \
                 io_uring_setup, io_uring_enter and io_uring_register (Docker: \
                 --security-opt seccomp=PROFILE)",
            ),
            Error::IoUringMissing => f.write_str(
                "the kernel has no io_uring: it must be built with CONFIG_IO_URING, and a \
                 sandbox such as gVisor must offer it",
            ),
            Error::MemlockTooLow {
                limit_bytes,
                needed_bytes,
            } => write!(
                f,
                "only {limit_bytes} bytes of memory may be locked and io_uring needs \
                 {needed_bytes}: raise the limit ('ulimit -l 512', LimitMEMLOCK=512K in \
                 systemd, --ulimit memlock=524288 in Docker)"
            ),
            Error::PidFileUnusable { path, reason } => {
                write!(f, "--pid-file {}: {reason}", path.display())
            }
            Error::System { what, reason } => write!(f, "{what} failed: {reason}"),
            _ => self.write_shard(f),
        }
    }

    fn write_shard(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::SpawnFailed { program, reason } => {
                write!(f, "cannot start {} as a shard: {reason}", program.display())
            }
            Error::ShardFailed { message } => f.write_str(message),
            Error::ShardDied { how } => write!(f, "a shard {how} before it was ready"),
            Error::ShardSlow { timeout_s } => write!(
                f,
                "a shard was not ready after {timeout_s} s: see what the application does while \
                 it is imported and started, or raise --ready-timeout-s"
            ),
            Error::ControlMissing => f.write_str(
                "'fasterapi shard' is started by the supervisor only: use 'fasterapi run'",
            ),
            Error::ControlClosed => f.write_str("the other end of the control socket is gone"),
            Error::ControlFull => {
                f.write_str("the other end of the control socket does not read its messages")
            }
            Error::ControlMessageInvalid { reason } => {
                write!(f, "a control message is of no use: {reason}")
            }
            Error::ControlMessageTooLarge { bytes } => {
                write!(f, "a control message of {bytes} bytes is too large to send")
            }
            // Every other variant was written by the functions that lead here.
            _ => write!(f, "{self:?}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_usage(f)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row per variant: the failure, its exit code, and what it must say.
    #[rustfmt::skip]
    fn rows() -> Vec<(Error, i32, &'static str)> {
        let path = || PathBuf::from("/p");
        let reason = || "why".to_owned();
        let host = || "h".to_owned();
        let (one, other) = ("--a".to_owned(), "--b".to_owned());
        vec![
            (Error::option("--x", 7, "must be 8"), 2, "--x 7: must be 8"),
            (Error::OptionsConflict { one, other }, 2, "--a and --b"),
            (Error::TargetMissing, 2, "fasterapi run main:app"),
            (Error::EnvFileUnreadable { path: path(), reason: reason() }, 2, "--env-file /p: why"),
            (Error::EnvFileSyntax { path: path(), line: 3, reason: reason() }, 2, "/p, line 3: why"),
            (Error::AppDirMissing { path: path(), reason: reason() }, 2, "--app-dir /p: why"),
            (Error::HostUnknown { host: host(), reason: reason() }, 1, "has no address (why)"),
            (Error::HostForeign { host: host() }, 1, "--host h is not an address of this machine"),
            (Error::PortInUse { host: host(), port: 1 }, 1, "port 1 on h is in use"),
            (Error::PortDenied { host: host(), port: 1 }, 1, "CAP_NET_BIND_SERVICE"),
            (Error::UdsInUse { path: path() }, 1, "another server listens on /p"),
            (Error::UdsNotSocket { path: path() }, 1, "/p exists and is not a socket"),
            (Error::UdsUnusable { path: path(), reason: reason() }, 1, "--uds /p: why"),
            (Error::FdNotSocket { fd: 4 }, 1, "descriptor 4 is not an open socket"),
            (Error::FdNotListening { fd: 4 }, 1, "descriptor 4 is not a listening"),
            (Error::ListenFdsInvalid { value: "x".into() }, 1, "LISTEN_FDS is 'x'"),
            (Error::KernelTooOld { release: "4.19".into() }, 1, "the kernel is 4.19"),
            (Error::IoUringDisabled { value: 2 }, 1, "kernel.io_uring_disabled is 2"),
            (Error::IoUringDenied, 1, "seccomp"),
            (Error::IoUringMissing, 1, "CONFIG_IO_URING"),
            (Error::MemlockTooLow { limit_bytes: 1, needed_bytes: 2 }, 1, "only 1 bytes"),
            (Error::PidFileUnusable { path: path(), reason: reason() }, 1, "--pid-file /p: why"),
            (Error::SpawnFailed { program: path(), reason: reason() }, 1, "cannot start /p"),
            (Error::ShardFailed { message: reason() }, 1, "why"),
            (Error::ShardDied { how: "died".into() }, 1, "a shard died before it was ready"),
            (Error::ShardSlow { timeout_s: 1.5 }, 1, "not ready after 1.5 s"),
            (Error::ControlMissing, 2, "use 'fasterapi run'"),
            (Error::ControlClosed, 1, "is gone"),
            (Error::ControlFull, 1, "does not read"),
            (Error::ControlMessageInvalid { reason: reason() }, 1, "of no use: why"),
            (Error::ControlMessageTooLarge { bytes: 9 }, 1, "9 bytes is too large"),
            (Error::system("trying", "why"), 1, "trying failed: why"),
        ]
    }

    #[test]
    fn every_variant_says_what_it_is_about_and_how_to_exit() {
        for (error, code, sentence) in rows() {
            assert!(
                error.to_string().contains(sentence),
                "{error:?} says {error}"
            );
            assert_eq!(error.exit_code(), code, "{error:?}");
        }
    }

    #[test]
    fn every_variant_has_its_row() {
        let name = |text: &str| text.split([' ', '(']).next().map(str::to_owned);
        let tested: Vec<_> = rows()
            .iter()
            .filter_map(|row| name(&format!("{:?}", row.0)))
            .collect();
        let source = include_str!("error.rs");
        let variants = source
            .lines()
            .skip_while(|line| !line.starts_with("pub enum Error"))
            .skip(1)
            .take_while(|line| *line != "}")
            .filter_map(|line| line.strip_prefix("    ")?.strip_suffix([',', '{']))
            .map(str::trim)
            .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
        let missing: Vec<_> = variants
            .filter(|v| !tested.contains(&(*v).to_owned()))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

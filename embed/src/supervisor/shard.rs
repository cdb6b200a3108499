//! One shard process as the supervisor sees it: started, spoken to, killed and buried.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use crate::cli::Launcher;
use crate::control::{self, DrainReason, FromShard, ShardConfig, SupervisorEnd, ToShard};
use crate::error::Error;
use crate::logging;
use crate::systemd;

use super::links::Links;

/// How long a shard that was told to stop at once may take before it is killed.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(1);

/// How long past its drain deadline a shard lives before it is killed.
pub(super) const DRAIN_MARGIN: Duration = Duration::from_secs(1);

/// Where a shard is in its life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// Imports and starts the application, until the given moment at the latest.
    Starting { ready_by: Instant },
    /// Serves, since the given moment.
    Ready { since: Instant },
    /// Answers what is in flight.
    Draining,
    /// Was told to end at once.
    Stopping,
}

/// One shard process.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) index: usize,
    pub(super) generation: u64,
    /// Which process of the server it is.
    pub(super) process: u32,
    pub(super) pid: Pid,
    pub(super) phase: Phase,
    /// Gone once the shard has closed its end.
    pub(super) control: Option<SupervisorEnd>,
    /// What it and the others are told of each other.
    pub(super) links: Links,
    /// When it is killed if it has not ended.
    pub(super) kill_at: Option<Instant>,
    /// What it said, or what is to be said of it, before it could serve.
    pub(super) failure: Option<Error>,
    /// The path of the application's documentation page, once it is known.
    pub(super) docs: Option<String>,
    /// Whether it said that everything was answered.
    pub(super) drained: bool,
    killed: bool,
}

impl Shard {
    /// Starts a process and tells it what to serve.
    pub(super) fn start(
        launcher: &Launcher,
        environment: &[(String, String)],
        config: ShardConfig,
        ready_timeout: Duration,
    ) -> Result<Self, Error> {
        let (control, theirs) = control::pair()?;
        let links = Links::new()?;
        let (index, generation, process) = (config.index, config.generation, config.process);
        let mut command = Command::new(&launcher.program);
        command
            .args(&launcher.arguments)
            .arg("shard")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(theirs.into_owned_fd()));
        for name in systemd::VARIABLES {
            command.env_remove(name);
        }
        let child = command.spawn().map_err(|error| Error::SpawnFailed {
            program: launcher.program.clone(),
            reason: error.to_string(),
        })?;
        // Process ids are pid_t, which std gives as u32.
        let pid = Pid::from_raw(child.id().cast_signed());
        let shard = Self {
            index,
            generation,
            process,
            pid,
            phase: Phase::Starting {
                ready_by: Instant::now() + ready_timeout,
            },
            control: Some(control),
            links,
            kill_at: None,
            failure: None,
            docs: None,
            drained: false,
            killed: false,
        };
        shard.tell(&ToShard::Configure(Box::new(config)));
        logging::debug(format_args!("{shard} started"));
        Ok(shard)
    }

    /// Whether connections may be with this shard.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    /// Asks for an orderly end: drains a shard that serves, stops one that does not yet.
    pub(super) fn drain(&mut self, reason: DrainReason, deadline: Duration) {
        match self.phase {
            Phase::Starting { .. } => self.stop(),
            Phase::Ready { .. } => {
                self.phase = Phase::Draining;
                self.kill_before(Instant::now() + deadline + DRAIN_MARGIN);
                self.tell(&ToShard::Drain {
                    deadline_s: deadline.as_secs_f64(),
                    reason,
                });
            }
            Phase::Draining | Phase::Stopping => {}
        }
    }

    /// Asks for an end at once.
    pub(super) fn stop(&mut self) {
        if self.phase != Phase::Stopping {
            self.phase = Phase::Stopping;
            self.kill_before(Instant::now() + STOP_GRACE);
            self.tell(&ToShard::Stop);
        }
    }

    /// Ends the process, whatever it does.
    pub(super) fn kill(&mut self) {
        self.kill_at = None;
        self.killed = true;
        // Until it is reaped the id stays its own, so this cannot hit a stranger.
        if let Err(errno) = kill(self.pid, Signal::SIGKILL) {
            logging::debug(format_args!("{self} is not to be killed: {errno}"));
        }
    }

    /// Kills the shard if its time is over.
    pub(super) fn check_time(&mut self, now: Instant, ready_timeout: Duration) {
        if let Phase::Starting { ready_by } = self.phase
            && ready_by <= now
            && self.failure.is_none()
        {
            self.failure = Some(Error::ShardSlow {
                timeout_s: ready_timeout.as_secs_f64(),
            });
            self.kill();
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            match self.phase {
                Phase::Draining if !self.drained => {
                    logging::error(format_args!(
                        "{self} did not drain in time and is killed; requests are lost"
                    ));
                }
                // It was told to end at once, so nothing in it matters.
                Phase::Stopping => logging::debug(format_args!("{self} is killed")),
                _ => logging::warning(format_args!("{self} does not end and is killed")),
            }
            self.kill();
        }
    }

    /// When `check_time` has something to do.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let ready_by = match self.phase {
            Phase::Starting { ready_by } if self.failure.is_none() => Some(ready_by),
            _ => None,
        };
        let tell_at = self.links.next_time();
        self.kill_at
            .into_iter()
            .chain(ready_by)
            .chain(tell_at)
            .min()
    }

    /// Takes what the shard has said; returns how long it took to start if it has become ready.
    pub(super) fn listen(&mut self) -> Option<u64> {
        let mut became_ready = None;
        while let Some(control) = &self.control {
            match control.try_receive() {
                Ok(None) => break,
                Ok(Some(message)) => became_ready = self.hear(message).or(became_ready),
                Err(_) => {
                    self.control = None;
                    // It cannot be told to drain any more, and is most likely on its way out.
                    self.kill_before(Instant::now() + STOP_GRACE.max(self.time_left()));
                }
            }
        }
        became_ready
    }

    fn hear(&mut self, message: FromShard) -> Option<u64> {
        match message {
            FromShard::Ready { started_ms, docs } => {
                self.docs = docs;
                if let Phase::Starting { .. } = self.phase {
                    let since = Instant::now();
                    self.phase = Phase::Ready { since };
                    return Some(started_ms);
                }
            }
            FromShard::Failed { message } => {
                self.failure = Some(Error::ShardFailed { message });
                self.kill_before(Instant::now() + STOP_GRACE);
            }
            FromShard::Drained => self.drained = true,
        }
        None
    }

    fn tell(&self, message: &ToShard) {
        if let Some(control) = &self.control
            && let Err(error) = control.send(message)
        {
            // Its deadline deals with it.
            logging::debug(format_args!("{self} does not hear: {error}"));
        }
    }

    fn kill_before(&mut self, deadline: Instant) {
        self.kill_at = Some(self.kill_at.map_or(deadline, |at| at.min(deadline)));
    }

    /// What is left to a draining shard.
    fn time_left(&self) -> Duration {
        match (self.phase, self.kill_at) {
            (Phase::Draining, Some(at)) => at.saturating_duration_since(Instant::now()),
            _ => Duration::ZERO,
        }
    }

    /// Whether it ended as it was told to, with nothing lost.
    pub(super) fn ended_well(&self, end: End) -> bool {
        self.drained || (!self.killed && end == End::Exited(0))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "shard {} (pid {}, generation {})",
            self.index, self.pid, self.generation
        )
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Exited(i32),
    Signaled(Signal, bool),
}

impl End {
    /// The process and its end, of a wait that found one.
    pub(super) fn of(status: WaitStatus) -> Option<(Pid, Self)> {
        match status {
            WaitStatus::Exited(pid, code) => Some((pid, End::Exited(code))),
            WaitStatus::Signaled(pid, signal, core) => Some((pid, End::Signaled(signal, core))),
            _ => None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exited(code) => write!(f, "ended with exit code {code}"),
            End::Signaled(signal, false) => write!(f, "was killed by {signal}"),
            End::Signaled(signal, true) => write!(f, "was killed by {signal} and left a core"),
        }
    }
}

/// The next child that has ended, if any; also children that only became ours because this is
/// process 1 of a container.
pub(super) fn reap() -> Option<(Pid, End)> {
    use nix::sys::wait::{WaitPidFlag, waitpid};
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return None,
            Ok(status) => {
                if let Some(found) = End::of(status) {
                    return Some(found);
                }
            }
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

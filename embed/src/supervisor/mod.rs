//! Keeps the shards running: starts, replaces, reloads and stops them; never starts Python.

mod links;
mod pid_file;
mod shard;
mod signals;
mod stop;
mod turnover;
mod watch;

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use crate::affinity::{self, Placement};
use crate::cli::Launcher;
use crate::control::ShardConfig;
use crate::error::Error;
use crate::listeners::Listeners;
use crate::logging;
use crate::options::RunOptions;
use crate::preflight;
use crate::systemd::Notifier;

use pid_file::PidFile;
use shard::{End, Phase, Shard};
use signals::{Heard, Signals};
use stop::Stop;
use watch::Watcher;

/// A shard that dies sooner after it became ready than this died young.
const YOUNG: Duration = Duration::from_secs(5);

/// The first pause before a shard that died young is replaced; each further one doubles it.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);

/// The longest such pause.
const BACK_OFF_MAX: Duration = Duration::from_secs(10);

/// Generations that may drain at once; a further reload waits.
const DRAINING_GENERATIONS_MAX: usize = 2;

/// Serves until told to stop; returns the exit code.
pub fn run(
    options: &RunOptions,
    environment: Vec<(String, String)>,
    launcher: &Launcher,
) -> Result<i32, Error> {
    preflight::check()?;
    let placement = affinity::place(options.processes.shards, options.processes.no_pin);
    if let Some(reason) = &placement.unpinned_because {
        logging::info(format_args!("shards are not pinned to CPUs: {reason}"));
    }
    let template = template(options, &placement)?;
    let watcher = options
        .reloads()
        .then(|| watcher(options, &template.app_dir))
        .transpose()?;
    let listeners = Listeners::open(&options.listen, placement.shards)?;
    // Not before: resolving a name may take long, and Ctrl-C should end that.
    let signals = Signals::take()?;
    let _pid_file = options
        .processes
        .pid_file
        .as_deref()
        .map(PidFile::write)
        .transpose()?;
    let notifier = Notifier::from_environment();
    let slots = (0..placement.shards).map(|_| Slot::default()).collect();
    let mut supervisor = Supervisor {
        ready_timeout: Duration::from_secs_f64(options.processes.ready_timeout_s),
        drain_timeout: Duration::from_secs_f64(options.limits.drain_timeout_s),
        watchdog_at: notifier.watchdog_interval().map(|_| Instant::now()),
        options,
        environment,
        launcher,
        template,
        placement,
        listeners,
        notifier,
        shards: Vec::new(),
        slots,
        active: 0,
        last_generation: 0,
        last_process: 0,
        incoming: None,
        reload_wanted: false,
        watcher,
        stop: None,
    };
    supervisor.serve(&signals)
}

/// Watches the application's files, and the environment file with them.
fn watcher(options: &RunOptions, app_dir: &Path) -> Result<Watcher, Error> {
    let file = options.application.env_file.as_deref();
    let mut usual = vec![app_dir.to_owned()];
    let place = app_dir.join(options.target.split(':').next().unwrap_or_default());
    // The application may be a file that lies elsewhere.
    let elsewhere = place
        .parent()
        .and_then(|folder| folder.canonicalize().ok())
        .filter(|folder| place.is_file() && !folder.starts_with(app_dir));
    usual.extend(elsewhere);
    let watcher = Watcher::new(&options.reload, usual, file)?;
    logging::info(format_args!(
        "reloads when a file changes in {}",
        watcher.names()
    ));
    Ok(watcher)
}

/// What every shard is told, but for what is its own.
fn template(options: &RunOptions, placement: &Placement) -> Result<ShardConfig, Error> {
    let mut limits = options.limits.to_limits();
    options.websocket.apply(&mut limits);
    let wanted = limits.connections_max;
    limits.connections_max = preflight::affordable_connections(wanted);
    if limits.connections_max < wanted {
        logging::info(format_args!(
            "a shard takes {} connections, not {wanted}: open files are limited (ulimit -n)",
            limits.connections_max
        ));
    }
    Ok(ShardConfig {
        index: 0,
        shards: placement.shards,
        generation: 0,
        process: 0,
        node: links::node()?,
        cpu: None,
        listeners: Vec::new(),
        target: options.target.clone(),
        app_dir: options.app_dir()?,
        threads: options.processes.threads,
        limits,
        access_log: options.access_log(),
        log_level: options.log.log_level,
        log_format: options.log.log_format,
        log_color: options.log.has_color(),
        debug: options.application.debug,
        as_fastapi: options.application.as_fastapi,
        root_path: options.root_path().to_owned(),
        proxies: options.proxy.trusted(),
        websocket_origins: options.websocket.websocket_origins.clone(),
        supervisor_pid: std::process::id(),
    })
}

/// One of the places that a shard of the active generation fills.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// When a dead shard is replaced.
    respawn_at: Option<Instant>,
    /// How many shards in a row died young here.
    died_young: u32,
}

/// A generation that starts and does not serve yet.
#[derive(Clone, Copy, Debug)]
struct Incoming {
    generation: u64,
    since: Instant,
}

/// The whole state of the supervisor.
#[derive(Debug)]
struct Supervisor<'a> {
    options: &'a RunOptions,
    environment: Vec<(String, String)>,
    launcher: &'a Launcher,
    template: ShardConfig,
    placement: Placement,
    listeners: Listeners,
    notifier: Notifier,
    ready_timeout: Duration,
    drain_timeout: Duration,
    watchdog_at: Option<Instant>,
    /// Every shard process that has not been reaped.
    shards: Vec<Shard>,
    slots: Vec<Slot>,
    /// The generation that serves; 0 before the first does.
    active: u64,
    last_generation: u64,
    last_process: u32,
    incoming: Option<Incoming>,
    reload_wanted: bool,
    /// Tells of changed files, where that is wanted.
    watcher: Option<Watcher>,
    stop: Option<Stop>,
}

impl Supervisor<'_> {
    fn serve(&mut self, signals: &Signals) -> Result<i32, Error> {
        self.begin_generation();
        loop {
            if self.shards.is_empty()
                && let Some(stop) = self.stop.take()
            {
                return stop.into_result();
            }
            self.wait(signals)?;
            while let Some(heard) = signals.next() {
                self.hear(heard);
            }
            self.listen();
            self.bury();
            self.keep_time(Instant::now());
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Stop(signal) => self.stop_for(signal),
            Heard::Reload => self.want_reload(),
            Heard::Nothing => {}
        }
    }

    /// Waits for a signal, a word from a shard, or the next moment at which something is due.
    fn wait(&self, signals: &Signals) -> Result<(), Error> {
        let timeout = match self.next_time() {
            None => PollTimeout::NONE,
            Some(at) => {
                // Rounded up, or the last millisecond would be spent in a spin.
                let left = at.saturating_duration_since(Instant::now());
                let left_ms = left.as_micros().div_ceil(1000);
                PollTimeout::try_from(left_ms).unwrap_or(PollTimeout::MAX)
            }
        };
        let controls = self
            .shards
            .iter()
            .filter_map(|shard| shard.control.as_ref());
        let mut fds: Vec<_> = std::iter::once(signals.as_fd())
            .chain(controls.map(AsFd::as_fd))
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(Error::system("waiting for signals and shards", errno)),
        }
    }

    fn next_time(&self) -> Option<Instant> {
        let shards = self.shards.iter().filter_map(Shard::next_time);
        let slots = self.slots.iter().filter_map(|slot| slot.respawn_at);
        let look_at = self.watcher.as_ref().map(Watcher::next_time);
        shards
            .chain(slots)
            .chain(self.watchdog_at)
            .chain(look_at)
            .min()
    }

    fn listen(&mut self) {
        for at in 0..self.shards.len() {
            self.listen_to(at);
        }
        self.take_over();
    }

    fn listen_to(&mut self, at: usize) {
        let Some(started_ms) = self.shards[at].listen() else {
            return;
        };
        let shard = &self.shards[at];
        let level = if shard.generation == self.active {
            logging::Level::Info
        } else {
            logging::Level::Debug
        };
        logging::log(level, format_args!("{shard} serves after {started_ms} ms"));
    }

    /// Takes note of every shard that has ended.
    fn bury(&mut self) {
        while let Some((pid, end)) = shard::reap() {
            let Some(at) = self.shards.iter().position(|shard| shard.pid == pid) else {
                continue;
            };
            // Its last words may still be in the socket.
            self.listen_to(at);
            let shard = self.shards.swap_remove(at);
            self.tell_of_end(shard.process);
            self.mourn(shard, end);
        }
    }

    fn mourn(&mut self, mut shard: Shard, end: End) {
        if let Some(stop) = &mut self.stop {
            stop.note(&shard, end);
        } else if self.is_incoming(&shard) {
            let how = end.to_string();
            let reason = shard.failure.take().unwrap_or(Error::ShardDied { how });
            self.give_up_incoming(reason);
        } else if shard.generation == self.active {
            self.plan_respawn(&shard, end);
        } else if !shard.ended_well(end) && shard.phase == Phase::Draining {
            logging::error(format_args!("{shard} {end} while it drained"));
        } else {
            logging::debug(format_args!("{shard} {end}"));
        }
    }

    /// Decides when a shard that died is replaced; its connections wait in the socket.
    fn plan_respawn(&mut self, shard: &Shard, end: End) {
        let now = Instant::now();
        let slot = &mut self.slots[shard.index];
        let old = match shard.phase {
            Phase::Ready { since } => now.duration_since(since) >= YOUNG,
            _ => false,
        };
        let pause = if old {
            slot.died_young = 0;
            Duration::ZERO
        } else {
            slot.died_young += 1;
            back_off(slot.died_young)
        };
        slot.respawn_at = Some(now + pause);
        let (index, pause_s) = (shard.index, pause.as_secs_f64());
        match &shard.failure {
            Some(reason) => logging::error(format_args!(
                "{shard} cannot serve, shard {index} starts again in {pause_s} s: {reason}"
            )),
            None => logging::error(format_args!(
                "{shard} {end}, shard {index} starts again in {pause_s} s"
            )),
        }
    }

    /// Does what is due.
    fn keep_time(&mut self, now: Instant) {
        for shard in &mut self.shards {
            shard.check_time(now, self.ready_timeout);
        }
        self.tell_links(now);
        for index in 0..self.slots.len() {
            if self.slots[index].respawn_at.is_some_and(|at| at <= now) {
                self.respawn(index, now);
            }
        }
        if let (Some(at), Some(interval)) = (self.watchdog_at, self.notifier.watchdog_interval())
            && at <= now
        {
            self.notifier.watchdog();
            self.watchdog_at = Some(now + interval);
        }
        if let Some(path) = self.watcher.as_mut().and_then(|watcher| watcher.check(now)) {
            self.reload_for(&path);
        }
        self.reload_if_due();
    }

    fn respawn(&mut self, index: usize, now: Instant) {
        self.slots[index].respawn_at = None;
        if let Err(error) = self.start_shard(index, self.active) {
            let slot = &mut self.slots[index];
            slot.died_young += 1;
            let pause = back_off(slot.died_young);
            slot.respawn_at = Some(now + pause);
            let pause_s = pause.as_secs_f64();
            logging::error(format_args!("{error}; next try in {pause_s} s"));
        }
    }

    fn start_shard(&mut self, index: usize, generation: u64) -> Result<(), Error> {
        self.last_process += 1;
        let config = ShardConfig {
            index,
            generation,
            process: self.last_process,
            cpu: self.placement.cpu(index),
            listeners: self.listeners.configs(index),
            ..self.template.clone()
        };
        // This process has one thread, so nothing else starts a child in between.
        self.listeners.set_inherited(index, true)?;
        let started = Shard::start(self.launcher, &self.environment, config, self.ready_timeout);
        self.listeners.set_inherited(index, false)?;
        self.shards.push(started?);
        self.introduce_newest();
        Ok(())
    }
}

/// The pause before the next try after so many shards died young in a row.
fn back_off(died_young: u32) -> Duration {
    let doublings = died_young.saturating_sub(1).min(16);
    (BACK_OFF_MIN * 2_u32.pow(doublings)).min(BACK_OFF_MAX)
}

impl Drop for Supervisor<'_> {
    /// Leaves no process behind when something went wrong with the supervisor itself.
    fn drop(&mut self) {
        for shard in &mut self.shards {
            shard.kill();
        }
        for shard in &self.shards {
            let _ = nix::sys::wait::waitpid(Pid::from_raw(shard.pid.as_raw()), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_bound() {
        let pauses: Vec<_> = (1..10).map(|count| back_off(count).as_millis()).collect();
        assert_eq!(
            pauses,
            [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
        assert_eq!(back_off(u32::MAX), BACK_OFF_MAX);
    }
}

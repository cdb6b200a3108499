//! How the server ends: drained, at once, or because it could not start.

use nix::sys::signal::Signal;

use crate::control::DrainReason;
use crate::error::Error;
use crate::logging;

use super::Supervisor;
use super::shard::{End, Phase, Shard};

/// An end that is under way.
#[derive(Debug)]
pub(super) struct Stop {
    /// What the exit will say.
    outcome: Outcome,
    /// Signals so far.
    signals: u32,
}

/// What the exit says.
#[derive(Debug)]
enum Outcome {
    /// Everything in flight was answered, so far.
    Drained,
    /// A shard had to be killed, or died by itself.
    Lost,
    /// A second signal put an end to the draining.
    Signaled(Signal),
    /// The first generation could not serve.
    Failed(Error),
}

impl Stop {
    /// Takes note of how a shard ended.
    pub(super) fn note(&mut self, shard: &Shard, end: End) {
        let well = shard.ended_well(end) || shard.phase == Phase::Stopping;
        if well {
            logging::debug(format_args!("{shard} {end}"));
            return;
        }
        logging::error(format_args!("{shard} {end} before it had drained"));
        if let Outcome::Drained = self.outcome {
            self.outcome = Outcome::Lost;
        }
    }

    /// The exit code, or why there was nothing to serve.
    pub(super) fn into_result(self) -> Result<i32, Error> {
        match self.outcome {
            Outcome::Drained => {
                logging::info("stopped, all requests are answered");
                Ok(0)
            }
            Outcome::Lost => {
                logging::error("stopped, but requests were lost");
                Ok(1)
            }
            // As a shell says of a process that a signal ended.
            Outcome::Signaled(signal) => Ok(128 + signal as i32),
            Outcome::Failed(error) => Err(error),
        }
    }
}

impl Supervisor<'_> {
    /// The first signal drains, the second stops at once, a third kills.
    pub(super) fn stop_for(&mut self, signal: Signal) {
        let Some(stop) = &mut self.stop else {
            self.drain_all(signal);
            return;
        };
        stop.signals += 1;
        if stop.signals == 1 {
            // The first one, after a failed start that is over in a moment.
            return;
        }
        stop.outcome = Outcome::Signaled(signal);
        if stop.signals == 2 {
            logging::warning(format_args!("second signal ({signal}), stops at once"));
            self.shards.iter_mut().for_each(Shard::stop);
        } else {
            self.shards.iter_mut().for_each(Shard::kill);
        }
    }

    /// Ends the server because the first generation cannot serve.
    pub(super) fn stop_because(&mut self, reason: Error) {
        self.begin_stop(Outcome::Failed(reason), 0);
    }

    fn drain_all(&mut self, signal: Signal) {
        let timeout_s = self.drain_timeout.as_secs_f64();
        logging::info(format_args!(
            "{signal}, drains for at most {timeout_s} s and stops"
        ));
        self.begin_stop(Outcome::Drained, 1);
        for shard in &mut self.shards {
            shard.drain(DrainReason::Stop, self.drain_timeout);
        }
    }

    fn begin_stop(&mut self, outcome: Outcome, signals: u32) {
        self.incoming = None;
        self.reload_wanted = false;
        for slot in &mut self.slots {
            slot.respawn_at = None;
        }
        self.notifier.stopping();
        self.stop = Some(Stop { outcome, signals });
    }
}

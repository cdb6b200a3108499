//! One generation of shards takes over from the one before, on the same sockets.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use crate::control::DrainReason;
use crate::env_file;
use crate::error::Error;
use crate::logging;

use super::shard::{Phase, Shard};
use super::{DRAINING_GENERATIONS_MAX, Incoming, Slot, Supervisor};

impl Supervisor<'_> {
    /// Takes note of a wish to reload; several wishes come to one.
    pub(super) fn want_reload(&mut self) {
        if self.stop.is_some() {
            return;
        }
        if self.incoming.is_some() || self.draining_generations() >= DRAINING_GENERATIONS_MAX {
            logging::info("the reload waits for the one before");
        }
        self.reload_wanted = true;
    }

    /// Loads the application anew because one of its files has changed. A generation that
    /// still starts has read the old one, and may never become ready.
    pub(super) fn reload_for(&mut self, changed: &Path) {
        if self.stop.is_some() {
            return;
        }
        logging::info(format_args!("{} has changed", changed.display()));
        if let Some(incoming) = self.incoming.take() {
            self.stop_generation(incoming.generation);
        }
        self.reload_wanted = true;
    }

    fn stop_generation(&mut self, generation: u64) {
        let shards = self.shards.iter_mut();
        shards
            .filter(|shard| shard.generation == generation)
            .for_each(Shard::stop);
    }

    /// Starts the reload that is wanted, once there is room for one.
    pub(super) fn reload_if_due(&mut self) {
        let free = self.incoming.is_none()
            && self.stop.is_none()
            && self.draining_generations() < DRAINING_GENERATIONS_MAX;
        if !self.reload_wanted || !free {
            return;
        }
        self.reload_wanted = false;
        self.notifier.reloading();
        logging::info(format_args!("{} is loaded anew", self.options.target));
        if let Err(error) = self.reload_environment() {
            self.give_up_reload(&error);
            return;
        }
        self.begin_generation();
    }

    fn reload_environment(&mut self) -> Result<(), Error> {
        if let Some(path) = &self.options.application.env_file {
            self.environment = env_file::load(path)?;
        }
        Ok(())
    }

    /// Starts a shard for every place, beside those that serve.
    pub(super) fn begin_generation(&mut self) {
        self.last_generation += 1;
        let generation = self.last_generation;
        self.incoming = Some(Incoming {
            generation,
            since: Instant::now(),
        });
        for index in 0..self.slots.len() {
            if let Err(error) = self.start_shard(index, generation) {
                self.give_up_incoming(error);
                return;
            }
        }
    }

    /// Whether a shard belongs to the generation that starts.
    pub(super) fn is_incoming(&self, shard: &Shard) -> bool {
        self.incoming
            .is_some_and(|incoming| incoming.generation == shard.generation)
    }

    /// Lets the incoming generation take over once all of it is ready.
    pub(super) fn take_over(&mut self) {
        let Some(incoming) = self.incoming else {
            return;
        };
        let ready = self
            .shards
            .iter()
            .filter(|shard| self.is_incoming(shard) && shard.is_ready());
        if ready.count() < self.slots.len() {
            return;
        }
        self.incoming = None;
        let is_first = self.active == 0;
        self.active = incoming.generation;
        self.slots.fill(Slot::default());
        for shard in &mut self.shards {
            if shard.generation < incoming.generation {
                shard.drain(DrainReason::Reload, self.drain_timeout);
            }
        }
        let banner = self.banner();
        let took_ms = incoming.since.elapsed().as_millis();
        let what = if is_first { "ready" } else { "reloaded" };
        logging::info(format_args!("{banner} ({what} after {took_ms} ms)"));
        if is_first && self.options.is_dev {
            self.tell_of_docs();
        }
        self.notifier.ready(&banner);
    }

    /// Ends the incoming generation. The one before stays; without one the server stops.
    pub(super) fn give_up_incoming(&mut self, reason: Error) {
        let Some(incoming) = self.incoming.take() else {
            return;
        };
        self.stop_generation(incoming.generation);
        if self.active == 0 && self.watcher.is_none() {
            self.stop_because(reason);
        } else {
            self.give_up_reload(&reason);
        }
    }

    fn give_up_reload(&self, reason: &Error) {
        if self.active == 0 {
            logging::error(format_args!("{reason}\nwaits for a change of a file"));
            return;
        }
        let active = self.active;
        logging::error(format_args!(
            "the reload failed, generation {active} stays: {reason}"
        ));
        // systemd waits for READY=1 after RELOADING=1, whatever became of it.
        self.notifier.ready("the last reload failed; see the log");
    }

    /// Says where a browser finds the documentation.
    fn tell_of_docs(&self) {
        let docs = self.shards.iter().find_map(|shard| shard.docs.as_deref());
        let name = self.listeners.names();
        if let Some(docs) = docs.filter(|_| name.starts_with("http")) {
            logging::info(format_args!("documentation: {name}{docs}"));
        }
    }

    fn draining_generations(&self) -> usize {
        let draining = |shard: &&Shard| shard.phase == Phase::Draining;
        let generations = self.shards.iter().filter(draining).map(|s| s.generation);
        generations.collect::<HashSet<_>>().len()
    }

    fn banner(&self) -> String {
        let shards = match self.slots.len() {
            1 => "1 shard".to_owned(),
            count => format!("{count} shards"),
        };
        format!(
            "FasterAPI {} serves {} on {} with {shards}",
            env!("CARGO_PKG_VERSION"),
            self.options.target,
            self.listeners.names(),
        )
    }
}

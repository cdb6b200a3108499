//! Those who wait for a connection of a pool, in their order.

use super::awaitable::{PgOperation, Retry};
use super::errors;
use super::submission::seconds;
use pyo3::prelude::*;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many may wait for a connection of one pool.
const WAITING_MAX: usize = 65_536;
/// Shorter queues are not looked through for those who do not wait any more.
const SWEEP_MIN: usize = 64;

/// What waits for a connection.
pub(super) enum Waiting {
    /// A query that any connection may take, since when.
    Query(Py<PgOperation>, Retry, Instant),
    /// Somebody who wants a connection for himself.
    Lease(Py<PgOperation>),
}

impl Waiting {
    /// Who is told.
    pub(super) fn owner(&self) -> &Py<PgOperation> {
        match self {
            Self::Query(owner, ..) | Self::Lease(owner) => owner,
        }
    }

    /// When it has waited too long: by its own timeout, or after `wait_max`. Whoever wants a
    /// connection for himself sees to that himself.
    pub(super) fn deadline(&self, wait_max: Option<Duration>) -> Option<Instant> {
        let Self::Query(_, retry, since) = self else {
            return None;
        };
        let own = retry.shape.timeout_s.map(seconds);
        let wait = match (own, wait_max) {
            (Some(own), Some(wait_max)) => own.min(wait_max),
            (own, wait_max) => own.or(wait_max)?,
        };
        since.checked_add(wait)
    }
}

/// First come, first served.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// The length at which those are taken out who do not wait any more.
    sweep_at: usize,
}

impl Queue {
    /// Lines somebody up.
    ///
    /// # Errors
    /// `InterfaceError` when too many wait.
    pub(super) fn push(&mut self, py: Python<'_>, waiting: Waiting) -> PyResult<()> {
        if self.waiting.len() >= self.sweep_at {
            self.waiting
                .retain(|waiting| !waiting.owner().get().is_abandoned());
            self.sweep_at = (self.waiting.len() * 2).max(SWEEP_MIN);
        }
        if self.waiting.len() >= WAITING_MAX {
            let problem = format!("{WAITING_MAX} operations wait for a connection already");
            return Err(errors::interface(py, &problem));
        }
        self.waiting.push_back(waiting);
        Ok(())
    }

    pub(super) fn pop_front(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    pub(super) fn push_front(&mut self, waiting: Waiting) {
        self.waiting.push_front(waiting);
    }

    /// The first of all deadlines.
    pub(super) fn deadline(&self, wait_max: Option<Duration>) -> Option<Instant> {
        let deadlines = self.waiting.iter();
        deadlines.filter_map(|one| one.deadline(wait_max)).min()
    }

    /// Takes out those whose deadline is over.
    pub(super) fn take_late(&mut self, wait_max: Option<Duration>) -> Vec<Waiting> {
        let now = Instant::now();
        let is_late = |one: &Waiting| one.deadline(wait_max).is_some_and(|it| it <= now);
        let (late, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(is_late);
        self.waiting = rest;
        late.into()
    }

    /// Empties the queue.
    pub(super) fn take_all(&mut self) -> VecDeque<Waiting> {
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

//! How many of those who wait an idle connection takes along.
//!
//! What was sent cannot be taken back, so that a query goes behind others only where it would wait
//! anyway: where all connections are busy and no more of them come. Even then none goes behind one
//! that may wait for a lock which somebody holds who has a connection for himself, and may be
//! waiting for that very query.

use super::core::Core;
use super::pool_core::{Members, PoolCore};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An idle connection that is given queries.
pub(super) struct Batch {
    core: Arc<Core>,
    left: usize,
}

impl PoolCore {
    /// The connection for the query that waits first, out of `batch` or an idle one.
    pub(super) fn place(&self, members: &Members, batch: &mut Option<Batch>) -> Option<Arc<Core>> {
        if let Some(batch) = batch
            && batch.left > 0
            && members.takes_more(&batch.core)
        {
            batch.left -= 1;
            return Some(batch.core.clone());
        }
        let core = members.idle()?;
        let left = self.share(members).saturating_sub(1);
        *batch = Some(Batch {
            core: core.clone(),
            left,
        });
        Some(core)
    }

    /// How many of those who wait each connection may take; one has just left the queue.
    fn share(&self, members: &Members) -> usize {
        if !self.pipelining {
            return 1;
        }
        // One each for the connections that are being made.
        let growing = self.growing.load(Ordering::Relaxed);
        let waiting = (members.waiting.len() + 1).saturating_sub(growing);
        let shared = members.all.iter().filter(|member| !member.is_lent());
        let share = waiting.div_ceil(shared.count().max(1));
        share.clamp(1, self.depth_max.max(1))
    }
}

impl Members {
    /// Whether a query may go behind what was just sent on a connection.
    fn takes_more(&self, core: &Arc<Core>) -> bool {
        let may_deadlock = || core.may_wait_for_locks() && self.all.iter().any(|it| it.is_lent());
        self.position(core)
            .is_some_and(|index| self.all[index].is_free())
            && core.in_flight() > 0
            && core.is_unpinned()
            && !may_deadlock()
    }
}

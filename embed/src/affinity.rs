//! How many CPUs there are for shards, and which shard stays on which.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use crate::options::Shards;

/// How many shards run, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The number of shards.
    pub shards: usize,
    /// Each shard's CPU, by index; empty if shards may move.
    pub cpus: Vec<usize>,
    /// Why the shards are not pinned although nobody forbade it.
    pub unpinned_because: Option<String>,
}

impl Placement {
    /// The CPU a shard stays on.
    pub fn cpu(&self, index: usize) -> Option<usize> {
        self.cpus.get(index).copied()
    }
}

/// Decides from what this process may use.
pub fn place(shards: Shards, no_pin: bool) -> Placement {
    let cpus = allowed_cpus();
    // Counts the affinity mask and the cgroup's CPU quota, version 1 and 2.
    let usable = std::thread::available_parallelism().map_or(1, |count| count.get());
    place_on(shards, no_pin, &cpus, usable)
}

fn place_on(shards: Shards, no_pin: bool, cpus: &[usize], usable: usize) -> Placement {
    let shards = match shards {
        Shards::Auto => usable.max(1),
        Shards::Count(count) => count,
    };
    let unpinned_because = if no_pin {
        None
    } else if shards > cpus.len() {
        Some(format!("{shards} shards share {} CPUs", cpus.len()))
    } else if usable < cpus.len() {
        // Every container of the machine sees the same CPUs under its quota: all of them would
        // pin to the first few.
        let seen = cpus.len();
        Some(format!(
            "a CPU quota allows {usable} of the {seen} CPUs, whichever those are"
        ))
    } else {
        None
    };
    let pinned = !no_pin && unpinned_because.is_none();
    Placement {
        shards,
        cpus: if pinned {
            cpus[..shards].to_vec()
        } else {
            Vec::new()
        },
        unpinned_because,
    }
}

/// The CPUs in this process's affinity mask, in order.
fn allowed_cpus() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else {
        return Vec::new();
    };
    (0..CpuSet::count())
        .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_pins_one_shard_to_each_cpu() {
        let placement = place_on(Shards::Auto, false, &[2, 5], 2);
        assert_eq!((placement.shards, placement.cpus), (2, vec![2, 5]));
        assert_eq!(placement.unpinned_because, None);
    }

    #[test]
    fn fewer_shards_take_the_first_cpus() {
        let placement = place_on(Shards::Count(1), false, &[2, 5], 2);
        assert_eq!((placement.cpu(0), placement.cpu(1)), (Some(2), None));
    }

    #[test]
    fn no_pin_more_shards_than_cpus_and_quotas_leave_shards_free() {
        assert_eq!(place_on(Shards::Auto, true, &[0, 1], 2).cpu(0), None);
        let crowded = place_on(Shards::Count(3), false, &[0, 1], 2);
        assert_eq!(crowded.cpu(0), None);
        assert!(
            crowded
                .unpinned_because
                .unwrap()
                .contains("3 shards share 2")
        );
        let quota = place_on(Shards::Auto, false, &[0, 1, 2, 3], 2);
        assert_eq!((quota.shards, quota.cpu(0)), (2, None));
        assert!(quota.unpinned_because.unwrap().contains("quota"));
    }

    #[test]
    fn this_process_may_use_a_cpu() {
        assert!(!allowed_cpus().is_empty());
        assert!(place(Shards::Auto, false).shards >= 1);
    }
}

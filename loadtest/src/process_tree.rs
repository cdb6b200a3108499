//! What a server costs: CPU time and memory of a process and all of its descendants.

use std::collections::HashMap;
use std::fs;
use std::io;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};
use serde::Serialize;

const PROC_PIDS_MAX: usize = 100_000;

/// Memory of a process tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Resident pages; those shared between processes count once per process.
    pub rss_bytes: u64,
    /// Sum of each process's own peak, an upper bound of the peak of the sum.
    pub rss_peak_bytes: u64,
    /// Resident pages, shared ones divided among those who share; `None` where that is not readable.
    pub pss_bytes: Option<u64>,
}

/// What one line of `/proc/PID/stat` says about ancestry and about children that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: i32,
    reaped_ticks: u64,
}

/// User and system CPU time of the tree in nanoseconds, children already reaped included.
///
/// A living process is read from its CPU clock, which counts nanoseconds where `/proc` counts
/// hundredths of a second.
pub fn cpu_ns(root: i32) -> io::Result<u64> {
    let stats = stats_with(root)?;
    let ticks_per_s = sysconf(SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .unwrap_or(100)
        .max(1) as u64;
    let mut total_ns = 0;
    for pid in descendants(root, &stats) {
        total_ns +=
            stats.get(&pid).map_or(0, |stat| stat.reaped_ticks) * (1_000_000_000 / ticks_per_s);
        // A process that ended meanwhile shows up in its parent's reaped time next round.
        if let Ok(time) = clock_getcpuclockid(Pid::from_raw(pid)).and_then(clock_gettime) {
            total_ns += time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64;
        }
    }
    Ok(total_ns)
}

/// Memory of the tree now, and the peak so far.
pub fn memory(root: i32) -> io::Result<Memory> {
    let stats = stats_with(root)?;
    let mut sum = Memory {
        pss_bytes: Some(0),
        ..Memory::default()
    };
    for pid in descendants(root, &stats) {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            continue;
        };
        sum.rss_bytes += kib_field(&status, "VmRSS:").unwrap_or(0) * 1024;
        sum.rss_peak_bytes += kib_field(&status, "VmHWM:").unwrap_or(0) * 1024;
        let pss = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .ok()
            .and_then(|rollup| kib_field(&rollup, "Pss:"));
        sum.pss_bytes = sum
            .pss_bytes
            .zip(pss)
            .map(|(total, kib)| total + kib * 1024);
    }
    Ok(sum)
}

/// The processes there are, if `root` is among them.
fn stats_with(root: i32) -> io::Result<HashMap<i32, Stat>> {
    let stats = read_all_stats()?;
    if stats.contains_key(&root) {
        return Ok(stats);
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!("no process {root}"),
    ))
}

fn read_all_stats() -> io::Result<HashMap<i32, Stat>> {
    let mut stats = HashMap::new();
    for entry in fs::read_dir("/proc")?.take(PROC_PIDS_MAX).flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Ok(line) = fs::read_to_string(entry.path().join("stat"))
            && let Some(stat) = parse_stat(&line)
        {
            stats.insert(pid, stat);
        }
    }
    Ok(stats)
}

/// The name in parentheses may hold anything, so fields count from its last closing parenthesis.
fn parse_stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line[line.rfind(')')? + 1..]
        .split_ascii_whitespace()
        .collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // proc(5): state is field 3 and first here; ppid 4, cutime 16, cstime 17.
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        reaped_ticks: number(13)? + number(14)?,
    })
}

fn descendants(root: i32, stats: &HashMap<i32, Stat>) -> Vec<i32> {
    let mut tree = vec![root];
    let mut at = 0;
    while at < tree.len() {
        let parent = tree[at];
        tree.extend(
            stats
                .iter()
                .filter(|(_, stat)| stat.parent == parent)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    tree
}

fn kib_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) b) S 3 7 7 0 -1 0 0 0 0 0 10 20 1 2 20 0 1 0 5 0 0";
        assert_eq!(
            parse_stat(line),
            Some(Stat {
                parent: 3,
                reaped_ticks: 3
            })
        );
    }

    #[test]
    fn the_tree_holds_grandchildren_and_no_strangers() {
        let stat = |parent| Stat {
            parent,
            reaped_ticks: 0,
        };
        let stats = HashMap::from([(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(0))]);
        let mut tree = descendants(1, &stats);
        tree.sort_unstable();
        assert_eq!(tree, [1, 2, 3]);
    }

    #[test]
    fn this_process_has_cpu_time_and_memory() {
        let pid = std::process::id() as i32;
        assert!(cpu_ns(pid).expect("cpu") > 0);
        assert!(memory(pid).expect("memory").rss_bytes > 0);
        assert!(cpu_ns(i32::MAX).is_err());
    }
}

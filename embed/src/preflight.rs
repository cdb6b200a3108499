//! What must be so before a shard can run, each with one sentence when it is not.

use std::fs::read_to_string;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, getegid, getgroups};

use crate::error::Error;
use crate::logging;

/// Memory that glommio 0.9 insists a process may lock (`Reactor::new` compares the soft limit,
/// whoever the user is).
const MEMLOCK_BYTES_MIN: u64 = 512 * 1024;

/// Open files past this are of no use, and make programs slow that close every one they could
/// have.
const FILES_MAX: u64 = 1024 * 1024;

/// Descriptors a shard needs beside its connections: rings, pools, the application's own.
const FILES_RESERVED: u64 = 128;

/// The oldest kernel glommio runs on.
const KERNEL_MIN: (u32, u32) = (5, 8);

/// Bit of CAP_SYS_ADMIN in a capability mask (linux/capability.h).
const CAP_SYS_ADMIN: u32 = 21;

/// Checks the kernel and raises this process's limits, which the shards inherit.
pub fn check() -> Result<(), Error> {
    check_kernel(&read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default())?;
    check_io_uring()?;
    raise_memlock()?;
    raise_open_files();
    Ok(())
}

/// The sentence for a reactor that could not set up its ring: what no check without the system
/// call itself can know.
pub fn explain_io_uring(error: &std::io::Error) -> Option<Error> {
    match Errno::from_raw(error.raw_os_error()?) {
        Errno::EPERM | Errno::EACCES => Some(Error::IoUringDenied),
        Errno::ENOSYS => Some(Error::IoUringMissing),
        _ => None,
    }
}

/// As many connections as there are descriptors for.
pub fn affordable_connections(wanted: usize) -> usize {
    let Ok((files, _)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let affordable = files.saturating_sub(FILES_RESERVED).max(1);
    wanted.min(usize::try_from(affordable).unwrap_or(wanted))
}

fn check_kernel(release: &str) -> Result<(), Error> {
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) < KERNEL_MIN => Err(Error::KernelTooOld {
            release: release.trim().to_owned(),
        }),
        // A release that cannot be read is no reason not to try.
        _ => Ok(()),
    }
}

fn check_io_uring() -> Result<(), Error> {
    let setting = read_number("/proc/sys/kernel/io_uring_disabled").unwrap_or(0);
    let privileged = || {
        let group = read_number("/proc/sys/kernel/io_uring_group");
        let member = group.is_some_and(|group| is_member(Gid::from_raw(group)));
        member || has_capability(&read_to_string("/proc/self/status").unwrap_or_default())
    };
    match setting {
        0 => Ok(()),
        1 if privileged() => Ok(()),
        value => Err(Error::IoUringDisabled { value }),
    }
}

fn read_number(path: &str) -> Option<u32> {
    read_to_string(path).ok()?.trim().parse().ok()
}

fn is_member(group: Gid) -> bool {
    getegid() == group || getgroups().is_ok_and(|groups| groups.contains(&group))
}

/// Whether `/proc/self/status` grants CAP_SYS_ADMIN.
fn has_capability(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> CAP_SYS_ADMIN & 1 == 1)
}

fn raise_memlock() -> Result<(), Error> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_MEMLOCK)
        .map_err(|errno| Error::system("reading the limit of locked memory", errno))?;
    if soft >= MEMLOCK_BYTES_MIN {
        return Ok(());
    }
    // Past the hard limit this takes CAP_SYS_RESOURCE, as root has.
    let raised = setrlimit(
        Resource::RLIMIT_MEMLOCK,
        MEMLOCK_BYTES_MIN,
        hard.max(MEMLOCK_BYTES_MIN),
    );
    raised.map_err(|_| Error::MemlockTooLow {
        limit_bytes: hard,
        needed_bytes: MEMLOCK_BYTES_MIN,
    })
}

fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let wanted = hard.min(FILES_MAX);
    if soft >= wanted {
        return;
    }
    if let Err(errno) = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        logging::warning(format_args!("open files stay limited to {soft}: {errno}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_before_5_8_are_too_old() {
        assert!(check_kernel("4.19.0-21-amd64\n").is_err());
        assert!(check_kernel("5.7.19\n").is_err());
        assert!(check_kernel("5.8.0\n").is_ok());
        assert!(check_kernel("6.18.44-fc-v669\n").is_ok());
        assert!(check_kernel("").is_ok());
    }

    #[test]
    fn capabilities_are_read_from_the_effective_mask() {
        assert!(has_capability("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(!has_capability(
            "CapPrm:\t000001ffffffffff\nCapEff:\t0000000000000400\n"
        ));
        assert!(!has_capability(""));
    }

    #[test]
    fn a_refused_ring_is_explained() {
        let explained = |errno: Errno| explain_io_uring(&std::io::Error::from(errno));
        assert_eq!(explained(Errno::EPERM), Some(Error::IoUringDenied));
        assert_eq!(explained(Errno::ENOSYS), Some(Error::IoUringMissing));
        assert_eq!(explained(Errno::EMFILE), None);
    }

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        assert_eq!(affordable_connections(1), 1);
        assert!(affordable_connections(usize::MAX) < usize::MAX);
    }
}

//! Sockets from systemd, and word to it: `sd_listen_fds(3)` and `sd_notify(3)`.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::error::Error;
use crate::logging;

/// The first descriptor that systemd passes (SD_LISTEN_FDS_START).
const LISTEN_FDS_START: RawFd = 3;

/// Most sockets that are taken over.
const LISTEN_FDS_MAX: RawFd = 1024;

/// The variables that speak to this process alone and must not reach its children.
pub const VARIABLES: [&str; 6] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

/// The descriptors of the sockets that systemd passed to this process; none if it passed none.
pub fn listen_fds() -> Result<Vec<RawFd>, Error> {
    let variable = |name| std::env::var(name).ok();
    parse_listen_fds(
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        std::process::id(),
    )
}

fn parse_listen_fds(pid: Option<&str>, fds: Option<&str>, own: u32) -> Result<Vec<RawFd>, Error> {
    // Meant for a process between systemd and this one.
    if pid.and_then(|pid| pid.parse().ok()) != Some(own) {
        return Ok(Vec::new());
    }
    let Some(fds) = fds else {
        return Ok(Vec::new());
    };
    match fds.parse::<RawFd>() {
        Ok(count) if (0..=LISTEN_FDS_MAX).contains(&count) => {
            Ok((LISTEN_FDS_START..LISTEN_FDS_START + count).collect())
        }
        _ => Err(Error::ListenFdsInvalid {
            value: fds.to_owned(),
        }),
    }
}

/// Tells systemd how the service fares; silent where there is no systemd.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Takes the socket and the watchdog's interval from the environment.
    pub fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(open);
        let variable = |name| std::env::var(name).ok();
        let watchdog = parse_watchdog(
            variable("WATCHDOG_PID").as_deref(),
            variable("WATCHDOG_USEC").as_deref(),
            std::process::id(),
        );
        Self { socket, watchdog }
    }

    /// How often `watchdog` wants to be called: twice as often as systemd demands.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.socket.as_ref().and(self.watchdog)
    }

    /// The service serves.
    pub fn ready(&self, status: &str) {
        let pid = std::process::id();
        self.notify(&format!("READY=1\nMAINPID={pid}\nSTATUS={status}"));
    }

    /// A new generation starts; `ready` must follow, whatever becomes of it.
    pub fn reloading(&self) {
        // systemd (253, Type=notify-reload) takes this for the moment the reload was asked for.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let now_us = now.unwrap_or_default().as_micros();
        self.notify(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}"));
    }

    /// The service ends.
    pub fn stopping(&self) {
        self.notify("STOPPING=1\nSTATUS=drains and stops");
    }

    /// The supervisor lives.
    pub fn watchdog(&self) {
        self.notify("WATCHDOG=1");
    }

    fn notify(&self, message: &str) {
        let Some((socket, address)) = &self.socket else {
            return;
        };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            logging::debug(format_args!("systemd does not listen: {error}"));
        }
    }
}

fn open(name: OsString) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [] => return None,
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&name),
    };
    let opened = address.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        // A stuck systemd must not stop the supervisor.
        socket.set_nonblocking(true)?;
        Ok((socket, address))
    });
    opened
        .inspect_err(|error| {
            logging::warning(format_args!("NOTIFY_SOCKET {}: {error}", name.display()));
        })
        .ok()
}

fn parse_watchdog(pid: Option<&str>, usec: Option<&str>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    let usec: u64 = usec?.parse().ok().filter(|usec| *usec > 0)?;
    Some(Duration::from_micros(usec / 2).max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_taken_only_by_whom_they_are_for() {
        assert_eq!(parse_listen_fds(Some("7"), Some("2"), 7), Ok(vec![3, 4]));
        assert_eq!(parse_listen_fds(Some("8"), Some("2"), 7), Ok(vec![]));
        assert_eq!(parse_listen_fds(None, Some("2"), 7), Ok(vec![]));
        assert_eq!(parse_listen_fds(Some("7"), None, 7), Ok(vec![]));
        assert!(parse_listen_fds(Some("7"), Some("-1"), 7).is_err());
        assert!(parse_listen_fds(Some("7"), Some("many"), 7).is_err());
    }

    #[test]
    fn the_watchdog_is_fed_twice_per_interval() {
        let second = Some(Duration::from_millis(500));
        assert_eq!(parse_watchdog(None, Some("1000000"), 7), second);
        assert_eq!(parse_watchdog(Some("7"), Some("1000000"), 7), second);
        assert_eq!(parse_watchdog(Some("8"), Some("1000000"), 7), None);
        assert_eq!(parse_watchdog(None, Some("0"), 7), None);
        assert_eq!(parse_watchdog(None, None, 7), None);
    }
}

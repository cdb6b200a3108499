//! Turns signals into something to wait for beside the shards.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::Error;

/// The code of a signal that the kernel itself sent (SI_KERNEL, asm-generic/siginfo.h), as it
/// does when a terminal closes.
const SENT_BY_KERNEL: i32 = 0x80;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// To stop, and by which signal.
    Stop(Signal),
    /// To load the application anew.
    Reload,
    /// A child ended, which is looked at anyway, or a signal that means nothing here.
    Nothing,
}

/// The signals of this process, read instead of handled.
#[derive(Debug)]
pub(super) struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks the supervisor's signals and opens a descriptor that yields them.
    pub(super) fn take() -> Result<Self, Error> {
        let mut set = SigSet::empty();
        for signal in [
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
            Signal::SIGCHLD,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
        ] {
            set.add(signal);
        }
        set.thread_block()
            .map_err(|errno| Error::system("blocking signals", errno))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&set, flags)
            .map_err(|errno| Error::system("opening a signal descriptor", errno))?;
        Ok(Self { fd })
    }

    /// The next signal that has come, if any.
    pub(super) fn next(&self) -> Option<Heard> {
        let info = self.fd.read_signal().ok().flatten()?;
        let number = i32::try_from(info.ssi_signo).ok()?;
        Some(meaning(Signal::try_from(number).ok()?, info.ssi_code))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn meaning(signal: Signal, code: i32) -> Heard {
    match signal {
        Signal::SIGTERM | Signal::SIGINT => Heard::Stop(signal),
        // Nobody asked for a reload: the terminal is gone, and who sat at it.
        Signal::SIGHUP if code == SENT_BY_KERNEL => Heard::Stop(signal),
        Signal::SIGHUP => Heard::Reload,
        _ => Heard::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_reloads_unless_the_terminal_closed() {
        assert_eq!(meaning(Signal::SIGHUP, 0), Heard::Reload);
        let gone = meaning(Signal::SIGHUP, SENT_BY_KERNEL);
        assert_eq!(gone, Heard::Stop(Signal::SIGHUP));
        assert_eq!(meaning(Signal::SIGTERM, 0), Heard::Stop(Signal::SIGTERM));
        assert_eq!(meaning(Signal::SIGUSR1, 0), Heard::Nothing);
    }
}

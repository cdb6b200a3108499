//! Warm-up and measured window of a load, and what the server's CPU time was meanwhile.

use std::io;
use std::time::Duration;

use super::crowd::{Crowd, Load};
use crate::process_tree;
use crate::settings::DRAIN_NS;
use crate::tally::Tally;

/// Warm-up, window and the process to look at.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Load before the window.
    pub warm_up: Duration,
    /// The window.
    pub window: Duration,
    /// Connecting takes no longer than this.
    pub connect: Duration,
    /// Root of the server's process tree.
    pub server_pid: Option<i32>,
}

/// A load that counts, and that has something to do besides answering.
pub trait Measured: Load {
    /// What it counts in.
    fn tally(&mut self) -> &mut Tally;
    /// Before each turn of the crowd.
    fn keep_going(&mut self, crowd: &mut Crowd) -> io::Result<()>;
    /// Nothing more is to be sent.
    fn stop(&mut self);
    /// Whether a message is still on its way.
    fn is_waiting(&self) -> bool;
}

/// Drives the load through its warm-up and window. The server's CPU time during the window, in ns.
pub fn measure(
    crowd: &mut Crowd,
    load: &mut impl Measured,
    times: &Times,
) -> io::Result<Option<u64>> {
    drive(crowd, load, times.warm_up)?;
    let before = times.server_pid.map(process_tree::cpu_ns).transpose()?;
    load.tally().open(crowd.now_ns());
    drive(crowd, load, times.window)?;
    load.tally().close(crowd.now_ns());
    // A server that died under load is a finding, not a reason to lose the numbers.
    let after = times
        .server_pid
        .and_then(|pid| process_tree::cpu_ns(pid).ok());
    drain(crowd, load)?;
    Ok(before
        .zip(after)
        .map(|(before, after)| after.saturating_sub(before)))
}

fn drive(crowd: &mut Crowd, load: &mut impl Measured, length: Duration) -> io::Result<()> {
    let deadline_ns = crowd.now_ns() + length.as_nanos() as u64;
    while crowd.now_ns() < deadline_ns {
        load.keep_going(crowd)?;
        crowd.turn(deadline_ns, load)?;
    }
    Ok(())
}

/// Leaving out what is still on its way would hide the slowest messages.
fn drain(crowd: &mut Crowd, load: &mut impl Measured) -> io::Result<()> {
    load.stop();
    let deadline_ns = crowd.now_ns() + DRAIN_NS;
    while load.is_waiting() && crowd.now_ns() < deadline_ns {
        crowd.turn(deadline_ns, load)?;
    }
    Ok(())
}

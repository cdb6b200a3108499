//! Memory per idle socket: many are opened, each sends one message and gets it back, then nothing.

use std::io;
use std::time::Duration;

use super::crowd::{Crowd, Load};
use super::deflate;
use super::frame::{self, Kind, Message};
use super::peer::Output;
use super::texts;
use crate::process_tree::{self, Memory};

/// How long every socket is silent before the server's memory is read.
pub const SILENCE: Duration = Duration::from_secs(2);

/// The load: one message for each socket.
#[derive(Debug)]
pub struct Greeting {
    frame: Vec<u8>,
    sent: usize,
    answered: usize,
    lost: usize,
}

impl Greeting {
    /// A message of `bytes`, compressed if `has_deflate`.
    pub fn new(bytes: usize, has_deflate: bool) -> io::Result<Self> {
        let text = texts::text(bytes, 0);
        let payload = if has_deflate {
            deflate::compress(text.as_bytes())?
        } else {
            text.into_bytes()
        };
        Ok(Self {
            frame: frame::encode(Kind::Text, has_deflate, &payload),
            sent: 0,
            answered: 0,
            lost: 0,
        })
    }
}

impl Load for Greeting {
    fn opened(&mut self, _at: usize, output: &mut Output) {
        output.send(&self.frame);
        self.sent += 1;
    }

    fn message(&mut self, _at: usize, _output: &mut Output, _message: Message<'_>) {
        self.answered += 1;
    }

    fn lost(&mut self, _at: usize) {
        self.lost += 1;
    }
}

/// What `count` sockets did to the memory of a process tree.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Footprint {
    /// With one socket.
    pub before: Memory,
    /// With all of them.
    pub after: Memory,
    /// How many were opened between the two.
    pub connections: usize,
    /// Of how many the server gave up before the end.
    pub lost: usize,
    /// Difference of the resident pages for each.
    pub rss_bytes_per_connection: f64,
    /// The same with shared pages divided among those who share; `None` where that is not readable.
    pub pss_bytes_per_connection: Option<f64>,
}

/// Opens `count` sockets and reads the memory of the process tree of `server_pid`.
pub fn measure(
    crowd: &mut Crowd,
    load: &mut Greeting,
    count: usize,
    server_pid: i32,
    within: Duration,
) -> io::Result<Footprint> {
    open_and_wait(crowd, load, 1, within)?;
    let before = process_tree::memory(server_pid)?;
    open_and_wait(crowd, load, count + 1, within)?;
    let after = process_tree::memory(server_pid)?;
    let per_connection = |before: u64, after: u64| (after as f64 - before as f64) / count as f64;
    Ok(Footprint {
        before,
        after,
        connections: count,
        lost: load.lost,
        rss_bytes_per_connection: per_connection(before.rss_bytes, after.rss_bytes),
        pss_bytes_per_connection: before
            .pss_bytes
            .zip(after.pss_bytes)
            .map(|(before, after)| per_connection(before, after)),
    })
}

fn open_and_wait(
    crowd: &mut Crowd,
    load: &mut Greeting,
    count: usize,
    within: Duration,
) -> io::Result<()> {
    let deadline_ns = crowd.now_ns() + within.as_nanos() as u64;
    crowd.grow(count, within, load)?;
    while load.answered + load.lost < load.sent && crowd.now_ns() < deadline_ns {
        crowd.turn(deadline_ns, load)?;
    }
    if load.answered + load.lost < load.sent {
        return Err(io::Error::other("not every message came back"));
    }
    let silence_end_ns = crowd.now_ns() + SILENCE.as_nanos() as u64;
    while crowd.now_ns() < silence_end_ns {
        crowd.turn(silence_end_ns, load)?;
    }
    Ok(())
}

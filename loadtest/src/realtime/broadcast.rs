//! Broadcast: each publisher posts a message, everybody gets all of them, then come the next.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use super::crowd::{Crowd, Load};
use super::frame::Message;
use super::peer::Output;
use super::publisher::Publisher;
use super::texts;
use super::window::Measured;
use crate::tally::Tally;

/// A message that some have not got after this time is given up.
const RECEIPT_TIMEOUT_NS: u64 = 2_000_000_000;
/// How many times as many connections as wanted are opened at most to fill every worker's part.
const SURPLUS_MAX: usize = 8;
const RECEIVED: u16 = 200;

/// The load.
#[derive(Debug)]
pub struct Broadcast {
    origin: Instant,
    /// Each has one message on its way.
    publishers: Vec<Publisher>,
    message_bytes: usize,
    /// Which worker of the server greeted each connection, by the connection's number.
    workers: BTreeMap<usize, u32>,
    /// When the messages on their way were published, each a nanosecond after the other, and how
    /// many receipts are missing.
    began_ns: u64,
    missing: usize,
    /// Messages published.
    pub published: u64,
    tally: Tally,
}

impl Broadcast {
    /// Messages of `bytes`, one from each of `publishers` at a time.
    pub fn new(crowd: &Crowd, publishers: Vec<Publisher>, bytes: usize) -> io::Result<Self> {
        Ok(Self {
            origin: crowd.origin(),
            publishers,
            message_bytes: bytes,
            workers: BTreeMap::new(),
            began_ns: 0,
            missing: 0,
            published: 0,
            tally: Tally::new(Some(RECEIVED)).map_err(io::Error::other)?,
        })
    }

    /// What was counted.
    pub fn into_tally(self) -> Tally {
        self.tally
    }

    /// How many connections each worker of the server has, by its number.
    pub fn parts(&self) -> BTreeMap<u32, usize> {
        let mut parts = BTreeMap::new();
        for worker in self.workers.values() {
            *parts.entry(*worker).or_insert(0) += 1;
        }
        parts
    }

    /// Connects until each of `workers` has its part of `count`; whoever is too many is sent away.
    pub fn gather(
        &mut self,
        crowd: &mut Crowd,
        count: usize,
        workers: usize,
        within: Duration,
    ) -> io::Result<()> {
        let deadline = Instant::now() + within;
        let part = count / workers;
        loop {
            crowd.grow(count, deadline - Instant::now(), self)?;
            while self.workers.len() < crowd.open_count() && Instant::now() < deadline {
                crowd.turn(crowd.now_ns() + RECEIPT_TIMEOUT_NS, self)?;
            }
            if self.workers.len() < crowd.open_count() {
                return Err(io::Error::other("not everybody was greeted"));
            }
            let surplus = self.surplus(part);
            if surplus.is_empty() || workers == 1 {
                return Ok(());
            }
            if Instant::now() >= deadline || crowd.begun_count() >= SURPLUS_MAX * count {
                let parts: Vec<usize> = self.parts().into_values().collect();
                let text = format!("the workers have {parts:?} connections, not {part} each");
                return Err(io::Error::other(text));
            }
            for at in surplus {
                self.workers.remove(&at);
                crowd.close(at);
            }
        }
    }

    /// Connections that are more than their worker's part.
    fn surplus(&self, part: usize) -> Vec<usize> {
        let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
        let is_surplus = |(at, worker): (&usize, &u32)| {
            let count = seen.entry(*worker).or_insert(0);
            *count += 1;
            (*count > part).then_some(*at)
        };
        self.workers.iter().filter_map(is_surplus).collect()
    }

    fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}

impl Load for Broadcast {
    fn opened(&mut self, _at: usize, _output: &mut Output) {}

    fn message(&mut self, at: usize, _output: &mut Output, message: Message<'_>) {
        if let Some(worker) = texts::worker(message.payload) {
            self.workers.insert(at, worker);
            return;
        }
        let now_ns = self.now_ns();
        self.tally.read(message.payload.len());
        let current = self.began_ns..self.began_ns + self.publishers.len() as u64;
        let is_current =
            texts::stamp(message.payload).is_some_and(|stamp| current.contains(&stamp));
        if is_current && self.missing > 0 {
            self.missing -= 1;
            self.tally.answer(self.began_ns, now_ns, RECEIVED);
        } else {
            // Too late, or nothing that was published.
            self.tally.answer(now_ns, now_ns, 0);
        }
    }

    fn lost(&mut self, at: usize) {
        self.workers.remove(&at);
        // What it has got of the current messages is not known: the others' receipts decide.
        self.missing = self.missing.saturating_sub(self.publishers.len());
        self.tally.socket_error(1);
    }
}

impl Measured for Broadcast {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn keep_going(&mut self, crowd: &mut Crowd) -> io::Result<()> {
        let now_ns = self.now_ns();
        if self.missing > 0 && now_ns - self.began_ns < RECEIPT_TIMEOUT_NS {
            return Ok(());
        }
        for _ in 0..self.missing {
            self.tally.timeout(self.began_ns, now_ns);
        }
        self.missing = crowd.open_count() * self.publishers.len();
        // Before the time is taken: a publisher may wait for the answer to its last message.
        for publisher in &mut self.publishers {
            publisher.wait_until_answered()?;
        }
        self.began_ns = self.now_ns();
        for (at, publisher) in self.publishers.iter_mut().enumerate() {
            publisher.publish(&texts::stamped(
                self.began_ns + at as u64,
                self.message_bytes,
            ))?;
            self.published += 1;
        }
        Ok(())
    }

    fn stop(&mut self) {}

    fn is_waiting(&self) -> bool {
        self.missing > 0
    }
}

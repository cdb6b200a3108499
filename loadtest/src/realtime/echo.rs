//! Echo: every socket sends the next message when the last one came back.

use std::io;
use std::time::Instant;

use super::crowd::{Crowd, Load};
use super::deflate::{self, Inflater};
use super::frame::{self, Kind, Message};
use super::peer::Output;
use super::texts;
use super::window::Measured;
use crate::tally::Tally;

/// The socket whose messages are all inflated and compared.
const CHECKED: usize = 0;
/// A message that comes back as it should, and one that does not.
const RIGHT: u16 = 200;
const WRONG: u16 = 500;

/// A message, ready to be sent.
#[derive(Debug)]
struct Ready {
    text: String,
    frame: Vec<u8>,
}

/// The load.
#[derive(Debug)]
pub struct Echo {
    origin: Instant,
    ready: Vec<Ready>,
    inflater: Inflater,
    /// For each socket how many it sent, and when it sent the last one.
    sent: Vec<(usize, u64)>,
    is_started: bool,
    is_stopped: bool,
    /// How many messages have not come back.
    waiting: usize,
    tally: Tally,
}

impl Echo {
    /// Messages of `bytes`, compressed if `has_deflate`.
    pub fn new(crowd: &Crowd, bytes: usize, has_deflate: bool) -> io::Result<Self> {
        let ready = (0..texts::VARIANTS)
            .map(|variant| {
                let text = texts::text(bytes, variant);
                let frame = if has_deflate {
                    frame::encode(Kind::Text, true, &deflate::compress(text.as_bytes())?)
                } else {
                    frame::encode(Kind::Text, false, text.as_bytes())
                };
                Ok(Ready { text, frame })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            origin: crowd.origin(),
            ready,
            inflater: Inflater::new(),
            sent: Vec::new(),
            is_started: false,
            is_stopped: false,
            waiting: 0,
            tally: Tally::new(Some(RIGHT)).map_err(io::Error::other)?,
        })
    }

    /// What was counted.
    pub fn into_tally(self) -> Tally {
        self.tally
    }

    fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    fn send(&mut self, at: usize, output: &mut Output, now_ns: u64) {
        if self.is_stopped {
            return;
        }
        self.waiting += 1;
        if self.sent.len() <= at {
            self.sent.resize(at + 1, (0, 0));
        }
        let (count, began_ns) = &mut self.sent[at];
        output.send(&self.ready[(at + *count) % self.ready.len()].frame);
        *count += 1;
        *began_ns = now_ns;
    }

    fn is_right(&mut self, at: usize, message: &Message<'_>) -> bool {
        let Some((count, _)) = self.sent.get(at).copied() else {
            return false;
        };
        let expected = &self.ready[(at + count.wrapping_sub(1)) % self.ready.len()].text;
        if message.is_compressed && at != CHECKED {
            return true;
        }
        if !message.is_compressed {
            // Of the others only the length: comparing costs more than receiving.
            let is_same = at != CHECKED || message.payload == expected.as_bytes();
            return message.payload.len() == expected.len() && is_same;
        }
        let inflated = self.inflater.inflate(message.payload);
        inflated.is_ok_and(|text| text == expected.as_bytes())
    }
}

impl Load for Echo {
    fn opened(&mut self, _at: usize, _output: &mut Output) {}

    fn message(&mut self, at: usize, output: &mut Output, message: Message<'_>) {
        let now_ns = self.now_ns();
        let status = if self.is_right(at, &message) {
            RIGHT
        } else {
            WRONG
        };
        self.waiting = self.waiting.saturating_sub(1);
        self.tally.read(message.payload.len());
        let began_ns = self.sent.get(at).map_or(now_ns, |sent| sent.1);
        self.tally.answer(began_ns, now_ns, status);
        self.send(at, output, now_ns);
    }

    fn lost(&mut self, _at: usize) {
        self.waiting = self.waiting.saturating_sub(1);
        self.tally.socket_error(1);
    }
}

impl Measured for Echo {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// The first messages go out when everybody is there: a busy server accepts nobody for long.
    fn keep_going(&mut self, crowd: &mut Crowd) -> io::Result<()> {
        if self.is_started {
            return Ok(());
        }
        self.is_started = true;
        for at in 0..crowd.begun_count() {
            let now_ns = self.now_ns();
            if let Some(output) = crowd.output(at) {
                self.send(at, output, now_ns);
            }
        }
        crowd.settle_all();
        Ok(())
    }

    fn stop(&mut self) {
        self.is_stopped = true;
    }

    fn is_waiting(&self) -> bool {
        self.waiting > 0
    }
}

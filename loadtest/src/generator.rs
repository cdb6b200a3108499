//! The load: one thread, one level-triggered epoll, warm-up, window, drain.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::connection::{Connection, Health};
use crate::descriptors::raise_descriptor_limit;
use crate::process_tree;
use crate::schedule::Schedule;
use crate::settings::{DRAIN_NS, Settings, UPKEEP_NS, WINDOW_MAX_S, Window};
use crate::tally::Tally;

const EVENTS_MAX: usize = 256;
const READ_BUFFER_BYTES: usize = 256 * 1024;
const TIMER_TOKEN: u64 = u64::MAX;
/// Descriptors this process needs besides its connections.
const OTHER_DESCRIPTORS: u64 = 32;

/// What a run found.
#[derive(Debug)]
pub struct Measurement {
    /// Counters and latencies.
    pub tally: Tally,
    /// CPU time of the server's process tree during the window.
    pub server_cpu_ns: Option<u64>,
}

/// When `drive` returns, apart from its deadline.
#[derive(Debug, Clone, Copy)]
enum Goal {
    Deadline,
    Answers(u64),
    Idle,
}

#[derive(Debug, Default)]
struct Slot {
    connection: Option<Connection>,
    /// Open loop: whether the slot waits in `free` for an arrival.
    is_free: bool,
}

/// Sends the requests of one run and collects the answers.
#[derive(Debug)]
pub struct Generator<'a> {
    settings: &'a Settings,
    epoll: Epoll,
    origin: Instant,
    request_bytes: usize,
    /// As many requests as one connection has in flight, in one piece.
    batch: Vec<u8>,
    slots: Vec<Slot>,
    free: VecDeque<usize>,
    schedule: Option<Schedule>,
    timer: Option<TimerFd>,
    buffer: Vec<u8>,
    tally: Tally,
    next_upkeep_ns: u64,
    is_sending: bool,
}

impl<'a> Generator<'a> {
    /// Prepares a run; nothing is connected yet.
    pub fn new(settings: &'a Settings) -> io::Result<Self> {
        raise_descriptor_limit(u64::from(settings.connections) + OTHER_DESCRIPTORS)?;
        let request = settings.request();
        Ok(Self {
            settings,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            origin: Instant::now(),
            request_bytes: request.len(),
            batch: request.repeat(settings.pipeline as usize),
            slots: (0..settings.connections).map(|_| Slot::default()).collect(),
            free: VecDeque::new(),
            schedule: None,
            timer: None,
            buffer: vec![0; READ_BUFFER_BYTES],
            tally: Tally::new(settings.expected_status).map_err(io::Error::other)?,
            next_upkeep_ns: 0,
            is_sending: true,
        })
    }

    /// Runs warm-up, window and drain.
    pub fn run(mut self) -> io::Result<Measurement> {
        self.start_schedule()?;
        for slot in 0..self.slots.len() {
            self.open(slot);
        }
        let warm_up_end_ns = self.now_ns() + nanoseconds(self.settings.warm_up);
        self.drive(warm_up_end_ns, Goal::Deadline)?;

        let cpu_before = self.server_cpu_ns()?;
        let opened_ns = self.now_ns();
        self.tally.open(opened_ns);
        let (length, goal) = match self.settings.window {
            Window::Duration(length) => (length, Goal::Deadline),
            Window::Requests(count) => {
                (Duration::from_secs_f64(WINDOW_MAX_S), Goal::Answers(count))
            }
        };
        self.drive(opened_ns + nanoseconds(length), goal)?;
        let closed_ns = self.now_ns();
        self.tally.close(closed_ns);
        // A server that died under load is a finding, not a reason to lose the numbers.
        let cpu_after = self.server_cpu_ns().unwrap_or_default();

        self.is_sending = false;
        self.drive(closed_ns + DRAIN_NS, Goal::Idle)?;
        self.record_unfinished(closed_ns);
        let server_cpu_ns = cpu_before
            .zip(cpu_after)
            .map(|(before, after)| after.saturating_sub(before));
        Ok(Measurement {
            tally: self.tally,
            server_cpu_ns,
        })
    }

    fn server_cpu_ns(&self) -> io::Result<Option<u64>> {
        self.settings
            .server_pid
            .map(process_tree::cpu_ns)
            .transpose()
    }

    fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// A timer wakes epoll once per arrival: epoll's own timeout counts milliseconds.
    fn start_schedule(&mut self) -> io::Result<()> {
        let Some(rate_per_s) = self.settings.rate_per_s else {
            return Ok(());
        };
        let schedule = Schedule::new(self.now_ns(), rate_per_s);
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        let period = TimeSpec::from_duration(Duration::from_nanos(schedule.period_ns().max(1)));
        timer.set(Expiration::Interval(period), TimerSetTimeFlags::empty())?;
        self.epoll
            .add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER_TOKEN))?;
        self.timer = Some(timer);
        self.schedule = Some(schedule);
        Ok(())
    }

    /// Serves events until the deadline or the goal.
    fn drive(&mut self, deadline_ns: u64, goal: Goal) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS_MAX];
        loop {
            let now_ns = self.now_ns();
            if now_ns >= deadline_ns || self.is_reached(goal) {
                return Ok(());
            }
            if now_ns >= self.next_upkeep_ns {
                self.upkeep(now_ns);
            }
            self.send_due(now_ns);
            let wait_ns = deadline_ns.min(self.next_upkeep_ns).saturating_sub(now_ns);
            let wait_ms = wait_ns.div_ceil(1_000_000).min(1_000) as u16;
            let count = match self.epoll.wait(&mut events, EpollTimeout::from(wait_ms)) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            for event in &events[..count] {
                self.handle(*event);
            }
        }
    }

    fn is_reached(&self, goal: Goal) -> bool {
        match goal {
            Goal::Deadline => false,
            Goal::Answers(count) => self.tally.answers >= count,
            Goal::Idle => self
                .connections()
                .all(|connection| connection.in_flight() == 0),
        }
    }

    fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.slots
            .iter()
            .filter_map(|slot| slot.connection.as_ref())
    }

    fn handle(&mut self, event: EpollEvent) {
        if event.data() == TIMER_TOKEN {
            // Reading resets the timer; the schedule itself says what is due.
            if let Some(timer) = &self.timer {
                let _ = timer.wait();
            }
            return;
        }
        let slot = event.data() as usize;
        let mut health = Health::Open;
        if event
            .events()
            .intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR)
        {
            health = self.receive(slot);
        }
        if health == Health::Open && event.events().contains(EpollFlags::EPOLLOUT) {
            let Some(connection) = &mut self.slots[slot].connection else {
                return;
            };
            health = connection.flush(&self.batch);
        }
        self.settle(slot, health);
    }

    /// Reads once, counts the answers, and sends the next batch when the last one is answered.
    fn receive(&mut self, slot: usize) -> Health {
        let Some(connection) = &mut self.slots[slot].connection else {
            return Health::Open;
        };
        let count = match connection.read(&mut self.buffer) {
            Ok(Some(count)) => count,
            Ok(None) => return Health::Open,
            Err(_) => return Health::Closed,
        };
        let now_ns = self.origin.elapsed().as_nanos() as u64;
        let tally = &mut self.tally;
        tally.read(count);
        if count == 0 {
            connection.finish(|began_ns, answer| tally.answer(began_ns, now_ns, answer.status));
            return Health::Closed;
        }
        let health = connection.parse(&self.buffer[..count], |began_ns, answer| {
            tally.answer(began_ns, now_ns, answer.status);
        });
        if health == Health::Closed {
            return Health::Closed;
        }
        let is_idle = connection.in_flight() == 0;
        if self.schedule.is_some() {
            self.offer(slot);
        } else if is_idle && self.is_sending {
            return self.send(slot, self.settings.pipeline as usize, now_ns);
        }
        Health::Open
    }

    fn send(&mut self, slot: usize, count: usize, began_ns: u64) -> Health {
        match &mut self.slots[slot].connection {
            Some(connection) => connection.send(count, self.request_bytes, began_ns, &self.batch),
            None => Health::Open,
        }
    }

    /// Open loop: a connection with room for a request waits for the next arrival.
    fn offer(&mut self, slot: usize) {
        let entry = &mut self.slots[slot];
        let has_room = entry
            .connection
            .as_ref()
            .is_some_and(|connection| connection.in_flight() < self.settings.pipeline as usize);
        if has_room && !entry.is_free {
            entry.is_free = true;
            self.free.push_back(slot);
        }
    }

    /// Open loop: sends every arrival that is due, as long as a connection is free.
    fn send_due(&mut self, now_ns: u64) {
        if !self.is_sending {
            return;
        }
        while let Some(&slot) = self.free.front() {
            let Some(due_ns) = self
                .schedule
                .as_mut()
                .and_then(|schedule| schedule.take_due(now_ns))
            else {
                return;
            };
            self.free.pop_front();
            self.slots[slot].is_free = false;
            let health = self.send(slot, 1, due_ns);
            self.offer(slot);
            self.settle(slot, health);
        }
    }

    /// Closes what is closed, and watches for writability exactly while bytes wait.
    fn settle(&mut self, slot: usize, health: Health) {
        let Some(connection) = &mut self.slots[slot].connection else {
            return;
        };
        if health == Health::Open && connection.has_unsent() == connection.watches_writes {
            return;
        }
        if health == Health::Open {
            connection.watches_writes = connection.has_unsent();
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, connection.watches_writes);
            let mut event = EpollEvent::new(flags, slot as u64);
            if self
                .epoll
                .modify(connection.stream().as_fd(), &mut event)
                .is_ok()
            {
                return;
            }
        }
        let lost = connection.in_flight() as u64;
        let may_reopen = connection.has_answered && self.is_sending;
        self.tally.socket_error(lost);
        self.close(slot);
        if may_reopen {
            self.tally.reconnect();
            self.open(slot);
        }
    }

    fn close(&mut self, slot: usize) {
        // Dropping the socket takes it out of epoll.
        self.slots[slot].connection = None;
        if self.slots[slot].is_free {
            self.slots[slot].is_free = false;
            self.free.retain(|free| *free != slot);
        }
    }

    /// Opens a connection and, closed loop, sends its first batch. Failures are tried again by `upkeep`.
    fn open(&mut self, slot: usize) {
        let Ok(connection) = Connection::open(self.settings.target.address, &self.settings.method)
        else {
            self.tally.socket_error(1);
            return;
        };
        let event = EpollEvent::new(EpollFlags::EPOLLIN, slot as u64);
        if self.epoll.add(connection.stream(), event).is_err() {
            self.tally.socket_error(1);
            return;
        }
        self.slots[slot].connection = Some(connection);
        if self.schedule.is_some() {
            self.offer(slot);
            return;
        }
        if self.send(slot, self.settings.pipeline as usize, self.now_ns()) == Health::Closed {
            self.tally.socket_error(1);
            self.close(slot);
            return;
        }
        self.settle(slot, Health::Open);
    }

    /// Gives up requests that are too old and opens connections that are closed.
    fn upkeep(&mut self, now_ns: u64) {
        self.next_upkeep_ns = now_ns + UPKEEP_NS;
        let timeout_ns = nanoseconds(self.settings.timeout);
        for slot in 0..self.slots.len() {
            if let Some(connection) = &self.slots[slot].connection {
                let oldest_ns = connection.began_ns().next().unwrap_or(now_ns);
                if now_ns.saturating_sub(oldest_ns) < timeout_ns {
                    continue;
                }
                let given_up: Vec<u64> = connection.began_ns().collect();
                for began_ns in given_up {
                    self.tally.timeout(began_ns, now_ns);
                }
                self.close(slot);
            }
            if self.is_sending {
                self.tally.reconnect();
                self.open(slot);
            }
        }
    }

    /// Requests still waiting at the end, and arrivals that were due and never found a connection.
    fn record_unfinished(&mut self, closed_ns: u64) {
        let now_ns = self.now_ns();
        let waiting: Vec<u64> = self.connections().flat_map(Connection::began_ns).collect();
        for began_ns in waiting {
            self.tally.unfinished(began_ns, now_ns);
        }
        while let Some(due_ns) = self
            .schedule
            .as_mut()
            .and_then(|schedule| schedule.take_due(closed_ns))
        {
            self.tally.unfinished(due_ns, now_ns);
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

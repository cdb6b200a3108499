//! `realtime echo http://127.0.0.1:8000/echo`: puts a server's WebSockets or event streams under load.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use loadtest::process_tree;
use loadtest::realtime::broadcast::Broadcast;
use loadtest::realtime::crowd::{Crowd, PEERS_MAX};
use loadtest::realtime::echo::Echo;
use loadtest::realtime::frame::MESSAGE_MAX_BYTES;
use loadtest::realtime::idle::{self, Greeting};
use loadtest::realtime::peer::Protocol;
use loadtest::realtime::publisher::Publisher;
use loadtest::realtime::report::Report;
use loadtest::realtime::texts::STAMP_BYTES;
use loadtest::realtime::window::{Times, measure};
use loadtest::settings::{WARM_UP_MAX_S, WINDOW_MAX_S};
use loadtest::tally::Tally;
use loadtest::target::Target;

/// Connecting all sockets takes no longer than this, nor does waiting for their first messages.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
const WORKERS_MAX: i64 = 64;
const BURST_MAX: i64 = 64;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Every WebSocket sends the next message when the last one came back
    Echo,
    /// What is posted to `--publish` must arrive on every WebSocket; then comes the next
    Broadcast,
    /// The same with event streams
    Events,
    /// Every WebSocket sends one message; then the server's memory is read
    Idle,
}

/// Loads a server on this machine with WebSockets or event streams and reports latency and cost.
#[derive(Debug, Parser)]
#[command(name = "realtime")]
struct Arguments {
    /// The load
    kind: Kind,
    /// Where to connect; only loopback addresses are accepted
    url: String,
    /// Sockets
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..PEERS_MAX as i64))]
    connections: u32,
    /// Length of a message before compression
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(STAMP_BYTES as i64..=MESSAGE_MAX_BYTES as i64))]
    bytes: u32,
    /// Negotiate permessage-deflate, and compress
    #[arg(long)]
    deflate: bool,
    /// Where messages are posted that everybody shall get
    #[arg(long, default_value = "/publish")]
    publish: String,
    /// Messages that are published together; the next ones follow when everybody has got all
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=BURST_MAX))]
    burst: u32,
    /// Broadcast: processes of the server; each gets the same number of sockets
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=WORKERS_MAX))]
    workers: u32,
    /// Length of the measured window in seconds
    #[arg(long, default_value_t = 5.0, value_parser = seconds(WINDOW_MAX_S))]
    duration_s: f64,
    /// Load before the window opens, in seconds
    #[arg(long, default_value_t = 1.0, value_parser = seconds(WARM_UP_MAX_S))]
    warmup_s: f64,
    /// Process id of the server, for CPU time and memory of it and its descendants
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
    /// Write all numbers to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

fn seconds(maximum: f64) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync {
    move |text| match text.parse() {
        Ok(value) if (0.0..=maximum).contains(&value) => Ok(value),
        _ => Err(format!("not between 0 and {maximum}")),
    }
}

impl Arguments {
    fn times(&self) -> Times {
        Times {
            warm_up: Duration::from_secs_f64(self.warmup_s),
            window: Duration::from_secs_f64(self.duration_s),
            connect: CONNECT_TIMEOUT,
            server_pid: self.pid,
        }
    }

    fn protocol(&self) -> Protocol {
        match self.kind {
            Kind::Events => Protocol::Events,
            Kind::Echo | Kind::Broadcast | Kind::Idle => Protocol::WebSocket {
                has_deflate: self.deflate,
            },
        }
    }

    fn name(&self) -> String {
        format!("{:?}", self.kind).to_lowercase()
    }
}

fn echo(arguments: &Arguments, crowd: &mut Crowd) -> Result<Report, Box<dyn Error>> {
    let times = arguments.times();
    let mut load = Echo::new(crowd, arguments.bytes as usize, arguments.deflate)?;
    crowd.grow(arguments.connections as usize, times.connect, &mut load)?;
    let cpu_ns = measure(crowd, &mut load, &times)?;
    Ok(report(arguments, crowd, &load.into_tally(), cpu_ns))
}

fn broadcast(
    arguments: &Arguments,
    target: &Target,
    crowd: &mut Crowd,
) -> Result<Report, Box<dyn Error>> {
    let times = arguments.times();
    let publishers = (0..arguments.burst)
        .map(|_| Publisher::connect(target, &arguments.publish))
        .collect::<Result<_, _>>()?;
    let mut load = Broadcast::new(crowd, publishers, arguments.bytes as usize)?;
    let (count, workers) = (arguments.connections as usize, arguments.workers as usize);
    load.gather(crowd, count, workers, times.connect)?;
    let cpu_ns = measure(crowd, &mut load, &times)?;
    let (parts, published) = (load.parts(), load.published);
    let mut report = report(arguments, crowd, &load.into_tally(), cpu_ns);
    report.parts = parts;
    report.published = published;
    Ok(report)
}

fn idle(arguments: &Arguments, crowd: &mut Crowd) -> Result<Report, Box<dyn Error>> {
    let pid = arguments.pid.ok_or("idle needs --pid")?;
    let mut load = Greeting::new(arguments.bytes as usize, arguments.deflate)?;
    let count = arguments.connections as usize;
    let footprint = idle::measure(crowd, &mut load, count, pid, CONNECT_TIMEOUT)?;
    let mut report = report(arguments, crowd, &Tally::new(None)?, None);
    report.footprint = Some(footprint);
    Ok(report)
}

fn report(arguments: &Arguments, crowd: &Crowd, tally: &Tally, cpu_ns: Option<u64>) -> Report {
    let mut report = Report::new(&arguments.name(), crowd.open_count(), tally, cpu_ns);
    report.server_memory = arguments.pid.and_then(|pid| process_tree::memory(pid).ok());
    report
}

fn run(arguments: &Arguments) -> Result<Report, Box<dyn Error>> {
    let target = Target::parse(&arguments.url)?;
    let mut crowd = Crowd::new(&target, arguments.protocol())?;
    let report = match arguments.kind {
        Kind::Echo => echo(arguments, &mut crowd)?,
        Kind::Broadcast | Kind::Events => broadcast(arguments, &target, &mut crowd)?,
        Kind::Idle => idle(arguments, &mut crowd)?,
    };
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(report)
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(report) => {
            print!("{}", report.text());
            if report.messages == 0 && report.footprint.is_none() {
                eprintln!("realtime: no messages");
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("realtime: {error}");
            ExitCode::FAILURE
        }
    }
}

//! `loadtest http://127.0.0.1:8000/`: puts a server on this machine under load and reports latency and cost.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use loadtest::generator::Generator;
use loadtest::process_tree;
use loadtest::report::Report;
use loadtest::settings::{
    CONNECTIONS_MAX, PIPELINE_MAX, RATE_MAX_PER_S, Settings, WARM_UP_MAX_S, WINDOW_MAX_S, Window,
};
use loadtest::svg_chart;
use loadtest::target::Target;

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Loads an HTTP/1.1 server on this machine with one request and reports latency and cost.
#[derive(Debug, Parser)]
#[command(name = "loadtest")]
struct Arguments {
    /// What to ask for; only loopback addresses are accepted
    url: String,
    /// Keep-alive connections
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=i64::from(CONNECTIONS_MAX)))]
    connections: u32,
    /// Requests sent together on each connection; the next ones go out when all are answered
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(PIPELINE_MAX)))]
    pipeline: u32,
    /// Length of the measured window in seconds
    #[arg(long, default_value_t = 5.0, conflicts_with = "requests", value_parser = seconds(WINDOW_MAX_S))]
    duration_s: f64,
    /// Measure until this many answers arrived, instead of for a time
    #[arg(long)]
    requests: Option<u64>,
    /// Load before the window opens, in seconds
    #[arg(long, default_value_t = 1.0, value_parser = seconds(WARM_UP_MAX_S))]
    warmup_s: f64,
    /// Open loop: arrivals per second on a fixed schedule; latency counts from the scheduled time
    #[arg(long, value_parser = arrival_rate)]
    rate: Option<f64>,
    /// Give a request up after this many seconds
    #[arg(long, default_value_t = 10.0, value_parser = seconds(WINDOW_MAX_S))]
    timeout_s: f64,
    /// Request method
    #[arg(long, default_value = "GET", value_parser = token)]
    method: String,
    /// File with the request body
    #[arg(long)]
    body_file: Option<PathBuf>,
    /// Additional header field, `name: value`; may be repeated
    #[arg(long = "header", value_parser = field_line)]
    headers: Vec<String>,
    /// Count every other status as unexpected; without it, those outside 200-299
    #[arg(long, value_parser = clap::value_parser!(u16).range(100..=599))]
    expect_status: Option<u16>,
    /// Write all numbers to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the latency curve to this file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Process id of the server, for CPU time and memory of it and its descendants
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
}

fn seconds(maximum: f64) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync {
    move |text| match text.parse() {
        Ok(value) if (0.0..=maximum).contains(&value) => Ok(value),
        _ => Err(format!("not between 0 and {maximum}")),
    }
}

fn arrival_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if value > 0.0 && value <= RATE_MAX_PER_S => Ok(value),
        _ => Err(format!("not above 0 and at most {RATE_MAX_PER_S}")),
    }
}

fn token(text: &str) -> Result<String, String> {
    let is_token = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if is_token {
        Ok(text.to_owned())
    } else {
        Err("not a method".to_owned())
    }
}

fn field_line(text: &str) -> Result<String, String> {
    let has_name = text
        .split_once(':')
        .is_some_and(|(name, _)| !name.is_empty());
    let is_line = text.bytes().all(|byte| byte >= b' ' && byte != 0x7f);
    if has_name && is_line {
        Ok(text.to_owned())
    } else {
        Err("not `name: value`".to_owned())
    }
}

impl Arguments {
    fn into_settings(self) -> Result<Settings, Box<dyn Error>> {
        let length = Duration::from_secs_f64(self.duration_s);
        Ok(Settings {
            target: Target::parse(&self.url)?,
            method: self.method,
            headers: self.headers,
            body: self.body_file.map(fs::read).transpose()?,
            expected_status: self.expect_status,
            connections: self.connections,
            pipeline: self.pipeline,
            window: self
                .requests
                .map_or(Window::Duration(length), Window::Requests),
            warm_up: Duration::from_secs_f64(self.warmup_s),
            rate_per_s: self.rate,
            timeout: Duration::from_secs_f64(self.timeout_s),
            server_pid: self.pid,
            json: self.json,
            svg: self.svg,
        })
    }
}

fn run(settings: &Settings) -> Result<Report, Box<dyn Error>> {
    TcpStream::connect_timeout(&settings.target.address, PROBE_TIMEOUT)
        .map_err(|error| format!("cannot connect to {}: {error}", settings.target.address))?;
    let measured = Generator::new(settings)?.run()?;
    let memory = settings
        .server_pid
        .and_then(|pid| process_tree::memory(pid).ok());
    let report = Report::new(settings, &measured, memory);
    if let Some(path) = &settings.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(path) = &settings.svg {
        fs::write(
            path,
            svg_chart::draw(&report.title(), &report.subtitle(), &report.percentiles),
        )?;
    }
    Ok(report)
}

fn main() -> ExitCode {
    let outcome = Arguments::parse()
        .into_settings()
        .and_then(|settings| run(&settings));
    match outcome {
        Ok(report) => {
            print!("{}", report.text());
            if report.requests == 0 {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::FAILURE
        }
    }
}

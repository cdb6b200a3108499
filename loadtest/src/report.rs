//! The numbers of one run: for people as text, for scripts as JSON.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::curve::{self, Point};
use crate::generator::Measurement;
use crate::process_tree::Memory;
use crate::settings::Settings;
use crate::text_plot;

const PLOT_COLUMNS: usize = 64;

/// Latency in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Half of the requests took at most this.
    pub p50_us: f64,
    /// 90 %.
    pub p90_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p99_9_us: f64,
    /// The slowest request.
    pub max_us: f64,
    /// Arithmetic mean.
    pub mean_us: f64,
}

impl Latency {
    /// The summary of a histogram of nanoseconds.
    pub fn of(latencies_ns: &Histogram<u64>) -> Self {
        let at = |quantile| latencies_ns.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            max_us: latencies_ns.max() as f64 / 1e3,
            mean_us: latencies_ns.mean() / 1e3,
        }
    }
}

/// Everything a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was asked for.
    pub url: String,
    /// Request method.
    pub method: String,
    /// Number of connections.
    pub connections: u32,
    /// Requests sent together on one connection.
    pub pipeline: u32,
    /// Scheduled arrivals per second; `None` is a closed loop.
    pub rate_per_s: Option<f64>,
    /// Length of the window.
    pub window_s: f64,
    /// Answers inside the window.
    pub requests: u64,
    /// Answers per second.
    pub requests_per_s: f64,
    /// Answers with another status than expected: outside 200-299 unless one was named.
    pub unexpected: u64,
    /// Requests lost with their connection, and connections that could not be opened.
    pub socket_errors: u64,
    /// Requests given up.
    pub timeouts: u64,
    /// Requests without an answer at the end.
    pub unfinished: u64,
    /// Connections opened again.
    pub reconnects: u64,
    /// Response bytes inside the window.
    pub bytes_read: u64,
    /// User and system time of the server's process tree per answer.
    pub server_cpu_us_per_request: Option<f64>,
    /// Cores the server kept busy: its CPU time over the length of the window.
    pub server_cores: Option<f64>,
    /// Memory of the server's process tree after the window.
    pub server_memory: Option<Memory>,
    /// Latency at the usual percentiles.
    pub latency: Latency,
    /// The whole latency curve.
    pub percentiles: Vec<Point>,
}

impl Report {
    /// Turns counters into rates and percentiles.
    pub fn new(settings: &Settings, measured: &Measurement, memory: Option<Memory>) -> Self {
        let tally = &measured.tally;
        let window_s = tally.window_ns() as f64 / 1e9;
        let latencies = tally.latencies_ns();
        let cpu_us = measured.server_cpu_ns.map(|ns| ns as f64 / 1e3);
        Self {
            url: format!("http://{}{}", settings.target.host, settings.target.path),
            method: settings.method.clone(),
            connections: settings.connections,
            pipeline: settings.pipeline,
            rate_per_s: settings.rate_per_s,
            window_s,
            requests: tally.answers,
            requests_per_s: tally.answers as f64 / window_s.max(1e-9),
            unexpected: tally.unexpected,
            socket_errors: tally.socket_errors,
            timeouts: tally.timeouts,
            unfinished: tally.unfinished,
            reconnects: tally.reconnects,
            bytes_read: tally.bytes_read,
            server_cpu_us_per_request: cpu_us
                .filter(|_| tally.answers > 0)
                .map(|us| us / tally.answers as f64),
            server_cores: cpu_us.map(|us| us / 1e6 / window_s.max(1e-9)),
            server_memory: memory,
            latency: Latency::of(latencies),
            percentiles: curve::points(latencies),
        }
    }

    /// What was sent, in one line.
    pub fn title(&self) -> String {
        format!("{} {}", self.method, self.url)
    }

    /// How it was sent and how fast it was answered, in one line.
    pub fn subtitle(&self) -> String {
        let load = match self.rate_per_s {
            Some(rate) => format!("{rate} requests/s scheduled"),
            None => "as fast as answered".to_owned(),
        };
        format!(
            "{} connections, {} in flight on each, {load}: {:.0} requests/s over {:.1} s",
            self.connections, self.pipeline, self.requests_per_s, self.window_s
        )
    }

    /// Summary and curve for a terminal.
    pub fn text(&self) -> String {
        let latency = &self.latency;
        let label = curve::latency_label;
        let mut text = format!(
            "{}\n{}\n\n  latency  p50 {}  p90 {}  p99 {}  p99.9 {}  max {}\n",
            self.title(),
            self.subtitle(),
            label(latency.p50_us),
            label(latency.p90_us),
            label(latency.p99_us),
            label(latency.p99_9_us),
            label(latency.max_us),
        );
        text.push_str(&self.server_text());
        text.push_str(&format!(
            "  answers  {}  unexpected {}  socket errors {}  timeouts {}  unfinished {}  reconnects {}\n\n",
            self.requests,
            self.unexpected,
            self.socket_errors,
            self.timeouts,
            self.unfinished,
            self.reconnects
        ));
        text.push_str(&text_plot::draw(&self.percentiles, PLOT_COLUMNS));
        text
    }

    /// CPU time and memory, as far as they are known.
    fn server_text(&self) -> String {
        let mut text = String::new();
        if let (Some(cpu_us), Some(cores)) = (self.server_cpu_us_per_request, self.server_cores) {
            text.push_str(&format!(
                "  server   {cpu_us:.2} us CPU/request  {cores:.2} cores\n"
            ));
        }
        if let Some(memory) = self.server_memory {
            let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
            let now = mebibytes(memory.rss_bytes);
            let peak = mebibytes(memory.rss_peak_bytes);
            text.push_str(&format!("  memory   {now:.1} MiB RSS  {peak:.1} MiB peak"));
            if let Some(pss_bytes) = memory.pss_bytes {
                text.push_str(&format!("  {:.1} MiB PSS", mebibytes(pss_bytes)));
            }
            text.push('\n');
        }
        text
    }
}

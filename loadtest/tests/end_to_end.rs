//! The generator against the yardstick, over sockets, through both binaries.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A yardstick on a port of its own; ends with the test.
struct Yardstick {
    process: Child,
    address: String,
    _stdout: BufReader<ChildStdout>,
}

impl Yardstick {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_yardstick"))
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("yardstick starts");
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .expect("the address")
            .to_owned();
        Self {
            process,
            address,
            _stdout: stdout,
        }
    }

    fn load(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .arg(format!("http://{}/some/path?x=1", self.address))
            .args(["--warmup-s", "0.1", "--pid", &self.process.id().to_string()])
            .args(arguments)
            .output()
            .expect("loadtest runs")
    }

    /// Runs with `--json` and returns the numbers.
    fn measure(&self, name: &str, arguments: &[&str]) -> Value {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
        let json = path.to_str().expect("UTF-8");
        let output = self.load(&[arguments, &["--json", json]].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&std::fs::read(path).expect("written")).expect("JSON")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("connects");
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("timeout");
        stream
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn assert_no_errors(report: &Value) {
    for counter in ["unexpected", "socket_errors", "timeouts", "reconnects"] {
        assert_eq!(report[counter], 0, "{counter} in {report}");
    }
}

#[test]
fn a_closed_loop_counts_answers_cpu_and_memory() {
    let server = Yardstick::start();
    let report = server.measure("closed", &["--duration-s", "0.3", "--connections", "8"]);
    assert_no_errors(&report);
    assert!(report["requests"].as_u64() > Some(100), "{report}");
    assert!(
        report["server_cpu_us_per_request"].as_f64() > Some(0.0),
        "{report}"
    );
    assert!(
        report["server_memory"]["rss_bytes"].as_u64() > Some(100_000),
        "{report}"
    );
    let latency = |name: &str| report["latency"][name].as_f64().expect("a number");
    assert!(0.0 < latency("p50_us") && latency("p50_us") <= latency("max_us"));
}

#[test]
fn pipelined_requests_are_all_answered() {
    let server = Yardstick::start();
    let report = server.measure("pipelined", &["--requests", "5000", "--pipeline", "16"]);
    assert_no_errors(&report);
    assert!(report["requests"].as_u64() >= Some(5_000), "{report}");
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let server = Yardstick::start();
    let report = server.measure("open", &["--duration-s", "0.5", "--rate", "1000"]);
    assert_no_errors(&report);
    let rate = report["requests_per_s"].as_f64().expect("a number");
    assert!((800.0..=1_200.0).contains(&rate), "{rate} requests/s");
}

#[test]
fn the_summary_names_the_percentiles_and_draws_them() {
    let server = Yardstick::start();
    let svg = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("curve.svg");
    let output = server.load(&["--requests", "500", "--svg", svg.to_str().expect("UTF-8")]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for part in [
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "us CPU/request",
        "requests/s",
        "90%",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(
        std::fs::read_to_string(svg)
            .expect("written")
            .starts_with("<svg")
    );
}

#[test]
fn other_machines_and_closed_ports_are_refused() {
    for url in ["http://192.0.2.1/", "http://127.0.0.1:1/"] {
        let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .arg(url)
            .output()
            .expect("runs");
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn another_status_than_the_expected_one_is_counted() {
    let server = Yardstick::start();
    let report = server.measure("status", &["--requests", "100", "--expect-status", "422"]);
    assert_eq!(report["unexpected"], report["requests"], "{report}");
    let report = server.measure("status", &["--requests", "100", "--expect-status", "200"]);
    assert_no_errors(&report);
}

#[test]
fn the_yardstick_answers_requests_that_arrive_in_pieces() {
    let server = Yardstick::start();
    let mut stream = server.connect();
    for piece in [
        "GET / HT",
        "TP/1.1\r\nhost: a\r",
        "\n\r\nGET /2 HTTP/1.1\r\n",
        "\r\n",
    ] {
        stream.write_all(piece.as_bytes()).expect("sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    stream
        .write_all(b"DELETE / HTTP/1.1\r\n\r\n")
        .expect("sent");
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .expect("closed after the 501");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    assert!(text.contains("HTTP/1.1 501 "), "{text}");
}

#[test]
fn the_yardstick_keeps_what_a_slow_reader_does_not_take() {
    const REQUESTS: usize = 100_000;
    let server = Yardstick::start();
    let mut reader = server.connect();
    let mut writer = reader.try_clone().expect("cloned");
    // More answers than the sockets hold, so that the server meets partial writes.
    let sender = std::thread::spawn(move || {
        writer
            .write_all(&b"GET / HTTP/1.1\r\n\r\n".repeat(REQUESTS))
            .expect("sent");
        writer
            .shutdown(std::net::Shutdown::Write)
            .expect("half closed");
    });
    std::thread::sleep(Duration::from_millis(300));
    let mut answers = Vec::new();
    reader.read_to_end(&mut answers).expect("read");
    sender.join().expect("sender");
    let found = answers
        .windows(15)
        .filter(|part| part == b"HTTP/1.1 200 OK")
        .count();
    assert_eq!(found, REQUESTS);
}

//! The realtime loads against a server of this file's own, over sockets, through the binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
    connection: Upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
const WITH_DEFLATE: &[u8] = b"sec-websocket-extensions: permessage-deflate\r\n";
const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const PUBLISHED: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

type Members = Arc<Mutex<Vec<(bool, TcpStream)>>>;

/// A server whose rooms are as many as its threads are simple; ends with the test's process.
fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let members = Members::default();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let members = Arc::clone(&members);
            thread::spawn(move || serve(stream, &members));
        }
    });
    port
}

/// One connection; whatever goes wrong ends it.
fn serve(mut stream: TcpStream, members: &Members) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (path, length, has_deflate) = read_head(&mut reader)?;
        match path.as_str() {
            "/publish" => {
                let mut body = vec![0; length];
                reader.read_exact(&mut body).ok()?;
                publish(members, &body);
                stream.write_all(PUBLISHED).ok()?;
            }
            "/events" => {
                stream.write_all(STREAM).ok()?;
                join(members, false, stream.try_clone().ok()?)?;
            }
            _ => {
                stream.write_all(SWITCHING).ok()?;
                if has_deflate {
                    stream.write_all(WITH_DEFLATE).ok()?;
                }
                stream.write_all(b"\r\n").ok()?;
                if path == "/room" {
                    join(members, true, stream.try_clone().ok()?)?;
                }
                while let Some((first, payload)) = read_frame(&mut reader) {
                    let wrong = [b"?", &payload[1..]].concat();
                    let payload = if path == "/wrong" { wrong } else { payload };
                    write_frame(&mut stream, first, &payload)?;
                }
                return stream.shutdown(Shutdown::Both).ok();
            }
        }
    }
}

fn read_head(reader: &mut BufReader<TcpStream>) -> Option<(String, usize, bool)> {
    let (mut path, mut length, mut has_deflate) = (String::new(), 0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1)?.to_owned();
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().ok()?;
        }
        has_deflate |= line.contains("permessage-deflate");
        if line == "\r\n" {
            return Some((path, length, has_deflate));
        }
    }
}

fn read_frame(reader: &mut BufReader<TcpStream>) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 2];
    reader.read_exact(&mut header).ok()?;
    let mut length = usize::from(header[1] & 0x7f);
    if length == 126 {
        let mut long = [0; 2];
        reader.read_exact(&mut long).ok()?;
        length = usize::from(u16::from_be_bytes(long));
    }
    let mut key = [0; 4];
    reader.read_exact(&mut key).ok()?;
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload).ok()?;
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[at % 4];
    }
    Some((header[0], payload))
}

fn write_frame(stream: &mut TcpStream, first: u8, payload: &[u8]) -> Option<()> {
    let length = payload.len();
    let mut frame = vec![first];
    if length < 126 {
        frame.push(length as u8);
    } else {
        frame.push(126);
        frame.extend((length as u16).to_be_bytes());
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame).ok()
}

fn tell(is_websocket: bool, stream: &mut TcpStream, text: &[u8]) -> Option<()> {
    if is_websocket {
        return write_frame(stream, 0x81, text);
    }
    let event = [b"data: ", text, b"\n\n"].concat();
    stream.write_all(&event).ok()
}

/// Greets as one of two workers, in turn.
fn join(members: &Members, is_websocket: bool, mut stream: TcpStream) -> Option<()> {
    let mut members = members.lock().ok()?;
    let worker = format!("worker {}", members.len() % 2);
    tell(is_websocket, &mut stream, worker.as_bytes())?;
    members.push((is_websocket, stream));
    Some(())
}

fn publish(members: &Members, text: &[u8]) {
    let mut members = members.lock().expect("no panic before");
    members.retain_mut(|(is_websocket, stream)| tell(*is_websocket, stream, text).is_some());
}

fn load(port: u16, kind: &str, path: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_realtime"))
        .args([kind, &format!("http://127.0.0.1:{port}{path}")])
        .args(["--warmup-s", "0.1", "--duration-s", "0.3"])
        .args(["--pid", &std::process::id().to_string()])
        .args(arguments)
        .output()
        .expect("realtime runs")
}

fn measure(name: &str, kind: &str, path: &str, arguments: &[&str]) -> Value {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
    let json = ["--json", file.to_str().expect("UTF-8")];
    let output = load(start(), kind, path, &[arguments, &json].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&std::fs::read(file).expect("written")).expect("JSON")
}

fn assert_all_arrived(report: &Value) {
    for counter in ["unexpected", "socket_errors", "timeouts"] {
        assert_eq!(report[counter], 0, "{counter} in {report}");
    }
    assert!(report["messages"].as_u64() > Some(50), "{report}");
    assert!(
        report["server_cpu_us_per_message"].as_f64() > Some(0.0),
        "{report}"
    );
    assert!(report["latency"]["p99_us"].as_f64() > Some(0.0), "{report}");
}

#[test]
fn an_echo_is_counted_and_compared() {
    for (name, arguments) in [
        ("short", &["--bytes", "16"][..]),
        ("long", &["--bytes", "16384"]),
        ("compressed", &["--bytes", "16384", "--deflate"]),
    ] {
        let more = [arguments, &["--connections", "8"]].concat();
        assert_all_arrived(&measure(name, "echo", "/echo", &more));
    }
}

#[test]
fn a_wrong_echo_is_noticed() {
    for (name, deflate) in [("wrong", &[][..]), ("wrong-deflate", &["--deflate"])] {
        let more = [deflate, &["--connections", "1", "--bytes", "100"]].concat();
        let report = measure(name, "echo", "/wrong", &more);
        assert_eq!(report["unexpected"], report["messages"], "{report}");
    }
}

#[test]
fn a_broadcast_reaches_everybody_and_each_worker_has_its_part() {
    let arguments = ["--connections", "20", "--workers", "2"];
    let report = measure("broadcast", "broadcast", "/room", &arguments);
    assert_all_arrived(&report);
    assert_eq!(report["parts"]["0"], 10, "{report}");
    assert_eq!(report["parts"]["1"], 10, "{report}");
}

#[test]
fn messages_that_are_published_together_are_all_received() {
    let arguments = ["--connections", "10", "--burst", "4"];
    let report = measure("burst", "broadcast", "/room", &arguments);
    assert_all_arrived(&report);
    assert_eq!(report["published"].as_u64().map(|count| count % 4), Some(0));
}

#[test]
fn events_reach_everybody() {
    let arguments = ["--connections", "20", "--workers", "2"];
    let report = measure("events", "events", "/events", &arguments);
    assert_all_arrived(&report);
}

#[test]
fn an_idle_crowd_has_a_footprint() {
    let report = measure("idle", "idle", "/echo", &["--connections", "50"]);
    let footprint = &report["footprint"];
    assert_eq!(footprint["connections"], 50, "{report}");
    assert_eq!(footprint["lost"], 0, "{report}");
    // A thread each takes more than a page.
    let bytes = footprint["rss_bytes_per_connection"].as_f64();
    assert!(bytes > Some(1000.0), "{report}");
}

#[test]
fn servers_that_refuse_or_are_elsewhere_are_an_error() {
    let said = |output: Output| {
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // An event stream is no WebSocket.
    let text = said(load(start(), "echo", "/events", &[]));
    assert!(text.contains("refused with status 200"), "{text}");
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_realtime"))
        .args(["echo", "http://192.0.2.1/"])
        .output()
        .expect("realtime runs");
    assert!(said(elsewhere).contains("not loopback"));
}

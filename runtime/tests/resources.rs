//! What connections cost: descriptors, memory and processor time. One test at a time, alone in
//! its process.
#![allow(clippy::unwrap_used)]

#[path = "suite/harness.rs"]
mod harness;

use harness::{Client, Server};
use nix::sys::resource::{UsageWho, getrusage};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The figures are the whole process's, so only one test may run.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = |t: nix::sys::time::TimeVal| {
        Duration::from_micros((t.tv_sec() * 1_000_000 + t.tv_usec()).unsigned_abs())
    };
    micros(usage.user_time()) + micros(usage.system_time())
}

fn idle(server: &Server, count: usize) -> Vec<Client<TcpStream>> {
    (0..count)
        .map(|_| {
            let mut client = server.connect();
            assert_eq!(client.get("/").status, 200);
            // What the test keeps of a client must not count.
            client.unread = Vec::new();
            client
        })
        .collect()
}

#[test]
fn ten_thousand_resets_leave_nothing_behind() {
    let _alone = alone();
    let server = Server::plain(|_| ());
    let flood = |count: usize| {
        for n in 0..count {
            let mut client = server.connect();
            match n % 4 {
                0 => {}
                1 => client.send("GET / HTT"),
                2 => client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
                _ => client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc"),
            }
            client.reset();
        }
        server.wait_open(0);
        assert_eq!(server.connect().get("/").status, 200);
        server.wait_open(0);
        std::thread::sleep(Duration::from_millis(400));
    };
    flood(3_000);
    let (files, memory) = (descriptors(), resident_bytes());
    flood(10_000);
    let grown = resident_bytes().saturating_sub(memory);
    println!(
        "10,000 resets: {} descriptors, {} KiB more",
        descriptors(),
        grown / 1024
    );
    assert!(
        descriptors() <= files,
        "{files} descriptors became {}",
        descriptors()
    );
    // The pool of buffers may fill up meanwhile; a kilobyte lost with each would be more.
    assert!(grown < 8 << 20, "{grown} bytes more");
}

#[test]
fn two_thousand_half_heads_are_refused_on_time_while_others_are_served() {
    let _alone = alone();
    let server = Server::plain(|limits| limits.header_timeout_s = 1.5);
    let mut clients: Vec<_> = (0..2_000)
        .map(|_| {
            let mut client = server.connect();
            client.send("GET / HTTP/1.1\r\nhost: a\r\n");
            (client, Instant::now())
        })
        .collect();
    let mut other = server.connect();
    let until = Instant::now() + Duration::from_millis(800);
    while Instant::now() < until {
        let begun = Instant::now();
        assert_eq!(other.get("/").status, 200);
        assert!(begun.elapsed() < Duration::from_millis(300));
        std::thread::sleep(Duration::from_millis(5));
    }
    for (client, begun) in &mut clients {
        let answer = client.response();
        let took = begun.elapsed();
        assert_eq!(answer.status, 408);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    drop(clients);
    assert_eq!(other.get("/").status, 200);
    server.wait_open(1);
}

#[test]
fn an_idle_connection_costs_little_memory_and_no_time() {
    let _alone = alone();
    let server = Server::plain(|_| ());
    // The first ones grow what all share.
    drop(idle(&server, 200));
    server.wait_open(0);
    let memory = resident_bytes();
    const COUNT: usize = 5_000;
    let clients = idle(&server, COUNT);
    server.wait_open(COUNT as u64);
    let each = resident_bytes().saturating_sub(memory) / COUNT;
    println!("an idle connection costs {each} bytes");
    assert!(each <= 4_096, "an idle connection costs {each} bytes");

    drop(clients.into_iter().skip(1_000).collect::<Vec<_>>());
    drop(server);
    let server = Server::plain(|_| ());
    let _clients = idle(&server, 1_000);
    std::thread::sleep(Duration::from_millis(300));
    let before = cpu();
    std::thread::sleep(Duration::from_secs(1));
    let spent = cpu() - before;
    println!("1,000 idle connections take {spent:?} of a second");
    assert!(spent < Duration::from_millis(10), "{spent:?}");
}

#[test]
fn turns_leave_nothing_behind() {
    let _alone = alone();
    let (door, _bell) = std::os::unix::net::UnixStream::pair().unwrap();
    let reactor = runtime::Reactor::new(std::os::fd::AsFd::as_fd(&door)).unwrap();
    let turns = |count: usize| {
        for n in 0..count {
            let timeout = Duration::from_micros(n as u64 % 3 * 20);
            reactor.turn(Some(timeout));
            runtime::interrupt();
            reactor.turn(Some(Duration::from_secs(60)));
        }
    };
    turns(5_000);
    let (files, memory) = (descriptors(), resident_bytes());
    turns(20_000);
    let grown = resident_bytes().saturating_sub(memory);
    println!("40,000 turns: {} KiB more", grown / 1024);
    assert!(descriptors() <= files);
    assert!(grown < 1 << 20, "{grown} bytes more");
}

//! Start, death and replacement, reload, and the ways to stop.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::Test;
use crate::fake_shard::{DEAF, DIE_FILE, FAIL_FILE, SLOW_MS};
use crate::server::{Scratch, Server, children, command, eventually, lives, run_command};

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        /// Every test of this file.
        pub(crate) const TESTS: &[Test] = &[$((stringify!($name), $name)),*];
    };
}

tests![
    it_starts_serves_and_stops,
    a_killed_shard_is_replaced_and_its_connections_wait,
    a_shard_that_dies_young_is_replaced_ever_later,
    a_failed_start_says_why_once_and_ends,
    a_death_before_ready_ends_the_first_start,
    a_slow_start_is_given_up,
    a_program_that_is_not_there_is_named,
    reloads_refuse_no_connection,
    a_failed_reload_keeps_the_old_generation,
    many_reload_signals_come_to_few_reloads,
    a_shard_that_does_not_drain_for_a_reload_is_killed,
    requests_in_flight_are_answered_before_the_stop,
    a_stop_with_deaf_shards_is_loud_and_bounded,
    a_second_signal_stops_at_once,
    a_stop_during_the_start_is_prompt,
    signals_meant_for_the_supervisor_do_not_hurt_shards,
    shards_end_when_the_supervisor_is_killed,
    an_orphaned_shard_command_refuses_to_run,
];

fn it_starts_serves_and_stops() {
    let mut server = Server::start(&["--shards", "2"]);
    let banner = format!(
        "FasterAPI 0.1.0 serves fake:app on http://127.0.0.1:{} with 2 shards (ready after ",
        server.port()
    );
    assert!(server.log().contains(&banner), "{}", server.log());
    let answers: Vec<_> = (0..32).map(|_| server.get("/")).collect();
    let by = |index: &str| answers.iter().any(|answer| answer.value("index") == index);
    assert!(by("0") && by("1"), "each shard has its own socket");
    assert_eq!(answers[0].value("generation"), "1");
    let shards = server.shards();
    assert_eq!(shards.len(), 2);
    assert_eq!(server.stop(), 0);
    assert!(server.log().contains("all requests are answered"));
    assert!(!shards.into_iter().any(lives));
    assert!(server.try_get("/").is_err());
}

fn a_killed_shard_is_replaced_and_its_connections_wait() {
    let server = Server::start(&["--shards", "1"]);
    let before = server.get("/").pid();
    for round in 1..=2 {
        kill(server.shards()[0], Signal::SIGKILL).unwrap();
        // Whoever connects now waits in the socket, which the supervisor holds.
        let after = server.get("/");
        assert_ne!(after.pid(), before);
        assert_eq!(after.value("generation"), "1");
        server.wait_for_count("was killed by SIGKILL", round);
    }
    assert_eq!(children(server.pid()).len(), 1, "no zombie stays");
}

fn a_shard_that_dies_young_is_replaced_ever_later() {
    let scratch = Scratch::new();
    let die = scratch.path("die");
    let server = Server::start_command(run_command(&["--shards", "1"]).env(DIE_FILE, &die));
    std::fs::write(&die, "").unwrap();
    for pause in ["0.1", "0.2", "0.4"] {
        server.wait_for(&format!(
            "ended with exit code 3, shard 0 starts again in {pause} s"
        ));
    }
    std::fs::remove_file(&die).unwrap();
    assert_eq!(server.get("/").value("index"), "0");
}

fn a_failed_start_says_why_once_and_ends() {
    let scratch = Scratch::new();
    let fail = scratch.write("fail", "main.py, line 3: no such thing");
    let mut server = Server::spawn(run_command(&["--shards", "3"]).env(FAIL_FILE, &fail));
    assert_eq!(server.wait(), 1);
    assert_eq!(
        server.count("main.py, line 3: no such thing"),
        1,
        "{}",
        server.log()
    );
    assert_eq!(server.count("serves fake:app"), 0);
    assert!(server.shards().is_empty());
}

fn a_death_before_ready_ends_the_first_start() {
    let mut command = run_command(&["--shards", "2"]);
    let mut server = Server::spawn(command.env(SLOW_MS, "9000"));
    eventually(|| server.shards().len() == 2, || "two shards".to_owned());
    kill(server.shards()[1], Signal::SIGABRT).unwrap();
    assert_eq!(server.wait(), 1);
    let log = server.log();
    assert!(
        log.contains("fasterapi: a shard was killed by SIGABRT"),
        "{log}"
    );
}

fn a_slow_start_is_given_up() {
    let mut command = run_command(&["--shards", "2", "--ready-timeout-s", "0.3"]);
    let mut server = Server::spawn(command.env(SLOW_MS, "9000"));
    assert_eq!(server.wait(), 1);
    assert_eq!(
        server.count("a shard was not ready after 0.3 s"),
        1,
        "{}",
        server.log()
    );
}

fn a_program_that_is_not_there_is_named() {
    let mut command = run_command(&["--shards", "2"]);
    let mut server = Server::spawn(command.env("FAKE_PROGRAM", "/nonexistent/fasterapi"));
    assert_eq!(server.wait(), 1);
    let sentence = "fasterapi: cannot start /nonexistent/fasterapi as a shard: No such file";
    assert_eq!(server.count(sentence), 1, "{}", server.log());
}

fn reloads_refuse_no_connection() {
    let server = Server::start(&["--shards", "2"]);
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        server.try_get("/slow/5")?;
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), std::io::Error>(())
                })
            })
            .collect();
        for round in 1..=5 {
            server.signal(Signal::SIGHUP);
            server.wait_for_count("(reloaded after", round);
            let enough = || answered.load(Ordering::Relaxed) >= 20 * round || stopped(&clients);
            eventually(enough, || "answers".to_owned());
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap().expect("no request is lost");
        }
    });
    eventually(
        || server.shards().len() == 2,
        || "the old shards' end".to_owned(),
    );
    assert_eq!(server.get("/").value("generation"), "6");
    assert_eq!(server.count("was killed"), 0, "{}", server.log());
}

/// Whether a client has given up, which its result explains.
fn stopped<T>(clients: &[thread::ScopedJoinHandle<'_, T>]) -> bool {
    clients.iter().any(thread::ScopedJoinHandle::is_finished)
}

fn a_failed_reload_keeps_the_old_generation() {
    let scratch = Scratch::new();
    let fail = scratch.path("fail");
    let server = Server::start_command(run_command(&["--shards", "2"]).env(FAIL_FILE, &fail));
    let mut before = server.shards();
    std::fs::write(&fail, "SyntaxError").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for("the reload failed, generation 1 stays: SyntaxError");
    eventually(
        || server.shards().len() == 2,
        || "the new shards' end".to_owned(),
    );
    before.sort();
    let mut after = server.shards();
    after.sort();
    assert_eq!(before, after);
    std::fs::remove_file(&fail).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for("(reloaded after");
    server.wait_for_generation("3");
}

fn many_reload_signals_come_to_few_reloads() {
    let server = Server::start_command(run_command(&["--shards", "1"]).env(SLOW_MS, "200"));
    for _ in 0..6 {
        server.signal(Signal::SIGHUP);
        thread::sleep(Duration::from_millis(10));
    }
    // One starts at the first signal, and one more for those that came meanwhile.
    server.wait_for_count("(reloaded after", 2);
    thread::sleep(Duration::from_millis(400));
    assert_eq!(server.count("(reloaded after"), 2, "{}", server.log());
}

fn a_shard_that_does_not_drain_for_a_reload_is_killed() {
    let mut command = run_command(&["--shards", "1", "--drain-timeout-s", "0.2"]);
    let server = Server::start_command(command.env(DEAF, "1"));
    let before = server.get("/").pid();
    server.signal(Signal::SIGHUP);
    server.wait_for("(reloaded after");
    server.wait_for("did not drain in time and is killed");
    eventually(|| !lives(before), || "its death".to_owned());
    assert_ne!(server.get("/").pid(), before);
}

fn requests_in_flight_are_answered_before_the_stop() {
    let mut server = Server::start(&["--shards", "1"]);
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.try_get("/slow/500"));
        thread::sleep(Duration::from_millis(150));
        server.signal(Signal::SIGTERM);
        server.wait_for("SIGTERM, drains for at most 30 s");
        slow.join().unwrap().expect("an answer");
    });
    assert_eq!(server.wait(), 0);
}

fn a_stop_with_deaf_shards_is_loud_and_bounded() {
    let mut command = run_command(&["--shards", "2", "--drain-timeout-s", "0.2"]);
    let mut server = Server::start_command(command.env(DEAF, "1"));
    let began = Instant::now();
    assert_eq!(server.stop(), 1);
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(server.count("did not drain in time and is killed"), 2);
    assert!(server.log().contains("requests were lost"));
}

fn a_second_signal_stops_at_once() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut server = Server::start_command(run_command(&["--shards", "2"]).env(DEAF, "1"));
        let shards = server.shards();
        let began = Instant::now();
        server.signal(signal);
        server.wait_for("drains for at most");
        server.signal(signal);
        assert_eq!(server.wait(), code);
        assert!(began.elapsed() < Duration::from_secs(4));
        assert!(!shards.into_iter().any(lives));
    }
}

fn a_stop_during_the_start_is_prompt() {
    let mut server = Server::spawn(run_command(&["--shards", "2"]).env(SLOW_MS, "9000"));
    eventually(|| server.shards().len() == 2, || "two shards".to_owned());
    let began = Instant::now();
    assert_eq!(server.stop(), 0);
    assert!(began.elapsed() < Duration::from_secs(4));
}

fn signals_meant_for_the_supervisor_do_not_hurt_shards() {
    let server = Server::start(&["--shards", "1"]);
    let shard = server.get("/").pid();
    // As a terminal sends SIGINT to the whole group, and systemd SIGTERM to the whole unit.
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        kill(shard, signal).unwrap();
    }
    server.signal(Signal::SIGUSR1);
    server.signal(Signal::SIGUSR2);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(server.get("/").pid(), shard);
}

fn shards_end_when_the_supervisor_is_killed() {
    let server = Server::start(&["--shards", "2"]);
    let shards = server.shards();
    assert_eq!(shards.len(), 2);
    server.signal(Signal::SIGKILL);
    eventually(
        || !shards.iter().any(|pid| lives(*pid)),
        || "their end".to_owned(),
    );
    // Reaps the supervisor, whose end has no exit code.
    drop(server);
}

fn an_orphaned_shard_command_refuses_to_run() {
    let mut server = Server::spawn(&mut command(&["shard"]));
    assert_eq!(server.wait(), 2);
    assert!(
        server.log().contains("started by the supervisor only"),
        "{}",
        server.log()
    );
}

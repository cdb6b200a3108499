//! Who is linked to whom, through deaths and reloads.

use std::collections::BTreeMap;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Test;
use crate::fake_shard::{DEAF, SLOW_MS};
use crate::server::{Answer, Server, eventually, run_command};

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        /// Every test of this file.
        pub(crate) const TESTS: &[Test] = &[$((stringify!($name), $name)),*];
    };
}

tests![
    every_shard_can_write_to_every_other,
    a_replaced_shard_is_linked_and_its_predecessor_forgotten,
    both_generations_are_linked_until_the_older_ends,
    a_shard_that_listens_late_is_told_all,
    no_reload_leaves_a_descriptor_behind,
];

/// What each living shard says of itself, by its index.
fn ask_all(server: &Server, shards: usize) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    eventually(
        || {
            let answer = server.get("/");
            answers.insert(answer.value("index"), answer);
            answers.len() == shards
        },
        || format!("an answer of each of {shards} shards"),
    );
    answers
}

/// Asks all shards until their links are as `wanted`.
fn wait_for_links(server: &Server, shards: usize, wanted: impl Fn(&Answer) -> bool) {
    let mut last = BTreeMap::new();
    eventually(
        || {
            last = ask_all(server, shards);
            last.values().all(&wanted)
        },
        || "links".to_owned(),
    );
}

/// All of `1..=last` but for `without`, as the fake shard lists them.
fn others(from: u32, last: u32, without: &str) -> String {
    let all = (from..=last).map(|process| process.to_string());
    all.filter(|process| process != without)
        .collect::<Vec<_>>()
        .join(",")
}

fn every_shard_can_write_to_every_other() {
    let server = Server::start(&["--shards", "3"]);
    wait_for_links(&server, 3, |answer| {
        let all = others(1, 3, &answer.value("process"));
        answer.value("peers") == all && answer.value("heard") == all
    });
    let answers = ask_all(&server, 3);
    assert!(
        answers
            .values()
            .all(|answer| answer.value("source").is_empty())
    );
    let node = answers["0"].value("node");
    assert!(node.len() == 36 && answers.values().all(|answer| answer.value("node") == node));
}

fn a_replaced_shard_is_linked_and_its_predecessor_forgotten() {
    let server = Server::start(&["--shards", "3"]);
    wait_for_links(&server, 3, |answer| answer.value("heard").len() == 3);
    let killed = ask_all(&server, 3)["0"].clone();
    kill(killed.pid(), Signal::SIGKILL).unwrap();
    let gone = killed.value("process");
    wait_for_links(&server, 3, |answer| {
        let known = answer.value("peers");
        let without = answer.value("process");
        let living = (1..=4).map(|process| process.to_string());
        let living = living.filter(|process| *process != gone && *process != without);
        known == living.collect::<Vec<_>>().join(",")
    });
    let answers = ask_all(&server, 3);
    let new = &answers["0"];
    assert_eq!(new.value("process"), "4");
    assert_eq!(
        new.value("heard"),
        new.value("peers"),
        "the others write to the new one"
    );
    assert!(
        new.value("peers")
            .split(',')
            .any(|peer| peer == new.value("source"))
    );
    assert!(
        answers["1"].value("heard").ends_with(",4") && answers["2"].value("heard").ends_with(",4")
    );
}

fn both_generations_are_linked_until_the_older_ends() {
    let server = Server::start(&["--shards", "2"]);
    wait_for_links(&server, 2, |answer| answer.value("heard").len() == 1);
    server.signal(Signal::SIGHUP);
    server.wait_for("(reloaded after");
    wait_for_links(&server, 2, |answer| {
        answer.value("generation") == "2"
            && answer.value("peers") == others(3, 4, &answer.value("process"))
    });
    for answer in ask_all(&server, 2).values() {
        assert_eq!(
            answer.value("heard"),
            others(1, 4, &answer.value("process"))
        );
        assert!(
            ["1", "2"].contains(&answer.value("source").as_str()),
            "an older one"
        );
    }
}

fn a_shard_that_listens_late_is_told_all() {
    let mut command = run_command(&["--shards", "2"]);
    let server = Server::start_command(command.env(SLOW_MS, "300"));
    for reload in 1..=2 {
        server.signal(Signal::SIGHUP);
        server.wait_for_count("(reloaded after", reload);
    }
    wait_for_links(&server, 2, |answer| {
        answer.value("generation") == "3"
            && answer.value("peers") == others(5, 6, &answer.value("process"))
    });
    // Neither does one that hears nothing at all hold anybody up.
    let mut command = run_command(&["--shards", "2", "--drain-timeout-s", "0.2"]);
    let server = Server::start_command(command.env(DEAF, "1"));
    server.signal(Signal::SIGHUP);
    server.wait_for("(reloaded after");
    assert_eq!(ask_all(&server, 2)["0"].value("peers"), "");
}

fn descriptors(pid: Pid) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn no_reload_leaves_a_descriptor_behind() {
    let server = Server::start(&["--shards", "2"]);
    let settled = |generation: &str| {
        wait_for_links(&server, 2, |answer| {
            answer.value("generation") == generation
                && answer.value("peers").split(',').count() == 1
        });
        eventually(
            || server.shards().len() == 2,
            || "the old shards' end".to_owned(),
        );
        let shards = server.shards().into_iter().map(descriptors).max();
        (descriptors(server.pid()), shards.unwrap_or(0))
    };
    let before = settled("1");
    for reload in 1..=20 {
        server.signal(Signal::SIGHUP);
        server.wait_for_count("(reloaded after", reload);
    }
    assert_eq!(settled("21"), before);
    // Neither does a death.
    kill(server.shards()[0], Signal::SIGKILL).unwrap();
    server.wait_for("was killed by SIGKILL");
    eventually(|| server.shards().len() == 2, || "another shard".to_owned());
    assert_eq!(settled("21"), before);
}

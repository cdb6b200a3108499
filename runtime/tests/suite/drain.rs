//! A shard that is told to stop.

use crate::harness::{Server, after, ready, wait_until};
use runtime::{Answer, Reply, answer_slot};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn server() -> Server {
    Server::start(|setup| {
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        setup.get("/slow", |_| {
            let (sender, receiver) = answer_slot();
            after(400, || sender.send(Answer::text(200, "slow")));
            Reply::Later(receiver)
        });
    })
}

/// Starts to drain; the flag is set when the shard says that it has.
fn drain(server: &Server) -> Arc<AtomicBool> {
    let drained = Arc::new(AtomicBool::new(false));
    let done = drained.clone();
    server.with(move |shard| {
        shard.start_drain(runtime::Drain::Stop);
        let shard = shard.clone();
        runtime::enqueue(move || {
            runtime::spawn(async move {
                shard.drained().await;
                done.store(true, Ordering::Relaxed);
            });
        });
    });
    drained
}

#[test]
fn an_empty_shard_is_drained_at_once() {
    let server = server();
    let drained = drain(&server);
    wait_until("drained", || drained.load(Ordering::Relaxed));
}

#[test]
fn idle_connections_close_and_nobody_else() {
    let server = server();
    let mut idle = server.connect();
    assert_eq!(idle.get("/").status, 200);
    std::thread::sleep(Duration::from_millis(1_300));
    let mut recent = server.connect();
    assert_eq!(recent.get("/").status, 200);
    let mut fresh = server.connect();
    server.wait_open(3);
    let begun = Instant::now();
    let drained = drain(&server);
    idle.ends();
    assert!(
        begun.elapsed() < Duration::from_millis(200),
        "an idle connection is closed at once"
    );
    // Those that were used a moment ago may have sent a request: it is answered.
    std::thread::sleep(Duration::from_millis(100));
    for client in [&mut recent, &mut fresh] {
        let answer = client.get("/");
        assert_eq!(
            (answer.status, answer.field("connection")),
            (200, Some("close"))
        );
        client.ends();
    }
    drop((recent, fresh));
    wait_until("drained", || drained.load(Ordering::Relaxed));
}

#[test]
fn connections_that_stay_silent_do_not_hold_a_drain_up() {
    let server = server();
    let mut recent = server.connect();
    assert_eq!(recent.get("/").status, 200);
    let mut fresh = server.connect();
    server.wait_open(2);
    let begun = Instant::now();
    let drained = drain(&server);
    recent.ends();
    fresh.ends();
    wait_until("drained", || drained.load(Ordering::Relaxed));
    assert!(begun.elapsed() < Duration::from_millis(2_000));
}

#[test]
fn what_is_in_flight_is_answered_and_told_to_close() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    std::thread::sleep(Duration::from_millis(50));
    let drained = drain(&server);
    let answer = client.response();
    assert_eq!(
        (answer.text(), answer.field("connection")),
        ("slow", Some("close"))
    );
    assert!(!drained.load(Ordering::Relaxed));
    client.ends();
    drop(client);
    wait_until("drained", || drained.load(Ordering::Relaxed));
}

#[test]
fn a_draining_shard_leaves_new_connections_in_the_queue() {
    let server = server();
    let mut before = server.connect();
    assert_eq!(before.get("/").status, 200);
    drain(&server);
    for _ in 0..3 {
        let mut client = server.connect();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        std::thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(
        server.with(|shard| shard.metrics().connections_accepted.get()),
        1
    );
}

#[test]
fn another_shard_on_the_same_socket_finds_what_was_queued() {
    use runtime::{Limits, Listener, Reactor, RouterBuilder, Shard, ShardOptions, Target};
    use std::os::fd::AsFd;

    struct Hello;
    impl runtime::Application for Hello {
        fn body_mode(&self, _: usize) -> runtime::BodyMode {
            runtime::BodyMode::Ignore
        }
        fn respond(&self, _: runtime::Request<'_>) -> Reply {
            ready(Answer::text(200, "hello"))
        }
    }
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (_bell, door) = std::os::unix::net::UnixStream::pair().unwrap();
    let reactor = Reactor::new(door.as_fd()).unwrap();
    let make = || {
        let mut router = RouterBuilder::new(true);
        router.add("/", &[], &["GET"], &Target::Route(0));
        let router = router.build().unwrap();
        let limits = Limits::default();
        let shard = Shard::new(ShardOptions {
            application: Hello,
            router,
            limits,
            access_log: None,
            middleware: None,
            websocket_origins: Vec::new(),
            proxies: None,
        });
        let listener = Listener::new(socket.try_clone().unwrap().into()).unwrap();
        let accepting = shard.clone();
        runtime::enqueue(move || runtime::spawn(accepting.accept_from(listener)));
        shard
    };
    let turns = || (0..10).for_each(|_| _ = reactor.turn(Some(Duration::from_millis(10))));
    let old = make();
    turns();
    old.start_drain(runtime::Drain::Reload);
    let client = std::thread::spawn(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut socket, b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut socket, &mut answer).unwrap();
        answer
    });
    turns();
    assert_eq!(old.metrics().connections_accepted.get(), 0);
    let _new = make();
    wait_until("the new shard answers", || {
        turns();
        client.is_finished()
    });
    assert!(client.join().unwrap().ends_with("hello"));
}

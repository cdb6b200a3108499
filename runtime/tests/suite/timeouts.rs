//! What happens when a peer, or the shard, takes its time.

use crate::harness::{PATIENCE, Server, ready};
use runtime::{Answer, AnswerBody, AnswerSender, Limits, Reply, answer_slot};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn short(limits: &mut Limits) {
    limits.header_timeout_s = 0.6;
    limits.keep_alive_timeout_s = 0.6;
}

fn within(begun: Instant, from_ms: u64, to_ms: u64) {
    let took = begun.elapsed();
    let bounds = Duration::from_millis(from_ms)..Duration::from_millis(to_ms);
    assert!(bounds.contains(&took), "took {took:?}");
}

#[test]
fn half_a_head_gets_408_even_when_a_byte_comes_now_and_then() {
    let server = Server::plain(short);
    let mut client = server.connect();
    let begun = Instant::now();
    client.send("GET / HTTP/1.1\r\nx: ");
    let mut sender = client.socket.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        while begun.elapsed() < Duration::from_secs(2) {
            if std::io::Write::write_all(&mut sender, b"y").is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let answer = client.response();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (408, Some("close"))
    );
    within(begun, 500, 1_600);
    drop(client);
    dripping.join().unwrap();
}

#[test]
fn half_a_second_head_has_the_whole_time_and_no_more() {
    let server = Server::plain(short);
    // The first request comes in two halves, late; the second must not inherit its deadline.
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\n");
    std::thread::sleep(Duration::from_millis(400));
    client.send("host: a\r\n\r\nGET / HT");
    assert_eq!(client.response().status, 200);
    let begun = Instant::now();
    assert_eq!(client.response().status, 408);
    within(begun, 450, 1_600);
}

#[test]
fn half_a_head_behind_an_answer_that_had_to_wait_still_has_a_deadline() {
    let server = Server::start(|setup| {
        short(&mut setup.limits);
        setup.get("/", |_| {
            ready(crate::harness::bytes(200, vec![b'x'; 8 << 20]))
        });
    });
    let mut client = server.connect();
    client.shrink();
    client.send("GET / HTTP/1.1\r\n");
    std::thread::sleep(Duration::from_millis(50));
    client.send("host: a\r\n\r\nGET / HT");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(client.response().body.len(), 8 << 20);
    let begun = Instant::now();
    assert_eq!(client.response().status, 408);
    within(begun, 450, 1_600);
}

#[test]
fn a_new_connection_that_says_nothing_is_closed() {
    let server = Server::plain(short);
    let begun = Instant::now();
    server.connect().ends();
    within(begun, 500, 1_600);
}

#[test]
fn an_idle_connection_is_closed_without_an_answer() {
    let server = Server::plain(short);
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 200);
        std::thread::sleep(Duration::from_millis(250));
    }
    assert_eq!(client.get("/").status, 200);
    let begun = Instant::now();
    client.ends();
    within(begun, 500, 1_600);
    assert_eq!(server.open(), 0);
}

#[test]
fn a_peer_that_takes_nothing_is_dropped_and_one_that_reads_slowly_is_not() {
    let server = Server::start(|setup| {
        setup.limits.send_timeout_s = 0.5;
        setup.get("/", |_| {
            ready(crate::harness::bytes(200, vec![b'x'; 8 << 20]))
        });
        setup.get("/stream", |_| {
            let (sender, receiver) = runtime::chunk_queue();
            sender.send(vec![b'x'; 8 << 20]);
            sender.finish();
            let mut answer = Answer::text(200, "");
            answer.body = AnswerBody::Stream(receiver, None);
            ready(answer)
        });
    });
    let mut stalled: Vec<_> = ["/", "/stream"]
        .map(|path| {
            let mut client = server.connect();
            client.shrink();
            client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
            client
        })
        .into();
    let mut slow = server.connect();
    slow.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let begun = Instant::now();
    let mut read = slow.head().body.len();
    while read < 8 << 20 {
        if begun.elapsed() < Duration::from_millis(1_500) {
            std::thread::sleep(Duration::from_millis(20));
        }
        slow.more().expect("the slow reader is served");
        read += std::mem::take(&mut slow.unread).len();
    }
    // The stalled ones are gone.
    server.wait_open(1);
    for client in &mut stalled {
        client.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        while matches!(client.more(), Ok(1..)) {}
        assert!(client.unread.len() < 8 << 20);
    }
}

#[test]
fn a_shard_that_was_held_up_does_not_blame_its_peers() {
    let server = Server::start(|setup| {
        setup.limits.header_timeout_s = 1.0;
        setup.limits.body_timeout_s = 1.0;
        setup.limits.keep_alive_timeout_s = 1.0;
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        setup.get("/block", |_| {
            std::thread::sleep(Duration::from_secs(3));
            ready(Answer::text(200, "blocked"))
        });
        setup.route(&["POST"], "/", runtime::BodyMode::Collect, |_| {
            ready(Answer::text(200, "got"))
        });
    });
    let mut head = server.connect();
    head.send("GET / HTTP/1.1\r\n");
    let mut body = server.connect();
    body.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na");
    let mut idle = server.connect();
    assert_eq!(idle.get("/").status, 200);
    let mut blocker = server.connect();
    blocker.send("GET /block HTTP/1.1\r\nhost: a\r\n\r\n");
    std::thread::sleep(Duration::from_millis(2_500));
    head.send("host: a\r\n\r\n");
    body.send("b");
    assert_eq!(blocker.response().text(), "blocked");
    assert_eq!(head.response().text(), "hello");
    assert_eq!(body.response().text(), "got");
    assert_eq!(idle.get("/").text(), "hello");
}

#[test]
fn a_handler_that_is_late_is_given_up_and_the_connection_goes_on() {
    let given_up = Arc::new(AtomicUsize::new(0));
    let counted = given_up.clone();
    let server = Server::start(move |setup| {
        setup.limits.answer_timeout_s = 0.6;
        let kept: Rc<RefCell<Vec<AnswerSender>>> = Rc::default();
        setup.get("/never", move |_| {
            let (sender, receiver) = answer_slot();
            let counted = counted.clone();
            sender.on_abandoned(Box::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            }));
            kept.borrow_mut().push(sender);
            Reply::Later(receiver)
        });
        setup.get("/", |_| ready(Answer::text(200, "in time")));
    });
    let mut client = server.connect();
    for turn in 1..=2 {
        let begun = Instant::now();
        assert_eq!(client.get("/never").status, 504);
        within(begun, 550, 1_600);
        assert_eq!(given_up.load(Ordering::SeqCst), turn);
        assert_eq!(client.get("/").body, b"in time");
    }
}

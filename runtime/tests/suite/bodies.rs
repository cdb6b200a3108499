//! Request bodies: framing, modes, bounds and expectations.

use crate::harness::{Client, Server, after, bytes, ready, wait_until};
use runtime::{Answer, BodyFeed, BodyMode, FeedTake, Reply, RequestBody, answer_slot};
use std::cell::RefCell;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Reads a feed to its end, then answers with what came.
fn read_on(feed: &Rc<BodyFeed>, taken: Rc<RefCell<Vec<u8>>>, answer: runtime::AnswerSender) {
    loop {
        match feed.take() {
            FeedTake::Chunk(chunk) => taken.borrow_mut().extend(chunk),
            FeedTake::End => return answer.send(bytes(200, taken.take())),
            FeedTake::Failed => return answer.send(Answer::text(499, "failed")),
            FeedTake::Empty => break,
        }
    }
    let again = feed.clone();
    feed.notify(Box::new(move || {
        runtime::spawn(async move { read_on(&again, taken, answer) });
    }));
}

fn echo(body: RequestBody<'_>) -> Reply {
    match body {
        RequestBody::Full(body) => ready(bytes(200, body)),
        RequestBody::Stream(feed) => {
            let (sender, receiver) = answer_slot();
            read_on(&feed, Rc::default(), sender);
            Reply::Later(receiver)
        }
    }
}

fn server() -> Server {
    Server::start(|setup| {
        setup.limits.body_bytes_max = 100_000;
        setup.limits.body_timeout_s = 0.5;
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        for (path, mode) in [
            ("/ignore", BodyMode::Ignore),
            ("/collect", BodyMode::Collect),
            ("/stream", BodyMode::Stream),
        ] {
            setup.route(&["POST"], path, mode, |request| echo(request.body));
        }
    })
}

fn with_length(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn chunked(path: &str, body: &str) -> String {
    let (one, two) = body.split_at(body.len() / 2);
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x};x=y\r\n{two}\r\n0\r\ntrailer: t\r\n\r\n",
        one.len(),
        two.len()
    )
}

fn expect(client: &mut Client<TcpStream>, path: &str, body: &str) {
    let answer = client.response();
    assert_eq!(answer.status, 200);
    if path != "/ignore" {
        assert_eq!(answer.text(), body);
    }
}

#[test]
fn every_mode_takes_every_framing_whole_and_followed_by_a_request() {
    let server = server();
    let mut client = server.connect();
    for path in ["/ignore", "/collect", "/stream"] {
        for request in [with_length(path, "hello body"), chunked(path, "hello body")] {
            client.send(&request);
            expect(&mut client, path, "hello body");
            client.send(format!("{request}{GET}{request}"));
            expect(&mut client, path, "hello body");
            assert_eq!(client.response().text(), "hello");
            expect(&mut client, path, "hello body");
        }
    }
}

#[test]
fn every_mode_takes_every_framing_byte_by_byte() {
    let server = server();
    let mut client = server.connect();
    for path in ["/ignore", "/collect", "/stream"] {
        for request in [with_length(path, "hello body"), chunked(path, "hello body")] {
            for byte in format!("{request}{GET}").bytes() {
                client.send([byte]);
                std::thread::sleep(Duration::from_micros(200));
            }
            expect(&mut client, path, "hello body");
            assert_eq!(client.response().text(), "hello");
        }
    }
}

#[test]
fn bodies_larger_than_any_buffer_arrive() {
    let server = server();
    let mut client = server.connect();
    let body = "0123456789".repeat(9_000);
    for path in ["/ignore", "/collect", "/stream"] {
        for request in [with_length(path, &body), chunked(path, &body)] {
            client.send(format!("{request}{GET}"));
            expect(&mut client, path, &body);
            assert_eq!(client.response().text(), "hello");
        }
    }
}

#[test]
fn no_body_and_an_empty_body_are_whole() {
    let server = server();
    let mut client = server.connect();
    for path in ["/ignore", "/collect", "/stream"] {
        client.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(client.response().text(), "");
        client.send(with_length(path, ""));
        assert_eq!(client.response().text(), "");
    }
}

#[test]
fn a_length_over_the_bound_is_refused_before_the_body() {
    let server = server();
    for path in ["/ignore", "/collect", "/stream"] {
        let mut client = server.connect();
        client.send(format!(
            "{GET}POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 100001\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200);
        let answer = client.response();
        assert_eq!(
            (answer.status, answer.field("connection")),
            (413, Some("close"))
        );
        // The peer that sends all before it reads still finds the answer, not a reset.
        client.send(vec![b'x'; 100_001]);
        client.socket.shutdown(std::net::Shutdown::Write).unwrap();
        client.ends();
    }
}

#[test]
fn a_refused_upload_reads_its_answer_after_sending_everything() {
    let server = server();
    let mut client = server.connect();
    client.send("POST /collect HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n");
    client.send(vec![b'x'; 9_000_000]);
    assert_eq!(client.response().status, 413);
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    client.ends();
}

#[test]
fn chunks_over_the_bound_are_refused_on_the_way() {
    let server = server();
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    for path in ["/ignore", "/collect", "/stream"] {
        let mut client = server.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        ));
        client.send(&chunk);
        client.send(&chunk);
        client.send(&chunk);
        let answer = client.response();
        assert_eq!(
            (answer.status, answer.field("connection")),
            (413, Some("close")),
            "{path}"
        );
        client.ends();
    }
}

#[test]
fn a_broken_chunk_is_400() {
    let server = server();
    for path in ["/ignore", "/collect", "/stream", "/missing"] {
        let mut client = server.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
        ));
        assert_eq!(client.response().status, 400, "{path}");
        client.ends();
    }
}

const EXPECT: &str = "HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";

#[test]
fn continue_is_said_to_who_waits_for_it() {
    let server = server();
    let mut client = server.connect();
    for path in ["/collect", "/stream"] {
        client.send(format!("POST {path} {EXPECT}"));
        assert_eq!(client.head().status, 100, "{path}");
        client.send("abc");
        assert_eq!(client.response().text(), "abc");
    }
}

#[test]
fn continue_is_not_said_when_the_body_is_there() {
    let server = server();
    for path in ["/ignore", "/collect", "/stream"] {
        for body in ["abc", "a"] {
            let mut client = server.connect();
            client.send(format!("POST {path} {EXPECT}{body}"));
            if path != "/ignore" && body == "a" {
                assert!(client.is_quiet_for(60), "{path}");
                client.send("bc");
            }
            assert_eq!(client.response().status, 200, "{path} {body}");
        }
    }
}

#[test]
fn a_route_that_ignores_the_body_does_not_invite_it() {
    let server = server();
    for (path, status) in [("/ignore", 200), ("/missing", 404), ("/", 405)] {
        let mut client = server.connect();
        client.send(format!("POST {path} {EXPECT}"));
        let answer = client.response();
        assert_eq!(
            (answer.status, answer.field("connection")),
            (status, Some("close"))
        );
        client.ends();
    }
}

#[test]
fn a_miss_answers_at_once_and_keeps_the_connection_only_if_the_body_is_there() {
    let server = server();
    let mut client = server.connect();
    client.send(chunked("/missing", "body"));
    let answer = client.response();
    assert_eq!((answer.status, answer.field("connection")), (404, None));
    assert_eq!(client.get("/").text(), "hello");

    client.send("POST /missing HTTP/1.1\r\nhost: a\r\ncontent-length: 90000\r\n\r\n");
    let answer = client.response();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (404, Some("close"))
    );
    std::thread::sleep(Duration::from_millis(50));
    // Had the socket been closed, this would be answered by a reset.
    client.send(vec![b'x'; 90_000]);
    client.ends();
}

#[test]
fn a_peer_that_stalls_in_its_body_gets_408() {
    let server = server();
    let mut clients: Vec<_> = ["/ignore", "/collect", "/stream"]
        .map(|path| {
            let mut client = server.connect();
            client.send(format!(
                "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc"
            ));
            client
        })
        .into();
    for client in &mut clients {
        assert_eq!(client.response().status, 408);
        client.ends();
    }
    assert_eq!(server.with(|shard| shard.metrics().timeouts.get()), 3);
}

#[test]
fn a_peer_that_ends_in_its_body_is_not_answered_as_if_it_were_whole() {
    let server = server();
    for path in ["/ignore", "/collect", "/stream"] {
        let mut client = server.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc"
        ));
        client.socket.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = client.rest();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "),
            "{path}"
        );
    }
    server.wait_open(0);
}

#[test]
fn a_handler_that_does_not_read_holds_the_peer_back() {
    let go = Arc::new(AtomicBool::new(false));
    let total = Arc::new(AtomicUsize::new(0));
    let (gate, counter) = (go.clone(), total.clone());
    let server = Server::start(move |setup| {
        setup.limits.body_bytes_max = 64 << 20;
        setup.limits.body_timeout_s = 0.3;
        setup.route(&["POST"], "/", BodyMode::Stream, move |request| {
            let RequestBody::Stream(feed) = request.body else {
                return ready(Answer::text(500, ""));
            };
            let (sender, receiver) = answer_slot();
            let (gate, counter) = (gate.clone(), counter.clone());
            runtime::spawn(async move {
                while !gate.load(Ordering::Relaxed) {
                    runtime::sleep(Duration::from_millis(5)).await;
                }
                loop {
                    match feed.take() {
                        FeedTake::Chunk(chunk) => {
                            _ = counter.fetch_add(chunk.len(), Ordering::Relaxed)
                        }
                        FeedTake::Empty => runtime::sleep(Duration::from_millis(1)).await,
                        FeedTake::End => break,
                        FeedTake::Failed => return sender.send(Answer::text(500, "failed")),
                    }
                }
                sender.send(Answer::text(200, "read"));
            });
            Reply::Later(receiver)
        });
    });
    const SIZE: usize = 32 << 20;
    let mut client = server.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n"
    ));
    let mut sender = client.socket.try_clone().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let progress = sent.clone();
    let sending = std::thread::spawn(move || {
        for _ in 0..SIZE / 65536 {
            std::io::Write::write_all(&mut sender, &[b'x'; 65536]).unwrap();
            progress.fetch_add(65536, Ordering::Relaxed);
        }
    });
    // Longer than the body timeout: it is not the peer that dawdles.
    std::thread::sleep(Duration::from_millis(900));
    let held = sent.load(Ordering::Relaxed);
    assert!(
        held < SIZE / 2,
        "{held} bytes went out although nobody read them"
    );
    go.store(true, Ordering::Relaxed);
    assert_eq!(client.response().text(), "read");
    assert_eq!(total.load(Ordering::Relaxed), SIZE);
    sending.join().unwrap();
}

#[test]
fn an_early_answer_ends_the_body_and_the_connection() {
    let failed = Arc::new(AtomicUsize::new(0));
    let seen = failed.clone();
    let server = Server::start(move |setup| {
        setup.route(&["POST"], "/now", BodyMode::Stream, {
            let seen = seen.clone();
            move |request| {
                let RequestBody::Stream(feed) = request.body else {
                    return ready(Answer::text(500, ""));
                };
                while feed.take() != FeedTake::Empty {}
                let (again, seen) = (feed.clone(), seen.clone());
                feed.notify(Box::new(move || {
                    assert_eq!(again.take(), FeedTake::Failed);
                    seen.fetch_add(1, Ordering::Relaxed);
                }));
                ready(Answer::text(200, "early"))
            }
        });
        setup.route(&["POST"], "/soon", BodyMode::Stream, |_| {
            let (sender, receiver) = answer_slot();
            after(50, || sender.send(Answer::text(200, "early")));
            Reply::Later(receiver)
        });
    });
    for path in ["/now", "/soon"] {
        let mut client = server.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 90000\r\n\r\nabc"
        ));
        let answer = client.response();
        assert_eq!(
            (answer.text(), answer.field("connection")),
            ("early", Some("close"))
        );
        std::thread::sleep(Duration::from_millis(30));
        client.send(vec![b'x'; 89_997]);
        client.ends();
    }
    wait_until("the reader is told", || failed.load(Ordering::Relaxed) == 1);
}

#[test]
fn single_bytes_in_a_feed_are_joined() {
    let pieces = Arc::new(AtomicUsize::new(0));
    let seen = pieces.clone();
    let server = Server::start(move |setup| {
        setup.route(&["POST"], "/", BodyMode::Stream, move |request| {
            let RequestBody::Stream(feed) = request.body else {
                return ready(Answer::text(500, ""));
            };
            let (sender, receiver) = answer_slot();
            let seen = seen.clone();
            after(300, move || {
                while let FeedTake::Chunk(_) = feed.take() {
                    seen.fetch_add(1, Ordering::Relaxed);
                }
                sender.send(Answer::text(200, "read"));
            });
            Reply::Later(receiver)
        });
    });
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    std::thread::sleep(Duration::from_millis(30));
    client.send("1\r\nx\r\n".repeat(5_000) + "0\r\n\r\n");
    assert_eq!(client.response().text(), "read");
    assert!(
        pieces.load(Ordering::Relaxed) < 50,
        "each byte cost a buffer"
    );
}

//! Keep-alive, pipelining and the shape of answers.

use crate::harness::{Server, after, bytes, ready};
use runtime::{Answer, Reply, answer_slot};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn one_connection_serves_many_requests() {
    let server = Server::plain(|_| ());
    let mut client = server.connect();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert_eq!(answer.field("connection"), None);
    }
    assert_eq!(
        server.with(|shard| shard.metrics().connections_accepted.get()),
        1
    );
    assert_eq!(server.with(|shard| shard.metrics().requests.get()), 3);
    drop(client);
    server.wait_open(0);
}

#[test]
fn a_unix_socket_serves_alike() {
    let server = Server::plain(|_| ());
    let mut client = server.connect_unix();
    assert_eq!(client.get("/").text(), "hello");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    assert_eq!(client.response().text(), "abc");
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let server = Server::plain(|_| ());
    let mut client = server.connect();
    for _ in 0..2 {
        for byte in
            "GET / HTTP/1.1\r\nhost: a\r\nx-long: 0123456789012345678901234567890\r\n\r\n".bytes()
        {
            client.send([byte]);
            std::thread::sleep(Duration::from_micros(300));
        }
        assert_eq!(client.response().text(), "hello");
    }
}

#[test]
fn pipelined_answers_keep_their_order_and_share_a_write() {
    let server = Server::start(|setup| {
        setup.get("/{number}", |request| {
            ready(bytes(200, request.parameters.get(0)))
        });
    });
    let mut client = server.connect();
    let requests: String = (0..10)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .collect();
    client.send(requests);
    std::thread::sleep(Duration::from_millis(50));
    client.more().unwrap();
    let one_read = client.unread.clone();
    for n in 0..10 {
        assert_eq!(client.response().text(), n.to_string());
    }
    assert!(one_read.ends_with(b"9"), "ten answers came in one write");
}

#[test]
fn more_requests_than_share_a_write_are_all_answered() {
    let server = Server::start(|setup| {
        setup.limits.pipelined_requests_max = 4;
        setup.get("/{number}", |request| {
            ready(bytes(200, request.parameters.get(0)))
        });
    });
    let mut client = server.connect();
    let requests: String = (0..3000)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .collect();
    let mut sender = client.socket.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        std::io::Write::write_all(&mut sender, requests.as_bytes()).unwrap();
    });
    for n in 0..3000 {
        assert_eq!(client.response().text(), n.to_string());
    }
    sending.join().unwrap();
}

#[test]
fn a_slow_answer_does_not_hold_back_earlier_ones() {
    let server = Server::start(|setup| {
        setup.get("/fast", |_| ready(Answer::text(200, "fast")));
        setup.get("/slow", |_| {
            let (sender, receiver) = answer_slot();
            after(400, || sender.send(Answer::text(200, "slow")));
            Reply::Later(receiver)
        });
    });
    let mut client = server.connect();
    let one = |path| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    client.send([one("/fast"), one("/slow"), one("/fast")].concat());
    let begun = Instant::now();
    assert_eq!(client.response().text(), "fast");
    assert!(
        begun.elapsed() < Duration::from_millis(300),
        "the first answer waited"
    );
    assert_eq!(client.response().text(), "slow");
    assert_eq!(client.response().text(), "fast");
}

#[test]
fn large_pipelined_answers_are_bounded() {
    let server = Server::start(|setup| {
        setup.get("/", |_| ready(bytes(200, vec![b'x'; 1 << 20])));
    });
    let mut client = server.connect();
    client.send(GET.repeat(20));
    for _ in 0..20 {
        assert_eq!(client.response().body.len(), 1 << 20);
    }
}

#[test]
fn http_1_0_closes_unless_asked_to_stay() {
    let server = Server::plain(|_| ());
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "hello");
    client.ends();

    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    let answer = client.response();
    assert_eq!(answer.field("connection"), Some("keep-alive"));
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "hello");
    client.ends();
}

#[test]
fn connection_close_closes_after_the_answer() {
    let server = Server::plain(|_| ());
    let mut client = server.connect();
    client.send(format!(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n{GET}"
    ));
    let answer = client.response();
    assert_eq!(answer.field("connection"), Some("close"));
    client.ends();
}

#[test]
fn a_handler_may_close_and_what_is_pipelined_does_not_reset_the_answer() {
    let server = Server::start(|setup| {
        setup.get("/", |_| {
            let mut answer = Answer::text(200, "bye");
            answer.close = true;
            ready(answer)
        });
    });
    let mut client = server.connect();
    client.send(GET);
    let answer = client.response();
    assert_eq!(
        (answer.text(), answer.field("connection")),
        ("bye", Some("close"))
    );
    // What the peer sends because it could not know is taken and forgotten.
    std::thread::sleep(Duration::from_millis(30));
    client.send(GET.repeat(3));
    std::thread::sleep(Duration::from_millis(30));
    client.send(GET);
    client.ends();
    drop(client);
    server.wait_open(0);
}

#[test]
fn head_204_and_304_have_no_body() {
    let server = Server::start(|setup| {
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        setup.get("/204", |_| ready(bytes(204, "ignored")));
        setup.get("/304", |_| ready(bytes(304, "ignored")));
    });
    let mut client = server.connect();
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = client.head();
    assert_eq!(
        (answer.status, answer.field("content-length")),
        (200, Some("5"))
    );
    for (path, status) in [("/204", 204), ("/304", 304)] {
        let answer = client.get(path);
        assert_eq!(
            (answer.status, answer.field("content-length")),
            (status, None)
        );
    }
    // Had any of them a body, it would be read as this answer's head.
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn every_answer_is_dated() {
    let server = Server::plain(|_| ());
    let mut client = server.connect();
    for target in ["/", "/missing"] {
        let answer = client.get(target);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let date = answer.field("date").expect("a date");
        let near = (now - 2..=now).map(runtime::protocols::http1::http_date);
        assert!(near.into_iter().any(|near| near == date), "{date}");
        assert_eq!(answer.head.matches("date: ").count(), 1);
    }
}

#[test]
fn a_peer_that_ends_in_the_middle_of_a_head_gets_400() {
    let server = Server::plain(|_| ());
    let mut client = server.connect();
    client.send("GET / HT");
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.response().status, 400);
    client.ends();
}

#[test]
fn what_was_pipelined_before_the_peer_ended_is_answered() {
    let server = Server::plain(|_| ());
    let mut client = server.connect();
    client.send(GET.repeat(5));
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    for _ in 0..5 {
        assert_eq!(client.response().text(), "hello");
    }
    client.ends();
}

#[test]
fn a_broken_request_behind_good_ones_does_not_take_their_answers() {
    let server = Server::plain(|_| ());
    let mut client = server.connect();
    client.send(format!("{GET}{GET}BROKEN\r\n\r\n{GET}"));
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 400);
    client.ends();
}

#[test]
fn a_panic_is_answered_and_the_shard_lives() {
    std::panic::set_hook(Box::new(|_| ()));
    let server = Server::start(|setup| {
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        setup.get("/panic", |_| panic!("on purpose"));
    });
    let mut client = server.connect();
    let mut other = server.connect();
    client.send(format!("{GET}GET /panic HTTP/1.1\r\nhost: a\r\n\r\n{GET}"));
    assert_eq!(client.response().status, 200);
    let answer = client.response();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (500, Some("close"))
    );
    client.ends();
    let _ = std::panic::take_hook();
    assert_eq!(server.with(|shard| shard.metrics().panics.get()), 1);
    assert_eq!(other.get("/").text(), "hello");
}

//! Bounds on what a peer may send and how many may come.

use crate::harness::Server;

#[test]
fn too_many_connections_get_503() {
    let server = Server::plain(|limits| limits.connections_max = 2);
    let mut one = server.connect();
    let two = server.connect();
    assert_eq!(one.get("/").status, 200);
    server.wait_open(2);
    let mut three = server.connect();
    three.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = three.response();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (503, Some("close"))
    );
    assert_eq!(
        server.with(|shard| shard.metrics().connections_refused.get()),
        1
    );
    drop((two, three));
    server.wait_open(1);
    assert_eq!(server.connect().get("/").status, 200);
    assert_eq!(one.get("/").status, 200);
}

#[test]
fn a_head_that_is_too_large_gets_431() {
    let server = Server::plain(|limits| limits.head_bytes_max = 20_000);
    let mut client = server.connect();
    let most = "x".repeat(20_000 - "GET / HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n".len());
    assert_eq!(client.get_with("/", &format!("x: {most}\r\n")).status, 200);
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\nx: {most}x"));
    // One more byte, and no line end in sight.
    client.send("yyyyyyyy");
    let answer = client.response();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (431, Some("close"))
    );
    client.ends();
}

#[test]
fn an_endless_head_in_single_bytes_gets_431() {
    let server = Server::plain(|limits| limits.head_bytes_max = 2_000);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx: ");
    let mut sender = client.socket.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for _ in 0..2_000 {
            if std::io::Write::write_all(&mut sender, b"x").is_err() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    });
    assert_eq!(client.response().status, 431);
    sending.join().unwrap();
}

#[test]
fn a_request_line_that_is_too_long_gets_414() {
    let server = Server::plain(|limits| limits.request_line_bytes_max = 1_000);
    for steps in [1, 100] {
        let mut client = server.connect();
        client.send("GET /");
        for _ in 0..steps {
            client.send("x".repeat(1_100 / steps));
            std::thread::sleep(std::time::Duration::from_micros(300));
        }
        assert_eq!(client.response().status, 414, "{steps}");
        client.ends();
    }
}

#[test]
fn too_many_fields_get_431() {
    let server = Server::plain(|limits| limits.head_fields_max = 10);
    let mut client = server.connect();
    assert_eq!(client.get_with("/", &"x: y\r\n".repeat(9)).status, 200);
    assert_eq!(client.get_with("/", &"x: y\r\n".repeat(10)).status, 431);
    client.ends();
}

#[test]
fn what_breaks_the_protocol_is_answered_once_and_closed() {
    let server = Server::plain(|_| ());
    for (request, status) in [
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            501,
        ),
        ("GET / HTTP/1.1\r\nhost: a\r\nexpect: miracles\r\n\r\n", 417),
        ("\u{16}\u{3}\u{1}\u{0}", 400),
    ] {
        let mut client = server.connect();
        client.send(request);
        assert_eq!(client.response().status, status, "{request:?}");
        client.ends();
    }
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 9\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    let answer = client.response();
    assert_eq!(
        (answer.status, answer.field("sec-websocket-version")),
        (426, Some("13"))
    );
}

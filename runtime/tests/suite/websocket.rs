//! WebSockets over sockets: echo, bounds, pings, closing, draining.

use crate::harness::{Client, Server, Setup, ready, wait_until};
use runtime::protocols::websocket::MessageKind;
use runtime::{Answer, AnswerBody, Drain, Limits, Reply, Sent, Socket, Taken};
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// How every test's frames are masked.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

fn accepted(socket: &Rc<Socket>) -> Reply {
    socket.accept();
    ready(Answer {
        status: 101,
        fields: Cow::Borrowed(b"sec-websocket-protocol: chat\r\n"),
        close: false,
        body: AnswerBody::WebSocket(socket.clone().into()),
    })
}

/// Sends everything back, and waits while there is no room.
fn echo(socket: Rc<Socket>) {
    loop {
        match socket.take() {
            Taken::Message(message) => {
                if socket.send(message.kind, &message.payload) == Sent::Full {
                    let again = socket.clone();
                    socket.on_room(Box::new(move || echo(again)));
                    return;
                }
            }
            Taken::Closed => return,
            Taken::Empty => {
                let again = socket.clone();
                socket.notify(Box::new(move || echo(again)));
                return;
            }
        }
    }
}

fn echoing(limits: impl FnOnce(&mut Limits) + Send + 'static) -> Server {
    Server::start(move |setup| {
        limits(&mut setup.limits);
        on_handshake(setup, |socket| {
            let reply = accepted(&socket);
            echo(socket);
            reply
        });
        setup.get("/", |_| ready(Answer::text(200, "hello")));
    })
}

fn on_handshake(setup: &mut Setup, serve: impl Fn(Rc<Socket>) -> Reply + 'static) {
    let mode = runtime::BodyMode::Ignore;
    setup.route(&[runtime::WEBSOCKET], "/ws", mode, move |request| {
        serve(request.websocket.expect("a handshake"))
    });
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

trait Frames {
    fn upgrade(&mut self, fields: &str) -> String;
    fn frame(&mut self, first: u8, payload: &[u8]);
    fn next(&mut self) -> (u8, Vec<u8>);
    fn close_code(&mut self) -> u16;
    fn has_ended(&mut self) -> bool;
}

impl<S: Read + Write> Frames for Client<S> {
    fn upgrade(&mut self, fields: &str) -> String {
        self.send(format!("{HANDSHAKE}{fields}\r\n"));
        let response = self.head();
        assert_eq!(response.status, 101, "{}", response.head);
        response.head
    }

    fn frame(&mut self, first: u8, payload: &[u8]) {
        self.send(frame(first, payload));
    }

    fn next(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let Some((used, taken)) = take(&self.unread) {
                self.unread.drain(..used);
                return taken;
            }
            assert_ne!(self.more().expect("a frame arrives"), 0, "ended");
        }
    }

    fn close_code(&mut self) -> u16 {
        let (first, payload) = self.next();
        assert_eq!(first, CLOSE, "{payload:?}");
        u16::from_be_bytes([payload[0], payload[1]])
    }

    fn has_ended(&mut self) -> bool {
        self.unread.is_empty() && matches!(self.more(), Ok(0))
    }
}

/// One unmasked frame at the front of `bytes`.
fn take(bytes: &[u8]) -> Option<(usize, (u8, Vec<u8>))> {
    let (start, len) = match *bytes.get(1)? {
        126 => (
            4,
            u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(),
        ),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        ),
        len => (2, usize::from(len)),
    };
    let payload = bytes.get(start..start + len)?;
    Some((start + len, (bytes[0], payload.to_vec())))
}

fn open(server: &Server) -> Client<TcpStream> {
    let mut client = server.connect();
    client.upgrade("");
    client
}

#[test]
fn a_handshake_is_answered_and_messages_come_back() {
    let server = echoing(|_| ());
    let mut client = server.connect();
    let head = client.upgrade("");
    for line in [
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-protocol: chat",
        // RFC 6455 section 1.3
        "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ] {
        assert!(
            head.contains(&format!("\r\n{line}\r\n")),
            "{line} in {head}"
        );
    }
    client.frame(TEXT, b"hello");
    assert_eq!(client.next(), (TEXT, b"hello".to_vec()));
    client.frame(BINARY, &[]);
    assert_eq!(client.next(), (BINARY, vec![]));
    let long = vec![7; 100_000];
    client.frame(BINARY, &long);
    assert_eq!(client.next(), (BINARY, long));
}

#[test]
fn frames_that_come_with_the_handshake_or_in_single_bytes_count() {
    let server = echoing(|_| ());
    let mut client = server.connect();
    let mut all = format!("{HANDSHAKE}\r\n").into_bytes();
    all.extend(frame(TEXT, b"early"));
    client.send(&all);
    assert_eq!(client.head().status, 101);
    assert_eq!(client.next(), (TEXT, b"early".to_vec()));
    for byte in frame(TEXT, b"slowly") {
        client.send([byte]);
    }
    assert_eq!(client.next(), (TEXT, b"slowly".to_vec()));
}

#[test]
fn fragments_become_one_message_with_pings_between() {
    let server = echoing(|_| ());
    let mut client = open(&server);
    client.frame(0x01, b"one ");
    client.frame(PING, b"there?");
    client.frame(0x00, b"two ");
    client.frame(0x80, b"three");
    assert_eq!(client.next(), (PONG, b"there?".to_vec()));
    assert_eq!(client.next(), (TEXT, b"one two three".to_vec()));
}

#[test]
fn the_peers_close_is_answered_and_the_connection_ends() {
    let server = echoing(|_| ());
    let mut client = open(&server);
    let mut close = 3999_u16.to_be_bytes().to_vec();
    close.extend(b"bye");
    client.frame(TEXT, b"last");
    client.frame(CLOSE, &close);
    assert_eq!(client.next(), (TEXT, b"last".to_vec()));
    assert_eq!(client.close_code(), 3999);
    assert!(client.has_ended());
    server.wait_open(0);
}

#[test]
fn what_breaks_the_protocol_has_a_close_code() {
    let cases: [(&[u8], u16); 4] = [
        // Not masked.
        (b"\x81\x02hi", 1002),
        // A reserved opcode.
        (&[0x83, 0x80, 1, 2, 3, 4], 1002),
        // Text that is no UTF-8.
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        // A message of 1025 bytes, known from its head.
        (&[0x82, 0xfe, 4, 1, 0, 0, 0, 0], 1009),
    ];
    let server = echoing(|limits| limits.websocket_message_bytes_max = 1024);
    for (bytes, code) in cases {
        let mut client = open(&server);
        client.send(bytes);
        assert_eq!(client.close_code(), code);
        assert!(client.has_ended());
    }
    server.wait_open(0);
    let failures = server.with(|shard| shard.metrics().websocket_failures.get());
    assert_eq!(failures, cases.len() as u64);
}

#[test]
fn a_message_of_just_the_bound_passes() {
    let server = echoing(|limits| limits.websocket_message_bytes_max = 1024);
    let mut client = open(&server);
    client.frame(BINARY, &[1; 1024]);
    assert_eq!(client.next().1.len(), 1024);
}

#[test]
fn a_refused_handshake_is_an_answer_like_any_other() {
    let server = Server::start(|setup| {
        on_handshake(setup, |socket| {
            socket.refuse();
            ready(Answer::text(403, "no"))
        });
    });
    let mut client = server.connect();
    client.send(format!("{HANDSHAKE}\r\n"));
    let response = client.response();
    assert_eq!((response.status, response.text()), (403, "no"));
    client.send(format!("{}\r\n", HANDSHAKE.replace("/ws", "/other")));
    assert_eq!(client.response().status, 403);
}

#[test]
fn a_path_of_websockets_is_not_there_for_requests() {
    let server = echoing(|_| ());
    let mut client = server.connect();
    assert_eq!(client.get("/ws").status, 404);
    client.send("OPTIONS /ws HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().status, 404);
}

#[test]
fn only_pages_of_listed_origins_get_in() {
    let server = Server::start(|setup| {
        setup.origins = vec!["https://good.example".to_owned()];
        on_handshake(setup, |socket| accepted(&socket));
    });
    server.connect().upgrade("");
    server.connect().upgrade("origin: https://good.example\r\n");
    let mut client = server.connect();
    client.send(format!("{HANDSHAKE}origin: https://bad.example\r\n\r\n"));
    assert_eq!(client.response().status, 403);
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    let server = echoing(|limits| {
        limits.websocket_ping_interval_s = 0.2;
        limits.websocket_ping_timeout_s = 0.2;
    });
    let mut client = open(&server);
    assert_eq!(client.next().0, PING);
    client.frame(PONG, b"");
    assert_eq!(client.next().0, PING);
    // No answer this time.
    assert!(client.has_ended());
    server.wait_open(0);
}

#[test]
fn a_peer_that_talks_is_not_pinged() {
    let server = echoing(|limits| {
        limits.websocket_ping_interval_s = 1.0;
        limits.websocket_ping_timeout_s = 1.0;
    });
    let mut client = open(&server);
    for _ in 0..20 {
        client.frame(TEXT, b"x");
        assert_eq!(client.next().0, TEXT);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn a_peer_that_takes_nothing_stops_the_echo_and_ends_in_time() {
    let server = echoing(|limits| {
        limits.websocket_outbox_bytes_max = 64 * 1024;
        limits.send_timeout_s = 0.5;
    });
    let mut client = open(&server);
    let piece = frame(BINARY, &[0; 60_000]);
    client
        .socket
        .set_write_timeout(Some(std::time::Duration::from_secs(4)))
        .unwrap();
    let mut sent = 0;
    while client.socket.write_all(&piece).is_ok() {
        sent += piece.len();
        // The buffers of both kernels, the outbox and the inbox, and not much more.
        assert!(sent < 64 << 20, "nothing holds the peer back");
    }
    server.wait_open(0);
    assert_eq!(server.with(|shard| shard.metrics().timeouts.get()), 1);
}

#[test]
fn messages_wait_in_order_while_the_application_is_busy() {
    thread_local! {
        static BUSY: RefCell<Option<Rc<Socket>>> = const { RefCell::new(None) };
    }
    let server = Server::start(|setup| {
        on_handshake(setup, |socket| {
            BUSY.with(|busy| busy.replace(Some(socket.clone())));
            accepted(&socket)
        });
    });
    let mut client = open(&server);
    for number in 0..1_000_u32 {
        client.frame(BINARY, &number.to_be_bytes());
    }
    server.with(|_| {
        let socket = BUSY.with(RefCell::take).unwrap();
        runtime::enqueue(move || echo(socket));
    });
    for number in 0..1_000_u32 {
        assert_eq!(client.next(), (BINARY, number.to_be_bytes().to_vec()));
    }
}

#[test]
fn the_application_closes_and_waits_for_the_peer() {
    let server = Server::start(|setup| {
        setup.limits.websocket_close_timeout_s = 0.3;
        on_handshake(setup, |socket| {
            let reply = accepted(&socket);
            assert_eq!(socket.send(MessageKind::Text, b"bye"), Sent::Queued);
            socket.close(4000, "enough");
            assert_eq!(socket.send(MessageKind::Text, b"late"), Sent::Closed);
            reply
        });
    });
    let mut polite = open(&server);
    assert_eq!(polite.next(), (TEXT, b"bye".to_vec()));
    let (first, payload) = polite.next();
    assert_eq!((first, &payload[2..]), (CLOSE, &b"enough"[..]));
    polite.frame(CLOSE, &4000_u16.to_be_bytes());
    assert!(polite.has_ended());
    let mut rude = open(&server);
    rude.next();
    assert_eq!(rude.close_code(), 4000);
    // It never answers; the server does not wait for ever.
    assert!(rude.has_ended());
    server.wait_open(0);
}

#[test]
fn a_drain_tells_every_websocket() {
    for (drain, code) in [(Drain::Stop, 1001), (Drain::Reload, 1012)] {
        let server = echoing(|_| ());
        let mut clients: Vec<_> = (0..20).map(|_| open(&server)).collect();
        server.with(move |shard| shard.start_drain(drain));
        for client in &mut clients {
            assert_eq!(client.close_code(), code);
            client.frame(CLOSE, &code.to_be_bytes());
            assert!(client.has_ended());
        }
        server.wait_open(0);
    }
}

#[test]
fn the_application_learns_how_it_ended() {
    let server = Server::start(|setup| {
        on_handshake(setup, |socket| {
            let reply = accepted(&socket);
            let ended = socket.clone();
            socket.notify(Box::new(move || {
                assert_eq!(ended.take(), Taken::Closed);
                let (code, reason) = ended.close_reason().unwrap();
                ENDS.with(|ends| ends.borrow_mut().push((code, reason)));
            }));
            reply
        });
    });
    thread_local! {
        static ENDS: RefCell<Vec<(u16, String)>> = const { RefCell::new(Vec::new()) };
    }
    drop(open(&server));
    let ends = move |server: &Server| server.with(|_| ENDS.with(|ends| ends.borrow().clone()));
    wait_until("the first ends", || ends(&server).len() == 1);
    let mut client = open(&server);
    client.frame(CLOSE, b"");
    assert_eq!(client.next(), (CLOSE, vec![]));
    wait_until("the second ends", || ends(&server).len() == 2);
    let abnormal = (runtime::ABNORMAL_CLOSE, String::new());
    assert_eq!(ends(&server), [abnormal, (1005, String::new())]);
}

#[test]
fn compression_is_agreed_on_and_used() {
    let server = echoing(|_| ());
    let mut client = server.connect();
    let head = client.upgrade("sec-websocket-extensions: permessage-deflate\r\n");
    assert!(
        head.contains("\r\nsec-websocket-extensions: permessage-deflate"),
        "{head}"
    );
    let text = "again and ".repeat(100);
    client.frame(TEXT, text.as_bytes());
    let (first, payload) = client.next();
    assert_eq!(first, TEXT | 0x40);
    assert!(payload.len() < text.len() / 10);
    let plain = echoing(|limits| limits.websocket_deflate = false);
    let mut client = plain.connect();
    let head = client.upgrade("sec-websocket-extensions: permessage-deflate\r\n");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
}

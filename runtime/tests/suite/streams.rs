//! Answers that come piece by piece.

use crate::harness::{Server, after, ready, wait_until};
use runtime::{Answer, AnswerBody, ChunkSender, Reply, chunk_queue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn streamed(length: Option<u64>, send: impl FnOnce(ChunkSender) + 'static) -> Reply {
    let (sender, receiver) = chunk_queue();
    let mut answer = Answer::text(200, "");
    answer.body = AnswerBody::Stream(receiver, length);
    runtime::spawn(async move { send(sender) });
    ready(answer)
}

fn pieces(sender: ChunkSender) {
    sender.send(b"one ".to_vec());
    sender.send(Vec::new());
    after(20, move || {
        sender.send(b"two".to_vec());
        sender.finish();
    });
}

fn server() -> Server {
    Server::start(|setup| {
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        setup.get("/chunked", |_| streamed(None, pieces));
        setup.get("/exact", |_| streamed(Some(7), pieces));
        setup.get("/few", |_| streamed(Some(9), pieces));
        setup.get("/many", |_| streamed(Some(5), pieces));
        setup.get("/none", |_| streamed(Some(0), |sender| sender.finish()));
        setup.get("/abort", |_| {
            streamed(None, |sender| {
                sender.send(b"half".to_vec());
                after(20, || drop(sender));
            })
        });
    })
}

#[test]
fn a_stream_without_length_is_chunked() {
    let server = server();
    let mut client = server.connect();
    for _ in 0..2 {
        let answer = client.get("/chunked");
        assert_eq!(answer.text(), "one two");
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.field("content-length"), None);
    }
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn a_stated_length_is_kept() {
    let server = server();
    let mut client = server.connect();
    assert_eq!(client.get("/exact").text(), "one two");
    assert_eq!(client.get("/none").text(), "");
    // More than announced would be read as the next answer.
    assert_eq!(client.get("/many").text(), "one t");
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn fewer_bytes_than_announced_end_the_connection() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /few HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("9"));
    assert_eq!(client.rest(), b"one two");
}

#[test]
fn http_1_0_gets_the_stream_until_the_close() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /chunked HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    let head = client.head();
    assert_eq!(head.field("transfer-encoding"), None);
    assert_ne!(head.field("connection"), Some("keep-alive"));
    assert_eq!(client.rest(), b"one two");
}

#[test]
fn head_has_no_body_and_tells_the_sender() {
    let gone = Arc::new(AtomicBool::new(false));
    let told = gone.clone();
    let server = Server::start(move |setup| {
        setup.get("/", move |_| {
            let told = told.clone();
            let (sender, receiver) = chunk_queue();
            sender.on_gone(Box::new(move || told.store(true, Ordering::Relaxed)));
            after(100, || drop(sender));
            let mut answer = Answer::text(200, "");
            answer.body = AnswerBody::Stream(receiver, None);
            ready(answer)
        });
    });
    let mut client = server.connect();
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2));
    assert_eq!(client.head().field("transfer-encoding"), Some("chunked"));
    assert_eq!(client.head().status, 200);
    assert!(client.is_quiet_for(50));
    assert!(gone.load(Ordering::Relaxed));
}

#[test]
fn an_aborted_stream_does_not_look_complete() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /abort HTTP/1.1\r\nhost: a\r\n\r\n");
    client.head();
    assert_eq!(client.rest(), b"4\r\nhalf\r\n");
    // Without framing only a reset tells.
    let mut client = server.connect();
    client.send("GET /abort HTTP/1.0\r\n\r\n");
    client.head();
    let reset = loop {
        match client.more() {
            Ok(0) => break false,
            Ok(_) => {}
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    assert!(reset, "the half answer ended like a whole one");
}

#[test]
fn a_reader_that_does_not_read_holds_the_sender_back() {
    let produced = Arc::new(AtomicUsize::new(0));
    let counter = produced.clone();
    const PIECE: usize = 16 * 1024;
    const PIECES: usize = 2_000;
    fn produce(sender: ChunkSender, counter: Arc<AtomicUsize>) {
        while counter.load(Ordering::Relaxed) < PIECES {
            counter.fetch_add(1, Ordering::Relaxed);
            if !sender.send(vec![b'x'; PIECE]) {
                let sender = std::rc::Rc::new(std::cell::Cell::new(Some(sender)));
                let held = sender.clone();
                let notify = Box::new(move || {
                    let sender = held.take().expect("told once");
                    runtime::spawn(async move { produce(sender, counter) });
                });
                let waiting = sender.take().expect("just put there");
                waiting.notify(notify);
                sender.set(Some(waiting));
                return;
            }
        }
        sender.finish();
    }
    let server = Server::start(move |setup| {
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        setup.get("/much", move |_| {
            let counter = counter.clone();
            streamed(None, |sender| produce(sender, counter))
        });
    });
    let mut client = server.connect();
    client.shrink();
    client.send("GET /much HTTP/1.1\r\nhost: a\r\n\r\n");
    std::thread::sleep(Duration::from_millis(300));
    let held = produced.load(Ordering::Relaxed);
    assert!(
        held * PIECE < 16 << 20,
        "{held} pieces were made although nobody read them"
    );
    assert_eq!(server.connect().get("/").text(), "hello");
    assert_eq!(client.response().body.len(), PIECE * PIECES);
    assert_eq!(produced.load(Ordering::Relaxed), PIECES);
}

#[test]
fn a_peer_that_goes_is_told_to_the_sender() {
    let told = Arc::new(AtomicUsize::new(0));
    let seen = told.clone();
    let server = Server::start(move |setup| {
        setup.get("/", move |_| {
            let seen = seen.clone();
            let (sender, receiver) = chunk_queue();
            let mut answer = Answer::text(200, "");
            answer.body = AnswerBody::Stream(receiver, None);
            sender.send(b"first".to_vec());
            let gone = seen.clone();
            sender.on_gone(Box::new(move || _ = gone.fetch_add(1, Ordering::Relaxed)));
            let sender = std::rc::Rc::new(sender);
            let kept = sender.clone();
            sender.notify(Box::new(move || {
                // It was called because the peer went, or because the first piece was taken.
                let again = seen.clone();
                kept.notify(Box::new(move || _ = again.fetch_add(10, Ordering::Relaxed)));
            }));
            after(1_500, move || {
                assert!(sender.is_gone());
                drop(sender);
            });
            ready(answer)
        });
    });
    for reset in [false, true] {
        let mut client = server.connect();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        client.head();
        if reset {
            client.reset()
        } else {
            drop(client)
        }
        server.wait_open(0);
    }
    wait_until("both are told", || told.load(Ordering::Relaxed) == 22);
}

#[test]
fn a_peer_that_only_closed_its_half_gets_all_of_an_unwatched_stream() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /chunked HTTP/1.1\r\nhost: a\r\n\r\n");
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.response().text(), "one two");
    client.ends();
}

#[test]
fn requests_pipelined_behind_a_stream_are_answered() {
    let server = server();
    let mut client = server.connect();
    let one = |path| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    client.send([one("/"), one("/chunked"), one("/"), one("/exact"), one("/")].concat());
    for expected in ["hello", "one two", "hello", "one two", "hello"] {
        assert_eq!(client.response().text(), expected);
    }
}

#[test]
fn a_sender_that_comes_after_the_peer_went_is_told_at_once() {
    let (sender, receiver) = chunk_queue();
    drop(receiver);
    let told = std::rc::Rc::new(std::cell::Cell::new(0));
    let (one, two) = (told.clone(), told.clone());
    sender.on_gone(Box::new(move || one.set(one.get() + 1)));
    sender.notify(Box::new(move || two.set(two.get() + 10)));
    assert_eq!(told.get(), 11);
    assert!(sender.is_gone());
    // Nothing is kept for nobody.
    assert!(sender.send(vec![0; 1 << 20]));
}

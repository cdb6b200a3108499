//! Event streams: kept alive, ended in order, never ahead of their peer.

use crate::harness::{Server, after, ready, wait_until};
use runtime::{
    Answer, AnswerBody, ChunkFeed, ChunkSender, Fed, KeepAlive, Reply, chunk_queue, spawn,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const COMMENT: &str = ": keep-alive\n\n";

fn every(ms: u64) -> KeepAlive {
    KeepAlive {
        after: (ms > 0).then(|| Duration::from_millis(ms)),
        comment: KeepAlive::COMMENT,
    }
}

fn stream(keep_alive: KeepAlive, send: impl FnOnce(ChunkSender) + 'static) -> Reply {
    let (sender, receiver) = chunk_queue();
    sender.keep_alive(keep_alive);
    let mut answer = Answer::text(200, "");
    answer.body = AnswerBody::Stream(receiver, None);
    spawn(async move { send(sender) });
    ready(answer)
}

/// Keeps `sender` open until its peer has gone, which is counted.
fn hold(sender: ChunkSender, gone: &Arc<AtomicUsize>) {
    let gone = gone.clone();
    let held = Rc::new(RefCell::new(None));
    let dropped = held.clone();
    sender.on_gone(Box::new(move || {
        gone.fetch_add(1, Ordering::Relaxed);
        spawn(async move { drop(dropped.take()) });
    }));
    held.replace(Some(sender));
}

fn holding(keep_alive_ms: u64, first: &'static str) -> (Server, Arc<AtomicUsize>) {
    let gone = Arc::new(AtomicUsize::new(0));
    let told = gone.clone();
    let server = Server::start(move |setup| {
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        setup.get("/events", move |_| {
            let told = told.clone();
            stream(every(keep_alive_ms), move |sender| {
                sender.send_event(first.into());
                hold(sender, &told);
            })
        });
    });
    (server, gone)
}

#[test]
fn comments_come_while_nothing_happens() {
    let server = Server::start(|setup| {
        setup.get("/", |_| {
            stream(every(50), |sender| {
                after(180, move || {
                    sender.send_event(b"data: x\n\n".to_vec());
                    // As changed from now on: off.
                    sender.keep_alive(every(0));
                    after(150, move || {
                        assert_eq!(sender.counts().events, 1);
                        sender.finish();
                    });
                });
            })
        });
    });
    let mut client = server.connect();
    for _ in 0..2 {
        let text = client.get("/").text().to_owned();
        let (before, behind) = text.split_once("data: x\n\n").expect("the event");
        let comments = before.matches(COMMENT).count();
        assert!((1..=3).contains(&comments), "{text:?}");
        assert_eq!(behind, "");
    }
}

#[test]
fn a_shorter_interval_holds_at_once() {
    let server = Server::start(|setup| {
        setup.get("/", |_| {
            stream(every(60_000), |sender| {
                after(50, move || {
                    sender.keep_alive(every(30));
                    after(200, move || sender.finish());
                });
            })
        });
    });
    let text = server.connect().get("/").text().to_owned();
    assert!(text.matches(COMMENT).count() >= 2, "{text:?}");
}

#[test]
fn events_put_comments_off() {
    let server = Server::start(|setup| {
        setup.get("/", |_| {
            fn next(sender: ChunkSender, left: u32) {
                if left == 0 {
                    return sender.finish();
                }
                sender.send_event(b"data: x\n\n".to_vec());
                after(20, move || next(sender, left - 1));
            }
            stream(every(1_000), |sender| next(sender, 20))
        });
    });
    let text = server.connect().get("/").text().to_owned();
    assert_eq!(text, "data: x\n\n".repeat(20));
}

#[test]
fn a_drain_ends_a_stream_in_order() {
    let (server, gone) = holding(0, "data: first\n\n");
    let mut streams: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for client in &mut streams {
        client.send("GET /events HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.head().field("connection"), None);
        while !client.unread.ends_with(b"\r\n") || client.unread.len() < 13 {
            assert_ne!(client.more().unwrap(), 0);
        }
    }
    let begun = Instant::now();
    server.with(|shard| shard.start_drain(runtime::Drain::Stop));
    for client in &mut streams {
        // The last chunk, then the end.
        assert_eq!(client.rest(), b"d\r\ndata: first\n\n\r\n0\r\n\r\n");
    }
    drop(streams);
    server.wait_open(0);
    assert_eq!(gone.load(Ordering::Relaxed), 3);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_stream_that_never_waits_ends_with_a_drain_too() {
    let server = Server::start(|setup| {
        setup.get("/", |_| {
            fn more(sender: Rc<ChunkSender>) {
                while !sender.is_gone() {
                    if !sender.send_event(vec![b'x'; 4 * 1024]) {
                        let again = sender.clone();
                        sender.notify(Box::new(move || spawn(async move { more(again) })));
                        return;
                    }
                }
            }
            stream(every(0), |sender| more(Rc::new(sender)))
        });
    });
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.head();
    for _ in 0..50 {
        assert_ne!(client.more().unwrap(), 0);
    }
    server.with(|shard| shard.start_drain(runtime::Drain::Stop));
    assert!(client.rest().ends_with(b"\r\n0\r\n\r\n"));
}

#[test]
fn a_stream_of_a_draining_shard_ends_at_once() {
    let (server, gone) = holding(0, "data: first\n\n");
    let mut client = server.connect();
    server.with(|shard| shard.start_drain(runtime::Drain::Stop));
    client.send("GET /events HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().field("connection"), Some("close"));
    assert!(client.rest().ends_with(b"0\r\n\r\n"));
    wait_until("told", || gone.load(Ordering::Relaxed) == 1);
}

#[test]
fn a_peer_that_goes_is_noticed_while_nothing_is_sent() {
    let (server, gone) = holding(0, "");
    for (count, kind) in ["closes", "resets", "closes its half"].iter().enumerate() {
        let mut client = server.connect();
        client.send("GET /events HTTP/1.1\r\nhost: a\r\n\r\n");
        client.head();
        let mut kept = None;
        match *kind {
            "closes" => drop(client),
            "resets" => client.reset(),
            _ => {
                client.socket.shutdown(std::net::Shutdown::Write).unwrap();
                kept = Some(client);
            }
        }
        wait_until(kind, || gone.load(Ordering::Relaxed) == count + 1);
        server.wait_open(0);
        drop(kept);
    }
}

#[test]
fn a_reader_that_does_not_read_holds_the_sender_back() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    const EVENT_BYTES: usize = 8 * 1024;
    let server = Server::start(move |setup| {
        setup.limits.send_timeout_s = 0.5;
        setup.get("/", move |_| {
            fn more(sender: Rc<ChunkSender>, counter: Arc<AtomicUsize>) {
                while !sender.is_gone() {
                    counter.fetch_add(1, Ordering::Relaxed);
                    if !sender.send_event(vec![b'x'; EVENT_BYTES]) {
                        let again = sender.clone();
                        sender.notify(Box::new(move || {
                            spawn(async move { more(again, counter) });
                        }));
                        return;
                    }
                }
            }
            let counter = counter.clone();
            stream(every(20), |sender| more(Rc::new(sender), counter))
        });
    });
    let mut client = server.connect();
    client.shrink();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.head();
    // Cut off once it has read nothing for long; comments do not pile up for it either.
    server.wait_open(0);
    let held = made.load(Ordering::Relaxed) * EVENT_BYTES;
    assert!(
        held < 16 << 20,
        "{held} bytes were made although nobody read them"
    );
}

#[test]
fn events_from_elsewhere() {
    let feeds: Arc<AtomicUsize> = Arc::default();
    let results = feeds.clone();
    let server = Server::start(move |setup| {
        thread_local! {
            static FEED: RefCell<Option<ChunkFeed>> = const { RefCell::new(None) };
            static SENDER: Cell<Option<ChunkSender>> = const { Cell::new(None) };
        }
        setup.get("/events", |_| {
            stream(every(0), |sender| {
                FEED.with(|feed| feed.replace(Some(sender.feed())));
                SENDER.set(Some(sender));
            })
        });
        setup.get("/push/{size}", |request| {
            let event: Rc<[u8]> = if request.path == "/push/large" {
                vec![b'x'; 70_000].into()
            } else {
                (*b"data: y

")
                .into()
            };
            let feed = FEED.with(|feed| feed.borrow().clone()).expect("a stream");
            let fed = (feed.push(event.clone()), feed.push(event));
            ready(Answer::text(
                200,
                match fed {
                    (Fed::Queued, Fed::Queued) => "both",
                    (Fed::Queued, Fed::Full) => "one",
                    (Fed::Gone, Fed::Gone) => "gone",
                    _ => "odd",
                },
            ))
        });
        let results = results.clone();
        setup.get("/end", move |_| {
            let sender = SENDER.take().expect("a stream");
            results.store(sender.counts().events as usize, Ordering::Relaxed);
            FEED.with(|feed| feed.borrow().clone())
                .expect("a stream")
                .close();
            assert!(sender.is_gone());
            ready(Answer::text(200, ""))
        });
    });
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nhost: a\r\n\r\n");
    client.head();
    let mut other = server.connect();
    assert_eq!(other.get("/push/small").text(), "both");
    assert_eq!(other.get("/push/large").text(), "one");
    assert_eq!(other.get("/end").status, 200);
    assert_eq!(other.get("/push/small").text(), "gone");
    let text = client.rest();
    assert!(text.starts_with(b"9\r\ndata: y\n\n\r\n9\r\ndata: y\n\n\r\n"));
    assert!(text.ends_with(b"\r\n0\r\n\r\n"));
    assert_eq!(feeds.load(Ordering::Relaxed), 3);
}

//! Answers that come later, and peers that do not wait for them.

use crate::harness::{Server, after, ready, wait_until};
use runtime::{Answer, AnswerSender, Reply, answer_slot};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// `/wait` can be cancelled, `/stubborn` cannot; both answer after a while.
fn server(abandoned: &Arc<AtomicUsize>) -> Server {
    let abandoned = abandoned.clone();
    Server::start(move |setup| {
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        setup.get("/wait", move |_| {
            let (sender, receiver) = answer_slot();
            let abandoned = abandoned.clone();
            let sender = Rc::new(Cell::new(Some(sender)));
            let cancelled = sender.clone();
            let waiting = sender.take().expect("just made");
            waiting.on_abandoned(Box::new(move || {
                abandoned.fetch_add(1, Ordering::Relaxed);
                drop(cancelled.take());
            }));
            sender.set(Some(waiting));
            after(3_000, move || {
                if let Some(sender) = sender.take() {
                    sender.send(Answer::text(200, "late"));
                }
            });
            Reply::Later(receiver)
        });
        setup.get("/stubborn", |_| {
            let (sender, receiver) = answer_slot();
            after(300, || sender.send(Answer::text(200, "late")));
            Reply::Later(receiver)
        });
        setup.get("/dropped", |_| {
            let (sender, receiver) = answer_slot();
            after(20, || drop::<AnswerSender>(sender));
            Reply::Later(receiver)
        });
    })
}

#[test]
fn a_late_answer_arrives() {
    let server = server(&Arc::default());
    let mut client = server.connect();
    assert_eq!(client.get("/stubborn").text(), "late");
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn a_dropped_sender_is_a_fault_of_ours() {
    let server = server(&Arc::default());
    let mut client = server.connect();
    assert_eq!(client.get("/dropped").status, 500);
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn a_peer_that_goes_cancels_its_request_within_a_second() {
    for reset in [false, true] {
        let abandoned = Arc::new(AtomicUsize::new(0));
        let server = server(&abandoned);
        let mut client = server.connect();
        client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n");
        std::thread::sleep(Duration::from_millis(50));
        let begun = Instant::now();
        if reset {
            client.reset()
        } else {
            drop(client)
        }
        wait_until("the request is abandoned", || {
            abandoned.load(Ordering::Relaxed) == 1
        });
        server.wait_open(0);
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(
            server.with(|shard| shard.metrics().requests_abandoned.get()),
            1
        );
    }
}

#[test]
fn a_peer_that_goes_is_noticed_behind_what_it_pipelined() {
    let abandoned = Arc::new(AtomicUsize::new(0));
    let server = server(&abandoned);
    let mut client = server.connect();
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(50));
    std::thread::sleep(Duration::from_millis(50));
    drop(client);
    wait_until("the request is abandoned", || {
        abandoned.load(Ordering::Relaxed) == 1
    });
    server.wait_open(0);
}

#[test]
fn a_half_closed_peer_is_answered_by_a_handler_that_cannot_be_cancelled() {
    let server = server(&Arc::default());
    let mut client = server.connect();
    client.send("GET /stubborn HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2));
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.response().text(), "late");
    assert_eq!(client.response().text(), "late");
    client.ends();
}

#[test]
fn a_peer_that_pipelines_much_while_it_waits_is_held_back() {
    let server = server(&Arc::default());
    let mut client = server.connect();
    client.send("GET /stubborn HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut sender = client.socket.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let burst = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(20_000);
        std::io::Write::write_all(&mut sender, burst.as_bytes()).unwrap();
    });
    assert_eq!(client.response().text(), "late");
    for _ in 0..20_000 {
        assert_eq!(client.response().status, 200);
    }
    sending.join().unwrap();
}

#[test]
fn a_sender_that_comes_after_the_peer_went_is_told_at_once() {
    let (sender, receiver) = answer_slot();
    drop(receiver);
    let told = Rc::new(Cell::new(false));
    let tell = told.clone();
    sender.on_abandoned(Box::new(move || tell.set(true)));
    assert!(told.get());
    sender.send(Answer::text(200, "to nobody"));
}

#[test]
fn a_delivered_answer_is_not_abandoned() {
    let (sender, receiver) = answer_slot();
    let told = Rc::new(Cell::new(false));
    let tell = told.clone();
    sender.on_abandoned(Box::new(move || tell.set(true)));
    sender.send(Answer::text(200, ""));
    drop(receiver);
    assert!(!told.get());
}

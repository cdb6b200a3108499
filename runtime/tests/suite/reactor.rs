//! Turns of the reactor: what ends one, and what runs in it.

use runtime::{Reactor, Turn};
use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

fn reactor() -> (Reactor, UnixStream, UnixStream) {
    let (bell, door) = UnixStream::pair().unwrap();
    (Reactor::new(door.as_fd()).unwrap(), bell, door)
}

#[test]
fn a_timeout_ends_a_turn() {
    let (reactor, _bell, _door) = reactor();
    let begun = Instant::now();
    assert_eq!(
        reactor.turn(Some(Duration::from_millis(50))),
        Turn::TimedOut
    );
    assert!((50..300).contains(&begun.elapsed().as_millis()));
}

#[test]
fn the_watched_descriptor_ends_a_turn_until_it_is_read() {
    let (reactor, mut bell, mut door) = reactor();
    bell.write_all(b"!").unwrap();
    for _ in 0..3 {
        assert_eq!(reactor.turn(None), Turn::Readable);
    }
    door.read_exact(&mut [0]).unwrap();
    assert_eq!(
        reactor.turn(Some(Duration::from_millis(20))),
        Turn::TimedOut
    );
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        bell.write_all(b"!").unwrap();
        bell
    });
    assert_eq!(reactor.turn(None), Turn::Readable);
    later.join().unwrap();
}

#[test]
fn a_zero_timeout_runs_what_is_ready_and_looks_at_the_sockets_once() {
    let (reactor, _bell, _door) = reactor();
    let ran = Rc::new(Cell::new(0));
    let count = ran.clone();
    runtime::enqueue(move || {
        runtime::spawn(async move {
            loop {
                count.set(count.get() + 1);
                runtime::yield_now().await;
            }
        });
    });
    let begun = Instant::now();
    for turns in 1..20 {
        assert_eq!(reactor.turn(Some(Duration::ZERO)), Turn::TimedOut);
        assert!(ran.get() >= turns, "{} < {turns}", ran.get());
    }
    assert!(begun.elapsed() < Duration::from_millis(500));

    // A socket that became readable between two turns wakes its task in a few of them.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let listener = runtime::Listener::new(server.into()).unwrap();
    let router = runtime::RouterBuilder::new(true).build().unwrap();
    let shard = runtime::Shard::new(runtime::ShardOptions {
        application: Nothing,
        router,
        limits: runtime::Limits::default(),
        access_log: None,
        middleware: None,
        websocket_origins: Vec::new(),
        proxies: None,
    });
    runtime::enqueue(move || runtime::spawn(shard.accept_from(listener)));
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let answered = (0..200).any(|_| {
        reactor.turn(Some(Duration::ZERO));
        client.read(&mut [0; 64]).is_ok_and(|count| count > 0)
    });
    assert!(answered);
}

struct Nothing;

impl runtime::Application for Nothing {
    fn body_mode(&self, _: usize) -> runtime::BodyMode {
        runtime::BodyMode::Ignore
    }

    fn respond(&self, _: runtime::Request<'_>) -> runtime::Reply {
        runtime::Reply::Ready(runtime::Answer::text(200, ""))
    }
}

#[test]
fn an_interrupt_ends_this_turn_or_the_next() {
    let (reactor, _bell, _door) = reactor();
    runtime::interrupt();
    assert_eq!(reactor.turn(None), Turn::Interrupted);
    let ran = Rc::new(Cell::new(false));
    let flag = ran.clone();
    runtime::enqueue(move || {
        runtime::spawn(async {
            runtime::sleep(Duration::from_millis(20)).await;
            runtime::interrupt();
        });
        runtime::spawn(async move { flag.set(true) });
    });
    assert_eq!(reactor.turn(None), Turn::Interrupted);
    assert!(ran.get());
    // One interrupt ends one turn.
    assert_eq!(
        reactor.turn(Some(Duration::from_millis(20))),
        Turn::TimedOut
    );
}

#[test]
fn commands_and_wakes_between_turns_happen_in_the_next() {
    let (reactor, _bell, _door) = reactor();
    let (sender, receiver) = runtime::answer_slot();
    let (chunks, stream) = runtime::chunk_queue();
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    assert!(!runtime::is_running());
    runtime::enqueue(move || {
        assert!(runtime::is_running());
        // Inside of a turn a command runs at once.
        runtime::enqueue(move || flag.set(true));
    });
    assert!(!done.get());
    reactor.turn(Some(Duration::ZERO));
    assert!(done.get());
    drop((sender, receiver, chunks, stream));
    assert_eq!(reactor.turn(Some(Duration::from_millis(1))), Turn::TimedOut);
}

#[test]
fn a_waker_called_between_turns_wakes_its_task() {
    let (reactor, _bell, _door) = reactor();
    let waker = Rc::new(Cell::new(None));
    let polls = Rc::new(Cell::new(0));
    let (slot, count) = (waker.clone(), polls.clone());
    runtime::enqueue(move || {
        runtime::spawn(std::future::poll_fn(move |cx| {
            slot.set(Some(cx.waker().clone()));
            count.set(count.get() + 1);
            if count.get() == 3 {
                runtime::interrupt();
            }
            std::task::Poll::<()>::Pending
        }));
    });
    reactor.turn(Some(Duration::from_millis(1)));
    assert_eq!(polls.get(), 1);
    for _ in 0..2 {
        runtime::wake(waker.take().expect("it waits"));
        reactor.turn(Some(Duration::from_millis(1)));
    }
    assert_eq!(polls.get(), 3);
}

#[test]
fn a_signal_does_not_end_or_break_a_turn() {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    extern "C" fn nothing(_: i32) {}
    let handler = SigHandler::Handler(nothing);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing at all, and no other test uses this signal.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    let (reactor, _bell, _door) = reactor();
    // SAFETY: it only tells who calls.
    let thread = unsafe { nix::libc::pthread_self() };
    let signals = std::thread::spawn(move || {
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(5));
            // SAFETY: the thread joins this one, so it lives.
            unsafe { nix::libc::pthread_kill(thread, nix::libc::SIGUSR1) };
        }
    });
    let begun = Instant::now();
    assert_eq!(
        reactor.turn(Some(Duration::from_millis(150))),
        Turn::TimedOut
    );
    assert!(begun.elapsed() >= Duration::from_millis(150));
    signals.join().unwrap();
}

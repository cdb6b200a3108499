//! Plain sockets: order, bounds, readiness and ends.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use nix::sys::socket::{setsockopt, sockopt};
use runtime::postgres::tls::{TlsSettings, session};
use runtime::postgres::{Flushed, RECEIVE_BYTES_MAX, Received, Wire};

use crate::peer::{end, receive, send, tcp_wire, unix_wire, wait};

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// A bound under which the least that a system buffers in a socket stays.
const LARGE: usize = 20_000_000;

#[test]
fn nothing_comes_at_once() {
    let (mut wire, _theirs) = unix_wire();
    assert_eq!(wire.receive().unwrap(), Received::WouldBlock);
    assert_eq!(wire.flush().unwrap(), Flushed::All);
    assert!(!wire.wants_write());
    assert_eq!(wire.input(), b"");
    assert!(wire.tls().is_none());
    assert!(!wire.is_handshaking());
}

fn both_ways(mut wire: Wire, mut theirs: impl Read + Write) {
    wire.output().extend_from_slice(b"ask");
    assert!(wire.wants_write());
    assert_eq!(wire.flush().unwrap(), Flushed::All);
    assert!(wire.output().is_empty());
    let mut asked = [0; 3];
    theirs.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"ask");

    theirs.write_all(b"one").unwrap();
    wait(&wire);
    assert_eq!(wire.receive().unwrap(), Received::Bytes);
    theirs.write_all(b"two").unwrap();
    wait(&wire);
    assert_eq!(wire.receive().unwrap(), Received::Bytes);
    assert_eq!(wire.input(), b"onetwo");
    wire.consume(2);
    assert_eq!(wire.input(), b"etwo");
    assert_eq!(wire.receive().unwrap(), Received::WouldBlock);
    wire.consume(4);
    assert_eq!(wire.input(), b"");

    theirs.write_all(b"last").unwrap();
    drop(theirs);
    wait(&wire);
    while wire.input() != b"last" {
        wire.receive().unwrap();
    }
    wait(&wire);
    for _ in 0..2 {
        assert_eq!(wire.receive().unwrap(), Received::Closed);
    }
    assert_eq!(wire.input(), b"last");
}

#[test]
fn both_ways_through_each_kind_of_socket() {
    let (wire, theirs) = unix_wire();
    both_ways(wire, theirs);
    let (wire, theirs) = tcp_wire();
    both_ways(wire, theirs);
}

#[test]
fn one_call_receives_a_bounded_amount() {
    let (mut wire, mut theirs) = tcp_wire();
    let sent = pattern(LARGE);
    let expected = sent.clone();
    let sender = std::thread::spawn(move || theirs.write_all(&sent));
    let mut received = 0;
    while received < LARGE {
        let before = wire.input().len();
        let outcome = wire.receive().unwrap();
        let count = wire.input().len() - before;
        assert!(count <= RECEIVE_BYTES_MAX, "{count}");
        received += count;
        match outcome {
            Received::Bytes => assert!(count > 0),
            Received::WouldBlock => {
                assert_eq!(count, 0);
                wait(&wire);
            }
            Received::Closed => break,
        }
    }
    sender.join().unwrap().unwrap();
    // One message of that length is there in one piece.
    assert!(wire.input() == expected);
    wire.consume(LARGE);
    assert_eq!(end(&mut wire).unwrap(), Received::Closed);
}

#[test]
fn a_peer_that_does_not_read() {
    let (mut wire, mut theirs) = unix_wire();
    let sent = pattern(LARGE);
    wire.output().extend_from_slice(&sent);
    assert_eq!(wire.flush().unwrap(), Flushed::WouldBlock);
    assert!(wire.wants_write());
    assert!(!wire.output().is_empty());
    let left = wire.output().len();
    assert_eq!(wire.flush().unwrap(), Flushed::WouldBlock);
    assert_eq!(wire.output().len(), left);
    let reader = std::thread::spawn(move || {
        let mut read = vec![0; LARGE];
        theirs.read_exact(&mut read).map(|()| (read, theirs))
    });
    send(&mut wire).unwrap();
    let (read, _theirs) = reader.join().unwrap().unwrap();
    assert!(read == sent);
    // Much memory is given back, little is kept.
    assert!(!wire.output().try_reclaim(1));
    wire.output().extend_from_slice(&[0; 100]);
    send(&mut wire).unwrap();
    assert!(wire.output().try_reclaim(100));
}

#[test]
fn what_was_said_before_the_end_is_heard_after_a_failed_write() {
    let (mut wire, mut theirs) = unix_wire();
    theirs.write_all(b"terminating connection").unwrap();
    drop(theirs);
    wire.output().extend_from_slice(b"Q");
    // A signal would end this process.
    let error = wire.flush().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_eq!(end(&mut wire).unwrap(), Received::Closed);
    assert_eq!(wire.input(), b"terminating connection");
}

#[test]
fn a_reset_is_an_error_and_a_half_close_is_none() {
    let (mut wire, mut theirs) = tcp_wire();
    theirs.write_all(b"bytes").unwrap();
    assert_eq!(receive(&mut wire, 5).unwrap(), b"bytes");
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&theirs, sockopt::Linger, &linger).unwrap();
    drop(theirs);
    let error = end(&mut wire).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(wire.receive().unwrap(), Received::Closed);

    let (mut wire, mut theirs) = tcp_wire();
    theirs.shutdown(Shutdown::Write).unwrap();
    assert_eq!(end(&mut wire).unwrap(), Received::Closed);
    wire.output().extend_from_slice(b"X");
    assert_eq!(wire.flush().unwrap(), Flushed::All);
    wire.close();
    let mut read = Vec::new();
    theirs.read_to_end(&mut read).unwrap();
    assert_eq!(read, b"X");
    assert!(wire.socket().is_none());
    for closed in [wire.receive().map(|_| ()), wire.flush().map(|_| ())] {
        assert_eq!(closed.unwrap_err().kind(), ErrorKind::NotConnected);
    }
}

#[test]
fn bytes_before_tls_are_an_attack() {
    let (mut wire, mut theirs) = unix_wire();
    theirs.write_all(b"C").unwrap();
    wire.receive().unwrap();
    let config = TlsSettings::default().client_config().unwrap();
    let error = wire
        .set_tls(session(&config, "localhost").unwrap())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn nonces_differ() {
    assert_ne!(
        runtime::postgres::nonce().unwrap(),
        runtime::postgres::nonce().unwrap()
    );
}

//! Each way in which a shard can fail, and what is said about it.

use runtime::{Error, Listener, Reactor, RouterBuilder, Target};
use std::os::fd::AsFd;

#[test]
fn a_reactor_without_io_uring() {
    let problem = Error::Reactor(std::io::ErrorKind::Unsupported.into());
    assert!(problem.to_string().starts_with("io_uring is not available"));
}

#[test]
fn a_listener_that_is_no_socket() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let problem = Listener::new(file.into())
        .err()
        .map(Error::Listener)
        .expect("no socket");
    assert!(
        problem
            .to_string()
            .starts_with("the listening socket failed: ")
    );
}

#[test]
fn a_route_that_is_malformed() {
    let mut router = RouterBuilder::new(false);
    router.add("/{*rest}/more", &[], &["GET"], &Target::Route(0));
    let problem = router.build().err().expect("malformed");
    assert!(
        matches!(&problem, Error::Route { path, .. } if path == "/{*rest}/more"),
        "{problem:?}"
    );
    assert!(problem.to_string().starts_with("route /{*rest}/more: "));
}

#[test]
fn a_peer_that_breaks_the_protocol() {
    let problem = Error::from(runtime::protocols::Error::BadChunk);
    assert!(matches!(problem, Error::Protocol(_)));
    assert_eq!(problem.to_string(), "malformed chunk");
}

#[test]
fn a_file_or_socket_that_fails() {
    let problem = Error::from(std::io::Error::other("broken"));
    assert!(matches!(problem, Error::Io(_)));
    assert_eq!(problem.to_string(), "broken");
    // A second error type in the chain would be printed twice by whoever prints chains.
    assert!(std::error::Error::source(&problem).is_none());
}

#[test]
fn a_reactor_with_io_uring() {
    let (door, _bell) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(Reactor::new(door.as_fd()).is_ok());
}

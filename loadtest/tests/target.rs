//! Which URLs are loaded and which are refused.

use loadtest::target::{Target, TargetError};

fn parse(url: &str) -> Result<(String, String), TargetError> {
    Target::parse(url).map(|target| (target.address.to_string(), target.path))
}

#[test]
fn this_machine_is_accepted() {
    let pair = |address: &str, path: &str| Ok((address.to_owned(), path.to_owned()));
    assert_eq!(
        parse("http://127.0.0.1:8000/a?b=c"),
        pair("127.0.0.1:8000", "/a?b=c")
    );
    assert_eq!(parse("http://127.1.2.3:8000"), pair("127.1.2.3:8000", "/"));
    assert_eq!(
        parse("http://localhost:8000?b"),
        pair("127.0.0.1:8000", "/?b")
    );
    assert_eq!(parse("http://localhost/"), pair("127.0.0.1:80", "/"));
    assert_eq!(parse("http://[::1]:8000/"), pair("[::1]:8000", "/"));
    assert_eq!(parse("http://[::1]/"), pair("[::1]:80", "/"));
}

#[test]
fn other_machines_are_refused() {
    for host in [
        "10.0.0.1:80",
        "0.0.0.0:8000",
        "[2001:db8::1]:80",
        "192.168.1.1",
    ] {
        assert!(matches!(
            parse(&format!("http://{host}/")),
            Err(TargetError::NotLoopback(_))
        ));
    }
}

#[test]
fn names_are_not_resolved() {
    for host in [
        "example.com",
        "localhost.example.com:80",
        "localhost:x",
        "",
        "127.0.0.1@x",
    ] {
        assert_eq!(
            parse(&format!("http://{host}/")),
            Err(TargetError::Authority(host.to_owned()))
        );
    }
}

#[test]
fn what_would_break_the_request_line_is_refused() {
    assert_eq!(parse("https://127.0.0.1/"), Err(TargetError::Scheme));
    assert_eq!(parse("http://127.0.0.1/a b"), Err(TargetError::Path));
    assert_eq!(parse("http://127.0.0.1/\r\nx: y"), Err(TargetError::Path));
}

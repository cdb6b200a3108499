//! What may stand in `Host`.

mod common;

use common::{bad_head, good_head};
use protocols::Error;

#[test]
fn good_hosts() {
    for host in [
        "",
        "h",
        "example.org",
        "example.org:80",
        "example.org:",
        "127.0.0.1:8000",
        "[::1]",
        "[::1]:8000",
        "[2001:db8::192.0.2.1]",
        "[v1.a:b]",
        "a%20b",
        "a_b~c!$&'()*+,;=",
        ":80",
    ] {
        let parsed = good_head(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(parsed.head.authority.of(&parsed.bytes), host.as_bytes());
    }
}

#[test]
fn bad_hosts() {
    for host in [
        "a b",
        "u@h",
        "u:p@h",
        "h:80a",
        "h:-1",
        "h:80:80",
        "<script>",
        "a\\b",
        "a#b",
        "a/b",
        "a?b",
        "http://a",
        "caf\u{e9}",
        "%",
        "%2",
        "%zz",
        "a\"b",
        "[::1",
        "[]",
        "[::1]x",
        "[::1%25eth0]",
        "[1.2.3.4]",
        "[g::1]",
        "[v.a]",
        "[v1.]",
        "[vx.a]",
        "::1",
        "]",
        "a[b]",
        "h\t:80",
    ] {
        let raw = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(bad_head(raw), Error::BadHost, "{host}");
    }
}

#[test]
fn exactly_one_host() {
    assert_eq!(bad_head("GET / HTTP/1.1\r\n\r\n"), Error::MissingHost);
    assert_eq!(
        bad_head("GET http://h/ HTTP/1.1\r\n\r\n"),
        Error::MissingHost
    );
    assert_eq!(
        bad_head("GET / HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n"),
        Error::DuplicateHost
    );
    assert_eq!(
        bad_head("GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n"),
        Error::DuplicateHost
    );
    assert!(
        good_head("GET / HTTP/1.0\r\n\r\n")
            .head
            .authority
            .is_empty()
    );
}

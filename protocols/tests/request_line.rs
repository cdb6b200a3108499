//! Methods, the four forms of the target, versions.

mod common;

use common::{bad_head, good_head};
use protocols::Error;

fn bad_line(line: &str) -> Error {
    bad_head(line.to_owned() + "\r\nHost: h\r\n\r\n")
}

#[track_caller]
fn target_parts(method: &str, target: &str) -> (String, String, String) {
    let parsed = good_head(format!(
        "{method} {target} HTTP/1.1\r\nHost: of.field\r\n\r\n"
    ));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(parsed.head.target.of(&parsed.bytes), target.as_bytes());
    (
        text(parsed.head.path(&parsed.bytes)),
        text(parsed.head.query.of(&parsed.bytes)),
        text(parsed.head.authority.of(&parsed.bytes)),
    )
}

fn parts(path: &str, query: &str, authority: &str) -> (String, String, String) {
    (path.to_owned(), query.to_owned(), authority.to_owned())
}

#[test]
fn origin_form() {
    assert_eq!(target_parts("GET", "/"), parts("/", "", "of.field"));
    assert_eq!(target_parts("GET", "/?"), parts("/", "", "of.field"));
    assert_eq!(
        target_parts("GET", "/a?b?c"),
        parts("/a", "b?c", "of.field")
    );
    assert_eq!(
        target_parts("GET", "//evil.example/x"),
        parts("//evil.example/x", "", "of.field")
    );
    assert_eq!(
        target_parts("GET", "/a/../%zz"),
        parts("/a/../%zz", "", "of.field")
    );
    for len in 0..20 {
        let path = "/".to_owned() + &"p".repeat(len);
        for query in ["", "?", "q", "1=2?&3=4/5"] {
            let target = format!("{path}?{query}");
            assert_eq!(
                target_parts("GET", &target),
                parts(&path, query, "of.field")
            );
        }
        assert_eq!(target_parts("GET", &path), parts(&path, "", "of.field"));
    }
    // Raw in the wild, though RFC 3986 would have them escaped.
    assert_eq!(
        target_parts("GET", "/a|b?{\"^`}\\"),
        parts("/a|b", "{\"^`}\\", "of.field")
    );
}

#[test]
fn absolute_form_brings_its_own_authority() {
    assert_eq!(
        target_parts("GET", "http://a:8/p?q"),
        parts("/p", "q", "a:8")
    );
    assert_eq!(target_parts("GET", "HTTPS://a"), parts("/", "", "a"));
    assert_eq!(target_parts("GET", "http://a?q"), parts("/", "q", "a"));
    assert_eq!(
        target_parts("GET", "http://[::1]:80/"),
        parts("/", "", "[::1]:80")
    );
    for target in [
        "http://u@a/",
        "http://u:p@a/",
        "http:///x",
        "http://:80/",
        "http://?q",
        "http:/a",
        "http://a b/",
        "ftp://a/x",
        "http://a\\b/",
        "http://[::1/",
        "ws://a/",
        "http:",
    ] {
        let error = bad_line(&format!("GET {target} HTTP/1.1"));
        assert!(
            matches!(error, Error::BadTarget | Error::BadVersion),
            "{target}: {error:?}"
        );
    }
}

#[test]
fn asterisk_form_is_for_options() {
    assert_eq!(target_parts("OPTIONS", "*"), parts("*", "", "of.field"));
    assert_eq!(bad_line("GET * HTTP/1.1"), Error::BadTarget);
    assert_eq!(bad_line("OPTIONS *x HTTP/1.1"), Error::BadTarget);
}

#[test]
fn connect_is_refused_in_every_form() {
    for target in ["a:443", "a", "/x", "*"] {
        assert_eq!(
            bad_line(&format!("CONNECT {target} HTTP/1.1")),
            Error::ConnectUnsupported
        );
    }
    assert_eq!(bad_line("GET a:443 HTTP/1.1"), Error::BadTarget);
}

#[test]
fn targets_are_visible_ascii_without_a_fragment() {
    for target in [
        "\\x",
        "?q",
        "a",
        "/a#b",
        "/a\x01",
        "/a\x7f",
        "/caf\u{e9}",
        "/\u{0}",
    ] {
        assert_eq!(
            bad_line(&format!("GET {target} HTTP/1.1")),
            Error::BadTarget,
            "{target}"
        );
    }
    for byte in (0..=u8::MAX).filter(|byte| !matches!(byte, b' ' | b'\r' | b'\n')) {
        for place in 0..17 {
            let mut target = [b'/'; 17];
            target[place] = byte;
            let raw = [b"GET /", &target[..], b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
            if byte.is_ascii_graphic() && byte != b'#' {
                good_head(raw);
            } else {
                assert_eq!(bad_head(raw), Error::BadTarget, "{byte:#x} at {place}");
            }
        }
    }
    assert_eq!(
        bad_head(b"GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n"),
        Error::BadTarget
    );
}

#[test]
fn one_space_separates() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET\x0b/ HTTP/1.1",
        " GET / HTTP/1.1",
        "GET",
        "GET /",
        "GET / ",
        "Host: h",
        "PROXY TCP4 127.0.0.1 127.0.0.1 1 2",
    ] {
        assert_eq!(bad_line(line).status(), 400, "{line:?}");
    }
}

#[test]
fn methods_are_tokens_of_any_case_and_meaning() {
    for method in ["get", "FROBNICATE", "M-SEARCH", "!#$%&'*+-.^_`|~09azAZ"] {
        assert_eq!(target_parts(method, "/"), parts("/", "", "of.field"));
    }
    for method in [
        "G@T", "G(ET", "GET:", "G/T", "GE\x01T", "GE\x7fT", "G\u{e9}T", "\"GET\"",
    ] {
        assert_eq!(
            bad_line(&format!("{method} / HTTP/1.1")),
            Error::BadRequestLine,
            "{method}"
        );
    }
}

#[test]
fn versions() {
    let minor = |version: &str| {
        good_head(format!("GET / {version}\r\nHost: h\r\n\r\n"))
            .head
            .minor_version
    };
    assert_eq!(minor("HTTP/1.0"), 0);
    assert_eq!(minor("HTTP/1.1"), 1);
    assert_eq!(minor("HTTP/1.2"), 1);
    assert_eq!(minor("HTTP/1.9"), 1);
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0"] {
        assert_eq!(
            bad_line(&format!("GET / {version}")),
            Error::UnsupportedVersion
        );
    }
    for version in [
        "http/1.1",
        "Http/1.1",
        "HTTP/1.",
        "HTTP/1.10",
        "HTTP/01.1",
        "HTTP/1.1x",
        "HTTP/2",
        "HTTP/0x1.1",
        "HTTP1.1",
        "HTTP/ 1.1",
        "HTTP/1,1",
        "HTTP/1.\u{661}",
        "HTTPS/1.1",
        "ICAP/1.0",
        "",
    ] {
        assert_eq!(
            bad_line(&format!("GET / {version}")).status(),
            400,
            "{version}"
        );
    }
    // The preface of HTTP/2.
    assert_eq!(
        bad_head("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Error::UnsupportedVersion
    );
}

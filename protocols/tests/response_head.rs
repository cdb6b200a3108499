//! Response heads as they go on the wire.

use protocols::Error;
use protocols::http1::{
    CONTINUE, LAST_CHUNK, ResponseFraming, ResponseHead, Reuse, body_allowed, encode_chunk,
    encode_field, encode_response_head,
};

const PLAIN: ResponseHead<'_> = ResponseHead {
    status: 200,
    fields: b"",
    framing: ResponseFraming::Length(0),
    reuse: Reuse::Keep,
    minor_version: 1,
    date_line: b"",
};

fn encoded(head: ResponseHead<'_>) -> String {
    let mut out = b"before".to_vec();
    encode_response_head(&head, &mut out);
    let text = String::from_utf8(out).expect("ASCII");
    text.strip_prefix("before").expect("appended").to_owned()
}

#[test]
fn a_whole_head() {
    let head = ResponseHead {
        fields: b"content-type: text/plain\r\n",
        framing: ResponseFraming::Length(42),
        date_line: b"date: now\r\n",
        ..PLAIN
    };
    let lines = "date: now\r\ncontent-type: text/plain\r\ncontent-length: 42\r\n\r\n";
    assert_eq!(encoded(head), format!("HTTP/1.1 200 OK\r\n{lines}"));
}

#[test]
fn framing_fields() {
    let framed = |framing, status| {
        encoded(ResponseHead {
            framing,
            status,
            ..PLAIN
        })
    };
    assert!(framed(ResponseFraming::Chunked, 200).contains("\r\ntransfer-encoding: chunked\r\n"));
    assert!(framed(ResponseFraming::UntilClose, 200).ends_with("OK\r\nconnection: close\r\n\r\n"));
    assert_eq!(
        framed(ResponseFraming::None, 304),
        "HTTP/1.1 304 Not Modified\r\n\r\n"
    );
    // RFC 9110 section 8.6: never in 1xx and 204.
    assert_eq!(
        framed(ResponseFraming::Length(5), 204),
        "HTTP/1.1 204 No Content\r\n\r\n"
    );
    assert_eq!(
        framed(ResponseFraming::Chunked, 101),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n"
    );
    let largest = framed(ResponseFraming::Length(u64::MAX), 200);
    assert!(largest.contains("content-length: 18446744073709551615\r\n"));
}

#[test]
fn connection_field() {
    let told = |reuse, minor_version| {
        encoded(ResponseHead {
            reuse,
            minor_version,
            ..PLAIN
        })
    };
    assert!(!told(Reuse::Keep, 1).contains("connection"));
    assert!(told(Reuse::Close, 1).contains("\r\nconnection: close\r\n"));
    assert!(told(Reuse::Keep, 0).contains("\r\nconnection: keep-alive\r\n"));
    assert!(told(Reuse::Close, 0).contains("\r\nconnection: close\r\n"));
}

#[test]
fn status_lines() {
    let line = |status| {
        let text = encoded(ResponseHead { status, ..PLAIN });
        text.split("\r\n").next().expect("a line").to_owned()
    };
    assert_eq!(line(100), "HTTP/1.1 100 Continue");
    assert_eq!(line(404), "HTTP/1.1 404 Not Found");
    assert_eq!(line(431), "HTTP/1.1 431 Request Header Fields Too Large");
    assert_eq!(line(511), "HTTP/1.1 511 Network Authentication Required");
    assert_eq!(line(299), "HTTP/1.1 299 ");
    assert_eq!(line(999), "HTTP/1.1 999 ");
    assert_eq!(line(0), "HTTP/1.1 500 Internal Server Error");
    assert_eq!(line(1000), "HTTP/1.1 500 Internal Server Error");
    for status in 100..=999_u16 {
        assert!(
            line(status).starts_with(&format!("HTTP/1.1 {status} ")),
            "{status}"
        );
    }
}

#[test]
fn statuses_without_a_body() {
    let without: Vec<u16> = (100..600).filter(|&status| !body_allowed(status)).collect();
    assert_eq!(without, (100..200).chain([204, 304]).collect::<Vec<u16>>());
}

#[test]
fn fields() {
    let mut out = Vec::new();
    assert_eq!(encode_field(b"X-Name", b" v\xe9\t", &mut out), Ok(()));
    assert_eq!(encode_field(b"a", b"", &mut out), Ok(()));
    assert_eq!(out, b"x-name:  v\xe9\t\r\na: \r\n");
    for (name, value) in [
        (&b""[..], &b"v"[..]),
        (b"a b", b"v"),
        (b"a:", b"v"),
        (b"a\r\n", b"v"),
        (b"caf\xe9", b"v"),
        (b"a", b"v\r\nset-cookie: x"),
        (b"a", b"\n"),
        (b"a", b"\0"),
    ] {
        assert_eq!(
            encode_field(name, value, &mut out),
            Err(Error::BadResponseField)
        );
        assert_eq!(out, b"x-name:  v\xe9\t\r\na: \r\n");
    }
}

#[test]
fn chunks() {
    let mut out = Vec::new();
    encode_chunk(b"", &mut out);
    assert!(out.is_empty());
    encode_chunk(b"hello", &mut out);
    encode_chunk(&[b'a'; 26], &mut out);
    out.extend_from_slice(LAST_CHUNK);
    let expected = format!("5\r\nhello\r\n1a\r\n{}\r\n0\r\n\r\n", "a".repeat(26));
    assert_eq!(out, expected.as_bytes());
    assert_eq!(CONTINUE, b"HTTP/1.1 100 Continue\r\n\r\n");
}

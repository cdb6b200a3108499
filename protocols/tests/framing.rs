//! Body length, transfer codings, `Expect`, `Connection`, `Upgrade`.

mod common;

use common::{bad_head, good_head};
use protocols::Error;
use protocols::http1::{BodyFraming, Reuse, Upgrade};

fn with(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n")
}

#[track_caller]
fn framing(fields: &str) -> BodyFraming {
    good_head(with(fields)).head.framing
}

#[test]
fn content_length() {
    assert_eq!(framing("X: y"), BodyFraming::None);
    assert_eq!(framing("Content-Length: 0"), BodyFraming::Length(0));
    assert_eq!(framing("CONTENT-length:\t5 \t"), BodyFraming::Length(5));
    assert_eq!(
        framing("Content-Length: 00000000000000000000000005"),
        BodyFraming::Length(5)
    );
    assert_eq!(
        framing("Content-Length: 18446744073709551615"),
        BodyFraming::Length(u64::MAX)
    );
    for value in [
        "",
        "+5",
        "-0",
        "5e0",
        "5 5",
        "5;x",
        "5a",
        "0x5",
        "\"5\"",
        "5,",
        "5, 5",
        "5,5",
        ",5",
        "18446744073709551616",
        "18446744073709551621",
        "5.0",
        "\u{665}",
        "1_0",
    ] {
        let raw = with(&format!("Content-Length: {value}"));
        assert_eq!(bad_head(raw), Error::BadContentLength, "{value}");
    }
}

#[test]
fn content_length_twice_even_if_the_same() {
    for second in ["5", "6", "05"] {
        let raw = with(&format!("Content-Length: 5\r\nContent-Length: {second}"));
        assert_eq!(bad_head(raw), Error::BadContentLength);
    }
}

#[test]
fn transfer_encoding() {
    assert_eq!(framing("Transfer-Encoding: chunked"), BodyFraming::Chunked);
    assert_eq!(
        framing("tRANSFER-eNCODING:\tChUnKeD "),
        BodyFraming::Chunked
    );
    let bad = |value: &str| bad_head(with(&format!("Transfer-Encoding: {value}")));
    for value in [
        "gzip, chunked",
        "identity, chunked",
        "a;b=c , chunked",
        "gzip,deflate,chunked",
        "gzip\r\nTransfer-Encoding: chunked",
    ] {
        assert_eq!(bad(value), Error::UnknownCoding, "{value}");
    }
    for value in [
        "",
        "gzip",
        "identity",
        "xyz",
        "xchunked",
        "chunkedx",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "chunked, gzip",
        "chunked;q=1",
        "chunked;",
        "chunked gzip",
        "\"chunked\"",
        "chunked\u{a0}",
        "gzip, chunked;a=b",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: gzip",
        "chunked\r\nTransfer-Encoding:",
        "gzip, chunked, chunked",
    ] {
        assert_eq!(bad(value), Error::BadCoding, "{value}");
    }
    for value in ["chunked\x0c", "chunked\0", "\x0bchunked", "\r\n chunked"] {
        assert_eq!(bad(value), Error::BadField, "{value:?}");
    }
}

#[test]
fn length_and_coding_together() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: xchunked\r\nContent-Length: 5",
    ] {
        assert_eq!(bad_head(with(fields)), Error::LengthAndCoding, "{fields}");
    }
}

#[test]
fn transfer_encoding_on_http10() {
    for connection in ["", "Connection: keep-alive\r\n"] {
        let raw = format!("POST / HTTP/1.0\r\n{connection}Transfer-Encoding: chunked\r\n\r\n");
        assert_eq!(bad_head(raw), Error::CodingOnHttp10);
    }
}

#[test]
fn expect() {
    let expects = |fields: &str| good_head(with(fields)).head.expect_continue;
    assert!(expects("Expect: 100-continue\r\nContent-Length: 5"));
    assert!(expects(
        "Expect: 100-CONTINUE\r\nTransfer-Encoding: chunked"
    ));
    assert!(!expects("Expect: 100-continue"));
    assert!(!expects("Expect: 100-continue\r\nContent-Length: 0"));
    assert!(!expects("Content-Length: 5"));
    for value in [
        "200-ok",
        "y 100-continue",
        "100-continue, x",
        "100-continue\r\nExpect: x",
    ] {
        let raw = with(&format!("Expect: {value}\r\nContent-Length: 5"));
        assert_eq!(bad_head(raw), Error::UnknownExpectation, "{value}");
    }
    let http10 = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert!(!good_head(http10).head.expect_continue);
}

#[test]
fn connection_reuse() {
    let reuse = |version: &str, fields: &str| {
        good_head(format!("GET / {version}\r\nHost: h\r\n{fields}\r\n"))
            .head
            .reuse
    };
    assert_eq!(reuse("HTTP/1.1", ""), Reuse::Keep);
    assert_eq!(reuse("HTTP/1.1", "Connection: CLOSE\r\n"), Reuse::Close);
    assert_eq!(
        reuse("HTTP/1.1", "Connection: foo, close\r\n"),
        Reuse::Close
    );
    assert_eq!(reuse("HTTP/1.1", "Connection: foo close\r\n"), Reuse::Keep);
    let both = "Connection: keep-alive\r\nConnection: close\r\n";
    assert_eq!(reuse("HTTP/1.1", both), Reuse::Close);
    assert_eq!(reuse("HTTP/1.0", both), Reuse::Close);
    assert_eq!(reuse("HTTP/1.0", ""), Reuse::Close);
    assert_eq!(
        reuse("HTTP/1.0", "Connection: ,,Keep-Alive\r\n"),
        Reuse::Keep
    );
    assert_eq!(reuse("HTTP/1.1", "Connection: \"close\r\n"), Reuse::Keep);
}

#[test]
fn upgrade() {
    let upgrade = |line: &str, fields: &str| {
        good_head(format!("{line}\r\nHost: h\r\n{fields}\r\n\r\n"))
            .head
            .upgrade
    };
    let get = "GET / HTTP/1.1";
    let full = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket";
    assert_eq!(upgrade(get, full), Upgrade::WebSocket);
    assert_eq!(
        upgrade(get, "Upgrade: h2c, websocket\r\nConnection: upgrade"),
        Upgrade::WebSocket
    );
    assert_eq!(upgrade("POST / HTTP/1.1", full), Upgrade::None);
    assert_eq!(upgrade("GET / HTTP/1.0", full), Upgrade::None);
    assert_eq!(upgrade(get, "Upgrade: websocket"), Upgrade::None);
    assert_eq!(upgrade(get, "Connection: upgrade"), Upgrade::None);
    assert_eq!(
        upgrade(get, "Connection: Upgrade\r\nUpgrade: h2c"),
        Upgrade::None
    );
}

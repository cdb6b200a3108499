//! The WebSocket opening handshake, as a client sends it.

mod common;

use common::good_head;
use protocols::Error;
use protocols::websocket::{HandshakeRequest, check_handshake};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

fn check(fields: &[&str]) -> Result<String, Error> {
    let raw = format!("GET /ws HTTP/1.1\r\nHost: h\r\n{}\r\n", fields.concat());
    let parsed = good_head(raw);
    let HandshakeRequest { key } = check_handshake(&parsed.head, &parsed.bytes)?;
    Ok(String::from_utf8_lossy(key.of(&parsed.bytes)).into_owned())
}

#[test]
fn a_good_handshake_gives_the_key() {
    let good = Ok("dGhlIHNhbXBsZSBub25jZQ==".to_owned());
    assert_eq!(check(&[UPGRADE, KEY, VERSION]), good);
    assert_eq!(
        check(&[UPGRADE, KEY, VERSION, "Content-Length: 0\r\n"]),
        good
    );
}

#[test]
fn not_an_upgrade_or_with_a_body() {
    for fields in [
        &[KEY, VERSION][..],
        &["Upgrade: websocket\r\n", KEY, VERSION],
        &[UPGRADE, KEY, VERSION, "Content-Length: 5\r\n"],
        &[UPGRADE, KEY, VERSION, "Transfer-Encoding: chunked\r\n"],
    ] {
        assert_eq!(
            check(fields),
            Err(Error::BadWebSocketHandshake),
            "{fields:?}"
        );
    }
}

#[test]
fn exactly_one_key_of_16_bytes() {
    for key in [
        "",
        "AAAA",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "GhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25j Q==",
        "dGhlIHNhbXBsZSBub25jZ_==",
        "dGhlIHNhbXBsZSBub25jZQAAAA==",
    ] {
        let line = format!("Sec-WebSocket-Key: {key}\r\n");
        assert_eq!(
            check(&[UPGRADE, VERSION, &line]),
            Err(Error::BadWebSocketHandshake),
            "{key}"
        );
    }
    assert_eq!(
        check(&[UPGRADE, VERSION]),
        Err(Error::BadWebSocketHandshake)
    );
    assert_eq!(
        check(&[UPGRADE, VERSION, KEY, KEY]),
        Err(Error::BadWebSocketHandshake)
    );
}

#[test]
fn exactly_one_version_and_that_is_13() {
    for version in ["12", "8", "0", "255"] {
        let line = format!("Sec-WebSocket-Version: {version}\r\n");
        assert_eq!(
            check(&[UPGRADE, KEY, &line]),
            Err(Error::WebSocketVersion),
            "{version}"
        );
    }
    for version in ["", "x", "13, 13", "13.0", "1313"] {
        let line = format!("Sec-WebSocket-Version: {version}\r\n");
        assert_eq!(
            check(&[UPGRADE, KEY, &line]),
            Err(Error::BadWebSocketHandshake),
            "{version}"
        );
    }
    assert_eq!(check(&[UPGRADE, KEY]), Err(Error::BadWebSocketHandshake));
    assert_eq!(
        check(&[UPGRADE, KEY, VERSION, VERSION]),
        Err(Error::BadWebSocketHandshake)
    );
}

#[test]
fn extensions_keep_their_grammar() {
    for value in [
        "permessage-deflate",
        "a, b;c ; d=e;f=\"g\"",
        "a;b=\"\\c\"",
        ",a,,b,",
        "a ; b = c",
        "permessage-deflate; client_max_window_bits; server_max_window_bits=\"10\"",
        "permessage-deflate; server_no_context_takeover, permessage-deflate",
        "other; server_max_window_bits=99",
    ] {
        let line = format!("Sec-WebSocket-Extensions: {value}\r\n");
        assert!(check(&[UPGRADE, KEY, VERSION, &line]).is_ok(), "{value}");
    }
    for value in [
        "",
        ",",
        "a b",
        "a;",
        "a;b=",
        "a;=b",
        ";a",
        "a;b=\"\"",
        "a;b=\"c",
        "a;b=\"c d\"",
        "a;b=\"c\"d",
        "a=b",
        "a/b",
        "\"a\"",
        "a;b=\"\\",
        "permessage-deflate; server_max_window_bits=99",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
        "permessage-deflate; unknown",
    ] {
        let line = format!("Sec-WebSocket-Extensions: {value}\r\n");
        let outcome = check(&[UPGRADE, KEY, VERSION, &line]);
        assert_eq!(outcome, Err(Error::BadWebSocketHandshake), "{value}");
    }
}

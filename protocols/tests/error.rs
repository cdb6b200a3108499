//! Every variant, from input that deserves it, with the status it is answered with.

mod common;

use std::collections::HashSet;

use common::websocket::{DEFLATE, FIN, RSV1, TEXT, frame, said_within};
use common::{bad_head, body, good_head};
use protocols::Error;
use protocols::http1::{BodyFraming, encode_field};
use protocols::postgres::{AuthStep, Authentication, Authenticator, frontend, parse_frame};
use protocols::websocket::check_handshake;

fn from_fields(fields: &str) -> Error {
    bad_head(format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n"))
}

fn from_chunks(raw: impl AsRef<[u8]>) -> Error {
    body(BodyFraming::Chunked, 10, raw).expect_err("a bad body")
}

fn from_handshake(version: &str) -> Error {
    let parsed = good_head(format!(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: {version}\r\n\r\n"
    ));
    check_handshake(&parsed.head, &parsed.bytes).expect_err("a bad handshake")
}

fn from_frame(bytes: &[u8]) -> Error {
    said_within(8, Some(DEFLATE), bytes)
        .error
        .expect("a bad frame")
}

fn from_postgres(bytes: &[u8]) -> Error {
    parse_frame(bytes, 8).expect_err("a bad message")
}

fn from_log_in(message: Authentication<'_>) -> Result<AuthStep, Error> {
    Authenticator::new("user", None, None, &[0; 18]).message(message, &mut Default::default())
}

#[test]
fn every_variant() {
    let get = |line: &str| bad_head(line.to_owned() + "\r\nHost: h\r\n\r\n");
    let long = "a".repeat(70_000);
    let table = [
        (get("GET"), Error::BadRequestLine, 400),
        (get("GET / HTTP/1.x"), Error::BadVersion, 400),
        (get("GET / HTTP/2.0"), Error::UnsupportedVersion, 505),
        (get("GET a HTTP/1.1"), Error::BadTarget, 400),
        (get("CONNECT a:1 HTTP/1.1"), Error::ConnectUnsupported, 501),
        (get(&format!("GET /{long}")), Error::RequestLineTooLong, 414),
        (from_fields(&format!("X: {long}")), Error::HeadTooLarge, 431),
        (
            from_fields(&"X: y\r\n".repeat(100)),
            Error::TooManyFields,
            431,
        ),
        (from_fields("X : y"), Error::BadField, 400),
        (bad_head("GET / HTTP/1.1\r\n\r\n"), Error::MissingHost, 400),
        (from_fields("Host: h"), Error::DuplicateHost, 400),
        (
            bad_head("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
            Error::BadHost,
            400,
        ),
        (
            from_fields("Content-Length: +1"),
            Error::BadContentLength,
            400,
        ),
        (
            from_fields("Content-Length: 1\r\nTransfer-Encoding: chunked"),
            Error::LengthAndCoding,
            400,
        ),
        (
            from_fields("Transfer-Encoding: gzip"),
            Error::BadCoding,
            400,
        ),
        (
            from_fields("Transfer-Encoding: gzip, chunked"),
            Error::UnknownCoding,
            501,
        ),
        (
            bad_head("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Error::CodingOnHttp10,
            400,
        ),
        (from_fields("Expect: x"), Error::UnknownExpectation, 417),
        (from_chunks("b\r\n"), Error::BodyTooLarge, 413),
        (from_chunks("x\r\n"), Error::BadChunk, 400),
        (
            from_chunks("0".repeat(20_000)),
            Error::ChunkExtensionsTooLarge,
            413,
        ),
        (from_chunks("0\r\nx\r\n"), Error::BadTrailer, 400),
        (
            from_chunks("0\r\nx:".to_owned() + &long),
            Error::TrailerTooLarge,
            431,
        ),
        // Only the loop that owns the socket sees the end of input.
        (Error::TruncatedBody, Error::TruncatedBody, 400),
        (from_handshake("13"), Error::BadWebSocketHandshake, 400),
        (from_handshake("8"), Error::WebSocketVersion, 426),
        (
            from_frame(b"\x81\x00"),
            Error::WebSocketProtocol("WebSocket frame is not masked"),
            400,
        ),
        (
            from_frame(&frame(FIN | TEXT, b"\xff")),
            Error::WebSocketText,
            400,
        ),
        (
            from_frame(&frame(FIN | RSV1 | TEXT, b"\xff")),
            Error::WebSocketDeflate,
            400,
        ),
        (
            from_frame(&frame(FIN | TEXT, [b'a'; 9])),
            Error::WebSocketTooLarge,
            413,
        ),
        (
            encode_field(b"", b"", &mut Vec::new()).expect_err("a bad name"),
            Error::BadResponseField,
            500,
        ),
        (
            from_postgres(b"?"),
            Error::PostgresProtocol("PostgreSQL message of an unknown type"),
            500,
        ),
        (from_postgres(b"D\0\0\0\x0d"), Error::PostgresTooLarge, 500),
        (
            from_log_in(Authentication::CleartextPassword).expect_err("no password"),
            Error::PostgresAuthentication(
                "PostgreSQL server asks for a password and none was given",
            ),
            500,
        ),
        (
            frontend::query("\0", &mut Default::default()).expect_err("a NUL"),
            Error::PostgresRequest("text for PostgreSQL has a NUL in it"),
            500,
        ),
    ];
    let mut reasons = HashSet::new();
    for (got, expected, status) in table {
        assert_eq!(got, expected);
        assert_eq!(got.status(), status, "{got:?}");
        assert_eq!(got.to_string(), got.reason_for_log());
        let close_code = match got {
            Error::WebSocketProtocol(_) => Some(1002),
            Error::WebSocketText | Error::WebSocketDeflate => Some(1007),
            Error::WebSocketTooLarge => Some(1009),
            _ => None,
        };
        assert_eq!(got.close_code(), close_code, "{got:?}");
        assert!(
            reasons.insert(got.reason_for_log()),
            "{got:?} has a reason of its own"
        );
    }
}

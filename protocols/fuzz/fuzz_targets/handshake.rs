//! A handshake that passes has one key of 16 bytes and asks for version 13.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::Parsed;
use protocols::http1::{HeadLimits, RequestHead, parse_request_head};
use protocols::websocket::check_handshake;

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 4096,
    fields_max: 20,
    request_line_bytes_max: 128,
};

const GOOD: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fuzz_target!(|data: &[u8]| {
    check(data);
    check(
        &[
            &b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"[..],
            data,
        ]
        .concat(),
    );
    check(&[GOOD, data, b"\r\n\r\n"].concat());
    check(&[GOOD, b"Sec-WebSocket-Extensions: ", data, b"\r\n\r\n"].concat());
});

fn check(bytes: &[u8]) {
    let mut head = RequestHead::new();
    let parsed = parse_request_head(bytes, &LIMITS, &mut head);
    let Ok(Parsed::Complete { used, .. }) = parsed else {
        return;
    };
    let Ok(request) = check_handshake(&head, &bytes[..used]) else {
        return;
    };
    let key = request.key.of(bytes);
    assert!(key.len() == 24 && key.ends_with(b"=="));
    assert!(head.fields_named(bytes, "sec-websocket-key").eq([key]));
    assert!(
        head.fields_named(bytes, "sec-websocket-version")
            .eq([b"13"])
    );
    assert_eq!(head.method.of(bytes), b"GET");
    assert_eq!(head.minor_version, 1);
}

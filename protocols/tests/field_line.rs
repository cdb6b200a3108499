//! Field names and values.

mod common;

use common::{bad_head, good_head};
use protocols::Error;

fn value_of(line: &[u8]) -> Vec<u8> {
    let raw = [b"GET / HTTP/1.1\r\nHost: h\r\n", line, b"\r\n\r\n"].concat();
    let parsed = good_head(raw);
    let field = parsed.head.fields[1];
    field.value.of(&parsed.bytes).to_vec()
}

#[test]
fn values_lose_the_whitespace_around_them() {
    assert_eq!(value_of(b"X:"), b"");
    assert_eq!(value_of(b"X: \t "), b"");
    assert_eq!(value_of(b"X:a"), b"a");
    assert_eq!(value_of(b"X:\ta\tb  c \t "), b"a\tb  c");
    assert_eq!(value_of(b"X: caf\xc3\xa9\xff\x80"), b"caf\xc3\xa9\xff\x80");
    assert_eq!(value_of(b"!#$%&'*+-.^_`|~09azAZ: v"), b"v");
    assert_eq!(value_of(b"X: :a:b"), b":a:b");
}

#[test]
fn bad_lines() {
    let lines = [
        "X : a",
        "X\t: a",
        " X: a",
        "\tX: a",
        ": a",
        ":",
        "X",
        "X a",
        "X(Y: 1",
        "X[Y: 1",
        "X,Y: 1",
        "X;Y: 1",
        "X?Y: 1",
        "X<Y: 1",
        "X\x01Y: 1",
        "X\x7fY: 1",
        "X\u{e9}Y: 1",
        "X\x0bY: 1",
        "X\"Y: 1",
        "X@Y: 1",
        "X/Y: 1",
        "X\0: 1",
        "X: a\r\n b",
        "X: a\r\n\tb",
        "X: a\r\n \r\nY: b",
        " \r\nX: y",
    ];
    for line in lines {
        for raw in [
            format!("GET / HTTP/1.1\r\n{line}\r\nHost: h\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n"),
        ] {
            assert_eq!(bad_head(raw), Error::BadField, "{line:?}");
        }
    }
}

#[test]
fn no_control_byte_but_tab_in_a_value() {
    for byte in (0..=0x1f_u8).chain([0x7f]) {
        for place in [0, 20, 40] {
            let mut value = [b'v'; 41];
            value[place] = byte;
            let raw = [b"GET / HTTP/1.1\r\nHost: h\r\nX: ", &value[..], b"\r\n\r\n"].concat();
            if byte == b'\t' {
                good_head(raw);
            } else {
                assert_eq!(bad_head(raw), Error::BadField, "{byte:#x}");
            }
        }
    }
}

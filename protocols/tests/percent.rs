//! Percent-decoding of paths and queries.

use std::borrow::Cow;

use protocols::http1::{decode_path, percent_decode, query_pairs};

#[test]
fn escapes() {
    for (raw, decoded) in [
        (&b""[..], &b""[..]),
        (b"abc", b"abc"),
        (b"%41%7a%2F", b"Az/"),
        (b"%e2%82%AC", b"\xe2\x82\xac"),
        (b"a+b", b"a+b"),
        (b"%", b"%"),
        (b"%4", b"%4"),
        (b"%zz%4g%41", b"%zz%4gA"),
        (b"%%41", b"%A"),
        (b"%2541", b"%41"),
        (b"%00", b"\0"),
    ] {
        let mut out = b"x".to_vec();
        percent_decode(raw, &mut out);
        assert_eq!(out, [b"x", decoded].concat());
        assert_eq!(decode_path(raw), decoded);
    }
    assert!(matches!(decode_path(b"/a+b"), Cow::Borrowed(_)));
}

#[test]
fn pairs() {
    let pairs = |raw: &str| -> Vec<(String, String)> {
        let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        query_pairs(raw.as_bytes())
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(pairs(""), []);
    assert_eq!(pairs("&&"), []);
    assert_eq!(
        pairs("a=1&b=2&a=3"),
        [pair("a", "1"), pair("b", "2"), pair("a", "3")]
    );
    assert_eq!(
        pairs("a&b=&=c&="),
        [pair("a", ""), pair("b", ""), pair("", "c"), pair("", "")]
    );
    assert_eq!(pairs("a=b=c"), [pair("a", "b=c")]);
    assert_eq!(pairs("a+b=c%2Bd+e%20f"), [pair("a b", "c+d e f")]);
    assert_eq!(pairs("a%26b=%3D;x"), [pair("a&b", "=;x")]);
    assert_eq!(pairs("a=%zz%"), [pair("a", "%zz%")]);
}

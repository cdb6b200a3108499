//! Bodies of known length, chunked bodies, trailers, and their bounds.

mod common;

use common::{Body, body};
use protocols::Error;
use protocols::http1::{BodyDecoder, BodyFraming, BodyPiece};

const MAX: u64 = 1024;

#[track_caller]
fn good_chunks(raw: &str) -> String {
    let decoded = body(BodyFraming::Chunked, MAX, raw).unwrap_or_else(|e| panic!("{e:?}: {raw}"));
    assert!(decoded.done, "{raw}");
    assert_eq!(decoded.used, raw.len());
    String::from_utf8_lossy(&decoded.data).into_owned()
}

fn bad_chunks(raw: impl AsRef<[u8]>) -> Error {
    match body(BodyFraming::Chunked, MAX, &raw) {
        Err(error) => error,
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(raw.as_ref())),
    }
}

#[test]
fn no_body_and_known_length() {
    let empty = Body {
        data: vec![],
        used: 0,
        done: true,
    };
    assert_eq!(body(BodyFraming::None, 0, "GET"), Ok(empty));
    assert_eq!(
        body(BodyFraming::Length(5), 5, "hello"),
        Ok(Body {
            data: b"hello".to_vec(),
            used: 5,
            done: true
        })
    );
    assert_eq!(
        body(BodyFraming::Length(6), 6, "hello"),
        Ok(Body {
            data: b"hello".to_vec(),
            used: 5,
            done: false
        })
    );
    assert_eq!(
        BodyDecoder::new(BodyFraming::Length(6), 5).err(),
        Some(Error::BodyTooLarge)
    );
}

#[test]
fn what_is_left_is_known_with_a_length() {
    let mut decoder = BodyDecoder::new(BodyFraming::Length(u64::MAX), u64::MAX).expect("fits");
    assert_eq!(
        decoder.decode(b"abc"),
        Ok(BodyPiece::Data {
            data: 0..3,
            used: 3
        })
    );
    assert_eq!(decoder.remaining_hint(), Some(u64::MAX - 3));
    assert!(!decoder.is_done());
    let chunked = BodyDecoder::new(BodyFraming::Chunked, 0).expect("fits");
    assert_eq!(chunked.remaining_hint(), None);
}

#[test]
fn chunks() {
    assert_eq!(good_chunks("0\r\n\r\n"), "");
    assert_eq!(good_chunks("5\r\nhello\r\n0\r\n\r\n"), "hello");
    assert_eq!(
        good_chunks("5\r\nhello\r\n00a\r\n0123456789\r\n000\r\n\r\n"),
        "hello0123456789"
    );
    assert_eq!(
        good_chunks("0000000000000000000005\r\nhello\r\n0\r\n\r\n"),
        "hello"
    );
    assert_eq!(good_chunks("2\r\n\r\n\r\n0\r\n\r\n"), "\r\n");
}

#[test]
fn data_is_found_in_place() {
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked, MAX).expect("fits");
    assert_eq!(
        decoder.decode(b"5\r\nhello\r\n"),
        Ok(BodyPiece::Data {
            data: 3..8,
            used: 8
        })
    );
    assert_eq!(decoder.decode(b"\r\n"), Ok(BodyPiece::Framing { used: 2 }));
    assert_eq!(decoder.decode(b""), Ok(BodyPiece::Incomplete));
    assert_eq!(
        decoder.decode(b"0\r\n\r\nGET"),
        Ok(BodyPiece::End { used: 5 })
    );
}

#[test]
fn chunk_extensions() {
    for extensions in [
        ";a",
        ";a=b;c",
        ";a=\"q;\\\" =\"",
        ";a=\"\"",
        ";a=\"\t\u{e9}\\\\\"",
        ";a;a;a",
    ] {
        assert_eq!(
            good_chunks(&format!("5{extensions}\r\nhello\r\n0;z\r\n\r\n")),
            "hello"
        );
    }
    for extensions in [
        " ;a",
        "; a",
        ";a =b",
        ";a= b",
        ";a ",
        ";",
        ";;",
        ";a=",
        ";=b",
        ";a=\"",
        ";a=\"b\"c",
        ";a=b=c",
        ";a=\"\x01\"",
        ";a=\"\\\x01\"",
        ";a\rb",
        ";a=\"\r\n\"",
        ";a\nb",
        ";a,b",
        ";\u{e9}",
        "\t",
        " ",
    ] {
        let raw = format!("5{extensions}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(bad_chunks(raw), Error::BadChunk, "{extensions:?}");
    }
    let long = ";a=".to_owned() + &"b".repeat(20_000);
    assert_eq!(
        bad_chunks(format!("5{long}\r\n")),
        Error::ChunkExtensionsTooLarge
    );
    assert_eq!(
        bad_chunks("1;a=bcdefghij\r\n.\r\n".repeat(2000)),
        Error::BodyTooLarge
    );
    assert_eq!(
        body(
            BodyFraming::Chunked,
            1 << 20,
            "1;a=bcdefghij\r\n.\r\n".repeat(2000)
        ),
        Err(Error::ChunkExtensionsTooLarge)
    );
    assert_eq!(
        bad_chunks("0".repeat(20_000)),
        Error::ChunkExtensionsTooLarge
    );
}

#[test]
fn bad_chunk_sizes() {
    for size in [
        "",
        "G",
        "+5",
        "-5",
        " 5",
        "5 ",
        "5\t",
        "0x5",
        "5_0",
        "\u{ff15}",
        "5\n",
        "\n",
        "5\r",
        "10000000000000005",
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
    ] {
        let raw = format!("{size}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(bad_chunks(raw), Error::BadChunk, "{size:?}");
    }
    assert_eq!(
        bad_chunks("FFFFFFFFFFFFFFFF\r\nhello\r\n"),
        Error::BodyTooLarge
    );
}

#[test]
fn bad_chunk_ends() {
    for raw in [
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello6\r\n",
    ] {
        assert_eq!(bad_chunks(raw), Error::BadChunk, "{raw:?}");
    }
}

#[test]
fn chunks_together_keep_the_bound() {
    let chunk = format!("200\r\n{}\r\n", "a".repeat(512));
    assert_eq!(good_chunks(&format!("{chunk}{chunk}0\r\n\r\n")).len(), 1024);
    assert_eq!(
        bad_chunks(format!("{chunk}{chunk}1\r\n")),
        Error::BodyTooLarge
    );
    assert_eq!(bad_chunks("401\r\n"), Error::BodyTooLarge);
}

#[test]
fn trailers_are_checked_and_dropped() {
    for trailers in [
        "X-Sum: 1\r\n",
        "A:\r\nB: \t c d\r\n",
        "Content-Length: 50\r\n",
        "A: \u{e9}\r\n",
    ] {
        assert_eq!(
            good_chunks(&format!("5\r\nhello\r\n0\r\n{trailers}\r\n")),
            "hello"
        );
    }
    for trailers in [
        "broken\r\n",
        "A : b\r\n",
        " A: b\r\n",
        ": b\r\n",
        "A: b\r\n c\r\n",
        "A: b\nC: d\r\n",
        "A: b\rc\r\n",
        "A: \x01\r\n",
        "A: \x7f\r\n",
        "A\u{e9}: b\r\n",
        "\n",
        "\rX",
    ] {
        let raw = format!("0\r\n{trailers}\r\n");
        assert_eq!(bad_chunks(raw), Error::BadTrailer, "{trailers:?}");
    }
    let many = |count: usize| format!("0\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(good_chunks(&many(100)), "");
    assert_eq!(bad_chunks(many(101)), Error::TrailerTooLarge);
    assert_eq!(
        bad_chunks(format!("0\r\nA: {}", "b".repeat(20_000))),
        Error::TrailerTooLarge
    );
}

#[test]
fn a_chunked_body_cut_anywhere_wants_more() {
    let raw = "5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for len in 0..raw.len() {
        let decoded = body(BodyFraming::Chunked, MAX, &raw[..len]).expect("nothing wrong yet");
        assert!(!decoded.done, "{len}");
        assert_eq!(decoded.used, len);
    }
}

//! Frames, compressed messages and events: whole, byte by byte, and with something behind them.

use flate2::{Compress, Compression, FlushCompress};
use loadtest::realtime::deflate::{Inflater, compress};
use loadtest::realtime::event_stream::EventReader;
use loadtest::realtime::frame::{
    FrameError, FrameReader, Kind, MASKING_KEY, MESSAGE_MAX_BYTES, encode,
};
use loadtest::realtime::handshake;
use loadtest::realtime::texts;
use loadtest::target::Target;

type Found = Vec<(Kind, bool, Vec<u8>)>;

/// Feeds `bytes` in pieces of `size`.
fn messages(bytes: &[u8], size: usize) -> Result<Found, FrameError> {
    let mut reader = FrameReader::new();
    let mut found = Vec::new();
    for piece in bytes.chunks(size) {
        let mut used = 0;
        while used < piece.len() {
            let (step, message) = reader.push(&piece[used..])?;
            if let Some(message) = message {
                found.push((
                    message.kind,
                    message.is_compressed,
                    message.payload.to_vec(),
                ));
            }
            used += step;
        }
    }
    Ok(found)
}

/// A frame as servers send it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(length as u8),
        length @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn a_frame_is_masked_and_has_the_shortest_length() {
    for (length, header) in [
        (0usize, vec![0x81, 0x80]),
        (125, vec![0x81, 0xfd]),
        (126, vec![0x81, 0xfe, 0, 126]),
        (65_535, vec![0x81, 0xfe, 0xff, 0xff]),
        (65_536, vec![0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let frame = encode(Kind::Text, false, &payload);
        let rest = frame.strip_prefix(&header[..]).expect("the header");
        let masked = rest.strip_prefix(&MASKING_KEY).expect("the key");
        let clear = masked
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ MASKING_KEY[at % 4]);
        assert!(clear.eq(payload), "{length} bytes");
    }
    assert_eq!(encode(Kind::Binary, true, b"")[0], 0xc2);
    assert_eq!(encode(Kind::Close, false, b"")[0], 0x88);
}

#[test]
fn messages_of_every_length_are_found_in_pieces_of_every_size() {
    let long = vec![b'x'; 70_000];
    let bytes = [
        frame(0x81, b"hello"),
        frame(0x82, &long),
        frame(0x81, b""),
        frame(0x89, b"ping"),
        frame(0xc1, &long[..300]),
        frame(0x8a, b""),
        frame(0x88, b"\x03\xe8"),
    ]
    .concat();
    let expected = vec![
        (Kind::Text, false, b"hello".to_vec()),
        (Kind::Binary, false, long.clone()),
        (Kind::Text, false, Vec::new()),
        (Kind::Ping, false, b"ping".to_vec()),
        (Kind::Text, true, long[..300].to_vec()),
        (Kind::Pong, false, Vec::new()),
        (Kind::Close, false, b"\x03\xe8".to_vec()),
    ];
    for size in [1, 2, 3, 7, 1000, bytes.len()] {
        assert_eq!(
            messages(&bytes, size).as_ref(),
            Ok(&expected),
            "pieces of {size}"
        );
    }
}

#[test]
fn a_message_in_several_frames_may_have_a_ping_inside() {
    let bytes = [
        frame(0x41, b"one "),
        frame(0x89, b"?"),
        frame(0x00, b"two "),
        frame(0x00, b""),
        frame(0x80, b"three"),
        frame(0x82, b"next"),
    ]
    .concat();
    let expected = vec![
        (Kind::Ping, false, b"?".to_vec()),
        (Kind::Text, true, b"one two three".to_vec()),
        (Kind::Binary, false, b"next".to_vec()),
    ];
    for size in 1..=bytes.len() {
        assert_eq!(
            messages(&bytes, size).as_ref(),
            Ok(&expected),
            "pieces of {size}"
        );
    }
}

#[test]
fn a_message_without_its_end_is_not_reported() {
    let bytes = frame(0x81, b"hello");
    for length in 0..bytes.len() {
        assert_eq!(messages(&bytes[..length], 2), Ok(Vec::new()));
    }
}

#[test]
fn what_no_server_sends_is_an_error() {
    for bytes in [
        // Masked; an unknown opcode; a reserved bit; a long and a fragmented ping.
        &[0x81, 0x80, 0, 0, 0, 0][..],
        &[0x83, 0],
        &[0xa1, 0],
        &[0x89, 126, 0, 126],
        &[0x09, 0],
    ] {
        assert_eq!(messages(bytes, 1), Err(FrameError::Header), "{bytes:x?}");
    }
    for bytes in [
        frame(0x80, b"of nothing"),
        [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
    ] {
        assert_eq!(messages(&bytes, 1), Err(FrameError::Order));
    }
    let mut announced = vec![0x82, 127];
    announced.extend((MESSAGE_MAX_BYTES as u64 + 1).to_be_bytes());
    assert_eq!(messages(&announced, 1), Err(FrameError::TooLong));
    let half = vec![0; MESSAGE_MAX_BYTES / 2 + 1];
    let fragments = [frame(0x02, &half), frame(0x80, &half)].concat();
    assert_eq!(messages(&fragments, 4096), Err(FrameError::TooLong));
}

#[test]
fn compressed_messages_can_be_inflated_one_after_the_other() {
    let mut inflater = Inflater::new();
    for (variant, bytes) in [16, 0, 16_384, 100, 1_000_000].into_iter().enumerate() {
        let text = texts::text(bytes, variant);
        let compressed = compress(text.as_bytes()).expect("compressed");
        assert!(bytes < 200 || compressed.len() < bytes / 2);
        let inflated = inflater.inflate(&compressed).expect("inflated");
        assert!(inflated == text.as_bytes(), "{bytes} bytes");
    }
}

#[test]
fn a_server_may_refer_to_its_earlier_messages() {
    let text = texts::text(2_000, 0);
    let mut codec = Compress::new(Compression::default(), false);
    let mut inflater = Inflater::new();
    let mut lengths = Vec::new();
    for _ in 0..3 {
        let mut out = Vec::with_capacity(4_000);
        codec
            .compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync)
            .expect("compressed");
        let payload = &out[..out.len() - 4];
        assert_eq!(
            inflater.inflate(payload).expect("inflated"),
            text.as_bytes()
        );
        lengths.push(payload.len());
    }
    assert!(lengths[1] * 10 < lengths[0], "{lengths:?}");
    assert!(inflater.inflate(b"\xff\xff\xff").is_err());
}

#[test]
fn the_data_of_events_is_found_in_pieces_of_every_size() {
    let stream = b": hello\r\n\r\nevent: tick\r\ndata: one\r\nid: 7\r\n\r\n\
        data:two\ndata\ndata:  three\n\nretry: 5\n\ndata: \"four\"\n\ndata: cut";
    let expected: Vec<&[u8]> = vec![b"one", b"two\n three", b"\"four\""];
    for size in 1..=stream.len() {
        let mut reader = EventReader::new();
        let mut found = Vec::new();
        for piece in stream.chunks(size) {
            reader.push(piece, |data| found.push(data.to_vec()));
        }
        assert_eq!(found, expected, "pieces of {size}");
    }
}

#[test]
fn texts_have_their_length_and_say_when_they_were_sent() {
    for bytes in [0, 1, 16, 100, 16_384] {
        assert_eq!(texts::text(bytes, 3).len(), bytes);
    }
    assert_ne!(texts::text(100, 0), texts::text(100, 1));
    let text = texts::stamped(0xfeed, 64);
    assert_eq!(text.len(), 64);
    assert_eq!(texts::stamp(text.as_bytes()), Some(0xfeed));
    assert_eq!(texts::stamp(format!("\"{text}\"").as_bytes()), Some(0xfeed));
    assert_eq!(texts::stamp(b"feed"), None);
    assert_eq!(texts::worker(b"worker 12"), Some(12));
    assert_eq!(texts::worker(b"\"worker 12\""), Some(12));
    assert_eq!(texts::worker(text.as_bytes()), None);
}

#[test]
fn a_handshake_succeeds_only_as_it_should() {
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate";
    let head = |status: u16, fields: &[&str]| {
        format!("HTTP/1.1 {status} X\r\n{}\r\n\r\n", fields.join("\r\n"))
    };
    let accepted = |text: &str, has_deflate| {
        handshake::accepted(text.as_bytes(), has_deflate).map_err(|error| error.to_string())
    };
    let plain = head(101, &[ACCEPT]);
    assert_eq!(accepted(&plain, false), Ok(Some(plain.len())));
    assert_eq!(
        accepted(&format!("{plain}\x01"), false),
        Ok(Some(plain.len()))
    );
    assert_eq!(accepted(&plain[..plain.len() - 1], false), Ok(None));
    assert!(accepted(&plain, true).is_err());
    assert!(accepted(&head(403, &[ACCEPT]), false).is_err());
    assert!(accepted(&head(101, &["Sec-WebSocket-Accept: x"]), false).is_err());
    for (parameters, is_right) in [
        ("", true),
        ("; client_max_window_bits=12", true),
        (
            "; server_max_window_bits=9; client_max_window_bits=\"15\"",
            true,
        ),
        ("; client_max_window_bits=11", false),
    ] {
        let deflate = format!("{DEFLATE}{parameters}");
        let text = head(101, &[ACCEPT, &deflate]);
        assert_eq!(accepted(&text, true).is_ok(), is_right, "{parameters}");
        assert!(accepted(&text, false).is_err());
    }
    let target = Target::parse("http://127.0.0.1:1/echo").expect("a target");
    let request = String::from_utf8(handshake::websocket_request(&target, true)).expect("UTF-8");
    assert!(request.contains("permessage-deflate") && request.ends_with("\r\n\r\n"));
}

//! WebSocket frames and messages, without compression.

mod common;

use common::websocket::{
    BINARY, CLOSE, CONTINUATION, FIN, MASK, MESSAGE_BYTES_MAX, PING, PONG, RSV1, TEXT, binary,
    events, frame, good, said, said_so_far, said_within, text,
};
use protocols::Error;
use protocols::websocket::{
    CONTROL_BYTES_MAX, Decoder, DeflateCodec, Event, NO_CLOSE_CODE, Opcode, accept_key,
    encode_close, encode_frame, may_send_close_code, unmask,
};

fn close(code: u16, reason: &str) -> Event {
    Event::Close {
        code,
        reason: reason.to_owned(),
    }
}

fn protocol_error(bytes: impl AsRef<[u8]>) -> &'static str {
    match said(bytes).error {
        Some(Error::WebSocketProtocol(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_answer_to_a_key() {
    // RFC 6455 section 1.3.
    assert_eq!(
        accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
}

#[test]
fn the_examples_of_rfc_6455_section_5_7() {
    let masked_hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(events(masked_hello), [text("Hello")]);
    assert_eq!(frame(FIN | TEXT, "Hello"), masked_hello);
    let fragments = [frame(TEXT, "Hel"), frame(FIN | CONTINUATION, "lo")].concat();
    assert_eq!(events(fragments), [text("Hello")]);
    let pong = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(events(pong), [Event::Pong(b"Hello".to_vec())]);

    let encoded = |opcode, payload: &[u8]| {
        let mut out = b"before".to_vec();
        encode_frame(opcode, false, payload, &mut out);
        out.split_off(6)
    };
    assert_eq!(encoded(Opcode::Text, b"Hello"), b"\x81\x05Hello");
    assert_eq!(encoded(Opcode::Ping, b"Hello"), b"\x89\x05Hello");
    assert_eq!(encoded(Opcode::Pong, b""), b"\x8a\x00");
    let long = encoded(Opcode::Binary, &[7; 256]);
    assert_eq!((&long[..4], long.len()), (&b"\x82\x7e\x01\x00"[..], 260));
    let longer = encoded(Opcode::Binary, &[7; 65_536]);
    assert_eq!(longer[..10], *b"\x82\x7f\0\0\0\0\0\x01\0\0");
    assert_eq!(longer.len(), 65_546);
}

#[test]
fn messages_of_every_length_of_a_length() {
    for len in [
        0, 1, 2, 3, 4, 7, 8, 9, 16, 125, 126, 127, 65_535, 65_536, 70_000,
    ] {
        let payload: Vec<u8> = (0..len).map(|index| (index % 251) as u8).collect();
        let bytes = [frame(FIN | BINARY, &payload), frame(FIN | PING, "x")].concat();
        let expected = [binary(&payload), Event::Ping(b"x".to_vec())];
        assert_eq!(events(bytes), expected, "{len} bytes");
    }
}

#[test]
fn masking_is_its_own_inverse_at_every_offset() {
    let plain: Vec<u8> = (0..100).collect();
    for (start, end) in (0..20).flat_map(|start| (start..60).map(move |end| (start, end))) {
        let mut bytes = plain.clone();
        unmask(&mut bytes[start..end], MASK);
        for (index, (masked, plain)) in bytes[start..end].iter().zip(&plain[start..]).enumerate() {
            assert_eq!(*masked, plain ^ MASK[index % 4]);
        }
        assert_eq!(bytes[..start], plain[..start]);
        assert_eq!(bytes[end..], plain[end..]);
    }
}

#[test]
fn control_frames_between_fragments() {
    let bytes = [
        frame(TEXT, "a"),
        frame(FIN | PING, "1"),
        frame(CONTINUATION, ""),
        frame(FIN | PONG, [0; CONTROL_BYTES_MAX]),
        frame(CONTINUATION, "b"),
        frame(FIN | CONTINUATION, ""),
        frame(FIN | BINARY, ""),
    ];
    let expected = [
        Event::Ping(b"1".to_vec()),
        Event::Pong(vec![0; CONTROL_BYTES_MAX]),
        text("ab"),
        binary(""),
    ];
    assert_eq!(events(bytes.concat()), expected);
}

#[test]
fn a_close_ends_a_message_that_has_not() {
    let bytes = [frame(TEXT, "a"), frame(FIN | CLOSE, b"\x03\xe8bye")].concat();
    assert_eq!(events(bytes), [close(1000, "bye")]);
}

#[test]
fn frames_that_break_the_protocol() {
    let unmasked = b"\x81\x05Hello";
    assert_eq!(protocol_error(unmasked), "WebSocket frame is not masked");
    for rsv in [RSV1, 0x20, 0x10, 0x70] {
        for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
            let problem = protocol_error(frame(FIN | rsv | opcode, ""));
            assert_eq!(problem, "WebSocket frame has reserved bits set");
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let problem = protocol_error(frame(FIN | opcode, "x"));
        assert_eq!(problem, "WebSocket opcode is reserved");
    }
    for opcode in [CLOSE, PING, PONG] {
        let problem = protocol_error(frame(opcode, ""));
        assert_eq!(problem, "WebSocket control frame is fragmented");
        let problem = protocol_error(frame(FIN | opcode, [0; CONTROL_BYTES_MAX + 1]));
        assert_eq!(problem, "WebSocket control frame is too long");
    }
    let nothing = "WebSocket continuation of nothing";
    assert_eq!(protocol_error(frame(FIN | CONTINUATION, "x")), nothing);
    let again = [frame(FIN | TEXT, "x"), frame(CONTINUATION, "x")].concat();
    assert_eq!(protocol_error(again), nothing);
    let inside = "WebSocket message begins inside another";
    let twice = [frame(TEXT, "x"), frame(FIN | BINARY, "x")].concat();
    assert_eq!(protocol_error(twice), inside);
}

#[test]
fn lengths_are_short_and_fit_63_bits() {
    let minimal = "WebSocket frame length is not encoded minimally";
    for length in [
        &b"\xfe\x00\x00"[..],
        b"\xfe\x00\x7d",
        b"\xff\0\0\0\0\0\0\0\x7d",
        b"\xff\0\0\0\0\0\0\xff\xff",
    ] {
        let bytes = [&b"\x82"[..], length, &MASK].concat();
        assert_eq!(protocol_error(bytes), minimal, "{length:?}");
    }
    for high in [0x80, 0xff] {
        let bytes = [&[0x82, 0xff, high][..], &[0; 7], &MASK].concat();
        let problem = protocol_error(bytes);
        assert_eq!(problem, "WebSocket frame length has its highest bit set");
    }
}

#[test]
fn a_message_may_have_just_so_many_bytes() {
    let too_large = Some(Error::WebSocketTooLarge);
    let bound = |bytes: &[Vec<u8>]| said_within(300, None, bytes.concat());
    let fits = [frame(BINARY, [0; 100]), frame(FIN | CONTINUATION, [0; 200])];
    assert_eq!(good(bound(&fits)), [binary([0; 300])]);
    assert_eq!(good(bound(&[frame(FIN | BINARY, [0; 300])])).len(), 1);
    // The length alone decides, before any of the payload.
    assert_eq!(
        bound(&[b"\x82\xfe\x01\x2d\0\0\0\0".to_vec()]).error,
        too_large
    );
    let announced = [&b"\x82\xff\x7f"[..], &[0xff; 7], &MASK].concat();
    assert_eq!(bound(&[announced]).error, too_large);
    let fragments = [
        frame(TEXT, [b'a'; 300]),
        frame(CONTINUATION, ""),
        frame(FIN, "b"),
    ];
    assert_eq!(bound(&fragments).error, too_large);
    // Control frames have a bound of their own.
    let tiny = said_within(
        0,
        None,
        [frame(FIN | PING, "abc"), frame(FIN | TEXT, "")].concat(),
    );
    assert_eq!(good(tiny), [Event::Ping(b"abc".to_vec()), text("")]);
    assert_eq!(
        said_within(0, None, frame(FIN | TEXT, "a")).error,
        too_large
    );
}

#[test]
fn memory_is_for_what_arrived_not_for_what_was_announced() {
    let mut decoder = Decoder::new(usize::MAX, None);
    let mut codec = DeflateCodec::new();
    // An exabyte: reserving it would abort.
    let bytes = [&b"\x82\xff\x10\0\0\0\0\0\0\0"[..], &MASK, b"some of it"].concat();
    let len = bytes.len();
    assert_eq!(decoder.decode(&bytes, &mut codec), Ok((len, None)));
    assert!(size_of::<Decoder>() <= 112, "{}", size_of::<Decoder>());
}

#[test]
fn text_is_refused_inside_a_frame() {
    let good_texts = [
        "",
        "a",
        "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}",
        "κόσμε",
    ];
    for payload in good_texts {
        assert_eq!(events(frame(FIN | TEXT, payload)), [text(payload)]);
        let bytes = payload.as_bytes();
        for cut in 0..=bytes.len() {
            let (front, back) = bytes.split_at(cut);
            let fragments = [frame(TEXT, front), frame(FIN | CONTINUATION, back)].concat();
            assert_eq!(events(fragments), [text(payload)]);
        }
    }
    for (bad, certain_after) in [
        (&b"\x80"[..], 1),
        (b"\xc0\x80", 1),
        (b"\xc1\xbf", 1),
        (b"\xe0\x80\x80", 2),
        (b"\xed\xa0\x80", 2),
        (b"\xf0\x80\x80\x80", 2),
        (b"\xf4\x90\x80\x80", 2),
        (b"\xf5\x80\x80\x80", 1),
        (b"\xff", 1),
        (b"\xce\xce", 2),
        (b"\xe1\x80a", 3),
        (b"\xf1\x80\x80a", 4),
    ] {
        let payload = [&b"ok"[..], bad, &[b'x'; 200]].concat();
        let bytes = frame(FIN | TEXT, &payload);
        let head_bytes = bytes.len() - payload.len();
        let end = head_bytes + 2 + certain_after;
        let so_far = |end: usize| said_so_far(MESSAGE_BYTES_MAX, None, &bytes[..end]).error;
        assert_eq!(so_far(end - 1), None, "{bad:?}");
        assert_eq!(so_far(end), Some(Error::WebSocketText), "{bad:?}");
        assert_eq!(said(&bytes).error, Some(Error::WebSocketText), "{bad:?}");
        assert_eq!(events(frame(FIN | BINARY, &payload)), [binary(&payload)]);
    }
    // A character that never ends.
    for bad in ["\u{80}", "\u{800}", "\u{10000}"] {
        let half = &bad.as_bytes()[..bad.len() - 1];
        assert_eq!(
            said(frame(FIN | TEXT, half)).error,
            Some(Error::WebSocketText)
        );
        let fragments = [frame(TEXT, half), frame(FIN | CONTINUATION, "")].concat();
        assert_eq!(said(fragments).error, Some(Error::WebSocketText));
        let fragments = [frame(TEXT, half), frame(CONTINUATION, "a")].concat();
        assert_eq!(said(fragments).error, Some(Error::WebSocketText));
    }
}

#[test]
fn close_codes_and_reasons() {
    assert_eq!(events(frame(FIN | CLOSE, "")), [close(NO_CLOSE_CODE, "")]);
    let cut = protocol_error(frame(FIN | CLOSE, b"\x03"));
    assert_eq!(cut, "WebSocket close code is cut short");
    let allowed = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    ];
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ]
    .into_iter()
    .chain(allowed)
    .chain([3000, 3999, 4000, 4999])
    {
        let is_allowed = allowed.contains(&code) || (3000..5000).contains(&code);
        assert_eq!(may_send_close_code(code), is_allowed, "{code}");
        let bytes = frame(
            FIN | CLOSE,
            [&code.to_be_bytes()[..], "né".as_bytes()].concat(),
        );
        if is_allowed {
            assert_eq!(events(bytes), [close(code, "né")]);
        } else {
            let problem = protocol_error(bytes);
            assert_eq!(problem, "WebSocket close code is not allowed", "{code}");
        }
    }
    let not_text = frame(FIN | CLOSE, b"\x03\xe8\xff");
    assert_eq!(said(not_text).error, Some(Error::WebSocketText));
    let longest = [&b"\x03\xe8"[..], &[b'a'; 123]].concat();
    assert_eq!(
        events(frame(FIN | CLOSE, longest)),
        [close(1000, &"a".repeat(123))]
    );
}

#[test]
fn close_frames_of_the_server() {
    let encoded = |code, reason: &str| {
        let mut out = Vec::new();
        encode_close(code, reason, &mut out);
        out
    };
    assert_eq!(encoded(1000, ""), b"\x88\x02\x03\xe8");
    assert_eq!(encoded(4000, "né"), b"\x88\x05\x0f\xa0n\xc3\xa9");
    assert_eq!(encoded(NO_CLOSE_CODE, "lost"), b"\x88\x00");
    let full = encoded(1000, &"a".repeat(200));
    assert_eq!((full[1], full.len()), (125, 127));
    // 123 bytes end inside the sixty-second character.
    let cut = encoded(1000, &"é".repeat(100));
    assert_eq!(cut[1], 2 + 122);
    assert_eq!(cut[4..], *"é".repeat(61).as_bytes());
}

#[test]
fn nothing_is_said_after_the_end() {
    let mut codec = DeflateCodec::new();
    for end in [frame(FIN | CLOSE, ""), frame(FIN | TEXT, b"\xff")] {
        let mut decoder = Decoder::new(MESSAGE_BYTES_MAX, None);
        let _ = decoder.decode(&end, &mut codec);
        let more = frame(FIN | TEXT, "more");
        let len = more.len();
        assert_eq!(decoder.decode(&more, &mut codec), Ok((len, None)));
        assert_eq!(decoder.decode(&[], &mut codec), Ok((0, None)));
    }
}

//! A client says the same however its bytes are cut, and what a server sends survives the way back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::Error;
use protocols::websocket::{Decoder, DeflateCodec, DeflateParams, Event, MessageKind, unmask};

const MESSAGE_BYTES_MAX: usize = 3_000;

#[derive(Debug, Default, PartialEq)]
struct Said {
    events: Vec<Event>,
    error: Option<Error>,
}

fn said_in_steps(deflate: Option<DeflateParams>, bytes: &[u8], step: usize) -> Said {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX, deflate);
    let (mut codec, mut said) = (DeflateCodec::new(), Said::default());
    for piece in bytes.chunks(step.max(1)) {
        let mut used = 0;
        while used < piece.len() {
            let outcome = decoder.decode(&piece[used..], &mut codec);
            assert!(said.error.is_none() || outcome == Ok((piece.len() - used, None)));
            match outcome {
                Ok((taken, event)) => {
                    assert!(0 < taken && taken <= piece.len() - used);
                    used += taken;
                    said.events.extend(event);
                }
                Err(error) => said.error = Some(error),
            }
        }
    }
    said
}

fn check(said: &Said) {
    let codes = [None, Some(1002), Some(1007), Some(1009)];
    assert!(codes.contains(&said.error.and_then(|error| error.close_code())));
    for event in &said.events {
        match event {
            Event::Message { kind, payload } => {
                assert!(payload.len() <= MESSAGE_BYTES_MAX);
                assert!(*kind == MessageKind::Binary || std::str::from_utf8(payload).is_ok());
            }
            Event::Ping(payload) | Event::Pong(payload) => assert!(payload.len() <= 125),
            Event::Close { .. } => {}
        }
    }
    let closes = |event: &Event| matches!(event, Event::Close { .. });
    let before_last = said.events.len().saturating_sub(1);
    assert!(!said.events[..before_last].iter().any(closes));
    assert!(said.error.is_none() || !said.events.iter().any(closes));
}

/// A masked frame; `first` holds FIN, RSV and the opcode.
fn frame(first: u8, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.push(first);
    if payload.len() <= 125 {
        out.push(0x80 | payload.len() as u8);
    } else {
        out.push(0x80 | 126);
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], mask);
}

fuzz_target!(|data: &[u8]| {
    let Some((&[seed, bits, a, b], bytes)) = data.split_first_chunk() else {
        return;
    };
    let mask = [seed, bits, a, b];
    let params = DeflateParams {
        server_no_context_takeover: bits & 0x40 != 0,
        client_no_context_takeover: bits & 0x80 != 0,
        server_max_window_bits: 8 + bits % 8,
        client_max_window_bits: 8 + bits % 8,
    };
    let step = usize::from(seed);
    // As frames, as the payload of a message, and as that of a compressed one in two frames.
    let mut text = Vec::new();
    frame(0x81, bytes, mask, &mut text);
    let mut deflated = Vec::new();
    let (front, back) = bytes.split_at(bytes.len().min(step));
    frame(0x41, front, mask, &mut deflated);
    frame(0x80, back, mask, &mut deflated);
    frame(0xc2, bytes, mask, &mut deflated);
    for deflate in [None, Some(params)] {
        for bytes in [bytes, &text, &deflated] {
            let whole = said_in_steps(deflate, bytes, bytes.len());
            check(&whole);
            assert_eq!(whole, said_in_steps(deflate, bytes, 1));
            assert_eq!(whole, said_in_steps(deflate, bytes, step));
        }
    }

    let mut codec = DeflateCodec::new();
    let (mut sent, mut expected) = (Vec::new(), Said::default());
    for payload in bytes.chunks(step.max(1)).take(40) {
        let mut compressed = Vec::new();
        codec.compress(1, &params, payload, &mut compressed);
        frame(0xc2, &compressed, mask, &mut sent);
        expected.events.push(Event::Message {
            kind: MessageKind::Binary,
            payload: payload.to_vec(),
        });
    }
    // The decoder is that of a server: it is told that the client does as the server did.
    let mirrored = DeflateParams {
        client_no_context_takeover: params.server_no_context_takeover,
        ..params
    };
    if bytes.len() <= MESSAGE_BYTES_MAX {
        assert_eq!(said_in_steps(Some(mirrored), &sent, sent.len()), expected);
    }
});

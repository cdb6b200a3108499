//! Compressed messages, both ways.

mod common;

use common::puff::puff;
use common::websocket::{
    BINARY, CONTINUATION, DEFLATE, FIN, MESSAGE_BYTES_MAX, PING, RSV1, Said, TEXT, binary, frame,
    good, inflated, said_within, text,
};
use flate2::{Compress, Compression, FlushCompress};
use protocols::Error;
use protocols::websocket::{
    COMPRESSORS_MAX, Decoder, DeflateCodec, DeflateParams, Event, SHARED_WINDOW_BITS,
};

const COMPRESSED: u8 = FIN | RSV1;
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

/// Without patterns, the same every time.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next(256) as u8).collect()
    }

    /// Words that come again at all distances.
    fn words(&mut self, len: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < len {
            let word = self.next(300);
            text.extend_from_slice(format!("{{\"key{word}\": {}}}", word * word).as_bytes());
        }
        text.truncate(len);
        text
    }
}

/// A client's zlib; `flush` ends every message.
struct Client {
    zlib: Compress,
    flush: FlushCompress,
}

impl Client {
    fn new(window_bits: u8) -> Self {
        Self {
            zlib: Compress::new_with_window_bits(Compression::new(6), false, window_bits),
            flush: FlushCompress::Sync,
        }
    }

    fn compress(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(payload.len() * 2 + 100);
        self.zlib
            .compress_vec(payload, &mut out, self.flush)
            .expect("compressed");
        assert!(out.ends_with(b"\0\0\xff\xff"));
        out.truncate(out.len() - 4);
        out
    }
}

fn inflated_within(max: usize, compressed: &[u8]) -> Said {
    said_within(max, Some(DEFLATE), frame(COMPRESSED | BINARY, compressed))
}

fn bad(compressed: &[u8]) {
    let said = inflated_within(MESSAGE_BYTES_MAX, compressed);
    assert_eq!(said.error, Some(Error::WebSocketDeflate), "{compressed:?}");
}

fn compressed(codec: &mut DeflateCodec, connection: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    codec.compress(connection, &DEFLATE, payload, &mut out);
    out.split_off(6)
}

#[test]
fn the_examples_of_rfc_7692_section_7_2_3() {
    let hello = || text("Hello");
    // One block; the same in two frames; what a client with a window sends the second time.
    assert_eq!(inflated(frame(COMPRESSED | TEXT, HELLO)), [hello()]);
    let two = [frame(RSV1 | TEXT, &HELLO[..3]), frame(FIN, &HELLO[3..])].concat();
    assert_eq!(inflated(two), [hello()]);
    let again = [
        frame(COMPRESSED | TEXT, HELLO),
        frame(COMPRESSED | TEXT, b"\xf2\x00\x11\x00\x00"),
        frame(COMPRESSED | TEXT, HELLO),
    ];
    assert_eq!(inflated(again.concat()), [hello(), hello(), hello()]);
    for other in [
        // No compression; BFINAL set; two blocks; each with what may follow it.
        &b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"[..],
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ] {
        let bytes = [
            frame(COMPRESSED | TEXT, other),
            frame(COMPRESSED | TEXT, HELLO),
        ]
        .concat();
        assert_eq!(inflated(bytes), [hello(), hello()], "{other:?}");
    }
    // Nothing, and what zlib gives for nothing when it has just flushed.
    assert_eq!(inflated(frame(COMPRESSED | TEXT, b"\x00")), [text("")]);
    assert_eq!(inflated(frame(COMPRESSED | BINARY, b"")), [binary("")]);

    let mut codec = DeflateCodec::new();
    assert_eq!(compressed(&mut codec, 1, b"Hello"), HELLO);
    // It refers to the first, if not with the very match of the example.
    assert!(compressed(&mut codec, 1, b"Hello").len() < HELLO.len());
    assert_eq!(compressed(&mut codec, 1, b""), b"\x00");
}

#[test]
fn messages_that_are_not_compressed_leave_the_context_alone() {
    let bytes = [
        frame(COMPRESSED | TEXT, HELLO),
        frame(FIN | TEXT, "not compressed"),
        frame(RSV1 | TEXT, b"\xf2\x00"),
        frame(FIN | PING, ""),
        frame(FIN | CONTINUATION, b"\x11\x00\x00"),
    ];
    let [hello, plain] = ["Hello", "not compressed"].map(text);
    let expected = [hello.clone(), plain, Event::Ping(Vec::new()), hello];
    assert_eq!(inflated(bytes.concat()), expected);
}

#[test]
fn rsv1_belongs_to_the_first_frame_of_a_message() {
    let reserved = Some(Error::WebSocketProtocol(
        "WebSocket frame has reserved bits set",
    ));
    let within = |deflate, bytes: &[u8]| said_within(MESSAGE_BYTES_MAX, deflate, bytes).error;
    let later = [
        frame(RSV1 | TEXT, &HELLO[..3]),
        frame(COMPRESSED, &HELLO[3..]),
    ]
    .concat();
    assert_eq!(within(Some(DEFLATE), &later), reserved);
    let later = [frame(TEXT, "a"), frame(COMPRESSED, HELLO)].concat();
    assert_eq!(within(Some(DEFLATE), &later), reserved);
    assert_eq!(
        within(Some(DEFLATE), &frame(COMPRESSED | PING, "")),
        reserved
    );
    assert_eq!(within(None, &frame(COMPRESSED | TEXT, HELLO)), reserved);
}

#[test]
fn final_blocks_may_refer_to_those_before_them() {
    // "Hello" and a final block, then the match of the second example, twice.
    let blocks = b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x00\x11\x00\xf2\x00\x11\x00\x00";
    let expected = [binary("HelloHelloHello")];
    assert_eq!(good(inflated_within(100, blocks)), expected);
    // The empty block behind the last one is missing, as some leave it.
    assert_eq!(good(inflated_within(100, &blocks[..7])), [binary("Hello")]);
    // Without takeover too, inside one message.
    let alone = DeflateParams {
        client_no_context_takeover: true,
        ..DEFLATE
    };
    let message = frame(COMPRESSED | BINARY, blocks);
    assert_eq!(good(said_within(100, Some(alone), message)), expected);
    // Starting again and again for nothing.
    bad(&b"\x03\x00".repeat(1_000));
    let few = [&b"\x03\x00".repeat(100)[..], HELLO].concat();
    assert_eq!(good(inflated_within(1_000, &few)), [binary("Hello")]);
}

#[test]
fn data_that_is_no_deflate() {
    for compressed in [
        &b"\xff"[..],
        b"\x06",
        // Lengths that do not agree.
        b"\x00\x05\x00\x05\x00Hello\x00",
        // Cut short: inside a block, inside a stored one, before the last bits.
        &HELLO[..3],
        &HELLO[..6],
        b"\x00\x05\x00\xfa\xffHel",
        // The tail was sent along.
        b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff",
        // A match before the beginning.
        b"\xf2\x00\x11\x00\x00",
        // Something behind the end.
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00",
    ] {
        bad(compressed);
    }
    // Without takeover, there is nothing to refer to.
    let alone = DeflateParams {
        client_no_context_takeover: true,
        ..DEFLATE
    };
    let again = [
        frame(COMPRESSED | TEXT, HELLO),
        frame(COMPRESSED | TEXT, b"\xf2\x00\x11\x00\x00"),
    ];
    let said = said_within(100, Some(alone), again.concat());
    assert_eq!(said.events, [text("Hello")]);
    assert_eq!(said.error, Some(Error::WebSocketDeflate));
}

#[test]
fn inflated_text_is_utf_8() {
    let mut client = Client::new(12);
    let good_text = client.compress("grüße".as_bytes());
    let bad_text = client.compress(b"gr\xffe");
    let cut_text = client.compress(b"gr\xc3");
    assert_eq!(
        inflated(frame(COMPRESSED | TEXT, &good_text)),
        [text("grüße")]
    );
    for payload in [bad_text, cut_text] {
        let bytes = [
            frame(COMPRESSED | TEXT, &good_text),
            frame(COMPRESSED | TEXT, payload),
        ];
        let said = said_within(MESSAGE_BYTES_MAX, Some(DEFLATE), bytes.concat());
        assert_eq!(said.error, Some(Error::WebSocketText));
    }
}

#[test]
fn a_bomb_is_stopped_at_the_bound() {
    let zeros = vec![0; 8 << 20];
    let bomb = Client::new(15).compress(&zeros);
    assert!(bomb.len() < 10_000);
    let outcome = inflated_within(1 << 20, &bomb);
    assert_eq!(outcome.error, Some(Error::WebSocketTooLarge));
    // Exactly at the bound, and one byte past it.
    for len in [1, 63, 64, 65, 300, 4096, 100_000] {
        let compressed = Client::new(12).compress(&zeros[..len]);
        assert_eq!(
            good(inflated_within(len, &compressed)),
            [binary(&zeros[..len])]
        );
        let over = inflated_within(len - 1, &compressed).error;
        assert_eq!(over, Some(Error::WebSocketTooLarge), "{len}");
        // What cannot be compressed is longer on the wire than the bound.
        let noise = Noise(len as u64).bytes(len);
        let compressed = Client::new(12).compress(&noise);
        assert_eq!(good(inflated_within(len, &compressed)), [binary(&noise)]);
        let over = inflated_within(len - 1, &compressed).error;
        assert_eq!(over, Some(Error::WebSocketTooLarge), "{len}");
    }
    assert_eq!(good(inflated_within(0, b"\x00")), [binary("")]);
    let announced = said_within(100, Some(DEFLATE), [0xc2, 0xfe, 0x01, 0x00, 0, 0, 0, 0]);
    assert_eq!(announced.error, Some(Error::WebSocketTooLarge));
}

/// What `decoder` makes of messages of the server, whose frames would not be masked.
fn receive(decoder: &mut Decoder, codec: &mut DeflateCodec, compressed: &[u8]) -> Vec<u8> {
    let bytes = frame(COMPRESSED | BINARY, compressed);
    match decoder.decode(&bytes, codec) {
        Ok((used, Some(Event::Message { payload, .. }))) if used == bytes.len() => payload,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_window_is_exceeded_either_way() {
    for bits in 8..=15 {
        let params = DeflateParams {
            server_max_window_bits: bits,
            client_max_window_bits: bits,
            ..DEFLATE
        };
        let (mut codec, mut noise) = (DeflateCodec::new(), Noise(u64::from(bits)));
        let mut decoder = Decoder::new(MESSAGE_BYTES_MAX, Some(params));
        let (mut sent, mut distance_max) = (Vec::new(), 0);
        for round in 0..60 {
            let len = 1 + noise.next([40, 600, 9_000][round % 3]);
            let payload = noise.words(len);
            let mut out = Vec::new();
            codec.compress(7, &params, &payload, &mut out);
            // The decoder keeps no more than a window, the second opinion everything.
            assert_eq!(receive(&mut decoder, &mut codec, &out), payload);
            out.extend_from_slice(b"\0\0\xff\xff");
            let (plain, distance) = puff(&out, &sent);
            assert_eq!(plain, payload, "{bits} bits, round {round}");
            distance_max = distance_max.max(distance);
            sent.extend_from_slice(&payload);
        }
        assert!(distance_max <= 1 << bits, "{distance_max} at {bits} bits");
        assert!(
            distance_max > 1 << (bits - 2).min(11),
            "{distance_max} at {bits} bits"
        );
    }
}

#[test]
fn a_client_uses_all_of_its_window() {
    let mut noise = Noise(3);
    for (client_bits, agreed_bits) in [(9, 9), (9, 12), (12, 12), (15, 15)] {
        let params = DeflateParams {
            client_max_window_bits: agreed_bits,
            ..DEFLATE
        };
        let mut decoder = Decoder::new(MESSAGE_BYTES_MAX, Some(params));
        let (mut codec, mut client) = (DeflateCodec::new(), Client::new(client_bits));
        let window = 1 << client_bits;
        let block = noise.bytes(window - 262);
        for len in [
            block.len(),
            block.len(),
            10,
            1,
            3,
            block.len(),
            window * 3,
            5,
        ] {
            let payload: Vec<u8> = block.iter().copied().cycle().take(len).collect();
            let compressed = client.compress(&payload);
            assert_eq!(receive(&mut decoder, &mut codec, &compressed), payload);
        }
    }
}

#[test]
fn contexts_go_to_whoever_sent_last() {
    let (mut codec, mut noise) = (DeflateCodec::new(), Noise(5));
    let connections = COMPRESSORS_MAX as u64 + 10;
    let mut decoders: Vec<_> = (0..connections)
        .map(|_| Decoder::new(MESSAGE_BYTES_MAX, Some(DEFLATE)))
        .collect();
    for round in 0..2_000 {
        let connection = noise.next(if round % 2 == 0 { 42 } else { 10 });
        let len = noise.next(200);
        let payload = noise.words(len);
        let mut out = Vec::new();
        match noise.next(10) {
            0 => {
                codec.compress_alone(&payload, &mut out);
                codec.forget(connection as u64);
            }
            1 => {
                codec.forget(connection as u64);
                codec.compress(connection as u64, &DEFLATE, &payload, &mut out);
            }
            _ => codec.compress(connection as u64, &DEFLATE, &payload, &mut out),
        }
        let received = receive(&mut decoders[connection], &mut codec, &out);
        assert_eq!(received, payload, "round {round}");
    }
}

#[test]
fn a_context_is_worth_having_until_it_is_lost() {
    let mut codec = DeflateCodec::new();
    let payload = Noise(9).words(500);
    let first = compressed(&mut codec, 0, &payload).len();
    assert!(compressed(&mut codec, 0, &payload).len() < first / 4);
    for connection in 1..COMPRESSORS_MAX as u64 {
        compressed(&mut codec, connection, &payload);
    }
    assert!(
        compressed(&mut codec, 0, &payload).len() < first / 4,
        "all fit"
    );
    for connection in 100..100 + COMPRESSORS_MAX as u64 {
        compressed(&mut codec, connection, &payload);
    }
    assert_eq!(compressed(&mut codec, 0, &payload).len(), first, "evicted");
    codec.forget(0);
    assert_eq!(
        compressed(&mut codec, 0, &payload).len(),
        first,
        "forgotten"
    );
    let alone = DeflateParams {
        server_no_context_takeover: true,
        ..DEFLATE
    };
    for _ in 0..2 {
        let mut out = Vec::new();
        codec.compress(0, &alone, &payload, &mut out);
        assert_eq!(out.len(), first, "no takeover");
    }
    assert_eq!(SHARED_WINDOW_BITS, 12);
}

#[test]
fn connections_of_different_windows_share_a_codec() {
    let (mut codec, mut noise) = (DeflateCodec::new(), Noise(11));
    let mut ends: Vec<_> = (8..=15)
        .flat_map(|bits| [true, false].map(|alone| (bits, alone)))
        .map(|(bits, alone)| {
            let params = DeflateParams {
                server_no_context_takeover: alone,
                client_no_context_takeover: alone,
                server_max_window_bits: bits,
                client_max_window_bits: bits,
            };
            (params, Decoder::new(MESSAGE_BYTES_MAX, Some(params)))
        })
        .collect();
    for _ in 0..300 {
        let connection = noise.next(ends.len());
        let len = noise.next(3_000);
        let payload = noise.words(len);
        let (params, decoder) = &mut ends[connection];
        let mut out = Vec::new();
        codec.compress(connection as u64, params, &payload, &mut out);
        assert_eq!(receive(decoder, &mut codec, &out), payload);
    }
}

#[test]
fn random_conversations_survive_random_cuts() {
    for seed in 1..60 {
        let (mut noise, mut client) = (Noise(seed), Client::new(12));
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            let len = noise.next(700);
            let payload = if noise.next(4) == 0 {
                noise.bytes(len)
            } else {
                noise.words(len)
            };
            expected.push(binary(&payload));
            let (flag, sent) = if len > 0 && noise.next(3) > 0 {
                client.flush = [FlushCompress::Sync, FlushCompress::Full][noise.next(2)];
                (RSV1, client.compress(&payload))
            } else {
                (0, payload)
            };
            let mut rest = &sent[..];
            let mut first = flag | BINARY;
            while noise.next(3) > 0 {
                let (front, back) = rest.split_at(noise.next(rest.len() + 1));
                bytes.extend(frame(first, front));
                (first, rest) = (CONTINUATION, back);
                if noise.next(4) == 0 {
                    bytes.extend(frame(FIN | PING, front.get(..5).unwrap_or_default()));
                    let ping = Event::Ping(front.get(..5).unwrap_or_default().to_vec());
                    expected.insert(expected.len() - 1, ping);
                }
            }
            bytes.extend(frame(FIN | first, rest));
        }
        let (mut decoder, mut codec) = (
            Decoder::new(MESSAGE_BYTES_MAX, Some(DEFLATE)),
            DeflateCodec::new(),
        );
        let (mut events, mut rest) = (Vec::new(), &bytes[..]);
        while !rest.is_empty() {
            let end = rest.len().min(1 + noise.next(400));
            let (used, event) = decoder.decode(&rest[..end], &mut codec).expect("good");
            events.extend(event);
            rest = &rest[used..];
        }
        assert_eq!(events, expected, "seed {seed}");
    }
}

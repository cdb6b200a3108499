//! Nanoseconds per WebSocket message, decoded, inflated and compressed, and how fast unmasking is.

use std::hint::black_box;
use std::time::Instant;

use protocols::websocket::{
    Decoder, DeflateCodec, DeflateParams, Event, Opcode, encode_frame, unmask,
};

const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FIN_TEXT: u8 = 0x81;
const RSV1: u8 = 0x40;
const SIZES: [usize; 2] = [16, 16 * 1024];
/// Bytes per measurement, so that every size takes about as long.
const RUN_BYTES: usize = 16 * 1024 * 1024;
const ROUNDS_MAX: usize = 100_000;
const REPEATS: u32 = 5;

const PARAMS: DeflateParams = DeflateParams {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: 12,
    client_max_window_bits: 12,
};

/// The best of several runs: the machine's noise only ever adds.
fn best_ns(rounds: usize, mut work: impl FnMut()) -> f64 {
    let run = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..rounds {
            work();
        }
        start.elapsed().as_nanos() as f64 / rounds as f64
    };
    (0..REPEATS)
        .map(|_| run(&mut work))
        .fold(f64::INFINITY, f64::min)
}

/// Text as an application sends it.
fn json(bytes: usize) -> Vec<u8> {
    let mut text = String::new();
    for id in 0.. {
        text += &format!(
            r#"{{"id": {id}, "price": {}, "name": "item"}}, "#,
            id * 7919 % 1000
        );
        if text.len() >= bytes {
            break;
        }
    }
    text.into_bytes()[..bytes].to_vec()
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    if payload.len() <= 125 {
        bytes.push(0x80 | payload.len() as u8);
    } else {
        bytes.push(0x80 | 126);
        bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    bytes.extend_from_slice(&MASK);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    unmask(&mut bytes[start..], MASK);
    bytes
}

fn decode_ns(rounds: usize, frame: &[u8], deflate: Option<DeflateParams>) -> f64 {
    let (mut decoder, mut codec) = (
        Decoder::new(MESSAGE_BYTES_MAX, deflate),
        DeflateCodec::new(),
    );
    best_ns(rounds, || {
        let outcome = decoder.decode(black_box(frame), &mut codec);
        assert!(matches!(
            black_box(outcome),
            Ok((_, Some(Event::Message { .. })))
        ));
    })
}

fn main() {
    println!("{:<22}{:>12}{:>12}", "ns per message", "16 B", "16 KiB");
    let row = |name: &str, measure: &dyn Fn(usize, &[u8]) -> f64| {
        let [small, large] =
            SIZES.map(|size| measure((RUN_BYTES / size).min(ROUNDS_MAX), &json(size)));
        println!("{name:<22}{small:>12.1}{large:>12.1}");
    };
    row("decode", &|rounds, payload| {
        decode_ns(rounds, &frame(FIN_TEXT, payload), None)
    });
    row("encode", &|rounds, payload| {
        let mut out = Vec::new();
        best_ns(rounds, || {
            out.clear();
            encode_frame(Opcode::Text, false, black_box(payload), &mut out);
        })
    });
    row("unmask", &|rounds, payload| {
        let mut buffer = payload.to_vec();
        best_ns(rounds, || unmask(black_box(&mut buffer), MASK))
    });
    row("inflate", &|rounds, payload| {
        let mut compressed = Vec::new();
        DeflateCodec::new().compress_alone(payload, &mut compressed);
        decode_ns(
            rounds / 10,
            &frame(FIN_TEXT | RSV1, &compressed),
            Some(PARAMS),
        )
    });
    for (name, connections) in [("compress, in context", 1), ("compress, afresh", 100)] {
        row(name, &|rounds, payload| {
            let (mut codec, mut out, mut turn) = (DeflateCodec::new(), Vec::new(), 0);
            best_ns(rounds / 10, || {
                out.clear();
                turn = (turn + 1) % connections;
                codec.compress(turn, &PARAMS, black_box(payload), &mut out);
            })
        });
    }
    let mut alone = Vec::new();
    DeflateCodec::new().compress_alone(&json(SIZES[1]), &mut alone);
    println!("16 KiB compressed: {} bytes", alone.len());
}

//! A body is the same however it is cut, never passes its bound, and survives a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::Error;
use protocols::http1::{BodyDecoder, BodyFraming, BodyPiece, LAST_CHUNK, encode_chunk};

const BODY_BYTES_MAX: u64 = 300;

/// The data, how many bytes were used, and whether the end was seen.
type Outcome = Result<(Vec<u8>, usize, bool), Error>;

fn decode_in_steps(framing: BodyFraming, max: u64, bytes: &[u8], step: usize) -> Outcome {
    let mut decoder = BodyDecoder::new(framing, max)?;
    let (mut body, mut position, mut end) = (Vec::new(), 0, 0);
    loop {
        let front = &bytes[position..end];
        let used = match decoder.decode(front)? {
            BodyPiece::Data { data, used } => {
                assert!(!data.is_empty() && data.end <= used);
                body.extend_from_slice(&front[data]);
                assert!(body.len() as u64 <= max);
                used
            }
            BodyPiece::Framing { used } => {
                assert!(used > 0);
                used
            }
            BodyPiece::End { used } => {
                assert!(used <= front.len() && decoder.is_done());
                return Ok((body, position + used, true));
            }
            BodyPiece::Incomplete if end == bytes.len() => return Ok((body, position, false)),
            BodyPiece::Incomplete => {
                assert!(front.is_empty());
                end = bytes.len().min(end + step);
                0
            }
        };
        assert!(used <= front.len());
        position += used;
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&seed, bytes)) = data.split_first() else {
        return;
    };
    let framing = match seed % 4 {
        0 => BodyFraming::Length(u64::from(seed)),
        _ => BodyFraming::Chunked,
    };
    let decode = |step| decode_in_steps(framing, BODY_BYTES_MAX, bytes, step);
    let whole = decode(bytes.len().max(1));
    assert_eq!(whole, decode(1));
    assert_eq!(whole, decode(usize::from(seed).max(1)));

    let mut chunked = Vec::new();
    bytes
        .chunks(usize::from(seed).max(1))
        .for_each(|chunk| encode_chunk(chunk, &mut chunked));
    chunked.extend_from_slice(LAST_CHUNK);
    let len = chunked.len();
    let round_trip = decode_in_steps(BodyFraming::Chunked, u64::MAX, &chunked, len);
    assert_eq!(round_trip, Ok((bytes.to_vec(), len, true)));
});

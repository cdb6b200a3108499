//! Whole bodies as gzip (RFC 1952), by compressors that are kept for the next one: making one
//! costs several times what it costs to compress a small body with it.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use std::cell::RefCell;

/// Identification, deflate, no flags, no time; the extra flags and an unknown system follow.
const HEADER: [u8; 8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
const UNKNOWN_SYSTEM: u8 = 255;
/// Idle compressors that are kept on each thread, at a quarter of a megabyte each.
const IDLE_MAX: usize = 2;

thread_local! {
    static IDLE: RefCell<Vec<(u32, Compress)>> = const { RefCell::new(Vec::new()) };
}

/// `data` as one gzip member; `level` is 0 to 9. `None` if the compressor fails.
pub fn gzip(data: &[u8], level: u32) -> Option<Vec<u8>> {
    let level = level.min(9);
    let mut compressor = take(level);
    let mut output = Vec::with_capacity(data.len() / 4 + 64);
    output.extend_from_slice(&HEADER);
    output.extend_from_slice(&[extra_flags(level), UNKNOWN_SYSTEM]);
    while deflate(&mut compressor, data, &mut output)? != Status::StreamEnd {
        output.reserve(output.capacity());
    }
    let mut sum = Crc::new();
    sum.update(data);
    output.extend_from_slice(&sum.sum().to_le_bytes());
    output.extend_from_slice(&sum.amount().to_le_bytes());
    keep(level, compressor);
    Some(output)
}

fn deflate(compressor: &mut Compress, data: &[u8], output: &mut Vec<u8>) -> Option<Status> {
    let done = usize::try_from(compressor.total_in()).ok()?;
    compressor
        .compress_vec(data.get(done..)?, output, FlushCompress::Finish)
        .ok()
}

/// RFC 1952, section 2.3.1: slowest or fastest.
fn extra_flags(level: u32) -> u8 {
    match level {
        9 => 2,
        1 => 4,
        _ => 0,
    }
}

fn take(level: u32) -> Compress {
    let kept = IDLE.with_borrow_mut(|idle| {
        let at = idle.iter().position(|(known, _)| *known == level)?;
        Some(idle.swap_remove(at).1)
    });
    kept.unwrap_or_else(|| Compress::new(Compression::new(level), false))
}

fn keep(level: u32, mut compressor: Compress) {
    compressor.reset();
    IDLE.with_borrow_mut(|idle| {
        if idle.len() == IDLE_MAX {
            idle.remove(0);
        }
        idle.push((level, compressor));
    });
}

#[cfg(test)]
mod tests {
    use super::gzip;
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[test]
    fn any_body_comes_back_at_any_level() {
        let mixed: Vec<u8> = (0..70_000_u32).flat_map(u32::to_le_bytes).collect();
        for level in 0..=9 {
            for body in [&b""[..], b"a", &[b'x'; 100_000], &mixed] {
                let packed = gzip(body, level).unwrap_or_default();
                let mut unpacked = Vec::new();
                let read = GzDecoder::new(&packed[..]).read_to_end(&mut unpacked);
                assert!(read.is_ok(), "level {level}, {} bytes", body.len());
                assert_eq!(unpacked, body);
            }
        }
    }
}

//! Ranges are in order, disjoint, not empty, and never more than the resource.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::http1::{RANGES_MAX, RangeOutcome, parse_range};

fuzz_target!(|data: &[u8]| {
    let Some((seed, set)) = data.split_first_chunk::<8>() else {
        return;
    };
    // Small sizes are where the edges are.
    let size = u64::from_le_bytes(*seed) >> (seed[0] & 63);
    check(set, size);
    check(&[b"bytes=", set].concat(), size);
});

fn check(value: &[u8], size: u64) {
    let RangeOutcome::Parts(parts) = parse_range(value, size) else {
        return;
    };
    assert!((1..=RANGES_MAX).contains(&parts.len()));
    assert!(
        parts
            .iter()
            .all(|part| part.start < part.end && part.end <= size)
    );
    assert!(parts.windows(2).all(|pair| pair[0].end < pair[1].start));
}

//! Decoding never grows, and what was encoded comes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::http1::{decode_path, percent_decode, query_pairs};

fuzz_target!(|data: &[u8]| {
    let mut decoded = Vec::new();
    percent_decode(data, &mut decoded);
    assert!(decoded.len() <= data.len());
    assert_eq!(decode_path(data), decoded);
    let lengths = query_pairs(data).map(|(name, value)| name.len() + value.len());
    assert!(lengths.sum::<usize>() <= data.len());

    let encoded: Vec<u8> = data
        .iter()
        .flat_map(|byte| format!("%{byte:02x}").into_bytes())
        .collect();
    assert_eq!(decode_path(&encoded), data);
    let query = [b"a=", &encoded[..], b"&", &encoded, b"=b"].concat();
    let pairs: Vec<_> = query_pairs(&query).collect();
    assert_eq!(pairs.len(), 2);
    assert_eq!((&*pairs[0].0, &*pairs[0].1), (&b"a"[..], data));
    assert_eq!((&*pairs[1].0, &*pairs[1].1), (data, &b"b"[..]));
});

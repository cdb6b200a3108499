//! A form is the same however it is cut, and gives out no more than it was given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::multipart::{Malformed, Multipart, Part};

/// The heads and contents that come out of `body`, cut into `pieces`.
fn parts(body: &[u8], pieces: usize) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut parser = Multipart::new(b"b")?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    for piece in body.chunks(pieces.max(1)) {
        parser.feed(piece, &mut |part| match part {
            Part::Head(head) => found.extend([head.to_vec(), Vec::new()]),
            Part::Data(data) => found.last_mut().expect("a head").extend_from_slice(data),
            Part::End => {}
        })?;
    }
    parser.finish().map(|()| found)
}

fuzz_target!(|data: &[u8]| {
    let body = [b"--b\r\na: b\r\n\r\n", data].concat();
    for body in [data, &body] {
        let whole = parts(body, body.len());
        if let Ok(found) = &whole {
            assert!(found.iter().map(Vec::len).sum::<usize>() <= body.len());
        }
        for pieces in [1, 3, 16] {
            assert_eq!(parts(body, pieces), whole);
        }
    }
});

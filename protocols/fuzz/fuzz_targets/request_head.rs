//! A head says the same however it is cut, keeps its bounds, and passes nothing httparse refuses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::http1::{BodyFraming, HeadLimits, RequestHead, parse_request_head};
use protocols::{Error, Parsed, Span};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 512,
    fields_max: 8,
    request_line_bytes_max: 128,
};

type Outcome = Result<Option<(RequestHead, usize)>, Error>;

fn parse_in_steps(bytes: &[u8], step: usize) -> Outcome {
    let mut head = RequestHead::new();
    let mut end = 0;
    loop {
        end = bytes.len().min(end + step);
        match parse_request_head(&bytes[..end], &LIMITS, &mut head)? {
            Parsed::Complete { used, .. } => return Ok(Some((head, used))),
            Parsed::Incomplete if end == bytes.len() => return Ok(None),
            Parsed::Incomplete => {}
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else {
        return;
    };
    check_cuts(bytes, cut);
    // Without these the fuzzer seldom gets as far as the field lines, or the end.
    check_cuts(&[b"GET /", bytes].concat(), cut);
    check_cuts(
        &[b"GET /", bytes, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat(),
        cut,
    );
    check_cuts(&[b"GET / HTTP/1.1\r\nHost: h\r\n", bytes].concat(), cut);
    check_cuts(
        &[b"PUT /p?q HTTP/1.1\r\n", bytes, b"\r\n\r\n"].concat(),
        cut,
    );
});

fn check_cuts(bytes: &[u8], cut: u8) {
    let whole = parse_in_steps(bytes, bytes.len().max(1));
    assert_eq!(whole, parse_in_steps(bytes, 1));
    assert_eq!(whole, parse_in_steps(bytes, usize::from(cut).max(1)));
    match whole {
        Ok(Some((head, used))) => check(&head, used, bytes),
        Ok(None) => assert!(bytes.len() < LIMITS.head_bytes_max),
        Err(error) => assert!((400..=505).contains(&error.status())),
    }
}

fn check(head: &RequestHead, used: usize, bytes: &[u8]) {
    assert!(used <= bytes.len().min(LIMITS.head_bytes_max));
    assert!(bytes[..used].ends_with(b"\r\n\r\n"));
    assert!(head.fields.len() <= LIMITS.fields_max);
    let inside = |span: Span| (span.start + span.len) as usize <= used;
    let parts = [
        head.method,
        head.target,
        head.path,
        head.query,
        head.authority,
    ];
    assert!(parts.into_iter().all(inside));
    assert!(head.path(bytes).starts_with(b"/") || head.path(bytes) == b"*");
    assert!(!head.expect_continue || head.framing != BodyFraming::None);
    compare_with_httparse(head, &bytes[..used]);
}

/// What passes here, httparse reads alike. It knows no minor version above 1.
fn compare_with_httparse(head: &RequestHead, bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let minor_at = (head.target.start + head.target.len) as usize + " HTTP/1.".len();
    bytes[minor_at] = b'0' + head.minor_version;
    let mut fields = [httparse::EMPTY_HEADER; LIMITS.fields_max];
    let mut request = httparse::Request::new(&mut fields);
    let outcome = request.parse(&bytes).expect("httparse is no stricter");
    assert_eq!(outcome, httparse::Status::Complete(bytes.len()));
    assert_eq!(
        request.method.map(str::as_bytes),
        Some(head.method.of(&bytes))
    );
    assert_eq!(
        request.path.map(str::as_bytes),
        Some(head.target.of(&bytes))
    );
    assert_eq!(request.headers.len(), head.fields.len());
    for (theirs, (name, value)) in request.headers.iter().zip(head.iter(&bytes)) {
        assert_eq!(theirs.name.as_bytes(), name);
        assert_eq!(theirs.value, value);
    }
}

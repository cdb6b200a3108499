//! Whole heads: their parts, their bounds, and what is left between requests.

mod common;

use common::{LIMITS, bad_head, good_head, head, head_within};
use protocols::http1::{HeadLimits, RequestHead, parse_request_head};
use protocols::{Error, Parsed};

#[test]
fn a_head_comes_apart() {
    let parsed =
        good_head("GET /a%20b?x=1&y HTTP/1.1\r\nHost: h:80\r\nX-A: \t b c \t\r\nx-a:d\r\n\r\n");
    let (head, bytes) = (&parsed.head, &parsed.bytes[..]);
    assert_eq!(head.method.of(bytes), b"GET");
    assert_eq!(head.target.of(bytes), b"/a%20b?x=1&y");
    assert_eq!(head.path(bytes), b"/a%20b");
    assert_eq!(head.query.of(bytes), b"x=1&y");
    assert_eq!(head.authority.of(bytes), b"h:80");
    assert_eq!(head.field(bytes, "x-a"), Some(&b"b c"[..]));
    assert_eq!(
        head.fields_named(bytes, "x-a").collect::<Vec<_>>(),
        [&b"b c"[..], b"d"]
    );
    assert_eq!(head.field(bytes, "x-b"), None);
    assert_eq!(head.iter(bytes).last(), Some((&b"x-a"[..], &b"d"[..])));
    assert_eq!(parsed.used, bytes.len());
}

#[test]
fn a_head_cut_anywhere_is_incomplete() {
    let raw = b"\r\nPOST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
    for len in 0..raw.len() {
        assert_eq!(head(&raw[..len]), Ok(None), "{len}");
    }
    assert_eq!(good_head(raw).used, raw.len());
}

#[test]
fn empty_lines_before_the_request_line_are_skipped_up_to_a_bound() {
    let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let parsed = good_head("\r\n".repeat(4) + get);
    assert_eq!(parsed.used, 8 + get.len());
    assert_eq!(parsed.head.method.of(&parsed.bytes), b"GET");
    assert_eq!(bad_head("\r\n".repeat(5) + get), Error::BadRequestLine);
    assert_eq!(bad_head("\n".to_owned() + get), Error::BadRequestLine);
}

#[test]
fn noise_fails_with_its_first_byte() {
    for noise in [
        &b"\x16\x03\x01\x02"[..],
        b"\0",
        b"\xff\xfe",
        b" GET",
        b"\tGET",
        b"\rGET",
        b"{\"a\"",
        b"\n",
    ] {
        assert_eq!(head(noise), Err(Error::BadRequestLine), "{noise:?}");
    }
}

#[test]
fn a_bad_line_fails_before_the_head_is_whole() {
    assert_eq!(head("GET / HTTP/1.1\r\nno colon\r\n"), Err(Error::BadField));
    assert_eq!(
        head("GET / HTTP/1.1\r\nContent-Length: x\r\n"),
        Err(Error::BadContentLength)
    );
    assert_eq!(head("GET /\r\n"), Err(Error::BadRequestLine));
}

#[test]
fn line_ends_are_crlf_and_nothing_else() {
    assert_eq!(
        bad_head("GET / HTTP/1.1\nHost: h\n\n"),
        Error::BadRequestLine
    );
    assert_eq!(
        bad_head("GET / HTTP/1.1\rHost: h\r\r"),
        Error::BadRequestLine
    );
    assert_eq!(
        bad_head("GET / HTTP/1.1\r\r\nHost: h\r\n\r\n"),
        Error::BadRequestLine
    );
    assert_eq!(bad_head("GET / HTTP/1.1\r\nHost: h\n\r\n"), Error::BadField);
    assert_eq!(bad_head("GET / HTTP/1.1\r\nHost: h\r\n\n"), Error::BadField);
    assert_eq!(
        bad_head("GET / HTTP/1.1\r\nHost: h\r\n\r\r\n"),
        Error::BadField
    );
    assert_eq!(
        bad_head("GET / HTTP/1.1\r\nX: a\rb\r\nHost: h\r\n\r\n"),
        Error::BadField
    );
    assert_eq!(
        bad_head("GET / HTTP/1.1\r\nX: a\nHost: h\r\n\r\n"),
        Error::BadField
    );
}

#[test]
fn a_head_of_just_the_bound_passes() {
    let raw = b"GET /abc HTTP/1.1\r\nHost: h\r\n\r\n";
    let within = |head_bytes_max| {
        head_within(
            raw,
            &HeadLimits {
                head_bytes_max,
                ..LIMITS
            },
        )
    };
    assert!(within(raw.len()).is_ok());
    for head_bytes_max in 0..raw.len() {
        assert_eq!(
            within(head_bytes_max),
            Err(Error::HeadTooLarge),
            "{head_bytes_max}"
        );
    }
    let endless = "GET / HTTP/1.1\r\nX: ".to_owned() + &"a".repeat(70_000);
    assert_eq!(bad_head(endless), Error::HeadTooLarge);
}

#[test]
fn a_request_line_of_just_the_bound_passes() {
    let raw = b"GET /abc HTTP/1.1\r\nHost: h\r\n\r\n";
    let within = |request_line_bytes_max| {
        head_within(
            raw,
            &HeadLimits {
                request_line_bytes_max,
                ..LIMITS
            },
        )
    };
    assert!(within(17).is_ok());
    assert_eq!(within(16), Err(Error::RequestLineTooLong));
    assert_eq!(within(2), Err(Error::RequestLineTooLong));
    assert_eq!(within(1), Err(Error::BadRequestLine));
    assert_eq!(
        bad_head("GET /".to_owned() + &"a".repeat(70_000)),
        Error::RequestLineTooLong
    );
    assert_eq!(bad_head("A".repeat(70_000)), Error::BadRequestLine);
}

#[test]
fn fields_are_counted_as_they_come() {
    let lines =
        |count: usize| "GET / HTTP/1.1\r\nHost: h\r\n".to_owned() + &"X: y\r\n".repeat(count);
    assert!(head(lines(99) + "\r\n").is_ok_and(|head| head.is_some()));
    assert_eq!(head(lines(100)), Err(Error::TooManyFields));
    assert_eq!(bad_head(lines(10_000)), Error::TooManyFields);
}

#[test]
fn a_head_is_reused_without_allocating_again() {
    let mut head = RequestHead::new();
    let first = b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\n\r\n";
    let second = b"GET /s HTTP/1.0\r\nC: 3\r\n\r\n";
    assert!(parse_request_head(first, &LIMITS, &mut head).is_ok());
    let room = head.fields.as_ptr();
    assert_eq!(head.fields.len(), 3);
    assert_eq!(
        parse_request_head(second, &LIMITS, &mut head),
        Ok(Parsed::Complete {
            value: (),
            used: second.len()
        })
    );
    assert_eq!(head.fields.len(), 1);
    assert_eq!(head.fields.as_ptr(), room);
    assert!(head.authority.is_empty());
}

#[test]
fn clear_forgets_a_half_read_head() {
    let mut head = RequestHead::new();
    let half = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Le";
    assert_eq!(
        parse_request_head(half, &LIMITS, &mut head),
        Ok(Parsed::Incomplete)
    );
    head.clear();
    assert_eq!(head, RequestHead::new());
    assert_eq!(
        parse_request_head(b"GET ", &LIMITS, &mut head),
        Ok(Parsed::Incomplete)
    );
}

#[test]
fn a_buffer_that_shrank_does_no_harm() {
    let mut head = RequestHead::new();
    let half = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Le";
    for len in 0..half.len() {
        head.clear();
        assert_eq!(
            parse_request_head(half, &LIMITS, &mut head),
            Ok(Parsed::Incomplete)
        );
        let _ = parse_request_head(&half[..len], &LIMITS, &mut head);
    }
}

#[test]
fn as_many_fields_as_the_bound_allows_and_no_more() {
    for fields_max in [0, 1, 7, 8, 9, 23, 24, 25, 48, 49, 300] {
        let limits = HeadLimits {
            fields_max,
            ..LIMITS
        };
        for name in ["X", "A-Long-Name-That-Makes-The-Head-Long"] {
            let lines = |count: usize| -> String {
                let lines = (0..count).map(|i| format!("{name}-{i}: {i}\r\n"));
                "GET / HTTP/1.0\r\n".to_owned() + &lines.collect::<String>()
            };
            let most = head_within(lines(fields_max) + "\r\n", &limits);
            let Ok(Some(most)) = most else {
                panic!("{fields_max}: {most:?}");
            };
            assert_eq!(most.head.fields.len(), fields_max);
            for i in 0..fields_max {
                let name = format!("{}-{i}", name.to_ascii_lowercase());
                assert_eq!(most.field(&name), Some(i.to_string().as_bytes()));
            }
            let more = head_within(lines(fields_max + 1), &limits);
            assert_eq!(more, Err(Error::TooManyFields), "{fields_max}");
        }
    }
}

#[test]
fn the_first_wrong_line_decides() {
    let after = |lines: &str| bad_head(format!("GET / HTTP/1.1\r\n{lines}\r\n"));
    assert_eq!(
        after("Content-Length: x\r\nno colon\r\n"),
        Error::BadContentLength
    );
    assert_eq!(after("no colon\r\nContent-Length: x\r\n"), Error::BadField);
    assert_eq!(
        after("Host: h\r\nHost: h\r\nX: a\nY: b\r\n"),
        Error::DuplicateHost
    );
    assert_eq!(after("X: a\nHost: h\r\nHost: h\r\n"), Error::BadField);
    // What is wrong with a line that is still coming is not said before its end has come.
    assert_eq!(head("GET / HTTP/1.1\r\nX\0: y"), Ok(None));
}

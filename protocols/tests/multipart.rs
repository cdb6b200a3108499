//! Multipart bodies, fed whole, byte by byte and with bytes after their end.

use protocols::multipart::{BOUNDARY_BYTES_MAX, Malformed, Multipart, PART_HEAD_BYTES_MAX, Part};

/// Each part's head and content.
type Parts = Vec<(String, Vec<u8>)>;

fn parse(body: &[u8], piece: usize) -> Result<Parts, Malformed> {
    let mut parser = Multipart::new(b"xyz")?;
    let mut parts: Parts = Vec::new();
    let mut ended = 0;
    for piece in body.chunks(piece) {
        parser.feed(piece, &mut |part| match part {
            Part::Head(head) => parts.push((String::from_utf8_lossy(head).into(), Vec::new())),
            Part::Data(data) => {
                assert!(!data.is_empty());
                if let Some(last) = parts.last_mut() {
                    last.1.extend_from_slice(data);
                }
            }
            Part::End => ended += 1,
        })?;
    }
    parser.finish()?;
    assert_eq!(ended, parts.len());
    Ok(parts)
}

/// The same however it is cut.
fn parse_all_ways(body: &[u8]) -> Result<Parts, Malformed> {
    let whole = parse(body, body.len().max(1));
    for piece in [1, 2, 3, 7, 64] {
        assert_eq!(parse(body, piece), whole, "in pieces of {piece}");
    }
    whole
}

fn part(head: &str, content: &[u8]) -> (String, Vec<u8>) {
    (head.to_owned(), content.to_vec())
}

#[test]
fn parts_and_what_follows_them() {
    let body = b"--xyz\r\na: 1\r\n\r\nfirst\r\n--xyz\r\nb: 2\r\nc: 3\r\n\r\n\r\n--xyz--\r\n";
    let wanted = Ok(vec![part("a: 1", b"first"), part("b: 2\r\nc: 3", b"")]);
    assert_eq!(parse_all_ways(body), wanted);
    for trailing in [&b""[..], b"epilogue", b"\r\n--xyz\r\n"] {
        assert_eq!(parse_all_ways(&[body, trailing].concat()), wanted);
    }
    assert_eq!(
        parse_all_ways(&[b"preamble\r\n", &body[..]].concat()),
        wanted
    );
}

#[test]
fn content_that_looks_like_a_boundary() {
    for content in [
        &b"\r"[..],
        b"\r\n",
        b"\r\n--",
        b"\r\n--xy",
        b"\r\r\n--xy\r\n-",
        b"--xyz",
    ] {
        let body = [b"--xyz\r\na: 1\r\n\r\n", content, b"\r\n--xyz--"].concat();
        assert_eq!(
            parse_all_ways(&body),
            Ok(vec![part("a: 1", content)]),
            "{content:?}"
        );
    }
}

#[test]
fn padding_after_a_boundary() {
    let body = b"--xyz \t\r\na: 1\r\n\r\nx\r\n--xyz--";
    assert_eq!(parse_all_ways(body), Ok(vec![part("a: 1", b"x")]));
}

#[test]
fn forms_without_parts() {
    for body in [&b""[..], b"--xyz--", b"--xyz--\r\n", b"anything\r\n--xyz--"] {
        assert_eq!(parse_all_ways(body), Ok(vec![]), "{body:?}");
    }
}

#[test]
fn whole_pieces_of_content_are_given_as_they_came() {
    let mut parser = Multipart::new(b"xyz").unwrap_or_else(|_| unreachable!());
    let mut ignore = |_: Part<'_>| ();
    assert_eq!(parser.feed(b"--xyz\r\na: 1\r\n\r\n", &mut ignore), Ok(()));
    let piece = vec![b'x'; 1000];
    let mut same = false;
    let fed = parser.feed(&piece, &mut |part| {
        same = matches!(part, Part::Data(data) if std::ptr::eq(data, &piece[..]));
    });
    assert_eq!(fed, Ok(()));
    assert!(same);
}

#[test]
fn what_is_malformed() {
    let long_head = [b"--xyz\r\n", &vec![b'a'; PART_HEAD_BYTES_MAX + 1][..]].concat();
    let padding = [b"--xyz", &vec![b' '; PART_HEAD_BYTES_MAX + 1][..]].concat();
    for (body, wanted) in [
        (&b"x"[..], Malformed::Unfinished),
        (b"\r\n", Malformed::Unfinished),
        (b"--xyz", Malformed::Unfinished),
        (b"--xyz\r\n", Malformed::Unfinished),
        (b"--xyz\r\na: 1\r\n\r\nx", Malformed::Unfinished),
        (b"--xyz\r\na: 1\r\n\r\nx\r\n--xyz", Malformed::Unfinished),
        (
            b"--xyzz\r\na: 1\r\n\r\nx\r\n--xyz--",
            Malformed::AfterBoundary,
        ),
        (b"--xyz-\r\n", Malformed::AfterBoundary),
        (b"--xyz\r\n\r\nx\r\n--xyz--", Malformed::NoHead),
        (&long_head, Malformed::HeadTooLong),
        (&padding, Malformed::AfterBoundary),
    ] {
        assert_eq!(
            parse_all_ways(body),
            Err(wanted),
            "{:?}",
            &body[..body.len().min(40)]
        );
    }
}

#[test]
fn boundaries_that_cannot_be() {
    for length in [0, BOUNDARY_BYTES_MAX + 1] {
        let made = Multipart::new(&vec![b'x'; length]);
        assert_eq!(made.err(), Some(Malformed::Boundary));
    }
    assert!(Multipart::new(&[b'x'; BOUNDARY_BYTES_MAX]).is_ok());
}

#[test]
fn every_problem_has_words() {
    for problem in [
        Malformed::Boundary,
        Malformed::AfterBoundary,
        Malformed::NoHead,
        Malformed::HeadTooLong,
        Malformed::Unfinished,
    ] {
        assert!(problem.to_string().ends_with('.'));
    }
}

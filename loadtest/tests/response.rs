//! Each response is parsed whole, byte by byte, and with the next response behind it.

use loadtest::response::{Answer, HEAD_MAX_BYTES, ResponseError, ResponseParser};

const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] = b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n\
    5\r\nhello\r\n1A;name=value\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n";
const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
const AFTER_INTERIM: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n!";

/// Feeds `bytes` in pieces of `size` and returns the statuses found.
fn statuses(
    parser: &mut ResponseParser,
    bytes: &[u8],
    size: usize,
) -> Result<Vec<u16>, ResponseError> {
    let mut found = Vec::new();
    for piece in bytes.chunks(size) {
        let mut used = 0;
        while used < piece.len() {
            let progress = parser.push(&piece[used..])?;
            used += progress.used;
            found.extend(progress.answer.map(|answer| answer.status));
        }
    }
    Ok(found)
}

fn check(bytes: &[u8], status: u16) {
    let mut parser = ResponseParser::new("GET");
    let whole = parser.push(bytes).expect("whole");
    assert_eq!(
        (whole.used, whole.answer),
        (bytes.len(), Some(Answer { status }))
    );

    let mut parser = ResponseParser::new("GET");
    for (at, byte) in bytes.iter().enumerate() {
        let progress = parser
            .push(std::slice::from_ref(byte))
            .expect("byte by byte");
        assert_eq!(progress.used, 1);
        assert_eq!(
            progress.answer.is_some(),
            at + 1 == bytes.len(),
            "at byte {at}"
        );
    }

    let mut parser = ResponseParser::new("GET");
    let trailing = [bytes, b"HTTP/1.1 5"].concat();
    let progress = parser.push(&trailing).expect("trailing");
    assert_eq!(
        (progress.used, progress.answer),
        (bytes.len(), Some(Answer { status }))
    );
}

#[test]
fn every_kind_of_response_ends_where_it_should() {
    check(PLAIN, 200);
    check(CHUNKED, 201);
    check(NO_CONTENT, 204);
    check(NOT_FOUND, 404);
    check(AFTER_INTERIM, 200);
}

#[test]
fn pipelined_responses_are_told_apart_at_every_cut() {
    let stream = [PLAIN, PLAIN, CHUNKED, NOT_FOUND, NO_CONTENT, PLAIN].concat();
    for size in 1..=stream.len() {
        let found = statuses(&mut ResponseParser::new("GET"), &stream, size).expect("valid");
        assert_eq!(found, [200, 200, 201, 404, 204, 200], "in pieces of {size}");
    }
}

#[test]
fn a_repeated_head_is_not_taken_for_a_longer_one() {
    let longer = b"HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\n";
    let stream = [PLAIN, longer.as_slice(), &[b'x'; 52], PLAIN].concat();
    let found = statuses(&mut ResponseParser::new("GET"), &stream, stream.len()).expect("valid");
    assert_eq!(found, [200, 200, 200]);
}

#[test]
fn an_answer_to_head_has_no_body() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    let stream = head.repeat(2);
    let found = statuses(&mut ResponseParser::new("HEAD"), &stream, 7).expect("valid");
    assert_eq!(found, [200, 200]);
}

#[test]
fn a_response_without_length_ends_with_the_connection() {
    let mut parser = ResponseParser::new("GET");
    let progress = parser.push(b"HTTP/1.1 200 OK\r\n\r\nsome").expect("valid");
    assert_eq!(progress.answer, None);
    assert_eq!(parser.finish(), Some(Answer { status: 200 }));
}

#[test]
fn a_cut_response_does_not_end_with_the_connection() {
    let mut parser = ResponseParser::new("GET");
    assert_eq!(
        parser
            .push(&PLAIN[..PLAIN.len() - 1])
            .expect("valid")
            .answer,
        None
    );
    assert_eq!(parser.finish(), None);
}

#[test]
fn what_is_no_response_is_an_error() {
    let error = |bytes: &[u8]| statuses(&mut ResponseParser::new("GET"), bytes, bytes.len()).err();
    let length = b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n";
    let chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let no_size = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n";
    let huge = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n";
    assert_eq!(error(b"SSH-2.0-server\r\n"), Some(ResponseError::Head));
    assert_eq!(error(length), Some(ResponseError::Length));
    assert_eq!(error(chunk), Some(ResponseError::Chunk));
    assert_eq!(error(no_size), Some(ResponseError::Chunk));
    assert_eq!(error(huge), Some(ResponseError::Chunk));
    let endless = [
        b"HTTP/1.1 200 OK\r\nx: ".as_slice(),
        &vec![b'x'; HEAD_MAX_BYTES],
    ]
    .concat();
    assert_eq!(error(&endless), Some(ResponseError::HeadTooLong));
}

//! A field that is accepted is one line, and a client reads it as it was meant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::http1::{ResponseFraming, ResponseHead, Reuse, encode_field, encode_response_head};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, data)) = data.split_first() else {
        return;
    };
    let (name, value) = data.split_at(data.len().min(usize::from(cut & 31)));
    let mut fields = b"a: b\r\n".to_vec();
    if encode_field(name, value, &mut fields).is_err() {
        assert_eq!(fields, b"a: b\r\n");
        return;
    }
    let mut head = Vec::new();
    let framing = ResponseFraming::Length(u64::from(cut));
    let response = ResponseHead {
        status: 200 + u16::from(cut),
        fields: &fields,
        framing,
        reuse: Reuse::Close,
        minor_version: 1,
        date_line: b"",
    };
    encode_response_head(&response, &mut head);
    assert_eq!(
        head.windows(4).position(|end| end == b"\r\n\r\n"),
        Some(head.len() - 4)
    );
    assert_eq!(
        head.iter().filter(|&&byte| byte == b'\n').count(),
        lines_expected(cut)
    );
    read_back(&head, name, value);
});

/// Status, two fields, connection and the empty line; a length unless the status forbids one.
fn lines_expected(cut: u8) -> usize {
    if cut == 4 { 5 } else { 6 }
}

fn read_back(head: &[u8], name: &[u8], value: &[u8]) {
    // httparse refuses control bytes that a field may carry all the same.
    if value
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return;
    }
    let mut fields = [httparse::EMPTY_HEADER; 8];
    let mut response = httparse::Response::new(&mut fields);
    assert_eq!(
        response.parse(head),
        Ok(httparse::Status::Complete(head.len()))
    );
    let field = &response.headers[1];
    assert!(field.name.as_bytes().eq_ignore_ascii_case(name));
    assert_eq!(trim(field.value), trim(value));
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

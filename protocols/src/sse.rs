//! Server-sent events: one event, or one comment, to the bytes of an event stream (WHATWG HTML,
//! section 9.2).

use crate::error::Error;

/// The media type of an event stream. It is UTF-8 whatever else is said (WHATWG HTML, 9.2.6).
pub const MEDIA_TYPE: &str = "text/event-stream";

/// Appends one event to `out`: its name, its data line by line, its id and how long a client is
/// to wait before it reconnects, in milliseconds.
///
/// Without `data` a client dispatches nothing, but keeps the id and the time.
///
/// # Errors
/// [`Error::BadEventName`] and [`Error::BadEventId`], when nothing has been written: a line break
/// would begin another field, and a client ignores an id with a NUL in it.
pub fn encode_event(
    event: Option<&str>,
    data: Option<&[u8]>,
    id: Option<&str>,
    retry_ms: Option<u64>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if event.is_some_and(|event| !is_one_line(event)) {
        return Err(Error::BadEventName);
    }
    if id.is_some_and(|id| !is_one_line(id) || id.contains('\0')) {
        return Err(Error::BadEventId);
    }
    // Room for what nearly every event is: a name, one line of data, an id.
    const OVERHEAD_BYTES: usize = 40;
    out.reserve(
        OVERHEAD_BYTES
            + [event.map_or(0, str::len), id.map_or(0, str::len)]
                .iter()
                .sum::<usize>()
            + data.map_or(0, <[u8]>::len),
    );
    if let Some(event) = event {
        encode_line(b"event: ", event.as_bytes(), out);
    }
    if let Some(data) = data {
        encode_lines(b"data: ", data, out);
    }
    if let Some(id) = id {
        encode_line(b"id: ", id.as_bytes(), out);
    }
    if let Some(retry_ms) = retry_ms {
        encode_line(b"retry: ", retry_ms.to_string().as_bytes(), out);
    }
    out.push(b'\n');
    Ok(())
}

/// Appends a comment to `out`, which clients ignore; any text will do.
///
/// It ends with an empty line, which dispatches nothing after a comment.
pub fn encode_comment(text: &str, out: &mut Vec<u8>) {
    encode_lines(b": ", text.as_bytes(), out);
    out.push(b'\n');
}

fn is_one_line(text: &str) -> bool {
    !text.contains(['\r', '\n'])
}

fn encode_line(field: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(field);
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Appends each line of `text` as a line of its own. A line ends with LF, CR or CRLF, as in the
/// stream itself; what is after the last end is a line too, so that an end at the end is kept.
fn encode_lines(field: &[u8], text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        encode_line(field, &rest[..at], out);
        let end = if rest[at..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = &rest[at + end..];
    }
    encode_line(field, rest, out);
}

#[cfg(test)]
mod tests {
    use super::{encode_comment, encode_event};
    use crate::Error;

    fn event(
        event: Option<&str>,
        data: Option<&str>,
        id: Option<&str>,
        retry_ms: Option<u64>,
    ) -> Result<String, Error> {
        let mut out = b"before|".to_vec();
        let result = encode_event(event, data.map(str::as_bytes), id, retry_ms, &mut out);
        let text = String::from_utf8(out).unwrap();
        let text = text.strip_prefix("before|").unwrap().to_owned();
        result.map(|()| text.clone()).inspect_err(|_| {
            assert_eq!(text, "", "nothing is written of what cannot be sent");
        })
    }

    /// What a client makes of a stream: name, data and last id of each event, by the rules of
    /// WHATWG HTML 9.2.6.
    fn interpret(stream: &str) -> Vec<(String, String, String)> {
        let (mut name, mut data, mut last_id) = (String::new(), String::new(), String::new());
        let mut events = Vec::new();
        for line in stream.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
            if line.is_empty() {
                if let Some(data) = data.strip_suffix('\n') {
                    events.push((name.clone(), data.to_owned(), last_id.clone()));
                }
                name.clear();
                data.clear();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value.to_owned(),
                "data" => {
                    data.push_str(value);
                    data.push('\n');
                }
                "id" if !value.contains('\0') => last_id = value.to_owned(),
                _ => {}
            }
        }
        events
    }

    #[test]
    fn the_fields_of_an_event() {
        assert_eq!(event(None, Some("x"), None, None).unwrap(), "data: x\n\n");
        assert_eq!(
            event(Some("e"), Some("x"), Some("7"), Some(1500)).unwrap(),
            "event: e\ndata: x\nid: 7\nretry: 1500\n\n"
        );
        assert_eq!(event(None, None, Some(""), None).unwrap(), "id: \n\n");
        assert_eq!(event(None, None, None, Some(0)).unwrap(), "retry: 0\n\n");
        assert_eq!(event(None, None, None, None).unwrap(), "\n");
    }

    #[test]
    fn every_end_of_a_line_begins_another() {
        for (text, lines) in [
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\r\nb", "data: a\ndata: b\n\n"),
            ("a\rb", "data: a\ndata: b\n\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n\n"),
            ("a\r\r\nb", "data: a\ndata: \ndata: b\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("\n", "data: \ndata: \n\n"),
            ("", "data: \n\n"),
            // No other character ends a line.
            (
                "a\u{2028}b\u{85}c\x0bd\x0ce",
                "data: a\u{2028}b\u{85}c\x0bd\x0ce\n\n",
            ),
        ] {
            assert_eq!(
                event(None, Some(text), None, None).unwrap(),
                lines,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_client_gets_what_was_sent() {
        let texts = [
            "x",
            "",
            " two  spaces",
            ":colon",
            "data: data",
            "a\nb\n",
            "\n\n",
            "é€𝄞",
        ];
        let mut stream = String::new();
        let mut expected = Vec::new();
        for text in texts {
            stream += &event(Some("e"), Some(text), Some("i"), None).unwrap();
            expected.push(("e".to_owned(), text.to_owned(), "i".to_owned()));
        }
        assert_eq!(interpret(&stream), expected);
    }

    #[test]
    fn names_and_ids_are_single_lines() {
        for text in ["a\nb", "a\rb", "\r\n", "\n"] {
            let name = event(Some(text), Some("x"), None, None);
            assert_eq!(name, Err(Error::BadEventName), "{text:?}");
            let id = event(None, Some("x"), Some(text), None);
            assert_eq!(id, Err(Error::BadEventId), "{text:?}");
        }
        let id = event(None, Some("x"), Some("a\0"), None);
        assert_eq!(id, Err(Error::BadEventId));
        assert!(event(Some("a\0"), Some("x"), None, None).is_ok());
    }

    #[test]
    fn comments_dispatch_nothing() {
        let mut out = Vec::new();
        encode_comment("keep-alive", &mut out);
        assert_eq!(out, b": keep-alive\n\n");
        out.clear();
        encode_comment("a\r\ndata: b\n", &mut out);
        assert_eq!(out, b": a\n: data: b\n: \n\n");
        assert_eq!(interpret(std::str::from_utf8(&out).unwrap()), []);
        out.clear();
        encode_comment("", &mut out);
        assert_eq!(out, b": \n\n");
    }
}

//! The pairs of a `Cookie` field, as `_cookies.parse_cookies` reads them.

use std::borrow::Cow;

/// Latin-1, which header fields are by tradition.
pub(crate) fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

/// Names and values in their order; a piece without `=` is a value without a name.
pub(crate) fn pairs(field: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    field
        .split(|byte| *byte == b';')
        .filter_map(|piece| match latin1(piece) {
            Cow::Borrowed(piece) => {
                let (name, value) = pair(piece)?;
                Some((Cow::Borrowed(name), unquote(value)))
            }
            Cow::Owned(piece) => {
                let (name, value) = pair(&piece)?;
                let value = unquote(value).into_owned();
                Some((Cow::Owned(name.to_owned()), Cow::Owned(value)))
            }
        })
}

fn pair(piece: &str) -> Option<(&str, &str)> {
    let (name, value) = piece.split_once('=').unwrap_or(("", piece));
    let (name, value) = (name.trim(), value.trim());
    (!name.is_empty() || !value.is_empty()).then_some((name, value))
}

/// Undoes the quoting of Python's `http.cookies`: `"a\054b"` is `a,b`.
fn unquote(value: &str) -> Cow<'_, str> {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let Some(inner) = inner else {
        return Cow::Borrowed(value);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let octal = escaped
            .get(..3)
            .filter(|digits| matches!(digits.as_bytes(), [b'0'..=b'3', b'0'..=b'7', b'0'..=b'7']));
        if let Some(code) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            text.push(char::from(code));
            rest = &escaped[3..];
            continue;
        }
        let next = escaped.chars().next();
        text.push(next.unwrap_or('\\'));
        rest = &escaped[next.map_or(0, char::len_utf8)..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}

//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1).

use crate::http1::syntax::{is_token_byte, trim_ows};

/// Whether `value` is `1#extension`, empty list elements aside.
pub(crate) fn is_extension_list(value: &[u8]) -> bool {
    let mut rest = trim_ows(value);
    let mut extensions = 0;
    loop {
        while let [b',', behind @ ..] = rest {
            rest = trim_ows(behind);
        }
        if rest.is_empty() {
            return extensions > 0;
        }
        let Some(behind) = take_extension(rest) else {
            return false;
        };
        if !behind.is_empty() && !behind.starts_with(b",") {
            return false;
        }
        extensions += 1;
        rest = behind;
    }
}

/// What follows `token *( ";" param )` and the whitespace behind it.
fn take_extension(text: &[u8]) -> Option<&[u8]> {
    let (_, mut rest) = take_token(text)?;
    while let [b';', behind @ ..] = rest {
        (_, rest) = take_token(trim_ows(behind))?;
        if let [b'=', behind @ ..] = rest {
            rest = take_value(trim_ows(behind))?;
        }
    }
    Some(rest)
}

/// A token, or a quoted string that is a token once unquoted.
fn take_value(text: &[u8]) -> Option<&[u8]> {
    let [b'"', inside @ ..] = text else {
        return take_token(text).map(|(_, rest)| rest);
    };
    let mut bytes = inside.iter();
    let mut len = 0;
    loop {
        let byte = match bytes.next()? {
            b'"' => break,
            b'\\' => *bytes.next()?,
            byte => *byte,
        };
        if !is_token_byte(byte) {
            return None;
        }
        len += 1;
    }
    (len > 0).then_some(trim_ows(bytes.as_slice()))
}

fn take_token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = text
        .iter()
        .position(|&byte| !is_token_byte(byte))
        .unwrap_or(text.len());
    let (token, rest) = text.split_at(len);
    (len > 0).then_some((token, trim_ows(rest)))
}

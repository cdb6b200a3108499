//! `Sec-WebSocket-Extensions`: its grammar (RFC 6455 section 9.1) and the parameters of
//! permessage-deflate (RFC 7692 section 7.1).

use crate::http1::syntax::{is_token_byte, trim_ows};

/// Whether `value` is `1#extension`, empty list elements aside, and every permessage-deflate offer
/// in it one that a client may make.
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
    let (extension, mut rest) = take_token(text)?;
    let mut deflate = extension
        .eq_ignore_ascii_case(b"permessage-deflate")
        .then(Offer::default);
    while let [b';', behind @ ..] = rest {
        let name;
        (name, rest) = take_token(trim_ows(behind))?;
        let mut value = None;
        if let [b'=', behind @ ..] = rest {
            let start = trim_ows(behind);
            rest = take_value(start)?;
            value = Some(trim_ows(&start[..start.len() - rest.len()]));
        }
        if let Some(offer) = &mut deflate {
            offer.take(name, value)?;
        }
    }
    Some(rest)
}

/// The parameters of one permessage-deflate offer seen so far: none may come twice.
#[derive(Default)]
struct Offer {
    seen: [bool; 4],
}

impl Offer {
    /// Takes one parameter; `None` for one that no client may send (RFC 7692 section 7.1).
    fn take(&mut self, name: &[u8], value: Option<&[u8]>) -> Option<()> {
        let (index, fits) = match name {
            b"server_no_context_takeover" => (0, value.is_none()),
            b"client_no_context_takeover" => (1, value.is_none()),
            b"server_max_window_bits" => (2, value.is_some_and(is_window_bits)),
            b"client_max_window_bits" => (3, value.is_none_or(is_window_bits)),
            _ => return None,
        };
        let again = std::mem::replace(&mut self.seen[index], true);
        (fits && !again).then_some(())
    }
}

/// 8 to 15, without leading zeros (RFC 7692 section 7.1.2.1), perhaps quoted.
fn is_window_bits(value: &[u8]) -> bool {
    let bare = match value {
        [b'"', inside @ .., b'"'] => inside,
        bare => bare,
    };
    matches!(bare, b"8" | b"9" | [b'1', b'0'..=b'5'])
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

//! `Sec-WebSocket-Extensions`: its grammar (RFC 6455 section 9.1) and the parameters of
//! permessage-deflate (RFC 7692 section 7.1).

use crate::http1::syntax::{is_token_byte, trim_ows};

/// Gives `take` the offers of permessage-deflate in `value`, in order; whether `value` is
/// `1#extension`, empty list elements aside, and every such offer one that a client may make.
pub(super) fn read_extensions(value: &[u8], take: &mut dyn FnMut(Offer)) -> bool {
    let mut rest = trim_ows(value);
    let mut extensions = 0;
    loop {
        while let [b',', behind @ ..] = rest {
            rest = trim_ows(behind);
        }
        if rest.is_empty() {
            return extensions > 0;
        }
        let Some((offer, behind)) = take_extension(rest) else {
            return false;
        };
        if !behind.is_empty() && !behind.starts_with(b",") {
            return false;
        }
        offer.into_iter().for_each(&mut *take);
        extensions += 1;
        rest = behind;
    }
}

/// The offer that `token *( ";" param )` makes, and what follows it and the whitespace behind it.
fn take_extension(text: &[u8]) -> Option<(Option<Offer>, &[u8])> {
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
    Some((deflate, rest))
}

/// One offer of permessage-deflate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offer {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    /// Present when the client can be told a window, with the largest it would use, if it said.
    pub(super) client_max_window_bits: Option<Option<u8>>,
}

impl Offer {
    /// Takes one parameter; `None` for one that no client may send, or not twice (RFC 7692
    /// section 7.1).
    fn take(&mut self, name: &[u8], value: Option<&[u8]>) -> Option<()> {
        let is_repeated = match (name, value) {
            (b"server_no_context_takeover", None) => {
                std::mem::replace(&mut self.server_no_context_takeover, true)
            }
            (b"client_no_context_takeover", None) => {
                std::mem::replace(&mut self.client_no_context_takeover, true)
            }
            (b"server_max_window_bits", Some(bits)) => {
                let bits = window_bits(bits)?;
                self.server_max_window_bits.replace(bits).is_some()
            }
            (b"client_max_window_bits", None) => {
                self.client_max_window_bits.replace(None).is_some()
            }
            (b"client_max_window_bits", Some(bits)) => {
                let bits = window_bits(bits)?;
                self.client_max_window_bits.replace(Some(bits)).is_some()
            }
            _ => return None,
        };
        (!is_repeated).then_some(())
    }
}

/// 8 to 15, without leading zeros (RFC 7692 section 7.1.2.1), perhaps quoted.
fn window_bits(value: &[u8]) -> Option<u8> {
    let bare = match value {
        [b'"', inside @ .., b'"'] => inside,
        bare => bare,
    };
    match bare {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
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

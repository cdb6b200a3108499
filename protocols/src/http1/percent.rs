//! Percent-encoding in paths and queries (RFC 3986 section 2.1).

use std::borrow::Cow;

use super::syntax::hex_value;

/// Appends `raw` with every `%XX` decoded; a `%` that starts no escape stays.
pub fn percent_decode(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = take_escape(escape, out);
    }
    out.extend_from_slice(rest);
}

/// The path with its escapes decoded; `+` is a plus sign there.
pub fn decode_path(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    percent_decode(raw, &mut decoded);
    Cow::Owned(decoded)
}

/// The pairs of an `application/x-www-form-urlencoded` text, in order: `&` separates them, the first
/// `=` ends a name, `+` is a space. A pair without `=` has an empty value.
pub fn query_pairs(raw: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    raw.split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let name_len = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = pair.split_at(name_len);
            (
                decode_form(name),
                decode_form(value.get(1..).unwrap_or_default()),
            )
        })
}

fn decode_form(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr2(b'%', b'+', rest) {
        let (plain, special) = rest.split_at(at);
        decoded.extend_from_slice(plain);
        rest = match special {
            [b'+', rest @ ..] => {
                decoded.push(b' ');
                rest
            }
            escape => take_escape(escape, &mut decoded),
        };
    }
    decoded.extend_from_slice(rest);
    Cow::Owned(decoded)
}

/// Decodes the escape at the front of `text`, or keeps its first byte.
fn take_escape<'b>(text: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
    if let [b'%', high, low, rest @ ..] = text
        && let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low))
    {
        out.push(high << 4 | low);
        return rest;
    }
    let (first, rest) = text.split_at(text.len().min(1));
    out.extend_from_slice(first);
    rest
}

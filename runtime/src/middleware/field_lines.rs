//! Encoded header lines: finding, replacing and removing one by its name.
//!
//! Names are in lower case and followed by `: `, as `http1::encode_field` writes them.

use protocols::http1;
use std::borrow::Cow;

/// An answer's fields.
pub(crate) type Fields = Cow<'static, [u8]>;

fn value_of<'l>(line: &'l [u8], name: &str) -> Option<&'l [u8]> {
    let rest = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
    Some(rest.trim_ascii())
}

fn lines(fields: &[u8]) -> impl Iterator<Item = &[u8]> {
    fields.split_inclusive(|&byte| byte == b'\n')
}

/// The value of the first field called `name`.
pub(crate) fn find<'f>(fields: &'f [u8], name: &str) -> Option<&'f [u8]> {
    lines(fields).find_map(|line| value_of(line, name))
}

/// Removes all fields called `name`.
pub(crate) fn remove(fields: &mut Fields, name: &str) {
    if find(fields, name).is_some() {
        let kept = lines(fields).filter(|line| value_of(line, name).is_none());
        *fields = Cow::Owned(kept.flatten().copied().collect());
    }
}

/// Makes `value` the only value of the field called `name`.
pub(crate) fn set(fields: &mut Fields, name: &str, value: &[u8]) {
    remove(fields, name);
    // Names are ours; values are ours or came in a valid head.
    let _ = http1::encode_field(name.as_bytes(), value, fields.to_mut());
}

/// Adds `name` to the one `vary` field that joins those that are there.
pub(crate) fn add_vary(fields: &mut Fields, name: &[u8]) {
    let known = lines(fields).filter_map(|line| value_of(line, "vary"));
    let mut value = known.fold(Vec::new(), |mut all, one| {
        all.extend_from_slice(one);
        all.extend_from_slice(b", ");
        all
    });
    value.extend_from_slice(name);
    set(fields, "vary", &value);
}

#[cfg(test)]
mod tests {
    use super::{Fields, add_vary, find, remove, set};
    use std::borrow::Cow;

    #[test]
    fn fields_are_found_replaced_and_removed() {
        let mut fields: Fields = Cow::Borrowed(b"vary: a\r\nx: 1\r\nxy: 2\r\nvary: b\r\n");
        assert_eq!(find(&fields, "x"), Some(&b"1"[..]));
        assert_eq!(find(&fields, "y"), None);
        add_vary(&mut fields, b"c");
        assert_eq!(&*fields, b"x: 1\r\nxy: 2\r\nvary: a, b, c\r\n");
        set(&mut fields, "x", b"3");
        remove(&mut fields, "vary");
        assert_eq!(&*fields, b"xy: 2\r\nx: 3\r\n");
    }
}

//! Entity tags and lists of them (RFC 9110 section 8.8.3).

use super::syntax::trim_ows;

/// One entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag<'b> {
    is_weak: bool,
    /// Between the quotes.
    opaque: &'b [u8],
}

impl<'b> EntityTag<'b> {
    /// Reads `[ "W/" ] DQUOTE *etagc DQUOTE` and nothing else.
    pub(crate) fn parse(text: &'b [u8]) -> Option<Self> {
        take_tag(text).and_then(|(tag, rest)| rest.is_empty().then_some(tag))
    }

    /// Both strong, and the same.
    pub(crate) fn matches_strongly(&self, other: &Self) -> bool {
        !self.is_weak && !other.is_weak && self.opaque == other.opaque
    }

    /// The same, weak or not.
    pub(crate) fn matches_weakly(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }
}

/// The tags of a list, up to its end or the first malformed element. A comma may stand inside a tag.
pub(crate) fn entity_tags(list: &[u8]) -> impl Iterator<Item = EntityTag<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = trim_ows(rest);
        while let [b',', behind @ ..] = rest {
            rest = trim_ows(behind);
        }
        let (tag, behind) = take_tag(rest)?;
        let behind = trim_ows(behind);
        // Without a comma between them two tags are no list.
        rest = if behind.is_empty() || behind.starts_with(b",") {
            behind
        } else {
            b""
        };
        Some(tag)
    })
}

fn take_tag(text: &[u8]) -> Option<(EntityTag<'_>, &[u8])> {
    let (is_weak, quoted) = match text {
        [b'W', b'/', quoted @ ..] => (true, quoted),
        quoted => (false, quoted),
    };
    let [b'"', inside @ ..] = quoted else {
        return None;
    };
    let (opaque, rest) = inside.split_at(memchr::memchr(b'"', inside)?);
    let is_etagc = |byte: &u8| *byte > b' ' && *byte != 0x7f;
    opaque
        .iter()
        .all(is_etagc)
        .then_some((EntityTag { is_weak, opaque }, rest.get(1..)?))
}

//! Conditional requests (RFC 9110 section 13).

use super::date::parse_http_date;
use super::entity_tag::{EntityTag, entity_tags};
use super::request_head::RequestHead;
use super::response_head::push_hex;

/// What tells one state of a resource from another.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// The entity tag with its quotes; one that is malformed or empty matches no listed tag.
    pub etag: &'a [u8],
    /// When the resource last changed, in seconds since the epoch.
    pub last_modified_s: u64,
}

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// All hold: perform the method.
    Proceed,
    /// 304: the client has it already.
    NotModified,
    /// 412: the resource is not in the state the client wants to act on.
    Failed,
}

/// Weighs the preconditions of a request for a resource that exists, in the order of RFC 9110
/// section 13.2.2. `If-Range` is a matter of the range: see [`if_range_holds`].
pub fn evaluate(
    method: &[u8],
    head: &RequestHead,
    bytes: &[u8],
    validators: &Validators<'_>,
) -> Precondition {
    let is_read = method == b"GET" || method == b"HEAD";
    let if_match = any_tag(head, bytes, "if-match", validators, |own, tag| {
        own.matches_strongly(tag)
    });
    let may_act = if_match.unwrap_or_else(|| {
        let date = single_date(head, bytes, "if-unmodified-since");
        date.is_none_or(|date_s| validators.last_modified_s <= date_s)
    });
    if !may_act {
        return Precondition::Failed;
    }
    let if_none_match = any_tag(head, bytes, "if-none-match", validators, |own, tag| {
        own.matches_weakly(tag)
    });
    match if_none_match {
        Some(true) if is_read => Precondition::NotModified,
        Some(true) => Precondition::Failed,
        Some(false) => Precondition::Proceed,
        None => {
            let date = single_date(head, bytes, "if-modified-since").filter(|_| is_read);
            match date {
                Some(date_s) if validators.last_modified_s <= date_s => Precondition::NotModified,
                _ => Precondition::Proceed,
            }
        }
    }
}

/// Whether a `Range` may be answered with a part: there is no `If-Range`, or it names exactly the
/// resource's present state (RFC 9110 section 13.1.5).
pub fn if_range_holds(head: &RequestHead, bytes: &[u8], validators: &Validators<'_>) -> bool {
    let mut values = head.fields_named(bytes, "if-range");
    let Some(value) = values.next() else {
        return true;
    };
    if values.next().is_some() {
        return false;
    }
    if let Some(tag) = EntityTag::parse(value) {
        let own = EntityTag::parse(validators.etag);
        return own.is_some_and(|own| own.matches_strongly(&tag));
    }
    parse_http_date(value) == Some(validators.last_modified_s)
}

/// Appends a strong entity tag made from a file's size and modification time.
pub fn etag_for(len: u64, modified_ns: u128, out: &mut Vec<u8>) {
    out.push(b'"');
    push_hex(u128::from(len), out);
    out.push(b'-');
    push_hex(modified_ns, out);
    out.push(b'"');
}

/// Whether the field names the resource's tag, or any; `None` without the field.
fn any_tag(
    head: &RequestHead,
    bytes: &[u8],
    name: &str,
    validators: &Validators<'_>,
    matches: fn(&EntityTag<'_>, &EntityTag<'_>) -> bool,
) -> Option<bool> {
    let own = EntityTag::parse(validators.etag);
    let matches_own = |tag: EntityTag<'_>| own.is_some_and(|own| matches(&own, &tag));
    let names_it = |value: &[u8]| value == b"*" || entity_tags(value).any(matches_own);
    head.fields_named(bytes, name)
        .map(names_it)
        .reduce(|any, one| any || one)
}

/// A date that is malformed or given twice is ignored (RFC 9110 sections 13.1.3 and 13.1.4).
fn single_date(head: &RequestHead, bytes: &[u8], name: &str) -> Option<u64> {
    let mut values = head.fields_named(bytes, name);
    let value = values.next()?;
    if values.next().is_some() {
        None
    } else {
        parse_http_date(value)
    }
}

//! Byte ranges (RFC 9110 section 14).

use std::ops::Range;

use super::syntax::list_elements;

/// Ranges answered in one response; a request for more gets the whole (RFC 9110 section 17.15).
pub const RANGES_MAX: usize = 16;

/// What a `Range` field comes to for a resource of a given size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeOutcome {
    /// Answer 200 with everything: the field is malformed, or of no unit this server knows.
    Whole,
    /// Answer 206 with these: half-open, in order, disjoint, not empty.
    Parts(Vec<Range<u64>>),
    /// Answer 416.
    Unsatisfiable,
}

/// Reads the value of a `Range` field. Ranges that touch or overlap become one, so that the parts
/// together are never larger than the resource.
pub fn parse_range(value: &[u8], size: u64) -> RangeOutcome {
    let Some(set) = after_unit(value) else {
        return RangeOutcome::Whole;
    };
    let mut parts: Vec<Range<u64>> = Vec::new();
    let mut specs = 0;
    for spec in list_elements(set).filter(|spec| !spec.is_empty()) {
        specs += 1;
        let Some(spec) = RangeSpec::parse(spec) else {
            return RangeOutcome::Whole;
        };
        if specs > RANGES_MAX {
            return RangeOutcome::Whole;
        }
        // A suffix of something empty is satisfiable, but there is no part to speak of.
        if size == 0 && matches!(spec, RangeSpec::Suffix(1..)) {
            return RangeOutcome::Whole;
        }
        parts.extend(spec.within(size));
    }
    if specs == 0 {
        return RangeOutcome::Whole;
    }
    if parts.is_empty() {
        RangeOutcome::Unsatisfiable
    } else {
        RangeOutcome::Parts(coalesce(parts))
    }
}

/// What follows `bytes=`; range units are case-insensitive.
fn after_unit(value: &[u8]) -> Option<&[u8]> {
    let (unit, set) = value.split_at_checked(b"bytes=".len())?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// One element of the set.
enum RangeSpec {
    From { first: u64, last: Option<u64> },
    Suffix(u64),
}

impl RangeSpec {
    fn parse(spec: &[u8]) -> Option<Self> {
        let dash = memchr::memchr(b'-', spec)?;
        let (first, rest) = spec.split_at(dash);
        let last = rest.get(1..)?;
        if first.is_empty() {
            return parse_position(last).map(Self::Suffix);
        }
        let first = parse_position(first)?;
        if last.is_empty() {
            return Some(Self::From { first, last: None });
        }
        let last = parse_position(last)?;
        (first <= last).then_some(Self::From {
            first,
            last: Some(last),
        })
    }

    /// The bytes it means, if any.
    fn within(&self, size: u64) -> Option<Range<u64>> {
        let range = match *self {
            Self::From { first, last } => {
                first..last.map_or(size, |last| last.saturating_add(1).min(size))
            }
            Self::Suffix(len) => size.saturating_sub(len)..size,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// `1*DIGIT`; what passes 64 bits lies behind the end of anything.
fn parse_position(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0_u64, |position, &byte| {
        position
            .saturating_mul(10)
            .saturating_add(u64::from(byte - b'0'))
    }))
}

fn coalesce(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    parts.sort_unstable_by_key(|part| part.start);
    parts.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            kept.end = kept.end.max(next.end);
        }
        touches
    });
    parts
}

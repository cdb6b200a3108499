//! One path pattern: its shape, what its parameters must look like, and which paths it matches.

use crate::router::PathParameters;

/// What a path parameter must look like for its route to match at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Converter {
    /// Anything.
    Text,
    /// Digits.
    Int,
    /// Digits, perhaps with a point and more digits.
    Float,
    /// 32 hexadecimal digits in five groups, with or without a dash between two of them.
    Uuid,
}

impl Converter {
    /// Whether `text` looks like it.
    pub fn accepts(self, text: &str) -> bool {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        match self {
            Self::Text => true,
            Self::Int => digits(text),
            Self::Float => match text.split_once('.') {
                Some((whole, fraction)) => digits(whole) && digits(fraction),
                None => digits(text),
            },
            Self::Uuid => is_uuid(text),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let mut rest = text.as_bytes();
    for (at, digits) in GROUPS.into_iter().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(b"-").unwrap_or(rest);
        }
        match rest.split_at_checked(digits) {
            Some((group, behind)) if group.iter().all(u8::is_ascii_hexdigit) => rest = behind,
            _ => return false,
        }
    }
    rest.is_empty()
}

/// One segment of a pattern, between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// This text.
    Static(String),
    /// A parameter, perhaps with text around it.
    Parameter { before: String, after: String },
    /// The rest of the path, which may be nothing.
    Rest,
}

/// A path pattern, parsed.
pub(crate) struct Pattern {
    path: String,
    shape: String,
    segments: Vec<Segment>,
    converters: Vec<Converter>,
    /// At least one converter accepts less than anything.
    picky: bool,
}

impl Pattern {
    /// Parses `{name}`, `{*name}` and the literals `{{` and `}}`. What is malformed stays in the
    /// shape, where the tree finds it.
    pub(crate) fn new(path: &str, converters: &[Converter]) -> Self {
        let segments: Vec<Segment> = path.split('/').map(segment).collect();
        let mut count = 0;
        let shapes: Vec<String> = path
            .split('/')
            .zip(&segments)
            .map(|(raw, s)| shape(raw, s, &mut count))
            .collect();
        Self {
            path: path.to_owned(),
            shape: shapes.join("/"),
            segments,
            converters: converters.to_vec(),
            picky: converters
                .iter()
                .any(|converter| *converter != Converter::Text),
        }
    }

    /// The pattern as it was given.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The pattern with positions for names: equal for routes that match the same paths.
    pub(crate) fn shape(&self) -> &str {
        &self.shape
    }

    /// For a pattern with a catch-all, what comes before it.
    pub(crate) fn before_rest(&self) -> Option<&str> {
        self.shape.strip_suffix(REST)
    }

    /// Whether the values found by shape alone look as they must.
    pub(crate) fn accepts(&self, parameters: &PathParameters<'_>) -> bool {
        let looks = |(at, converter): (usize, &Converter)| converter.accepts(parameters.get(at));
        !self.picky || self.converters.iter().enumerate().all(looks)
    }

    /// Matches a path without the tree.
    pub(crate) fn matches<'p>(&self, path: &'p str) -> Option<PathParameters<'p>> {
        let mut parameters = PathParameters::default();
        let mut rest = Some(path);
        for segment in &self.segments {
            let left = rest?;
            if *segment == Segment::Rest {
                parameters.push(left);
                rest = None;
                break;
            }
            let (part, behind) = match left.split_once('/') {
                Some((part, behind)) => (part, Some(behind)),
                None => (left, None),
            };
            match segment {
                Segment::Static(text) if text == part => {}
                Segment::Parameter { before, after } => {
                    let value = part
                        .strip_prefix(before.as_str())?
                        .strip_suffix(after.as_str())?;
                    parameters.push(Some(value).filter(|value| !value.is_empty())?);
                }
                _ => return None,
            }
            rest = behind;
        }
        (rest.is_none() && self.accepts(&parameters)).then_some(parameters)
    }

    /// Whether some path may match both patterns.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let mut ours = self.segments.iter();
        let mut theirs = other.segments.iter();
        loop {
            match (ours.next(), theirs.next()) {
                (Some(Segment::Rest), _) | (_, Some(Segment::Rest)) | (None, None) => return true,
                (Some(Segment::Static(one)), Some(Segment::Static(two))) if one != two => {
                    return false;
                }
                (Some(_), Some(_)) => {}
                (None, Some(_)) | (Some(_), None) => return false,
            }
        }
    }
}

const REST: &str = "{*rest}";

fn segment(raw: &str) -> Segment {
    if raw.starts_with("{*") && raw.ends_with('}') {
        return Segment::Rest;
    }
    parameter(raw).unwrap_or_else(|| Segment::Static(raw.replace("{{", "{").replace("}}", "}")))
}

/// The one parameter of a segment; `None` when it has none, or what the tree will refuse.
fn parameter(raw: &str) -> Option<Segment> {
    let (before, rest) = literal(raw);
    let (name, rest) = rest.strip_prefix('{')?.split_once('}')?;
    let (after, rest) = literal(rest);
    let well_formed = rest.is_empty() && !name.is_empty() && !name.starts_with('*');
    well_formed.then_some(Segment::Parameter { before, after })
}

/// The text before a brace that is not doubled, and what follows.
fn literal(raw: &str) -> (String, &str) {
    let mut text = String::new();
    let mut rest = raw;
    while let Some(next) = rest.chars().next() {
        let brace = matches!(next, '{' | '}');
        if brace && !rest[1..].starts_with(next) {
            break;
        }
        text.push(next);
        rest = &rest[if brace { 2 } else { next.len_utf8() }..];
    }
    (text, rest)
}

fn shape(raw: &str, segment: &Segment, count: &mut usize) -> String {
    match segment {
        Segment::Static(_) => raw.to_owned(),
        Segment::Rest => REST.to_owned(),
        Segment::Parameter { before, after } => {
            let escaped = |text: &str| text.replace('{', "{{").replace('}', "}}");
            let name = *count;
            *count += 1;
            format!("{}{{p{name}}}{}", escaped(before), escaped(after))
        }
    }
}

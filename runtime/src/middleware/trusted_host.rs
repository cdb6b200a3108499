//! Answers only requests whose `Host` is one of the application's own names.

use super::{Seen, host};
use crate::answer::Answer;

/// The names that are answered.
pub struct TrustedHost {
    any: bool,
    /// In lower case; `*.example.com` without its star.
    patterns: Vec<Pattern>,
    www_redirect: bool,
}

enum Pattern {
    Exact(String),
    Below(String),
}

impl TrustedHost {
    /// Takes names, `*.name` for every name below it, or `*`. With `www_redirect` requests for a
    /// name that is allowed only with `www.` in front are sent there.
    pub fn new(allowed: &[String], www_redirect: bool) -> Self {
        let patterns = allowed.iter().map(|pattern| match pattern.as_bytes() {
            [b'*', ..] => Pattern::Below(pattern[1..].to_ascii_lowercase()),
            _ => Pattern::Exact(pattern.to_ascii_lowercase()),
        });
        Self {
            any: allowed.iter().any(|pattern| pattern == "*"),
            patterns: patterns.collect(),
            www_redirect,
        }
    }

    fn allows(&self, host: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Exact(name) => host == name,
            Pattern::Below(name) => host.ends_with(name.as_str()),
        })
    }

    /// The refusal, or the redirect to `www.`; `None` for a request to be answered.
    pub(crate) fn enter(&self, seen: Seen<'_>) -> Option<Answer> {
        if self.any {
            return None;
        }
        let Some((host, _)) = seen.field("host").and_then(host::split) else {
            return Some(host::invalid());
        };
        if self.allows(&host) {
            return None;
        }
        let www = format!("www.{host}");
        let known = |pattern: &Pattern| matches!(pattern, Pattern::Exact(name) if *name == www);
        if self.www_redirect
            && self.patterns.iter().any(known)
            && let Some(authority) = host::authority(seen)
        {
            let scheme = match (seen.is_websocket(), seen.is_secure()) {
                (false, false) => "http",
                (false, true) => "https",
                (true, false) => "ws",
                (true, true) => "wss",
            };
            return Some(host::elsewhere(seen, scheme, &format!("www.{authority}")));
        }
        Some(host::invalid())
    }
}

//! Cross-origin resource sharing (the Fetch standard, section 3.3).

use super::{Seen, field_lines};
use crate::answer::{Answer, AnswerBody};
use std::borrow::Cow;

const PLAIN_TEXT: &[u8] = b"text/plain; charset=utf-8";

/// What is allowed. Header lists are computed already: they do not depend on the request.
#[derive(Clone, Debug, Default)]
pub struct CorsOptions {
    /// Origins that may read answers; `*` allows all.
    pub origins: Vec<String>,
    /// Origins that match this as a whole may read answers too.
    pub origin_pattern: Option<String>,
    /// Methods that a preflight may ask for.
    pub methods: Vec<String>,
    /// Request headers that a preflight may ask for, in lower case.
    pub headers: Vec<String>,
    /// Every request header may be asked for.
    pub all_headers: bool,
    /// Requests may carry cookies: the origin is named even where all are allowed.
    pub credentials: bool,
    /// Pages of the public internet may ask a private network.
    pub private_network: bool,
    /// Fields of every answer to a request with an origin.
    pub simple_fields: Vec<(String, String)>,
    /// Fields of every answer to a preflight.
    pub preflight_fields: Vec<(String, String)>,
}

/// Answers preflights, and tells browsers who may read an answer.
pub struct Cors {
    options: CorsOptions,
    pattern: Option<regex_lite::Regex>,
    all_origins: bool,
    /// Whether an answer names the origin that asks.
    names_origin: bool,
}

impl Cors {
    /// Takes the options.
    ///
    /// # Errors
    /// What is wrong with `origin_pattern`.
    pub fn new(options: CorsOptions) -> Result<Self, String> {
        let compile = |pattern: &String| regex_lite::Regex::new(&format!("^(?:{pattern})$"));
        let pattern = options.origin_pattern.as_ref().map(compile).transpose();
        let all_origins = options.origins.iter().any(|origin| origin == "*");
        Ok(Self {
            pattern: pattern.map_err(|error| error.to_string())?,
            all_origins,
            names_origin: !all_origins || options.credentials,
            options,
        })
    }

    fn allows(&self, origin: &[u8]) -> bool {
        if self.all_origins || has(&self.options.origins, origin) {
            return true;
        }
        // Origins are ASCII (RFC 6454, section 6.2): what is not is none.
        let text = std::str::from_utf8(origin)
            .ok()
            .filter(|text| text.is_ascii());
        let pattern = self.pattern.as_ref();
        pattern
            .zip(text)
            .is_some_and(|(pattern, text)| pattern.is_match(text))
    }

    /// The answer to a preflight, if this is one.
    pub(crate) fn enter(&self, seen: Seen<'_>) -> Option<Answer> {
        if seen.method() != b"OPTIONS" || seen.is_websocket() {
            return None;
        }
        let origin = seen.field("origin")?;
        let method = seen.field("access-control-request-method")?;
        let mut fields = Cow::Borrowed(&b""[..]);
        for (name, value) in &self.options.preflight_fields {
            field_lines::set(&mut fields, &name.to_ascii_lowercase(), value.as_bytes());
        }
        let mut failures: Vec<&str> = Vec::new();
        if !self.allows(origin) {
            failures.push("origin");
        } else if self.names_origin {
            field_lines::set(&mut fields, "access-control-allow-origin", origin);
        }
        if !has(&self.options.methods, method) {
            failures.push("method");
        }
        if let Some(asked) = seen.field("access-control-request-headers") {
            if self.options.all_headers {
                field_lines::set(&mut fields, "access-control-allow-headers", asked);
            } else if !self.allows_headers(asked) {
                failures.push("headers");
            }
        }
        if seen
            .field("access-control-request-private-network")
            .is_some()
        {
            if self.options.private_network {
                let name = "access-control-allow-private-network";
                field_lines::set(&mut fields, name, b"true");
            } else {
                failures.push("private-network");
            }
        }
        field_lines::set(&mut fields, "content-type", PLAIN_TEXT);
        let (status, body) = if failures.is_empty() {
            (200, AnswerBody::Static(b"OK"))
        } else {
            let text = format!("Disallowed CORS {}", failures.join(", "));
            (400, AnswerBody::Bytes(text.into_bytes()))
        };
        Some(Answer {
            status,
            fields,
            close: false,
            body,
        })
    }

    fn allows_headers(&self, asked: &[u8]) -> bool {
        asked.split(|&byte| byte == b',').all(|name| {
            let name = name.trim_ascii();
            let known = |known: &String| known.as_bytes().eq_ignore_ascii_case(name);
            self.options.headers.iter().any(known)
        })
    }

    /// Adds the fields that let a browser hand the answer to a page.
    pub(crate) fn leave(&self, seen: Seen<'_>, answer: &mut Answer) {
        let fields = &mut answer.fields;
        if let Some(origin) = seen.field("origin") {
            for (name, value) in &self.options.simple_fields {
                field_lines::set(fields, &name.to_ascii_lowercase(), value.as_bytes());
            }
            if self.names_origin && self.allows(origin) {
                field_lines::set(fields, "access-control-allow-origin", origin);
            }
        }
        // The answer depends on the origin even when this request has named none.
        field_lines::add_vary(fields, b"Origin");
    }
}

fn has(names: &[String], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
}

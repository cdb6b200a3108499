//! The `Host` field (RFC 9110, section 7.2), and URLs made from it.

use super::Seen;
use crate::answer::{Answer, AnswerBody};
use protocols::http1;
use std::borrow::Cow;
use std::net::Ipv6Addr;

/// A host in lower case, an IPv6 address in its brackets, and the port's digits if there are any.
pub(crate) fn split(field: &[u8]) -> Option<(String, Option<&str>)> {
    let text = std::str::from_utf8(field).ok()?;
    let (host, rest) = if text.starts_with('[') {
        text.split_at(text.find(']')? + 1)
    } else {
        text.split_at(text.find(':').unwrap_or(text.len()))
    };
    let port = match rest.strip_prefix(':') {
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port)
        }
        None if rest.is_empty() => None,
        _ => return None,
    };
    (is_name(host.as_bytes()) || is_ip_literal(host)).then(|| (host.to_ascii_lowercase(), port))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._~%!$&'()*+,;=-".contains(&byte)
}

fn is_name(host: &[u8]) -> bool {
    !host.is_empty() && host.iter().copied().all(is_name_byte)
}

fn is_ip_literal(host: &str) -> bool {
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inside.is_some_and(|inside| match inside.strip_prefix('v') {
        Some(future) => future.split_once('.').is_some_and(|(version, address)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
                && address
                    .bytes()
                    .all(|byte| (byte == b':' || is_name_byte(byte)) && byte != b'%')
        }),
        None => inside.parse::<Ipv6Addr>().is_ok(),
    })
}

/// The authority of a request's URL: its `Host` if that is sound, else the server's own address.
pub(crate) fn authority(seen: Seen<'_>) -> Option<String> {
    if let Some(field) = seen.field("host")
        && let Some((_, port)) = split(field)
        && port.is_none_or(is_port)
    {
        return String::from_utf8(field.to_vec()).ok();
    }
    let (host, port) = seen.server()?;
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host
    };
    let default = if seen.is_secure() { 443 } else { 80 };
    Some(match port {
        Some(port) if port != default => format!("{host}:{port}"),
        _ => host,
    })
}

fn is_port(digits: &str) -> bool {
    let significant = digits.trim_start_matches('0');
    significant.is_empty() || significant.parse::<u16>().is_ok()
}

/// The answer to a request whose `Host` will not do.
pub(crate) fn invalid() -> Answer {
    Answer::text(400, "Invalid host header")
}

/// Sends the peer to the same path and query under another scheme and authority.
pub(crate) fn elsewhere(seen: Seen<'_>, scheme: &str, authority: &str) -> Answer {
    let path = match seen.head.path(seen.bytes) {
        b"*" => b"/",
        path => path,
    };
    let mut location = [scheme.as_bytes(), b"://", authority.as_bytes(), path].concat();
    let query = seen.head.query.of(seen.bytes);
    if !query.is_empty() {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    let mut fields = Vec::new();
    // The parts of a parsed head are valid in a field.
    let _ = http1::encode_field(b"location", &location, &mut fields);
    Answer {
        status: 307,
        fields: Cow::Owned(fields),
        close: false,
        body: AnswerBody::Empty,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_port, split};

    #[test]
    fn hosts_are_split_from_ports() {
        let good: &[(&str, &str, Option<&str>)] = &[
            ("a", "a", None),
            ("Example.COM", "example.com", None),
            ("a:80", "a", Some("80")),
            ("127.0.0.1:8000", "127.0.0.1", Some("8000")),
            ("[::1]", "[::1]", None),
            ("[::1]:443", "[::1]", Some("443")),
            ("[2001:DB8::1]:1", "[2001:db8::1]", Some("1")),
            ("[v1.a:b]", "[v1.a:b]", None),
        ];
        for (field, host, port) in good {
            assert_eq!(
                split(field.as_bytes()),
                Some(((*host).to_owned(), *port)),
                "{field}"
            );
        }
        let bad = [
            "",
            ":80",
            "a:",
            "a:b",
            "a:8 0",
            "a b",
            "a/b",
            "a@b",
            "[::1",
            "::1",
            "[::1]a",
            "[]",
            "[::1%eth0]",
            "[v.a]",
            "[v1.]",
            "a:80:90",
            "\u{e9}",
        ];
        for field in bad {
            assert_eq!(split(field.as_bytes()), None, "{field}");
        }
        assert_eq!(split(b"\xff"), None);
    }

    #[test]
    fn ports_have_sixteen_bits() {
        assert!(is_port("0") && is_port("65535") && is_port("000080"));
        assert!(!is_port("65536") && !is_port("99999999999999999999"));
    }
}

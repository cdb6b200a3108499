//! Who the request is for: `uri-host [ ":" port ]` (RFC 3986 section 3.2, without userinfo).

use std::net::Ipv6Addr;

use super::syntax::{hex_value, is_reg_name_byte};

/// Whether `authority` is a host with an optional port. An empty host passes: RFC 9112 section 3.2
/// asks clients to send an empty `Host` when the target has no authority.
#[inline]
pub(crate) fn is_authority(authority: &[u8]) -> bool {
    let name_len = authority
        .iter()
        .position(|&byte| !is_reg_name_byte(byte))
        .unwrap_or(authority.len());
    let rest = authority.get(name_len..).unwrap_or_default();
    // Almost all hosts are names without escapes, or IPv4 addresses.
    is_port_suffix(rest) || is_unusual_authority(authority)
}

fn is_unusual_authority(authority: &[u8]) -> bool {
    let (host_is_good, rest) = match authority {
        [b'[', inside @ ..] => {
            let Some(end) = memchr::memchr(b']', inside) else {
                return false;
            };
            let (literal, rest) = inside.split_at(end);
            (is_ip_literal(literal), rest.get(1..).unwrap_or_default())
        }
        _ => {
            let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
            let (name, rest) = authority.split_at(end);
            (is_reg_name(name), rest)
        }
    };
    host_is_good && is_port_suffix(rest)
}

#[inline]
fn is_port_suffix(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// IPv4 addresses are a subset of reg-name.
fn is_reg_name(name: &[u8]) -> bool {
    let mut bytes = name.iter().copied();
    while let Some(byte) = bytes.next() {
        let good = is_reg_name_byte(byte)
            || (byte == b'%'
                && bytes.next().and_then(hex_value).is_some()
                && bytes.next().and_then(hex_value).is_some());
        if !good {
            return false;
        }
    }
    true
}

fn is_ip_literal(literal: &[u8]) -> bool {
    match literal {
        [b'v' | b'V', future @ ..] => {
            let Some(dot) = memchr::memchr(b'.', future) else {
                return false;
            };
            let (version, address) = future.split_at(dot);
            !version.is_empty()
                && version.iter().all(u8::is_ascii_hexdigit)
                && address.len() > 1
                && address
                    .iter()
                    .all(|&byte| is_reg_name_byte(byte) || byte == b':')
        }
        _ => std::str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
    }
}

//! What proxies say of the client (`X-Forwarded-For`, `X-Forwarded-Proto`), and whom to believe.

use crate::stream::Peer;
use protocols::http1::Field;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Most addresses and networks in one list.
const NETWORKS_MAX: usize = 256;

/// The leading bits of an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Whose word on the client is taken: `*`, or addresses and networks in a list with commas.
///
/// Peers on a Unix socket are always trusted: the file's permissions say who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedProxies {
    all: bool,
    networks: Vec<Network>,
}

/// The addresses that share the first `prefix_bits` of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// A list that names something else than addresses and networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidList {
    reason: String,
}

impl fmt::Display for InvalidList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for InvalidList {}

impl FromStr for TrustedProxies {
    type Err = InvalidList;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let mut trusted = Self::default();
        for entry in list.split(',').map(str::trim) {
            match entry {
                "" => {}
                "*" => trusted.all = true,
                entry => trusted.networks.push(Network::parse(entry)?),
            }
        }
        if trusted.networks.len() > NETWORKS_MAX {
            let reason = format!("must name at most {NETWORKS_MAX} addresses and networks");
            return Err(InvalidList { reason });
        }
        Ok(trusted)
    }
}

impl TrustedProxies {
    /// Whether the word of such a peer is taken.
    pub fn trusts_peer(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Tcp(address) => self.trusts(address.ip()),
            Peer::Unix => true,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.all || self.networks.iter().any(|known| known.contains(address))
    }
}

impl Network {
    fn parse(entry: &str) -> Result<Self, InvalidList> {
        let parsed = match entry.split_once('/') {
            None => entry.parse().ok().map(Self::of_one),
            Some((address, bits)) => address.parse().ok().zip(prefix(bits)).and_then(Self::new),
        };
        let reason = || {
            format!(
                "'{entry}' must be *, an address such as 10.0.0.1 or ::1, or a network such as \
                 10.0.0.0/8"
            )
        };
        parsed.ok_or_else(|| InvalidList { reason: reason() })
    }

    fn of_one(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let prefix_bits = bits_of(address);
        Self {
            address,
            prefix_bits,
        }
    }

    fn new((address, prefix_bits): (IpAddr, u8)) -> Option<Self> {
        if prefix_bits > bits_of(address) {
            return None;
        }
        // Peers are compared by their IPv4 address, where they have one.
        let canonical = address.to_canonical();
        if canonical != address && prefix_bits >= MAPPED_BITS {
            return Some(Self {
                address: canonical,
                prefix_bits: prefix_bits - MAPPED_BITS,
            });
        }
        Some(Self {
            address,
            prefix_bits,
        })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let bits = u32::from(self.prefix_bits);
        // A shift by all bits leaves nothing to differ.
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.checked_shr(u32::BITS - bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.checked_shr(u128::BITS - bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

fn bits_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// A prefix's length; digits only, which `u8` alone would not insist on.
fn prefix(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// What a trusted peer says of one request; read from its head when somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded<'a> {
    pub(crate) trusted: &'a TrustedProxies,
    pub(crate) fields: &'a [Field],
    /// What the fields' spans point into.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Forwarded<'a> {
    /// Whether the client's connection has TLS; `None` when nothing sound is said.
    ///
    /// The last field counts, which is the nearest proxy's.
    pub fn is_secure(self) -> Option<bool> {
        let scheme = self.values(b"x-forwarded-proto").next_back()?.trim_ascii();
        let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
        match scheme {
            _ if is(b"https") || is(b"wss") => Some(true),
            _ if is(b"http") || is(b"ws") => Some(false),
            _ => None,
        }
    }

    /// The client's address: from the right the first that is no trusted proxy, else the one
    /// farthest to the left.
    ///
    /// `None` when nothing is said, or an address in question is none: what stands to the left
    /// of that could be anybody's word.
    pub fn client(self) -> Option<IpAddr> {
        let mut farthest = None;
        for value in self.values(b"x-forwarded-for").rev() {
            for entry in value.rsplit(|byte| *byte == b',') {
                let entry = entry.trim_ascii();
                if entry.is_empty() {
                    continue;
                }
                let address = address_of(entry)?;
                if !self.trusted.trusts(address) {
                    return Some(address);
                }
                farthest = Some(address);
            }
        }
        farthest
    }

    fn values(self, name: &'static [u8]) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        let Self { fields, bytes, .. } = self;
        fields
            .iter()
            .filter(move |field| field.name.of(bytes).eq_ignore_ascii_case(name))
            .map(move |field| field.value.of(bytes))
    }
}

/// An address as proxies write it: alone, in brackets, or with a port, which says nothing here.
fn address_of(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let alone = text.parse().ok();
    let bracketed = || {
        let inside = text.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse().ok().map(IpAddr::V6)
    };
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address = alone.or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::{Forwarded, TrustedProxies};
    use crate::stream::Peer;
    use protocols::Parsed;
    use protocols::http1::{HeadLimits, RequestHead, parse_request_head};

    fn trusted(list: &str) -> TrustedProxies {
        list.parse().unwrap()
    }

    fn trusts(list: &str, address: &str) -> bool {
        trusted(list).trusts(address.parse().unwrap())
    }

    /// What is made of such fields: whether it is secure, and the client.
    fn read(list: &str, fields: &[u8]) -> (Option<bool>, Option<String>) {
        let bytes = [b"GET / HTTP/1.1\r\nhost: a\r\n", fields, b"\r\n"].concat();
        let limits = HeadLimits {
            head_bytes_max: 4096,
            fields_max: 16,
            request_line_bytes_max: 1024,
        };
        let mut head = RequestHead::default();
        let parsed = parse_request_head(&bytes, &limits, &mut head);
        assert!(matches!(parsed, Ok(Parsed::Complete { .. })), "{fields:?}");
        let forwarded = Forwarded {
            trusted: &trusted(list),
            fields: &head.fields,
            bytes: &bytes,
        };
        let client = forwarded.client().map(|address| address.to_string());
        (forwarded.is_secure(), client)
    }

    fn client(list: &str, value: &str) -> Option<String> {
        read(list, format!("X-Forwarded-For: {value}\r\n").as_bytes()).1
    }

    #[test]
    fn addresses_and_networks_are_trusted() {
        let list =
            " 127.0.0.1, ::1 ,10.0.0.0/8,,192.168.1.7/24,2001:db8::/32,::ffff:172.16.0.0/108";
        for address in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "10.255.0.1",
            "192.168.1.200",
            "2001:db8:ffff::1",
            "172.31.0.1",
        ] {
            assert!(trusts(list, address), "{address}");
        }
        for address in [
            "127.0.0.2",
            "::2",
            "11.0.0.0",
            "192.168.2.7",
            "2001:db9::",
            "172.32.0.1",
        ] {
            assert!(!trusts(list, address), "{address}");
        }
        assert!(trusts("0.0.0.0/0", "9.9.9.9") && !trusts("0.0.0.0/0", "2::"));
        assert!(trusts("::/0", "2::") && !trusts("::/0", "9.9.9.9"));
        assert!(trusts("9.9.9.9/32", "9.9.9.9") && !trusts("9.9.9.9/32", "9.9.9.8"));
        assert!(trusts("*", "9.9.9.9") && trusts("1.1.1.1, *", "2::"));
        assert!(!trusts("", "127.0.0.1"));
    }

    #[test]
    fn a_peer_without_an_address_is_trusted() {
        assert!(trusted("").trusts_peer(&Peer::Unix));
        let peer = Peer::Tcp(([127, 0, 0, 1], 1).into());
        assert!(!trusted("").trusts_peer(&peer) && trusted("127.0.0.1").trusts_peer(&peer));
    }

    #[test]
    fn other_lists_are_refused_with_a_sentence() {
        for list in [
            "localhost",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "/8",
            "10.0.0",
            "127.0.0.1 ::1",
            "1.1.1.1,*.2",
            "[::1]",
            "\u{e9}",
        ] {
            let error = list.parse::<TrustedProxies>().unwrap_err().to_string();
            assert!(error.contains("must be *, an address"), "{list}: {error}");
        }
        let many = "1.1.1.1,".repeat(257);
        let error = many.parse::<TrustedProxies>().unwrap_err().to_string();
        assert!(error.contains("at most 256"), "{error}");
    }

    #[test]
    fn the_nearest_proxy_states_the_scheme() {
        let secure = |fields: &str| read("", fields.as_bytes()).0;
        assert_eq!(secure("X-Forwarded-Proto: https\r\n"), Some(true));
        assert_eq!(secure("x-forwarded-proto: WSS \r\n"), Some(true));
        assert_eq!(secure("X-FORWARDED-PROTO: http\r\n"), Some(false));
        assert_eq!(secure("x-forwarded-proto: ws\r\n"), Some(false));
        let both = "x-forwarded-proto: https\r\nx-forwarded-proto: http\r\n";
        assert_eq!(secure(both), Some(false));
        for odd in ["", "ftp", "https,http", "\"https\"", "https;a", "http s"] {
            assert_eq!(secure(&format!("x-forwarded-proto: {odd}\r\n")), None);
        }
        assert_eq!(secure(""), None);
        assert_eq!(read("", b"x-forwarded-proto: \xff\r\n").0, None);
    }

    #[test]
    fn the_client_is_the_first_stranger_from_the_right() {
        let of = |value| client("127.0.0.1,10.0.0.0/8", value);
        let some = |address: &str| Some(address.to_owned());
        assert_eq!(of("1.2.3.4"), some("1.2.3.4"));
        assert_eq!(of("1.2.3.4, 10.0.0.1,10.2.0.1"), some("1.2.3.4"));
        assert_eq!(of("6.6.6.6, 1.2.3.4, 10.0.0.1"), some("1.2.3.4"));
        assert_eq!(of("nonsense, 1.2.3.4"), some("1.2.3.4"));
        assert_eq!(of("10.0.0.2, 10.0.0.1"), some("10.0.0.2"));
        assert_eq!(of(" , 1.2.3.4,\t, "), some("1.2.3.4"));
        assert_eq!(of("1.2.3.4:8080"), some("1.2.3.4"));
        assert_eq!(of("[2001:DB8::1]:8080"), some("2001:db8::1"));
        assert_eq!(of("[2001:db8::1]"), some("2001:db8::1"));
        assert_eq!(of("2001:db8::1"), some("2001:db8::1"));
        assert_eq!(of("::ffff:1.2.3.4, ::ffff:10.0.0.1"), some("1.2.3.4"));
        assert_eq!(client("*", "1.2.3.4, 5.6.7.8"), some("1.2.3.4"));
        let two = b"x-forwarded-for: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-For: 10.0.0.1\r\n";
        assert_eq!(read("10.0.0.0/8", two).1, some("1.2.3.4"));
    }

    #[test]
    fn what_is_no_address_is_ignored_with_what_precedes_it() {
        for odd in [
            "",
            ",",
            "unknown",
            "_hidden",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.4:",
            "1.2.3.4:99999",
            "[1.2.3.4]",
            "[::1",
            "::1]",
            "fe80::1%eth0",
            "\"1.2.3.4\"",
            "for=1.2.3.4",
            "6.6.6.6, unknown, 10.0.0.1",
            "1.2.3.4 5.6.7.8",
            "01.2.3.4",
        ] {
            assert_eq!(client("10.0.0.0/8", odd), None, "{odd}");
        }
        assert_eq!(read("*", b"x-forwarded-for: \xff\xfe\r\n").1, None);
    }

    #[test]
    fn every_beginning_and_every_odd_byte_is_survived() {
        let whole = b"6.6.6.6, [2001:db8::1]:80 ,1.2.3.4:8080, ::ffff:10.0.0.1";
        for end in 0..=whole.len() {
            let field = [b"x-forwarded-for: ", &whole[..end], b"\r\n"].concat();
            for list in ["", "*", "10.0.0.0/8,1.2.3.4"] {
                read(list, &field);
            }
        }
        for at in 0..whole.len() {
            for odd in [
                b' ', b',', b'[', b']', b':', b'.', b'%', b'"', b'9', b'\xff',
            ] {
                let mut value = whole.to_vec();
                value[at] = odd;
                let field = [b"x-forwarded-for: ", value.as_slice(), b"\r\n"].concat();
                read("*", &field);
                read("10.0.0.0/8", &field);
            }
        }
        for list in ["10.0.0.0/8", "2001:db8::/32", "*"] {
            for end in 0..list.len() {
                let _ = list[..end].parse::<TrustedProxies>();
            }
        }
    }
}

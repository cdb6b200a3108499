//! Where the load goes: an `http://` URL on this machine, and nowhere else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A loopback address, the path to ask for and the text of the `host` field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Address to connect to; always loopback.
    pub address: SocketAddr,
    /// Value of the `host` field, as the URL spelt it.
    pub host: String,
    /// Path and query, starting with `/`.
    pub path: String,
}

/// Why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetError {
    /// The URL does not start with `http://`.
    Scheme,
    /// The host is neither `localhost` nor an IP address, or the port is no number.
    Authority(String),
    /// The address is not this machine's own.
    NotLoopback(IpAddr),
    /// A byte that would break the request line.
    Path,
}

impl fmt::Display for TargetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => write!(out, "the URL must start with http://"),
            Self::Authority(text) => write!(out, "`{text}` is no ADDRESS:PORT"),
            Self::NotLoopback(address) => {
                write!(
                    out,
                    "{address} is not loopback: only servers on this machine may be loaded"
                )
            }
            Self::Path => write!(out, "the path holds a space or a control character"),
        }
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// Reads a URL; names are not resolved, so that nothing but `localhost` and addresses can pass.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let rest = url.strip_prefix("http://").ok_or(TargetError::Scheme)?;
        let (host, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let path = if path.starts_with('?') {
            format!("/{path}")
        } else {
            path.to_owned()
        };
        if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(TargetError::Path);
        }
        let address = parse_authority(host).ok_or_else(|| TargetError::Authority(host.into()))?;
        if !address.ip().is_loopback() {
            return Err(TargetError::NotLoopback(address.ip()));
        }
        Ok(Self {
            address,
            host: host.to_owned(),
            path,
        })
    }
}

fn parse_authority(text: &str) -> Option<SocketAddr> {
    if let Some(rest) = text.strip_prefix("localhost") {
        let port = if rest.is_empty() {
            80
        } else {
            rest.strip_prefix(':')?.parse().ok()?
        };
        return Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse().ok().or_else(|| {
        bare.parse::<IpAddr>()
            .ok()
            .map(|address| SocketAddr::new(address, 80))
    })
}

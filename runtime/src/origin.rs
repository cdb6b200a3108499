//! Where the requests of one connection come from, and where they went to.

use crate::forwarded::{Forwarded, TrustedProxies};
use crate::stream::Peer;
use protocols::http1::Field;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The two ends of one connection, shared by its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who is at the other end.
    pub peer: Peer,
    /// The address that the peer connected to; `None` on a Unix socket.
    pub server: Option<SocketAddr>,
    /// What the application is told instead, on connections that were not accepted.
    pub stated: Option<Stated>,
    /// Whom the peer's requests may have come through, where its word on that is taken.
    pub proxies: Option<Arc<TrustedProxies>>,
}

/// What a connection is said to be, whatever its socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Names the connection for whoever made it.
    pub id: u64,
    /// `"http"` or `"https"`.
    pub scheme: String,
    /// The client's host and port.
    pub client: Option<(String, u16)>,
    /// The server's host and port.
    pub server: Option<(String, Option<u16>)>,
}

impl Origin {
    /// A connection within this machine that is said to be `stated`.
    pub fn of_stated(stated: Stated) -> Self {
        Self {
            peer: Peer::Unix,
            server: None,
            stated: Some(stated),
            proxies: None,
        }
    }

    /// What the peer says of a request's client, if it is believed; `bytes` is what the fields'
    /// spans point into.
    pub fn forwarded<'a>(&'a self, fields: &'a [Field], bytes: &'a [u8]) -> Option<Forwarded<'a>> {
        let trusted = self.proxies.as_deref()?;
        Some(Forwarded {
            trusted,
            fields,
            bytes,
        })
    }

    /// Whether the client's connection has TLS, as far as anybody says so.
    pub fn is_secure(&self, fields: &[Field], bytes: &[u8]) -> bool {
        if let Some(stated) = &self.stated {
            return matches!(stated.scheme.as_str(), "https" | "wss");
        }
        let forwarded = self.forwarded(fields, bytes);
        forwarded.and_then(Forwarded::is_secure).unwrap_or(false)
    }

    /// The client's address and port; a proxy does not tell the port, which is 0 then. `None`
    /// when it has none.
    pub fn client(&self, fields: &[Field], bytes: &[u8]) -> Option<(IpAddr, u16)> {
        let forwarded = self.forwarded(fields, bytes);
        match (forwarded.and_then(Forwarded::client), &self.peer) {
            (Some(address), _) => Some((address, 0)),
            (None, Peer::Tcp(address)) => Some((address.ip(), address.port())),
            (None, Peer::Unix) => None,
        }
    }
}

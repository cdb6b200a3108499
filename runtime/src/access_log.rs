//! One record for each answered request, for whoever keeps the access log.

use crate::stream::Peer;
use std::net::IpAddr;
use std::time::Duration;

/// What is known of a request when its answer has been written.
pub struct AccessRecord<'a> {
    /// Who asked.
    pub peer: &'a Peer,
    /// For whom the peer asked, if it is a trusted proxy that says so.
    pub client: Option<IpAddr>,
    /// The method.
    pub method: &'a [u8],
    /// The request target as it was sent.
    pub target: &'a [u8],
    /// Minor HTTP version.
    pub minor_version: u8,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of body, when known at once.
    pub body_bytes: Option<u64>,
    /// From the parsed head to the finished answer.
    pub took: Duration,
}

/// Receives the records; called on the shard's thread, so it must not block.
pub type AccessLog = Box<dyn Fn(&AccessRecord<'_>)>;

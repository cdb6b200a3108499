//! One line for each answer, in the format of the log.

use crate::logging::{self, Level};
use runtime::{AccessLog, AccessRecord, Peer};

/// The access log of a shard.
pub(crate) fn access_log() -> AccessLog {
    Box::new(write)
}

fn write(record: &AccessRecord<'_>) {
    let peer = match record.peer {
        Peer::Tcp(address) => address.to_string(),
        Peer::Unix => "unix".to_owned(),
    };
    let method = String::from_utf8_lossy(record.method);
    let target = String::from_utf8_lossy(record.target);
    let ms = record.took.as_secs_f64() * 1e3;
    let bytes = record.body_bytes;
    let shown = bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
    let line = format!(
        "{peer} \"{method} {target} HTTP/1.{}\" {} {shown} {ms:.3}ms",
        record.minor_version, record.status
    );
    let fields = [
        ("peer", peer.into()),
        ("method", method.into_owned().into()),
        ("target", target.into_owned().into()),
        ("status", record.status.into()),
        ("bytes", bytes.into()),
        ("took_ms", ms.into()),
    ];
    logging::log_with(Level::Info, line, &fields);
}

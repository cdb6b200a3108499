//! One line for each answer, in the format of the log.

use crate::logging::{self, Ink, Level};
use runtime::{AccessLog, AccessRecord, Peer};

/// The access log of a shard.
pub(crate) fn access_log() -> AccessLog {
    Box::new(write)
}

fn write(record: &AccessRecord<'_>) {
    if logging::is_short() {
        return logging::info(short(record));
    }
    let peer = match record.peer {
        Peer::Tcp(address) => address.to_string(),
        Peer::Unix => "unix".to_owned(),
    };
    let client = record.client.map(|address| address.to_string());
    let method = String::from_utf8_lossy(record.method);
    let target = String::from_utf8_lossy(record.target);
    let ms = record.took.as_secs_f64() * 1e3;
    let bytes = record.body_bytes;
    let shown = bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
    let line = format!(
        "{} \"{method} {target} HTTP/1.{}\" {} {shown} {ms:.3}ms",
        client.as_ref().unwrap_or(&peer),
        record.minor_version,
        record.status
    );
    let mut fields = vec![
        ("peer", peer.into()),
        ("method", method.into_owned().into()),
        ("target", target.into_owned().into()),
        ("status", record.status.into()),
        ("bytes", bytes.into()),
        ("took_ms", ms.into()),
    ];
    if let Some(client) = client {
        fields.push(("client", client.into()));
    }
    logging::log_with(Level::Info, line, &fields);
}

/// Method, path, status and time: what somebody looks for who is writing the application.
fn short(record: &AccessRecord<'_>) -> String {
    let method = String::from_utf8_lossy(record.method);
    let target = String::from_utf8_lossy(record.target);
    // A terminal must not take orders from a peer.
    let target = target.replace(char::is_control, "?");
    let ink = match record.status {
        0..200 => Ink::Dim,
        200..300 => Ink::Green,
        300..400 => Ink::Cyan,
        400..500 => Ink::Yellow,
        _ => Ink::Red,
    };
    let status = logging::paint(&record.status.to_string(), ink);
    let ms = record.took.as_secs_f64() * 1e3;
    format!("{method:<6} {target} {status} {ms:.1} ms")
}

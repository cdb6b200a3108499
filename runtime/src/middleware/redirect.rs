//! Sends every request that came without TLS to `https` (or `wss`).

use super::{Seen, host};
use crate::answer::Answer;

/// The redirect; `None` for what is secure already.
pub(crate) fn enter(seen: Seen<'_>) -> Option<Answer> {
    if seen.is_secure() {
        return None;
    }
    let Some(authority) = host::authority(seen) else {
        return Some(host::invalid());
    };
    // Another port than the default ones is kept: nobody knows which one has TLS.
    let plain = [":80", ":443"]
        .iter()
        .find_map(|port| authority.strip_suffix(port));
    let scheme = if seen.is_websocket() { "wss" } else { "https" };
    Some(host::elsewhere(seen, scheme, plain.unwrap_or(&authority)))
}

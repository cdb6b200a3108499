//! Agreeing on permessage-deflate (RFC 7692 section 7.1).

use super::deflate::SHARED_WINDOW_BITS;
use super::extensions::{Offer, read_extensions};

/// A window of 32 KiB, which is used where nothing smaller was agreed on.
const WINDOW_BITS_MAX: u8 = 15;

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateParams {
    /// Every message of the server is compressed on its own.
    pub server_no_context_takeover: bool,
    /// Every message of the client is compressed on its own.
    pub client_no_context_takeover: bool,
    /// The server refers back by at most two to this power of bytes; 8 to 15.
    pub server_max_window_bits: u8,
    /// The client refers back by at most two to this power of bytes; 8 to 15.
    pub client_max_window_bits: u8,
}

/// Takes the first offer of permessage-deflate in the values of `Sec-WebSocket-Extensions`: what
/// is agreed on, and the value to answer with. `None` without one that a client may make.
///
/// The server's window is that of [`SHARED_WINDOW_BITS`], or smaller if asked for. The client's is
/// the same where it can be told so; memory per connection is what its messages may refer to.
pub fn negotiate_deflate<'a>(
    values: impl Iterator<Item = &'a [u8]>,
) -> Option<(DeflateParams, String)> {
    let mut first = None;
    for value in values {
        let mut here = None;
        let is_good = read_extensions(value, &mut |offer| here = here.or(Some(offer)));
        first = first.or(here.filter(|_| is_good));
    }
    first.map(accept)
}

fn accept(offer: Offer) -> (DeflateParams, String) {
    let smaller =
        |asked: Option<u8>| asked.map_or(SHARED_WINDOW_BITS, |it| it.min(SHARED_WINDOW_BITS));
    let params = DeflateParams {
        server_no_context_takeover: offer.server_no_context_takeover,
        client_no_context_takeover: offer.client_no_context_takeover,
        server_max_window_bits: smaller(offer.server_max_window_bits),
        client_max_window_bits: offer
            .client_max_window_bits
            .map_or(WINDOW_BITS_MAX, smaller),
    };
    let mut answer = "permessage-deflate".to_owned();
    if params.server_no_context_takeover {
        answer += "; server_no_context_takeover";
    }
    if params.client_no_context_takeover {
        answer += "; client_no_context_takeover";
    }
    answer += &format!("; server_max_window_bits={}", params.server_max_window_bits);
    // Only a client that named it can be told (RFC 7692 section 7.1.2.2).
    if offer.client_max_window_bits.is_some() {
        answer += &format!("; client_max_window_bits={}", params.client_max_window_bits);
    }
    (params, answer)
}

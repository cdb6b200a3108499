//! Agreeing on permessage-deflate.

use protocols::websocket::{DeflateParams, SHARED_WINDOW_BITS, negotiate_deflate};

fn negotiate(values: &[&str]) -> Option<(DeflateParams, String)> {
    negotiate_deflate(values.iter().map(|value| value.as_bytes()))
}

/// The parameters of the answer, behind the extension's name.
fn answer(offer: &str) -> String {
    let (params, answer) = negotiate(&[&format!("permessage-deflate{offer}")]).expect("accepted");
    let mut words = answer.split("; ");
    assert_eq!(words.next(), Some("permessage-deflate"));
    // What is said is what is done.
    let words: Vec<_> = words.collect();
    let number = |name: &str| {
        let mut values = words.iter().filter_map(|word| word.strip_prefix(name));
        values.next().map(|bits| bits.parse().expect("a number"))
    };
    let server = number("server_max_window_bits=");
    assert_eq!(server, Some(params.server_max_window_bits));
    assert!(params.server_max_window_bits <= SHARED_WINDOW_BITS);
    let client = number("client_max_window_bits=").unwrap_or(15);
    assert_eq!(client, params.client_max_window_bits);
    for (name, is_set) in [
        (
            "server_no_context_takeover",
            params.server_no_context_takeover,
        ),
        (
            "client_no_context_takeover",
            params.client_no_context_takeover,
        ),
    ] {
        assert_eq!(words.contains(&name), is_set);
    }
    words.join("; ")
}

#[test]
fn windows() {
    for (offer, expected) in [
        ("", "server_max_window_bits=12"),
        // What Chrome and Firefox offer.
        (
            "; client_max_window_bits",
            "server_max_window_bits=12; client_max_window_bits=12",
        ),
        ("; server_max_window_bits=15", "server_max_window_bits=12"),
        ("; server_max_window_bits=12", "server_max_window_bits=12"),
        ("; server_max_window_bits=11", "server_max_window_bits=11"),
        ("; server_max_window_bits=\"9\"", "server_max_window_bits=9"),
        ("; server_max_window_bits=8", "server_max_window_bits=8"),
        (
            "; client_max_window_bits=15",
            "server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            "; client_max_window_bits=8",
            "server_max_window_bits=12; client_max_window_bits=8",
        ),
        (
            "; client_max_window_bits=10; server_max_window_bits=10",
            "server_max_window_bits=10; client_max_window_bits=10",
        ),
    ] {
        assert_eq!(answer(offer), expected, "{offer}");
    }
}

#[test]
fn contexts_are_taken_over_unless_the_offer_says_otherwise() {
    for (offer, expected) in [
        (
            "; server_no_context_takeover",
            "server_no_context_takeover; server_max_window_bits=12",
        ),
        (
            ";client_no_context_takeover",
            "client_no_context_takeover; server_max_window_bits=12",
        ),
        (
            "; client_no_context_takeover; server_no_context_takeover ; client_max_window_bits",
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; \
             client_max_window_bits=12",
        ),
    ] {
        assert_eq!(answer(offer), expected, "{offer}");
    }
}

#[test]
fn the_first_good_offer_counts() {
    let bits = |values: &[&str]| negotiate(values).map(|(params, _)| params.server_max_window_bits);
    let [eight, nine] =
        [8, 9].map(|bits| format!("permessage-deflate; server_max_window_bits={bits}"));
    assert_eq!(bits(&[&format!("other, {nine}, {eight}")]), Some(9));
    assert_eq!(bits(&["other; a=b", &eight, &nine]), Some(8));
    // A value that breaks the grammar, or an offer no client may make, spoils its field only.
    assert_eq!(
        bits(&[&format!("{eight}; server_max_window_bits=8"), &nine]),
        Some(9)
    );
    assert_eq!(bits(&[&format!("{eight}, ;"), &nine]), Some(9));
    assert_eq!(
        bits(&["PerMessage-Deflate; server_max_window_bits=10"]),
        Some(10)
    );
}

#[test]
fn no_offer() {
    for values in [
        &[][..],
        &[""],
        &["x-webkit-deflate-frame"],
        &["permessage-bzip2; a=1"],
        &["permessage-deflate; server_max_window_bits"],
        &["permessage-deflate; server_max_window_bits=7"],
        &["permessage-deflate; server_max_window_bits=16"],
        &["permessage-deflate; client_max_window_bits=08"],
        &["permessage-deflate; server_no_context_takeover=1"],
        &["permessage-deflate; client_no_context_takeover; client_no_context_takeover"],
        &["permessage-deflate; client_max_window_bits; client_max_window_bits=9"],
        &["permessage-deflate; unknown"],
    ] {
        assert_eq!(negotiate(values), None, "{values:?}");
    }
}

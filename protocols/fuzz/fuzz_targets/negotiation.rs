//! What is agreed on is what was offered, and the answer is one that the client may be given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::websocket::{SHARED_WINDOW_BITS, negotiate_deflate};

fuzz_target!(|data: &[u8]| {
    check(&[data]);
    check(&[&[b"permessage-deflate;", data].concat()]);
    check(&data.split(|&byte| byte == b'\n').collect::<Vec<_>>());
});

fn check(values: &[&[u8]]) {
    let Some((params, answer)) = negotiate_deflate(values.iter().copied()) else {
        return;
    };
    let mut words = answer.split("; ");
    assert_eq!(words.next(), Some("permessage-deflate"));
    let words: Vec<_> = words.collect();
    let is_offered = |name: &str| {
        let offers = |value: &&[u8]| value.windows(name.len()).any(|it| it == name.as_bytes());
        values.iter().any(offers)
    };
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
        assert!(!is_set || is_offered(name));
    }
    let server = format!("server_max_window_bits={}", params.server_max_window_bits);
    assert!(words.contains(&server.as_str()));
    assert!((8..=SHARED_WINDOW_BITS).contains(&params.server_max_window_bits));
    let client = format!("client_max_window_bits={}", params.client_max_window_bits);
    let is_told = words.contains(&client.as_str());
    assert_eq!(
        is_told,
        words.iter().any(|word| word.starts_with("client_max"))
    );
    assert!(!is_told || is_offered("client_max_window_bits"));
    assert!((8..=15).contains(&params.client_max_window_bits));
    assert!(is_told || params.client_max_window_bits == 15);

    // An answer, taken as an offer, is agreed on as it stands.
    let again = negotiate_deflate(std::iter::once(answer.as_bytes())).expect("a good offer");
    assert_eq!((again.0, &again.1), (params, &answer));
}

//! Whatever a PostgreSQL server sends ends in messages or an error, and no log-in is done by it
//! unless the server could have known the password.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::postgres::{
    AuthStep, Authenticator, DataRow, Message, frame_bytes, parse_frame, salted_password,
};
use protocols::{Error, Parsed};

const BODY_BYTES_MAX: usize = 3_000;
/// More would only be slower.
const ITERATIONS_MAX: u32 = 3;

type Frames = (Vec<(u8, Vec<u8>)>, Option<Error>);

fn frames_in_steps(bytes: &[u8], step: usize) -> Frames {
    let (mut start, mut end, mut frames) = (0, 0, Vec::new());
    loop {
        end = bytes.len().min(end + step.max(1));
        loop {
            let unread = &bytes[start..end];
            match parse_frame(unread, BODY_BYTES_MAX) {
                Ok(Parsed::Complete { value, used }) => {
                    assert_eq!(frame_bytes(unread), Some(used));
                    frames.push((value.tag, value.body.of(unread).to_vec()));
                    start += used;
                }
                Ok(Parsed::Incomplete) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        if end == bytes.len() {
            return (frames, None);
        }
    }
}

/// Every lazily walked part of a message is walked to its end.
fn walk(message: &Message<'_>) -> usize {
    match message {
        Message::DataRow(row) => {
            assert_eq!(row.iter().count(), row.len());
            row.iter().flatten().map(<[u8]>::len).sum()
        }
        Message::ErrorResponse(fields) | Message::NoticeResponse(fields) => {
            assert!(fields.named().count() <= fields.iter().count());
            fields.iter().map(|(_, text)| text.len()).sum()
        }
        Message::Authentication(protocols::postgres::Authentication::Sasl(offered)) => {
            offered.iter().map(str::len).sum()
        }
        _ => 0,
    }
}

/// Logs in with what the server sends; it may be content at once, or with the password itself.
fn log_in(frames: &[(u8, Vec<u8>)], hash: Option<Vec<u8>>, must_bind: bool) {
    let mut login = Authenticator::new("user", Some(b"pencil".to_vec()), hash, &[7; 18]);
    if must_bind {
        login = login.require_channel_binding();
    }
    let mut out = bytes::BytesMut::new();
    let mut began_scram = false;
    for (tag, body) in frames {
        let Ok(Message::Authentication(request)) = Message::parse(*tag, body) else {
            continue;
        };
        let sent = out.len();
        match login.message(request, &mut out) {
            Ok(AuthStep::NeedsKey { salt, iterations }) => {
                began_scram = true;
                if iterations > ITERATIONS_MAX {
                    return;
                }
                let key = salted_password(b"pencil", &salt, iterations);
                login.key(&key, &mut out).expect("it was asked for");
            }
            // The signature that a fuzzer cannot guess stands between the two.
            Ok(AuthStep::Done) => {
                assert!(login.is_done() && !began_scram && !must_bind);
            }
            Ok(AuthStep::Continue) => {}
            Err(_) => {
                assert_eq!(out.len(), sent);
                assert!(!login.is_done());
                return;
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&[seed, bits], bytes)) = data.split_first_chunk() else {
        return;
    };
    // As a stream, and as the body of one message.
    let length = (4 + bytes.len() as u32).to_be_bytes();
    let wrapped = [&[seed], &length[..], bytes].concat();
    for stream in [bytes, &wrapped] {
        let whole = frames_in_steps(stream, stream.len());
        assert_eq!(whole, frames_in_steps(stream, 1));
        assert_eq!(whole, frames_in_steps(stream, usize::from(seed)));
        for (tag, body) in &whole.0 {
            assert!(body.len() <= BODY_BYTES_MAX);
            if let Ok(message) = Message::parse(*tag, body) {
                assert!(walk(&message) <= 3 * body.len());
            }
            if let Ok(row) = DataRow::new(body) {
                assert_eq!(row.iter().count(), row.len());
            }
        }
        log_in(&whole.0, None, bits & 1 != 0);
        log_in(&whole.0, Some(vec![bits; 32]), bits & 2 != 0);
    }
});

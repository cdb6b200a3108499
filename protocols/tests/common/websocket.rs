//! Frames of a client, and a decoder fed with them in every way.

use protocols::Error;
use protocols::websocket::{Decoder, DeflateCodec, DeflateParams, Event, MessageKind, unmask};

pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;
pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// Both windows of 4 KiB, contexts taken over.
pub(crate) const DEFLATE: DeflateParams = DeflateParams {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: 12,
    client_max_window_bits: 12,
};

/// A masked frame; `first` holds FIN, RSV and the opcode.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    unmask(&mut bytes[start..], MASK);
    bytes
}

pub(crate) fn text(payload: &str) -> Event {
    message(MessageKind::Text, payload)
}

pub(crate) fn binary(payload: impl AsRef<[u8]>) -> Event {
    message(MessageKind::Binary, payload)
}

fn message(kind: MessageKind, payload: impl AsRef<[u8]>) -> Event {
    Event::Message {
        kind,
        payload: payload.as_ref().to_vec(),
    }
}

/// What a client said, and the error that ended it, if one did.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) events: Vec<Event>,
    pub(crate) error: Option<Error>,
}

/// Under the usual bound, without compression.
pub(crate) fn said(bytes: impl AsRef<[u8]>) -> Said {
    said_within(MESSAGE_BYTES_MAX, None, bytes)
}

/// The events of bytes that break no rule.
pub(crate) fn events(bytes: impl AsRef<[u8]>) -> Vec<Event> {
    good(said(bytes))
}

/// The events of bytes that break no rule, with compression.
pub(crate) fn inflated(bytes: impl AsRef<[u8]>) -> Vec<Event> {
    good(said_within(MESSAGE_BYTES_MAX, Some(DEFLATE), bytes))
}

pub(crate) fn good(said: Said) -> Vec<Event> {
    assert_eq!(said.error, None, "after {:?}", said.events);
    said.events
}

pub(crate) fn said_within(
    max: usize,
    deflate: Option<DeflateParams>,
    bytes: impl AsRef<[u8]>,
) -> Said {
    let bytes = bytes.as_ref();
    let whole = said_so_far(max, deflate, bytes);
    let is_over = whole.error.is_some() || matches!(whole.events.last(), Some(Event::Close { .. }));
    // The beginning of one more frame, or one that nobody may see.
    let trailing: &[u8] = if is_over { b"\x89\0\xff" } else { b"\x89" };
    let longer = [bytes, trailing].concat();
    let trailed = said_in_steps(max, deflate, &longer, longer.len());
    assert_eq!(whole, trailed, "with trailing bytes");
    whole
}

/// Bytes that may end inside a frame.
pub(crate) fn said_so_far(max: usize, deflate: Option<DeflateParams>, bytes: &[u8]) -> Said {
    let whole = said_in_steps(max, deflate, bytes, bytes.len().max(1));
    for step in [1, 7] {
        let cut = said_in_steps(max, deflate, bytes, step);
        assert_eq!(whole, cut, "{step} by {step}");
    }
    whole
}

fn said_in_steps(max: usize, deflate: Option<DeflateParams>, bytes: &[u8], step: usize) -> Said {
    let (mut decoder, mut codec) = (Decoder::new(max, deflate), DeflateCodec::new());
    let mut said = Said {
        events: Vec::new(),
        error: None,
    };
    for piece in bytes.chunks(step) {
        let mut used = 0;
        while used < piece.len() {
            match decoder.decode(&piece[used..], &mut codec) {
                Ok((taken, event)) => {
                    assert!(taken > 0, "bytes are always taken");
                    used += taken;
                    said.events.extend(event);
                }
                Err(error) => {
                    assert!(error.close_code().is_some(), "{error:?}");
                    assert!(
                        said.error.replace(error).is_none(),
                        "one error, then silence"
                    );
                    break;
                }
            }
        }
    }
    said
}

//! Frames (RFC 6455 section 5): the header of a client's, all of a server's, and masking.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::Error;

/// Longest payload of a control frame (RFC 6455 section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;
/// Longest header: two bytes, 64 bits of length and the mask.
const HEAD_BYTES_MAX: usize = 14;

/// What a frame that the server sends is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A whole text message.
    Text,
    /// A whole binary message.
    Binary,
    /// The last frame.
    Close,
    /// To be answered with a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

/// Appends one frame of the server: final, not masked (RFC 6455 section 5.1).
///
/// `compressed` sets RSV1: `payload` was deflated (RFC 7692 section 6). The payload of a control
/// frame has at most [`CONTROL_BYTES_MAX`] bytes and is never compressed.
pub fn encode_frame(opcode: Opcode, compressed: bool, payload: &[u8], out: &mut Vec<u8>) {
    let opcode = match opcode {
        Opcode::Text => OpCode::Data(Data::Text),
        Opcode::Binary => OpCode::Data(Data::Binary),
        Opcode::Close => OpCode::Control(Control::Close),
        Opcode::Ping => OpCode::Control(Control::Ping),
        Opcode::Pong => OpCode::Control(Control::Pong),
    };
    if let OpCode::Control(_) = opcode {
        debug_assert!(payload.len() <= CONTROL_BYTES_MAX && !compressed);
    }
    let header = FrameHeader {
        opcode,
        rsv1: compressed,
        ..FrameHeader::default()
    };
    out.reserve(HEAD_BYTES_MAX + payload.len());
    header
        .format(payload.len() as u64, out)
        .expect("a Vec takes all that is written");
    out.extend_from_slice(payload);
}

/// Masks or unmasks `bytes`, whose first byte meets the first of `mask` (RFC 6455 section 5.3).
#[inline]
pub fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let (word, twice) = words_of(mask);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(twice) {
        *byte ^= mask;
    }
}

/// Appends `masked` to `out` without its mask. Copying and unmasking one after the other takes
/// longer, and ten times as long where the processor's block copy meets unlucky addresses.
#[inline]
pub(super) fn append_unmasked(masked: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    let (word, twice) = words_of(mask);
    let start = out.len();
    out.resize(start + masked.len(), 0);
    let (words, rest) = masked.as_chunks::<8>();
    let (words_out, rest_out) = out[start..].as_chunks_mut::<8>();
    for (out, bytes) in words_out.iter_mut().zip(words) {
        *out = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for ((out, byte), mask) in rest_out.iter_mut().zip(rest).zip(twice) {
        *out = byte ^ mask;
    }
}

fn words_of([a, b, c, d]: [u8; 4]) -> (u64, [u8; 8]) {
    let twice = [a, b, c, d, a, b, c, d];
    (u64::from_ne_bytes(twice), twice)
}

/// What a client's frame is; `Continuation` goes on with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl FrameKind {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a client's frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHead {
    pub(super) kind: FrameKind,
    pub(super) is_final: bool,
    /// RSV1, which only an extension gives a meaning.
    pub(super) is_compressed: bool,
    pub(super) mask: [u8; 4],
    pub(super) payload_bytes: u64,
}

/// The header that is at the front of `bytes` and how long it is; `None` when more must come.
fn parse_head(bytes: &[u8]) -> Result<Option<(FrameHead, usize)>, Error> {
    let mut cursor = Cursor::new(bytes);
    // Reading from a slice fails only where an opcode is reserved.
    let parsed = FrameHeader::parse(&mut cursor)
        .map_err(|_| Error::WebSocketProtocol("WebSocket opcode is reserved"))?;
    let Some((header, payload_bytes)) = parsed else {
        return Ok(None);
    };
    let head_bytes = cursor.position() as usize;
    let kind = check_head(&header, payload_bytes, head_bytes).map_err(Error::WebSocketProtocol)?;
    let head = FrameHead {
        kind,
        is_final: header.is_final,
        is_compressed: header.rsv1,
        mask: header.mask.unwrap_or_default(),
        payload_bytes,
    };
    Ok(Some((head, head_bytes)))
}

/// The rules that hold for every frame of a client (RFC 6455 sections 5.1, 5.2 and 5.5).
fn check_head(
    header: &FrameHeader,
    length: u64,
    head_bytes: usize,
) -> Result<FrameKind, &'static str> {
    if header.mask.is_none() {
        return Err("WebSocket frame is not masked");
    }
    if header.rsv2 || header.rsv3 {
        return Err("WebSocket frame has reserved bits set");
    }
    let kind = match header.opcode {
        OpCode::Data(Data::Continue) => FrameKind::Continuation,
        OpCode::Data(Data::Text) => FrameKind::Text,
        OpCode::Data(Data::Binary) => FrameKind::Binary,
        OpCode::Control(Control::Close) => FrameKind::Close,
        OpCode::Control(Control::Ping) => FrameKind::Ping,
        OpCode::Control(Control::Pong) => FrameKind::Pong,
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
            return Err("WebSocket opcode is reserved");
        }
    };
    if kind.is_control() {
        if !header.is_final {
            return Err("WebSocket control frame is fragmented");
        }
        if length > CONTROL_BYTES_MAX as u64 {
            return Err("WebSocket control frame is too long");
        }
    }
    if length > i64::MAX as u64 {
        return Err("WebSocket frame length has its highest bit set");
    }
    // `len` is that of the shortest encoding.
    if header.len(length) != head_bytes {
        return Err("WebSocket frame length is not encoded minimally");
    }
    Ok(kind)
}

/// The bytes of a header that has not arrived whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PartialHead {
    bytes: [u8; HEAD_BYTES_MAX],
    len: u8,
}

impl PartialHead {
    /// Takes bytes of a header from the front of `bytes`: how many, and the header once whole.
    #[inline]
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(usize, Option<FrameHead>), Error> {
        let held = usize::from(self.len);
        if held == 0
            && let Some((head, used)) = parse_head(bytes)?
        {
            return Ok((used, Some(head)));
        }
        // The longest header fits, so room is left while none has been found.
        let room = &mut self.bytes[held..];
        let copied = room.len().min(bytes.len());
        room[..copied].copy_from_slice(&bytes[..copied]);
        if let Some((head, used)) = parse_head(&self.bytes[..held + copied])? {
            self.len = 0;
            return Ok((used - held, Some(head)));
        }
        self.len += copied as u8;
        Ok((copied, None))
    }
}

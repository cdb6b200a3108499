//! The client's side of WebSocket frames (RFC 6455, section 5): what is sent, and what a server sends.

use std::fmt;

/// A load needs no secret: every frame is masked with the same key.
pub const MASKING_KEY: [u8; 4] = [0x5a, 0x17, 0xc3, 0x8e];
/// No message of a server is longer than this.
pub const MESSAGE_MAX_BYTES: usize = 1024 * 1024;
const HEADER_MAX_BYTES: usize = 10;
const FIN: u8 = 0x80;
/// RFC 7692, section 6: the first frame of a compressed message.
const RSV1: u8 = 0x40;
const OTHER_RSV: u8 = 0x30;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0;

/// What a frame or message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
    /// The last frame of a side.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

impl Kind {
    fn opcode(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn of(opcode: u8) -> Option<Self> {
        Some(match opcode {
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Bytes that no server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Masked, an unknown opcode or reserved bit, or a control frame in pieces.
    Header,
    /// Longer than `MESSAGE_MAX_BYTES`.
    TooLong,
    /// A continuation of nothing, or a new message inside another.
    Order,
}

impl fmt::Display for FrameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Header => "malformed frame header",
            Self::TooLong => "message too long",
            Self::Order => "frame out of order",
        })
    }
}

impl std::error::Error for FrameError {}

/// One whole message, or a control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: Kind,
    /// Whether the payload is compressed (RFC 7692).
    pub is_compressed: bool,
    /// As it arrived.
    pub payload: &'a [u8],
}

/// One message in one masked frame.
pub fn encode(kind: Kind, is_compressed: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + HEADER_MAX_BYTES + MASKING_KEY.len());
    frame.push(FIN | if is_compressed { RSV1 } else { 0 } | kind.opcode());
    match payload.len() {
        length @ 0..=125 => frame.push(MASKED | length as u8),
        length @ 126..=0xffff => {
            frame.push(MASKED | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(MASKED | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASKING_KEY);
    let masked = payload.iter().zip(MASKING_KEY.iter().cycle());
    frame.extend(masked.map(|(byte, key)| byte ^ key));
    frame
}

/// A frame's header, as far as a reader needs it.
#[derive(Debug, Clone, Copy)]
struct Header {
    is_last: bool,
    is_compressed: bool,
    opcode: u8,
    payload_bytes: usize,
}

/// Finds the messages in what one server sends.
#[derive(Debug, Default)]
pub struct FrameReader {
    header: [u8; HEADER_MAX_BYTES],
    header_filled: usize,
    /// The frame whose payload is arriving, and how many bytes of it are missing.
    current: Option<(Header, usize)>,
    /// Data of a message in several frames or reads.
    data: Vec<u8>,
    /// Kind and compression of the message that `data` is the beginning of.
    unfinished: Option<(Kind, bool)>,
    /// A control frame's payload: it may come in the middle of a message.
    control: Vec<u8>,
    /// Whether `data` and `control` were handed out and can be forgotten.
    is_handed_out: bool,
}

impl FrameReader {
    /// A reader at the beginning of a connection's frames.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads up to the end of one message: how many bytes were used, and the message if it is whole.
    pub fn push<'a>(
        &'a mut self,
        bytes: &'a [u8],
    ) -> Result<(usize, Option<Message<'a>>), FrameError> {
        self.forget_handed_out();
        let mut used = 0;
        loop {
            let (header, missing) = match self.current {
                Some(current) => current,
                None => match self.read_header(bytes, &mut used)? {
                    Some(header) => (header, header.payload_bytes),
                    None => return Ok((used, None)),
                },
            };
            let rest = &bytes[used..];
            let is_first_and_only = header.is_last && self.unfinished.is_none();
            if is_first_and_only && missing == header.payload_bytes && rest.len() >= missing {
                // The common case: nothing is copied.
                self.current = None;
                let kind = Kind::of(header.opcode).ok_or(FrameError::Order)?;
                let message = Message {
                    kind,
                    is_compressed: header.is_compressed,
                    payload: &rest[..missing],
                };
                return Ok((used + missing, Some(message)));
            }
            let step = missing.min(rest.len());
            used += step;
            if self.keep(header, missing - step, &rest[..step])? {
                return Ok((used, Some(self.finished(header))));
            }
            if self.current.is_some() || used == bytes.len() {
                return Ok((used, None));
            }
        }
    }

    fn forget_handed_out(&mut self) {
        if self.is_handed_out {
            self.is_handed_out = false;
            self.control.clear();
            if self.unfinished.is_none() {
                self.data.clear();
            }
        }
    }

    /// Takes the bytes of a header; `None` while some are missing.
    fn read_header(
        &mut self,
        bytes: &[u8],
        used: &mut usize,
    ) -> Result<Option<Header>, FrameError> {
        loop {
            let needed = match (self.header_filled, self.header[1] & 0x7f) {
                (0 | 1, _) => 2,
                (_, 126) => 4,
                (_, 127) => 10,
                _ => 2,
            };
            if self.header_filled == needed {
                break;
            }
            let step = (needed - self.header_filled).min(bytes.len() - *used);
            if step == 0 {
                return Ok(None);
            }
            self.header[self.header_filled..][..step].copy_from_slice(&bytes[*used..*used + step]);
            self.header_filled += step;
            *used += step;
        }
        let filled = std::mem::take(&mut self.header_filled);
        parse_header(&self.header[..filled], self.unfinished.is_some()).map(Some)
    }

    /// Keeps a part of a payload; whether it completes a message.
    fn keep(&mut self, header: Header, missing: usize, part: &[u8]) -> Result<bool, FrameError> {
        let control = Kind::of(header.opcode).filter(|kind| kind.is_control());
        let data = if control.is_some() {
            &mut self.control
        } else {
            &mut self.data
        };
        data.extend_from_slice(part);
        if data.len() > MESSAGE_MAX_BYTES {
            return Err(FrameError::TooLong);
        }
        if control.is_none() && self.unfinished.is_none() {
            let kind = Kind::of(header.opcode).ok_or(FrameError::Order)?;
            self.unfinished = Some((kind, header.is_compressed));
        }
        self.current = (missing > 0).then_some((header, missing));
        Ok(missing == 0 && header.is_last)
    }

    fn finished(&mut self, header: Header) -> Message<'_> {
        self.is_handed_out = true;
        match Kind::of(header.opcode).filter(|kind| kind.is_control()) {
            Some(kind) => Message {
                kind,
                is_compressed: false,
                payload: &self.control,
            },
            None => {
                let (kind, is_compressed) = self.unfinished.take().unwrap_or((Kind::Binary, false));
                Message {
                    kind,
                    is_compressed,
                    payload: &self.data,
                }
            }
        }
    }
}

fn parse_header(header: &[u8], is_inside: bool) -> Result<Header, FrameError> {
    let (first, second) = (header[0], header[1]);
    let opcode = first & 0x0f;
    let kind = Kind::of(opcode);
    let is_control = kind.is_some_and(Kind::is_control);
    let is_last = first & FIN != 0;
    let is_compressed = first & RSV1 != 0;
    if second & MASKED != 0 || first & OTHER_RSV != 0 || (kind.is_none() && opcode != CONTINUATION)
    {
        return Err(FrameError::Header);
    }
    if is_control && (!is_last || is_compressed || second > 125) {
        return Err(FrameError::Header);
    }
    if !is_control && is_inside != (opcode == CONTINUATION) {
        return Err(FrameError::Order);
    }
    let payload_bytes = match header.len() {
        2 => u64::from(second),
        _ => header[2..]
            .iter()
            .fold(0, |value, byte| (value << 8) | u64::from(*byte)),
    };
    if payload_bytes > MESSAGE_MAX_BYTES as u64 {
        return Err(FrameError::TooLong);
    }
    Ok(Header {
        is_last,
        is_compressed,
        opcode,
        payload_bytes: payload_bytes as usize,
    })
}

//! Messages out of a client's frames (RFC 6455 sections 5.4 to 5.6), however the bytes are cut.

use super::close::parse_close;
use super::deflate::{DeflateCodec, History};
use super::frame::{FrameHead, FrameKind, PartialHead, append_unmasked};
use super::negotiation::DeflateParams;
use super::utf8;
use crate::Error;

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Anything.
    Binary,
}

/// What a client has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole message, inflated.
    Message {
        /// What `payload` holds.
        kind: MessageKind,
        /// Valid UTF-8 when `kind` is text.
        payload: Vec<u8>,
    },
    /// To be answered with a pong of the same payload.
    Ping(Vec<u8>),
    /// The answer to a ping, or a sign of life.
    Pong(Vec<u8>),
    /// The client sends nothing more.
    Close {
        /// One that may be sent, or 1005 when none was.
        code: u16,
        /// Empty when none was given.
        reason: String,
    },
}

/// The receiving side of one connection.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The message that is arriving, if one is.
    message: Option<Arriving>,
    /// What has come of its payload, unmasked and still compressed.
    payload: Vec<u8>,
    /// How many bytes of a text's payload are known to be whole characters.
    checked: usize,
    /// The payload of a control frame, which may come between the fragments of a message.
    control: Vec<u8>,
    message_bytes_max: usize,
    /// Present when compression was agreed on.
    history: Option<Box<History>>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head(PartialHead),
    /// `payload_bytes` and `mask` are those of what is still to come.
    Payload(FrameHead),
    /// The client closed, or broke the protocol: nothing more is decoded.
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Arriving {
    kind: MessageKind,
    is_compressed: bool,
}

impl Decoder {
    /// A decoder for the first byte behind the handshake. A message, inflated or not, may have
    /// `message_bytes_max` bytes; `deflate` is what was agreed on.
    pub fn new(message_bytes_max: usize, deflate: Option<DeflateParams>) -> Self {
        Self {
            state: State::Head(PartialHead::default()),
            message: None,
            payload: Vec::new(),
            checked: 0,
            control: Vec::new(),
            message_bytes_max,
            history: deflate.map(|params| Box::new(History::new(&params))),
        }
    }

    /// Takes bytes from the front of `bytes`: how many, and what they completed. It is to be called
    /// again with the rest until none is left; nothing needs to be kept for it. All that comes after
    /// a close, or after an error, is taken and ignored.
    ///
    /// # Errors
    /// Those with an [`Error::close_code`], as soon as the bytes leave no other way.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        codec: &mut DeflateCodec,
    ) -> Result<(usize, Option<Event>), Error> {
        let outcome = self.advance(bytes, codec);
        if outcome.is_err() {
            self.stop();
        }
        outcome
    }

    fn advance(
        &mut self,
        bytes: &[u8],
        codec: &mut DeflateCodec,
    ) -> Result<(usize, Option<Event>), Error> {
        let mut used = 0;
        loop {
            match &mut self.state {
                State::Head(partial) => {
                    let (taken, head) = partial.take(&bytes[used..])?;
                    used += taken;
                    let Some(head) = head else {
                        return Ok((used, None));
                    };
                    self.begin_frame(&head)?;
                    self.state = State::Payload(head);
                }
                State::Payload(frame) => {
                    let arrived = (bytes.len() - used) as u64;
                    let piece_bytes = frame.payload_bytes.min(arrived) as usize;
                    let piece = &bytes[used..used + piece_bytes];
                    let mask = frame.mask;
                    frame.mask.rotate_left(piece_bytes % 4);
                    frame.payload_bytes -= piece_bytes as u64;
                    let frame = *frame;
                    used += piece_bytes;
                    self.take_payload(&frame, piece, mask)?;
                    if frame.payload_bytes > 0 {
                        return Ok((used, None));
                    }
                    self.state = State::Head(PartialHead::default());
                    let event = self.end_frame(&frame, codec)?;
                    if event.is_some() {
                        return Ok((used, event));
                    }
                }
                State::Done => return Ok((bytes.len(), None)),
            }
        }
    }

    /// Checks a header against what came before it, and its length before anything is kept.
    fn begin_frame(&mut self, head: &FrameHead) -> Result<(), Error> {
        // RFC 7692 section 6: RSV1 belongs to the first frame of a message.
        let may_be_compressed =
            self.history.is_some() && matches!(head.kind, FrameKind::Text | FrameKind::Binary);
        if head.is_compressed && !may_be_compressed {
            return Err(Error::WebSocketProtocol(
                "WebSocket frame has reserved bits set",
            ));
        }
        let kind = match head.kind {
            FrameKind::Text => MessageKind::Text,
            FrameKind::Binary => MessageKind::Binary,
            FrameKind::Continuation if self.message.is_none() => {
                return Err(Error::WebSocketProtocol(
                    "WebSocket continuation of nothing",
                ));
            }
            FrameKind::Continuation => return self.check_length(head),
            FrameKind::Close | FrameKind::Ping | FrameKind::Pong => return Ok(()),
        };
        if self.message.is_some() {
            return Err(Error::WebSocketProtocol(
                "WebSocket message begins inside another",
            ));
        }
        self.message = Some(Arriving {
            kind,
            is_compressed: head.is_compressed,
        });
        self.check_length(head)
    }

    fn check_length(&self, head: &FrameHead) -> Result<(), Error> {
        let room = self.payload_bytes_max() - self.payload.len();
        if head.payload_bytes > room as u64 {
            return Err(Error::WebSocketTooLarge);
        }
        Ok(())
    }

    /// How long the payload of the message may be, as sent.
    fn payload_bytes_max(&self) -> usize {
        let max = self.message_bytes_max;
        match self.message {
            // What nothing is saved on grows a little, at worst by what zlib's deflateBound says.
            Some(message) if message.is_compressed => {
                max.saturating_add(max / 8).saturating_add(64)
            }
            _ => max,
        }
    }

    /// Keeps `masked`, the next bytes of `frame`, of which `frame.payload_bytes` are still to come.
    fn take_payload(
        &mut self,
        frame: &FrameHead,
        masked: &[u8],
        mask: [u8; 4],
    ) -> Result<(), Error> {
        if frame.kind.is_control() {
            append_unmasked(masked, mask, &mut self.control);
            return Ok(());
        }
        self.reserve(frame, masked.len());
        append_unmasked(masked, mask, &mut self.payload);
        match self.message {
            Some(message) if message.kind == MessageKind::Text && !message.is_compressed => {
                self.checked = utf8::check(&self.payload, self.checked)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes room for what has arrived, exactly if nothing had before: a length that is only
    /// announced costs nothing. Later at most as much again as there is.
    fn reserve(&mut self, frame: &FrameHead, piece_bytes: usize) {
        let len = self.payload.len();
        if self.payload.capacity() - len >= piece_bytes {
            return;
        }
        let to_come = if frame.is_final {
            piece_bytes + frame.payload_bytes as usize
        } else {
            self.payload_bytes_max() - len
        };
        self.payload
            .reserve_exact(piece_bytes.max(len.min(to_come)));
    }

    /// What a frame whose payload is all there completes.
    fn end_frame(
        &mut self,
        frame: &FrameHead,
        codec: &mut DeflateCodec,
    ) -> Result<Option<Event>, Error> {
        match frame.kind {
            FrameKind::Ping => Ok(Some(Event::Ping(std::mem::take(&mut self.control)))),
            FrameKind::Pong => Ok(Some(Event::Pong(std::mem::take(&mut self.control)))),
            FrameKind::Close => {
                let (code, reason) = parse_close(&self.control)?;
                self.stop();
                Ok(Some(Event::Close { code, reason }))
            }
            _ if !frame.is_final => Ok(None),
            _ => self.end_message(codec),
        }
    }

    fn end_message(&mut self, codec: &mut DeflateCodec) -> Result<Option<Event>, Error> {
        let Some(message) = self.message.take() else {
            return Ok(None);
        };
        let mut payload = std::mem::take(&mut self.payload);
        let mut checked = std::mem::take(&mut self.checked);
        if let Some(history) = &mut self.history
            && message.is_compressed
        {
            payload = codec.inflate(&payload, history, self.message_bytes_max)?;
            if message.kind == MessageKind::Text {
                checked = utf8::check(&payload, 0)?;
            }
        }
        if message.kind == MessageKind::Text && checked < payload.len() {
            return Err(Error::WebSocketText);
        }
        Ok(Some(Event::Message {
            kind: message.kind,
            payload,
        }))
    }

    /// Ignores what follows, and keeps nothing for it.
    fn stop(&mut self) {
        self.state = State::Done;
        self.message = None;
        self.payload = Vec::new();
        self.control = Vec::new();
        self.history = None;
    }
}

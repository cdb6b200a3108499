//! Compressed messages (RFC 7692 section 7.2), with the memory of many connections in one place.
//!
//! zlib's state is large: a quarter of a megabyte to compress, 40 KiB to inflate. So connections
//! share it. To inflate, a connection keeps only what its next message may refer to, which is
//! handed to a common inflater before each. To compress, the connections that sent last have a
//! context each; another starts afresh, which the peer cannot tell from finding no match.

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::negotiation::DeflateParams;
use crate::Error;

/// How far back any message of the server refers at most, as a power of two in bytes.
pub const SHARED_WINDOW_BITS: u8 = 12;
/// How many connections of one shard have a context to compress with, of about 256 KiB.
pub const COMPRESSORS_MAX: usize = 32;
/// Stands in for 8, which zlib does not have: with 9 it refers back by at most 250 bytes (512 less
/// 262, its `MIN_LOOKAHEAD`), which 8 allows.
const ZLIB_WINDOW_BITS_MIN: u8 = 9;
const ZLIB_WINDOW_BITS_MAX: u8 = 15;
/// zlib's level for short messages makes no Huffman codes of their own, which takes ten times as
/// long as the rest; on long ones they save what they cost.
const LEVEL_SHORT: u32 = 1;
const LEVEL_LONG: u32 = 2;
const SHORT_BYTES_MAX: usize = 1024;
/// How often one message may end zlib's stream and begin another (RFC 7692 section 7.2.3.4). Each
/// costs a start of the inflater, so a peer must not ask for one every two bytes.
const FINAL_BLOCKS_MAX: usize = 256;
/// An empty block without compression, less its first bits: what every message ends with unsent.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// The tail and an empty final block. Only if the message was whole does the stream end there.
const TAIL_AND_END: [u8; 6] = [0x00, 0x00, 0xff, 0xff, 0x03, 0x00];
/// A message of no bytes (RFC 7692 section 7.2.3.6).
const NOTHING: u8 = 0x00;
/// Room is made for this many times what is to be inflated at first, and for this part of what is
/// to be compressed, but never for less than the minimum.
const INFLATED_RATIO: usize = 4;
const COMPRESSED_PART: usize = 2;
const ROOM_BYTES_MIN: usize = 64;

/// What a client's next message may refer to: the end of what its compressed messages held.
#[derive(Debug)]
pub(super) struct History {
    bytes: Vec<u8>,
    window_bytes: usize,
    /// Whether messages refer to those before them.
    is_kept: bool,
}

impl History {
    pub(super) fn new(params: &DeflateParams) -> Self {
        Self {
            bytes: Vec::new(),
            window_bytes: 1 << params.client_max_window_bits.min(ZLIB_WINDOW_BITS_MAX),
            is_kept: !params.client_no_context_takeover,
        }
    }

    fn push(&mut self, message: &[u8]) {
        if !self.is_kept {
            return;
        }
        let message = last(message, self.window_bytes);
        let older = self.bytes.len().min(self.window_bytes - message.len());
        self.bytes.drain(..self.bytes.len() - older);
        let missing = (older + message.len()).saturating_sub(self.bytes.capacity());
        if missing > 0 {
            // Twice as much, but never more than a window: it stays while the connection is idle.
            let capacity = self.bytes.capacity() + missing.max(self.bytes.capacity());
            self.bytes
                .reserve_exact(capacity.min(self.window_bytes) - older);
        }
        self.bytes.extend_from_slice(message);
    }
}

fn last(bytes: &[u8], len: usize) -> &[u8] {
    &bytes[bytes.len().saturating_sub(len)..]
}

/// Compresses and inflates for all connections of a shard.
#[derive(Default)]
pub struct DeflateCodec {
    inflater: Option<Decompress>,
    contexts: Vec<Context>,
    /// For messages without a context.
    alone: Option<Compressor>,
    /// Counts uses of contexts.
    uses: u64,
}

/// What one connection's messages are compressed with.
struct Context {
    /// `None` once forgotten.
    connection: Option<u64>,
    last_use: u64,
    compressor: Compressor,
}

impl DeflateCodec {
    /// One that has allocated nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `payload` compressed to `out`, without the tail of RFC 7692 section 7.2.1. Where
    /// `params` let the server take a context over, `connection` names whose goes on.
    pub fn compress(
        &mut self,
        connection: u64,
        params: &DeflateParams,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        let window_bits = params.server_max_window_bits;
        // zlib flushes nothing twice.
        if payload.is_empty() {
            out.push(NOTHING);
        } else if params.server_no_context_takeover {
            Compressor::fresh(&mut self.alone, window_bits).run(payload, out);
        } else {
            self.context(connection, window_bits).run(payload, out);
        }
    }

    /// Appends `payload` compressed to `out` so that every connection can inflate it whose
    /// `server_max_window_bits` is at least [`SHARED_WINDOW_BITS`]. One that takes its context
    /// over is to be forgotten then: the client's window has moved on.
    pub fn compress_alone(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if payload.is_empty() {
            out.push(NOTHING);
        } else {
            Compressor::fresh(&mut self.alone, SHARED_WINDOW_BITS).run(payload, out);
        }
    }

    /// The connection's next message starts afresh: it was sent something that its context does
    /// not know, or is gone.
    pub fn forget(&mut self, connection: u64) {
        for context in &mut self.contexts {
            if context.connection == Some(connection) {
                context.connection = None;
            }
        }
    }

    /// The connection's compressor; if it has none, that of whoever sent longest ago, afresh.
    fn context(&mut self, connection: u64, window_bits: u8) -> &mut Compressor {
        self.uses += 1;
        let window_bits = Compressor::window_bits(window_bits);
        let is_its = |context: &Context| {
            context.connection == Some(connection) && context.compressor.window_bits == window_bits
        };
        let index = match self.contexts.iter().position(is_its) {
            Some(index) => index,
            None => {
                self.forget(connection);
                self.fresh_context(window_bits)
            }
        };
        let context = &mut self.contexts[index];
        context.connection = Some(connection);
        context.last_use = self.uses;
        &mut context.compressor
    }

    /// The index of a context that starts afresh: a forgotten one, a new one, or the least recently
    /// used.
    fn fresh_context(&mut self, window_bits: u8) -> usize {
        let oldest = self
            .contexts
            .iter()
            .enumerate()
            .min_by_key(|(_, context)| (context.connection.is_some(), context.last_use));
        match oldest {
            Some((index, context))
                if context.connection.is_none() || self.contexts.len() == COMPRESSORS_MAX =>
            {
                self.contexts[index].compressor.start_afresh(window_bits);
                index
            }
            _ => {
                self.contexts.push(Context {
                    connection: None,
                    last_use: 0,
                    compressor: Compressor::new(window_bits),
                });
                self.contexts.len() - 1
            }
        }
    }

    /// Inflates one message of whoever `history` belongs to, and adds it there.
    ///
    /// # Errors
    /// [`Error::WebSocketDeflate`], [`Error::WebSocketTooLarge`] past `bytes_max`.
    pub(super) fn inflate(
        &mut self,
        compressed: &[u8],
        history: &mut History,
        bytes_max: usize,
    ) -> Result<Vec<u8>, Error> {
        // Clients whose zlib flushes nothing twice send this for an empty message.
        if compressed.is_empty() {
            return Ok(Vec::new());
        }
        let inflater = self
            .inflater
            .get_or_insert_with(|| Decompress::new_with_window_bits(false, ZLIB_WINDOW_BITS_MAX));
        let guess = compressed.len().saturating_mul(INFLATED_RATIO);
        let guess = guess.max(ROOM_BYTES_MIN).min(bytes_max);
        let mut message = Message {
            inflater,
            history,
            out: Vec::with_capacity(guess.saturating_add(1)),
            bytes_max,
        };
        message.inflate(compressed)?;
        let out = message.out;
        history.push(&out);
        Ok(out)
    }
}

impl fmt::Debug for DeflateCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeflateCodec")
            .field("contexts", &self.contexts.len())
            .finish_non_exhaustive()
    }
}

struct Compressor {
    window_bits: u8,
    level: u32,
    zlib: Compress,
}

impl Compressor {
    fn new(window_bits: u8) -> Self {
        Self {
            window_bits,
            level: LEVEL_SHORT,
            zlib: Compress::new_with_window_bits(Compression::new(LEVEL_SHORT), false, window_bits),
        }
    }

    /// The window that zlib is told.
    fn window_bits(agreed: u8) -> u8 {
        agreed.clamp(ZLIB_WINDOW_BITS_MIN, ZLIB_WINDOW_BITS_MAX)
    }

    /// The compressor in `place` without a context.
    fn fresh(place: &mut Option<Self>, window_bits: u8) -> &mut Self {
        let window_bits = Self::window_bits(window_bits);
        match place {
            Some(compressor) => {
                compressor.start_afresh(window_bits);
                compressor
            }
            None => place.insert(Self::new(window_bits)),
        }
    }

    fn start_afresh(&mut self, window_bits: u8) {
        if self.window_bits == window_bits {
            self.zlib.reset();
        } else {
            *self = Self::new(window_bits);
        }
    }

    fn set_level(&mut self, payload_bytes: usize) {
        let level = if payload_bytes <= SHORT_BYTES_MAX {
            LEVEL_SHORT
        } else {
            LEVEL_LONG
        };
        // It fails only while a message has not been flushed; the level of before would do.
        if level != self.level && self.zlib.set_level(Compression::new(level)).is_ok() {
            self.level = level;
        }
    }

    /// Appends `payload`, which must not be empty, compressed and without the tail.
    fn run(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        self.set_level(payload.len());
        let mut rest = payload;
        loop {
            out.reserve(rest.len() / COMPRESSED_PART + ROOM_BYTES_MIN);
            let taken_before = self.zlib.total_in();
            self.zlib
                .compress_vec(rest, out, FlushCompress::Sync)
                .expect("zlib compresses everything");
            rest = &rest[(self.zlib.total_in() - taken_before) as usize..];
            // Where room is left, zlib has nothing more to say.
            if out.len() < out.capacity() {
                break;
            }
        }
        debug_assert!(rest.is_empty() && out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
    }
}

/// A message being inflated.
struct Message<'a> {
    inflater: &'a mut Decompress,
    history: &'a History,
    out: Vec<u8>,
    bytes_max: usize,
}

impl Message<'_> {
    fn inflate(&mut self, compressed: &[u8]) -> Result<(), Error> {
        let mut rest = compressed;
        for _ in 0..FINAL_BLOCKS_MAX {
            self.start()?;
            if !self.run(&mut rest)? {
                // The message has been taken; the stream must end behind its tail, and only there.
                let mut tail = &TAIL_AND_END[..];
                let is_whole = self.run(&mut tail)? && tail.is_empty();
                return is_whole.then_some(()).ok_or(Error::WebSocketDeflate);
            }
            // A final block. What should follow is an empty one, which some leave out.
            if rest.is_empty() {
                return Ok(());
            }
        }
        Err(Error::WebSocketDeflate)
    }

    /// Makes the inflater ready for a stream that may refer to all before it.
    fn start(&mut self) -> Result<(), Error> {
        self.inflater.reset(false);
        for window in [
            &self.history.bytes[..],
            last(&self.out, self.history.window_bytes),
        ] {
            if !window.is_empty() {
                self.inflater
                    .set_dictionary(window)
                    .map_err(|_| Error::WebSocketDeflate)?;
            }
        }
        Ok(())
    }

    /// Inflates `input` as far as it goes; whether it had a final block, behind which it stops.
    fn run(&mut self, input: &mut &[u8]) -> Result<bool, Error> {
        loop {
            if self.out.len() == self.out.capacity() {
                let room = self.bytes_max.saturating_add(1) - self.out.len();
                self.out.reserve_exact(self.out.len().min(room));
            }
            let taken_before = self.inflater.total_in();
            let status = self
                .inflater
                .decompress_vec(input, &mut self.out, FlushDecompress::None)
                .map_err(|_| Error::WebSocketDeflate)?;
            *input = &input[(self.inflater.total_in() - taken_before) as usize..];
            if self.out.len() > self.bytes_max {
                return Err(Error::WebSocketTooLarge);
            }
            if status == Status::StreamEnd {
                return Ok(true);
            }
            // Where room is left, the input was too short.
            if self.out.len() < self.out.capacity() {
                return Ok(false);
            }
        }
    }
}

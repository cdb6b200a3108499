//! permessage-deflate (RFC 7692) as far as a load needs it: each message compressed on its own.

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// A window that every server takes which asks for 12 bits or more.
pub const CLIENT_WINDOW_BITS: u8 = 12;
/// What is left out at the end of a message (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Room for what may be added to an incompressible message.
const SLACK_BYTES: usize = 64;
const INFLATED_MAX_BYTES: usize = super::frame::MESSAGE_MAX_BYTES;

/// Compresses a message without any context: a peer that keeps one can read it too.
pub fn compress(payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut codec =
        Compress::new_with_window_bits(Compression::default(), false, CLIENT_WINDOW_BITS);
    let mut out = Vec::with_capacity(payload.len() + payload.len() / 8 + SLACK_BYTES);
    codec
        .compress_vec(payload, &mut out, FlushCompress::Sync)
        .map_err(io::Error::other)?;
    if codec.total_in() != payload.len() as u64 || !out.ends_with(&TAIL) {
        return Err(io::Error::other("a message does not fit when compressed"));
    }
    out.truncate(out.len() - TAIL.len());
    Ok(out)
}

/// Inflates all messages of one server, in order.
#[derive(Debug)]
pub struct Inflater {
    codec: Decompress,
    out: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}

impl Inflater {
    /// At the beginning of a connection.
    pub fn new() -> Self {
        Self {
            codec: Decompress::new(false),
            out: Vec::new(),
        }
    }

    /// The message that `payload` is the compressed form of.
    pub fn inflate(&mut self, payload: &[u8]) -> io::Result<&[u8]> {
        self.out.clear();
        self.push(payload)?;
        self.push(&TAIL)?;
        Ok(&self.out)
    }

    fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            self.out.reserve(SLACK_BYTES + 4 * bytes.len());
            let (before, filled) = (self.codec.total_in(), self.out.len());
            self.codec
                .decompress_vec(bytes, &mut self.out, FlushDecompress::Sync)
                .map_err(io::Error::other)?;
            bytes = &bytes[(self.codec.total_in() - before) as usize..];
            if self.out.len() > INFLATED_MAX_BYTES {
                return Err(io::Error::other("an inflated message is too long"));
            }
            let is_full = self.out.len() == self.out.capacity();
            if bytes.is_empty() && !is_full {
                return Ok(());
            }
            let is_stuck = self.codec.total_in() == before && self.out.len() == filled;
            if is_stuck {
                return Err(io::Error::other("compressed data ends early"));
            }
        }
    }
}

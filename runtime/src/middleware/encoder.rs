//! Compressors that can give out, after any piece, all that the receiver needs to read it.

use super::compression::Coding;
use flate2::Compression as GzipLevel;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// How far back a compressor of a stream looks, as a power of two: what a stream costs in memory
/// grows with it, and there may be a stream on each connection.
const WINDOW_BITS: u8 = 18;
/// The smallest window that brotli knows, as a power of two.
const BROTLI_WINDOW_BITS_MIN: u8 = 10;
/// Brotli's own buffer in front of the output, in bytes.
const BROTLI_BUFFER_BYTES: usize = 4 * 1024;

/// One body that is being compressed.
pub(crate) enum Encoder {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::Encoder<'static, Vec<u8>>>),
}

impl Encoder {
    /// Starts a body of `size` bytes, if that is known.
    pub(crate) fn new(coding: Coding, level: u32, size: Option<usize>) -> io::Result<Self> {
        let output = Vec::with_capacity(size.map_or(0, |size| size / 4 + 64));
        Ok(match coding {
            Coding::Gzip => Self::Gzip(Box::new(GzEncoder::new(output, GzipLevel::new(level)))),
            Coding::Brotli => {
                let bits = u32::from(window_bits(size).max(BROTLI_WINDOW_BITS_MIN));
                Self::Brotli(Box::new(brotli::CompressorWriter::new(
                    output,
                    BROTLI_BUFFER_BYTES,
                    level,
                    bits,
                )))
            }
            Coding::Zstd => {
                let level = i32::try_from(level).unwrap_or(i32::MAX);
                let mut encoder = zstd::Encoder::new(output, level)?;
                encoder.window_log(u32::from(WINDOW_BITS))?;
                encoder.set_pledged_src_size(size.map(|size| size as u64))?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    /// Compresses a piece; the receiver can read all of it from what is returned.
    pub(crate) fn piece(&mut self, data: &[u8]) -> io::Result<Vec<u8>> {
        self.write(data)?;
        match self {
            Self::Gzip(encoder) => {
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Brotli(encoder) => {
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Zstd(encoder) => {
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    /// Compresses a whole body.
    pub(crate) fn whole(mut self, data: &[u8]) -> io::Result<Vec<u8>> {
        self.write(data)?;
        self.end()
    }

    /// What ends the body.
    pub(crate) fn end(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(data),
            Self::Brotli(encoder) => encoder.write_all(data),
            Self::Zstd(encoder) => encoder.write_all(data),
        }
    }
}

/// A window no larger than the body.
fn window_bits(size: Option<usize>) -> u8 {
    let bits = |size: usize| u8::try_from(usize::BITS - size.leading_zeros()).unwrap_or(u8::MAX);
    size.map_or(WINDOW_BITS, |size| bits(size).min(WINDOW_BITS))
}

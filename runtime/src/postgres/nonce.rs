//! Randomness for log-ins.

use std::fs::File;
use std::io::Read;

use protocols::postgres::NONCE_BYTES_MIN;

/// Random bytes for one log-in, from the kernel.
///
/// # Errors
/// When the kernel gives none.
pub fn nonce() -> std::io::Result<[u8; NONCE_BYTES_MIN]> {
    let mut bytes = [0; NONCE_BYTES_MIN];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

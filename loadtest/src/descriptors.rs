//! How many sockets this process may hold.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Allows `needed` descriptors, or as many as the hard limit does.
pub(crate) fn raise_descriptor_limit(needed: u64) -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < needed {
        setrlimit(Resource::RLIMIT_NOFILE, needed.min(hard), hard)?;
    }
    Ok(())
}

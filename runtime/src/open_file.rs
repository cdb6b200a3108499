//! An open file and what every answer that sends it says about it.

use protocols::http1;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A regular file, open for reading, with the facts of the moment it was opened.
pub struct OpenFile {
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) modified_s: u64,
    pub(crate) etag: Vec<u8>,
    /// The lines `etag`, `last-modified` and `accept-ranges`, and those that came with the file.
    pub(crate) fields: Vec<u8>,
}

impl OpenFile {
    /// Opens a file by name.
    ///
    /// # Errors
    /// When it cannot be opened or is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Without O_NONBLOCK, opening a pipe would wait for a writer.
        Self::new(
            File::options()
                .read(true)
                .custom_flags(nix::libc::O_NONBLOCK)
                .open(path)?,
        )
    }

    /// Takes over an open file.
    ///
    /// # Errors
    /// When it is no regular file.
    pub fn new(file: File) -> io::Result<Self> {
        Self::with_fields(file, Vec::new())
    }

    /// Takes over an open file whose answers also have the encoded lines `fields`.
    pub(crate) fn with_fields(file: File, mut fields: Vec<u8>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let size = metadata.len();
        let modified_s = u64::try_from(metadata.mtime()).unwrap_or(0);
        let nanoseconds = u128::try_from(metadata.mtime_nsec()).unwrap_or(0);
        let mut etag = Vec::new();
        http1::etag_for(
            size,
            u128::from(modified_s) * 1_000_000_000 + nanoseconds,
            &mut etag,
        );
        let date = http1::http_date(modified_s);
        for (name, value) in [("etag", &*etag), ("last-modified", date.as_bytes())] {
            // Values of ours are always valid.
            let _ = http1::encode_field(name.as_bytes(), value, &mut fields);
        }
        let _ = http1::encode_field(b"accept-ranges", b"bytes", &mut fields);
        Ok(Self {
            file,
            size,
            modified_s,
            etag,
            fields,
        })
    }
}

//! A folder whose files are served without asking the application.

use crate::answer::{Answer, AnswerBody, FileBody, FileSource};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use std::borrow::Cow;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

/// An open folder and what its files are called.
pub struct StaticFolder {
    folder: OwnedFd,
    /// Looks up the `content-type` of a file name.
    media_type: Box<dyn Fn(&str) -> String>,
    html: bool,
    follow_symlinks: bool,
}

impl StaticFolder {
    /// Opens a folder. With `html`, `index.html` answers for a folder. Links that lead out of
    /// the folder are followed only with `follow_symlinks`.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn open(
        folder: &Path,
        html: bool,
        follow_symlinks: bool,
        media_type: Box<dyn Fn(&str) -> String>,
    ) -> std::io::Result<Self> {
        let folder = File::open(folder)?.into();
        Ok(Self { folder, media_type, html, follow_symlinks })
    }

    /// Answers for the file at `tail`, a decoded path below the folder.
    pub(crate) fn answer(&self, method: &[u8], tail: &str) -> Answer {
        if method != b"GET" && method != b"HEAD" {
            return Answer::json(405, r#"{"detail":"Method Not Allowed"}"#);
        }
        let tail = tail.trim_start_matches('/');
        let leaves = |part: &str| part == ".." || part.contains('\0');
        if tail.split('/').any(leaves) {
            return not_found();
        }
        match self.open_file(tail) {
            Some((file, name)) => self.file_answer(file, &name),
            None => not_found(),
        }
    }

    fn open_file(&self, tail: &str) -> Option<(File, String)> {
        let tail = if tail.is_empty() { "." } else { tail };
        let file = self.open_below(tail).ok()?;
        let metadata = file.metadata().ok()?;
        if metadata.is_file() {
            return Some((file, tail.to_owned()));
        }
        if !self.html || !metadata.is_dir() {
            return None;
        }
        let index = format!("{}/index.html", tail.trim_end_matches('/'));
        let file = self.open_below(&index).ok()?;
        file.metadata().ok()?.is_file().then_some((file, index))
    }

    fn open_below(&self, tail: &str) -> Result<File, Errno> {
        let resolve = if self.follow_symlinks {
            ResolveFlag::RESOLVE_NO_MAGICLINKS
        } else {
            ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS
        };
        // Without O_NONBLOCK, opening a pipe that lies in the folder would wait for a writer.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let how = OpenHow::new().flags(flags).resolve(resolve);
        openat2(&self.folder, tail, how).map(File::from)
    }

    fn file_answer(&self, file: File, name: &str) -> Answer {
        let media_type = (self.media_type)(name);
        let mut fields = Vec::with_capacity(64);
        let encoded =
            protocols::http1::encode_field(b"content-type", media_type.as_bytes(), &mut fields);
        if encoded.is_err() {
            fields.clear();
        }
        Answer {
            status: 200,
            fields: Cow::Owned(fields),
            close: false,
            body: AnswerBody::File(FileBody { source: FileSource::Open(file) }),
        }
    }
}

fn not_found() -> Answer {
    Answer::json(404, r#"{"detail":"Not Found"}"#)
}

//! A folder whose files are served without asking the application.

use crate::answer::{Answer, AnswerBody, FileBody, FileSource};
use crate::open_file::OpenFile;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

/// How long an open file answers before its name is looked up again, in milliseconds.
const FRESH_MS: u64 = 1_000;
/// What answers for missing files of an html folder.
const MISSING_PAGE: &str = "404.html";
/// Most files of one folder that are kept open; past it all are let go.
const OPEN_MAX: usize = 256;

/// A file that was asked for a moment ago.
struct Recent {
    file: Rc<OpenFile>,
    status: u16,
    looked_up_ms: u64,
}

/// An open folder and what its files are called.
pub struct StaticFolder {
    folder: OwnedFd,
    /// Looks up the `content-type` of a file name.
    media_type: Box<dyn Fn(&str) -> String>,
    html: bool,
    follow_symlinks: bool,
    recent: RefCell<HashMap<String, Recent>>,
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
        let recent = RefCell::default();
        Ok(Self {
            folder,
            media_type,
            html,
            follow_symlinks,
            recent,
        })
    }

    /// Answers for the file at `tail`, a decoded path below the folder. What changes in the
    /// folder shows after [`FRESH_MS`] at the latest.
    pub(crate) fn answer(&self, method: &[u8], tail: &str, now_ms: u64) -> Answer {
        if method != b"GET" && method != b"HEAD" {
            return Answer::json(405, r#"{"detail":"Method Not Allowed"}"#);
        }
        let tail = tail.trim_start_matches('/');
        let leaves = |part: &str| part == ".." || part.contains('\0');
        if tail.split('/').any(leaves) {
            return not_found();
        }
        match self.find(tail, 200, now_ms) {
            Some(answer) => answer,
            None if self.html => self
                .find(MISSING_PAGE, 404, now_ms)
                .unwrap_or_else(not_found),
            None => not_found(),
        }
    }

    /// Answers with the file at `tail`, one that was found a moment ago if there is such.
    fn find(&self, tail: &str, status: u16, now_ms: u64) -> Option<Answer> {
        if let Some(recent) = self.recent.borrow().get(tail)
            && recent.status == status
            && now_ms < recent.looked_up_ms + FRESH_MS
        {
            return Some(file_answer(recent));
        }
        let opened = self.open_file(tail);
        let mut recents = self.recent.borrow_mut();
        let Some(file) = opened else {
            recents.remove(tail);
            return None;
        };
        let recent = Recent {
            file: Rc::new(file),
            status,
            looked_up_ms: now_ms,
        };
        let answer = file_answer(&recent);
        if recents.len() >= OPEN_MAX {
            recents.clear();
        }
        recents.insert(tail.to_owned(), recent);
        Some(answer)
    }

    fn open_file(&self, tail: &str) -> Option<OpenFile> {
        let tail = if tail.is_empty() { "." } else { tail };
        let file = self.open_below(tail).ok()?;
        let is_folder = file.metadata().ok()?.is_dir();
        if !is_folder {
            return OpenFile::with_fields(file, self.fields(tail)).ok();
        }
        if !self.html {
            return None;
        }
        let index = format!("{}/index.html", tail.trim_end_matches('/'));
        let file = self.open_below(&index).ok()?;
        OpenFile::with_fields(file, self.fields(&index)).ok()
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

    fn fields(&self, name: &str) -> Vec<u8> {
        let media_type = (self.media_type)(name);
        let mut fields = Vec::with_capacity(64);
        // A media type that cannot be sent is left out.
        let _ = protocols::http1::encode_field(b"content-type", media_type.as_bytes(), &mut fields);
        fields
    }
}

fn file_answer(recent: &Recent) -> Answer {
    let source = FileSource::Open(recent.file.clone());
    Answer {
        status: recent.status,
        fields: Cow::Borrowed(b""),
        close: false,
        body: AnswerBody::File(FileBody { source }),
    }
}

fn not_found() -> Answer {
    Answer::json(404, r#"{"detail":"Not Found"}"#)
}

//! The file that holds the supervisor's process id while it runs.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::logging;

/// Removed when dropped, if it is still this process's own.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the file over whatever an earlier process left.
    pub(super) fn write(path: &Path) -> Result<Self, Error> {
        std::fs::write(path, contents()).map_err(|error| Error::PidFileUnusable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours = std::fs::read_to_string(&self.path).is_ok_and(|text| text == contents());
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            logging::warning(format_args!(
                "{} stays behind: {error}",
                self.path.display()
            ));
        }
    }
}

fn contents() -> String {
    format!("{}\n", std::process::id())
}

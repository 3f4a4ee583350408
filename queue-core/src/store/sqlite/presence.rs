//! Whether the open database is still the file at its path.
//!
//! On Unix a file can be deleted or replaced while it is open: what is written to it then is gone with its last user,
//! so writing must stop, until it is back at its place. Elsewhere the system refuses to delete an open file, and we only look whether it exists.

use std::path::{Path, PathBuf};

use super::fault::{Fault, Outcome};

/// Remembers which file was opened.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl Presence {
    /// Remembers the file now at `path`.
    pub(super) fn of(path: &Path) -> Self {
        let file = std::fs::metadata(path).ok().and_then(|meta| identity(&meta));
        Self { path: path.to_owned(), file }
    }

    /// An error when it was removed or replaced since.
    pub(super) fn check(&self) -> Outcome<()> {
        match std::fs::metadata(&self.path) {
            Ok(meta) if identity(&meta) == self.file => Ok(()),
            Ok(_) => Err(Fault::Away("the file was replaced by another one while it was open")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Fault::Away("the file was removed while it was open"))
            }
            // Cannot be looked at just now; SQLite has it open and will say more.
            Err(_) => Ok(()),
        }
    }
}

#[cfg(unix)]
fn identity(meta: &std::fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((meta.dev(), meta.ino()))
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> Option<(u64, u64)> {
    None
}

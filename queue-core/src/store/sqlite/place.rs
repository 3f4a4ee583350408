//! Where the file is that a path names.
//!
//! SQLite follows symbolic links, and keeps the log and its index beside the file itself. So do we what lies beside it: all
//! processes meet there, by whichever name they come. The path is made whole, too: a program may change its directory while it
//! has the file open, and SQLite takes no name for a URL that begins with `/`.

use std::path::{Path, PathBuf};

/// How many links are followed, as by Linux.
const LINKS: usize = 40;

/// Where a file is, or will be.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// What it is called: a link there may lead elsewhere some day.
    pub(super) named: PathBuf,
    /// Itself, whatever links lead there.
    pub(super) file: PathBuf,
}

impl Place {
    pub(super) fn of(path: &Path) -> Self {
        let named = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { named, file: real(path).unwrap_or_else(|| path.to_owned()) }
    }
}

/// The path without links; `None` where its folder is not there, and where SQLite follows none.
fn real(path: &Path) -> Option<PathBuf> {
    if cfg!(not(unix)) {
        return None;
    }
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = at.read_link() else { break };
        at = folder(&at).join(target);
    }
    Some(folder(&at).canonicalize().ok()?.join(at.file_name()?))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_a_file_that_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("data")).unwrap();
        symlink("data", root.join("linked")).unwrap();
        symlink("linked/queue.db", root.join("first")).unwrap();
        symlink(root.join("first"), root.join("second")).unwrap();
        let place = Place::of(&root.join("second"));
        assert_eq!((place.named, place.file), (root.join("second"), root.join("data/queue.db")));
    }

    #[test]
    fn what_cannot_be_followed_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        symlink("loop", root.join("loop")).unwrap();
        for path in [root.join("none/queue.db"), root.join("loop"), root.join("..")] {
            assert_eq!(Place::of(&path).file, path);
        }
    }

    #[test]
    fn a_path_is_made_whole() {
        let place = Place::of(Path::new("file:queue.db"));
        assert!(place.named.is_absolute() && place.file.is_absolute(), "{place:?}");
    }
}

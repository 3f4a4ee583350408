//! Whether a file lies on a network file system, where processes of two hosts do not share memory and SQLite's
//! write-ahead log corrupts. Linux says so in `/proc/self/mounts`; elsewhere we rely on SQLite's own refusal.

use std::path::Path;

const NETWORK: [&str; 8] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "ceph", "fuse.glusterfs"];

/// The kind of the network file system that holds `path`; `None` for local ones and where it cannot be known.
pub(super) fn file_system(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    kind(&mounts, &folder).filter(|kind| NETWORK.contains(&kind.as_str()))
}

/// The kind of the file system mounted nearest above `folder`.
fn kind(mounts: &str, folder: &Path) -> Option<String> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let place = words.next()?.replace("\\040", " ");
            folder.starts_with(&place).then_some((place.len(), words.next()?))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\nhost:/x /home nfs4 rw 0 0\n/dev/b /home/my\\040disk xfs rw 0 0\n";
        let kind = |folder: &str| kind(mounts, Path::new(folder)).unwrap();
        assert_eq!(kind("/var"), "ext4");
        assert_eq!(kind("/home/me"), "nfs4");
        assert_eq!(kind("/home/my disk/x"), "xfs");
    }
}

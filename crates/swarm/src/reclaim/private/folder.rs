//! Folders that only their owner can read.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::reclaim::error::ReclaimError;

/// Creates a folder, and its missing parents, that only its owner can read. One that exists keeps its permissions.
pub(crate) fn make_private(dir: &Path) -> Result<(), ReclaimError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| ReclaimError::State { path: dir.to_owned(), source })
}

/// Copies a folder: files with their permissions, folders as [`make_private`] creates them; links and sockets not at all. A
/// file that vanishes meanwhile is not an error, because the running manager deletes raft logs that a snapshot replaces.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    make_private(to).map_err(std::io::Error::other)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&path, &to)?;
        } else if kind.is_file() {
            match fs::copy(&path, &to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_copy_has_every_file_with_its_permissions_and_only_its_owner_can_enter() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("swarm"), dir.path().join("copy/swarm"));
        fs::create_dir_all(from.join("certificates")).unwrap();
        fs::create_dir_all(from.join("raft/empty")).unwrap();
        fs::write(from.join("state.json"), "state").unwrap();
        fs::write(from.join("certificates/swarm-node.key"), "key").unwrap();
        fs::set_permissions(from.join("certificates/swarm-node.key"), fs::Permissions::from_mode(0o600))
            .unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("state.json")).unwrap(), b"state");
        assert_eq!(fs::read(to.join("certificates/swarm-node.key")).unwrap(), b"key");
        assert_eq!(
            (mode(&to.join("certificates/swarm-node.key")), mode(&to.join("certificates"))),
            (0o600, 0o700)
        );
        assert_eq!((mode(&to), mode(&dir.path().join("copy"))), (0o700, 0o700));
        assert!(to.join("raft/empty").is_dir());
        assert!(fs::symlink_metadata(to.join("link")).is_err(), "a link could lead out of the folder");
    }

    #[test]
    fn a_folder_that_is_missing_or_a_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let missing = copy(&dir.path().join("missing"), &dir.path().join("copy")).unwrap_err();
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
        fs::write(dir.path().join("file"), "").unwrap();
        let error = make_private(&dir.path().join("file/state")).unwrap_err();
        assert!(
            matches!(&error, ReclaimError::State { path, .. } if *path == dir.path().join("file/state")),
            "{error}"
        );
    }
}

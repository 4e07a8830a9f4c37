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

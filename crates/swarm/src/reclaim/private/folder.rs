//! Folders that only their owner may enter.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::reclaim::error::ReclaimError;

/// A folder that only its owner may enter.
pub(crate) fn make_private(dir: &Path) -> Result<(), ReclaimError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| ReclaimError::State { path: dir.to_owned(), source })
}

/// Copies a folder with its permissions; a file that vanishes meanwhile (a raft log that was cut off) is no error.
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

//! Reading files that a configuration names, with bounds.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

/// Why a file was not read. A fragment of a sentence that names the file.
#[derive(Debug, Error)]
pub enum FileFault {
    /// The system refused.
    #[error("cannot be read: check the path and its permissions")]
    Read(#[source] io::Error),
    /// It is a directory, a pipe or a device.
    #[error("is not a regular file: save its content to one, and name that")]
    NotAFile,
    /// It has more than this many bytes.
    #[error("is larger than {0} bytes: give a file that holds nothing else")]
    TooLarge(u64),
    /// A block in it is not PEM.
    #[error("is not valid PEM")]
    NotPem,
}

/// Reads a regular file of at most `limit_bytes`.
pub(crate) fn read_bounded(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, FileFault> {
    // Checked before opening: opening a FIFO blocks until a writer opens it (fifo(7)).
    if !std::fs::metadata(path).map_err(FileFault::Read)?.is_file() {
        return Err(FileFault::NotAFile);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(FileFault::Read)?;
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(FileFault::Read)?;
    if limit_bytes < bytes.len() as u64 {
        return Err(FileFault::TooLarge(limit_bytes));
    }
    Ok(bytes)
}

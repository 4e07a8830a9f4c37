//! A text file of this host.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use jiff::Timestamp;
use thiserror::Error;

/// A file that was read to its end.
pub(super) struct Text {
    pub(super) content: String,
    pub(super) metadata: Metadata,
    /// When it was written, by the file system.
    pub(super) modified: Timestamp,
}

/// Why a file gives no text.
#[derive(Debug, Error)]
pub(super) enum NoText {
    /// There is none.
    #[error("{0}")]
    NotThere(io::Error),
    /// The system refuses it.
    #[error("{0}")]
    Unreadable(io::Error),
    /// It is something else, too long or no text.
    #[error("{0}")]
    Unfit(String),
}

/// Reads a text file of at most so many bytes.
pub(super) fn read_text(path: &Path, most: u64) -> Result<Text, NoText> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => NoText::NotThere(error),
        _ => NoText::Unreadable(error),
    })?;
    // Opening anything else may not return.
    if !metadata.is_file() {
        return Err(NoText::Unfit("it is no file".to_owned()));
    }
    let (mut bytes, file) = (Vec::new(), File::open(path).map_err(NoText::Unreadable)?);
    file.take(most + 1).read_to_end(&mut bytes).map_err(NoText::Unreadable)?;
    if most < bytes.len() as u64 {
        return Err(NoText::Unfit(format!("it has more than {} MiB", most >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|_| NoText::Unfit("it is no UTF-8".to_owned()))?;
    let modified = metadata.modified().map_err(NoText::Unreadable)?;
    let modified = Timestamp::try_from(modified).map_err(|error| NoText::Unfit(error.to_string()))?;
    Ok(Text { content: text, metadata, modified })
}

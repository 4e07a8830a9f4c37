//! Why a log cannot be read.

use std::io;
use std::path::{Path, PathBuf};

/// Why a log cannot be read. One line each: the place, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such file.
    #[error("cannot read the engine log {}: no such file; name the one that dockerd writes with [journal] file, or a unit with [journal] unit", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// This user may not read it.
    #[error("cannot read the engine log {}: permission denied; run as root or a member of systemd-journal, or name another with [journal] file", path.display())]
    NotAllowed {
        /// The file.
        path: PathBuf,
    },
    /// It is a directory.
    #[error("cannot read the engine log {}: it is a directory; name a file in it with [journal] file", path.display())]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// It is a pipe, a socket or a device, where a read may block without end.
    #[error("cannot read the engine log {}: it is not a regular file; name one with [journal] file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// Reading failed otherwise.
    #[error("cannot read the engine log {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// journalctl does not run.
    #[error("cannot run {}; install systemd's journalctl, or name the engine's log with [journal] file", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// journalctl failed before it printed a record.
    #[error("{} failed ({status}): {message}", program.display())]
    Journalctl {
        /// The program.
        program: PathBuf,
        /// Its exit status, such as `exit status: 1`.
        status: String,
        /// The first line of its stderr, redacted.
        message: String,
    },
    /// The journal is there, and this user sees nothing of it.
    #[error(
        "cannot read the journal of unit {unit}: permission denied; run as root or a member of systemd-journal, or name a log with [journal] file"
    )]
    JournalNotAllowed {
        /// The unit.
        unit: String,
    },
    /// The mark is a file's and the source a journal, or the other way round.
    #[error("the mark was not set on {source_name}; set a new one")]
    WrongMark {
        /// The source's name, as [`Source::describe`](crate::Source::describe) gives it.
        source_name: String,
    },
    /// The time was up before the mark could be set.
    #[error("cannot find the end of {source_name} within {after_ms} ms; allow more time")]
    NoMark {
        /// The source's name, as [`Source::describe`](crate::Source::describe) gives it.
        source_name: String,
        /// The time limit.
        after_ms: u64,
    },
    /// The journal's files cannot be read.
    #[error(
        "cannot read {source_name}: {message}; run as root or a member of systemd-journal, or name another with [journal] directory"
    )]
    Journald {
        /// The source's name, as [`Source::describe`](crate::Source::describe) gives it.
        source_name: String,
        /// What the system says.
        message: String,
    },
}

impl SourceError {
    pub(crate) fn of_file(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing { path },
            io::ErrorKind::PermissionDenied => Self::NotAllowed { path },
            io::ErrorKind::IsADirectory => Self::IsDirectory { path },
            _ => Self::Io { path, source: error },
        }
    }
}

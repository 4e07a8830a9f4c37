//! The file of what the guard remembers. Written whole or not at all, by one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::memory::{Memory, NotMemory};

/// The largest file that is read; a whole one has about 100 KiB for each network.
const MOST_BYTES: u64 = 64 << 20;

/// Why the guard does not know what it did before.
#[derive(Debug, Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("{}: {source}; name another with --state FILE", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what the guard wrote.
    #[error("{}: {why}", path.display())]
    NotMemory {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: NotMemory,
    },
    /// It is of another Swarm.
    #[error("{}: it is of Swarm {swarm}; name another with --state FILE", path.display())]
    OtherSwarm {
        /// The file.
        path: PathBuf,
        /// The Swarm that it is of.
        swarm: String,
    },
    /// Another guard is at work.
    #[error("another guard is at work on {}; wait until it has ended", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

/// The file, held against other guards until it is dropped.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    _held: File,
}

/// Reads it, without holding it: for a guard that does nothing.
///
/// # Errors
/// If it is there, and cannot be read or understood, or is of another Swarm than this one, where it is known. Where there is none, nothing was done yet.
pub fn read_state(path: &Path, swarm: Option<&str>) -> Result<Memory, StateError> {
    let failed = |source| StateError::Io { path: path.to_owned(), source };
    let mut text = String::new();
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Memory::default()),
        Err(error) => return Err(failed(error)),
        Ok(file) if !file.metadata().is_ok_and(|about| about.is_file()) => {
            return Err(failed(io::Error::new(ErrorKind::InvalidInput, "it is no file")));
        }
        Ok(file) => file.take(MOST_BYTES).read_to_string(&mut text).map_err(failed)?,
    };
    let memory =
        Memory::from_json(&text).map_err(|why| StateError::NotMemory { path: path.to_owned(), why })?;
    match (&memory.swarm, swarm) {
        (Some(other), Some(swarm)) if other != swarm => {
            Err(StateError::OtherSwarm { path: path.to_owned(), swarm: other.clone() })
        }
        _ => Ok(memory),
    }
}

impl StateFile {
    /// Holds the file against other guards; its folder is made if it is not there.
    ///
    /// # Errors
    /// If another guard holds it, or it cannot be held.
    pub fn hold(path: &Path) -> Result<Self, StateError> {
        let failed = |source| StateError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        // A file of its own: the one that is replaced would take its lock away with it.
        let lock = beside(path, ".lock");
        let held = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock);
        let held = held.map_err(failed)?;
        match held.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _held: held }),
            Err(TryLockError::WouldBlock) => Err(StateError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// What the guard remembers.
    ///
    /// # Errors
    /// As [`read_state`].
    pub fn read(&self, swarm: Option<&str>) -> Result<Memory, StateError> {
        read_state(&self.path, swarm)
    }

    /// Replaces the file: a new one is written, synced and renamed over the old one, and the folder is synced, since a rename
    /// that is not on the disk is undone by a power failure (fsync(2)).
    ///
    /// # Errors
    /// If it cannot be written; then the old one is still there.
    pub fn write(&self, memory: &Memory) -> Result<(), StateError> {
        let new = beside(&self.path, ".new");
        let write = || {
            let text = memory.to_json().map_err(io::Error::other)?;
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|source| StateError::Io { path: self.path.clone(), source })
    }
}

/// A file beside this one, with this at the end of its name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/guard.json");
        assert_eq!(read_state(&path, Some("s1")).expect("nothing yet"), Memory::default());
        let file = StateFile::hold(&path).expect("free");
        let memory = Memory { swarm: Some("s1".into()), ..Memory::default() };
        file.write(&memory).expect("a folder of the test");
        assert_eq!(file.read(Some("s1")).expect("whole"), memory);
        let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let other = file.read(Some("s2")).expect_err("another Swarm").to_string();
        assert!(other.contains("of Swarm s1") && other.contains("--state FILE"), "{other}");
    }

    #[test]
    fn two_guards_do_not_work_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("guard.json");
        let first = StateFile::hold(&path).expect("free");
        assert!(matches!(StateFile::hold(&path), Err(StateError::Busy { .. })));
        drop(first);
        assert!(StateFile::hold(&path).is_ok());
    }

    #[test]
    fn a_new_file_that_was_not_finished_is_ignored_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("guard.json");
        let file = StateFile::hold(&path).expect("free");
        file.write(&Memory::default()).expect("a folder of the test");
        std::fs::write(beside(&path, ".new"), "{\"schema").expect("a file");
        assert!(file.read(Some("s1")).is_ok());
        std::fs::write(&path, "{\"schema").expect("a file");
        let error = file.read(Some("s1")).expect_err("damaged").to_string();
        assert!(error.contains("guard.json: damaged") && !error.contains('\n'), "{error}");
        assert!(matches!(read_state(folder.path(), None), Err(StateError::Io { .. })), "a folder");
    }
}

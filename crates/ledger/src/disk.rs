//! Files that are only ever added to: read whole and written at their end, under a lock.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use thiserror::Error;

use crate::damage::Damage;
use crate::ledger::Refusal;
use crate::pages::PageError;

/// The largest file that is read.
const LIMIT_BYTES: u64 = 512 << 20;

/// The longest wait for another process: it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A ledger's file or a page cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot use {}: {source}; name another with {option}", .path.display())]
    Io {
        /// Its path.
        path: PathBuf,
        /// The option that names it.
        option: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written to.
    #[error("nothing was added to {}: {source}", .path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too large.
    #[error("{} has more than {} MiB; name another with {option}", .path.display(), LIMIT_BYTES >> 20)]
    TooLarge {
        /// Its path.
        path: PathBuf,
        /// The option that names it.
        option: &'static str,
    },
    /// Another process holds its lock.
    #[error("{} has been locked by another process for {} s; try again when that has ended", .path.display(), PATIENCE.as_secs())]
    Locked {
        /// Its path.
        path: PathBuf,
    },
    /// It is no whole ledger.
    #[error("{}: {damage}", .path.display())]
    Damage {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        damage: Damage,
    },
    /// The line is not one to append.
    #[error("not appended to {}: {refusal}", .path.display())]
    Refused {
        /// Its path.
        path: PathBuf,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// The page is another ledger's.
    #[error("{}: {page}", .path.display())]
    Page {
        /// Its path.
        path: PathBuf,
        /// Why.
        page: PageError,
    },
}

/// A file by its path, and the option that names it.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    pub(crate) option: &'static str,
}

impl Disk {
    /// Opens the file. One that has to be waited for, such as a FIFO, is refused later, as it cannot be sought in.
    pub(crate) fn open(&self, options: &mut OpenOptions) -> Result<File, FileError> {
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        options.custom_flags(nonblocking).open(&self.path).map_err(|e| self.failed(e))
    }

    /// The file with its lock, waited for on a thread of its own: the call has no deadline.
    pub(crate) fn locked(&self, file: File, lock: fn(&File) -> io::Result<()>) -> Result<File, FileError> {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(lock(&file).map(|()| file)));
        match receiver.recv_timeout(PATIENCE) {
            Ok(locked) => locked.map_err(|e| self.failed(e)),
            Err(_) => Err(FileError::Locked { path: self.path.clone() }),
        }
    }

    /// All that is in it.
    pub(crate) fn bytes(&self, file: &mut File) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        let begun = file.seek(SeekFrom::Start(0));
        begun.and_then(|_| file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes)).map_err(|e| self.failed(e))?;
        if LIMIT_BYTES < bytes.len() as u64 {
            return Err(FileError::TooLarge { path: self.path.clone(), option: self.option });
        }
        Ok(bytes)
    }

    /// Writes at the end of a file of this length, to the disk, or nothing.
    pub(crate) fn add(&self, file: &mut File, length: usize, bytes: &[u8]) -> Result<(), FileError> {
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.map_err(|source| {
            // A full disk leaves the beginning of a line. If that cannot be taken back, the next check names it.
            let _ = file.set_len(length as u64).and_then(|()| file.sync_all());
            FileError::Write { path: self.path.clone(), source }
        })
    }

    /// Puts the file's name on the disk: it is in the folder.
    pub(crate) fn keep_name(&self) -> Result<(), FileError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new(".")));
        folder.and_then(|folder| folder.sync_all()).map_err(|e| self.failed(e))
    }

    pub(crate) fn failed(&self, source: io::Error) -> FileError {
        FileError::Io { path: self.path.clone(), option: self.option, source }
    }
}

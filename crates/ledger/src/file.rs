//! The file of a ledger, and the files of a phase's pages.

use std::fs::{File, OpenOptions, create_dir_all};
use std::path::Path;

use jiff::Timestamp;

use crate::content::{Content, Founding};
use crate::damage::Damage;
use crate::disk::{Disk, FileError};
use crate::keys::PrivateKey;
use crate::ledger::{Ledger, Refusal};
use crate::line::Line;
use crate::pages::{Page, PageError};

/// A ledger's file, by its path.
#[derive(Clone, Debug)]
pub struct LedgerFile {
    disk: Disk,
}

impl LedgerFile {
    /// The file at this path, which need not be there yet.
    pub fn at(path: &Path) -> Self {
        Self { disk: Disk { path: path.to_owned(), option: "--ledger FILE" } }
    }

    /// Makes the file, with its first line.
    ///
    /// # Errors
    /// If it is there, cannot be written, or the key is of neither role.
    pub fn found(&self, founding: Founding, at: Timestamp, key: &PrivateKey) -> Result<Ledger, FileError> {
        let bytes = Ledger::found(founding, at, key).map_err(|refusal| self.refused(refusal))?;
        let mut file = self.disk.open(OpenOptions::new().write(true).create_new(true))?;
        self.disk.add(&mut file, 0, &bytes)?;
        self.disk.keep_name()?;
        Ledger::read(&bytes).map_err(|damage| self.damaged(damage))
    }

    /// Reads and checks the ledger.
    ///
    /// # Errors
    /// If it cannot be read, or is not whole.
    pub fn read(&self) -> Result<Ledger, FileError> {
        let file = self.disk.open(OpenOptions::new().read(true))?;
        // Beside a process that appends, half of a line would look like damage.
        let mut file = self.disk.locked(file, File::lock_shared)?;
        Ledger::read(&self.disk.bytes(&mut file)?).map_err(|damage| self.damaged(damage))
    }

    /// Appends a line: what it says may depend on the ledger, which no other process changes meanwhile. `now` is asked under
    /// the lock, so that times do not go back. The line is on the disk when this returns; after an error none of it is left.
    ///
    /// # Errors
    /// If the ledger cannot be read or written, or is not whole; if the line is refused.
    pub fn append(
        &self,
        key: &PrivateKey,
        now: impl FnOnce() -> Timestamp,
        content: impl FnOnce(&Ledger) -> Content,
    ) -> Result<Line, FileError> {
        let file = self.disk.open(OpenOptions::new().read(true).append(true))?;
        let mut file = self.disk.locked(file, File::lock)?;
        let bytes = self.disk.bytes(&mut file)?;
        let ledger = Ledger::read(&bytes).map_err(|damage| self.damaged(damage))?;
        let next = ledger.next(content(&ledger), now(), key);
        let (line, added) = next.map_err(|refusal| self.refused(refusal))?;
        self.disk.add(&mut file, bytes.len(), &added)?;
        Ok(line)
    }

    fn damaged(&self, damage: Damage) -> FileError {
        FileError::Damage { path: self.disk.path.clone(), damage }
    }

    fn refused(&self, refusal: Refusal) -> FileError {
        FileError::Refused { path: self.disk.path.clone(), refusal: Box::new(refusal) }
    }
}

/// Adds to a page in this folder what `addition` makes of the page as it is; true iff that was something. The folder and the
/// page are made where they are not there, and what is there is not touched.
///
/// # Errors
/// If the page cannot be read as UTF-8 or written, or `addition` refuses it.
pub fn add_to_page(
    folder: &Path,
    page: Page,
    addition: impl Fn(&str) -> Result<String, PageError>,
) -> Result<bool, FileError> {
    let disk = Disk { path: folder.join(page.file_name()), option: "--write DIR" };
    let refused = |page| FileError::Page { path: disk.path.clone(), page };
    if !disk.path.exists() && addition("").map_err(refused)?.is_empty() {
        return Ok(false);
    }
    create_dir_all(folder).map_err(|e| disk.failed(e))?;
    let file = disk.open(OpenOptions::new().read(true).append(true).create(true))?;
    let mut file = disk.locked(file, File::lock)?;
    let bytes = disk.bytes(&mut file)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| disk.failed(std::io::Error::other(e)))?;
    let added = addition(text).map_err(refused)?;
    disk.add(&mut file, bytes.len(), added.as_bytes())?;
    Ok(!added.is_empty())
}

#[cfg(test)]
mod tests;

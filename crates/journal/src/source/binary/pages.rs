//! A part of a file in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::layout::Flaw;

/// No object that is read whole is longer: more than any line of dockerd's that is parsed, with its head.
pub(super) const MOST_BYTES: usize = 2 * 1024 * 1024;

/// A window on a file, which moves to what is asked for.
#[derive(Debug)]
pub(super) struct Pages {
    window: Vec<u8>,
    /// Where it begins in the file.
    at: u64,
    /// How much is read at once.
    chunk: usize,
}

impl Pages {
    pub(super) fn new(chunk: usize) -> Self {
        Self { window: Vec::new(), at: 0, chunk }
    }

    /// The bytes of the file from an offset on.
    ///
    /// # Errors
    /// If the file cannot be read, or ends before, which is damage; as is a length of more than two MiB.
    pub(super) fn get(&mut self, file: &File, at: u64, len: usize) -> Result<&[u8], Flaw> {
        let start = match self.start(at, len) {
            Some(start) => start,
            None => self.load(file, at, len)?,
        };
        Ok(&self.window[start..start + len])
    }

    /// Forgets what it has, so that it is read again.
    pub(super) fn clear(&mut self) {
        self.window.clear();
    }

    /// The bytes, if all of them are in the window.
    pub(super) fn peek(&self, at: u64, len: usize) -> Option<&[u8]> {
        self.start(at, len).map(|start| &self.window[start..start + len])
    }

    /// Where it is in the window, if all of it is.
    fn start(&self, at: u64, len: usize) -> Option<usize> {
        let start = usize::try_from(at.checked_sub(self.at)?).ok()?;
        (start.checked_add(len)? <= self.window.len()).then_some(start)
    }

    fn load(&mut self, file: &File, at: u64, len: usize) -> Result<usize, Flaw> {
        if MOST_BYTES < len {
            return Err(Flaw::Damage { offset: at });
        }
        let wanted = len.max(self.chunk);
        self.window.resize(wanted, 0);
        self.at = at;
        let mut filled = 0;
        while filled < wanted {
            let read = file.read_at(&mut self.window[filled..], at.saturating_add(filled as u64));
            match read {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.window.clear();
                    return Err(error.into());
                }
            }
        }
        self.window.truncate(filled);
        if filled < len { Err(Flaw::Damage { offset: at }) } else { Ok(0) }
    }
}

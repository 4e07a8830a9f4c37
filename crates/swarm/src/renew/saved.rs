//! The file that a renewal leaves: its record, where it stands, and how it ended.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pvcheck_audit::NetworkId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::record::{Record, SCHEMA, Stands};
use super::step::Direction;

/// The largest file that is read: more than a record with the most bytes that the Swarm takes, indented.
const MOST_BYTES: u64 = 8 << 20;

/// A renewal as its file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedRenewal {
    /// What was there before, and what was to be.
    #[serde(flatten)]
    pub record: Record,
    /// Where it stood when the file was written.
    pub stands: Stands,
    /// How it ended; `None` while it is under way, where another machine finished it, and in files of earlier versions.
    #[serde(default)]
    pub ended: Option<Ended>,
}

/// How a renewal ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ended {
    /// When, by that process' clock.
    pub at: Timestamp,
    /// With the new subnet, or with the old one again.
    pub direction: Direction,
    /// The id of the network as it was left.
    pub network: NetworkId,
    /// Services whose specs differed from before, and services that were gone.
    pub changed: Vec<String>,
}

/// Why the file of a renewal is no use. Each text says what to do next.
#[derive(Debug, Error)]
pub enum SavedRenewalError {
    /// It cannot be read.
    #[error("{}: {source}; name the file that `pvcheck resize` left with --record FILE", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is too long.
    #[error("{}: it has more than {} MiB, so it is not the record of a renewal; name another with --record FILE", path.display(), MOST_BYTES >> 20)]
    TooLong {
        /// Its path.
        path: PathBuf,
    },
    /// It is something else, or damaged.
    #[error("{}: not the record of a renewal: {source}; name another with --record FILE", path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Another version wrote it.
    #[error("{}: its format is {schema}, and this version reads {SCHEMA}; use the pvcheck that wrote it", path.display())]
    Schema {
        /// Its path.
        path: PathBuf,
        /// Its format.
        schema: String,
    },
}

impl SavedRenewal {
    /// The file of this network's renewals in a folder of states.
    pub fn file(state: &Path, network: &str) -> PathBuf {
        state.join(format!("resize-{network}.json"))
    }

    /// The same without the values of the network's labels and options, of which nobody knows what is in them: to be kept as
    /// evidence. No renewal can be resumed from it.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        self.record.settings.leave_out_values();
        self
    }

    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, is too long, is something else, or has another format.
    pub fn load(path: &Path) -> Result<Self, SavedRenewalError> {
        let unreadable = |source| SavedRenewalError::Unreadable { path: path.to_owned(), source };
        // Opening anything else may not return.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(std::io::Error::other("it is no file")));
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(unreadable)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if MOST_BYTES < bytes.len() as u64 {
            return Err(SavedRenewalError::TooLong { path: path.to_owned() });
        }
        let saved: Self = serde_json::from_slice(&bytes)
            .map_err(|source| SavedRenewalError::Damaged { path: path.to_owned(), source })?;
        if saved.record.schema != SCHEMA {
            let schema = saved.record.schema;
            return Err(SavedRenewalError::Schema { path: path.to_owned(), schema });
        }
        Ok(saved)
    }

    /// Writes it, for its owner alone, in the place of an earlier one.
    pub(super) fn save(&self, path: &Path) -> std::io::Result<()> {
        if let Some(dir) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let new = path.with_extension("new");
        let mut to = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        to.write_all(&serde_json::to_vec_pretty(self).unwrap_or_default())?;
        to.sync_all()?;
        fs::rename(&new, path)
    }
}

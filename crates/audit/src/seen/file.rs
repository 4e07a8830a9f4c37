//! A look that can be kept in a file: a snapshot, and the facts of the host that it was taken on.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::counts::AllocatorCounts;
use super::host::HostFacts;
use super::snapshot::Snapshot;

/// A snapshot, and what the host of the asked engine has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSnapshot {
    /// The Swarm.
    pub snapshot: Snapshot,
    /// The host; `None` where it was not looked at.
    pub host: Option<HostFacts>,
    /// Why it was not.
    pub host_unknown: Option<String>,
    /// The allocator's own counts, where they were asked for and told; none in a look of an older pvcheck.
    pub counts: AllocatorCounts,
}

/// Why a text is no saved look; one line with place and mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {problem}; write such a file with `pvcheck audit --save FILE`")]
pub struct SavedSnapshotError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1; 0 before the first.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

/// As written: a snapshot with some fields more, so that whoever reads snapshots reads this too.
#[derive(Serialize)]
struct Written<'a> {
    schema: &'a str,
    kind: &'a str,
    #[serde(flatten)]
    snapshot: &'a Snapshot,
    host: &'a Option<HostFacts>,
    host_unknown: &'a Option<String>,
    allocator: &'a AllocatorCounts,
}

/// What a file has beyond a snapshot. Read apart from it, for an error in a flattened struct has no place.
#[derive(Deserialize)]
struct Beyond {
    #[serde(default)]
    host: Option<HostFacts>,
    #[serde(default)]
    host_unknown: Option<String>,
    #[serde(default)]
    allocator: AllocatorCounts,
}

impl SavedSnapshot {
    /// The look as one JSON document, with schema `pvcheck/v1` and kind `snapshot`.
    ///
    /// # Errors
    /// Never for what an engine told.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let Self { snapshot, host, host_unknown, counts: allocator } = self;
        let (schema, kind) = ("pvcheck/v1", "snapshot");
        serde_json::to_string_pretty(&Written { schema, kind, snapshot, host, host_unknown, allocator })
    }

    /// Reads what [`SavedSnapshot::to_json`] wrote, or a bare snapshot.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_json(text: &str) -> Result<Self, SavedSnapshotError> {
        let snapshot = serde_json::from_str(text)?;
        let Beyond { host, host_unknown, allocator: counts } = serde_json::from_str(text)?;
        Ok(Self { snapshot, host, host_unknown, counts })
    }
}

impl From<serde_json::Error> for SavedSnapshotError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
        Self {
            line: error.line(),
            column: error.column(),
            problem: problem.chars().take(160).filter(|c| !c.is_control()).collect(),
        }
    }
}

//! A look that can be kept in a file: a snapshot, and the facts of the host that it was taken on.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::connection::CallError;
use crate::engine::Engine;
use crate::hostfacts::HostFacts;
use crate::snapshot::Snapshot;
use crate::status::Statuses;

/// A snapshot, and what the host of the asked engine has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The Swarm.
    pub snapshot: Snapshot,
    /// The host; `None` where it was not looked at.
    pub host: Option<HostFacts>,
    /// Why it was not.
    pub host_unknown: Option<String>,
    /// The allocator's own counts, where they were asked for and told; none in a look of an older pvcheck.
    pub statuses: Statuses,
}

/// Why a text is no saved look; one line with place and mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {problem}; write such a file with `pvcheck audit --save FILE`")]
pub struct LookError {
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
    allocator: &'a Statuses,
}

/// What a file has beyond a snapshot. Read apart from it, for an error in a flattened struct has no place.
#[derive(Deserialize)]
struct Beyond {
    #[serde(default)]
    host: Option<HostFacts>,
    #[serde(default)]
    host_unknown: Option<String>,
    #[serde(default)]
    allocator: Statuses,
}

impl Look {
    /// Looks at the Swarm and at this process's network namespace, which is taken for the engine's: see [`HostFacts`].
    /// A host that cannot be looked at is `None` with its reason. The allocator's counts are not asked for: see
    /// [`crate::read_statuses`].
    ///
    /// # Errors
    /// When a call to the engine fails.
    pub async fn take(engine: &Engine) -> Result<Self, CallError> {
        let snapshot = engine.snapshot().await?;
        let (host, host_unknown) = match HostFacts::read().await {
            Ok(host) => (Some(host), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Ok(Self { snapshot, host, host_unknown, statuses: Statuses::default() })
    }

    /// The look as one JSON document, with schema `pvcheck/v1` and kind `snapshot`.
    ///
    /// # Errors
    /// Never for what an engine told.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let Self { snapshot, host, host_unknown, statuses: allocator } = self;
        let (schema, kind) = ("pvcheck/v1", "snapshot");
        serde_json::to_string_pretty(&Written { schema, kind, snapshot, host, host_unknown, allocator })
    }

    /// Reads what [`Look::to_json`] wrote, or a bare snapshot.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_json(text: &str) -> Result<Self, LookError> {
        let snapshot = serde_json::from_str(text)?;
        let Beyond { host, host_unknown, allocator: statuses } = serde_json::from_str(text)?;
        Ok(Self { snapshot, host, host_unknown, statuses })
    }
}

impl From<serde_json::Error> for LookError {
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

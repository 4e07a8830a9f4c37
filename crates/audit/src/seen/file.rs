//! A snapshot in a file, with the facts of the host that it was taken on.

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
    /// The host; `None` if it was not read.
    pub host: Option<HostFacts>,
    /// Why it was not.
    pub host_unknown: Option<String>,
    /// The allocator's own counts, if they were asked for and given; none in a file of an older pvcheck.
    pub counts: AllocatorCounts,
}

/// Why a text is not a saved snapshot: one line that names the place and how such a file is made.
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

/// As written: a snapshot with some more fields, so that a reader of bare snapshots reads this too.
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

/// What a file has beyond a snapshot. Read on its own, because an error inside a flattened struct has no line.
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
    /// One JSON document, with schema `pvcheck/v1` and kind `snapshot`.
    ///
    /// # Errors
    /// If a value cannot be written as JSON, which no snapshot of an engine has.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let Self { snapshot, host, host_unknown, counts: allocator } = self;
        let (schema, kind) = ("pvcheck/v1", "snapshot");
        serde_json::to_string_pretty(&Written { schema, kind, snapshot, host, host_unknown, allocator })
    }

    /// Reads what [`SavedSnapshot::to_json`] wrote, or a bare snapshot.
    ///
    /// # Errors
    /// If the text is neither; the error names the place.
    pub fn from_json(text: &str) -> Result<Self, SavedSnapshotError> {
        // Twice over the same text: a snapshot's error then has its own line and column.
        let snapshot = serde_json::from_str(text)?;
        let Beyond { host, host_unknown, allocator: counts } = serde_json::from_str(text)?;
        Ok(Self { snapshot, host, host_unknown, counts })
    }
}

impl From<serde_json::Error> for SavedSnapshotError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        // serde_json appends the place to its message; here it has fields of its own.
        let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
        Self {
            line: error.line(),
            column: error.column(),
            problem: problem.chars().take(160).filter(|c| !c.is_control()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::{CountsUnknown, NodeState};
    use crate::testing::{counts, world};

    fn saved(counts: AllocatorCounts) -> SavedSnapshot {
        SavedSnapshot { snapshot: world(), host: None, host_unknown: None, counts }
    }

    #[test]
    fn every_reason_for_missing_counts_is_read_back() {
        for unknown in [
            CountsUnknown::ApiTooOld { api: "1.41".into() },
            CountsUnknown::LeaderTooOld { version: "28.5.2".into() },
            CountsUnknown::NoLeader,
            CountsUnknown::NotAnswered { network: "proxy".into() },
            CountsUnknown::NotAsked,
            CountsUnknown::Other { reason: "the call failed".into() },
        ] {
            let words = unknown.to_string();
            let saved = saved(AllocatorCounts::none(unknown));
            let json = saved.to_json().unwrap();
            assert!(json.contains(&format!("\"unknown\": \"{words}\"")), "{json}");
            assert_eq!(SavedSnapshot::from_json(&json).unwrap(), saved);
        }
        let known = saved(counts(&[("a", 7, u64::MAX)]));
        assert_eq!(SavedSnapshot::from_json(&known.to_json().unwrap()).unwrap(), known);
    }

    /// Files of before the kinds: a reason in words, a job without numbers, states as words.
    #[test]
    fn older_files_are_read() {
        let mut json: serde_json::Value =
            serde_json::from_str(&saved(counts(&[])).to_json().unwrap()).unwrap();
        json["allocator"] = serde_json::json!({"networks": {}, "unknown": "as it was said then"});
        json["nodes"][0]["state"] = "of tomorrow".into();
        let read = SavedSnapshot::from_json(&json.to_string()).unwrap();
        assert_eq!(read.counts.unknown, Some("as it was said then".into()));
        assert_eq!(read.snapshot.nodes[0].state, NodeState::Other("of tomorrow".into()));
        for missing in ["host", "host_unknown", "allocator", "schema", "kind"] {
            json.as_object_mut().unwrap().remove(missing);
        }
        let read = SavedSnapshot::from_json(&json.to_string()).unwrap();
        assert_eq!((read.host, read.counts), (None, AllocatorCounts::default()));
    }

    #[test]
    fn errors_name_the_place_in_one_line() {
        let whole = saved(counts(&[])).to_json().unwrap();
        for (text, line, problem) in [
            (String::new(), 1, "EOF while parsing"),
            ("[]".into(), 1, "invalid length 0"),
            ("{}".into(), 1, "missing field `engine`"),
            (whole.replacen("\"n1\"", "7", 1), 8, "invalid type: integer `7`"),
            (whole[..whole.len() / 2].to_owned(), 0, "EOF while parsing"),
        ] {
            let error = SavedSnapshot::from_json(&text).expect_err("not a snapshot");
            assert!(error.problem.starts_with(problem), "{error}");
            assert!(line == 0 || error.line == line, "{error}");
            assert!(
                !error.to_string().contains('\n') && error.to_string().contains("pvcheck audit --save FILE")
            );
        }
    }
}

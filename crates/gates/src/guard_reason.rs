//! Why the check of a team's guard has its verdict.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::fault::{list, many};

/// Why the check of a team's guard has its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum GuardReason {
    /// There is no such file.
    #[error("the guard is not where it is to be: {file} does not exist")]
    NotThere {
        /// The file.
        file: String,
    },
    /// The file has not what it must have, or what it may not have.
    #[error("{file}: {}", list(.faults, "; "))]
    Failed {
        /// The file.
        file: String,
        /// Each pattern that is at fault.
        faults: Vec<GuardFailure>,
    },
    /// It is there.
    #[error("{file}:{from}-{to} has what it must have ({}), written {modified}", many(*.patterns, "pattern"))]
    Present {
        /// The file.
        file: String,
        /// The first of the fewest lines that have one for each pattern.
        from: u64,
        /// The last of them.
        to: u64,
        /// How many patterns `contains` has.
        patterns: u64,
        /// When the file was written.
        modified: Timestamp,
    },
}

/// A pattern that is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GuardFailure {
    /// A line must match it, and none does.
    #[error("no line matches `{pattern}`")]
    NoLine {
        /// The pattern.
        pattern: String,
    },
    /// No line may match it, and one does.
    #[error("line {line} matches `{pattern}`, which is to be absent")]
    Line {
        /// The pattern.
        pattern: String,
        /// The first such line, from 1.
        line: u64,
    },
}

impl GuardReason {
    /// File and line, from 1, where it is about one.
    pub(crate) fn place(&self) -> Option<(String, u64)> {
        let Self::Failed { file, faults } = self else { return None };
        faults.iter().find_map(|fault| match fault {
            GuardFailure::Line { line, .. } => Some((file.clone(), *line)),
            GuardFailure::NoLine { .. } => None,
        })
    }
}

//! What was seen of a team's guard, as it is recorded and saved.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was seen of a team's guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardFact {
    /// The path of its file.
    pub path: String,
    /// What was found there.
    pub found: GuardFound,
}

/// What was found where a guard is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardFound {
    /// Nothing: there is no such file.
    Nothing,
    /// A file that was read to its end.
    File(GuardFile),
}

/// A guard's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardFile {
    /// When it was written, by the file system.
    pub modified: Timestamp,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it, in hex.
    pub digest: String,
    /// What matches each pattern of `contains`.
    pub contains: Vec<GuardMatch>,
    /// What matches each pattern of `absent`.
    pub absent: Vec<GuardMatch>,
}

/// The lines that match a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardMatch {
    /// The pattern.
    pub pattern: String,
    /// The first of the lines, eight at most.
    pub lines: Vec<GuardLine>,
    /// How many more there are.
    #[serde(default)]
    pub more: u64,
}

/// A line of a guard's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardLine {
    /// Its number, from 1.
    pub line: u64,
    /// Its text, shortened and without what may be a secret.
    pub text: String,
}

/// What was recorded for this pattern; `None` iff the file was not searched for it.
pub(crate) fn match_of<'a>(searched: &'a [GuardMatch], pattern: &str) -> Option<&'a GuardMatch> {
    searched.iter().find(|found| found.pattern == pattern)
}

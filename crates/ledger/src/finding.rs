//! Findings: what was found wrong, and who may call it mended.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::role::Role;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Keeps every phase that it is about from being done.
    Critical,
    /// To be mended, and keeps nothing.
    Major,
    /// Worth a note: of a document, say.
    Minor,
}

/// A finding, as it is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Its id, such as `F3`.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub title: String,
    /// The gate that it is about; `None` where it is about every phase.
    pub gate: Option<String>,
    /// How it can be seen again.
    pub reproduction: Option<String>,
    /// What can be done about it.
    pub options: Vec<String>,
    /// Who may close it.
    pub may_close: Role,
}

/// The end of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Its id.
    pub id: String,
    /// Why it is closed.
    pub because: String,
}

/// A line about a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FindingEvent {
    /// It is opened.
    Open(Opened),
    /// It is closed.
    Closed(Closed),
}

/// A finding as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// The line that opened it.
    pub line: u64,
    /// When it was opened.
    pub at: Timestamp,
    /// Who opened it.
    pub by: Role,
    /// What it says.
    #[serde(flatten)]
    pub opened: Opened,
    /// The line that closed it; `None` while it is open.
    pub closed_by_line: Option<u64>,
}

impl Finding {
    /// True iff it is open and critical.
    pub fn keeps_done_away(&self) -> bool {
        self.closed_by_line.is_none() && self.opened.severity == Severity::Critical
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Critical => "critical",
            Self::Major => "major",
            Self::Minor => "minor",
        })
    }
}

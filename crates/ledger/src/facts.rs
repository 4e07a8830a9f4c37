//! What a gate's report says, reduced to what can be compared: verdicts, kinds and figures.
//!
//! Sentences are left out: they are made of the figures, and a forged one would be read and not compared.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A gate's or a check's own verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Measured {
    /// Observed, and as it should be.
    Pass,
    /// Not observed.
    Unknown,
    /// Observed, and not as it should be.
    Fail,
}

/// The engine that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A Swarm.
    Real,
    /// A model of one, which shows nothing of a Swarm.
    Embedded,
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// What was measured.
    pub engine: Engine,
    /// The id of the Swarm; `None` in a report of a version that named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm: Option<String>,
    /// When the last of it was seen.
    pub at: Timestamp,
    /// SHA-256 of the configuration.
    pub config_digest: String,
    /// The gate's verdict.
    pub verdict: Measured,
    /// Its checks, in order.
    pub checks: Vec<CheckFacts>,
}

/// What a report says of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckFacts {
    /// Its id, such as `overlay.subnet`.
    pub id: String,
    /// Its verdict.
    pub verdict: Measured,
    /// True iff the gate cannot pass without it.
    pub required: bool,
    /// The kind of its reason; `None` in a report of a version without kinds.
    pub kind: Option<String>,
    /// The figures of its reason by their path, such as `by.method`: texts, numbers and booleans.
    pub figures: BTreeMap<String, Value>,
    /// Why it did not count for the gate although it was open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

/// Who let a check be open, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last day on which that counts.
    pub expires: Date,
}

impl fmt::Display for Waiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waived by {} until {}: {}", self.owner, self.expires, self.reason)
    }
}

impl CheckFacts {
    /// True iff the gate rests on it: it is required, and not waived.
    pub(crate) fn counts(&self) -> bool {
        self.required && self.waiver.is_none()
    }
}

impl Measured {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Unknown => "UNKNOWN",
            Self::Fail => "FAIL",
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Engine {
    /// What follows a verdict that is true of a model only.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Real => "",
            Self::Embedded => " (embedded engine)",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "a real engine",
            Self::Embedded => "the embedded engine",
        })
    }
}

impl Facts {
    /// The worst verdict of the required checks that are not waived; unknown if there is none.
    pub fn worst(&self) -> Measured {
        let required = || self.checks.iter().filter(|check| check.counts());
        // What must have passed before shows nothing of the gate itself.
        let own = required().any(|check| !check.id.starts_with("precondition."));
        let worst = required().map(|check| check.verdict).max().unwrap_or(Measured::Unknown);
        if own { worst } else { worst.max(Measured::Unknown) }
    }

    /// The check of this id.
    pub fn check(&self, id: &str) -> Option<&CheckFacts> {
        self.checks.iter().find(|check| check.id == id)
    }

    /// The verdict, marked where checks are waived, and where it is of a model only.
    pub fn said(&self) -> String {
        let waived = match self.checks.iter().filter(|check| check.waiver.is_some()).count() {
            0 => String::new(),
            1 => " with 1 check waived".to_owned(),
            several => format!(" with {several} checks waived"),
        };
        format!("{}{waived}{}", self.verdict, self.engine.mark())
    }
}

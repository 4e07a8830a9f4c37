//! What a verifier says of a claim.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::digest::Digest;
use crate::facts::{Engine, Facts};

/// The verdict on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Measured afresh, and as claimed.
    Pass,
    /// Measured worse, or otherwise than claimed.
    Fail,
    /// What was claimed could not be observed.
    Unknown,
    /// There is nothing to judge: no claim, or one that cannot count.
    Veto,
}

/// Why there is nothing to judge.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Veto {
    /// No builder has claimed the gate.
    #[error("no builder has claimed {gate}")]
    NoClaim {
        /// The gate.
        gate: String,
    },
    /// The claim is too old.
    #[error("the claim of line {line} is {} old, more than {}", hours(*.age_ms), hours(*.max_age_ms))]
    ClaimAged {
        /// Its line.
        line: u64,
        /// Its age.
        age_ms: i64,
        /// The age that is accepted.
        max_age_ms: i64,
    },
    /// What the claim rests on was measured too long ago.
    #[error("the facts of the claim of line {line} are {} old, more than {}", hours(*.age_ms), hours(*.max_age_ms))]
    FactsAged {
        /// The claim's line.
        line: u64,
        /// Their age.
        age_ms: i64,
        /// The age that is accepted.
        max_age_ms: i64,
    },
    /// The claim rests on what was measured after it, by the times that both have.
    #[error(
        "the facts of the claim of line {line} are of {facts}, and the claim of {claim}: facts do not come after a claim"
    )]
    FactsAfterClaim {
        /// The claim's line.
        line: u64,
        /// The time of the facts.
        facts: Timestamp,
        /// The time of the claim.
        claim: Timestamp,
    },
    /// What was claimed of one engine was measured on the other.
    #[error("the claim of line {line} is of {claimed}, and {measured} was measured")]
    OtherEngine {
        /// The claim's line.
        line: u64,
        /// The engine that was claimed.
        claimed: Engine,
        /// The engine that was measured.
        measured: Engine,
    },
    /// The ledger is not whole. Such a verdict cannot be recorded.
    #[error("{fault}")]
    Ledger {
        /// What is wrong with it.
        fault: String,
    },
}

/// A figure that is another one than claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The check and the figure, such as `overlay.subnet subnet`, or `file PATH`, or `commit`.
    pub what: String,
    /// What the claim says; `null` if nothing.
    pub claimed: Value,
    /// What was measured; `null` if nothing.
    pub measured: Value,
}

/// The claim that a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OfClaim {
    /// Its line.
    pub line: u64,
    /// That line's digest.
    pub digest: Digest,
}

/// The outcome of a verification, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The gate.
    pub gate: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The claim; `None` where there is none.
    pub claim: Option<OfClaim>,
    /// The commit that it covers: that of the claim.
    pub commit: Option<String>,
    /// Why there is nothing to judge.
    pub veto: Option<Veto>,
    /// What was measured; `None` where a veto came before.
    pub measured: Option<Facts>,
    /// What is not as claimed, and must be.
    pub wrong: Vec<Difference>,
    /// What was claimed and could not be observed.
    pub unseen: Vec<String>,
    /// What is not as claimed, and may be.
    pub moved: Vec<Difference>,
    /// Files of the claim whose digests were compared.
    pub files: u64,
}

impl Outcome {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Unknown => "UNKNOWN",
            Self::Veto => "VETO",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |value: &Value| match value {
            Value::Null => "nothing".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        write!(f, "{}: claimed {}, measured {}", self.what, said(&self.claimed), said(&self.measured))
    }
}

impl Verdict {
    /// A verdict without a measurement.
    pub fn vetoed(gate: &str, claim: Option<OfClaim>, veto: Veto) -> Self {
        Self {
            gate: gate.to_owned(),
            outcome: Outcome::Veto,
            claim,
            commit: None,
            veto: Some(veto),
            measured: None,
            wrong: Vec::new(),
            unseen: Vec::new(),
            moved: Vec::new(),
            files: 0,
        }
    }

    /// The outcome that its parts make.
    pub(crate) fn made(&self) -> Outcome {
        let passes =
            self.measured.as_ref().is_some_and(|facts| facts.verdict == crate::facts::Measured::Pass);
        match (self.veto.is_some(), self.wrong.is_empty()) {
            (true, _) => Outcome::Veto,
            (false, false) => Outcome::Fail,
            (false, true) if passes && self.unseen.is_empty() && self.claim.is_some() => Outcome::Pass,
            (false, true) => Outcome::Unknown,
        }
    }
}

/// Hours and minutes, such as `26 h 10 min`.
pub(crate) fn hours(ms: i64) -> String {
    let minutes = SignedDuration::from_millis(ms).as_mins();
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_hours_and_minutes() {
        assert_eq!([0, 59_999, 3_600_000, 94_200_000].map(hours), ["0 min", "0 min", "1 h", "26 h 10 min"]);
    }

    #[test]
    fn a_difference_names_both_figures() {
        let of = |claimed: Value, measured: Value| {
            Difference { what: "overlay.subnet usable".to_owned(), claimed, measured }.to_string()
        };
        assert_eq!(of(253.into(), 61.into()), "overlay.subnet usable: claimed 253, measured 61");
        assert_eq!(of("x".into(), Value::Null), "overlay.subnet usable: claimed x, measured nothing");
    }
}

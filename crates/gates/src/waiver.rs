//! Waivers in reports: who let a check be open, why, and until when.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Why a check that is open does not count, in its report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Waiver {
    /// Who answers for it.
    pub owner: String,
    /// Why it may be open.
    pub reason: String,
    /// The last day on which that counts, in UTC.
    pub expires: Date,
}

/// A waiver of the configuration that is about a check of a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaiverNote {
    /// The check that it names, or its pattern.
    pub check: String,
    /// Who says so, why, and until when.
    #[serde(flatten)]
    pub waiver: Waiver,
    /// What became of it.
    pub state: WaiverState,
    /// The checks that do not count because of it.
    pub waived: Vec<String>,
}

/// What became of a waiver in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaiverState {
    /// At least one check does not count because of it.
    InUse,
    /// No required check that it names is open, or an earlier waiver has them all.
    NotNeeded,
    /// Its last day is over.
    Expired,
    /// Its last day is further ahead than a waiver may end.
    TooFarAhead,
}

impl fmt::Display for Waiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waived by {} until {}: {}", self.owner, self.expires, self.reason)
    }
}

impl fmt::Display for WaiverNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waiver { owner, reason, expires } = &self.waiver;
        write!(f, "waiver of {} by {owner} ", self.check)?;
        match self.state {
            WaiverState::InUse => write!(f, "until {expires} is in use")?,
            WaiverState::NotNeeded => write!(f, "until {expires} is not needed; remove it")?,
            WaiverState::Expired => write!(f, "ended on {expires} and does not count")?,
            WaiverState::TooFarAhead => write!(f, "ends on {expires}, too far ahead, and does not count")?,
        }
        write!(f, ": {reason}")
    }
}

//! `[[harness]]`: a team's own run, as a proof.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::forms::Placement;

/// The highest level that a run can reach.
pub(crate) const MOST_LEVEL: u8 = 5;

/// A team's own run: a command that pvcheck runs, or a result that is offered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HarnessConfig {
    /// Its name in reports.
    pub name: String,
    /// Its program and words; none where a result is offered that something else has made.
    #[serde(default)]
    pub command: Vec<String>,
    /// The variables that are handed over to it, beside PATH and HOME.
    #[serde(default)]
    pub env: Vec<String>,
    /// Where its result is, as JSON.
    pub result: PathBuf,
    /// How long it may take, in seconds.
    #[serde(default = "half_an_hour")]
    pub timeout_s: u64,
    /// The overlay that it must have joined.
    #[serde(default = "first")]
    pub overlay: Placement,
    /// The tiers that must have passed.
    #[serde(default = "all_tiers")]
    pub tiers: Vec<Tier>,
    /// The level that it must reach.
    #[serde(default)]
    pub level: u8,
    /// After what it must have started, such as the time of a fix.
    pub since: Option<Timestamp>,
}

/// A part of a harness's run.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// It is installed.
    Install,
    /// It is upgraded.
    Upgrade,
    /// It is backed up.
    Backup,
    /// It is restored.
    Restore,
    /// What the team adds.
    Custom,
}

impl Tier {
    /// Every tier, in the order of a run.
    pub const ALL: [Self; 5] = [Self::Install, Self::Upgrade, Self::Backup, Self::Restore, Self::Custom];

    /// Its name in a result.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn half_an_hour() -> u64 {
    1800
}

fn first() -> Placement {
    Placement::First
}

fn all_tiers() -> Vec<Tier> {
    Tier::ALL.to_vec()
}

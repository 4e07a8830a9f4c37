//! `[[harness]]`: a team's own run, as a proof.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::forms::Placement;

/// The highest level that a run can reach.
pub(crate) const MOST_LEVEL: u8 = 5;
/// How long a command may take where nothing else is said, in seconds.
const HALF_AN_HOUR: u64 = 1800;

/// A team's own run: a command that pvcheck runs, or a result that is offered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HarnessConfig {
    /// Its name in reports.
    pub name: String,
    /// Its program and words; `None` where a result is offered that something else has made.
    pub command: Option<Vec<String>>,
    /// The variables that are handed over to it, beside PATH and HOME.
    #[serde(default)]
    pub env: Vec<String>,
    /// Where its result is, as JSON.
    pub result: PathBuf,
    /// How long its command may take, in seconds; half an hour where it is `None`.
    pub timeout_s: Option<u64>,
    /// The overlay that it must have joined.
    #[serde(default = "first")]
    pub overlay: Placement,
    /// The tiers that must have passed.
    #[serde(default = "all_tiers")]
    pub tiers: Vec<Tier>,
    /// The level that it must reach.
    #[serde(default)]
    pub level: u8,
    /// After what a result that is offered must have started, such as the time of a fix.
    #[serde(default, deserialize_with = "super::journal::moment")]
    pub since: Option<Timestamp>,
}

impl HarnessConfig {
    /// True iff it has no command: its result is read, and something else has made it.
    pub(crate) fn is_offered(&self) -> bool {
        self.command.is_none()
    }

    /// Its program and words; empty where its result is offered.
    pub(crate) fn words(&self) -> &[String] {
        self.command.as_deref().unwrap_or_default()
    }

    /// How long its command may take, in seconds.
    pub(crate) fn seconds(&self) -> u64 {
        self.timeout_s.unwrap_or(HALF_AN_HOUR)
    }
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

fn first() -> Placement {
    Placement::First
}

fn all_tiers() -> Vec<Tier> {
    Tier::ALL.to_vec()
}

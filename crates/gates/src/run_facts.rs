//! Where a gate runs and what ran before it, as it is recorded and saved beside the gate's own facts.

use jiff::Timestamp;
use pvcheck_audit::EngineKind;
use pvcheck_routes::Verdict;
use serde::{Deserialize, Serialize};

use crate::observed::Observed;

/// Where a gate runs and what ran before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// When the gate began, by this machine's clock.
    pub at: Timestamp,
    /// The Swarm's id.
    pub swarm: String,
    /// Whether its engine is real.
    pub engine: EngineKind,
    /// The host name of the node whose engine was asked; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The newest report of each gate that must have passed before.
    pub before: Vec<Before>,
}

/// A gate that must have passed before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Its name.
    pub gate: String,
    /// Its newest report.
    pub newest: Observed<PastReport>,
}

/// What a report that was saved says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastReport {
    /// The file that it is in.
    pub file: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Its time.
    pub at: Timestamp,
    /// The id of its Swarm; `None` in a report of an earlier version.
    pub swarm: Option<String>,
    /// Whether its engine was real.
    pub engine: EngineKind,
    /// The checks that were open and waived, by their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<String>,
}

//! What the gates judge, as it is recorded and saved.

use std::net::Ipv4Addr;

use pvcheck_audit::Snapshot;
use pvcheck_journal::Scan;
use pvcheck_routes::RouteFact;
use pvcheck_swarm::Churn;
use serde::{Deserialize, Serialize};

use crate::cause::{CanaryFailure, ChurnFailure, ChurnRefusal};
use crate::observed::Observed;

/// What gate `pvcheck.m1` rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct M1Facts {
    /// The Swarm.
    pub snapshot: Observed<Snapshot>,
    /// The routes, in the configuration's order.
    pub routes: Observed<Vec<RouteFact>>,
    /// The engine's log since the engine started.
    pub journal: Observed<Scan>,
}

/// What gate `pvcheck.m2` rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct M2Facts {
    /// The core routes, before anything was deployed.
    pub routes: Observed<Vec<RouteFact>>,
    /// The canary.
    pub canary: Observed<CanaryFacts>,
    /// The churn.
    pub churn: Observed<ChurnOutcome>,
    /// The engine's log since just before the canary.
    pub journal: Observed<Scan>,
    /// What carries the run's label after the last sweep, by name.
    pub residue: Observed<Vec<String>>,
}

impl M2Facts {
    /// True iff a guardrail kept the gate from beginning: neither canary nor churn was begun, or the churn was refused.
    pub fn was_refused(&self) -> bool {
        let nothing_begun = self.canary.known().is_none() && self.churn.known().is_none();
        nothing_begun || matches!(self.churn.known(), Some(ChurnOutcome::Refused(_)))
    }
}

/// What was seen of the canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "SavedCanary", from = "SavedCanary")]
pub struct CanaryFacts {
    /// Its stack.
    pub stack: String,
    /// Why it did not run, if it did not.
    pub failure: Option<CanaryFailure>,
    /// Its tasks' addresses on the overlay.
    pub addresses: Vec<Ipv4Addr>,
    /// The last answer of its route; `None` if it was never asked.
    pub route: Option<RouteFact>,
    /// What is left of it.
    pub left: Vec<String>,
}

/// [`CanaryFacts`] as they are saved: the failure's text, with `kind` and `data` next to it.
#[derive(Serialize, Deserialize)]
struct SavedCanary {
    stack: String,
    failure: Option<String>,
    #[serde(flatten)]
    why: Option<CanaryFailure>,
    addresses: Vec<Ipv4Addr>,
    route: Option<RouteFact>,
    left: Vec<String>,
}

impl From<CanaryFacts> for SavedCanary {
    fn from(facts: CanaryFacts) -> Self {
        let CanaryFacts { stack, failure: why, addresses, route, left } = facts;
        let failure = why.as_ref().map(ToString::to_string);
        Self { stack, failure, why, addresses, route, left }
    }
}

impl From<SavedCanary> for CanaryFacts {
    fn from(saved: SavedCanary) -> Self {
        let SavedCanary { stack, failure, why, addresses, route, left } = saved;
        // Versions before kinds wrote the text alone.
        let failure = failure.map(|text| why.unwrap_or(CanaryFailure::Recorded(text)));
        Self { stack, failure, addresses, route, left }
    }
}

/// How a churn ended.
///
/// In JSON `{"done": …}`, or `{"refused": "text", "kind": …, "data": …}` and the same with `failed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "SavedOutcome", try_from = "SavedOutcome")]
pub enum ChurnOutcome {
    /// To the end.
    Done(Box<Churn>),
    /// A guardrail kept it from beginning; nothing was deployed.
    Refused(ChurnRefusal),
    /// It broke off.
    Failed(ChurnFailure),
}

/// [`ChurnOutcome`] as it is saved. Versions before kinds wrote the texts alone.
#[derive(Default, Serialize, Deserialize)]
struct SavedOutcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<Box<Churn>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    #[serde(flatten)]
    why: Option<Why>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Why {
    Refused(ChurnRefusal),
    Failed(ChurnFailure),
}

impl From<ChurnOutcome> for SavedOutcome {
    fn from(outcome: ChurnOutcome) -> Self {
        match outcome {
            ChurnOutcome::Done(churn) => Self { done: Some(churn), ..Self::default() },
            ChurnOutcome::Refused(why) => {
                Self { refused: Some(why.to_string()), why: Some(Why::Refused(why)), ..Self::default() }
            }
            ChurnOutcome::Failed(why) => {
                Self { failed: Some(why.to_string()), why: Some(Why::Failed(why)), ..Self::default() }
            }
        }
    }
}

impl TryFrom<SavedOutcome> for ChurnOutcome {
    type Error = &'static str;

    fn try_from(saved: SavedOutcome) -> Result<Self, Self::Error> {
        match saved {
            SavedOutcome { done: Some(churn), .. } => Ok(Self::Done(churn)),
            SavedOutcome { refused: Some(text), why, .. } => Ok(Self::Refused(match why {
                Some(Why::Refused(why)) => why,
                _ => ChurnRefusal::Recorded(text),
            })),
            SavedOutcome { failed: Some(text), why, .. } => Ok(Self::Failed(match why {
                Some(Why::Failed(why)) => why,
                _ => ChurnFailure::Recorded(text),
            })),
            SavedOutcome { .. } => Err("neither `done` nor `refused` nor `failed`"),
        }
    }
}

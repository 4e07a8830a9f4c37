//! What the gates judge, as it is recorded and saved.

use std::fmt;
use std::net::Ipv4Addr;

use pvcheck_audit::{NodeId, Snapshot};
use pvcheck_journal::Scan;
use pvcheck_routes::RouteFact;
use pvcheck_swarm::{Census, Churn};
use serde::{Deserialize, Serialize};

use crate::cause::{CanaryFailure, ChurnFailure, ChurnRefusal, Unseen};
use crate::guard_facts::GuardFact;
use crate::harness_facts::HarnessFact;
use crate::observed::{Observed, Seen};

/// What gate `pvcheck.m1` rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct M1Facts {
    /// The Swarm.
    pub snapshot: Observed<Snapshot>,
    /// The routes, in the configuration's order.
    pub routes: Observed<Vec<RouteFact>>,
    /// The engine's log since the engine started, or since `since` of `[journal]`.
    pub journal: Observed<Scan>,
    /// The node that wrote the log, where the configuration has logs by node; else it is the engine's that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_node: Option<NodeId>,
    /// A count of the leaked addresses of each overlay of the configuration.
    #[serde(default = "Observed::not_recorded")]
    pub leaked: Observed<Vec<LeakFact>>,
    /// The team's guard; `None` where the configuration has none, or no check needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Observed<GuardFact>>,
}

/// A count of the leaked addresses of one overlay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakFact {
    /// The overlay's name.
    pub overlay: String,
    /// Its census, complete or not; or why there is none.
    pub census: Seen<Census>,
}

/// A step of `pvcheck.m2` during which the core routes are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GateStep {
    /// The canary is deployed, reached and removed.
    Canary,
    /// The canary is gone, and the churn has not begun.
    Between,
    /// Throwaway stacks are deployed and removed.
    Churn,
    /// A harness runs.
    Harness,
}

impl fmt::Display for GateStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canary => "during the canary",
            Self::Between => "between canary and churn",
            Self::Churn => "during the churn",
            Self::Harness => "during the harness",
        })
    }
}

/// What the core routes answered while a gate deployed and removed stacks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteWatch {
    /// How often all of them were asked.
    pub rounds: u64,
    /// At which step one did not pass, twice in a row; the gate then stopped. `None` if all passed each time.
    pub died: Option<GateStep>,
    /// The answers: of the routes that did not pass, or else of the last round.
    pub routes: Vec<RouteFact>,
}

/// What gate `pvcheck.m2` rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct M2Facts {
    /// The core routes, before anything was deployed.
    pub routes: Observed<Vec<RouteFact>>,
    /// The core routes from the first stack to the last.
    #[serde(default = "Observed::not_recorded")]
    pub routes_during: Observed<RouteWatch>,
    /// The core routes, after everything was removed.
    #[serde(default = "Observed::not_recorded")]
    pub routes_after: Observed<Vec<RouteFact>>,
    /// A count of the leaked addresses of each overlay but the first, which the censuses of the churn count.
    #[serde(default = "Observed::not_recorded")]
    pub leaked: Observed<Vec<LeakFact>>,
    /// The canary.
    pub canary: Observed<CanaryFacts>,
    /// The churn.
    pub churn: Observed<ChurnOutcome>,
    /// The harnesses of the configuration, as far as a check is about them.
    #[serde(default = "Observed::not_recorded")]
    pub harness: Observed<Vec<HarnessFact>>,
    /// The engine's log since just before the canary.
    pub journal: Observed<Scan>,
    /// What carries the run's label after the last sweep, by name.
    pub residue: Observed<Vec<String>>,
}

impl M2Facts {
    /// Of a gate that was kept from beginning, for this reason.
    pub fn not_begun(why: &Unseen) -> Self {
        Self {
            routes: Observed::not_asked("routes", why.clone()),
            routes_during: Observed::not_asked("routes", why.clone()),
            routes_after: Observed::not_asked("routes", why.clone()),
            leaked: Observed::not_asked("allocator", why.clone()),
            canary: Observed::not_asked("canary", why.clone()),
            churn: Observed::not_asked("churn", why.clone()),
            harness: Observed::not_asked("harness", why.clone()),
            journal: Observed::not_asked("engine log", why.clone()),
            residue: Observed::not_asked("engine API", why.clone()),
        }
    }

    /// True iff a guardrail kept the gate from beginning: nothing that deploys was begun, or the churn was refused.
    pub fn was_refused(&self) -> bool {
        let nothing_done =
            self.canary.known().is_none() && self.churn.known().is_none() && self.harness.known().is_none();
        // A route that dies under way leaves nothing done either, but that is a finding and not a refusal.
        let stopped = self.routes_during.known().is_some_and(|watch| watch.died.is_some());
        (nothing_done && !stopped) || matches!(self.churn.known(), Some(ChurnOutcome::Refused(_)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{blind_m2, done, seen};

    #[test]
    fn a_gate_is_refused_where_nothing_was_begun_or_the_churn_was_not_let() {
        let whole = done();
        assert!(!whole.was_refused(), "it ran to its end");
        assert!(blind_m2().was_refused(), "nothing was begun");
        let canary_alone = M2Facts { canary: whole.canary.clone(), ..blind_m2() };
        assert!(!canary_alone.was_refused(), "the canary was deployed");
        let churn_alone = M2Facts { churn: whole.churn.clone(), ..blind_m2() };
        assert!(!churn_alone.was_refused(), "the churn ran");
        let stopped = RouteWatch { rounds: 1, died: Some(GateStep::Canary), routes: Vec::new() };
        let died = M2Facts { routes_during: seen(stopped), ..blind_m2() };
        assert!(!died.was_refused(), "a route died under way");
        let calm = RouteWatch { rounds: 1, died: None, routes: Vec::new() };
        assert!(M2Facts { routes_during: seen(calm), ..blind_m2() }.was_refused());
        let refusal = ChurnOutcome::Refused(ChurnRefusal::LockHeld { error: "held".into() });
        assert!(M2Facts { churn: seen(refusal.clone()), ..whole }.was_refused());
        assert!(M2Facts { churn: seen(refusal), ..died }.was_refused());
    }

    #[test]
    fn each_step_says_when_it_was() {
        let steps = [GateStep::Canary, GateStep::Between, GateStep::Churn, GateStep::Harness]
            .map(|step| step.to_string());
        assert_eq!(
            steps,
            ["during the canary", "between canary and churn", "during the churn", "during the harness"]
        );
        assert_eq!(blind_m2().canary.sight().err(), Some(&Unseen::NotRecorded));
    }
}

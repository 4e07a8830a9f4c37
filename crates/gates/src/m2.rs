//! Gate `pvcheck.m2`: a real deploy through the router, and a churn that must lose nothing.

use pvcheck_journal::{Class, Matched, Scan};
use pvcheck_routes::{RouteFact, Verdict, judge};
use pvcheck_swarm::{Census, Churn, ChurnCounts};
use serde::{Deserialize, Serialize};

use crate::canary::CanaryFacts;
use crate::cause::{ChurnFailure, ChurnRefusal};
use crate::check::Check;
use crate::config::Config;
use crate::fault::{Counted, HandedOut, IncompleteCensus, RouteDown, When, list};
use crate::finding::{Finding, check};
use crate::gate::Gate;
use crate::m1::{route_evidence, route_finding, samples};
use crate::observed::Observed;
use crate::reason::Reason;
use crate::verdict::{CheckReport, GateReport};

/// What the gate rests on.
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

/// Judges the facts.
pub fn judge_m2(config: &Config, facts: &M2Facts) -> GateReport {
    let mut checks = vec![check(config, Check::RoutesBefore, &facts.routes, |r| core_routes(r))];
    checks.extend(canary_checks(config, &facts.canary));
    checks.extend(churn_checks(config, &facts.churn));
    checks.push(check(config, Check::JournalNew, &facts.journal, new_signatures));
    checks.push(check(config, Check::Residue, &facts.residue, |left| {
        Finding::of(left.clone(), Reason::Left, Reason::NothingLeft)
    }));
    GateReport::new(Gate::M2, config, checks)
}

fn core_routes(routes: &[RouteFact]) -> Finding {
    let judged: Vec<_> = routes.iter().map(|r| (r, judge(r))).collect();
    let worst = Verdict::worst(judged.iter().map(|(_, j)| j.verdict));
    let down = judged.into_iter().filter(|(_, j)| j.verdict != Verdict::Pass);
    let down: Vec<_> = down.map(|(r, j)| RouteDown { route: r.name.clone(), said: j.reason }).collect();
    let reason = if down.is_empty() {
        Reason::RoutesAnswer { routes: routes.len() as u64 }
    } else {
        Reason::RoutesDown(down)
    };
    Finding::new(worst, reason).evidences(routes.iter().map(route_evidence))
}

fn canary_checks(config: &Config, canary: &Observed<CanaryFacts>) -> Vec<CheckReport> {
    let deploy = check(config, Check::CanaryDeploy, canary, |c| {
        let (stack, overlay) = (c.stack.clone(), config.overlay.name.clone());
        match (&c.failure, c.addresses.as_slice()) {
            (Some(failure), _) => Finding::fail(Reason::CanaryFailed(failure.clone())),
            (None, []) => Finding::fail(Reason::CanaryWithoutAddress { stack, overlay }),
            (None, addresses) => Finding::pass(Reason::CanaryRuns { stack }).evidence(format!(
                "{} has {}",
                c.stack,
                list(addresses, ", ")
            )),
        }
    });
    let route = check(config, Check::CanaryRoute, canary, |c| match &c.route {
        None => Finding::unknown(Reason::CanaryNotAsked),
        Some(fact) => route_finding(fact, None),
    });
    let removal = check(config, Check::CanaryRemoval, canary, |c| {
        Finding::of(c.left.clone(), Reason::Left, Reason::CanaryGone { stack: c.stack.clone() })
    });
    vec![deploy, route, removal]
}

fn churn_checks(config: &Config, churn: &Observed<ChurnOutcome>) -> [CheckReport; 4] {
    let on_churn = |about: Check<'_>, judge: &dyn Fn(&Churn) -> Finding| {
        check(config, about, churn, |outcome| match outcome {
            ChurnOutcome::Done(churn) => judge(churn),
            ChurnOutcome::Refused(why) => Finding::unknown(Reason::ChurnRefused(why.clone())),
            ChurnOutcome::Failed(why) => Finding::fail(Reason::ChurnBrokeOff(why.clone())),
        })
    };
    [
        on_churn(Check::ChurnCensus, &censuses),
        on_churn(Check::ChurnDuplicates, &duplicates),
        on_churn(Check::ChurnLeaks, &leaks),
        on_churn(Check::ChurnRemoval, &|c| {
            let removed = Reason::StacksRemoved { stacks: c.cycles, slowest_ms: c.removal_ms };
            Finding::of(c.errors.clone(), Reason::Left, removed)
        }),
    ]
}

fn both(churn: &Churn) -> [(When, &Census); 2] {
    [(When::Before, &churn.census_before), (When::After, &churn.census_after)]
}

fn censuses(churn: &Churn) -> Finding {
    let broken = both(churn).into_iter().filter(|(_, c)| !c.complete);
    let broken: Vec<_> =
        broken.map(|(when, c)| IncompleteCensus { when, reason: c.reason.clone() }).collect();
    let finding = if broken.is_empty() {
        Finding::pass(Reason::CensusesComplete)
    } else {
        Finding::unknown(Reason::CensusIncomplete(broken))
    };
    finding.evidences(both(churn).map(|(when, c)| census_line(when, c)))
}

/// An address that the allocator holds for free although somebody has it will be given to a second one (L3 in the docs).
fn duplicates(churn: &Churn) -> Finding {
    let found = both(churn).into_iter().filter(|(_, c)| !c.free_and_owned.is_empty());
    let found: Vec<_> =
        found.map(|(when, c)| HandedOut { when, addresses: c.free_and_owned.clone() }).collect();
    if !found.is_empty() {
        return Finding::fail(Reason::Duplicates(found));
    }
    if both(churn).iter().any(|(_, c)| !c.complete) {
        return Finding::unknown(Reason::DuplicatesNotSeen);
    }
    Finding::pass(Reason::NoDuplicates)
}

fn census_line(when: When, census: &Census) -> String {
    let leaked = census.leaked.map_or_else(|| "unknown".into(), |n| n.to_string());
    format!(
        "census {when}: {} usable = {} free + {} owned + {} load balancers elsewhere + {leaked} leaked, in {} ms",
        census.usable, census.handed_out, census.owned, census.load_balancers, census.elapsed_ms
    )
}

fn leaks(churn: &Churn) -> Finding {
    let Some(leaked) = churn.leaked else {
        return Finding::unknown(Reason::LeaksNotCounted);
    };
    if churn.cycles == 0 {
        return Finding::unknown(Reason::NoCycle);
    }
    if !churn.strangers.is_empty() {
        return Finding::unknown(Reason::Strangers { stacks: churn.strangers.clone(), leaked });
    }
    let (cycles, order) = (churn.cycles, churn.order);
    let finding = if leaked == 0 {
        let below = churn.leak_per_cycle.map(|r| format!("{:.2}", r.upper95)).unwrap_or_default();
        Finding::pass(Reason::NoLeak { cycles, order, below })
    } else {
        Finding::fail(Reason::Leaked {
            overlay: churn.network.clone(),
            leaked,
            cycles,
            order,
            addresses: churn.leaked_addresses.clone(),
        })
    };
    finding.evidences(moments(churn))
}

/// The counts at the three moments of a churn, a line each.
fn moments(churn: &Churn) -> [String; 3] {
    let line = |(when, c): (&str, &ChurnCounts)| {
        let leaked = c.leaked.map_or_else(|| "not counted".into(), |n| n.to_string());
        format!(
            "{when}: {} addresses owned, {} tasks, {} stacks, leaked: {leaked}",
            c.owned, c.tasks, c.stacks
        )
    };
    [("baseline", &churn.baseline), ("deployed", &churn.deployed), ("removed", &churn.removed)].map(line)
}

fn new_signatures(scan: &Scan) -> Finding {
    let counted = |m: &Matched| Counted { signature: m.signature.clone(), count: m.count };
    let (grave, other): (Vec<_>, Vec<_>) = scan.findings().partition(|m| is_about_addresses(m.class));
    let window = format!("{}: {} records in the window", scan.source, scan.records);
    let finding = if !grave.is_empty() {
        Finding::fail(Reason::SignaturesFound(grave.into_iter().map(counted).collect()))
    } else if scan.complete {
        Finding::pass(Reason::NoSignature { records: scan.records })
    } else {
        Finding::unknown(Reason::LogIncomplete)
    };
    let beside = other.into_iter().map(|m| format!("beside it, not about addresses: {}", counted(m)));
    finding.evidence(window).evidences(beside).evidences(samples(scan))
}

/// Whether a class says that addresses of the Swarm are used up, lost, held twice or not given.
///
/// Conflicts in a node's own store are not among them: up to engine 26 each removed network logs one, drained or not.
fn is_about_addresses(class: Class) -> bool {
    matches!(
        class,
        Class::Exhaustion
            | Class::PoolsExhausted
            | Class::NotAllocated
            | Class::Leak
            | Class::Duplicate
            | Class::Crash
    )
}

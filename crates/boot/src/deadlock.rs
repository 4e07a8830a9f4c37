//! The analysis and its report.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cycle::{self, Cycle, Step};
use crate::graph::{NumberedWait, World};
use crate::name::UnitName;
use crate::reason::{self, BoundReason, NotJudged};
use crate::remedy::{Remedy, remedies};
use crate::unit::Unit;
use crate::wait::{GateUrl, Serves, Wait};

/// Finds every wait whose URL is served, or routed, by a unit that is ordered after the waiting unit, directly or
/// through others. The result holds for a start of all these units together, as at a boot from scratch.
///
/// Order is taken to pass through units that are named but not among `units`, so that a target from another
/// directory hides nothing; the evidence lets a person judge such a chain.
pub fn analyse(units: &[Unit], waits: &[Wait], serves: &[Serves]) -> BootReport {
    let world = World::new(units, waits, serves);
    let cycles = cycle::find(&world);
    let caught = cycle::deadlocked(&world);
    let rows = world.waits.iter().map(|wait| {
        let (outcome, reason) =
            if caught.contains(&wait.number) { (WaitOutcome::Deadlock, None) } else { outcome(&world, wait) };
        let (unit, url) = (wait.wait.unit.clone(), wait.wait.url.clone());
        WaitRow { unit, url, outcome, reason, not_seen: not_seen(&world, wait) }
    });
    BootReport {
        units: units.len(),
        waits: rows.collect(),
        deadlocks: cycles.iter().map(|cycle| deadlock(&world, units, cycle)).collect(),
    }
}

/// The deadlocks of `after` that `before` did not have: those that a change introduced.
/// No command uses this yet; it is meant for comparing two directories of `pvcheck boot`.
pub fn introduced<'a>(before: &BootReport, after: &'a BootReport) -> Vec<&'a Deadlock> {
    let is_new = |found: &&Deadlock| !before.deadlocks.iter().any(|known| known.is_same(found));
    after.deadlocks.iter().filter(is_new).collect()
}

/// The result of the analysis: the JSON document of kind `boot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootReport {
    /// How many units were analysed.
    pub units: usize,
    /// Every declared wait and its outcome.
    pub waits: Vec<WaitRow>,
    /// The deadlocks.
    pub deadlocks: Vec<Deadlock>,
}

impl BootReport {
    /// `Some(true)` iff a boot from scratch completes: every declared wait is free. `Some(false)` with a deadlock;
    /// `None` if a wait could not be judged or none is declared.
    pub fn deadlock_free(&self) -> Option<bool> {
        if !self.deadlocks.is_empty() {
            return Some(false);
        }
        let judged = self.waits.iter().all(|row| row.outcome == WaitOutcome::Free);
        (judged && !self.waits.is_empty()).then_some(true)
    }
}

/// One declared wait and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitRow {
    /// The waiting unit, by its own name.
    pub unit: UnitName,
    /// What it waits for.
    pub url: GateUrl,
    /// The outcome.
    pub outcome: WaitOutcome,
    /// Why it could not be judged; `None` if it was.
    #[serde(flatten, with = "reason::not_judged")]
    pub reason: Option<NotJudged>,
    /// Units that the serving unit is ordered after by an explicit line, but that were not among the units: with
    /// their files, a free wait might turn out to be a deadlock.
    pub not_seen: Vec<UnitName>,
}

/// The outcome of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitOutcome {
    /// It waits for something that waits for it.
    Deadlock,
    /// What it waits for can start without it.
    Free,
    /// Too little is known.
    Unknown,
}

/// A cycle through a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlock {
    /// From the waiting unit to the URL, to the unit that serves it, and along the order back to the waiting unit.
    pub chain: Vec<Link>,
    /// How long it can last before systemd gives up, in milliseconds; `None` when systemd never does. An upper bound:
    /// the waiting program may give up earlier, and may even report success then.
    pub bound_ms: Option<u64>,
    /// Where the bound comes from.
    #[serde(flatten, with = "reason::bound")]
    pub bound_reason: BoundReason,
    /// Remedies, the best first.
    pub remedies: Vec<Remedy>,
    /// Commands that show it on a live host. They stop services: for a maintenance window only.
    pub reproduction: Vec<String>,
}

impl Deadlock {
    /// True iff both are the same cycle, regardless of its first link and of the files that order it.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |deadlock: &Self| {
            let links = deadlock.chain.iter().map(|link| (link.from.clone(), link.to.clone(), link.kind));
            let mut links: Vec<_> = links.collect();
            links.sort();
            links
        };
        key(self) == key(other)
    }
}

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// A unit, or the URL of a `serves` link.
    pub from: String,
    /// A unit, or the URL of a `waits-for` link.
    pub to: String,
    /// What links them.
    pub kind: LinkKind,
    /// Where that is declared.
    pub evidence: String,
}

/// The kinds of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// `from` begins when `to` has started.
    After,
    /// The URL `from` answers when the unit `to` has begun.
    Serves,
    /// The unit `from` has started when the URL `to` answers.
    WaitsFor,
}

fn outcome(world: &World, wait: &NumberedWait) -> (WaitOutcome, Option<NotJudged>) {
    let unknown = |reason| (WaitOutcome::Unknown, Some(reason));
    let servers = world.servers(&wait.wait.url);
    // Without a declared server the URL may be served from outside this host, or by nothing.
    if servers.is_empty() {
        return unknown(NotJudged::NoServer(wait.wait.url.clone()));
    }
    let mut units: Vec<&UnitName> = servers.iter().flat_map(|serves| serves.units()).collect();
    units.push(&wait.wait.unit);
    for unit in units {
        match world.startable.get(unit) {
            None => return unknown(NotJudged::NotRead(unit.clone())),
            Some(false) => return unknown(NotJudged::Masked(unit.clone())),
            Some(true) => {}
        }
    }
    (WaitOutcome::Free, None)
}

fn not_seen(world: &World, wait: &NumberedWait) -> Vec<UnitName> {
    let servers = world.servers(&wait.wait.url);
    let mut queue: Vec<&UnitName> = servers.iter().flat_map(|serves| serves.units()).collect();
    let mut reached = BTreeSet::new();
    while let Some(unit) = queue.pop() {
        // Implied orders lead to sysinit.target and the like, which no set of one's own units holds: listing those
        // would say that nothing is ever known.
        let orders = world.orders.iter().filter(|order| order.unit == *unit && !order.implied);
        queue.extend(orders.map(|order| &order.after).filter(|after| reached.insert(*after)));
    }
    reached.into_iter().filter(|unit| !world.startable.contains_key(unit)).cloned().collect()
}

fn deadlock(world: &World, units: &[Unit], cycle: &Cycle<'_>) -> Deadlock {
    let (bound_ms, bound_reason) = bound(units, cycle);
    Deadlock {
        chain: cycle.iter().flat_map(links).collect(),
        bound_ms,
        bound_reason,
        remedies: remedies(world, cycle),
        reproduction: reproduction(cycle),
    }
}

fn links(step: &Step<'_>) -> Vec<Link> {
    match step {
        Step::Order(order) => vec![Link {
            from: order.unit.to_string(),
            to: order.after.to_string(),
            kind: LinkKind::After,
            evidence: order.evidence.to_string(),
        }],
        Step::Wait(wait, serves, unit) => {
            let url = wait.wait.url.to_string();
            vec![
                Link {
                    from: wait.wait.unit.to_string(),
                    to: url.clone(),
                    kind: LinkKind::WaitsFor,
                    evidence: format!("declared: {} waits for {url}", wait.wait.unit),
                },
                Link {
                    from: url,
                    to: unit.to_string(),
                    kind: LinkKind::Serves,
                    evidence: format!("declared: {serves}"),
                },
            ]
        }
    }
}

/// The first of the waiting units to be given up ends the deadlock.
fn bound(units: &[Unit], cycle: &Cycle<'_>) -> (Option<u64>, BoundReason) {
    let waiting = cycle.iter().filter_map(|step| match step {
        Step::Order(_) => None,
        Step::Wait(wait, ..) => Some(&wait.wait.unit),
    });
    let waiting: Vec<&UnitName> = waiting.collect();
    let found = units.iter().filter(|unit| waiting.contains(&&unit.name));
    let shortest = found.filter_map(|unit| Some((unit.start_bound()?, unit))).min_by_key(|(limit, _)| *limit);
    match shortest {
        Some((limit, unit)) => {
            let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            let reason = match &unit.timeout_start {
                Some((_, evidence)) => BoundReason::Configured { evidence: evidence.clone() },
                None => BoundReason::SystemdDefault { unit: unit.name.clone() },
            };
            (Some(limit), reason)
        }
        None => (None, BoundReason::Unlimited),
    }
}

fn reproduction(cycle: &Cycle<'_>) -> Vec<String> {
    let mut units: Vec<&UnitName> = Vec::new();
    let mut gated = None;
    for step in cycle {
        let (from, to) = match step {
            Step::Order(order) => (&order.unit, &order.after),
            Step::Wait(wait, _, unit) => (&wait.wait.unit, *unit),
        };
        if let Step::Wait(..) = step {
            gated = gated.or(Some(from));
        }
        for unit in [from, to] {
            // Stopping a target would take far more down than the cycle.
            if unit.suffix() != "target" && !units.contains(&unit) {
                units.push(unit);
            }
        }
    }
    let Some(gated) = gated else { return Vec::new() };
    let all: Vec<&str> = units.iter().map(|unit| unit.as_str()).collect();
    let all = all.join(" ");
    vec![
        format!("systemctl stop {all}"),
        format!("systemctl reset-failed {all}"),
        format!("systemctl start --no-block {gated}"),
        format!("journalctl --follow --unit {gated}"),
        format!("systemctl start {all}"),
    ]
}

//! The analysis and its report.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cycle::{self, Cycle};
use crate::edge::Edge;
use crate::evidence::Evidence;
use crate::graph::World;
use crate::lint::{Lint, lints};
use crate::name::UnitName;
use crate::opaque::Opaque;
use crate::outcome::{Judge, WaitOutcome};
use crate::place::Place;
use crate::ports;
use crate::read::UnitSet;
use crate::reason::{self, BoundReason, NotJudged};
use crate::remedy::{Remedy, remedies};
use crate::search::{Change, Graph, Step};
use crate::unit::Unit;
use crate::unread::Unread;
use crate::wait::{Serves, Wait};

/// Finds every wait for something that is served, or routed, by a unit that is ordered after the waiting unit, directly
/// or through others. The result holds for a boot from scratch, in which the default target, the waiting and the
/// serving units and all that those pull in are started.
///
/// A wait is free only where all files that could order something were read; [`UnitSet::unread`] says which were not.
/// Order is taken to pass through units that are started but not among the units, so that a target from another
/// directory hides nothing; the evidence lets a person judge such a chain.
pub fn analyse(set: &UnitSet, waits: &[Wait], serves: &[Serves]) -> BootReport {
    let world = World::new(set, waits, serves);
    let Some(shared) = ports::share(waits, serves) else {
        return report(set, &world, &BTreeSet::new());
    };
    let worlds: Vec<World> = shared.ways.iter().map(|way| World::new(set, waits, way)).collect();
    let caught: Vec<Vec<bool>> = worlds.iter().map(|w| cycle::caught(&Graph::new(w, false))).collect();
    let certain = !caught.is_empty() && caught.iter().all(|caught| caught.contains(&true));
    // Waits whose outcome depends on how the ports are shared out; all of them where there are too many ways to try.
    let open = shared.waits.into_iter().filter(|wait| caught.is_empty() || caught.iter().any(|c| c[*wait]));
    let open: BTreeSet<usize> = open.collect();
    match worlds.first().filter(|_| certain) {
        Some(first) => report(set, first, &open),
        None => report(set, &world, &open),
    }
}

fn report(set: &UnitSet, world: &World, open: &BTreeSet<usize>) -> BootReport {
    let graph = Graph::new(world, false);
    let caught = cycle::caught(&graph);
    let cycles = cycle::find(&graph, &caught);
    let judge = Judge::new(set, world, &graph, &caught, open);
    let rows = world.waits.iter().map(|wait| {
        let (outcome, reason) = judge.outcome(wait);
        let Wait { unit, url, .. } = wait.wait.clone();
        let found = wait.found.as_ref().map(|found| found.evidence.clone());
        WaitRow { unit, url, outcome, reason, not_seen: judge.not_seen(wait), found }
    });
    BootReport {
        units: set.units.len(),
        waits: rows.collect(),
        deadlocks: cycles.iter().map(|cycle| deadlock(&graph, &set.units, &caught, cycle)).collect(),
        known_before: None,
        opaque: opaque(world, &graph),
        lints: lints(set, world),
        unread: set.unread.clone(),
        edges: None,
    }
}

/// A unit that none of those that may serve comes after may wait for what it likes.
fn opaque(world: &World, graph: &Graph<'_>) -> Vec<Opaque> {
    let declared = world.waits.iter().filter(|wait| wait.found.is_none());
    let declared: BTreeSet<&UnitName> = declared.map(|wait| &wait.wait.unit).collect();
    let nothing = Change::default();
    let matters = |unit: &UnitName| {
        if declared.contains(unit) {
            return false;
        }
        let Some(waiting) = graph.done(unit) else { return false };
        let mut others = world.acting.iter().filter(|other| *other != unit);
        others.any(|other| graph.begin(other).is_some_and(|begin| graph.leads(begin, waiting, &nothing)))
    };
    let units: BTreeSet<&UnitName> = world.opaque.iter().map(|opaque| &opaque.unit).collect();
    let units: BTreeSet<&UnitName> = units.into_iter().filter(|unit| matters(unit)).collect();
    world.opaque.iter().filter(|opaque| units.contains(&opaque.unit)).cloned().collect()
}

/// The result of the analysis: the JSON document of kind `boot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BootReport {
    /// How many units were analysed.
    pub units: usize,
    /// Every wait and its outcome: those declared, then those that commands of units make.
    pub waits: Vec<WaitRow>,
    /// The deadlocks.
    pub deadlocks: Vec<Deadlock>,
    /// How many deadlocks another set of units had already, so that they are not in `deadlocks`; `None` where the units
    /// were not compared.
    #[serde(default)]
    pub known_before: Option<usize>,
    /// Commands that hold up a start which another unit that may serve comes after, and of which it is not known what
    /// they wait for. None of a unit with a declared wait: a person who declares what a unit waits for has read its commands.
    #[serde(default)]
    pub opaque: Vec<Opaque>,
    /// Habits of gates that prove less than they seem to.
    #[serde(default)]
    pub lints: Vec<Lint>,
    /// Files that were not read, or not whole. Where one could matter to a wait, that wait is unknown.
    pub unread: Vec<Unread>,
    /// Every order that the units have, also of those that nothing starts; `None` where it was not asked for.
    #[serde(default)]
    pub edges: Option<Vec<Edge>>,
}

impl BootReport {
    /// The same report without the deadlocks that `before` had: what is left was introduced since.
    #[must_use]
    pub fn introduced_since(mut self, before: &Self) -> Self {
        let all = self.deadlocks.len();
        self.deadlocks.retain(|found| !before.deadlocks.iter().any(|known| known.is_same(found)));
        self.known_before = Some(all - self.deadlocks.len());
        self
    }

    /// `Some(true)` iff a boot from scratch completes: there are waits, every one is free, and no command is left that may
    /// wait for what serves. `Some(false)` with a deadlock; `None` if too little is known.
    pub fn deadlock_free(&self) -> Option<bool> {
        if !self.deadlocks.is_empty() {
            return Some(false);
        }
        // Deadlocks that are known from before are none of this report's.
        let known = self.known_before.is_some();
        let judged = self.waits.iter().all(|row| match row.outcome {
            WaitOutcome::Free => true,
            WaitOutcome::Deadlock => known,
            WaitOutcome::Unknown => false,
        });
        (judged && !self.waits.is_empty() && self.opaque.is_empty()).then_some(true)
    }
}

/// One wait and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaitRow {
    /// The waiting unit, by its own name.
    pub unit: UnitName,
    /// What it waits for.
    pub url: Place,
    /// The outcome.
    pub outcome: WaitOutcome,
    /// Why it could not be judged; `None` if it was.
    #[serde(flatten, with = "reason::not_judged")]
    #[cfg_attr(feature = "schema", schemars(with = "reason::not_judged::WithText<'static>"))]
    pub reason: Option<NotJudged>,
    /// Units that the serving unit is ordered after by an explicit line, but that were not among the units: with
    /// their files, a free wait might turn out to be a deadlock.
    pub not_seen: Vec<UnitName>,
    /// The command that waits, where the wait was found in a unit or its script rather than declared.
    pub found: Option<Evidence>,
}

/// A cycle through a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Deadlock {
    /// From the waiting unit to the URL, to the unit that serves it, and along the order back to the waiting unit.
    pub chain: Vec<Link>,
    /// How long it can last before systemd gives up, in milliseconds; `None` when systemd never does. An upper bound:
    /// the waiting program may give up earlier, and may even report success then.
    pub bound_ms: Option<u64>,
    /// Where the bound comes from.
    #[serde(flatten, with = "reason::bound")]
    #[cfg_attr(feature = "schema", schemars(with = "reason::bound::WithText<'static>"))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Link {
    /// A unit, or the place of a `serves` link.
    pub from: String,
    /// A unit, or the place of a `waits-for` link.
    pub to: String,
    /// What links them.
    pub kind: LinkKind,
    /// Where that is declared.
    pub evidence: String,
}

/// The kinds of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// `from` begins when `to` has started.
    After,
    /// What `from` names answers when the unit `to` has begun.
    Serves,
    /// The unit `from` has started when `to` answers, or when the unit `to` has started.
    WaitsFor,
}

fn deadlock(graph: &Graph<'_>, units: &[Unit], caught: &[bool], cycle: &Cycle) -> Deadlock {
    let (bound_ms, bound_reason) = bound(graph, units, cycle);
    Deadlock {
        chain: cycle.links(graph).into_iter().flat_map(|link| links(graph.world, link)).collect(),
        bound_ms,
        bound_reason,
        remedies: remedies(graph, caught, cycle),
        reproduction: reproduction(graph, cycle),
    }
}

fn links(world: &World, (from, to, step): (&UnitName, &UnitName, Step)) -> Vec<Link> {
    let link = |from: &str, to: &str, kind, evidence| Link {
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
        evidence,
    };
    match step {
        Step::Own => Vec::new(),
        Step::Order(order) => {
            let evidence = world.orders[order].evidence.to_string();
            vec![link(from.as_str(), to.as_str(), LinkKind::After, evidence)]
        }
        Step::Wait(wait, serves, _) => {
            let (wait, place) = (&world.waits[wait], world.waits[wait].wait.url.to_string());
            let evidence = match &wait.found {
                Some(found) if found.starts => format!("{} starts {place} and waits for it", found.evidence),
                Some(found) => format!("{} waits for {place}", found.evidence),
                None => format!("declared: {from} waits for {place}"),
            };
            let mut links = vec![link(from.as_str(), &place, LinkKind::WaitsFor, evidence)];
            if let Some(serves) = serves {
                let evidence = world.serves[serves].evidence();
                links.push(link(&place, to.as_str(), LinkKind::Serves, evidence));
            }
            if wait.wait.url == Place::BootFinished {
                let evidence =
                    format!("the start of {to} is part of the boot (systemctl(1), is-system-running)");
                links.push(link(&place, to.as_str(), LinkKind::Serves, evidence));
            }
            links
        }
    }
}

/// The first of the waiting units to be given up, or of their commands to give up, ends the deadlock.
fn bound(graph: &Graph<'_>, units: &[Unit], cycle: &Cycle) -> (Option<u64>, BoundReason) {
    let waiting: BTreeSet<&UnitName> = cycle.waits().map(|wait| &graph.world.waits[wait].wait.unit).collect();
    let found = units.iter().filter(|unit| waiting.contains(&unit.name));
    let shortest = found.filter_map(|unit| Some((unit.start_bound()?, unit))).min_by_key(|(limit, _)| *limit);
    let command = limit(graph, cycle);
    if let Some((limit, evidence)) = command.filter(|(own, _)| shortest.is_none_or(|(limit, _)| *own < limit))
    {
        return (Some(millis(limit)), BoundReason::Command { evidence: evidence.clone() });
    }
    match shortest {
        Some((limit, unit)) => {
            let reason = match &unit.timeout_start {
                Some((_, evidence)) => BoundReason::Configured { evidence: evidence.clone() },
                None => BoundReason::SystemdDefault { unit: unit.name.clone() },
            };
            (Some(millis(limit)), reason)
        }
        None => (None, BoundReason::Unlimited),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The waiting command that gives up first, where it does so by itself.
fn limit<'a>(graph: &Graph<'a>, cycle: &Cycle) -> Option<(Duration, &'a Evidence)> {
    let found = cycle.waits().filter_map(|wait| graph.world.waits[wait].found.as_ref());
    found.filter_map(|found| Some((found.limit?, &found.evidence))).min_by_key(|(limit, _)| *limit)
}

fn reproduction(graph: &Graph<'_>, cycle: &Cycle) -> Vec<String> {
    let mut units: Vec<&UnitName> = Vec::new();
    let mut gated = None;
    for (from, to, step) in cycle.links(graph) {
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

//! Remedies for a deadlock, each tried on the graph before it is offered.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cycle::{self, Cycle, Step};
use crate::graph::{NumberedWait, Order, World};
use crate::name::UnitName;
use crate::unit::Evidence;
use crate::wait::{GateUrl, Serves, Wait};

/// The most other URLs that are tried as a place to move a probe to.
const PLACES_LIMIT: usize = 20;

/// A change, and its effect on the deadlock when made to a copy of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// What to change. In JSON `kind` with its data, and the text as `change`.
    #[serde(flatten, with = "json")]
    pub change: RemedyChange,
    /// True iff the waits of this deadlock are free afterwards, and no other wait has become a deadlock.
    pub breaks_cycle: bool,
    /// `Some(true)` iff the gate still proves what it did: the same URL, or one that the waiting unit itself serves
    /// or routes, asked over TLS if it was before. `None` when nothing declares through which router the new URL is
    /// reached.
    pub keeps_proof: Option<bool>,
}

/// What to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RemedyChange {
    /// Remove the line that orders `unit` after `after`.
    DropOrder {
        /// The unit that begins later.
        unit: UnitName,
        /// The unit that it is ordered after.
        after: UnitName,
        /// The line.
        evidence: Evidence,
    },
    /// Start the unit without waiting.
    DropWait {
        /// The waiting unit.
        unit: UnitName,
        /// What it waits for.
        url: GateUrl,
    },
    /// Wait for another declared URL.
    MoveProbe {
        /// The waiting unit.
        unit: UnitName,
        /// What it waits for now.
        url: GateUrl,
        /// What it would wait for.
        to: GateUrl,
    },
    /// Wait for an endpoint of the service that the unit starts itself; none is declared yet.
    OwnEndpoint {
        /// The waiting unit.
        unit: UnitName,
        /// What it waits for now.
        url: GateUrl,
    },
    /// Order `after` after `unit` instead.
    Reverse {
        /// The unit that begins later now.
        unit: UnitName,
        /// The unit that it is ordered after now.
        after: UnitName,
        /// The line.
        evidence: Evidence,
    },
}

impl fmt::Display for RemedyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DropOrder { unit, after, evidence } => {
                write!(f, "let {unit} start without waiting for {after}: remove {evidence}")
            }
            Self::DropWait { unit, url } => write!(f, "start {unit} without waiting for {url}"),
            Self::MoveProbe { unit, url, to } => write!(f, "let {unit} wait for {to} instead of {url}"),
            Self::OwnEndpoint { unit, url } => write!(
                f,
                "let {unit} wait for an endpoint of the service that it starts itself, instead of {url}"
            ),
            Self::Reverse { unit, after, evidence } => {
                write!(f, "reverse the order: {after} After={unit} instead of {evidence}")
            }
        }
    }
}

enum Change<'a> {
    DropOrder(&'a Order),
    DropWait(&'a NumberedWait),
    MoveProbe(&'a NumberedWait, GateUrl),
    OwnEndpoint(&'a NumberedWait),
    Reverse(&'a Order),
}

/// Every remedy that is known, the best first. Remedies that do not help are listed as such: trying them is what a
/// person would do next.
pub(crate) fn remedies(world: &World, cycle: &Cycle<'_>) -> Vec<Remedy> {
    let mut remedies: Vec<Remedy> =
        changes(world, cycle).iter().map(|change| attempt(world, cycle, change)).collect();
    // Stable: among equals the order of the chain stays.
    remedies.sort_by_key(|remedy| (!remedy.breaks_cycle, remedy.keeps_proof != Some(true)));
    remedies
}

fn changes<'a>(world: &World, cycle: &Cycle<'a>) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    for step in cycle {
        match step {
            // An implied order has no line that could be removed or reversed.
            Step::Order(order) if !order.implied => {
                changes.extend([Change::DropOrder(order), Change::Reverse(order)]);
            }
            Step::Order(_) => {}
            Step::Wait(wait, ..) => {
                changes.extend(places(world, wait).into_iter().map(|url| Change::MoveProbe(wait, url)));
                if !world.serves.iter().any(|serves| serves.unit == wait.wait.unit) {
                    changes.push(Change::OwnEndpoint(wait));
                }
                changes.push(Change::DropWait(wait));
            }
        }
    }
    changes
}

/// The other declared places, those of the waiting unit first.
fn places(world: &World, wait: &NumberedWait) -> Vec<GateUrl> {
    let mut declared: Vec<&Serves> = world.serves.iter().collect();
    declared.sort_by_key(|serves| serves.unit != wait.wait.unit);
    let mut urls = Vec::new();
    for serves in declared {
        let url = wait.wait.url.at(&serves.host, serves.path_prefix.as_deref().unwrap_or("/"));
        if url != wait.wait.url && !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls.truncate(PLACES_LIMIT);
    urls
}

fn attempt(world: &World, cycle: &Cycle<'_>, change: &Change<'_>) -> Remedy {
    let mut changed = world.clone();
    change.make(&mut changed);
    let (before, after) = (cycle::deadlocked(world), cycle::deadlocked(&changed));
    let freed = cycle::waits_of(cycle).iter().all(|number| !after.contains(number));
    Remedy {
        change: change.described(),
        breaks_cycle: freed && after.is_subset(&before),
        keeps_proof: proof(world, &changed, cycle),
    }
}

/// The worst of what became of the gates in the cycle.
fn proof(world: &World, changed: &World, cycle: &Cycle<'_>) -> Option<bool> {
    let mut kept = Some(true);
    for number in cycle::waits_of(cycle) {
        match proof_of(world, changed, number) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => kept = None,
        }
    }
    kept
}

fn proof_of(world: &World, changed: &World, number: usize) -> Option<bool> {
    let find = |world: &World| world.waits.iter().find(|wait| wait.number == number).cloned();
    let (Some(old), Some(new)) = (find(world), find(changed)) else {
        return Some(false);
    };
    if old.wait.url == new.wait.url {
        return Some(true);
    }
    if old.wait.url.tls() && !new.wait.url.tls() {
        return Some(false);
    }
    let servers = changed.servers(&new.wait.url);
    if !servers.is_empty() && servers.iter().all(|serves| serves.units().any(|unit| *unit == new.wait.unit)) {
        return Some(true);
    }
    let routers_known = !servers.is_empty() && servers.iter().all(|serves| serves.via.is_some());
    routers_known.then_some(false)
}

impl Change<'_> {
    fn make(&self, world: &mut World) {
        match self {
            Self::DropOrder(order) => remove(world, order),
            Self::DropWait(dropped) => world.waits.retain(|wait| wait.number != dropped.number),
            Self::MoveProbe(moved, url) => move_probe(world, moved.number, url),
            Self::OwnEndpoint(moved) => {
                let (serves, url) = own_endpoint(moved);
                world.serves.push(serves);
                move_probe(world, moved.number, &url);
            }
            Self::Reverse(order) => {
                remove(world, order);
                let order =
                    Order { unit: order.after.clone(), after: order.unit.clone(), ..(*order).clone() };
                world.orders.push(order);
            }
        }
    }

    fn described(&self) -> RemedyChange {
        match self {
            Self::DropOrder(order) => {
                let Order { unit, after, evidence, .. } = (*order).clone();
                RemedyChange::DropOrder { unit, after, evidence }
            }
            Self::DropWait(dropped) => {
                let Wait { unit, url } = dropped.wait.clone();
                RemedyChange::DropWait { unit, url }
            }
            Self::MoveProbe(moved, to) => {
                let Wait { unit, url } = moved.wait.clone();
                RemedyChange::MoveProbe { unit, url, to: to.clone() }
            }
            Self::OwnEndpoint(moved) => {
                let Wait { unit, url } = moved.wait.clone();
                RemedyChange::OwnEndpoint { unit, url }
            }
            Self::Reverse(order) => {
                let Order { unit, after, evidence, .. } = (*order).clone();
                RemedyChange::Reverse { unit, after, evidence }
            }
        }
    }
}

fn remove(world: &mut World, order: &Order) {
    world.orders.retain(|other| (&other.unit, &other.after) != (&order.unit, &order.after));
}

fn move_probe(world: &mut World, number: usize, url: &GateUrl) {
    for wait in world.waits.iter_mut().filter(|wait| wait.number == number) {
        wait.wait.url = url.clone();
    }
}

/// An endpoint that does not exist yet. The blank in its host keeps it apart from every real one.
fn own_endpoint(wait: &NumberedWait) -> (Serves, GateUrl) {
    let unit: UnitName = wait.wait.unit.clone();
    let host = format!("own endpoint of {unit}").to_ascii_lowercase();
    let url = wait.wait.url.at(&host, "/");
    (Serves { host, path_prefix: None, unit, via: None }, url)
}

/// The JSON of a change: its fields, and its text as `change`.
mod json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::RemedyChange;

    #[derive(Serialize)]
    struct WithText<'a> {
        change: String,
        #[serde(flatten)]
        kind: &'a RemedyChange,
    }

    pub(super) fn serialize<S: Serializer>(kind: &RemedyChange, output: S) -> Result<S::Ok, S::Error> {
        WithText { change: kind.to_string(), kind }.serialize(output)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<RemedyChange, D::Error> {
        RemedyChange::deserialize(input)
    }
}

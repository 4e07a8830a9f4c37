//! Remedies for a deadlock, each tried on the graph before it is offered.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cycle::Cycle;
use crate::evidence::Evidence;
use crate::gate_url::GateUrl;
use crate::graph::NumberedWait;
use crate::name::UnitName;
use crate::order::Order;
use crate::place::Place;
use crate::search::{Change, Edge, Graph, Server, Step, edges_of};
use crate::wait::{Serves, Wait};

/// The most other URLs that are tried as a place to move a probe to.
const PLACES_LIMIT: usize = 20;

/// A change, and its effect on the deadlock when made to a copy of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Remedy {
    /// What to change. In JSON `kind` with its data, and the text as `change`.
    #[serde(flatten, with = "json")]
    #[cfg_attr(feature = "schema", schemars(with = "json::WithText<'static>"))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
        url: Place,
    },
    /// Start the other unit with `systemctl --no-block`.
    NoBlock {
        /// The unit whose command starts the other one.
        unit: UnitName,
        /// The unit that it starts and waits for.
        starts: UnitName,
        /// The command.
        evidence: Evidence,
    },
    /// Wait for another declared URL.
    MoveProbe {
        /// The waiting unit.
        unit: UnitName,
        /// What it waits for now.
        url: Place,
        /// What it would wait for.
        to: Place,
    },
    /// Wait for an endpoint of the service that the unit starts itself; none is declared yet.
    OwnEndpoint {
        /// The waiting unit.
        unit: UnitName,
        /// What it waits for now.
        url: Place,
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
            Self::NoBlock { unit, starts, evidence } => {
                write!(f, "let {unit} start {starts} with systemctl --no-block in {evidence}")
            }
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

enum Idea<'a> {
    DropOrder(usize),
    DropWait(&'a NumberedWait),
    MoveProbe(&'a NumberedWait, Place),
    NoBlock(&'a NumberedWait, &'a UnitName, &'a Evidence),
    OwnEndpoint(&'a NumberedWait),
    Reverse(usize),
}

/// Every remedy that is known, the best first. Remedies that do not help are listed as such: trying them is what a
/// person would do next. `caught` says which waits are in a cycle now.
pub(crate) fn remedies(graph: &Graph<'_>, caught: &[bool], cycle: &Cycle) -> Vec<Remedy> {
    let ideas = ideas(graph, cycle);
    let mut remedies: Vec<Remedy> = ideas.iter().map(|idea| attempt(graph, caught, cycle, idea)).collect();
    // Stable: among equals the order of the chain stays.
    remedies.sort_by_key(|remedy| (!remedy.breaks_cycle, remedy.keeps_proof != Some(true)));
    remedies
}

fn ideas<'a>(graph: &Graph<'a>, cycle: &Cycle) -> Vec<Idea<'a>> {
    let world = graph.world;
    let mut ideas = Vec::new();
    for edge in &cycle.0 {
        match edge.step {
            // An implied order has no line that could be removed or reversed.
            Step::Order(index) if !world.orders[index].implied => {
                ideas.extend([Idea::DropOrder(index), Idea::Reverse(index)]);
            }
            Step::Own | Step::Order(_) => {}
            Step::Wait(index, ..) => ideas.extend(ideas_for_wait(graph, &world.waits[index])),
        }
    }
    ideas
}

fn ideas_for_wait<'a>(graph: &Graph<'a>, wait: &'a NumberedWait) -> Vec<Idea<'a>> {
    if let (Place::Unit(starts), Some(found)) = (&wait.wait.url, &wait.found)
        && found.starts
    {
        return vec![Idea::NoBlock(wait, starts, &found.evidence)];
    }
    // Nothing that the unit could wait for instead says that the boot has finished.
    if wait.wait.url == Place::BootFinished {
        return vec![Idea::DropWait(wait)];
    }
    let mut ideas: Vec<_> =
        places(graph, wait).into_iter().map(|place| Idea::MoveProbe(wait, place)).collect();
    if !graph.world.serves.iter().any(|served| served.has_url() && served.serves.unit == wait.wait.unit) {
        ideas.push(Idea::OwnEndpoint(wait));
    }
    ideas.push(Idea::DropWait(wait));
    ideas
}

/// The other declared places that can be asked in the same way, those of the waiting unit first. Only of a URL is it
/// known how to ask elsewhere.
fn places(graph: &Graph<'_>, wait: &NumberedWait) -> Vec<Place> {
    let Place::Http(url) = &wait.wait.url else { return Vec::new() };
    let own = |serves: &&Serves| serves.unit == wait.wait.unit;
    let declared = graph.world.serves.iter().filter(|served| served.has_url()).map(|served| &served.serves);
    let sorted = declared.clone().filter(own).chain(declared.filter(|serves| !own(serves)));
    let mut places: Vec<Place> = Vec::new();
    for place in sorted.filter_map(|serves| place_of(serves, url)) {
        if place != wait.wait.url && !places.contains(&place) {
            places.push(place);
        }
        if places.len() == PLACES_LIMIT {
            break;
        }
    }
    places
}

fn place_of(serves: &Serves, url: &GateUrl) -> Option<Place> {
    let (host, port) = serves.host_and_port()?;
    let path = serves.path_prefix.as_deref().unwrap_or("/");
    // A declaration without a port holds for the port that is asked now, where it is the same host.
    let port = port.or(url.named_port().filter(|_| host.eq_ignore_ascii_case(url.host())));
    Some(Place::Http(url.at(host, port, path)))
}

fn attempt(graph: &Graph<'_>, caught: &[bool], cycle: &Cycle, idea: &Idea<'_>) -> Remedy {
    let trial = Trial::of(graph, idea);
    Remedy {
        change: idea.described(graph),
        breaks_cycle: trial.breaks(graph, caught, cycle),
        keeps_proof: proof(graph, cycle, idea),
    }
}

/// An idea as a change of the graph.
struct Trial {
    change: Change,
    /// The wait that has other servers now.
    moved: Option<(usize, Vec<Server>)>,
    /// An edge that another wait's cycle could lead through.
    reversed: Option<(usize, Edge)>,
}

impl Trial {
    fn of(graph: &Graph<'_>, idea: &Idea<'_>) -> Self {
        let mut trial = Self { change: Change::default(), moved: None, reversed: None };
        match idea {
            Idea::DropOrder(order) => trial.change.without_order = Some(*order),
            Idea::DropWait(wait) | Idea::NoBlock(wait, ..) | Idea::OwnEndpoint(wait) => {
                trial.change.without_wait = Some(wait.number);
            }
            Idea::MoveProbe(wait, place) => {
                let servers = graph.servers_at(place);
                let from = graph.done(&wait.wait.unit);
                let edges = edges_of(wait.number, &servers).into_iter();
                // Not a step of this wait any more: those are taken away.
                let edges = edges.map(|edge| Edge { step: Step::Own, ..edge });
                trial.change.without_wait = Some(wait.number);
                trial.change.added =
                    from.into_iter().flat_map(|from| edges.clone().map(move |e| (from, e))).collect();
                trial.moved = Some((wait.number, servers));
            }
            Idea::Reverse(index) => {
                let order = &graph.world.orders[*index];
                trial.change.without_order = Some(*index);
                if let (Some(from), Some(to)) = (graph.begin(&order.after), graph.done(&order.unit)) {
                    let edge = Edge { to, step: Step::Own };
                    trial.change.added.push((from, edge));
                    trial.reversed = Some((from, edge));
                }
            }
        }
        trial
    }

    /// True iff the waits of the cycle are free afterwards, and no other wait has become a deadlock.
    ///
    /// Without an edge none can have. A moved probe's new edge is in a cycle only where that probe itself is; a
    /// reversed order's may be in another wait's, so then all are looked at.
    fn breaks(&self, graph: &Graph<'_>, caught: &[bool], cycle: &Cycle) -> bool {
        // The moved probe first: where it is still in a cycle, it is cheap to see.
        let moved = self.moved.as_ref().map(|(wait, _)| *wait);
        let freed = moved.into_iter().chain(cycle.waits()).all(|wait| !self.is_caught(graph, wait));
        if !freed {
            return false;
        }
        let Some((from, edge)) = self.reversed else { return true };
        if !graph.leads(edge.to, from, &self.change) {
            return true;
        }
        let after = graph.deadlocked(&self.change);
        after.iter().zip(caught).all(|(after, before)| !after || *before)
    }

    fn is_caught(&self, graph: &Graph<'_>, wait: usize) -> bool {
        match &self.moved {
            // A path back to the waiting unit has ended where the moved probe's own new edge begins.
            Some((moved, servers)) if *moved == wait => {
                let without = Change { without_wait: Some(wait), ..Change::default() };
                graph.is_deadlocked(wait, &without, servers)
            }
            _ if self.change.without_wait == Some(wait) => false,
            _ => graph.is_deadlocked(wait, &self.change, &graph.servers[wait]),
        }
    }
}

/// The worst of what became of the gates in the cycle. Only the changed one can prove less than before.
fn proof(graph: &Graph<'_>, cycle: &Cycle, idea: &Idea<'_>) -> Option<bool> {
    match idea {
        Idea::DropOrder(_) | Idea::NoBlock(..) | Idea::OwnEndpoint(_) | Idea::Reverse(_) => Some(true),
        Idea::DropWait(wait) => Some(!cycle.waits().any(|number| number == wait.number)),
        Idea::MoveProbe(wait, place) => proof_of_move(graph, wait, place),
    }
}

fn proof_of_move(graph: &Graph<'_>, wait: &NumberedWait, place: &Place) -> Option<bool> {
    if let (Place::Http(old), Place::Http(new)) = (&wait.wait.url, place)
        && old.tls()
        && !new.tls()
    {
        return Some(false);
    }
    let servers = graph.world.servers(place);
    if !servers.is_empty() && servers.iter().all(|served| served.units().any(|unit| *unit == wait.wait.unit))
    {
        return Some(true);
    }
    let routers_known = !servers.is_empty() && servers.iter().all(|served| served.serves.via.is_some());
    routers_known.then_some(false)
}

impl Idea<'_> {
    fn described(&self, graph: &Graph<'_>) -> RemedyChange {
        let order = |index: &usize| graph.world.orders[*index].clone();
        match self {
            Self::DropOrder(index) => {
                let Order { unit, after, evidence, .. } = order(index);
                RemedyChange::DropOrder { unit, after, evidence }
            }
            Self::DropWait(dropped) => {
                let Wait { unit, url, .. } = dropped.wait.clone();
                RemedyChange::DropWait { unit, url }
            }
            Self::MoveProbe(moved, to) => {
                let Wait { unit, url, .. } = moved.wait.clone();
                RemedyChange::MoveProbe { unit, url, to: to.clone() }
            }
            Self::NoBlock(wait, starts, evidence) => RemedyChange::NoBlock {
                unit: wait.wait.unit.clone(),
                starts: (*starts).clone(),
                evidence: (*evidence).clone(),
            },
            Self::OwnEndpoint(moved) => {
                let Wait { unit, url, .. } = moved.wait.clone();
                RemedyChange::OwnEndpoint { unit, url }
            }
            Self::Reverse(index) => {
                let Order { unit, after, evidence, .. } = order(index);
                RemedyChange::Reverse { unit, after, evidence }
            }
        }
    }
}

/// The JSON of a change: its fields, and its text as `change`.
mod json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::RemedyChange;

    #[derive(Serialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub(super) struct WithText<'a> {
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

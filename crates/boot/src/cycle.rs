//! Finding the cycles.
//!
//! A cycle with a wait in it is a deadlock. Cycles of orders alone are left out: systemd sees and breaks those.

use std::collections::BTreeSet;

use crate::name::UnitName;
use crate::search::{Change, Edge, Graph, Server, Step, others};

/// A cycle: it begins with a wait, each edge leads to the next unit, and the last leads back to the first.
#[derive(Clone, Debug)]
pub(crate) struct Cycle(pub(crate) Vec<Edge>);

impl Cycle {
    /// The numbers of the waits in it.
    pub(crate) fn waits(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().filter_map(|edge| match edge.step {
            Step::Own | Step::Order(_) => None,
            Step::Wait(wait, ..) => Some(wait),
        })
    }

    /// Its edges without those from a unit to itself, each with the unit that it starts from and the one it leads to.
    pub(crate) fn links<'a>(&self, graph: &Graph<'a>) -> Vec<(&'a UnitName, &'a UnitName, Step)> {
        let mut from = match self.0.last() {
            Some(edge) => graph.name(edge.to),
            None => return Vec::new(),
        };
        let mut links = Vec::new();
        for edge in &self.0 {
            let to = graph.name(edge.to);
            if edge.step != Step::Own {
                links.push((from, to, edge.step));
            }
            from = to;
        }
        links
    }

    /// Equal for every rotation of a cycle.
    fn key(&self) -> Vec<Step> {
        let mut steps: Vec<Step> =
            self.0.iter().map(|edge| edge.step).filter(|step| *step != Step::Own).collect();
        steps.sort();
        steps
    }
}

/// The shortest cycle of each wait that is in one; each cycle once. `caught` says which waits are.
pub(crate) fn find(graph: &Graph<'_>, caught: &[bool]) -> Vec<Cycle> {
    let mut seen = BTreeSet::new();
    let mut cycles = Vec::new();
    for wait in (0..caught.len()).filter(|wait| caught[*wait]) {
        let cycle = graph.servers[wait].first().and_then(|server| cycle_through(graph, wait, server));
        if let Some(cycle) = cycle.filter(|cycle| seen.insert(cycle.key())) {
            cycles.push(cycle);
        }
    }
    cycles
}

/// The waits that are in a cycle, by their number.
pub(crate) fn caught(graph: &Graph<'_>) -> Vec<bool> {
    graph.deadlocked(&Change::default())
}

fn cycle_through(graph: &Graph<'_>, wait: usize, server: &Server) -> Option<Cycle> {
    let waiting = graph.done(&graph.world.waits[wait].wait.unit)?;
    let cycles = others(server, waiting).filter_map(|unit| {
        let mut edges = vec![Edge { to: unit, step: Step::Wait(wait, server.serves, unit) }];
        edges.extend(graph.path(unit, waiting)?);
        Some(Cycle(edges))
    });
    cycles.min_by_key(|cycle| cycle.key().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::World;
    use crate::read::UnitSet;
    use crate::remedy::remedies;
    use crate::unit::Unit;
    use crate::wait::{Serves, Wait};

    /// A tree of orders, and waits that lead from its units to some far below them. Returns the edges that were looked
    /// at, and the remedies that were tried.
    fn effort(units: usize, waits: usize) -> (usize, usize) {
        let name = |n: usize| format!("u{n}.service").parse().unwrap();
        let text = |n: usize| format!("[Unit]\nAfter=u{}.service\n", n / 2);
        let set = (0..units).map(|n| Unit::parse(&format!("u{n}.service"), &text(n)).unwrap().0).collect();
        let wait = |n: usize| {
            // 61 and 101 share no factor with 297: the waits are spread over all units.
            let url = format!("https://h{}/", (n * 101 + 7) % units).parse().unwrap();
            Wait { unit: name((n * 61) % units), url, during: None }
        };
        let serves = |n: usize| Serves {
            host: format!("h{n}"),
            port: None,
            path_prefix: None,
            unit: name(n),
            via: None,
        };
        let waits: Vec<Wait> = (0..waits).map(wait).collect();
        let serves: Vec<Serves> = (0..units).map(serves).collect();
        let world = World::new(&UnitSet::whole(set), &waits, &serves);
        let graph = Graph::new(&world, false);
        let caught = caught(&graph);
        let cycles = find(&graph, &caught);
        let tried = cycles.iter().map(|cycle| remedies(&graph, &caught, cycle).len()).sum();
        (graph.looked_at.get(), tried)
    }

    #[test]
    fn a_remedy_costs_no_more_where_there_are_more_waits() {
        let of = [30, 60, 120, 240].map(|waits| effort(297, waits));
        let each = of.map(|(looked_at, tried)| looked_at / tried);
        // The graph has some 1,600 edges, of which the waits are the smallest part.
        assert!(of[0].1 * 4 < of[3].1, "more waits have more remedies: {of:?}");
        assert!(each.iter().all(|each| *each < 2 * 1_600), "{each:?} for each of {of:?}");
    }
}

//! Finding the cycles.
//!
//! A unit's start has two moments: a unit *begins* (its job runs) and is *done* (it counts as started). Then
//!
//! - `done(u)` needs `begin(u)`;
//! - `begin(u)` needs `done(v)` where `u` is ordered after `v`;
//! - `done(g)` needs `begin(s)` where `g` waits for a URL that `s` serves, or that is reached through `s`: nothing
//!   serves before it has at least begun. This is the weakest thing that can be asked, so no cycle is reported that
//!   a fast service could escape; and a unit that waits for its own service is not a cycle.
//!
//! A cycle with a wait in it is a deadlock. Cycles of orders alone are left out: systemd sees and breaks those.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::graph::{NumberedWait, Order, World};
use crate::name::UnitName;
use crate::wait::Serves;

/// One edge of a cycle.
#[derive(Clone, Debug)]
pub(crate) enum Step<'a> {
    Order(&'a Order),
    /// A wait, the declaration that says who serves it, and which of that one's units it leads to.
    Wait(&'a NumberedWait, &'a Serves, &'a UnitName),
}

/// A cycle: it begins with a wait, each step leads to the next, and the last leads back to the first.
pub(crate) type Cycle<'a> = Vec<Step<'a>>;

/// The shortest cycle of each wait that is in one; each cycle once.
pub(crate) fn find(world: &World) -> Vec<Cycle<'_>> {
    let graph = Graph::new(world);
    let mut seen = BTreeSet::new();
    let mut cycles = Vec::new();
    for wait in &world.waits {
        if let Some(cycle) = graph.deadlock(world, wait)
            && seen.insert(key(&cycle))
        {
            cycles.push(cycle);
        }
    }
    cycles
}

/// The numbers of all waits that are in a cycle.
pub(crate) fn deadlocked(world: &World) -> BTreeSet<usize> {
    find(world).iter().flat_map(waits_of).collect()
}

/// The numbers of the waits in a cycle.
pub(crate) fn waits_of(cycle: &Cycle<'_>) -> Vec<usize> {
    let numbers = cycle.iter().filter_map(|step| match step {
        Step::Order(_) => None,
        Step::Wait(wait, ..) => Some(wait.number),
    });
    numbers.collect()
}

/// A key that is equal for every rotation of a cycle.
fn key(cycle: &Cycle<'_>) -> Vec<String> {
    let mut parts: Vec<String> = cycle
        .iter()
        .map(|step| match step {
            Step::Order(order) => format!("{} after {}", order.unit, order.after),
            Step::Wait(wait, _, unit) => format!("{} waits for {unit}", wait.number),
        })
        .collect();
    parts.sort();
    parts
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment<'a> {
    Begin(&'a UnitName),
    Done(&'a UnitName),
}

/// What each moment needs, with the step behind it. That `done` of a unit needs its own `begin` has
/// no step.
struct Graph<'a> {
    needs: BTreeMap<Moment<'a>, Vec<(Moment<'a>, Step<'a>)>>,
}

impl<'a> Graph<'a> {
    fn new(world: &'a World) -> Self {
        let mut needs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for order in &world.orders {
            let need = (Moment::Done(&order.after), Step::Order(order));
            needs.entry(Moment::Begin(&order.unit)).or_default().push(need);
        }
        for wait in &world.waits {
            // With several servers none of them is needed for certain.
            if let [serves] = world.servers(&wait.wait.url)[..] {
                for unit in serves.units() {
                    let need = (Moment::Begin(unit), Step::Wait(wait, serves, unit));
                    needs.entry(Moment::Done(&wait.wait.unit)).or_default().push(need);
                }
            }
        }
        Self { needs }
    }

    /// The cycle of a wait, if every server that could end it leads back to the waiting unit.
    fn deadlock(&self, world: &'a World, wait: &'a NumberedWait) -> Option<Cycle<'a>> {
        let servers = world.servers(&wait.wait.url);
        // `collect` into an Option: a single server that starts without the waiting unit is a way out, so then there
        // is no deadlock.
        let cycles: Option<Vec<_>> =
            servers.into_iter().map(|serves| self.cycle_through(wait, serves)).collect();
        cycles?.into_iter().next()
    }

    fn cycle_through(&self, wait: &'a NumberedWait, serves: &'a Serves) -> Option<Cycle<'a>> {
        let waiting = &wait.wait.unit;
        // A unit may wait for what it starts itself: that needs no other unit to begin.
        let others = serves.units().filter(|unit| *unit != waiting);
        let cycles = others.filter_map(|unit| {
            let mut cycle = vec![Step::Wait(wait, serves, unit)];
            cycle.extend(self.path(Moment::Begin(unit), Moment::Done(waiting))?);
            Some(cycle)
        });
        cycles.min_by_key(Vec::len)
    }

    /// The shortest path, breadth first.
    fn path(&self, from: Moment<'a>, to: Moment<'a>) -> Option<Vec<Step<'a>>> {
        let mut came: BTreeMap<Moment<'a>, (Moment<'a>, Option<Step<'a>>)> = BTreeMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            if at == to {
                return Some(trace(&came, from, to));
            }
            for (next, step) in self.next(at) {
                if next != from && !came.contains_key(&next) {
                    came.insert(next, (at, step));
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn next(&self, at: Moment<'a>) -> Vec<(Moment<'a>, Option<Step<'a>>)> {
        let listed = self.needs.get(&at).into_iter().flatten();
        let mut next: Vec<_> = listed.map(|(moment, step)| (*moment, Some(step.clone()))).collect();
        if let Moment::Done(unit) = at {
            next.push((Moment::Begin(unit), None));
        }
        next
    }
}

fn trace<'a>(
    came: &BTreeMap<Moment<'a>, (Moment<'a>, Option<Step<'a>>)>,
    from: Moment<'a>,
    to: Moment<'a>,
) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let mut at = to;
    while at != from {
        let Some((before, step)) = came.get(&at) else { break };
        steps.extend(step.clone());
        at = *before;
    }
    steps.reverse();
    steps
}

//! What each moment of a start needs, as a graph of numbers, and the searches in it.
//!
//! A unit's start has two moments: a unit *begins* (its job runs) and is *done* (it counts as started). Then
//!
//! - `done(u)` needs `begin(u)`;
//! - `begin(u)` needs `done(v)` where `u` is ordered after `v`;
//! - `done(g)` needs `begin(s)` where `g` waits for a URL that `s` serves, or that is reached through `s`: nothing
//!   serves before it has at least begun. This is the weakest thing that can be asked, so no cycle is reported that
//!   a fast service could escape; and a unit that waits for its own service is not a cycle;
//! - `done(g)` needs `done(s)` where `g` waits for the unit `s` itself, as `systemctl start s` does;
//! - `done(g)` needs itself where `g` waits for the end of the boot: `g` is part of it.
//!
//! Waits that do not hold their unit up add nothing.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};

use crate::graph::{Holds, World};
use crate::name::UnitName;
use crate::place::Place;
use crate::served::Served;

/// A moment of a unit: twice the unit's number, plus one when it is done.
pub(crate) type Moment = usize;

/// What is behind an edge, by index into the world's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// That `done` of a unit needs its own `begin`.
    Own,
    Order(usize),
    /// The wait, the declaration that says who serves it (`None` where none is needed), and the moment that it leads to.
    Wait(usize, Option<usize>, usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) to: Moment,
    pub(crate) step: Step,
}

/// A server that a wait can end by: any one of its units may lead back to the waiting unit.
pub(crate) struct Server {
    pub(crate) serves: Option<usize>,
    pub(crate) units: Vec<Moment>,
}

/// A graph with some edges taken away and one or two added, without a copy of it.
#[derive(Default)]
pub(crate) struct Change {
    pub(crate) without_order: Option<usize>,
    pub(crate) without_wait: Option<usize>,
    pub(crate) added: Vec<(Moment, Edge)>,
}

impl Change {
    fn keeps(&self, step: Step) -> bool {
        match step {
            Step::Own => true,
            Step::Order(order) => Some(order) != self.without_order,
            Step::Wait(wait, ..) => Some(wait) != self.without_wait,
        }
    }
}

pub(crate) struct Graph<'a> {
    pub(crate) world: &'a World,
    numbers: HashMap<&'a UnitName, usize>,
    names: Vec<&'a UnitName>,
    needs: Vec<Vec<Edge>>,
    /// The servers of each wait, by its number.
    pub(crate) servers: Vec<Vec<Server>>,
    /// The part of the graph, strongly connected, that each moment is in.
    part: Vec<usize>,
    /// Edges that searches have looked at: what a search costs, without a clock.
    pub(crate) looked_at: Cell<usize>,
}

impl<'a> Graph<'a> {
    /// Waits that hold their unit up for certain, and with `unclear` also those that may.
    pub(crate) fn new(world: &'a World, unclear: bool) -> Self {
        let mut graph = Self {
            world,
            numbers: HashMap::new(),
            names: Vec::new(),
            needs: Vec::new(),
            servers: Vec::new(),
            part: Vec::new(),
            looked_at: Cell::new(0),
        };
        for (index, order) in world.orders.iter().enumerate() {
            let (unit, after) = (graph.number(&order.unit), graph.number(&order.after));
            graph.needs[begin(unit)].push(Edge { to: done(after), step: Step::Order(index) });
        }
        for index in 0..world.waits.len() {
            graph.add_wait(index, unclear);
        }
        graph.part = graph.parts(&Change::default());
        graph
    }

    fn number(&mut self, name: &'a UnitName) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len();
        self.numbers.insert(name, number);
        self.names.push(name);
        self.needs.push(Vec::new());
        self.needs.push(vec![Edge { to: begin(number), step: Step::Own }]);
        number
    }

    fn add_wait(&mut self, index: usize, unclear: bool) {
        let wait = &self.world.waits[index];
        let waiting = self.number(&wait.wait.unit);
        let servers = match &wait.wait.url {
            // A boot has finished once no job is left, that of the waiting unit included (`systemctl(1)`).
            Place::BootFinished => vec![Server { serves: None, units: vec![done(waiting)] }],
            place => self.servers_of(place),
        };
        let counts = wait.holds == Holds::Yes || (unclear && wait.holds == Holds::Unclear);
        if counts {
            let edges = edges_of(index, &servers);
            self.needs[done(waiting)].extend(edges);
        }
        self.servers.push(if counts { servers } else { Vec::new() });
    }

    fn servers_of(&mut self, place: &'a Place) -> Vec<Server> {
        if let Place::Unit(unit) = place {
            return vec![Server { serves: None, units: vec![done(self.number(unit))] }];
        }
        let world = self.world;
        let found = world.servers(place);
        let server = |serves: &'a Served| {
            let index = world.serves.iter().position(|other| std::ptr::eq(other, serves));
            let units = serves.units().map(|unit| begin(self.number(unit))).collect();
            Server { serves: index, units }
        };
        found.into_iter().map(server).collect()
    }

    /// The servers of a place that no wait of the world is for; units that the graph does not know are left out, since
    /// nothing leads back from them.
    pub(crate) fn servers_at(&self, place: &Place) -> Vec<Server> {
        let found = self.world.servers(place);
        let known = |unit: &UnitName| self.numbers.get(unit).map(|number| begin(*number));
        let server =
            |serves: &Served| Server { serves: None, units: serves.units().filter_map(known).collect() };
        found.into_iter().map(server).collect()
    }

    pub(crate) fn name(&self, moment: Moment) -> &'a UnitName {
        self.names[moment / 2]
    }

    pub(crate) fn begin(&self, unit: &UnitName) -> Option<Moment> {
        self.numbers.get(unit).map(|number| begin(*number))
    }

    pub(crate) fn done(&self, unit: &UnitName) -> Option<Moment> {
        self.numbers.get(unit).map(|number| done(*number))
    }

    /// True iff some path leads from one moment to the other.
    pub(crate) fn leads(&self, from: Moment, to: Moment, change: &Change) -> bool {
        from == to || self.search(from, to, change).is_some()
    }

    /// The steps of a shortest path, breadth first; empty if both are the same.
    pub(crate) fn path(&self, from: Moment, to: Moment) -> Option<Vec<Edge>> {
        if from == to {
            return Some(Vec::new());
        }
        let came = self.search(from, to, &Change::default())?;
        let mut steps = Vec::new();
        let mut at = to;
        while let Some((before, step)) = came[at].filter(|_| at != from) {
            steps.push(Edge { to: at, step });
            at = before;
        }
        steps.reverse();
        Some(steps)
    }

    /// How each moment on the way was reached, if `to` was.
    ///
    /// Parts only ever lead to parts with smaller numbers, so a moment of a part below that of `to` leads nowhere; with
    /// edges added the parts are other ones, and all is searched.
    fn search(&self, from: Moment, to: Moment, change: &Change) -> Option<Vec<Option<(Moment, Step)>>> {
        let within = change.added.is_empty();
        let leads_on = |moment: Moment| !within || self.part[to] <= self.part[moment];
        if !leads_on(from) {
            return None;
        }
        let mut came: Vec<Option<(Moment, Step)>> = vec![None; self.needs.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            for edge in self.needs_of(at, change) {
                self.looked_at.set(self.looked_at.get() + 1);
                if !leads_on(edge.to) || edge.to == from || came[edge.to].is_some() {
                    continue;
                }
                came[edge.to] = Some((at, edge.step));
                if edge.to == to {
                    return Some(came);
                }
                queue.push_back(edge.to);
            }
        }
        None
    }

    fn needs_of<'b>(&'b self, at: Moment, change: &'b Change) -> impl Iterator<Item = Edge> + 'b {
        let kept = self.needs[at].iter().filter(|edge| change.keeps(edge.step)).copied();
        kept.chain(change.added.iter().filter(move |(from, _)| *from == at).map(|(_, edge)| *edge))
    }

    /// The strongly connected parts (Tarjan), numbered so that an edge between two leads to the smaller number. Without
    /// recursion: a chain of units may be as long as there are units.
    pub(crate) fn parts(&self, change: &Change) -> Vec<usize> {
        let mut state = Parts::new(self.needs.len());
        for root in 0..self.needs.len() {
            if state.order[root] == 0 {
                self.parts_from(root, change, &mut state);
            }
        }
        state.part
    }

    fn parts_from(&self, root: Moment, change: &Change, state: &mut Parts) {
        let mut calls: Vec<(Moment, Vec<Edge>)> = vec![(root, self.needs_of(root, change).collect())];
        state.enter(root);
        while let Some((at, left)) = calls.last_mut() {
            let at = *at;
            let Some(edge) = left.pop() else {
                calls.pop();
                state.leave(at, calls.last().map(|(before, _)| *before));
                continue;
            };
            self.looked_at.set(self.looked_at.get() + 1);
            if state.order[edge.to] == 0 {
                state.enter(edge.to);
                calls.push((edge.to, self.needs_of(edge.to, change).collect()));
            } else if state.on_stack[edge.to] {
                state.low[at] = state.low[at].min(state.order[edge.to]);
            }
        }
    }

    /// True iff every server that could end the wait leads back to the waiting unit. A unit may wait for what it starts
    /// itself: that needs no other unit to begin.
    pub(crate) fn is_deadlocked(&self, wait: usize, change: &Change, servers: &[Server]) -> bool {
        let Some(waiting) = self.done(&self.world.waits[wait].wait.unit) else { return false };
        let leads_back = |server: &Server| {
            let mut others = others(server, waiting);
            others.any(|unit| self.leads(unit, waiting, change))
        };
        !servers.is_empty() && servers.iter().all(leads_back)
    }

    /// Of each wait, by its number, whether it is in a cycle.
    pub(crate) fn deadlocked(&self, change: &Change) -> Vec<bool> {
        let part = self.parts(change);
        let caught = |wait: usize| match (&self.servers[wait][..], change.without_wait) {
            (_, Some(without)) if without == wait => false,
            // The wait's own edge leads to its only server, so both are in one part iff that leads back.
            ([server], _) => self.done(&self.world.waits[wait].wait.unit).is_some_and(|waiting| {
                let mut others = others(server, waiting);
                others.any(|unit| part[unit] == part[waiting])
            }),
            (servers, _) => self.is_deadlocked(wait, change, servers),
        };
        (0..self.world.waits.len()).map(caught).collect()
    }
}

/// The moments of a server that the waiting unit does not reach by itself: it may wait for what it serves, but not for
/// its own end.
pub(crate) fn others(server: &Server, waiting: Moment) -> impl Iterator<Item = Moment> + '_ {
    server.units.iter().copied().filter(move |moment| *moment != begin(waiting / 2))
}

/// The edges that a wait adds: with several servers none of them is needed for certain.
pub(crate) fn edges_of(wait: usize, servers: &[Server]) -> Vec<Edge> {
    let [server] = servers else { return Vec::new() };
    let edge = |unit: &Moment| Edge { to: *unit, step: Step::Wait(wait, server.serves, *unit) };
    server.units.iter().map(edge).collect()
}

fn begin(unit: usize) -> Moment {
    2 * unit
}

fn done(unit: usize) -> Moment {
    2 * unit + 1
}

/// The state of Tarjan's algorithm; an order of 0 is a moment that was not met.
struct Parts {
    order: Vec<usize>,
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<Moment>,
    part: Vec<usize>,
    met: usize,
    complete: usize,
}

impl Parts {
    fn new(moments: usize) -> Self {
        let zeros = vec![0; moments];
        let (on_stack, stack) = (vec![false; moments], Vec::new());
        Self { order: zeros.clone(), low: zeros.clone(), on_stack, stack, part: zeros, met: 0, complete: 0 }
    }

    fn enter(&mut self, moment: Moment) {
        self.met += 1;
        (self.order[moment], self.low[moment]) = (self.met, self.met);
        self.on_stack[moment] = true;
        self.stack.push(moment);
    }

    fn leave(&mut self, moment: Moment, before: Option<Moment>) {
        if self.low[moment] == self.order[moment] {
            while let Some(member) = self.stack.pop() {
                self.on_stack[member] = false;
                self.part[member] = self.complete;
                if member == moment {
                    break;
                }
            }
            self.complete += 1;
        }
        if let Some(before) = before {
            self.low[before] = self.low[before].min(self.low[moment]);
        }
    }
}

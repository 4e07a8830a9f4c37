//! What a wait comes to where it is in no certain cycle: free, or unknown with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cycle;
use crate::graph::{NumberedWait, World};
use crate::name::UnitName;
use crate::order::Order;
use crate::place::Place;
use crate::read::UnitSet;
use crate::reason::NotJudged;
use crate::search::{Change, Graph};
use crate::unread::{Unread, UnreadKind};

/// The outcome of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaitOutcome {
    /// It waits for something that waits for it.
    Deadlock,
    /// What it waits for can start without it.
    Free,
    /// Too little is known.
    Unknown,
}

/// Judges waits one by one, with what all of them share worked out once.
pub(crate) struct Judge<'a> {
    world: &'a World,
    graph: &'a Graph<'a>,
    /// Waits that are in a cycle, by number.
    caught: &'a [bool],
    /// Waits whose outcome depends on which unit serves which port.
    open: &'a BTreeSet<usize>,
    /// Waits that are in a cycle if what is unclear about the waiting command is taken for the worst.
    perhaps: Vec<bool>,
    /// What was not read of the units that are started.
    unread: Vec<Unread>,
    /// The explicit orders of each unit.
    after: BTreeMap<&'a UnitName, Vec<&'a UnitName>>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        set: &UnitSet,
        world: &'a World,
        graph: &'a Graph<'a>,
        caught: &'a [bool],
        open: &'a BTreeSet<usize>,
    ) -> Self {
        let perhaps = cycle::caught(&Graph::new(world, true));
        let mut after: BTreeMap<&UnitName, Vec<&UnitName>> = BTreeMap::new();
        // Implied orders lead to sysinit.target and the like, which no set of one's own units holds: listing those
        // would say that nothing is ever known.
        let explicit = |order: &&Order| !order.implied;
        for order in world.orders.iter().chain(&world.loose).filter(explicit) {
            after.entry(&order.unit).or_default().push(&order.after);
        }
        Self { world, graph, caught, open, perhaps, unread: unread(set, world), after }
    }

    pub(crate) fn outcome(&self, wait: &NumberedWait) -> (WaitOutcome, Option<NotJudged>) {
        if self.caught[wait.number] {
            return (WaitOutcome::Deadlock, None);
        }
        match self.not_judged(wait) {
            Some(reason) => (WaitOutcome::Unknown, Some(reason)),
            None => (WaitOutcome::Free, None),
        }
    }

    fn not_judged(&self, wait: &NumberedWait) -> Option<NotJudged> {
        let place = &wait.wait.url;
        let mut units = vec![&wait.wait.unit];
        match place {
            Place::BootFinished => units.push(&wait.wait.unit),
            Place::Unit(unit) => units.push(unit),
            _ => units.extend(self.world.servers(place).iter().flat_map(|serves| serves.units())),
        }
        // Without a declared server the place may be served from outside this host, or by nothing.
        if units.len() == 1 {
            return Some(NotJudged::NoServer(place.clone()));
        }
        // The waiting unit last: that a server is missing is the more useful thing to say.
        units.rotate_left(1);
        let fault = units.into_iter().find_map(|unit| self.fault(unit));
        fault.or_else(|| self.not_deployed(wait)).or_else(|| self.open_question(wait))
    }

    /// What comes after the waiting unit and deploys something unknown may serve the place as well, and better than what is
    /// known to.
    fn not_deployed(&self, wait: &NumberedWait) -> Option<NotJudged> {
        let place = &wait.wait.url;
        let is_served = matches!(place, Place::Http(_) | Place::Tcp { .. } | Place::Unix(_));
        if !is_served || self.world.servers(place).iter().any(|served| served.is_declared()) {
            return None;
        }
        let waiting = self.graph.done(&wait.wait.unit)?;
        let comes_after = |unit: &UnitName| {
            let begin = self.graph.begin(unit).filter(|_| *unit != wait.wait.unit);
            begin.is_some_and(|begin| self.graph.leads(begin, waiting, &Change::default()))
        };
        let found = self.world.unread_deploys.iter().find(|deploy| comes_after(&deploy.unit));
        found.cloned().map(NotJudged::DeployNotRead)
    }

    fn fault(&self, unit: &UnitName) -> Option<NotJudged> {
        match self.world.startable.get(unit) {
            Some(true) => None,
            Some(false) => Some(NotJudged::Masked(unit.clone())),
            None => {
                let files = self.unread.iter().filter(|unread| unread.unit.as_ref() == Some(unit));
                let files: Vec<Unread> = files.cloned().collect();
                let not_read = || NotJudged::NotRead(unit.clone());
                Some(if files.is_empty() { not_read() } else { NotJudged::Unread(files) })
            }
        }
    }

    /// What leaves the outcome open although all of the wait's own units are known. A file that was not read may order
    /// its unit before the server and after the waiting unit at once, so each of a started unit's matters to each wait.
    fn open_question(&self, wait: &NumberedWait) -> Option<NotJudged> {
        if self.open.contains(&wait.number) {
            return Some(NotJudged::PortNotDeclared(wait.wait.url.clone()));
        }
        if self.perhaps[wait.number] {
            return Some(NotJudged::StageNotDeclared(wait.wait.unit.clone()));
        }
        (!self.unread.is_empty()).then(|| NotJudged::Unread(self.unread.clone()))
    }

    /// Units that the serving units are ordered after by explicit lines, and that were not among the units.
    pub(crate) fn not_seen(&self, wait: &NumberedWait) -> Vec<UnitName> {
        let servers = self.world.servers(&wait.wait.url);
        let mut queue: Vec<&UnitName> = servers.iter().flat_map(|serves| serves.units()).collect();
        let mut reached = BTreeSet::new();
        while let Some(unit) = queue.pop() {
            let after = self.after.get(unit).into_iter().flatten().copied();
            queue.extend(after.filter(|after| reached.insert(*after)));
        }
        reached.into_iter().filter(|unit| !self.world.startable.contains_key(unit)).cloned().collect()
    }
}

/// What was not read and belongs to a unit that is started, or to any.
fn unread(set: &UnitSet, world: &World) -> Vec<Unread> {
    let is_started = |name: &UnitName| {
        let instance = |unit: &UnitName| unit.template().as_ref() == Some(name);
        world.started.contains(name) || (name.is_template() && world.started.iter().any(instance))
    };
    let listed = set.unread.iter().filter(|unread| unread.unit.as_ref().is_none_or(is_started));
    let mut found: Vec<Unread> = listed.cloned().collect();
    found.extend(missing(set, world));
    found
}

/// Units that a started one requires and that have no file here. One that is only wanted may well not be installed, but
/// without a required one the boot would fail, so it must be somewhere else.
fn missing(set: &UnitSet, world: &World) -> Vec<Unread> {
    let started = set.units.iter().filter(|unit| world.started.contains(&unit.name) && !unit.masked);
    let required = started.flat_map(|unit| &unit.requires).map(|reference| &reference.unit);
    let aliases: BTreeSet<&UnitName> = set.units.iter().flat_map(|unit| &unit.aliases).collect();
    // Devices, slices and scopes need no file.
    let needs_file = |unit: &&UnitName| !matches!(unit.suffix(), "device" | "scope" | "slice");
    let known = |unit: &&UnitName| {
        let unread = set.unread.iter().any(|unread| unread.unit.as_ref() == Some(*unit));
        world.startable.contains_key(*unit) || aliases.contains(*unit) || unread
    };
    let missing: BTreeSet<&UnitName> = required.filter(needs_file).filter(|unit| !known(unit)).collect();
    let unread = |unit: &UnitName| Unread {
        unit: Some(unit.clone()),
        path: PathBuf::from(unit.as_str()),
        why: UnreadKind::NoFile,
    };
    missing.into_iter().map(unread).collect()
}

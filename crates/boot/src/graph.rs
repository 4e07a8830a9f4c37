//! Units, waits and the units that serve them as one model, and what each start needs before it.

use std::collections::{BTreeMap, BTreeSet};

use crate::builtin;
use crate::command::{Command, Stage};
use crate::deploys::UnreadDeploy;
use crate::found::Found;
use crate::name::UnitName;
use crate::opaque::Opaque;
use crate::order::{Loaded, Names, Order, orders};
use crate::place::Place;
use crate::read::UnitSet;
use crate::served::{self, Served};
use crate::started::started;
use crate::unit::Unit;
use crate::wait::{Serves, Wait};

/// A wait that keeps its number when other waits are taken away.
#[derive(Clone, Debug)]
pub(crate) struct NumberedWait {
    pub(crate) number: usize,
    pub(crate) wait: Wait,
    /// The command that waits, where the wait was found there rather than declared.
    pub(crate) found: Option<Found>,
    pub(crate) holds: Holds,
}

/// Whether a wait keeps its unit from having started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    No,
    /// The unit has commands that would, and none of its commands names the place.
    Unclear,
    Yes,
}

/// The input of the analysis. Every name is the unit's own one, never an alias.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// Orders between units that are started.
    pub(crate) orders: Vec<Order>,
    /// Orders of a started unit after one that is not among the units: with its file it might be started.
    pub(crate) loose: Vec<Order>,
    pub(crate) waits: Vec<NumberedWait>,
    /// What is declared, then what was found.
    pub(crate) serves: Vec<Served>,
    /// Commands of started units that hold their start up, and of which it is not known what they wait for.
    pub(crate) opaque: Vec<Opaque>,
    /// Started units that may serve something.
    pub(crate) acting: BTreeSet<UnitName>,
    /// What started units deploy and of which it is not known what it serves.
    pub(crate) unread_deploys: Vec<UnreadDeploy>,
    /// Known units, and whether they can start at all.
    pub(crate) startable: BTreeMap<UnitName, bool>,
    pub(crate) started: BTreeSet<UnitName>,
}

impl World {
    pub(crate) fn new(set: &UnitSet, waits: &[Wait], serves: &[Serves]) -> Self {
        let units = loaded(set);
        let names = Names::new(units.iter().map(|loaded| &loaded.unit));
        let declared = waits.iter().map(|wait| Wait { unit: names.own(&wait.unit), ..wait.clone() });
        let declared: Vec<Wait> = declared.collect();
        let own = |serves: &Serves| Serves {
            unit: names.own(&serves.unit),
            via: serves.via.as_ref().map(|via| names.own(via)),
            ..serves.clone()
        };
        let mut roots: Vec<UnitName> = declared.iter().flat_map(wait_units).collect();
        let mut serves: Vec<Served> = serves.iter().map(own).map(Served::declared).collect();
        roots.extend(serves.iter().flat_map(Served::units).cloned());
        let alive = units.iter().map(|loaded| &loaded.unit);
        let alive = alive.filter(|unit| !unit.masked && !unit.name.is_template());
        let unread_deploys = alive.clone().flat_map(served::unread);
        let mut unread_deploys: Vec<UnreadDeploy> = unread_deploys.collect();
        let mut found = served::found(alive);
        for served in &mut found {
            served.serves = own(&served.serves);
        }
        let serving: Vec<UnitName> = found.iter().flat_map(Served::units).cloned().collect();
        let started = started(&units, &names, &roots, &serving);
        // What nothing starts serves nothing.
        serves.extend(found.into_iter().filter(|served| started.contains(&served.serves.unit)));
        unread_deploys.retain(|deploy| started.contains(&deploy.unit));
        let startable = units.iter().map(|l| (l.unit.name.clone(), !l.unit.masked)).collect();
        let all = orders(&units, &names).into_iter().filter(|order| started.contains(&order.unit));
        let (orders, loose): (Vec<_>, Vec<_>) = all.partition(|order| started.contains(&order.after));
        let (waits, opaque, acting) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut world =
            Self { orders, loose, waits, serves, opaque, acting, unread_deploys, startable, started };
        world.loose.retain(|order| !world.startable.contains_key(&order.after));
        world.add_waits(&units, &names, declared);
        world
    }

    /// Declared waits keep the numbers of their list; those that commands make come after them.
    fn add_waits(&mut self, units: &[Loaded], names: &Names, declared: Vec<Wait>) {
        let by_name: BTreeMap<&UnitName, &Unit> = units.iter().map(|l| (&l.unit.name, &l.unit)).collect();
        for wait in declared {
            let holds = by_name.get(&wait.unit).map_or(Holds::Yes, |unit| holds_declared(unit, &wait));
            self.push(wait, None, holds);
        }
        let declared = self.waits.len();
        let started = units.iter().filter(|l| self.started.contains(&l.unit.name) && !l.unit.masked);
        let started: Vec<&Unit> = started.map(|loaded| &loaded.unit).collect();
        for unit in started {
            if may_serve(unit) {
                self.acting.insert(unit.name.clone());
            }
            for command in &unit.commands {
                for found in command.waits() {
                    self.add_found(unit, command.stage, found, names, declared);
                }
                if command.stage != Stage::ExecStart || !unit.starts_at_once() {
                    let opaque = command.opaque.iter().map(|(runs, evidence)| Opaque {
                        unit: unit.name.clone(),
                        runs: runs.clone(),
                        evidence: evidence.clone(),
                    });
                    self.opaque.extend(opaque);
                }
            }
        }
    }

    fn add_found(&mut self, unit: &Unit, stage: Stage, found: Found, names: &Names, declared: usize) {
        let url = match &found.place {
            Place::Unit(other) => Place::Unit(names.own(other)),
            place => place.clone(),
        };
        // A unit that starts itself merges with its own job (systemd.exec, "systemctl start" of a starting unit).
        if url == Place::Unit(unit.name.clone()) {
            return;
        }
        let mut wait = Wait { unit: unit.name.clone(), url, during: Some(stage) };
        let holds = holds(unit, &wait);
        if !found.starts && (holds == Holds::No || self.is_declared(&wait, declared)) {
            return;
        }
        wait.during = None;
        self.push(wait, Some(found), holds);
    }

    /// True iff the wait need not be looked at because of what is declared for its unit: the same wait, or any where
    /// nothing says who serves this one. A person who declares what a unit waits for has read its commands.
    fn is_declared(&self, wait: &Wait, declared: usize) -> bool {
        let known =
            matches!(wait.url, Place::BootFinished | Place::Unit(_)) || !self.servers(&wait.url).is_empty();
        let mut of_unit = self.waits.iter().filter(|other| other.wait.unit == wait.unit);
        of_unit.any(|other| other.wait.url == wait.url || (other.number < declared && !known))
    }

    fn push(&mut self, wait: Wait, found: Option<Found>, holds: Holds) {
        self.waits.push(NumberedWait { number: self.waits.len(), wait, found, holds });
    }

    /// The declarations that fit the place best; more than one when several units can serve it. What is declared wins over
    /// what was found.
    pub(crate) fn servers(&self, place: &Place) -> Vec<&Served> {
        let fits: Vec<_> =
            self.serves.iter().filter_map(|served| Some((served.fit(place)?, served))).collect();
        let declared = fits.iter().any(|(_, served)| served.is_declared());
        let counts = |served: &Served| served.is_declared() || !declared;
        let best = fits.iter().filter(|(_, served)| counts(served)).map(|(fit, _)| *fit).max();
        let fits = fits.into_iter().filter(|(fit, served)| Some(*fit) == best && counts(served));
        fits.map(|(_, served)| served).collect()
    }
}

/// A oneshot unit whose commands were all read serves only what it deploys.
fn may_serve(unit: &Unit) -> bool {
    let lasts = unit.service_type.as_deref() != Some("oneshot");
    let serves = |command: &Command| lasts || !command.opaque.is_empty() || !command.deploys().is_empty();
    unit.commands.iter().any(serves)
}

/// The units of the set, and those of systemd that it lacks.
pub(crate) fn loaded(set: &UnitSet) -> Vec<Loaded> {
    let mut units: Vec<Loaded> =
        set.units.iter().map(|unit| Loaded { unit: unit.clone(), builtin: false }).collect();
    let mut known: BTreeSet<UnitName> = set.units.iter().flat_map(names_of).collect();
    known.extend(set.unread.iter().filter_map(|unread| unread.unit.clone()));
    let lacking = builtin::units().into_iter().filter(|unit| !known.contains(&unit.name));
    units.extend(lacking.map(|unit| Loaded { unit, builtin: true }));
    units
}

fn names_of(unit: &Unit) -> impl Iterator<Item = UnitName> {
    unit.aliases.iter().chain([&unit.name]).cloned()
}

fn wait_units(wait: &Wait) -> Vec<UnitName> {
    let mut units = vec![wait.unit.clone()];
    if let Place::Unit(unit) = &wait.url {
        units.push(unit.clone());
    }
    units
}

/// Of a declared wait whose command is not declared, the commands that were found to wait for the place decide.
fn holds_declared(unit: &Unit, wait: &Wait) -> Holds {
    let waiting = |command: &&Command| command.waits().iter().any(|found| found.place == wait.url);
    let stages: Vec<Stage> = match wait.during {
        Some(_) => Vec::new(),
        None => unit.commands.iter().filter(waiting).map(|command| command.stage).collect(),
    };
    if stages.is_empty() {
        return holds(unit, wait);
    }
    let held = |stage: Stage| holds(unit, &Wait { during: Some(stage), ..wait.clone() }) == Holds::Yes;
    if stages.into_iter().any(held) { Holds::Yes } else { Holds::No }
}

/// Everything that a start runs before `ExecStart=` keeps it from having started, and so does `ExecStartPost=`; only
/// the main command of a service that starts at once does not (`systemd.service(5)`, `Type=`).
fn holds(unit: &Unit, wait: &Wait) -> Holds {
    if unit.name.suffix() != "service" || !unit.starts_at_once() {
        return Holds::Yes;
    }
    if let Some(stage) = wait.during {
        return if stage == Stage::ExecStart { Holds::No } else { Holds::Yes };
    }
    let mark = wait.url.mark();
    let naming = |main: bool| {
        let mut commands = unit.commands.iter().filter(|c| (c.stage == Stage::ExecStart) == main);
        commands.any(|command| command.line.contains(&mark))
    };
    let others = unit.commands.iter().any(|c| c.stage != Stage::ExecStart && !c.is_harmless());
    match (naming(false), naming(true), others) {
        (true, ..) => Holds::Yes,
        (false, false, true) => Holds::Unclear,
        (false, ..) => Holds::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &str, during: Option<Stage>) -> Holds {
        let (unit, _) = Unit::parse("a.service", &format!("[Service]\n{text}")).unwrap();
        let url = "http://backend.example:81/".parse().unwrap();
        holds(&unit, &Wait { unit: unit.name.clone(), url, during })
    }

    #[test]
    fn only_what_delays_the_start_holds_it_up() {
        for (text, expected) in [
            ("ExecStart=/bin/wait http://backend.example:81/", Holds::No),
            ("ExecStart=/bin/x", Holds::No),
            ("ExecStartPre=/bin/wait backend.example:81\nExecStart=/bin/x", Holds::Yes),
            ("ExecStartPost=/bin/wait backend.example:81\nExecStart=/bin/x", Holds::Yes),
            ("ExecStartPre=/bin/wait.sh\nExecStart=/bin/x", Holds::Unclear),
            ("ExecStartPre=-/usr/bin/mkdir -p /run/x\nExecStart=/bin/x", Holds::No),
            ("ExecStartPre=/bin/prepare\nExecStart=/bin/x --peer backend.example:81", Holds::No),
            ("Type=oneshot\nExecStart=/bin/x", Holds::Yes),
            ("Type=notify\nExecStart=/bin/x", Holds::Yes),
        ] {
            assert_eq!(held(text, None), expected, "{text}");
        }
        assert_eq!(held("ExecStart=/bin/x", Some(Stage::ExecStartPre)), Holds::Yes);
        assert_eq!(held("ExecStartPre=/bin/y\nExecStart=/bin/x", Some(Stage::ExecStart)), Holds::No);
    }

    #[test]
    fn only_orders_between_started_units_count() {
        let unit = |name: &str, text: &str| Unit::parse(name, text).unwrap().0;
        let quiet = "[Unit]\nDefaultDependencies=no\n";
        let units = vec![
            unit("a.service", &format!("{quiet}After=b.service idle.service gone.service\nWants=b.service")),
            unit("b.service", quiet),
            unit("idle.service", quiet),
        ];
        let url = "http://h/".parse().unwrap();
        let wait = Wait { unit: "a.service".parse().unwrap(), url, during: None };
        let world = World::new(&UnitSet::whole(units), &[wait], &[]);
        let own = |orders: &[Order]| -> Vec<String> {
            let own = orders.iter().filter(|order| order.unit.as_str() == "a.service");
            own.map(|order| order.after.to_string()).collect()
        };
        assert_eq!(
            (own(&world.orders), own(&world.loose)),
            (vec!["b.service".into()], vec!["gone.service".into()])
        );
    }
}

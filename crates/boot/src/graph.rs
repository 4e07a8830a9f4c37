//! Units, waits and the units that serve them as one model, which a remedy can change and analyse again.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::UnitName;
use crate::unit::{Evidence, Unit};
use crate::wait::{GateUrl, Serves, Wait};

/// `unit` begins only when `after` has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) unit: UnitName,
    pub(crate) after: UnitName,
    pub(crate) evidence: Evidence,
    /// True iff systemd adds it by itself, so that there is no line to remove.
    pub(crate) implied: bool,
}

/// A wait that keeps its number when other waits are taken away.
#[derive(Clone, Debug)]
pub(crate) struct NumberedWait {
    pub(crate) number: usize,
    pub(crate) wait: Wait,
}

/// The input of the analysis. Every name is the unit's own one, never an alias.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) orders: Vec<Order>,
    pub(crate) waits: Vec<NumberedWait>,
    pub(crate) serves: Vec<Serves>,
    /// Known units, and whether they can start at all.
    pub(crate) startable: BTreeMap<UnitName, bool>,
}

impl World {
    pub(crate) fn new(units: &[Unit], waits: &[Wait], serves: &[Serves]) -> Self {
        let names = Names::new(units);
        let waits = waits.iter().enumerate().map(|(number, wait)| {
            let wait = Wait { unit: names.own(&wait.unit), url: wait.url.clone() };
            NumberedWait { number, wait }
        });
        let serves = serves.iter().map(|serves| Serves {
            unit: names.own(&serves.unit),
            via: serves.via.as_ref().map(|via| names.own(via)),
            ..serves.clone()
        });
        Self {
            orders: orders(units, &names),
            waits: waits.collect(),
            serves: serves.collect(),
            startable: units.iter().map(|unit| (unit.name.clone(), !unit.masked)).collect(),
        }
    }

    /// The declarations that fit the URL best; more than one when several units can serve it.
    pub(crate) fn servers(&self, url: &GateUrl) -> Vec<&Serves> {
        let best = self.serves.iter().filter_map(|serves| serves.fit(url)).max();
        self.serves.iter().filter(|serves| best.is_some() && serves.fit(url) == best).collect()
    }
}

struct Names(BTreeMap<UnitName, UnitName>);

impl Names {
    fn new(units: &[Unit]) -> Self {
        let aliases = units.iter().flat_map(|unit| unit.aliases.iter().map(|alias| (alias, &unit.name)));
        Self(aliases.map(|(alias, name)| (alias.clone(), name.clone())).collect())
    }

    fn own(&self, name: &UnitName) -> UnitName {
        self.0.get(name).unwrap_or(name).clone()
    }
}

/// Every order between units, once each. A masked unit never gets a start job, so it orders nothing.
fn orders(units: &[Unit], names: &Names) -> Vec<Order> {
    let mut found = Orders { names, list: Vec::new(), seen: BTreeSet::new() };
    // A masked unit's file is not read by systemd at all, so its orders do not exist.
    let units: Vec<&Unit> = units.iter().filter(|unit| !unit.masked).collect();
    for unit in &units {
        for reference in &unit.after {
            found.add(&unit.name, &reference.unit, reference.evidence.clone(), false);
        }
        for reference in &unit.before {
            found.add(&reference.unit, &unit.name, reference.evidence.clone(), false);
        }
    }
    for unit in &units {
        found.activator(unit);
        found.defaults(unit);
    }
    // Last, because a target is not ordered after what is already ordered after the target.
    for unit in &units {
        found.target(unit, &units);
    }
    found.list
}

struct Orders<'a> {
    names: &'a Names,
    list: Vec<Order>,
    seen: BTreeSet<(UnitName, UnitName)>,
}

impl Orders<'_> {
    fn add(&mut self, unit: &UnitName, after: &UnitName, evidence: Evidence, implied: bool) {
        let (unit, after) = (self.names.own(unit), self.names.own(after));
        if unit != after && self.seen.insert((unit.clone(), after.clone())) {
            self.list.push(Order { unit, after, evidence, implied });
        }
    }

    /// Timers, sockets and paths come before the service that they activate (`systemd.timer(5)`,
    /// `systemd.socket(5)`, `systemd.path(5)`, implicit dependencies). `Unit=` and `Service=` are not read: the
    /// service of the same name is the default.
    fn activator(&mut self, unit: &Unit) {
        let suffix = unit.name.suffix();
        if !matches!(suffix, "path" | "socket" | "timer") {
            return;
        }
        if let Ok(service) = format!("{}.service", unit.name.stem()).parse() {
            let source = format!("systemd.{suffix}(5), implicit dependencies");
            self.add(&service, &unit.name, implied(source, format!("activated by {}", unit.name)), true);
        }
    }

    /// Ordinary services come after the basic system (`systemd.service(5)`, default dependencies).
    fn defaults(&mut self, unit: &Unit) {
        if unit.name.suffix() != "service" || !unit.default_dependencies {
            return;
        }
        for target in ["sysinit.target", "basic.target"] {
            if let Ok(target) = target.parse() {
                let source = "systemd.service(5), default dependencies".to_owned();
                self.add(&unit.name, &target, implied(source, format!("After={target}")), true);
            }
        }
    }

    /// A target comes after all that it pulls in, unless one of the two refuses default dependencies or the order
    /// is already the other way round (`systemd.target(5)`; systemd, `unit_add_default_target_dependency`).
    fn target(&mut self, target: &Unit, units: &[&Unit]) {
        if target.name.suffix() != "target" || !target.default_dependencies {
            return;
        }
        for reference in target.wants.iter().chain(&target.requires) {
            let member = self.names.own(&reference.unit);
            let refuses = units.iter().any(|unit| unit.name == member && !unit.default_dependencies);
            if !refuses && !self.seen.contains(&(member.clone(), target.name.clone())) {
                let text = format!("After={member}, because of {}", reference.evidence);
                let source = "systemd.target(5), default dependencies".to_owned();
                self.add(&target.name, &member, implied(source, text), true);
            }
        }
    }
}

fn implied(source: String, text: String) -> Evidence {
    Evidence { source, line: None, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(files: &[(&str, &str)]) -> Vec<String> {
        let units: Vec<Unit> = files.iter().map(|(name, text)| Unit::parse(name, text).unwrap().0).collect();
        let world = World::new(&units, &[], &[]);
        let named = world.orders.iter().filter(|order| !order.evidence.source.contains("systemd.service"));
        named.map(|order| format!("{}>{}", order.unit, order.after)).collect()
    }

    #[test]
    fn before_is_after_from_the_other_side() {
        assert_eq!(
            pairs(&[
                ("a.service", "[Unit]\nAfter=b.service\nAfter=b.service a.service"),
                ("c.service", "[Unit]\nBefore=a.service"),
            ]),
            ["a.service>b.service", "a.service>c.service"]
        );
    }

    #[test]
    fn targets_come_after_their_members_unless_that_is_refused() {
        let target = "[Unit]\nWants=a.service b.service c.service";
        let files = [
            ("t.target", target),
            ("a.service", ""),
            ("b.service", "[Unit]\nAfter=t.target"),
            ("c.service", "[Unit]\nDefaultDependencies=no"),
        ];
        assert_eq!(pairs(&files), ["b.service>t.target", "t.target>a.service"]);
        assert_eq!(
            pairs(&[("t.target", &format!("{target}\nDefaultDependencies=no"))]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn timers_come_before_their_service() {
        assert_eq!(pairs(&[("n.timer", "")]), ["n.service>n.timer"]);
    }

    #[test]
    fn services_come_after_the_basic_system() {
        let unit = |text| Unit::parse("a.service", text).unwrap().0;
        let count = |unit| World::new(&[unit], &[], &[]).orders.len();
        assert_eq!(count(unit("")), 2);
        assert_eq!(count(unit("[Unit]\nDefaultDependencies=no")), 0);
    }

    #[test]
    fn aliases_are_their_unit_and_masked_units_order_nothing() {
        let mut real = Unit::parse("real.service", "[Unit]\nDefaultDependencies=no").unwrap().0;
        real.aliases.push("other.service".parse().unwrap());
        let user = Unit::parse("u.service", "[Unit]\nDefaultDependencies=no\nAfter=other.service").unwrap().0;
        let world = World::new(&[real.clone(), user.clone()], &[], &[]);
        assert_eq!(world.orders[0].after.as_str(), "real.service");
        let masked = Unit { masked: true, ..user };
        assert_eq!(World::new(&[real, masked], &[], &[]).orders, []);
    }
}

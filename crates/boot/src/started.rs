//! Which units a boot starts: only those order anything.
//!
//! systemd orders jobs, not files: an `After=` counts where both units have a start job in the same boot
//! (`systemd.unit(5)`, "Before=, After="). A unit has one if something that is started pulls it in.

use std::collections::{BTreeMap, BTreeSet};

use crate::builtin;
use crate::command::Command;
use crate::name::UnitName;
use crate::order::{Loaded, Names, mounts_of};
use crate::unit::{Reference, Unit};

/// The units that are started: `roots`, the default target, and all that those pull in, under their own names. Units
/// that are pulled in and were not read are among them. In a folder without links those that serve are started as well.
pub(crate) fn started(
    units: &[Loaded],
    names: &Names,
    roots: &[UnitName],
    serving: &[UnitName],
) -> BTreeSet<UnitName> {
    let by_name: BTreeMap<&UnitName, &Unit> =
        units.iter().map(|loaded| (&loaded.unit.name, &loaded.unit)).collect();
    let mut queue: Vec<UnitName> = roots.to_vec();
    queue.extend(default_targets(names));
    if !has_links(units) {
        queue.extend(enabled(units));
        queue.extend(serving.iter().cloned());
        queue.extend(starters(units, names, roots));
    }
    let mut found = BTreeSet::new();
    while let Some(name) = queue.pop() {
        let name = names.own(&name);
        // A template is no unit that could be started.
        if name.is_template() || !found.insert(name.clone()) {
            continue;
        }
        if let Some(unit) = by_name.get(&name).filter(|unit| !unit.masked) {
            queue.extend(pulled_in(unit, &by_name));
        }
    }
    found
}

fn default_targets(names: &Names) -> Option<UnitName> {
    let default: UnitName = "default.target".parse().ok()?;
    let own = names.own(&default);
    if own == default { builtin::DEFAULT_TARGET.parse().ok() } else { Some(own) }
}

/// True iff some unit is enabled by a link, so that units without a link are known to be disabled.
fn has_links(units: &[Loaded]) -> bool {
    let is_link = |reference: &Reference| reference.evidence.line.is_none();
    units.iter().any(|loaded| loaded.unit.wants.iter().chain(&loaded.unit.requires).any(is_link))
}

/// Units that say by what they are to be enabled. In a folder without links, such as a repository's, nothing says which
/// of them are.
fn enabled(units: &[Loaded]) -> impl Iterator<Item = UnitName> {
    let enabled = units.iter().filter(|loaded| !loaded.unit.wanted_by.is_empty() && !loaded.unit.masked);
    enabled.map(|loaded| loaded.unit.name.clone())
}

/// Units whose commands start one of the roots: in a folder without links they are what starts it.
fn starters(units: &[Loaded], names: &Names, roots: &[UnitName]) -> Vec<UnitName> {
    let starts_root = |loaded: &&Loaded| {
        let mut started = loaded.unit.commands.iter().flat_map(Command::starts);
        started.any(|unit| roots.contains(&names.own(&unit)))
    };
    units.iter().filter(starts_root).map(|loaded| loaded.unit.name.clone()).collect()
}

fn pulled_in(unit: &Unit, by_name: &BTreeMap<&UnitName, &Unit>) -> Vec<UnitName> {
    let mut pulled: Vec<UnitName> =
        unit.wants.iter().chain(&unit.requires).map(|reference| reference.unit.clone()).collect();
    for needed in &unit.mounts_for {
        pulled.extend(mounts_of(&needed.path, |mount| by_name.contains_key(mount)));
    }
    // systemd.mount(5): a network mount wants the target that it comes after.
    if unit.over_network && unit.default_dependencies {
        pulled.extend("network-online.target".parse::<UnitName>().ok());
    }
    pulled.extend(unit.commands.iter().flat_map(Command::starts));
    pulled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(files: &[(&str, &str)], roots: &[&str]) -> Vec<String> {
        let unit = |(name, text): &(&str, &str)| Unit::parse(name, text).unwrap().0;
        let units: Vec<Loaded> =
            files.iter().map(|file| Loaded { unit: unit(file), builtin: false }).collect();
        let roots: Vec<UnitName> = roots.iter().map(|root| root.parse().unwrap()).collect();
        let found = started(&units, &Names::new([]), &roots, &[]);
        found.iter().map(ToString::to_string).filter(|name| name != "graphical.target").collect()
    }

    #[test]
    fn what_a_started_unit_pulls_in_is_started() {
        let files = [
            ("a.service", "[Unit]\nWants=b.service c@x.service\nAfter=n.service\nRequisite=q.service"),
            ("b.service", "[Service]\nExecStart=/bin/systemctl start d\nType=oneshot"),
            ("c@.service", ""),
            ("e.service", "[Unit]\nAfter=a.service"),
        ];
        let started = names_of(&files, &["a.service"]);
        assert_eq!(started, ["a.service", "b.service", "c@x.service", "d.service"]);
    }

    #[test]
    fn what_asks_to_be_enabled_is_started_where_no_link_says_otherwise() {
        let files = [("a.service", "[Install]\nWantedBy=multi-user.target"), ("b.service", "")];
        assert_eq!(names_of(&files, &[]), ["a.service"]);
    }

    #[test]
    fn a_network_mount_brings_the_network_up() {
        let files =
            [("a.service", "[Unit]\nRequiresMountsFor=/srv/data"), ("srv-data.mount", "[Mount]\nType=nfs")];
        let started = names_of(&files, &["a.service"]);
        assert_eq!(started, ["a.service", "network-online.target", "srv-data.mount"]);
    }
}

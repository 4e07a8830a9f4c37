//! The units of the machine that the tests run on: real ones, that boot.

use std::path::PathBuf;

use pvcheck_boot::{
    Link, LinkKind, Reference, Serves, Stage, Unit, UnitName, UnitSet, Wait, analyse, read_units,
};

const FOLDERS: [&str; 3] = ["/etc/systemd/system", "/run/systemd/system", "/lib/systemd/system"];

/// `None` where there are none, which is said aloud.
fn units() -> Option<UnitSet> {
    let given = std::env::var_os("PVCHECK_UNITS").map(PathBuf::from);
    let own = || FOLDERS.iter().map(PathBuf::from).filter(|folder| folder.is_dir()).collect();
    let folders: Vec<PathBuf> = given.map_or_else(own, |given| vec![given]);
    let set = read_units(&folders, None, &[]).ok().filter(|set| 30 < set.units.len());
    if set.is_none() {
        eprintln!("NOT RUN: this machine has no units of systemd in {}", FOLDERS.join(", "));
    }
    set
}

#[test]
fn units_that_boot_have_no_deadlock() {
    let Some(set) = units() else { return };
    let report = analyse(&set, &[], &[]);
    assert_eq!(report.deadlocks, [], "{} units", report.units);
    eprintln!("{} units, {} waits found, none in a deadlock", report.units, report.waits.len());
}

/// True iff one of both units names the other so in its file, or a rule of systemd's is named.
fn is_ordered(set: &UnitSet, link: &Link) -> bool {
    let unit = |name: &str| {
        let named = |unit: &&Unit| {
            unit.name.as_str() == name || unit.aliases.iter().any(|alias| alias.as_str() == name)
        };
        set.units.iter().find(named)
    };
    let names = |list: &[Reference], other: &str| {
        let is_other = |named: &Reference| {
            let own = unit(named.unit.as_str()).map_or(named.unit.as_str(), |unit| unit.name.as_str());
            own == other
        };
        list.iter().any(is_other)
    };
    link.evidence.contains("(systemd")
        || unit(&link.from).is_some_and(|from| names(&from.after, &link.to))
        || unit(&link.to).is_some_and(|to| names(&to.before, &link.from))
        || link.evidence.starts_with("Requires")
        || link.evidence.contains("Directory=")
        || link.evidence.starts_with("PrivateTmp=")
        || link.evidence.starts_with("Persistent=")
        || link.evidence.starts_with("DynamicUser=")
}

#[test]
fn every_step_of_a_deadlock_among_them_is_a_line_of_a_file_or_a_rule_of_systemds() {
    let Some(set) = units() else { return };
    let services: Vec<&UnitName> = set
        .units
        .iter()
        .filter(|unit| unit.name.suffix() == "service" && !unit.name.is_template() && !unit.masked)
        .map(|unit| &unit.name)
        .collect();
    let pairs = (0..services.len().min(120)).map(|n| (services[n], services[(n * 7 + 3) % services.len()]));
    let (mut tried, mut caught) = (0, 0);
    for (unit, server) in pairs.filter(|(unit, server)| unit != server) {
        let wait = Wait {
            unit: unit.clone(),
            url: "https://h/".parse().unwrap(),
            during: Some(Stage::ExecStartPre),
        };
        let host = "h".to_owned();
        let serves = Serves { host, port: None, path_prefix: None, unit: server.clone(), via: None };
        let report = analyse(&set, &[wait], &[serves]);
        let after = report.deadlocks.iter().flat_map(|deadlock| &deadlock.chain);
        for link in after.filter(|link| link.kind == LinkKind::After) {
            assert!(is_ordered(&set, link), "{link:?}");
        }
        (tried, caught) = (tried + 1, caught + report.deadlocks.len());
    }
    eprintln!("{tried} waits among {} units, {caught} in a deadlock", set.units.len());
}

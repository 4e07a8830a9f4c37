//! The units of the machine that the tests run on: real ones, that boot.

use std::path::{Path, PathBuf};

use pvcheck_boot::{Place, Serves, UnitName, UnitSet, Wait, WaitOutcome, analyse, read_units};

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

/// A wait for a unit is a deadlock exactly where that unit comes after the waiting one: asked for pairs that are declared
/// one by one and all at once. A set that is sorted by what its own lines say has an order in which it starts.
#[test]
fn a_wait_for_what_no_line_puts_behind_the_waiting_unit_is_no_deadlock() {
    let Some(set) = units() else { return };
    let services: Vec<&UnitName> = set
        .units
        .iter()
        .filter(|unit| unit.name.suffix() == "service" && !unit.name.is_template() && !unit.masked)
        .map(|unit| &unit.name)
        .collect();
    let pairs = (0..services.len().min(60)).map(|n| (services[n], services[(n * 7 + 3) % services.len()]));
    for (unit, server) in pairs.filter(|(unit, server)| unit != server) {
        let wait = Wait { unit: unit.clone(), url: "https://h/".parse().unwrap(), during: None };
        let host = "h".to_owned();
        let serves = Serves { host, port: None, path_prefix: None, unit: server.clone(), via: None };
        let report = analyse(&set, &[wait], &[serves]);
        let row = report.waits.iter().find(|row| matches!(row.url, Place::Http(_))).unwrap();
        let Some(deadlock) = report.deadlocks.first() else { continue };
        assert_eq!(row.outcome, WaitOutcome::Deadlock);
        // Every step back is a line of a file that is there, or a rule of systemd's.
        for link in deadlock.chain.iter().filter(|link| link.evidence.starts_with("After=")) {
            let source = link.evidence.rsplit_once('(').map_or("", |(_, source)| source);
            let file = source.trim_end_matches(')').split(':').next().unwrap_or_default();
            assert!(!file.starts_with('/') || Path::new(file).exists(), "{link:?}");
        }
    }
}

//! Every kind of set of units in `fixtures/`: a folder of units, and files of waits whose names begin with the outcome.

use std::fs;
use std::path::{Path, PathBuf};

use pvcheck_boot::{BootReport, NotJudged, Place, Serves, UnitName, UnreadKind, Wait, analyse, read_units};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    waits: Vec<Wait>,
    serves: Vec<Serves>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn report(units: &[PathBuf], waits: &Path) -> BootReport {
    let declared: Declared = serde_json::from_str(&fs::read_to_string(waits).unwrap()).unwrap();
    let mut named: Vec<UnitName> = declared.serves.iter().map(|serves| serves.unit.clone()).collect();
    for wait in &declared.waits {
        named.push(wait.unit.clone());
        if let Place::Unit(unit) = &wait.url {
            named.push(unit.clone());
        }
    }
    analyse(&read_units(units, &named).unwrap(), &declared.waits, &declared.serves)
}

fn of(case: &str, waits: &str) -> BootReport {
    let folder = fixtures().join(case);
    report(&[folder.join("units")], &folder.join(waits))
}

#[test]
fn every_kind_has_the_outcome_that_its_name_says() {
    let mut tried = 0;
    for case in fs::read_dir(fixtures()).unwrap().map(|case| case.unwrap().path()) {
        for file in fs::read_dir(&case).unwrap().map(|file| file.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(waits) = name.strip_suffix(".json") else { continue };
            let expected = match waits.split('-').next().unwrap() {
                "deadlock" => Some(false),
                "free" => Some(true),
                "unknown" => None,
                other => panic!("{other} is no outcome"),
            };
            let report = report(&[case.join("units")], &file);
            assert_eq!(report.deadlock_free(), expected, "{}: {report:#?}", file.display());
            let json = serde_json::to_value(&report).unwrap();
            assert_eq!(serde_json::from_value::<BootReport>(json).unwrap(), report, "{}", file.display());
            tried += 1;
        }
    }
    assert!(tried > 35, "{tried} fixtures");
}

#[test]
fn an_unknown_wait_has_the_file_that_was_not_read_and_why() {
    for (case, file, kind) in [
        ("unread-links", "app.service", "dangling"),
        ("unread-between", "between.service", "dangling"),
        ("unread-drop-in", "50.conf", "dangling"),
        ("unread-enabled-elsewhere", "between.service", "dangling"),
        ("unread-bytes", "app.service", "not_utf8"),
        ("unread-required", "base.service", "no_file"),
        ("unread-folder", "app.service", "not_a_file"),
    ] {
        let report = of(case, "unknown.json");
        let Some(NotJudged::Unread(files)) = &report.waits[0].reason else { panic!("{case}: {report:#?}") };
        assert!(files[0].path.ends_with(file), "{case}: {files:?}");
        let json = serde_json::to_value(&report.waits[0]).unwrap();
        assert_eq!((&json["kind"], &json["about"][0]["kind"]), (&"unread".into(), &kind.into()), "{json}");
        assert!(json["reason"].as_str().unwrap().contains(file), "{json}");
    }
}

#[test]
fn a_deadlock_through_systemctl_names_the_command_and_a_way_out() {
    let report = of("starts-a-unit", "deadlock.json");
    let texts: Vec<String> = report.deadlocks[0]
        .remedies
        .iter()
        .filter(|r| r.breaks_cycle)
        .map(|r| r.change.to_string())
        .collect();
    assert!(texts.iter().any(|text| text.contains("--no-block in ExecStart=")), "{texts:?}");
    let found: Vec<_> = report.waits.iter().filter_map(|row| row.found.as_ref()).collect();
    assert_eq!(found.len(), 1, "{:?}", report.waits);
}

#[test]
fn ports_that_are_not_declared_leave_the_single_wait_open() {
    let report = of("ports-of-one-host", "deadlock-ports-not-declared.json");
    assert!(matches!(report.waits[1].reason, Some(NotJudged::PortNotDeclared(_))), "{:#?}", report.waits);
}

#[test]
fn several_folders_are_read_as_one_host() {
    let dir = tempfile::TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let link = |path: &str, to: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, path).unwrap();
    };
    write("lib/systemd/system/gate.service", "[Service]\nType=oneshot\nExecStart=/bin/gate\n");
    write("lib/systemd/system/app.service", "[Unit]\nAfter=gate.service\n[Service]\nExecStart=/bin/app\n");
    write("lib/systemd/system/other.service", "[Service]\nExecStart=/bin/other\n");
    // As `systemctl enable` and `systemctl link` make them: absolute, whatever the tree is copied to.
    link("etc/systemd/system/multi-user.target.wants/app.service", "/lib/systemd/system/app.service");
    link("etc/systemd/system/alias.service", "/lib/systemd/system/app.service");
    write(
        "waits.json",
        r#"{"waits":[{"unit":"gate.service","url":"http://h/"}],"serves":[{"host":"h","unit":"alias.service"}]}"#,
    );
    let [etc, lib] = ["etc/systemd/system", "lib/systemd/system"].map(|folder| dir.path().join(folder));
    let waits = dir.path().join("waits.json");
    let both = report(&[etc.clone(), lib.clone()], &waits);
    assert_eq!((both.deadlock_free(), both.unread.as_slice()), (Some(false), &[][..]));
    // The other folder of the same tree is found through the root that both are in.
    let alone = report(std::slice::from_ref(&etc), &waits);
    assert_eq!((alone.units, alone.deadlock_free()), (2, Some(false)), "{alone:#?}");
    write("etc/systemd/system/app.service", "[Service]\nExecStart=/bin/app\n");
    assert_eq!(report(&[etc.clone(), lib.clone()], &waits).deadlock_free(), Some(true), "the first one wins");
    write("lib/systemd/system/app.service.d/late.conf", "[Unit]\nAfter=gate.service\n");
    assert_eq!(report(&[etc, lib], &waits).deadlock_free(), Some(false), "drop-ins of all folders count");
}

#[test]
fn a_link_that_leads_nowhere_says_where_it_leads() {
    let report = of("unread-between", "unknown.json");
    let text = report.unread[0].to_string();
    assert!(text.contains("links to /nonexistent/lib/between.service"), "{text}");
    assert!(matches!(&report.unread[0].why, UnreadKind::Dangling(to) if to.starts_with("/nonexistent")));
}

//! Every kind of set of units in `fixtures/`: a folder of units, and files of waits whose names begin with the outcome.

use std::fs;
use std::path::{Path, PathBuf};

use pvcheck_boot::{
    BootReport, BoundReason, NotJudged, Place, Serves, UnitName, UnreadKind, Wait, analyse, read_units,
};
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
    analyse(&read_units(units, None, &named).unwrap(), &declared.waits, &declared.serves)
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
    assert!(tried > 46, "{tried} fixtures");
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
fn a_found_wait_is_a_link_with_its_command() {
    let report = of("found-in-a-loop", "deadlock.json");
    let evidence = &report.deadlocks[0].chain[0].evidence;
    assert!(
        evidence.starts_with("ExecStart= (")
            && evidence.ends_with("gate.service:3) waits for http://app.example:81/")
    );
    assert_eq!(report.waits[0].found.as_ref().map(|found| found.line), Some(Some(3)), "{report:#?}");
    let unknown = of("found-in-a-loop", "unknown-no-server.json");
    assert!(matches!(unknown.waits[0].reason, Some(NotJudged::NoServer(_))), "{unknown:#?}");
    let useless = |report: &BootReport| {
        let remedies = report.deadlocks[0].remedies.iter();
        remedies.filter(|remedy| remedy.change.to_string().contains("--no-block")).count()
    };
    assert_eq!((useless(&report), useless(&of("asks-for-a-unit", "deadlock.json"))), (0, 0));
}

#[test]
fn a_command_that_gives_up_ends_the_deadlock() {
    let deadlock = &of("found-with-a-limit", "deadlock.json").deadlocks[0];
    assert_eq!(deadlock.bound_ms, Some(60_000), "the unit itself has no limit");
    assert!(matches!(deadlock.bound_reason, BoundReason::Command { .. }), "{deadlock:#?}");
    assert!(deadlock.bound_reason.to_string().contains("gate.service:3"), "{}", deadlock.bound_reason);
}

#[test]
fn a_unit_that_waits_for_the_end_of_the_boot_waits_for_itself() {
    let report = of("asks-for-the-boot", "deadlock.json");
    let chain = &report.deadlocks[0].chain;
    let links: Vec<_> = chain.iter().map(|link| (link.from.as_str(), link.to.as_str())).collect();
    assert_eq!(links, [("gate.service", "boot:finished"), ("boot:finished", "gate.service")]);
    let out: Vec<_> =
        report.deadlocks[0].remedies.iter().map(|r| (r.change.to_string(), r.breaks_cycle)).collect();
    assert_eq!(out, [("start gate.service without waiting for boot:finished".to_owned(), true)]);
}

/// The gate of the host that the mission is about, written in shell: no wait is declared, only who serves the host.
#[test]
fn a_wait_in_a_script_is_found_with_its_line() {
    let dir = tempfile::TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let proxy = "[Service]\nType=oneshot\nTimeoutStartSec=900\nExecStart=/usr/local/bin/deploy-proxy traefik\n\
                 [Install]\nWantedBy=multi-user.target\n";
    let dashboard = "[Unit]\nAfter=deploy-proxy.service\n[Service]\nType=oneshot\nExecStart=/bin/true\n";
    let script = "#!/usr/bin/env bash\nset -euo pipefail\nURL=https://ci.example.org\n\
                  until [ \"$(curl -s -u ci:s3cret -w '%{http_code}' \"$URL/\")\" = 200 ]; do sleep 2; done\n";
    write("usr/local/bin/deploy-proxy", script);
    let folders = ["etc/systemd/system", "units"].map(|folder| dir.path().join(folder));
    for folder in ["etc/systemd/system", "units"] {
        write(&format!("{folder}/deploy-proxy.service"), proxy);
        write(&format!("{folder}/deploy-dashboard.service"), dashboard);
    }
    write(
        "serves.json",
        r#"{"waits":[],"serves":[{"host":"ci.example.org","unit":"deploy-dashboard.service"}]}"#,
    );
    let found = report(&folders[..1], &dir.path().join("serves.json"));
    let deadlock = found.deadlocks.first().unwrap_or_else(|| panic!("{found:#?}"));
    let evidence = &deadlock.chain[0].evidence;
    assert!(
        evidence.starts_with("curl (") && evidence.ends_with(":4) waits for https://ci.example.org/"),
        "{evidence}"
    );
    assert!(evidence.contains("usr/local/bin/deploy-proxy"), "{evidence}");
    assert_eq!((deadlock.bound_ms, deadlock.chain.len()), (Some(900_000), 3));
    assert!(!serde_json::to_string(&found).unwrap().contains("s3cret"));
    let elsewhere = report(&folders[1..], &dir.path().join("serves.json"));
    assert_eq!(elsewhere.waits, [], "of a folder alone it is not known where its host's root is");
    assert_eq!(elsewhere.deadlock_free(), None);
    write("usr/local/bin/deploy-proxy", &script.replace("#!/usr/bin/env bash", "#!/usr/bin/python3"));
    assert_eq!(report(&folders[..1], &dir.path().join("serves.json")).waits, [], "not in a shell's words");
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

//! Every command with `-o json`: the document's `kind`, and its exit code.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::support::*;

const CHURN: [&str; 7] = ["churn", "shared", "--image", "sim/busybox:1", "--stacks", "1", "--apply"];

/// Words of a command, its `kind`, and its exit code in the world of [`rig`].
const TABLE: &[(&[&str], &str, i32)] = &[
    (&["audit", "proxy"], "audit", 0),
    (&["boot", "--units", "units", "--waits", "waits.json"], "boot", 3),
    (&["boot", "--units", "units", "--waits", "waits.json", "--edges"], "boot", 3),
    (&["census", "shared"], "census", 0),
    (&["census", "shared", "--deadline", "1ms"], "census", 3),
    (&["check", "explain", "overlay.leaked"], "check", 0),
    (&["check", "list"], "checks", 0),
    (&["churn", "shared", "--image", "sim/busybox:1"], "churn-plan", 0),
    (&CHURN, "churn", 0),
    (
        &["churn", "shared", "--image", "sim/busybox:1", "--stacks", "1", "--order", "both", "--apply"],
        "churn-comparison",
        0,
    ),
    (&["config", "check", "pvcheck.toml"], "config-check", 0),
    (&["config", "check", "waits.json"], "config-check", 2),
    (&["demo", "incident"], "demo", 0),
    (&["doctor"], "doctor", 0),
    (&["explain", "vip-exhausted"], "explain", 0),
    // Both roles, a claim of what the rig measured, and its verification: each row rests on those before it.
    (&["keys", "new", "builder.key"], "keys", 0),
    (&["keys", "new", "verifier.key"], "keys", 0),
    (
        &[
            "ledger",
            "new",
            "ledger.jsonl",
            "--builder",
            "builder.key.pub",
            "--verifier",
            "verifier.key.pub",
            "--key",
            "builder.key",
        ],
        "ledger-line",
        0,
    ),
    (
        &["gate", "claim", "pvcheck.m1", "--report", "reports/pvcheck.m1.json", "--key", "builder.key"],
        "ledger-line",
        0,
    ),
    (&["gate", "verify", "pvcheck.m1", "--probe", "--key", "verifier.key"], "gate-verify", 0),
    (&["gate", "verify", "pvcheck.m2", "--key", "verifier.key"], "gate-verify", 4),
    (&["gate", "finding", "list"], "findings", 0),
    (&["gate", "status"], "gate-status", 1),
    (&["gate", "status", "pvcheck.m1"], "gate-status", 0),
    (&["gate", "status", "pvfix.m1"], "gate-status", 3),
    (&["ledger", "check"], "ledger", 0),
    (&["gate", "list"], "gates", 0),
    (&["gate", "run", "pvcheck.m1"], "gate", 3),
    (&["gate", "run", "pvcheck.m1", "--probe"], "gate", 0),
    (&["gate", "run", "pvcheck.m1", "--probe", "--bundle", "bundle.json"], "gate", 0),
    (&["gate", "run", "--replay", "bundle.json"], "gate", 0),
    (&["gate", "diff", "bundle.json", "bundle.json"], "gate-diff", 0),
    (&["report", "bundle.json", "--write", "report.html", "--ledger", "ledger.jsonl"], "report", 0),
    (&["gate", "run", "pvfix.m1"], "gate", 1),
    (&["gate", "run", "pvfix.m2", "--record", "none.json"], "gate", 3),
    (&["guard", "--state", "guard.json"], "guard", 3),
    (&["guard", "--check", "upgrade.md"], "guard-check", 1),
    (&["guard", "--explain"], "guard-table", 0),
    (&["init"], "init", 0),
    (&["journal", "scan", "--file", "engine.log"], "journal-scan", 0),
    (&["plan-subnet"], "subnet-plan", 0),
    (&["reclaim", "--state", "state"], "reclaim-plan", 4),
    (&["reclaim", "--state", "state", "--strategy", "restart", "--now", "--apply", "proxy"], "reclaim", 0),
    (&["resize", "shared", "--to", "10.91.0.0/24"], "renewal-plan", 0),
    (&["resize", "shared", "--to", "10.91.0.0/24", "--state", "state", "--apply"], "renewal", 0),
    (&["resize", "status"], "renewal-status", 0),
    (&["routes"], "routes", 0),
    (&["routes", "--watch", "300ms"], "routes-watch", 0),
    (&["schema"], "schemas", 0),
    (&["stack", "rm", "drone"], "stack-rm", 0),
    (&["stack", "rm", "drone", "--apply"], "stack-rm", 0),
    (&["sweep"], "sweep", 0),
    (&["why", "ccci-bridge_app"], "why", 0),
    (&["window"], "window", 0),
];

/// Documents that no command prints on the rig's engine: a copy of a raft folder is made by a real one only, and a server
/// (see embedded.rs) does not end by itself.
pub(crate) const NOT_HERE: [&str; 2] = ["embedded-up", "reclaim-copy"];

fn rig() -> Rig {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.90.0.0/26");
    model.settings_mut().timings.stop = Duration::from_millis(200);
    let rig = Rig::new(model).configured();
    std::fs::create_dir(rig.path("units")).expect("a fresh folder");
    rig.file("units/docker.service", "[Service]\nExecStart=/usr/bin/true\n");
    rig.file("upgrade.md", "n=$(journalctl -u docker --since -26h | grep -c 'available IP')\nreboot\n");
    rig.file("waits.json", r#"{"waits":[{"unit":"docker.service","url":"http://a.test/"}],"serves":[]}"#);
    rig
}

/// What each command of the table prints, with its words and its kind; each in its envelope and with its exit code. They are
/// run once for all tests, which takes a while.
pub(crate) fn documents() -> &'static [(String, String, Value)] {
    static DOCUMENTS: OnceLock<Vec<(String, String, Value)>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let rig = rig();
        assert_eq!(rig.run(&["gate", "run", "pvcheck.m1", "--probe", "--out", "reports"]).code, Some(0));
        let printed = |(words, kind, code): &(&[&str], &str, i32)| {
            let done = rig.run(&[*words, &["-o", "json"]].concat());
            let json = done.json();
            let envelope = (&json["schema"], &json["kind"]);
            assert_eq!(envelope, (&"pvcheck/v1".into(), &Value::from(*kind)), "{words:?}");
            assert_eq!(done.code, Some(*code), "{words:?}: {done:?}");
            (words.join(" "), (*kind).to_owned(), json)
        };
        let all = TABLE.iter().map(printed).collect();
        assert!(rig.objects().0.is_empty(), "{:?}", rig.objects().0);
        all
    })
}

#[test]
fn every_command_prints_its_kind_in_the_envelope() {
    assert_eq!(documents().len(), TABLE.len());
}

/// A document without a row above would reach scripts untested.
#[test]
fn every_kind_of_the_sources_has_a_row() {
    let rows = TABLE.iter().map(|(_, kind, _)| (*kind).to_owned());
    let known: BTreeSet<String> = rows.chain(NOT_HERE.map(str::to_owned)).collect();
    assert_eq!(of_sources(), known);
}

/// Every kind that stands in the sources of the command.
pub(crate) fn of_sources() -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut kinds);
    kinds
}

fn collect(folder: &Path, kinds: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, kinds);
        } else {
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            let named =
                text.lines().filter_map(|line| line.trim().strip_prefix("const KIND: &'static str = \""));
            kinds.extend(named.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
}

/// 130 is that of an interruption, see `interrupt.rs`.
#[test]
fn every_exit_code_is_reached() {
    let rig = Rig::new(waiting()).configured();
    for (words, code) in [
        (&["audit", "proxy"] as &[&str], 0),
        (&["audit"], 1),
        (&["audit", "nope"], 2),
        (&["journal", "scan", "--file", "nope.log"], 3),
        (&["census", "proxy"], 4),
    ] {
        assert_eq!(rig.run(words).code, Some(code), "{words:?}");
    }
}

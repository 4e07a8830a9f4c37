//! The page of a run, by the command line: what it refuses, what it writes, and what is in no page.

use std::os::unix::fs::PermissionsExt;

use crate::support::*;

const RUN: [&str; 6] = ["gate", "run", "pvcheck.m1", "--probe", "--bundle", "run.json"];

/// The CI host with 2 leaked addresses, and a bundle of `pvcheck.m1`, which fails by them.
fn run() -> Rig {
    let mut model = cc_ci();
    leak(&mut model, "proxy", 2);
    let rig = Rig::new(model).configured();
    let done = rig.run(&RUN);
    assert_eq!(done.code, Some(1), "{done:?}");
    rig
}

fn text(rig: &Rig, name: &str) -> String {
    std::fs::read_to_string(rig.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn a_page_is_written_once_for_its_owner_alone_and_asks_no_engine() {
    let rig = run();
    let asked = rig.sim.requests().len();
    let done = rig.run(&["report", "run.json", "--write", "run.html", "-o", "json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let (json, page) = (done.json(), text(&rig, "run.html"));
    assert_eq!((&json["file"], &json["bytes"]), (&"run.html".into(), &page.len().into()));
    assert_eq!(
        (&json["gates"][0]["gate"], &json["gates"][0]["verdict"]),
        (&"pvcheck.m1".into(), &"FAIL".into())
    );
    assert_eq!((&json["gates"][0]["waivers"], &json["engine"]), (&0.into(), &"embedded".into()));
    let mode = std::fs::metadata(rig.path("run.html")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for part in ["FAIL</span> (embedded engine)", "leaked: given out, no holder</span> <b>2</b>", "</html>"] {
        assert!(page.contains(part), "{part}");
    }
    let again = rig.run(&["report", "run.json", "--write", "run.html"]);
    again.assert_refused(1, &["cannot write run.html", "name another file with --write"]);
    assert_eq!(text(&rig, "run.html"), page, "it is as it was");
    let printed = rig.run(&["report", "run.json", "--write", "-"]);
    assert_eq!((printed.code, printed.stdout), (Some(0), page), "the same facts, the same page");
    let table = rig.run(&["report", "run.json", "--write", "other.html"]);
    assert!(table.stdout.contains("  FAIL (embedded engine) pvcheck.m1\n"), "{table:?}");
    assert_eq!(rig.sim.requests().len(), asked, "the engine was asked");
}

#[test]
fn without_a_place_or_with_an_edited_bundle_or_ledger_nothing_is_written() {
    let rig = run();
    let none = rig.run(&["report", "run.json"]);
    none.assert_refused(2, &["--write FILE", "--write - prints it"]);
    let both = rig.run(&["report", "run.json", "--write", "-", "-o", "json"]);
    both.assert_refused(2, &["-o json and --write -"]);

    rig.file(
        "edited.json",
        &text(&rig, "run.json").replacen("\"verdict\":\"PASS\"", "\"verdict\":\"FAIL\"", 1),
    );
    let edited = rig.run(&["report", "edited.json", "--write", "run.html"]);
    edited.assert_refused(1, &["edited.json: the report of pvcheck.m1 is not what its facts give"]);
    rig.file("other.json", "{}");
    rig.run(&["report", "other.json", "--write", "run.html"]).assert_refused(2, &["it is no bundle"]);

    rig.file("damaged.jsonl", include_str!("../../../../docs/examples/ledger-edited.jsonl"));
    let by_report = rig.run(&["report", "run.json", "--write", "run.html", "--ledger", "damaged.jsonl"]);
    let by_check = rig.run(&["ledger", "check", "damaged.jsonl"]);
    assert_eq!((by_report.code, &by_report.stderr), (Some(1), &by_check.stderr));
    assert!(!rig.path("run.html").exists());
}

#[test]
fn a_ledger_s_figures_are_in_the_page() {
    let rig = run();
    rig.file("ledger.jsonl", include_str!("../../../../docs/examples/ledger.jsonl"));
    let done = rig.run(&["report", "run.json", "--write", "run.html", "--ledger", "ledger.jsonl"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(text(&rig, "run.html").contains("<h2 id=room>"));
}

/// What a configuration has of secrets, in every place of it, and what a service is given.
#[test]
fn no_secret_of_the_configuration_is_in_a_page() {
    let canary = "pv-canary-5c1d";
    let rig = Rig::new(cc_ci()).configured();
    rig.edit("[tls]", &format!("# {canary}\n[[renewal.before]]\ncommand = [\"rebuild\", \"{canary}\"]\n[window]\ncommands = [[\"true\", \"{canary}\"]]\n[tls]"));
    rig.edit("dashboard.test/\"", &format!("dashboard.test/?token={canary}\""));
    rig.edit("[canary]", &format!("[route.request]\nheaders = {{ \"x-tenant\" = \"{canary}\" }}\n[canary]\nlabels = {{ \"a.b\" = \"{canary}\" }}"));
    assert_eq!(rig.run(&RUN).code, Some(0));
    let page = rig.run(&["report", "run.json", "--write", "-"]);
    assert!(page.code == Some(0) && page.stdout.contains("route.dashboard"), "{page:?}");
    assert!(!page.stdout.contains(canary));
    assert!(text(&rig, "pvcheck.toml").matches(canary).count() == 6, "it is in the configuration");
}

//! `pvcheck check` and `pvcheck explain`: the catalogue of checks.

use crate::support::*;

fn in_a_folder(args: &[&str]) -> Done {
    let dir = tempfile::tempdir().expect("a directory");
    Done::of(bare(dir.path(), args))
}

#[test]
fn every_check_of_a_report_is_listed_and_explained() {
    let rig = Rig::new(cc_ci()).configured();
    let report = rig.run(&["gate", "run", "pvcheck.m1", "--probe", "-o", "json"]).json();
    let list = in_a_folder(&["check", "list"]).stdout;
    for check in report["checks"].as_array().expect("checks") {
        let id = check["id"].as_str().expect("a text");
        let row = in_a_folder(&["check", "explain", id, "-o", "json"]).json();
        assert_eq!((&row["needs"], &row["required"]), (&check["needs"], &check["required"]), "{id}");
        assert!(row["gates"].as_array().expect("gates").contains(&"pvcheck.m1".into()), "{row}");
        assert!(!row["requirements"].as_array().expect("numbers").is_empty(), "{row}");
        let row_id = row["id"].as_str().expect("a text");
        assert!(list.lines().any(|line| line.starts_with(&format!("{row_id} "))), "{row_id} in {list}");
    }
}

#[test]
fn a_check_is_explained_with_what_to_do_by_either_command() {
    let table = in_a_folder(&["check", "explain", "overlay.leaked"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    for line in [
        "overlay.leaked (required)",
        "  needs:        leaked",
        "  gates:        pvfix.m2, pvcheck.m1, pvcheck.m2",
    ] {
        assert!(table.stdout.lines().any(|l| l == line), "{line}: {}", table.stdout);
    }
    assert!(table.stdout.contains("`pvcheck reclaim` frees them"), "{}", table.stdout);
    assert_eq!(in_a_folder(&["explain", "overlay.leaked.proxy"]).stdout, table.stdout);
    let advisory = in_a_folder(&["explain", "services.unlisted"]).stdout;
    assert!(advisory.starts_with("services.unlisted (advisory)\n"), "{advisory}");
}

#[test]
fn an_unknown_check_is_refused_with_the_nearest_id() {
    for command in [&["check", "explain"][..], &["explain"]] {
        let with = |id| in_a_folder(&[command, &[id]].concat());
        with("overlay.leakd").assert_refused(2, &["`overlay.leakd`", "did you mean overlay.leaked?"]);
        with("no.such.thing").assert_refused(2, &["`no.such.thing`", "pvcheck check list"]);
    }
}

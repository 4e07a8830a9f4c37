use std::cell::RefCell;

use clap::Args as _;

use super::*;

fn names(steps: &[&Step]) -> Vec<&'static str> {
    steps.iter().map(|step| step.name).collect()
}

fn places(folder: &Path) -> Places {
    let (root, program, not_run) = (folder.to_owned(), folder.join("program"), folder.join("not-run"));
    Places { root, program, not_run, long: false, examples: Mode::Compare }
}

/// Runs steps and collects what is said, with the seconds (which differ) left out.
fn said(steps: &[&Step]) -> (anyhow::Result<()>, Vec<String>) {
    let lines = RefCell::new(Vec::new());
    let outcome = run_steps(steps, &places(Path::new("/")), &|line| {
        lines.borrow_mut().push(line.split(',').next().unwrap_or_default().to_owned());
    });
    (outcome, lines.into_inner())
}

const HOLDS: Step = Step { name: "holds", run: |_| Ok(()) };
const FAILS: Step = Step { name: "fails", run: |_| bail!("no reason") };

#[test]
fn without_a_name_all_steps_run_and_the_slow_ones_come_last() -> anyhow::Result<()> {
    let all = names(&selected(None)?);
    assert_eq!(all.first(), Some(&"format"));
    assert_eq!(all.len(), STEPS.len());
    assert!(all.iter().position(|name| *name == "unit") < all.iter().position(|name| *name == "engine"));
    Ok(())
}

#[test]
fn a_name_selects_every_step_that_contains_it() -> anyhow::Result<()> {
    assert_eq!(names(&selected(Some("examples"))?), ["examples"]);
    assert_eq!(names(&selected(Some("jour"))?), ["journald"]);
    assert_eq!(names(&selected(Some("n"))?), ["unit", "journald", "engine"]);
    Ok(())
}

#[test]
fn an_unknown_name_is_refused_with_the_names_there_are() {
    let error = selected(Some("readme")).err().map(|error| error.to_string()).unwrap_or_default();
    let expected =
        "no step is called readme; give one of format, clippy, docs, unit, journald, engine, pages, examples";
    assert_eq!(error, expected);
}

#[test]
fn the_help_of_only_names_every_step() {
    let command = Test::augment_args(clap::Command::new("test"));
    let help = command.get_arguments().find(|argument| argument.get_id() == "only");
    let help = help.and_then(|argument| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let listed: Vec<_> =
        help.split_once(": ").map(|(_, list)| list.split(", ").collect()).unwrap_or_default();
    let steps: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    assert_eq!(listed, steps);
}

#[test]
fn the_names_of_steps_differ() {
    let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), STEPS.len());
}

#[test]
fn each_step_is_announced_and_closed() {
    let (outcome, lines) = said(&[&HOLDS, &HOLDS]);
    assert!(outcome.is_ok());
    assert_eq!(lines, ["== holds (1 of 2)", "== holds held", "== holds (2 of 2)", "== holds held"]);
}

#[test]
fn the_first_step_that_fails_ends_the_run_and_is_named() {
    let (outcome, lines) = said(&[&HOLDS, &FAILS, &HOLDS]);
    let error = outcome.err().map(|error| format!("{error:#}")).unwrap_or_default();
    assert_eq!(error, "step fails failed: no reason");
    assert_eq!(lines, ["== holds (1 of 3)", "== holds held", "== fails (2 of 3)"]);
}

#[test]
fn what_was_not_run_is_listed_after_the_total() {
    let notes = ["lab: no root".to_owned(), "why: no engine".to_owned()];
    let expected = ["== all 7 steps held, 62 s", "NOT RUN: lab: no root", "NOT RUN: why: no engine"];
    assert_eq!(closing(7, Duration::from_millis(61_600), &notes), expected);
    assert_eq!(closing(1, Duration::ZERO, &[]), ["== all 1 steps held, 0 s"]);
}

#[test]
fn notes_are_read_by_name() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("why"), "no engine")?;
    std::fs::write(folder.path().join("lab"), "no root")?;
    assert_eq!(notes(folder.path())?, ["lab: no root", "why: no engine"]);
    Ok(())
}

#[test]
fn a_folder_of_notes_that_is_missing_is_an_error_and_not_an_empty_list() {
    assert!(notes(Path::new("/nonexistent/not-run")).is_err());
}

#[test]
fn a_step_that_cannot_run_leaves_a_note() -> anyhow::Result<()> {
    for required in [None, Some(OsStr::new("0"))] {
        let folder = tempfile::tempdir()?;
        skip(folder.path(), "journald", "no library", required)?;
        assert_eq!(notes(folder.path())?, ["journald: no library"]);
    }
    Ok(())
}

#[test]
fn where_an_engine_is_required_a_step_that_cannot_run_fails() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for required in ["1", "", "yes"] {
        assert!(skip(folder.path(), "journald", "no library", Some(OsStr::new(required))).is_err());
    }
    assert_eq!(notes(folder.path())?, Vec::<String>::new());
    Ok(())
}

#[test]
fn the_tests_hear_of_long_rounds_only_when_they_are_asked_for() {
    let short = places(Path::new("/w"));
    assert_eq!(short.environment(), [("PVCHECK_NOT_RUN".into(), "/w/not-run".into())]);
    let long = Places { long: true, ..short };
    assert_eq!(long.environment()[1..], [("PVCHECK_LONG".into(), "1".into())]);
}

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_name_runs_once() {
    let ran = Mutex::new(Vec::new());
    let names: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    let failed = in_lanes(names.clone(), 3, &|name| {
        ran.lock().unwrap().push(name.to_owned());
        Ok(())
    });
    let mut ran = ran.into_inner().unwrap();
    ran.sort();
    assert_eq!((failed, ran), (Vec::new(), names));
}

#[test]
fn lanes_run_side_by_side() {
    // Each waits until the other one has begun: in one lane this would never end.
    let both = Barrier::new(2);
    let failed = in_lanes(owned(&["a", "b"]), 2, &|_| {
        both.wait();
        Ok(())
    });
    assert!(failed.is_empty());
}

#[test]
fn one_lane_runs_one_at_a_time() {
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    in_lanes(owned(&["a", "b", "c", "d"]), 1, &|_| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::yield_now();
        now.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    assert_eq!(most.into_inner(), 1);
}

#[test]
fn a_failure_is_named_and_the_rest_still_runs() {
    let count = AtomicUsize::new(0);
    let mut failed = in_lanes(owned(&["a", "b", "c"]), 2, &|name| {
        count.fetch_add(1, Ordering::SeqCst);
        if name == "b" { Err(anyhow::anyhow!("inner").context("outer")) } else { Ok(()) }
    });
    failed.sort();
    assert_eq!(failed, ["b: outer: inner"]);
    assert_eq!(count.into_inner(), 3);
}

#[test]
fn a_program_that_is_missing_is_a_failure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = Programs { root, environment: &[] };
    let failed = in_lanes(owned(&["no_such_test_program"]), 3, &|name| {
        tests.one(name, &[PACKAGES, &["--test", name]].concat())
    });
    assert!(matches!(failed.as_slice(), [one] if one.starts_with("no_such_test_program: ")), "{failed:?}");
}

#[test]
fn all_failures_are_in_the_error_by_name() {
    assert!(verdict(Vec::new()).is_ok());
    let error = verdict(owned(&["why: x", "audit: y"])).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("audit: y\nwhy: x"));
}

#[test]
fn of_a_failure_the_last_lines_are_said_again() {
    let printed: Vec<String> = (0..=LAST_LINES).map(|n| format!("line {n}")).collect();
    assert_eq!(last_lines(&printed.join("\n")), printed[1..].join("\n"));
    assert_eq!(last_lines("one\n"), "one");
    assert_eq!(last_lines(""), "");
}

#[test]
fn the_closing_line_follows_what_was_printed() {
    let took = Duration::from_millis(2_600);
    assert_eq!(closing("lab", true, "\nok\n\n", took), "ok\n-- lab held, 3 s");
    assert_eq!(closing("lab", false, "boom", took), "boom\n-- lab FAILED, 3 s");
}

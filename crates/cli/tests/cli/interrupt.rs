//! Ctrl-C, a termination, a hang-up: cleaned up. A kill: swept later.

use std::process::{Child, Stdio};
use std::time::Duration;

use pvcheck_sim::Model;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::*;

/// A network on which a churn takes a while.
fn world() -> Model {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.90.0.0/27");
    model.settings_mut().timings.start = Duration::from_millis(200);
    model.settings_mut().timings.stop = Duration::from_millis(200);
    model
}

fn churning(rig: &Rig) -> Child {
    let args = ["churn", "shared", "--image", "sim/busybox:1", "--stacks", "3", "--rounds", "50", "--apply"];
    let mut command = rig.command(&args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command was built")
}

fn has(rig: &Rig, part: &str) -> bool {
    rig.objects().0.iter().any(|name| name.contains(part))
}

fn assert_cleaned_up(signal: Signal, when: &str) {
    let rig = Rig::new(world());
    let others = rig.objects().1;
    let child = churning(&rig);
    until(when, || has(&rig, when));
    send(&child, signal);
    let done = ended(child);
    assert_eq!((done.code, done.stdout.as_str()), (Some(130), ""), "{when}: {done:?}");
    let last = done.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("interrupted") && last.contains("removed"), "{when}: {done:?}");
    let (left, untouched) = rig.objects();
    assert!(left.is_empty(), "{when}: {left:?}");
    assert_eq!(untouched, others, "{when}");
    let leaked = rig.sim.with_model(|model| model.truth().leaked("shared").map(<[_]>::len));
    assert_eq!(leaked, Some(0), "{when}: cleaning up loses nothing");
}

#[test]
fn ctrl_c_during_the_census() {
    assert_cleaned_up(Signal::INT, "services pvcheck-census-");
}

#[test]
fn ctrl_c_while_networks_are_made() {
    assert_cleaned_up(Signal::INT, "networks pvcheck-throwaway-");
}

#[test]
fn a_termination_while_services_start() {
    assert_cleaned_up(Signal::TERM, "services pvcheck-throwaway-");
}

#[test]
fn a_hang_up_while_services_start() {
    assert_cleaned_up(Signal::HUP, "services pvcheck-throwaway-");
}

#[test]
fn ctrl_c_while_stacks_are_removed() {
    let rig = Rig::new(world());
    let child = churning(&rig);
    until("stacks stand", || has(&rig, "services pvcheck-throwaway-"));
    until("their services are gone", || !has(&rig, "services pvcheck-throwaway-"));
    send(&child, Signal::INT);
    let done = ended(child);
    assert_eq!(done.code, Some(130), "{done:?}");
    assert!(rig.objects().0.is_empty(), "{:?}", rig.objects().0);
}

/// Impatience must not leave behind what patience would have removed.
#[test]
fn a_second_ctrl_c_does_not_stop_the_cleaning() {
    let rig = Rig::new(world());
    let child = churning(&rig);
    until("stacks stand", || has(&rig, "services pvcheck-throwaway-"));
    send(&child, Signal::INT);
    until("it cleans up", || !has(&rig, "services pvcheck-throwaway-"));
    // It may have ended in between, and then there is no process to signal.
    let _ = kill_process(Pid::from_child(&child), Signal::INT);
    let done = ended(child);
    assert_eq!(done.code, Some(130), "{done:?}");
    assert!(rig.objects().0.is_empty(), "{:?}", rig.objects().0);
}

#[test]
fn what_a_kill_leaves_a_sweep_takes_away() {
    let rig = Rig::new(world());
    let others = rig.objects().1;
    let child = churning(&rig);
    until("stacks stand", || has(&rig, "services pvcheck-throwaway-"));
    send(&child, Signal::KILL);
    assert_eq!(ended(child).code, None);
    let left = rig.objects().0;
    assert!(!left.is_empty());
    let listed = rig.run(&["sweep"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    for name in left.iter().filter_map(|l| l.split_once(' ')) {
        assert!(listed.stdout.contains(name.1), "{name:?} is not listed: {listed:?}");
    }
    assert_eq!(rig.objects().0, left, "listing removes nothing");
    let swept = rig.run(&["sweep", "--apply"]);
    assert_eq!(swept.code, Some(0), "{swept:?}");
    assert_eq!(rig.objects(), (std::collections::BTreeSet::new(), others));
    assert!(rig.run(&["sweep"]).stdout.contains("nothing of pvcheck is left"));
}

#[test]
fn ctrl_c_ends_the_demo() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut command = bare(folder.path(), &["demo", "incident"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("built");
    // The days are told, and commands are to follow.
    let mut told = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut told, &mut line).expect("UTF-8");
    assert!(line.contains("in virtual time"), "{line}");
    send(&child, Signal::INT);
    let done = ended(child);
    assert_eq!(done.code, Some(130), "{done:?}");
    assert!(done.stderr.lines().last().is_some_and(|last| last.contains("interrupted (Ctrl-C)")), "{done:?}");
}

//! `pvcheck docker stack rm` beside the docker client's own words and exit codes, and `pvcheck stack rm`.

use std::time::Duration;

use pvcheck_sim::{Fault, FaultRule, Model, NetworkDraft, ServiceDraft};

use crate::support::*;

/// Stacks `one` and `two` with a private network each, and one that stops for an hour.
fn world() -> Model {
    let mut model = cc_ci();
    for (stack, stop) in [
        ("one", Duration::from_millis(20)),
        ("two", Duration::from_millis(20)),
        ("stuck", Duration::from_hours(1)),
    ] {
        let internal = format!("{stack}_internal");
        let draft = NetworkDraft::overlay(&internal).label("com.docker.stack.namespace", stack);
        model.create_network(&draft.json()).expect("a fresh name");
        let app = ServiceDraft::new(&format!("{stack}_app")).stack(stack).on(&internal).on("proxy");
        service(&mut model, app.stops_in(stop));
    }
    model
}

#[test]
fn it_is_done_at_once_with_the_clients_lines() {
    let rig = Rig::new(world());
    let done = rig.run(&["docker", "stack", "rm", "-d", "one", "nosuch", "two", "one"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let mut lines: Vec<&str> = done.stdout.lines().collect();
    lines.sort_unstable();
    let expected = [
        "Removing network one_internal",
        "Removing network two_internal",
        "Removing service one_app",
        "Removing service two_app",
    ];
    assert_eq!(lines, expected);
    assert!(done.stderr.starts_with("Nothing found in stack: nosuch\n"), "{done:?}");
    let others = rig.objects().1;
    assert!(!others.iter().any(|o| o.contains(" one_") || o.contains(" two_")), "{others:?}");
    assert!(others.contains("networks stuck_internal") && others.contains("networks proxy"), "{others:?}");
    assert_eq!(rig.sim.with_model(|model| model.truth().leaked("proxy").map(<[_]>::len)), Some(0));
}

#[test]
fn nothing_found_is_no_error_and_nothing_done() {
    let rig = Rig::new(world());
    let done = rig.run(&["docker", "stack", "rm", "--detach=false", "nosuch"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{done:?}");
    assert_eq!(done.stderr, "Nothing found in stack: nosuch\n");
    rig.run(&["docker", "stack", "rm", "one", " "]).assert_refused(1, &["invalid stack name"]);
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

/// Cutting it short would lose its addresses: it keeps its network, and the exit code says so.
#[test]
fn what_does_not_stop_is_left_and_exit_code_1() {
    for head in [["docker", "stack", "rm"].as_slice(), &["stack", "rm", "--apply"]] {
        let rig = Rig::new(world());
        let words = [head, &["--timeout", "300ms", "stuck", "one"]].concat();
        let done = rig.run(&words);
        assert_eq!(done.code, Some(1), "{done:?}");
        let told = format!("{}{}", done.stdout, done.stderr);
        assert!(told.contains("network stuck_internal: 1 task(s) still there (1 running) after"), "{done:?}");
        let others = rig.objects().1;
        assert!(others.contains("networks stuck_internal") && !others.contains("networks one_internal"));
        assert_eq!(rig.sim.with_model(|model| model.truth().leaked("proxy").map(<[_]>::len)), Some(0));
    }
}

/// Without `--apply` the command of our own still only says what it would do, whatever the client's options.
#[test]
fn the_clients_options_are_no_leave_to_apply() {
    let rig = Rig::new(world());
    let done = rig.run(&["stack", "rm", "-d", "--orchestrator", "swarm", "one"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("add --apply"), "{done:?}");
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn what_the_engine_refuses_is_named_as_the_client_does() {
    let rig = Rig::new(world());
    rig.sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("DELETE").path("/networks/"));
    let done = rig.run(&["docker", "stack", "rm", "one"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("Failed to remove network one_internal"), "{done:?}");
    assert!(done.stderr.ends_with("Failed to remove some resources from stack: one\n"), "{done:?}");
}

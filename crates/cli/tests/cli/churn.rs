//! `pvcheck churn`: its arms, shapes and exit codes.

use std::time::Duration;

use pvcheck_sim::Model;

use crate::support::*;

fn world() -> Model {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.90.0.0/26");
    model.settings_mut().timings.stop = Duration::from_millis(400);
    model
}

const IMAGE: [&str; 4] = ["churn", "shared", "--image", "sim/busybox:1"];

fn churn(rig: &Rig, more: &[&str]) -> Done {
    rig.run(&[&IMAGE, more].concat())
}

#[test]
fn a_control_that_leaks_is_no_finding_and_one_arm_that_leaks_is() {
    let rig = Rig::new(world());
    let done = churn(&rig, &["--order", "both", "--stacks", "2", "--apply", "-o", "json"]);
    let report = done.json();
    assert_eq!((done.code, &report["kind"]), (Some(0), &"churn-comparison".into()), "{done:?}");
    assert_eq!((&report["spared"], &report["control_leaked"]), (&2.into(), &true.into()), "{report:#}");
    let done = churn(&rig, &["--order", "stack-rm", "--stacks", "2", "--apply"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let done = churn(&rig, &["--order", "both", "--shape", "shared", "--stacks", "1", "--apply"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("shows nothing about the order"), "{done:?}");
    assert!(rig.objects().0.is_empty());
}

#[test]
fn a_plan_says_order_and_shape_and_touches_nothing() {
    let rig = Rig::new(world());
    let plan = churn(&rig, &["--order", "both", "--shape", "ingress-port", "-o", "json"]).json();
    assert_eq!((&plan["order"], &plan["shape"]), (&"both".into(), &"ingress-port".into()), "{plan:#}");
    let said = churn(&rig, &["--shape", "host-port"]).stdout;
    assert!(said.contains("published on the node"), "{said}");
    assert_eq!(rig.writes(), [] as [&str; 0]);
    churn(&rig, &["--shape", "round"]).assert_refused(2, &["shared+private", "ingress-port"]);
    churn(&rig, &["--order", "backwards"]).assert_refused(2, &["drained", "both"]);
}

#[test]
fn too_little_room_is_refused_before_anything_is_deployed() {
    let rig = Rig::new(world());
    let done = churn(&rig, &["--stacks", "50", "--apply", "--quiet"]);
    done.assert_refused(4, &["less than the reserve", "fewer stacks"]);
    assert!(!rig.writes().iter().any(|w| w.contains("/networks/create")));
}

#[test]
fn one_churn_at_a_time_and_nothing_is_left_of_the_lock() {
    use pvcheck_swarm::{Engine, Lock, LockRequest, Permit, RunId};
    let rig = Rig::new(world());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(Engine::connect(&rig.sim.host().parse().unwrap())).unwrap();
    let other = LockRequest {
        run: RunId::unique(),
        holder: "another operator".into(),
        purpose: "a reclaim".into(),
        lasts: Duration::from_mins(5),
        break_held: None,
        resumable: false,
    };
    runtime.block_on(Lock::take(&engine, Permit::granted_by_operator(), &other)).unwrap();
    churn(&rig, &["--stacks", "1", "--apply", "--quiet"])
        .assert_refused(4, &["another operator", "--break-lock"]);
    assert!(!rig.writes().iter().any(|w| w.contains("/networks/create")));
    let done = churn(&rig, &["--stacks", "1", "--apply", "--break-lock", "it is gone"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(runtime.block_on(Lock::read(&engine)).unwrap(), None);
    assert!(rig.objects().0.is_empty());
}

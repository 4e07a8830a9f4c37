//! Gate `pvfix.m1`: the CI host before its overlay is renewed, one break at a time.

use Verdict::{Fail, Pass, Unknown};
use pvcheck_audit::EngineKind;
use pvcheck_gates::{
    Config, FixPlanFacts, GateReport, Verdict, annotations, collect_fix_plan, judge_fix_plan,
};
use pvcheck_swarm::{Blocker, Lock, LockRequest, Permit, RunId, silent};
use tokio::sync::OnceCell;

use crate::collect::World;
use crate::support::*;

pub(crate) const CREATES: &str = "#!/bin/sh\n# the default is a /24\ndocker network inspect proxy >/dev/null 2>&1 ||\n\
                                  docker network create -d overlay --attachable \\\n  --subnet 10.10.0.0/16 proxy\n";

/// The configuration before and after: the overlay is to be a /16, and two files say so.
pub(crate) fn wider(text: &str) -> String {
    let creation = "subnet = \"10.10.0.0/16\"\n[overlay.creation]\ndeclared = \"swarm.sh\"\ndeployed = \"deployed.sh\"\n";
    text.replace("subnet = \"10.10.0.0/24\"\n", creation)
}

/// The CI host on a /24, which is to be a /16.
pub(crate) async fn world(change: impl FnOnce(String) -> String) -> World {
    let mut model = cc_ci();
    model.settings_mut().timings.allocation = std::time::Duration::from_millis(2);
    let world = World::with(model, |text| change(wider(&text))).await;
    for file in ["swarm.sh", "deployed.sh"] {
        std::fs::write(world.path(file), CREATES).expect("a folder of the test");
    }
    world
}

pub(crate) async fn planned(world: &World) -> FixPlanFacts {
    let overlay = world.config.overlay().expect("one");
    let read = async {
        let snapshot = world.engine.snapshot().await?;
        let counts = pvcheck_swarm::read_counts(&world.engine, &snapshot).await;
        let host_unknown = Some("a model has none".to_owned());
        Ok::<_, pvcheck_swarm::CallError>(pvcheck_audit::SavedSnapshot {
            snapshot,
            host: None,
            host_unknown,
            counts,
        })
    };
    collect_fix_plan(&world.engine, &world.config, overlay, read, &silent).await
}

pub(crate) async fn judged(world: &World) -> GateReport {
    judge_fix_plan(&world.config, &planned(world).await)
}

static HEALTHY: OnceCell<(World, FixPlanFacts)> = OnceCell::const_new();

pub(crate) async fn healthy() -> &'static (World, FixPlanFacts) {
    HEALTHY
        .get_or_init(|| async {
            let world = world(|text| text).await;
            let facts = planned(&world).await;
            (world, facts)
        })
        .await
}

pub(crate) async fn with(change: impl FnOnce(&mut FixPlanFacts)) -> GateReport {
    let (world, facts) = healthy().await;
    let mut facts = facts.clone();
    change(&mut facts);
    judge_fix_plan(&world.config, &facts)
}

#[tokio::test]
async fn a_host_that_is_ready_passes_and_nothing_of_it_is_touched() {
    let (world, facts) = healthy().await;
    let report = judge_fix_plan(&world.config, facts);
    assert_open(&report, &[]);
    assert_eq!(world.writes(), [""; 0]);
    let ids: Vec<&str> = report.checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, ["renewal.plan", "renewal.members", "window.clear", "creation.declared"]);
    assert!(report.checks.iter().all(|check| check.required && !check.needs.is_empty()));
    let plan = reason(&report, "renewal.plan");
    assert!(plan.starts_with("10.10.0.0/24 to 10.10.0.0/16 by bridge, 6 services in "), "{plan}");
    assert!(reason(&report, "creation.declared").ends_with("swarm.sh:4 creates it with 10.10.0.0/16"));
    let evidence: Vec<&str> = report.checks[0].evidence.iter().map(|e| e.text.as_str()).collect();
    assert!(evidence[0].contains("10.10.0.0/24") && evidence[1].starts_with("step 1: "), "{evidence:?}");
    let again: FixPlanFacts = serde_json::from_str(&serde_json::to_string(facts).unwrap()).unwrap();
    assert_eq!(judge_fix_plan(&world.config, &again), report, "saved facts give the same report");
}

#[tokio::test]
async fn whatever_keeps_the_renewal_from_being_done() {
    let report = with(|facts| of(&mut facts.plan).blockers.push(Blocker::NotAllocated)).await;
    assert_open(&report, &[("renewal.plan", Fail)]);
    // Somebody holds the lock: the plan and the window are about it.
    let world = world(|text| text).await;
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    let request = LockRequest {
        run,
        holder: "another".into(),
        purpose: "reclaim".into(),
        lasts: std::time::Duration::from_mins(1),
        break_held: None,
        resumable: true,
    };
    let lock = Lock::take(&world.engine, permit, &request).await.expect("it is free");
    let report = judged(&world).await;
    assert_open(&report, &[("renewal.plan", Fail), ("window.clear", Fail)]);
    assert!(reason(&report, "renewal.plan").contains("another"), "{}", reason(&report, "renewal.plan"));
    lock.release(&world.engine, permit).await.expect("held");
    assert_open(&judged(&world).await, &[]);
}

#[tokio::test]
async fn a_subnet_that_is_there_already_or_taken_is_no_plan() {
    let there = world(|text| text.replace("10.10.0.0/16", "10.10.0.0/24")).await;
    let report = judged(&there).await;
    assert_open(&report, &[("renewal.plan", Fail), ("creation.declared", Fail)]);
    assert!(reason(&report, "renewal.plan").contains("has 10.10.0.0/24 already"));
    let taken = world(|text| text.replace("10.10.0.0/16", "10.0.0.0/16")).await;
    let report = judged(&taken).await;
    assert_open(&report, &[("renewal.plan", Fail), ("creation.declared", Fail)]);
}

#[tokio::test]
async fn a_service_that_the_plan_does_not_name() {
    let report = with(|facts| drop(of(&mut facts.plan).members.pop())).await;
    assert_open(&report, &[("renewal.members", Fail)]);
    assert!(reason(&report, "renewal.members").starts_with("on the overlay and not in the plan: "));
    // The topology is another than the configuration's.
    let name = "name = \"backups_ci_commoninternet_net_app\"\noverlay = ";
    let other = world(|text| text.replace(&format!("{name}false"), &format!("{name}true"))).await;
    let report = judged(&other).await;
    assert_open(&report, &[("renewal.members", Fail)]);
    assert!(
        reason(&report, "renewal.members").contains("by the configuration and not in the plan: backups_")
    );
    // A stack and a pattern stand for the services that they name, and for a fault where they name none.
    for (entry, said) in [
        ("stack = \"backups\"", Some("not in the plan: backups_ci_commoninternet_net_app")),
        ("stack = \"gone\"", Some("not in the plan: stack gone")),
        ("name = \"gone*\"", Some("not in the plan: gone*")),
        ("name = \"ccci-*\"", None),
    ] {
        let other = world(|text| text + &format!("[[service]]\n{entry}\noverlay = true\n")).await;
        let report = judged(&other).await;
        match said {
            None => assert_open(&report, &[]),
            Some(said) => {
                assert_open(&report, &[("renewal.members", Fail)]);
                let reason = reason(&report, "renewal.members");
                assert!(reason.ends_with(said), "{entry}: {reason}");
            }
        }
    }
}

#[tokio::test]
async fn a_window_that_is_busy_or_cannot_be_looked_at() {
    let busy = world(|text| text + "[window]\nbusy_stacks = ['^drone']\n").await;
    let report = judged(&busy).await;
    assert_open(&report, &[("window.clear", Fail)]);
    assert!(reason(&report, "window.clear").starts_with("BUSY: stack drone"), "{report:#?}");
    let blind = world(|text| text + "[window]\nunits = [\"pvcheck-no-such-unit.service\"]\n").await;
    let report = judged(&blind).await;
    assert_open(&report, &[("window.clear", Unknown)]);
    assert!(reason(&report, "window.clear").contains("could not be looked at"));
}

#[tokio::test]
async fn a_declared_file_that_does_not_say_it() {
    let line = |subnet: &str| format!("docker network create -d overlay {subnet} proxy\n");
    let ready = world(|text| text).await;
    for (text, verdict, said) in [
        (None, Unknown, "No such file"),
        (Some(String::new()), Unknown, "creates proxy"),
        (Some(format!("# {}", line("--subnet 10.10.0.0/16"))), Unknown, "creates proxy"),
        (Some(line("--subnet $SUBNET")), Unknown, "$SUBNET"),
        (Some(line("--subnet 10.10.0.0/24")), Fail, "10.10.0.0/24, but [overlay] subnet is 10.10.0.0/16"),
        (Some(line("")), Fail, "default pool"),
        (Some(line("--subnet 10.10.0.0/16") + &line("--subnet 10.10.0.0/24")), Fail, "different subnets"),
        (Some(line("--subnet 10.10.0.0/16")), Pass, "swarm.sh:1"),
    ] {
        match &text {
            Some(text) => std::fs::write(ready.path("swarm.sh"), text).expect("a file"),
            None => std::fs::remove_file(ready.path("swarm.sh")).expect("a file"),
        }
        let report = judged(&ready).await;
        let open: &[(&str, Verdict)] = if verdict == Pass { &[] } else { &[("creation.declared", verdict)] };
        assert_open(&report, open);
        let reason = reason(&report, "creation.declared");
        assert!(reason.contains(said), "{text:?}: {reason}");
        // The line that is wrong is annotated where there is one.
        let annotated = annotations(&report, EngineKind::Real);
        let place = format!("::error file={},line=1,title=", ready.path("swarm.sh").display());
        let has_line = text.as_ref().is_some_and(|text| text.starts_with("docker")) && verdict != Pass;
        assert_eq!(annotated.contains(&place), has_line, "{annotated}");
    }
    let unnamed = world(|text| text.replace("declared = \"swarm.sh\"\n", "")).await;
    let report = judged(&unnamed).await;
    assert_open(&report, &[("creation.declared", Unknown)]);
    assert!(reason(&report, "creation.declared").contains("[overlay.creation]"));
}

#[tokio::test]
async fn a_swarm_that_cannot_be_read_is_unknown_and_facts_of_another_overlay_are_no_gate() {
    let world = world(|text| text).await;
    let fault = pvcheck_sim::Fault::Fail { status: 500 };
    world.sim.inject(pvcheck_sim::FaultRule::new(fault).path("/services"));
    let report = judged(&world).await;
    let unknown = ["renewal.plan", "renewal.members", "window.clear"].map(|id| (id, Unknown));
    assert_open(&report, &unknown);
    let (healthy, facts) = healthy().await;
    let other =
        Config::parse("x", "[overlay]\nname = \"other\"\nsubnet = \"10.11.0.0/16\"\n").expect("sound");
    assert_eq!(judge_fix_plan(&other, facts).verdict, Unknown);
    assert_eq!(judge_fix_plan(&healthy.config, facts).verdict, Pass);
}

/// A task of a service that is not on the overlay by its list may still hold an address there.
#[tokio::test]
async fn a_service_that_only_a_task_is_on_the_overlay_by_is_missed_too() {
    let report = with(|facts| {
        let snapshot = of(&mut facts.snapshot);
        let proxy = snapshot.overlay("proxy").expect("there").id.clone();
        let backups = snapshot.service_named("backups_ci_commoninternet_net_app").expect("there").id.clone();
        let task = snapshot.tasks.iter_mut().find(|t| t.service.as_ref() == Some(&backups)).expect("one");
        task.attachments.push((proxy, vec!["10.10.0.77".parse().expect("an address")]));
    })
    .await;
    assert_open(&report, &[("renewal.members", Fail)]);
}

//! Verdicts, suspects, remedies and jobs, each over a world built by hand.

use super::*;
use crate::full_because::FullBecause;
use crate::seen::{
    AllocatorCounts, JobMode, NetworkId, NodeId, NodeState, ProbeOutcome, Probes, Service, ServiceMode,
    Snapshot, Task, TaskId, TaskState,
};
use crate::testing::{counts, dnsrr, network, owned_full, rejected, service, task, world};

fn ask(snapshot: &Snapshot, allocator: &AllocatorCounts, asked: &str) -> Why {
    why(snapshot, allocator, asked).expect("it is there")
}

fn kinds(found: &Why) -> Vec<String> {
    let kind = |r: &Remedy| serde_json::to_value(r).expect("plain data")["kind"].as_str().map(str::to_owned);
    found.remedies.iter().filter_map(kind).collect()
}

/// `full` has no address left, `bare` no subnet; `a` and `b` have plenty.
fn networks() -> Snapshot {
    let mut world = owned_full();
    world.networks.extend([network("a", "10.2.0.0/28"), network("b", "10.3.0.0/28"), network("bare", "")]);
    world
}

fn with(service: Service) -> Snapshot {
    let mut world = networks();
    world.services.push(service);
    world
}

/// Which network refuses, and how that is known; or which it may be.
#[test]
fn each_kind_of_suspect() {
    let none = counts(&[]);
    let pending = |networks: &[&str]| {
        let vips: Vec<_> = networks.iter().map(|n| (*n, "")).collect();
        with(service("late", &vips))
    };
    let found = ask(&pending(&["a", "bare"]), &none, "late");
    assert_eq!((found.verdict, found.network.unwrap().name.as_str()), (Verdict::Network, "bare"));

    let alone = Some(FullBecause::ServiceWaits { service: "late".into() });
    let others = Some(FullBecause::OthersHaveFree);
    for (wants, allocator, verdict, network, because, free) in [
        (&["full"][..], none.clone(), Verdict::Address, "full", Some(FullBecause::Owned), Some(0)),
        (&["a"], none.clone(), Verdict::Address, "a", alone, Some(0)),
        (&["a", "full"], none.clone(), Verdict::VipPending, "full", Some(FullBecause::Owned), Some(0)),
        (&["a", "b"], counts(&[("a", 3, 13)]), Verdict::VipPending, "b", others, Some(0)),
        (&["a", "b"], counts(&[("a", 16, 0)]), Verdict::VipPending, "a", Some(FullBecause::Counted), Some(0)),
    ] {
        let found = ask(&pending(wants), &allocator, "late");
        assert_eq!((found.verdict, found.candidates.len()), (verdict, 0), "{wants:?}: {}", found.summary);
        let whole = found.summary.contains("waits as a whole");
        assert_eq!(whole, verdict == Verdict::VipPending, "{}", found.summary);
        let refusing = found.network.expect("one refuses");
        assert_eq!((refusing.name.as_str(), refusing.full_because, refusing.free), (network, because, free));
    }

    let found = ask(&pending(&["a", "b"]), &none, "late");
    assert_eq!((found.verdict, found.network.is_none()), (Verdict::VipPending, true));
    let names = |found: &Why| found.candidates.iter().map(|n| n.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), ["a", "b"], "nothing tells which");
    let [.., of_a, of_b] = found.chain.as_slice() else { panic!("{:?}", found.chain) };
    assert_eq!((of_a.subject.as_str(), of_b.subject.as_str()), ("network a", "network b"));
    assert_eq!(of_a.fact, "13 usable, 0 owned; if this is the full one, 13 are leaked");
    assert!(found.candidates.iter().all(|n| (n.leaked, n.free) == (None, None)));
    assert_eq!(
        kinds(&found),
        [
            "probe",
            "reclaim_candidates",
            "remove_waiting",
            "count_candidate",
            "count_candidate",
            "deploy_again"
        ]
    );

    let found = ask(&pending(&["a", "b"]), &counts(&[("a", 3, 13), ("b", 3, 13)]), "late");
    assert!(found.summary.contains("although there are free ones now"), "{}", found.summary);
    assert_eq!((names(&found).len(), found.network.is_none()), (2, true));
    assert_eq!(found.chain.last().map(|l| l.state.as_str()), Some("has free addresses now"));
    assert_eq!(kinds(&found), ["retry", "count_lost"]);
}

/// What waits is not served by itself: the allocator has to be made to try again.
#[test]
fn where_probes_were_given_addresses_the_step_is_to_let_the_allocator_try_again() {
    let snapshot = with(service("late", &[("a", ""), ("b", "")]));
    let given = ["a", "b"].map(|n| (NetworkId::new(n), ProbeOutcome::Given));
    let found = why_probed(&snapshot, &counts(&[]), &Probes(given.into()), "late").expect("it is there");
    assert_eq!((found.verdict, found.network.is_none()), (Verdict::VipPending, true));
    assert_eq!(kinds(&found), ["retry", "count_lost"]);
}

/// One address, all of several, or those that an update added.
#[test]
fn what_it_means_that_virtual_addresses_are_missing() {
    for (vips, fact) in [
        (&[("a", "")][..], "it has no virtual address on a; tasks wait"),
        (&[("a", ""), ("b", "")], "it has no virtual address on any of its networks"),
        (&[("a", "10.2.0.2"), ("b", "")], "an update added b, where it has no virtual address"),
    ] {
        let found = ask(&with(service("late", vips)), &counts(&[]), "late");
        let link = found.chain.iter().find(|l| l.state == "no virtual address").expect("it lacks one");
        assert!(link.fact.starts_with(fact), "{}", link.fact);
    }
}

#[test]
fn a_service_that_waits_is_shown_by_its_task_that_cannot_start() {
    let mut snapshot = with(service("late", &[("a", "10.2.0.2"), ("b", "")]));
    snapshot.tasks.push(task("before", "late", TaskState::Running, &[("a", "10.2.0.3")]));
    snapshot.tasks.push(task("new", "late", TaskState::New, &[]));
    let found = ask(&snapshot, &counts(&[]), "late");
    assert_eq!((found.verdict, found.task), (Verdict::VipPending, Some(TaskId::new("new"))));
    assert_eq!(ask(&snapshot, &counts(&[]), "new").verdict, Verdict::VipPending);
    let prepares = task("prepares", "late", TaskState::Preparing, &[("a", "10.2.0.4")]);
    snapshot.tasks.push(prepares);
    let found = ask(&snapshot, &counts(&[]), "prepares");
    assert_eq!(found.verdict, Verdict::Unknown, "it has its addresses, whatever its service waits for");
}

/// A node that waits for its load balancer and one that pulls an image show the same state.
#[test]
fn a_task_that_prepares_for_long_waits_for_its_load_balancer_only_where_nothing_is_free() {
    for (on, held, waited, verdict, fact) in [
        ("full", "10.1.0.6", 30, Verdict::Address, "node n1 waits for a load-balancer address"),
        ("full", "10.1.0.6", 4, Verdict::Unknown, "it is on its way"),
        ("a", "10.2.0.6", 30, Verdict::NotAddress, "it has its addresses, and its node is still at it"),
    ] {
        let mut snapshot = with(dnsrr("slow", &[on]));
        let since = Some(crate::testing::at(crate::testing::NOW - waited));
        snapshot.tasks.push(Task { since, ..task("t", "slow", TaskState::Preparing, &[(on, held)]) });
        let found = ask(&snapshot, &counts(&[]), "slow");
        assert_eq!(found.verdict, verdict, "{on} for {waited} s: {}", found.summary);
        assert!(found.chain.iter().any(|l| l.fact.starts_with(fact)), "{:?}", found.chain);
    }
}

/// Only a service that lacks a virtual address itself makes the allocator take addresses in vain.
#[test]
fn a_service_whose_task_waits_is_not_removed_for_what_retries_lose() {
    let mut snapshot = with(service("late", &[("a", "10.2.0.2"), ("full", "10.1.0.6")]));
    snapshot.tasks.push(task("t", "late", TaskState::New, &[]));
    let found = ask(&snapshot, &counts(&[]), "late");
    assert_eq!(
        (found.verdict, found.network.as_ref().map(|n| n.name.as_str())),
        (Verdict::Address, Some("full"))
    );
    assert_eq!(kinds(&found), ["remove_service", "choose_larger_subnet", "recreate"]);
    assert_eq!(findings(&found), [] as [&str; 0], "{:?}", found.findings);
}

#[test]
fn a_larger_subnet_has_space_for_twice_the_owners() {
    for (tasks, prefix) in [(124, 24), (125, 23), (252, 23), (253, 22)] {
        let mut snapshot = with(service("late", &[("wide", "")]));
        snapshot.networks.push(network("wide", "10.5.0.0/20"));
        snapshot.services.push(service("app", &[("wide", "10.5.0.2")]));
        for n in 0..tasks {
            let held = format!("10.5.{}.{}", 1 + n / 200, n % 200);
            snapshot.tasks.push(task(&format!("w{n}"), "app", TaskState::Running, &[("wide", &held)]));
        }
        let found = ask(&snapshot, &counts(&[]), "late");
        let wider = found.remedies.iter().find_map(|r| match r.kind {
            RemedyKind::ChooseLargerSubnet { owned, prefix, .. } => Some((owned, prefix)),
            _ => None,
        });
        assert_eq!(wider, Some((tasks + 2, prefix)), "its virtual address and a load balancer are owned too");
    }
}

#[test]
fn json_says_in_a_sentence_and_by_its_kind_how_a_network_is_known_to_be_full() {
    let found = ask(&with(service("late", &[("full", "")])), &counts(&[]), "late");
    let written = serde_json::to_value(&found).expect("plain data");
    assert_eq!(written["network"]["full_because"], "its known owners take every usable address");
    assert_eq!(written["network"]["full_kind"], serde_json::json!({"kind": "owned"}));
    assert_eq!(serde_json::from_value::<Why>(written).expect("as written"), found);
}

/// A task that asks for itself waits on one network which nothing else shows to be full.
#[test]
fn a_rejected_task_that_is_asked_about_is_evidence_for_itself() {
    let mut snapshot = with(dnsrr("late", &["a"]));
    snapshot.tasks.push(rejected("t2", "late"));
    snapshot.tasks.push(task("t3", "late", TaskState::Running, &[("a", "10.2.0.7")]));
    let found = ask(&snapshot, &counts(&[]), "t2");
    let network = found.network.expect("one network");
    assert_eq!((network.name.as_str(), network.full_because), ("a", Some(FullBecause::AskedWaitsOnlyHere)));
}

/// A leader cannot be promoted through itself, so the step names the place where it works.
#[test]
fn a_reclaim_is_sent_to_another_manager_where_the_leader_was_asked() {
    let told = |managers: usize, asked_leads: bool| {
        let mut snapshot = with(service("late", &[("a", "")]));
        while snapshot.nodes.len() < 4 {
            let more = snapshot.nodes[0].clone();
            snapshot.nodes.push(more);
        }
        for (n, node) in snapshot.nodes.iter_mut().enumerate() {
            node.id = NodeId::new(format!("m{n}"));
            node.hostname = format!("host{n}");
            (node.manager, node.leader) = (n < managers, n == 0);
        }
        snapshot.engine.node = NodeId::new(if asked_leads { "m0" } else { "m1" });
        let found = ask(&snapshot, &counts(&[("a", 16, 0)]), "late");
        let reclaim = found.remedies.iter().find(|r| matches!(r.kind, RemedyKind::Reclaim { .. }));
        let said = reclaim.expect("leaks are taken back").to_string();
        assert!(said.contains("host0") || said.contains("managers enough"), "{said}");
        said.contains("on a manager other than host0")
    };
    assert!(told(3, true) && told(4, true));
    assert!(!told(3, false), "a follower can hand over");
    assert!(!told(1, true) && !told(2, true), "nobody to hand over to");
}

/// Cheapest first: what comes back by itself, removals, reclaim, down nodes, a larger network; and lost ones last.
#[test]
fn remedies_come_in_the_order_of_their_cost() {
    let mut snapshot = with(service("late", &[("b", ""), ("a", "")]));
    let mut big = service("big", &[("a", "10.2.0.2")]);
    big.stack = Some("shop".into());
    snapshot.services.extend([big, service("small", &[("a", "10.2.0.3")])]);
    for (id, of, host) in [("t4", "big", 4), ("t5", "big", 5), ("t6", "small", 6)] {
        let held = format!("10.2.0.{host}");
        snapshot.tasks.push(task(id, of, TaskState::Running, &[("a", &held)]));
    }
    snapshot.tasks.last_mut().unwrap().desired = TaskState::Shutdown;
    let away = task("t7", "small", TaskState::Running, &[("a", "10.2.0.7")]);
    snapshot.tasks.push(Task { node: Some(NodeId::new("n2")), ..away });
    snapshot.nodes[1].state = NodeState::Down;
    let found = ask(&snapshot, &counts(&[("a", 16, 0)]), "late");
    assert_eq!(
        kinds(&found),
        [
            "wait",
            "reclaim",
            "remove_waiting",
            "remove_stack",
            "remove_service",
            "remove_node",
            "choose_larger_subnet",
            "recreate",
            "count_lost",
            "deploy_again"
        ]
    );
    let commands: Vec<_> = found.remedies.iter().map(|r| r.command().unwrap_or_default()).collect();
    assert_eq!(
        commands,
        [
            "",
            "pvcheck reclaim --apply",
            "docker service rm late",
            "pvcheck stack rm shop --apply",
            "docker service rm small",
            "docker node rm --force host-n2",
            "pvcheck plan-subnet --prefix 24 --name a",
            "",
            "pvcheck census b",
            ""
        ]
    );
    assert_eq!(
        found.remedies[1].to_string(),
        "take back the 5 leaked addresses of a; nothing is restarted where there are managers enough"
    );
}

#[test]
fn remedies_of_the_other_verdicts() {
    let none = counts(&[]);
    let stack = |service: Service| Service { stack: Some("shop".into()), ..service };
    let found = ask(&with(stack(service("late", &[("bare", "")]))), &none, "late");
    assert_eq!(kinds(&found), ["see_log", "choose_subnet", "recreate_unallocated"]);
    assert_eq!(
        found.remedies[2].command().as_deref(),
        Some("pvcheck stack rm shop --apply && docker network rm bare")
    );

    let found = ask(&with(service("late", &[("a", "10.2.0.2"), ("full", "")])), &none, "late");
    assert_eq!(kinds(&found)[0], "take_update_back");
    assert_eq!(found.remedies[0].command().as_deref(), Some("docker service update --network-rm full late"));

    let mut mesh = networks();
    mesh.networks.push(network("ingress", "10.0.0.0/24"));
    mesh.services.push(Service { publishes_ingress: true, ..service("late", &[]) });
    let found = ask(&mesh, &counts(&[("ingress", 256, 0)]), "late");
    assert_eq!(kinds(&found).last().map(String::as_str), Some("publish_in_host_mode"));

    for (state, error, expected) in [
        (TaskState::Pending, "no suitable node", &["inspect_placement", "adapt_nodes"][..]),
        (TaskState::Failed, "exit 1", &["see_task_errors", "see_service_log"]),
    ] {
        let mut snapshot = with(service("app", &[("a", "10.2.0.2")]));
        let task = task("t", "app", state, &[("a", "10.2.0.3")]);
        snapshot.tasks.push(Task { error: error.into(), ..task });
        assert_eq!(kinds(&ask(&snapshot, &none, "app")), expected);
    }
}

/// A job with tasks in these states, and one task of an earlier run, which does not count.
fn job(mode: JobMode, states: &[TaskState]) -> Snapshot {
    let mut snapshot = with(Service { mode: ServiceMode::Job(mode), ..dnsrr("job", &["a"]) });
    for (at, state) in states.iter().enumerate() {
        let held = format!("10.2.0.{}", 2 + at);
        let error = if *state == TaskState::Failed { "exit 1".into() } else { String::new() };
        let task = task(&format!("t{at}"), "job", *state, &[("a", &held)]);
        snapshot.tasks.push(Task { desired: TaskState::Complete, error, ..task });
    }
    let earlier = task("earlier", "job", TaskState::Complete, &[]);
    snapshot.tasks.push(Task { desired: TaskState::Remove, ..earlier });
    snapshot
}

/// What is said of a job: its state as the first link has it, and the summary.
fn assert_job(mode: JobMode, states: &[TaskState], verdict: Verdict, state: &str, summary: &str) {
    let snapshot = job(mode, states);
    let found = ask(&snapshot, &counts(&[]), "job");
    assert_eq!((found.verdict, found.summary.as_str()), (verdict, summary));
    assert_eq!(found.chain[0].state, format!("a job: {state}"));
    let report = crate::audit(&snapshot);
    let a = report.networks.iter().find(|n| n.name == "a").unwrap();
    let running = states.iter().filter(|s| **s == TaskState::Running).count() as u64;
    let stopping: u64 = a.holders.iter().map(|h| h.stopping).sum();
    assert_eq!((a.owned.tasks, stopping), (running, 0), "its running tasks are counted, and do not stop");
}

#[test]
fn a_replicated_job_runs_or_is_done_only_if_its_tasks_say_so() {
    use TaskState::{Complete, Failed, Running};
    let wants = |max_concurrent, total| JobMode::Replicated { max_concurrent, total };
    for (mode, states, verdict, state, summary) in [
        (
            wants(2, 5),
            &[Running, Running, Complete][..],
            Verdict::Running,
            "2 tasks run, 1 completed, 5 are wanted, 2 at a time",
            "job job runs: 2 tasks run, 1 of 5 completed",
        ),
        (
            wants(2, 3),
            &[Running, Complete, Complete],
            Verdict::Running,
            "1 tasks run, 2 completed, 3 are wanted, 2 at a time",
            "job job runs: 1 tasks run, 2 of 3 completed",
        ),
        (
            wants(2, 2),
            &[Complete, Complete],
            Verdict::Running,
            "0 tasks run, 2 completed, 2 are wanted, 2 at a time",
            "job job is done: 2 of 2 tasks completed",
        ),
        (
            wants(2, 5),
            &[Complete],
            Verdict::Unknown,
            "0 tasks run, 1 completed, 5 are wanted, 2 at a time",
            "service job has no task that is wanted; ask again in some seconds",
        ),
        (
            wants(1, 2),
            &[Complete, Failed],
            Verdict::NotAddress,
            "0 tasks run, 1 completed, 2 are wanted, 1 at a time",
            "service job does not run, and not for want of an address: its last task failed: exit 1",
        ),
    ] {
        assert_job(mode, states, verdict, state, summary);
    }
}

#[test]
fn a_global_job_and_one_of_an_older_file_go_by_the_tasks_there_are() {
    use TaskState::{Complete, Failed, Running};
    let unknown = "service job has no task that is wanted; ask again in some seconds";
    for (mode, states, verdict, state, summary) in [
        (
            JobMode::Global,
            &[Running, Complete][..],
            Verdict::Running,
            "1 tasks run, 1 completed, one per node is wanted",
            "job job runs: 1 tasks run, 1 completed",
        ),
        (
            JobMode::Global,
            &[Complete, Complete],
            Verdict::Running,
            "0 tasks run, 2 completed, one per node is wanted",
            "job job is done: 2 tasks completed",
        ),
        (
            JobMode::Unknown,
            &[Complete],
            Verdict::Running,
            "0 tasks run, 1 completed",
            "job job is done: 1 tasks completed",
        ),
        (JobMode::Unknown, &[], Verdict::Unknown, "0 tasks run, 0 completed", unknown),
        (
            JobMode::Global,
            &[Running, Failed],
            Verdict::NotAddress,
            "1 tasks run, 0 completed, one per node is wanted",
            "service job does not run, and not for want of an address: its last task failed: exit 1",
        ),
    ] {
        assert_job(mode, states, verdict, state, summary);
    }
}

/// The tasks of a job want the state `complete`, and wait for addresses like others.
#[test]
fn a_job_that_waits_for_an_address_says_so() {
    let mut snapshot = with(Service {
        mode: ServiceMode::Job(JobMode::Replicated { max_concurrent: 1, total: 1 }),
        ..dnsrr("job", &["full"])
    });
    let new = task("t", "job", TaskState::New, &[]);
    snapshot.tasks.push(Task { desired: TaskState::Complete, ..new });
    let found = ask(&snapshot, &counts(&[]), "job");
    assert_eq!((found.verdict, found.task), (Verdict::Address, Some(TaskId::new("t"))));
    assert!(found.chain[1].fact.contains("no node is given the job"), "{:?}", found.chain);
}

#[test]
fn a_full_network_without_a_waiter_is_no_verdict() {
    let mut snapshot = world();
    snapshot.networks.push(network("a", "10.2.0.0/28"));
    snapshot
        .services
        .push(Service { mode: ServiceMode::Replicated(0), ..service("idle", &[("a", "10.2.0.2")]) });
    let found = ask(&snapshot, &counts(&[("a", 16, 0)]), "idle");
    assert_eq!((found.verdict, found.summary.as_str()), (Verdict::Running, "service idle wants no task"));
    assert_eq!((found.findings, found.remedies), (vec![], vec![]));
}

/// The kinds of the findings that an answer has.
fn findings(found: &Why) -> Vec<String> {
    let kind =
        |f: &crate::Finding| serde_json::to_value(f).expect("plain data")["kind"].as_str().map(str::to_owned);
    found.findings.iter().filter_map(kind).collect()
}

/// What is said beside the answer concerns the service that was asked about, and no other.
#[test]
fn findings_are_of_the_service_and_its_networks() {
    let none = counts(&[]);
    let mut world = networks();
    world.services.push(service("late", &[("a", ""), ("full", "")]));
    world.services.push(service("elsewhere", &[("b", "")]));
    let asked = ask(&world, &none, "late");
    assert_eq!(findings(&asked), ["retries_lose_addresses"], "{:?}", asked.findings);
    let other = ask(&world, &none, "elsewhere");
    assert_eq!(findings(&other), [] as [&str; 0], "{:?}", other.findings);
}

#[test]
fn a_missing_ingress_concerns_those_that_publish_through_it() {
    let none = counts(&[]);
    let mut world = networks();
    world.services.push(Service { publishes_ingress: true, ..service("web", &[("a", "10.2.0.9")]) });
    world.services.push(service("plain", &[("a", "10.2.0.10")]));
    world.tasks.push(task("w", "web", TaskState::New, &[]));
    world.tasks.push(task("p", "plain", TaskState::Pending, &[("a", "10.2.0.11")]));
    let web = ask(&world, &none, "web");
    assert_eq!(web.verdict, Verdict::Network, "{}", web.summary);
    assert_eq!(kinds(&web), ["create_ingress", "publish_in_host_mode"]);
    assert!(findings(&web).contains(&"ingress_missing".to_owned()), "{:?}", web.findings);
    assert!(web.chain.iter().any(|link| link.fact.contains("not allocated")), "{:?}", web.chain);
    let idle = Service { mode: ServiceMode::Replicated(0), ..service("idle", &[("b", "")]) };
    world.services.push(Service { publishes_ingress: true, ..idle });
    assert_eq!(ask(&world, &none, "idle").verdict, Verdict::Network, "it has no task, and waits itself");
    let before = service("before", &[("b", "10.3.0.9")]);
    world.services.push(Service { publishes_ingress: true, ..before });
    world.tasks.push(task("r", "before", TaskState::Running, &[("b", "10.3.0.10")]));
    assert_eq!(ask(&world, &none, "before").verdict, Verdict::Running, "it has all it needs from before");
    let plain = ask(&world, &none, "plain");
    assert!(!findings(&plain).contains(&"ingress_missing".to_owned()), "{:?}", plain.findings);
}

/// What a catalogue says comes before the steps that only look, once for each signature, and only where the error is why.
#[test]
fn known_errors_become_the_first_steps() {
    let mut world = with(service("bad", &[("a", "10.2.0.9")]));
    for n in 1..=2 {
        let failed = task(&format!("f{n}"), "bad", TaskState::Failed, &[]);
        let error = format!("it failed in way {n}");
        world.tasks.push(Task { error, desired: TaskState::Shutdown, ..failed });
    }
    let errors = |asked: &str| {
        let found = ask(&world, &counts(&[]), asked);
        found.errors.into_iter().map(|e| e.text).collect::<Vec<_>>()
    };
    assert_eq!(errors("bad").len(), 2);
    assert_eq!(errors("f2"), ["it failed in way 2"], "a task's errors are its own");
    let text = || "text".to_owned();
    let known = crate::KnownError { signature: text(), meaning: text(), remedy: text(), is_finding: true };
    let mut found = ask(&world, &counts(&[]), "bad");
    assert_eq!(found.verdict, Verdict::NotAddress, "{}", found.summary);
    found.explain_errors(|_| Some(known.clone()));
    assert_eq!(kinds(&found).iter().filter(|k| *k == "heal_error").count(), 1, "one step for both errors");
    assert_eq!(kinds(&found)[0], "heal_error");

    let bad = world.services.last_mut().expect("the service");
    let (state, message) = (crate::UpdateState::Updating, String::new());
    bad.update = Some(crate::UpdateStatus { state, started: None, message });
    let mut hangs = ask(&world, &counts(&[]), "bad");
    hangs.explain_errors(|_| Some(known.clone()));
    assert_eq!(kinds(&hangs), ["roll_back", "heal_error", "see_task_errors", "see_service_log"]);

    let mut full = ask(&with(service("late", &[("full", "")])), &counts(&[]), "late");
    full.explain_errors(|_| Some(known.clone()));
    assert!(!kinds(&full).contains(&"heal_error".to_owned()), "{:?}", kinds(&full));
}

/// What is proposed for removal holds most as a stack, and is never the waiting service's own.
#[test]
fn removals_are_of_others_and_by_stack() {
    let of = |stack: &str, service: Service| Service { stack: Some(stack.into()), ..service };
    let mut world = with(of("own", service("late", &[("a", "")])));
    world.services.push(of("own", service("sister", &[("a", "10.2.0.2")])));
    world.services.push(of("shop", service("shop_db", &[("a", "10.2.0.3")])));
    world.services.push(of("shop", service("shop_web", &[("a", "10.2.0.4")])));
    world.services.push(service("alone", &[("a", "10.2.0.5")]));
    for (id, of, host) in [("1", "shop_db", 6), ("2", "shop_web", 7), ("3", "alone", 8), ("4", "sister", 9)] {
        let held = format!("10.2.0.{host}");
        world.tasks.push(task(id, of, TaskState::Running, &[("a", &held)]));
    }
    let by_hand = task("5", "", TaskState::Running, &[("a", "10.2.0.10")]);
    let node = Some(NodeId::new("n2"));
    world.tasks.push(Task { service: None, runtime: crate::seen::Runtime::Attachment, node, ..by_hand });
    world.nodes[1].state = NodeState::Down;
    let found = ask(&world, &counts(&[("a", 16, 0)]), "late");
    let text: Vec<_> = found.remedies.iter().map(ToString::to_string).collect();
    let line =
        |part: &str| text.iter().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{text:#?}"));
    assert!(line("shop").contains('4'), "two addresses of each of its services: {text:#?}");
    assert!(line("alone").contains('2'), "{text:#?}");
    assert!(!text.iter().any(|line| line.contains("sister") || line.contains("stack own")), "{text:#?}");
    assert!(
        line("host-n2").contains("gives back 2 addresses"),
        "its container and its load balancer: {text:#?}"
    );
    let commands: Vec<_> = found.remedies.iter().filter_map(Remedy::command).collect();
    assert!(
        commands.iter().any(|c| c == "docker node rm --force host-n2"),
        "the container's node: {commands:?}"
    );
}

/// Each answer is about what was asked, with the network's sum and the oldest wait on it.
#[test]
fn the_chain_has_the_sum_of_the_network_and_the_oldest_wait() {
    let mut world = with(Service { updated: Some(crate::testing::at(700)), ..service("late", &[("a", "")]) });
    world.services.push(Service { updated: Some(crate::testing::at(600)), ..service("later", &[("a", "")]) });
    world.services.push(service("other", &[("b", "")]));
    world.services.push(service("holder", &[("a", "10.2.0.2")]));
    world.tasks.push(task("h", "holder", TaskState::Running, &[("a", "10.2.0.3")]));
    let found = ask(&world, &counts(&[]), "late");
    let link = found.chain.iter().find(|link| link.subject == "network a").expect("the network");
    assert_eq!(link.since, Some(crate::testing::at(600)), "{link:?}");
    let sum =
        "13 usable, 3 owned (1 VIPs, 1 tasks, 1 load balancers, 0 standalone containers), 10 leaked, 0 free";
    assert!(link.fact.starts_with(sum), "{}", link.fact);
    assert!(found.summary.contains("late") && !found.summary.contains("other"), "{}", found.summary);
    let other = ask(&world, &counts(&[]), "other");
    assert_eq!(other.network.map(|n| n.name).as_deref(), Some("b"));
}

/// A task is answered for by itself, not by what another task lacks.
#[test]
fn a_task_that_is_asked_about_is_the_one_that_lacks() {
    let mut world = with(dnsrr("some", &["a"]));
    world.tasks.push(task("new", "some", TaskState::New, &[]));
    world.tasks.push(task("runs", "some", TaskState::Running, &[("a", "10.2.0.5")]));
    assert_eq!(ask(&world, &counts(&[]), "new").verdict, Verdict::Address);
    assert_eq!(ask(&world, &counts(&[]), "runs").verdict, Verdict::Running);
    world.services.push(dnsrr("fine", &["b"]));
    world.tasks.push(task("f", "fine", TaskState::Running, &[("b", "10.3.0.5")]));
    assert_eq!(ask(&world, &counts(&[]), "fine").verdict, Verdict::Running, "what another service lacks");
}

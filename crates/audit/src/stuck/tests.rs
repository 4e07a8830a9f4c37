use super::*;
use crate::seen::AllocatorCounts;
use crate::seen::Snapshot;
use crate::testing::{NOW, at, dnsrr, network, owned_full, rejected, service, task, world};

fn found(snapshot: &Snapshot, name: &str) -> Vec<Stuck> {
    let counts = AllocatorCounts::default();
    let waiting = Waiting::of(snapshot, &counts);
    stuck(&waiting, snapshot.overlay(name).expect("a network of the test"))
}

/// `full` has no address left, `bare` no subnet, `net` and `other` have plenty.
fn networks() -> Snapshot {
    let mut world = owned_full();
    world.networks.extend([
        network("bare", ""),
        network("net", "10.2.0.0/28"),
        network("other", "10.3.0.0/28"),
    ]);
    world
}

/// The services that make a task wait, each with its task, where it is seen, its cause and the sentence.
type Row = (crate::Service, Task, &'static str, &'static str, &'static str);

fn rows() -> Vec<Row> {
    let waiting = |id: &str, of: &str| task(id, of, TaskState::New, &[]);
    vec![
        (
            dnsrr("late", &["full"]),
            waiting("t", "late"),
            "full",
            "network_full",
            "no address of full could be given to it",
        ),
        (
            dnsrr("late", &["bare"]),
            waiting("t", "late"),
            "bare",
            "network_not_allocated",
            "network bare has no subnet",
        ),
        (
            dnsrr("late", &["net", "other"]),
            waiting("t", "late"),
            "net",
            "one_of_several",
            "it has no address on net nor on another network of its service",
        ),
        (
            service("late", &[("full", "")]),
            waiting("t", "late"),
            "full",
            "vip_pending",
            "service late has no virtual address on full yet",
        ),
        (
            service("late", &[("net", "10.2.0.9"), ("full", "")]),
            waiting("t", "late"),
            "net",
            "vip_pending",
            "service late has no virtual address on another network yet",
        ),
        (
            dnsrr("late", &["net"]),
            rejected("t", "late"),
            "net",
            "balancer_missing",
            "node n1 got no load-balancer address on net, and rejected it",
        ),
        (
            dnsrr("late", &["net", "other"]),
            Task { node: None, ..rejected("t", "late") },
            "net",
            "balancer_missing",
            "its node got no load-balancer address on net or on another network of it, and rejected it",
        ),
    ]
}

#[test]
fn each_cause_with_its_sentence() {
    for (service, task, on, cause, words) in rows() {
        let mut snapshot = networks();
        snapshot.services.push(service);
        snapshot.tasks.push(task);
        let found = found(&snapshot, on);
        let [one] = found.as_slice() else { panic!("{words}: {found:?}") };
        assert_eq!((one.service.as_str(), one.task.as_str()), ("late", "t"));
        let written = serde_json::to_value(one).unwrap();
        assert_eq!((&written["cause"], &written["reason"]), (&cause.into(), &words.into()));
        assert_eq!(serde_json::from_value::<Stuck>(written).unwrap(), *one);
    }
}

/// Neither network is the task's own, though one is full and the other has the task's node on it.
#[test]
fn a_task_is_stuck_on_its_own_networks_only() {
    let mut snapshot = networks();
    snapshot.services.extend([dnsrr("late", &["net"]), dnsrr("slow", &["net"])]);
    snapshot.tasks.push(rejected("r", "late"));
    snapshot.tasks.push(task("p", "slow", TaskState::Preparing, &[("net", "10.2.0.6")]));
    assert_eq!(found(&snapshot, "full"), []);
    assert_eq!(found(&snapshot, "other"), []);
}

#[test]
fn a_task_that_prepares_for_long_waits_only_where_nothing_is_free() {
    for (on, held, waited, expected) in [
        ("full", "10.1.0.6", 31, 1),
        // Six owners on five addresses: the node cannot have its load balancer, so less time is enough.
        ("full", "10.1.0.6", 6, 1),
        ("full", "10.1.0.6", 4, 0),
        ("net", "10.2.0.6", 600, 0),
    ] {
        let mut snapshot = networks();
        snapshot.services.push(dnsrr("slow", &[on]));
        let since = Some(at(NOW - waited));
        snapshot.tasks.push(Task { since, ..task("t", "slow", TaskState::Preparing, &[(on, held)]) });
        let found = found(&snapshot, on);
        assert_eq!(found.len(), expected, "{on}, {waited} s: {found:?}");
        if let [one] = found.as_slice() {
            assert!(
                one.to_string().starts_with("it has been preparing for long, and nothing is free on full")
            );
        }
    }
}

#[test]
fn what_is_stopping_or_runs_does_not_wait() {
    let mut snapshot = networks();
    snapshot.services.push(dnsrr("late", &["full"]));
    let new = task("t", "late", TaskState::New, &[]);
    snapshot.tasks.push(Task { desired: TaskState::Remove, ..new.clone() });
    assert_eq!(found(&snapshot, "full"), []);
    // A job's task that is new waits; one that has completed does not.
    snapshot.tasks.push(Task { id: TaskId::new("j"), desired: TaskState::Complete, ..new.clone() });
    let done = Task { id: TaskId::new("d"), state: TaskState::Complete, desired: TaskState::Complete, ..new };
    snapshot.tasks.push(done);
    assert_eq!(found(&snapshot, "full").len(), 1);
    assert_eq!(found(&world_with_container(), "full").len(), 1);
}

/// A standalone container has no service; it waits on the networks that it lists.
fn world_with_container() -> Snapshot {
    let mut snapshot = world();
    snapshot.networks.push(network("full", "10.1.0.0/29"));
    let container = task("c", "", TaskState::New, &[("full", "")]);
    snapshot.tasks.push(Task { service: None, slot: None, ..container });
    snapshot
}

use super::*;
use crate::seen::{Node, NodeId, NodeState, Task, TaskState};
use crate::testing::{counts, dnsrr, network, owned_full, service, task, world};

fn judged(snapshot: &Snapshot, allocator: &AllocatorCounts) -> Audit {
    audit_with(snapshot, allocator, &Thresholds::default())
}

fn of<'a>(report: &'a Audit, name: &str) -> &'a AuditedNetwork {
    report.networks.iter().find(|n| n.name == name).expect("a network of the test")
}

/// `a` (13 usable) with this many owned addresses: a virtual address, a load balancer, and tasks.
fn owned(addresses: usize) -> Snapshot {
    let mut world = world();
    world.networks.push(network("a", "10.2.0.0/28"));
    world.services.push(service("app", &[("a", "10.2.0.2")]));
    for host in 3..=addresses {
        let held = format!("10.2.0.{host}");
        world.tasks.push(task(&format!("t{host}"), "app", TaskState::Running, &[("a", &held)]));
    }
    world
}

#[test]
fn pressure_is_ok_only_if_leaks_are_known() {
    for (addresses, allocator, pressure) in [
        (5, vec![], Pressure::Unknown),
        (9, vec![], Pressure::Unknown),
        (10, vec![], Pressure::High),
        (13, vec![], Pressure::Full),
        (5, vec![("a", 8, 8)], Pressure::Ok),
        (5, vec![("a", 13, 3)], Pressure::High),
        (5, vec![("a", 16, 0)], Pressure::Full),
        (10, vec![("a", 13, 3)], Pressure::High),
    ] {
        let report = judged(&owned(addresses), &counts(&allocator));
        let a = of(&report, "a");
        assert_eq!((a.owned.total(), a.pressure), (addresses as u64, pressure), "{allocator:?}");
    }
    let mut bare = owned(5);
    bare.networks[0].pools.clear();
    assert_eq!(of(&judged(&bare, &counts(&[])), "a").pressure, Pressure::Unknown);
}

#[test]
fn a_wait_makes_only_the_network_full_that_it_is_about() {
    let waiting = |networks: &[&str]| {
        let mut snapshot = owned(5);
        snapshot.networks.push(network("b", "10.3.0.0/28"));
        snapshot.services.push(dnsrr("late", networks));
        snapshot.tasks.push(task("new", "late", TaskState::New, &[]));
        judged(&snapshot, &counts(&[]))
    };
    for (networks, expected) in [
        (&["a"][..], [Pressure::Full, Pressure::Unknown]),
        (&["b"], [Pressure::Unknown, Pressure::Full]),
        (&["a", "b"], [Pressure::Unknown, Pressure::Unknown]),
    ] {
        let report = waiting(networks);
        assert_eq!([of(&report, "a").pressure, of(&report, "b").pressure], expected, "{networks:?}");
        let stuck = report.networks.iter().map(|n| n.stuck.len()).sum::<usize>();
        assert_eq!(stuck, networks.len(), "it is listed on each of its networks");
    }
}

/// The count is a moment younger than the lists, and in the lists the task still waits.
#[test]
fn a_task_that_waits_is_pressure_although_the_allocator_counts_free_addresses() {
    let mut snapshot = owned(5);
    let free = counts(&[("a", 8, 8)]);
    assert_eq!(of(&judged(&snapshot, &free), "a").pressure, Pressure::Ok);
    snapshot.services.push(dnsrr("late", &["a"]));
    snapshot.tasks.push(task("new", "late", TaskState::New, &[]));
    assert_eq!(of(&judged(&snapshot, &free), "a").pressure, Pressure::Full);
}

#[test]
fn counts_that_are_missing_have_a_reason() {
    let (snapshot, known) = (owned(5), counts(&[("a", 8, 8)]));
    let unknown = |counts: &AllocatorCounts| judged(&snapshot, counts).allocator_unknown;
    assert_eq!(unknown(&known), None);
    assert_eq!(unknown(&counts(&[])), Some(CountsUnknown::NotAsked));
    let why = CountsUnknown::ApiTooOld { api: "1.41".into() };
    assert_eq!(unknown(&AllocatorCounts::none(why.clone())), Some(why));
    let mut bare = snapshot.clone();
    bare.networks[0].pools.clear();
    assert_eq!(judged(&bare, &counts(&[])).allocator_unknown, None, "nothing could be counted");
}

#[test]
fn the_engine_and_the_nodes_that_are_down_are_summed_up() {
    let mut snapshot = owned_full();
    for held in &mut snapshot.tasks[..2] {
        held.node = Some(NodeId::new("n2"));
    }
    let ended = task("e", "filler", TaskState::Complete, &[("full", "10.1.0.6")]);
    snapshot.tasks.push(Task { desired: TaskState::Shutdown, ..ended });
    for (state, down) in [
        (NodeState::Down, 2),
        (NodeState::Ready, 0),
        (NodeState::Unknown, 0),
        (NodeState::Other("down?".into()), 0),
    ] {
        let second = &snapshot.nodes[1];
        snapshot.nodes[1] = Node { state: state.clone(), ..second.clone() };
        let report = judged(&snapshot, &counts(&[]));
        assert_eq!((report.swarm.managers, report.swarm.nodes), (1, 2));
        let full = of(&report, "full");
        assert_eq!((full.on_down_nodes, full.ended_tasks), (down, 1), "{state}");
    }
}

#[test]
fn containers_on_nodes_that_are_down_count_with_the_tasks() {
    let mut snapshot = owned(5);
    snapshot.nodes[1] = Node { state: NodeState::Down, ..snapshot.nodes[1].clone() };
    let by_hand = task("c", "none", TaskState::Running, &[("a", "10.2.0.12")]);
    let node = Some(snapshot.nodes[1].id.clone());
    snapshot.tasks.push(Task { service: None, runtime: crate::Runtime::Attachment, node, ..by_hand });
    let report = judged(&snapshot, &counts(&[]));
    let a = of(&report, "a");
    assert_eq!(a.on_down_nodes, 1);
    assert_eq!(a.owned, OwnedCounts { vips: 1, tasks: 3, load_balancers: 2, attachments: 1 });
    assert_eq!(a.owned.total(), 7);
}

#[test]
fn a_virtual_address_is_missing_on_the_network_that_the_service_waits_on() {
    let mut snapshot = owned(5);
    snapshot.networks.push(network("b", "10.3.0.0/28"));
    snapshot.services.push(service("late", &[("a", "10.2.0.9"), ("b", "")]));
    let report = judged(&snapshot, &counts(&[]));
    assert_eq!(of(&report, "a").missing_vips, [] as [&str; 0]);
    assert_eq!(of(&report, "b").missing_vips, ["late"]);
}

#[test]
fn an_error_that_is_known_becomes_a_finding_on_the_networks_of_its_service() {
    let mut snapshot = owned(3);
    snapshot.networks.push(network("b", "10.3.0.0/28"));
    snapshot.services.push(service("bad", &[("b", "10.3.0.2")]));
    let failed = Task { error: "a known error".into(), ..task("f", "bad", TaskState::Failed, &[]) };
    snapshot.tasks.push(failed);
    let known = |is_finding| {
        let text = || "text".to_owned();
        KnownError { signature: text(), meaning: text(), remedy: text(), is_finding }
    };
    let with = |is_finding: bool| {
        let mut report = judged(&snapshot, &counts(&[]));
        report.explain_errors(|error| (error == "a known error").then(|| known(is_finding)));
        (report.task_errors.iter().filter(|e| e.known.is_some()).count(), report.findings)
    };
    let (explained, findings) = with(true);
    assert_eq!(explained, 1);
    let on: Vec<_> = findings.iter().flat_map(Finding::networks).collect();
    assert_eq!(on, ["b"], "{findings:?}");
    let (explained, findings) = with(false);
    assert_eq!((explained, findings.len()), (1, 0), "{findings:?}");
}

/// A manager lists a network and its node's own copy of it.
#[test]
fn a_network_that_is_listed_twice_has_its_owners_in_both_places() {
    let mut snapshot = world();
    snapshot.networks =
        vec![network("a", "10.2.0.0/28"), network("b", "10.3.0.0/28"), network("a", "10.2.0.0/28")];
    snapshot.services = vec![service("app", &[("a", "10.2.0.2")])];
    let named: Vec<_> = audit(&snapshot).networks.iter().map(|n| (n.name.clone(), n.owners.len())).collect();
    assert_eq!(named, [("a".to_owned(), 1), ("a".to_owned(), 1), ("b".to_owned(), 0)]);
}

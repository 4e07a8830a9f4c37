use super::*;
use crate::owners::owners;
use crate::seen::Snapshot;
use crate::seen::TaskState;
use crate::testing::{dnsrr, network, service, task, world};

/// `big` holds a VIP and two tasks, `small` a VIP and a task that stops; `n2` is down and has one of `big`.
fn snapshot() -> Snapshot {
    let mut world = world();
    world.networks.push(network("a", "10.2.0.0/28"));
    world.services.extend([
        service("small", &[("a", "10.2.0.2")]),
        crate::Service { stack: Some("shop".into()), ..service("big", &[("a", "10.2.0.3")]) },
    ]);
    let running = TaskState::Running;
    world.tasks.push(task("b1", "big", running, &[("a", "10.2.0.4")]));
    let away = task("b2", "big", running, &[("a", "10.2.0.5")]);
    world.tasks.push(Task { node: Some(NodeId::new("n2")), ..away });
    let stops = task("s1", "small", running, &[("a", "10.2.0.6")]);
    world.tasks.push(Task { desired: TaskState::Shutdown, ..stops });
    world.tasks.push(task("s0", "small", TaskState::Failed, &[("a", "10.2.0.7")]));
    world.nodes[1].state = NodeState::Down;
    world
}

#[test]
fn holders_are_sorted_by_what_they_hold_then_by_name() {
    let mut snapshot = snapshot();
    let found = |snapshot: &Snapshot| {
        let holders = holders(&snapshot.lookup(), &owners(snapshot, &snapshot.networks[0]));
        holders
            .into_iter()
            .map(|h| (h.service.clone(), h.stack.clone(), h.vips, h.tasks, h.stopping, h.total()))
            .collect::<Vec<_>>()
    };
    let big = ("big".to_owned(), Some("shop".to_owned()), 1, 2, 0, 3);
    let small = ("small".to_owned(), None, 1, 1, 1, 2);
    assert_eq!(found(&snapshot), [big.clone(), small.clone()]);
    snapshot.services.push(dnsrr("also", &["a"]));
    for host in [8, 9] {
        let held = format!("10.2.0.{host}");
        snapshot.tasks.push(task(&format!("a{host}"), "also", TaskState::Running, &[("a", &held)]));
    }
    assert_eq!(found(&snapshot), [big, ("also".to_owned(), None, 0, 2, 0, 2), small]);
}

#[test]
fn shares_are_per_node_and_say_which_is_down() {
    let snapshot = snapshot();
    let shares = shares(&snapshot.lookup(), &owners(&snapshot, &snapshot.networks[0]));
    let found: Vec<_> =
        shares.iter().map(|s| (s.hostname.as_deref(), s.down, s.tasks, s.load_balancers)).collect();
    assert_eq!(found, [(Some("host-n1"), false, 2, 1), (Some("host-n2"), true, 1, 1)]);
}

/// A census learns the address of a node's load balancer from the node.
#[test]
fn a_load_balancer_that_has_its_name_is_still_on_its_node() {
    let snapshot = snapshot();
    let mut owners = owners(&snapshot, &snapshot.networks[0]);
    let before = shares(&snapshot.lookup(), &owners);
    owners.name_load_balancer(&NodeId::new("n1"), crate::testing::address("10.2.0.9"));
    assert_eq!(shares(&snapshot.lookup(), &owners), before);
}

#[test]
fn ended_tasks_list_addresses_that_they_do_not_hold() {
    let snapshot = snapshot();
    assert_eq!(ended_tasks(&snapshot.lookup(), &NetworkId::new("a")), 1);
    assert_eq!(ended_tasks(&snapshot.lookup(), &NetworkId::new("b")), 0);
    assert_eq!(duplicates(&owners(&snapshot, &snapshot.networks[0])), []);
}

#[test]
fn standalone_containers_have_a_share_of_their_own() {
    let mut snapshot = snapshot();
    for host in [20, 21] {
        let held = format!("10.2.0.{host}");
        let by_hand = task(&format!("c{host}"), "none", TaskState::Running, &[("a", &held)]);
        snapshot.tasks.push(Task { service: None, runtime: crate::seen::Runtime::Attachment, ..by_hand });
    }
    let shares = shares(&snapshot.lookup(), &owners(&snapshot, &snapshot.networks[0]));
    assert_eq!(shares.iter().map(|s| s.attachments).sum::<u64>(), 2);
}

use super::*;
use crate::seen::Task;
use crate::testing::{address, dnsrr, network, service, task, world};

/// Who holds an address in each observed state, wherever the task is and whatever is wanted of it.
#[test]
fn tasks_hold_their_addresses_up_to_running() {
    for (state, desired, holds, balancers) in [
        (TaskState::New, TaskState::Running, 1, 0),
        (TaskState::Pending, TaskState::Running, 1, 0),
        (TaskState::Assigned, TaskState::Running, 1, 1),
        (TaskState::Running, TaskState::Running, 1, 1),
        (TaskState::Running, TaskState::Complete, 1, 1),
        (TaskState::Running, TaskState::Shutdown, 1, 1),
        (TaskState::Running, TaskState::Remove, 1, 1),
        (TaskState::Unknown, TaskState::Running, 1, 1),
        (TaskState::Complete, TaskState::Complete, 0, 0),
        (TaskState::Shutdown, TaskState::Shutdown, 0, 0),
        (TaskState::Failed, TaskState::Shutdown, 0, 0),
        (TaskState::Rejected, TaskState::Shutdown, 0, 0),
        (TaskState::Orphaned, TaskState::Shutdown, 0, 0),
    ] {
        let mut snapshot = world();
        snapshot.networks.push(network("a", "10.2.0.0/28"));
        snapshot.services.push(dnsrr("app", &["a"]));
        snapshot.tasks.push(Task { desired, ..task("t", "app", state, &[("a", "10.2.0.3")]) });
        let owners = owners(&snapshot, &snapshot.networks[0]);
        let found = (owners.count(OwnerKind::Task), owners.count(OwnerKind::LoadBalancer));
        assert_eq!(found, (holds, balancers), "{state:?}, desired {desired:?}");
        assert_eq!(owners.total(), holds + balancers);
    }
}

#[test]
fn each_kind_of_owner_is_counted_on_its_own_network_only() {
    let mut snapshot = world();
    snapshot.networks.extend([network("a", "10.2.0.0/28"), network("ingress", "10.0.0.0/24")]);
    snapshot.services.push(service("app", &[("a", "10.2.0.2"), ("ingress", "10.0.0.2")]));
    let running = TaskState::Running;
    snapshot.tasks.push(task("t", "app", running, &[("a", "10.2.0.3"), ("ingress", "10.0.0.3")]));
    let container = task("c", "", running, &[("a", "10.2.0.4")]);
    snapshot.tasks.push(Task { service: None, runtime: Runtime::Attachment, ..container });
    // Its service is removed: it is named by the id.
    snapshot.tasks.push(task("o", "gone", running, &[("a", "10.2.0.5")]));
    let counted = |network: usize| {
        let owners = owners(&snapshot, &snapshot.networks[network]);
        let count = |kind| owners.count(kind);
        [OwnerKind::Vip, OwnerKind::Task, OwnerKind::Attachment, OwnerKind::LoadBalancer].map(count)
    };
    assert_eq!(counted(0), [1, 2, 1, 1]);
    assert_eq!(counted(1), [1, 1, 0, 2], "one load balancer for each node in the store, idle ones too");
    let owners = owners(&snapshot, &snapshot.networks[0]);
    let orphan = owners.named.iter().find(|o| o.address == address("10.2.0.5")).expect("it is held");
    assert_eq!(orphan.service.as_deref(), Some("gone"));
}

#[test]
fn a_load_balancer_gets_its_name_once() {
    let mut owners = Owners { load_balancers: [NodeId::new("n1")].into(), ..Owners::default() };
    owners.name_load_balancer(&NodeId::new("n2"), address("10.2.0.9"));
    assert_eq!((owners.named.len(), owners.total()), (0, 1), "no load balancer of that node is counted");
    for _ in 0..2 {
        owners.name_load_balancer(&NodeId::new("n1"), address("10.2.0.8"));
        assert_eq!((owners.total(), owners.count(OwnerKind::LoadBalancer)), (1, 1));
    }
    assert_eq!(owners.addresses(), [address("10.2.0.8")].into());
}

#[test]
fn the_words_of_a_kind_are_those_of_json() {
    for kind in [OwnerKind::Attachment, OwnerKind::LoadBalancer, OwnerKind::Task, OwnerKind::Vip] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
    }
}

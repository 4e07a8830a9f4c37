use super::*;
use crate::testing::{network, service, world};

/// For each service: the networks that it waits on, whether they have a subnet, and whether it waits on no other.
#[test]
fn a_service_waits_where_it_lacks_a_virtual_address() {
    let mut snapshot = world();
    snapshot.networks.extend([
        network("a", "10.2.0.0/28"),
        network("b", "10.3.0.0/28"),
        network("bare", ""),
        network("ingress", "10.0.0.0/24"),
        Network { driver: "bridge".into(), scope: "local".into(), ..network("local", "172.17.0.0/16") },
    ]);
    let mesh = |service: Service| Service { publishes_ingress: true, ..service };
    let has = "10.2.0.9";
    for (service, expected) in [
        (service("s", &[]), vec![]),
        (service("s", &[("a", has)]), vec![]),
        (service("s", &[("a", "")]), vec![("a", true, true)]),
        (service("s", &[("a", has), ("b", "")]), vec![("b", true, true)]),
        (service("s", &[("a", ""), ("b", "")]), vec![("a", true, false), ("b", true, false)]),
        (service("s", &[("bare", "")]), vec![("bare", false, true)]),
        (service("s", &[("gone", "")]), vec![("gone", false, true)]),
        (service("s", &[("local", "")]), vec![]),
        (mesh(service("s", &[])), vec![("ingress", true, true)]),
        (mesh(service("s", &[("a", "")])), vec![("a", true, false), ("ingress", true, false)]),
        (mesh(service("s", &[("ingress", has), ("a", has)])), vec![]),
        (Service { endpoint: EndpointMode::Dnsrr, ..mesh(service("s", &[("a", "")])) }, vec![]),
    ] {
        let words = format!("{:?}", service.vips);
        let waits = waits_among(&[service], &snapshot.networks);
        let found: Vec<_> =
            waits.iter().map(|w| (w.network.as_str(), w.network_allocated, w.only_here)).collect();
        assert_eq!(found, expected, "{words}");
        assert!(waits.iter().all(|w| w.network_name.is_some() == (w.network.as_str() != "gone")));
    }
}

/// Which tasks move a ring unseen: those that are new and have the network among theirs.
#[test]
fn a_new_task_waits_on_every_network_of_its_service() {
    use crate::seen::{Runtime, Task, TaskState};
    use crate::testing::task;
    let mut snapshot = world();
    snapshot.networks.extend([
        network("a", "10.2.0.0/28"),
        network("b", "10.3.0.0/28"),
        network("ingress", "10.0.0.0/24"),
    ]);
    snapshot.services.extend([
        service("on_a", &[("a", "10.2.0.2")]),
        service("on_both", &[("a", "10.2.0.3"), ("b", "10.3.0.3")]),
        Service { publishes_ingress: true, ..service("mesh", &[("b", "10.3.0.4")]) },
    ]);
    let new = |id: &str, of: &str| task(id, of, TaskState::New, &[]);
    snapshot.tasks.extend([
        new("1", "on_a"),
        new("2", "on_both"),
        new("3", "mesh"),
        // Of a service that is gone: the allocator does not serve it.
        new("4", "gone"),
        task("5", "on_a", TaskState::Pending, &[("a", "10.2.0.5")]),
        // Not wanted any more, perhaps of a specification with other networks.
        Task { desired: TaskState::Shutdown, ..new("6", "mesh") },
        Task { service: None, runtime: Runtime::Attachment, ..task("7", "", TaskState::New, &[("a", "")]) },
    ]);
    let on = |network: &str| {
        let waiting = waiting_tasks(&snapshot, &NetworkId::new(network));
        waiting.into_iter().map(|(service, task)| format!("{service}/{task}")).collect::<Vec<_>>()
    };
    assert_eq!(on("a"), ["on_a/1", "on_both/2", "mesh/6", "/7"]);
    assert_eq!(on("b"), ["on_both/2", "mesh/3", "mesh/6"]);
    assert_eq!(on("ingress"), ["mesh/3", "mesh/6"]);
    assert_eq!(on("elsewhere"), ["mesh/6"]);
}

/// It waits, so that nothing may call the Swarm at rest; but for the mesh's network, so that it proves no other one full.
#[test]
fn a_service_without_a_mesh_waits_and_proves_nothing() {
    use crate::seen::AllocatorCounts;
    use crate::waiting::Waiting;
    let mut snapshot = world();
    snapshot.networks.push(network("a", "10.2.0.0/28"));
    snapshot.services.push(Service { publishes_ingress: true, ..service("web", &[("a", "")]) });
    let waits = waiting_services(&snapshot);
    assert_eq!(waits.iter().map(|w| (w.service.as_str(), w.only_here)).collect::<Vec<_>>(), [("web", false)]);
    let counts = AllocatorCounts::default();
    let waiting = Waiting::of(&snapshot, &counts);
    assert_eq!((waiting.full(&snapshot.networks[0]), waiting.waits("web")), (None, false));
    snapshot.networks.push(network("ingress", "10.0.0.0/24"));
    assert!(Waiting::of(&snapshot, &counts).waits("web"), "with the mesh it is an address that it lacks");
}

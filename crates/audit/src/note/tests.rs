use super::*;
use crate::seen::{AllocatorCounts, Snapshot, Task, TaskState};
use crate::testing::{counts, network, service, task, world};

fn found(snapshot: &Snapshot, allocator: &AllocatorCounts) -> Vec<Note> {
    let waiting = Waiting::of(snapshot, allocator);
    let network = snapshot.overlay("a").expect("a network of the test");
    notes(&waiting, network, &waiting.pool(network))
}

/// One service and its task on a /28: 3 owned with the load balancer.
fn snapshot() -> Snapshot {
    let mut world = world();
    world.networks.push(network("a", "10.2.0.0/28"));
    world.services.push(service("app", &[("a", "10.2.0.2")]));
    world.tasks.push(task("t", "app", TaskState::Running, &[("a", "10.2.0.3")]));
    world
}

#[test]
fn each_note_in_its_place() {
    let (none, a) = (counts(&[]), || "a".to_owned());
    let unknown =
        |waiting: Option<&str>| Note::LeaksUnknown { network: a(), waiting: waiting.map(str::to_owned) };
    assert_eq!(found(&snapshot(), &none), [unknown(None)]);
    assert_eq!(found(&snapshot(), &counts(&[("a", 6, 10)])), [], "everything is known");
    assert_eq!(found(&snapshot(), &counts(&[("a", 5, 11)])), [Note::OwnedButFree { addresses: 1 }]);

    let mut elsewhere = snapshot();
    elsewhere.networks.push(network("b", "10.3.0.0/28"));
    elsewhere.services.push(service("late", &[("b", "")]));
    assert_eq!(found(&elsewhere, &none), [unknown(Some("late"))]);

    let mut stopping = snapshot();
    stopping.tasks[0].desired = TaskState::Shutdown;
    assert_eq!(found(&stopping, &none), [unknown(None), Note::Stopping { tasks: 1 }]);
    stopping.tasks[0].desired = TaskState::Complete;
    assert_eq!(found(&stopping, &none), [unknown(None)], "a job's task is not stopping");

    let mut unsure = snapshot();
    unsure.services.push(service("late", &[("a", "")]));
    let preparing = task("p", "app", TaskState::Preparing, &[("a", "10.2.0.4")]);
    unsure.tasks.push(Task { node: Some(crate::NodeId::new("n2")), ..preparing });
    let because = FullBecause::ServiceWaits { service: "late".into() };
    assert_eq!(
        found(&unsure, &none),
        [
            Note::Full { because },
            Note::BalancersUnsure { load_balancers: 1 },
            unknown(Some("late")),
            Note::BalancersUnnamed
        ]
    );

    let mut bare = snapshot();
    bare.networks[0].pools.clear();
    assert_eq!(
        found(&bare, &none),
        [Note::NotAllocated { network: NetworkId::new("a"), pools_have_free: None }]
    );
}

#[test]
fn an_ipv6_network_is_told_from_one_that_lacks_its_ipv6_subnet() {
    let words = |ipv6: bool, subnets: &[&str]| {
        let mut snapshot = snapshot();
        let ipv6_subnets = subnets.iter().map(|s| s.parse().expect("a subnet")).collect();
        snapshot.networks[0] = Network { ipv6, ipv6_subnets, ..snapshot.networks[0].clone() };
        let found = found(&snapshot, &counts(&[]));
        found.iter().find(|n| matches!(n, Note::Ipv6 { .. })).map(ToString::to_string)
    };
    assert_eq!(words(false, &[]), None);
    let lacks = words(true, &[]).expect("nodes reject tasks on it");
    assert!(lacks.contains("no IPv6 subnet"), "{lacks}");
    // A file of an older pvcheck has the subnets alone.
    for ipv6 in [true, false] {
        let hands_out = words(ipv6, &["fd00:1::/64", "fd00:2::/64"]).expect("its addresses are not counted");
        assert!(hands_out.contains("addresses of fd00:1::/64 and fd00:2::/64"), "{hands_out}");
    }
}

/// The sentences stay where they were; the kinds stand beside them.
#[test]
fn json_has_sentences_and_kinds() {
    let report = serde_json::to_value(crate::audit(&snapshot())).unwrap();
    let network = &report["networks"][0];
    assert_eq!(
        network["notes"][0],
        "leaked addresses cannot be seen from lists; run `pvcheck census a` to count and name them"
    );
    assert_eq!(
        network["note_kinds"][0],
        serde_json::json!({"kind": "leaks_unknown", "network": "a", "waiting": null})
    );
    assert_eq!(report["allocator_unknown"], "the allocator's own counts were not asked for");
    assert_eq!(report["allocator_unknown_kind"]["kind"], "not_asked");
    assert_eq!(serde_json::from_value::<crate::Audit>(report).unwrap(), crate::audit(&snapshot()));
}

#[test]
fn balancers_are_unsure_only_where_a_full_network_has_some_that_are() {
    let mut full = snapshot();
    full.services.push(service("late", &[("a", "")]));
    let said = found(&full, &counts(&[]));
    assert!(said.iter().any(|n| matches!(n, Note::Full { .. })), "{said:?}");
    assert!(!said.iter().any(|n| matches!(n, Note::BalancersUnsure { .. })), "{said:?}");
    let mut roomy = snapshot();
    let preparing = task("p", "app", TaskState::Preparing, &[("a", "10.2.0.4")]);
    roomy.tasks.push(Task { node: Some(crate::NodeId::new("n2")), ..preparing });
    let said = found(&roomy, &counts(&[]));
    assert!(!said.iter().any(|n| matches!(n, Note::BalancersUnsure { .. })), "{said:?}");
}

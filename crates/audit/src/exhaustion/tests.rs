use super::*;
use crate::seen::{NodeState, Probes, Service, TaskId};
use crate::testing::{NOW, at, counts, dnsrr, network, owned_full, rejected, service, task, world};

/// A /28 `net` (13 usable) with one service and its task, which runs: 3 owned with the load balancer.
fn roomy() -> Snapshot {
    let mut world = world();
    world.networks.push(network("net", "10.2.0.0/28"));
    world.networks.push(network("other", "10.3.0.0/28"));
    world.services.push(service("app", &[("net", "10.2.0.2")]));
    world.tasks.push(task("t1", "app", TaskState::Running, &[("net", "10.2.0.3")]));
    world
}

fn with(change: impl FnOnce(&mut Snapshot)) -> Snapshot {
    let mut world = roomy();
    change(&mut world);
    world
}

fn pool(snapshot: &Snapshot, allocator: &[(&str, u64, u64)], network: &str) -> PoolCounts {
    pool_counts(snapshot, &counts(allocator), &NetworkId::new(network))
}

#[test]
fn each_evidence_that_a_network_is_full() {
    let waits = |world: &mut Snapshot| world.services.push(service("late", &[("net", "")]));
    let lacks = |world: &mut Snapshot| {
        world.services.push(dnsrr("late", &["net"]));
        world.tasks.push(task("t2", "late", TaskState::New, &[("net", "")]));
    };
    let no_balancer = |world: &mut Snapshot| {
        world.services.push(dnsrr("late", &["net"]));
        world.tasks.push(rejected("t2", "late"));
    };
    let service_waits = FullBecause::ServiceWaits { service: "late".into() };
    let id = || TaskId::new("t2");
    for (snapshot, allocator, leaked, expected) in [
        (with(|_| ()), vec![("net", 16, 0)], Some(10), FullBecause::Counted),
        (with(waits), vec![], Some(10), service_waits),
        (with(lacks), vec![], Some(10), FullBecause::TaskWaits { task: id() }),
        (with(no_balancer), vec![], Some(10), FullBecause::BalancerMissing { task: id() }),
    ] {
        let found = pool(&snapshot, &allocator, "net");
        assert_eq!(found.full_because, Some(expected.clone()));
        assert_eq!((found.in_use, found.leaked, found.free), (Some(13), leaked, Some(0)), "{expected:?}");
        let words = expected.to_string();
        assert!(!words.is_empty() && !words.contains('\n'), "{expected:?}");
    }
    let owned = pool(&owned_full(), &[], "full");
    assert_eq!(owned.full_because, Some(FullBecause::Owned));
    assert_eq!((owned.in_use, owned.leaked, owned.free), (Some(5), Some(0), Some(0)));
}

#[test]
fn what_is_no_evidence_leaves_everything_unknown() {
    let on_two = |world: &mut Snapshot| world.services.push(service("late", &[("net", ""), ("other", "")]));
    let just_changed = |world: &mut Snapshot| {
        let updated = Some(at(NOW - 4));
        world.services.push(Service { updated, ..service("late", &[("net", "")]) });
    };
    // Its service waits elsewhere, and a task waits for its service first.
    let service_first = |world: &mut Snapshot| {
        let mut late = service("late", &[("other", "")]);
        late.networks.push(NetworkId::new("net"));
        late.vips.push(crate::Vip {
            network: NetworkId::new("net"),
            address: Some("10.2.0.9".parse().unwrap()),
            ipv6: None,
        });
        world.services.push(late);
        world.tasks.push(task("t2", "late", TaskState::New, &[("other", "10.3.0.9")]));
    };
    let told_to_stop = |world: &mut Snapshot| {
        world.services.push(dnsrr("late", &["net"]));
        let stopping = task("t2", "late", TaskState::New, &[]);
        world.tasks.push(Task { desired: TaskState::Shutdown, ..stopping });
    };
    let replaced = |world: &mut Snapshot| {
        world.services.push(dnsrr("late", &["net"]));
        world.tasks.push(rejected("t2", "late"));
        world.tasks.push(task("t3", "late", TaskState::Running, &[("net", "10.2.0.7")]));
    };
    let one_is_gone = |world: &mut Snapshot| {
        world.services.push(dnsrr("late", &["net", "gone"]));
        world.tasks.push(task("t2", "late", TaskState::New, &[]));
    };
    let down = |world: &mut Snapshot| world.nodes[0].state = NodeState::Down;
    for (case, snapshot) in [
        ("nothing waits", with(|_| ())),
        ("on two networks", with(on_two)),
        ("changed a moment ago", with(just_changed)),
        ("its service first", with(service_first)),
        ("told to stop", with(told_to_stop)),
        ("replaced", with(replaced)),
        ("another network of it is gone", with(one_is_gone)),
        ("a node is down", with(down)),
    ] {
        assert_eq!(pool(&snapshot, &[], "net"), PoolCounts::default(), "{case}");
    }
    assert_eq!(pool(&with(|_| ()), &[], "no such network"), PoolCounts::default());
    let no_subnet = with(|world| {
        world.networks.push(network("bare", ""));
        world.services.push(service("late", &[("bare", "")]));
    });
    assert_eq!(pool(&no_subnet, &[], "bare"), PoolCounts::default(), "no subnet is another fault");
}

/// A probe is younger than the lists, and asked the allocator itself; one that came to nothing leaves what they show.
#[test]
fn a_probe_goes_before_what_the_lists_show() {
    let waits = with(|world| world.services.push(service("late", &[("net", "")])));
    let service_waits = FullBecause::ServiceWaits { service: "late".into() };
    for (snapshot, outcome, expected) in [
        (with(|_| ()), ProbeOutcome::Refused, Some(FullBecause::Probed)),
        (with(|_| ()), ProbeOutcome::Undecided, None),
        (waits.clone(), ProbeOutcome::Given, None),
        (waits, ProbeOutcome::Undecided, Some(service_waits)),
    ] {
        let probes = Probes([(NetworkId::new("net"), outcome)].into());
        let counts = AllocatorCounts::default();
        let waiting = Waiting::probed(&snapshot, &counts, &probes);
        let net = snapshot.overlay("net").expect("a network of the test");
        assert_eq!(waiting.full(net), expected, "{outcome:?}");
        assert_eq!(waiting.has_free(net), outcome == ProbeOutcome::Given);
    }
}

/// The task of a job waits like any other, although its desired state is `complete` from the beginning.
#[test]
fn a_jobs_task_that_lacks_an_address_is_evidence() {
    let job = with(|world| {
        world.services.push(dnsrr("job", &["net"]));
        let waiting = task("t2", "job", TaskState::New, &[]);
        world.tasks.push(Task { desired: TaskState::Complete, ..waiting });
    });
    let expected = FullBecause::TaskWaits { task: TaskId::new("t2") };
    assert_eq!(pool(&job, &[], "net").full_because, Some(expected));
}

#[test]
fn the_allocators_count_goes_before_conclusions() {
    let waits = with(|world| world.services.push(service("late", &[("net", "")])));
    for (in_use, free, leaked, owned_but_free) in
        [(6, 10, Some(0), 0), (10, 6, Some(4), 0), (5, 11, None, 1), (3, 13, None, 3), (0, 16, None, 3)]
    {
        let found = pool(&waits, &[("net", in_use, free)], "net");
        assert_eq!((found.leaked, found.owned_but_free), (leaked, owned_but_free), "{in_use} used");
        assert_eq!((found.free, found.full_because), (Some(free), None));
        assert_eq!(found.in_use, Some(in_use.saturating_sub(3)), "the reserved ones are no addresses in use");
    }
}

#[test]
fn a_load_balancer_that_may_be_missing_makes_the_leaks_unknown() {
    for (state, unsure, leaked) in [
        (TaskState::Running, 0, Some(8)),
        (TaskState::Ready, 0, Some(8)),
        (TaskState::Preparing, 1, None),
        (TaskState::Assigned, 1, None),
    ] {
        let snapshot = with(|world| {
            world.services.push(service("late", &[("net", "")]));
            let second = task("t9", "app", state, &[("net", "10.2.0.9")]);
            world.tasks.push(Task { node: Some(NodeId::new("n2")), ..second });
        });
        let overlay = snapshot.overlay("net").unwrap();
        let owners = crate::owners::owners(&snapshot, overlay);
        assert_eq!(load_balancers_unsure(&snapshot, overlay, &owners), unsure, "{state:?}");
        assert_eq!(pool(&snapshot, &[], "net").leaked, leaked, "{state:?}");
    }
}

#[test]
fn a_node_is_given_less_time_where_the_addresses_cannot_suffice() {
    let (snapshot, counts) = (owned_full(), AllocatorCounts::default());
    let waiting = Waiting::of(&snapshot, &counts);
    let full = snapshot.overlay("full").unwrap();
    assert_eq!(balancer_patience(full, waiting.owners(full)), BALANCER_PATIENCE);
    let mut over = waiting.owners(full).clone();
    over.load_balancers.insert(NodeId::new("n2"));
    assert_eq!(balancer_patience(full, &over), PATIENCE);
}

/// One free address is enough for whoever waits, and only 0 is none.
#[test]
fn a_network_with_one_free_address_is_not_full() {
    let snapshot = with(|_| ());
    for free in [0, 1] {
        let counts = counts(&[("net", 16 - free, free)]);
        let waiting = Waiting::of(&snapshot, &counts);
        let net = snapshot.overlay("net").expect("a network of the test");
        assert_eq!((waiting.full(net).is_some(), waiting.has_free(net)), (free == 0, free == 1));
    }
}

#[test]
fn a_task_that_waits_since_a_moment_ago_is_no_evidence() {
    let since = |second: i64| {
        with(|world| {
            world.services.push(dnsrr("late", &["net"]));
            let waiting = task("t2", "late", TaskState::New, &[("net", "")]);
            world.tasks.push(Task { since: Some(at(second)), ..waiting });
        })
    };
    assert_eq!(pool(&since(NOW - 4), &[], "net"), PoolCounts::default());
    assert_eq!(pool(&since(NOW - 5), &[], "net").free, Some(0));
}

/// A node asks for a load balancer on every network of a task, and its error does not say which of them refused.
#[test]
fn a_task_rejected_on_two_networks_is_evidence_for_neither() {
    let rejected = with(|world| {
        world.services.push(dnsrr("late", &["net", "other"]));
        world.tasks.push(rejected("t2", "late"));
    });
    for network in ["net", "other"] {
        assert_eq!(pool(&rejected, &[], network), PoolCounts::default(), "{network}");
    }
}

#[test]
fn of_two_rejections_in_one_slot_the_later_is_the_evidence() {
    let twice = with(|world| {
        world.services.push(dnsrr("late", &["net"]));
        for (id, second) in [("t2", NOW - 60), ("t3", NOW - 30)] {
            world.tasks.push(Task { since: Some(at(second)), ..rejected(id, "late") });
        }
    });
    let expected = FullBecause::BalancerMissing { task: TaskId::new("t3") };
    assert_eq!(pool(&twice, &[], "net").full_because, Some(expected));
}

/// On `ingress` a node has its load balancer from the moment it joined, whatever its tasks do.
#[test]
fn on_ingress_every_load_balancer_is_sure() {
    let waits = with(|world| {
        world.networks.push(network("ingress", "10.0.0.0/28"));
        let late = service("late", &[("ingress", "")]);
        // A spec names the networks of its tasks; the mesh comes with the published port.
        world.services.push(Service { publishes_ingress: true, networks: Vec::new(), ..late });
    });
    // 13 usable, and two nodes without a task hold one each.
    assert_eq!(pool(&waits, &[], "ingress").leaked, Some(11));
}

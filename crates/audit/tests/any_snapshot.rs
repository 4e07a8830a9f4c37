//! Whatever a snapshot holds, the judgements of it neither panic nor contradict one another.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use pvcheck_audit::{
    AllocatorCounts, AuditedNetwork, EndpointMode, EngineFacts, EngineKind, JobMode, Network, NetworkId,
    Node, NodeAvailability, NodeId, NodeState, Runtime, SavedSnapshot, Service, ServiceId, ServiceMode,
    Snapshot, Task, TaskId, TaskState, UpdateOrder, Verdict, Vip, audit_with, pool_counts, why,
};
use pvcheck_ipam::{AllocatorStatus, Pool, Pressure, Subnet, Thresholds};

/// Few ids, so that things refer to one another, and now and then to nothing.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("ab"), Just("b"), Just("c"), Just("")].prop_map(str::to_owned)
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    (0_u8..4, 0_u8..9).prop_map(|(net, host)| Ipv4Addr::new(10, 0, net, host))
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        9 => (0_i64..100).prop_map(|s| Timestamp::from_second(s).expect("in range")),
        1 => prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX)],
    ]
}

fn state() -> impl Strategy<Value = TaskState> {
    use TaskState::*;
    prop_oneof![
        3 => Just(New),
        3 => Just(Running),
        4 => proptest::sample::select(vec![
            Pending, Assigned, Accepted, Preparing, Ready, Starting, Unknown, Complete, Shutdown, Failed, Rejected,
            Remove, Orphaned,
        ]),
    ]
}

fn pool() -> impl Strategy<Value = Pool> {
    (0_u8..4, 26_u8..=32).prop_map(|(net, prefix)| {
        Pool::new(Subnet::around(Ipv4Addr::new(10, 0, net, 0), prefix).expect("a prefix"))
    })
}

fn network() -> impl Strategy<Value = Network> {
    let scope = prop_oneof![9 => Just("swarm"), 1 => Just("local")];
    let driver = prop_oneof![8 => Just("overlay"), 1 => Just("bridge"), 1 => Just("")];
    (id(), id(), driver, scope, any::<bool>(), vec(pool(), 0..3)).prop_map(
        |(id, name, driver, scope, ingress, pools)| Network {
            id: NetworkId::new(id),
            name,
            driver: driver.into(),
            scope: scope.into(),
            ingress,
            attachable: true,
            internal: false,
            pools,
            ipv6: false,
            ipv6_subnets: Vec::new(),
            created: None,
            bridge: None,
            stack: None,
            run: None,
        },
    )
}

fn service() -> impl Strategy<Value = Service> {
    let mode = prop_oneof![
        Just(ServiceMode::Global),
        Just(ServiceMode::Job(JobMode::Unknown)),
        Just(ServiceMode::Job(JobMode::Global)),
        (0_u64..3, 0_u64..3).prop_map(|(max_concurrent, total)| ServiceMode::Job(JobMode::Replicated {
            max_concurrent,
            total
        })),
        (0_u64..4).prop_map(ServiceMode::Replicated),
        Just(ServiceMode::Replicated(u64::MAX)),
    ];
    let endpoint = prop_oneof![4 => Just(EndpointMode::Vip), 1 => Just(EndpointMode::Dnsrr)];
    let vip = (id(), option::of(address())).prop_map(|(id, address)| Vip {
        network: NetworkId::new(id),
        address,
        ipv6: None,
    });
    let networks = vec(id().prop_map(NetworkId::new), 0..4);
    (
        (id(), id(), mode, endpoint, networks),
        (any::<bool>(), vec(vip, 0..4), option::of(id()), option::of(time()), option::of(time())),
    )
        .prop_map(
            |((id, name, mode, endpoint, networks), (publishes_ingress, vips, stack, created, updated))| {
                Service {
                    id: ServiceId::new(id),
                    name,
                    mode,
                    endpoint,
                    networks,
                    publishes_ingress,
                    vips,
                    stack,
                    run: None,
                    created,
                    updated,
                    update_order: UpdateOrder::StopFirst,
                    update: None,
                    declared: None,
                    iteration: None,
                }
            },
        )
}

fn task() -> impl Strategy<Value = Task> {
    let runtime = prop_oneof![4 => Just(Runtime::Container), 1 => Just(Runtime::Attachment)];
    let error = prop_oneof![
        Just(""),
        Just("node is missing network attachments, ip addresses may be exhausted"),
        Just("no suitable node"),
    ];
    let attachments = vec((id().prop_map(NetworkId::new), vec(address(), 0..3)), 0..3);
    (
        (id(), option::of(id()), option::of(0_u64..3), option::of(id()), runtime),
        (state(), state(), option::of(time()), error, attachments),
    )
        .prop_map(|((id, service, slot, node, runtime), (state, desired, since, error, attachments))| {
            Task {
                id: TaskId::new(id),
                service: service.map(ServiceId::new),
                slot,
                node: node.map(NodeId::new),
                runtime,
                state,
                desired,
                since,
                error: error.to_owned(),
                container: None,
                attachments,
                iteration: None,
            }
        })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let node = (id(), any::<bool>()).prop_map(|(id, down)| Node {
        hostname: id.clone(),
        id: NodeId::new(id),
        manager: true,
        leader: true,
        availability: NodeAvailability::Active,
        state: if down { NodeState::Down } else { NodeState::Ready },
        engine_version: "29.7.2".into(),
    });
    (time(), vec(node, 0..4), vec(network(), 0..5), vec(service(), 0..5), vec(task(), 0..12)).prop_map(
        |(at, nodes, networks, services, tasks)| Snapshot {
            engine: EngineFacts {
                version: "29.7.2".into(),
                api: "1.52".into(),
                at,
                node: NodeId::new("a"),
                cluster: "c".into(),
                default_pools: Vec::new(),
                default_prefix: None,
                kind: EngineKind::Real,
            },
            nodes,
            networks,
            services,
            tasks,
        },
    )
}

fn statuses() -> impl Strategy<Value = AllocatorCounts> {
    let count = prop_oneof![0_u64..20, Just(u64::MAX)];
    let status = (count.clone(), count)
        .prop_map(|(ips_in_use, dynamic_available)| AllocatorStatus { ips_in_use, dynamic_available });
    proptest::collection::btree_map(id().prop_map(NetworkId::new), status, 0..4)
        .prop_map(|networks| AllocatorCounts { networks, unknown: None })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn why_never_panics(seen in snapshot(), statuses in statuses(), asked in id()) {
        if let Ok(found) = why(&seen, &statuses, &asked) {
            prop_assert!(!found.summary.is_empty() && !found.summary.contains('\n'));
            for network in found.network.iter().chain(&found.candidates) {
                if let (Some(leaked), None) = (network.leaked, statuses.of(&network.id)) {
                    prop_assert_eq!(network.free, Some(0), "only where nothing is free: {:?}", network);
                    prop_assert!(leaked + network.owned <= network.usable.max(network.owned));
                }
            }
            match found.verdict {
                Verdict::Running => prop_assert!(found.remedies.is_empty(), "nothing is wrong: {:?}", found),
                Verdict::Network => prop_assert!(found.network.is_none_or(|n| n.usable == 0)),
                Verdict::Address | Verdict::VipPending => {
                    prop_assert_eq!(found.network.is_some(), found.candidates.is_empty(), "{:?}", found.summary);
                }
                // What goes wrong with the service is said, although it does not explain this task.
                Verdict::Unknown => prop_assert!(found.network.is_none()),
                Verdict::NotAddress => prop_assert!(found.network.is_none() && found.findings.iter().all(|f| f.loss().is_none())),
            }
        }
    }

    #[test]
    fn an_audit_never_panics_and_never_invents_a_leak(seen in snapshot(), statuses in statuses()) {
        let report = audit_with(&seen, &statuses, &Thresholds::default());
        let back: pvcheck_audit::Audit = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        prop_assert_eq!(&back, &report);
        for network in &report.networks {
            let held = network.holders.iter().map(pvcheck_audit::Holder::total).sum::<u64>();
            prop_assert!(held <= network.owned.vips + network.owned.tasks, "{:?}", network);
            prop_assert_eq!(network.duplicates.len(), network.duplicate_holders.len());
            if network.subnets.is_empty() {
                prop_assert_eq!(network.pressure, Pressure::Unknown);
            }
            if network.pressure == Pressure::Ok {
                prop_assert!(network.free.is_some(), "ok only where leaks are known");
            }
        }
    }
}

/// `why`, `audit` and the count around a reclaim say the same of each network, wherever each of them gives a number.
fn agree(seen: &Snapshot, counts: &AllocatorCounts) -> Result<usize, String> {
    let report = audit_with(seen, counts, &Thresholds::default());
    let mut compared = 0;
    let mut same = |what: &str, id: &NetworkId, one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) if one != other => Err(format!("{what} of {id}: {one} and {other}")),
        (Some(_), Some(_)) => {
            compared += 1;
            Ok(())
        }
        _ => Ok(()),
    };
    for network in &report.networks {
        let pool = pool_counts(seen, counts, &network.id);
        // The same evidence: here not even one may be silent where the other is not.
        if (pool.in_use, pool.leaked, pool.free) != (network.in_use, network.leaked, network.free) {
            return Err(format!("reclaim counts {pool:?}, the audit {network:?}"));
        }
    }
    let services = seen.services.iter().map(|s| s.id.as_str());
    for subject in services.chain(seen.tasks.iter().map(|t| t.id.as_str())) {
        let Ok(found) = why(seen, counts, subject) else { continue };
        for waited in found.network.iter().chain(&found.candidates) {
            let Some(network) = report.networks.iter().find(|n| n.id == waited.id) else {
                return Err(format!("{} is not in the audit", waited.id));
            };
            // From first principles, and so not by the code that is tested: usable less owned where nothing is free.
            if counts.of(&waited.id).is_none() && waited.leaked.is_some() {
                let left = waited.usable.saturating_sub(waited.owned);
                same("usable less owned", &waited.id, waited.leaked, Some(left))?;
            }
            same("leaked", &waited.id, waited.leaked, network.leaked)?;
            same("free", &waited.id, waited.free, network.free)?;
            same("owned", &waited.id, Some(waited.owned), Some(owned_once(network)))?;
        }
    }
    Ok(compared)
}

/// The owned addresses of an audited network, each counted once.
fn owned_once(network: &AuditedNetwork) -> u64 {
    let named: BTreeSet<Ipv4Addr> = network.owners.iter().map(|o| o.address).collect();
    named.len() as u64 + network.owned.load_balancers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn why_audit_and_reclaim_agree_on_what_is_leaked(seen in snapshot(), statuses in statuses()) {
        // An id names one network: with two of the same there would be two truths.
        let mut seen = seen;
        let mut met = BTreeSet::new();
        seen.networks.retain(|n| met.insert(n.id.clone()));
        for counts in [statuses, AllocatorCounts::default()] {
            if let Err(difference) = agree(&seen, &counts) {
                return Err(TestCaseError::fail(difference));
            }
        }
    }
}

/// The generated snapshots do make each of the three give a number, or the property above says little.
#[test]
fn numbers_are_compared() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut compared = 0;
    for _ in 0..2000 {
        let mut seen = snapshot().new_tree(&mut runner).unwrap().current();
        let mut met = BTreeSet::new();
        seen.networks.retain(|n| met.insert(n.id.clone()));
        compared += agree(&seen, &AllocatorCounts::default()).unwrap();
    }
    assert!(500 < compared, "{compared}");
}

#[test]
fn they_agree_on_the_recorded_snapshots() {
    for text in [
        include_str!("fixtures/stuck-bookworm.json"),
        include_str!("fixtures/stuck-trixie.json"),
        include_str!("fixtures/stuck-sid.json"),
    ] {
        let saved = SavedSnapshot::from_json(text).unwrap();
        let compared = agree(&saved.snapshot, &saved.counts).unwrap();
        assert!(20 < compared, "{compared}");
    }
}

/// The strategy does reach every verdict, or the properties above say little.
#[test]
fn every_verdict_is_met() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut met = BTreeSet::new();
    for _ in 0..6000 {
        let seen = snapshot().new_tree(&mut runner).unwrap().current();
        if let Ok(found) = why(&seen, &AllocatorCounts::default(), "a") {
            met.insert(format!("{:?}", found.verdict));
        }
    }
    assert_eq!(met.len(), 6, "{met:?}");
}

//! Small worlds for the tests of this crate: built by hand, so that each test shows the facts it is about.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use pvcheck_ipam::{AllocatorStatus, Pool, Subnet};

use crate::seen::{
    AllocatorCounts, EndpointMode, EngineFacts, EngineKind, Network, NetworkId, Node, NodeAvailability,
    NodeId, NodeState, Runtime, Service, ServiceId, ServiceMode, Snapshot, Task, TaskId, TaskState,
    UpdateOrder, Vip,
};

/// The engine's clock in every world. What has no time counts as long ago.
pub(crate) const NOW: i64 = 1_000;

/// Nodes `n1` and `n2`, and nothing on them.
pub(crate) fn world() -> Snapshot {
    let node = |id: &str| Node {
        id: NodeId::new(id),
        hostname: format!("host-{id}"),
        manager: id == "n1",
        leader: id == "n1",
        availability: NodeAvailability::Active,
        state: NodeState::Ready,
        engine_version: "29.7.2".into(),
    };
    Snapshot {
        engine: EngineFacts {
            version: "29.7.2".into(),
            api: "1.52".into(),
            at: at(NOW),
            node: NodeId::new("n1"),
            cluster: "c".into(),
            default_pools: Vec::new(),
            default_prefix: None,
            kind: EngineKind::Real,
        },
        nodes: vec![node("n1"), node("n2")],
        networks: Vec::new(),
        services: Vec::new(),
        tasks: Vec::new(),
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

pub(crate) fn address(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

/// An overlay whose id is its name; without a subnet if that is empty.
pub(crate) fn network(name: &str, subnet: &str) -> Network {
    Network {
        id: NetworkId::new(name),
        name: name.to_owned(),
        driver: "overlay".into(),
        scope: "swarm".into(),
        ingress: name == "ingress",
        attachable: true,
        internal: false,
        pools: Subnet::parse(subnet).ok().map(Pool::new).into_iter().collect(),
        ipv6: false,
        ipv6_subnets: Vec::new(),
        created: None,
        bridge: None,
        stack: None,
        run: None,
    }
}

/// A service of one replica whose id is its name, with these virtual addresses; none where the address is empty.
pub(crate) fn service(name: &str, vips: &[(&str, &str)]) -> Service {
    let vip = |(network, address): &(&str, &str)| Vip {
        network: NetworkId::new(*network),
        address: address.parse().ok(),
        ipv6: None,
    };
    Service {
        id: ServiceId::new(name),
        name: name.to_owned(),
        mode: ServiceMode::Replicated(1),
        endpoint: EndpointMode::Vip,
        networks: vips.iter().map(|(network, _)| NetworkId::new(*network)).collect(),
        publishes_ingress: false,
        vips: vips.iter().map(vip).collect(),
        stack: None,
        run: None,
        created: None,
        updated: None,
        update_order: UpdateOrder::StopFirst,
        update: None,
        declared: None,
        iteration: None,
    }
}

/// A service without virtual addresses on these networks.
pub(crate) fn dnsrr(name: &str, networks: &[&str]) -> Service {
    let networks = networks.iter().map(|n| NetworkId::new(*n)).collect();
    Service { endpoint: EndpointMode::Dnsrr, networks, ..service(name, &[]) }
}

/// A task that is meant to run, with these addresses. It has a node from `assigned` on: `n1`.
pub(crate) fn task(id: &str, of: &str, state: TaskState, addresses: &[(&str, &str)]) -> Task {
    let attachment = |(network, address): &(&str, &str)| {
        (NetworkId::new(*network), address.parse().ok().into_iter().collect())
    };
    Task {
        id: TaskId::new(id),
        service: Some(ServiceId::new(of)),
        slot: Some(1),
        node: (TaskState::Assigned <= state).then(|| NodeId::new("n1")),
        runtime: Runtime::Container,
        state,
        desired: TaskState::Running,
        since: None,
        error: String::new(),
        container: None,
        attachments: addresses.iter().map(attachment).collect(),
        iteration: None,
    }
}

/// A task that its node rejected for want of a load balancer.
pub(crate) fn rejected(id: &str, of: &str) -> Task {
    let error = "node is missing network attachments, ip addresses may be exhausted".to_owned();
    Task { error, desired: TaskState::Shutdown, ..task(id, of, TaskState::Rejected, &[]) }
}

/// The allocator's count of these networks: used, the reserved ones among them, and free.
pub(crate) fn counts(of: &[(&str, u64, u64)]) -> AllocatorCounts {
    let count = |(network, ips_in_use, dynamic_available): &(&str, u64, u64)| {
        let (ips_in_use, dynamic_available) = (*ips_in_use, *dynamic_available);
        (NetworkId::new(*network), AllocatorStatus { ips_in_use, dynamic_available })
    };
    AllocatorCounts { networks: of.iter().map(count).collect(), unknown: None }
}

/// A /29 named `full` whose five addresses are owned: a virtual address, three tasks, and a load balancer.
pub(crate) fn owned_full() -> Snapshot {
    let mut world = world();
    world.networks.push(network("full", "10.1.0.0/29"));
    world.services.push(service("filler", &[("full", "10.1.0.2")]));
    for host in 3..=5 {
        let held = format!("10.1.0.{host}");
        world.tasks.push(task(&format!("f{host}"), "filler", TaskState::Running, &[("full", &held)]));
    }
    world
}

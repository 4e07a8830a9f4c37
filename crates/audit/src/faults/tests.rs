use ipnet::Ipv6Net;
use pvcheck_ipam::{Pool, Subnet};

use super::*;
use crate::seen::{AllocatorCounts, HostAddress, Service, TaskState};
use crate::testing::{NOW, at, dnsrr, network, service, task, world};

fn bridge(name: &str, subnet: &str) -> Network {
    Network {
        driver: "bridge".into(),
        scope: "local".into(),
        bridge: Some(format!("br-{name}")),
        ..network(name, subnet)
    }
}

fn with(networks: Vec<Network>) -> Snapshot {
    let mut snapshot = world();
    snapshot.engine.default_pools = vec!["10.0.0.0/8".into()];
    snapshot.engine.default_prefix = Some(24);
    snapshot.networks = networks;
    snapshot
}

fn found(snapshot: &Snapshot, host: Option<&HostFacts>) -> Vec<(&'static str, Vec<String>)> {
    let kind = |f: &Fault| match f.kind {
        FaultKind::IngressMissing { .. } => "ingress",
        FaultKind::Ipv6Refused { .. } => "ipv6",
        FaultKind::NotAllocated { .. } => "not allocated",
        FaultKind::SubnetsOverlap { .. } => "overlap",
        FaultKind::TasksFail { .. } => "fails",
        FaultKind::TooSmall { .. } => "small",
    };
    all(snapshot, host).iter().map(|f| (kind(f), f.networks())).collect()
}

fn all(snapshot: &Snapshot, host: Option<&HostFacts>) -> Vec<Fault> {
    faults(&Waiting::of(snapshot, &AllocatorCounts::default()), host)
}

fn names(networks: &[&str]) -> Vec<String> {
    networks.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn a_healthy_swarm_has_no_fault() {
    let healthy = with(vec![
        network("ingress", "10.0.0.0/24"),
        network("a", "10.0.1.0/24"),
        network("b", "10.0.2.0/29"),
        bridge("c", "172.17.0.0/16"),
    ]);
    assert_eq!(found(&healthy, None), []);
}

#[test]
fn an_overlay_overlaps_overlays_bridges_and_routes_of_the_host() {
    for (one, two, expected) in [
        (network("a", "10.0.1.0/24"), network("b", "10.0.1.0/24"), names(&["a", "b"])),
        (network("a", "10.0.0.0/16"), network("b", "10.0.1.0/24"), names(&["b", "a"])),
        (network("a", "172.17.0.0/24"), bridge("c", "172.17.0.0/16"), names(&["a"])),
        (network("a", "172.17.0.0/16"), bridge("c", "172.17.5.0/24"), names(&["a"])),
    ] {
        let faults = found(&with(vec![one, two]), None);
        assert_eq!(faults, [("overlap", expected)]);
    }
    let bridges = with(vec![bridge("c", "172.17.0.0/16"), bridge("d", "172.17.0.0/16")]);
    assert_eq!(found(&bridges, None), [], "no overlay is part of it");

    let overlay = with(vec![network("a", "192.168.1.0/24")]);
    let address = HostAddress {
        interface: "eth0".into(),
        address: "192.168.1.7".parse().unwrap(),
        prefix: 24,
        peer: None,
    };
    let host = HostFacts { addresses: vec![address], routes: Vec::new() };
    assert_eq!(found(&overlay, Some(&host)), [("overlap", names(&["a"]))]);
    // Facts of another network namespace, which lacks the engine's bridge, say nothing.
    let mut elsewhere = overlay;
    elsewhere.networks.push(bridge("c", "172.17.0.0/16"));
    assert_eq!(found(&elsewhere, Some(&host)), []);
}

#[test]
fn a_network_without_a_subnet_is_a_fault_once_it_had_time_to_get_one() {
    let bare = |age| Network { created: Some(at(NOW - age)), ..network("a", "") };
    assert_eq!(found(&with(vec![bare(4)]), None), []);
    assert_eq!(found(&with(vec![bare(5)]), None), [("not allocated", names(&["a"]))]);
    assert_eq!(found(&with(vec![network("a", "")]), None), [("not allocated", names(&["a"]))]);
    let words = |snapshot: &Snapshot| all(snapshot, None)[0].to_string();
    assert!(words(&with(vec![bare(9)])).contains("the default pools still have free subnets"));
    let mut used_up = with(vec![network("b", "10.0.0.0/24"), bare(9)]);
    used_up.engine.default_pools = vec!["10.0.0.0/24".into()];
    assert!(words(&used_up).contains("the default pools have no free subnet"), "{}", words(&used_up));
}

#[test]
fn an_ipv6_network_is_neither_unallocated_nor_full_nor_too_small() {
    let v6 = |name: &str, v4: &str| Network {
        ipv6: true,
        ipv6_subnets: vec!["fd00::/64".parse::<Ipv6Net>().unwrap()],
        ..network(name, v4)
    };
    let mut snapshot = with(vec![v6("only", "")]);
    assert_eq!(found(&snapshot, None), []);
    let report = crate::audit(&snapshot);
    assert_eq!(report.networks[0].pressure, pvcheck_ipam::Pressure::Unknown);
    assert!(report.networks[0].notes.iter().all(|n| !n.to_string().contains("no subnet")));

    snapshot.services.push(service("app", &[("only", "")]));
    snapshot.services[0].vips[0].ipv6 = "fd00::2".parse().ok();
    assert_eq!(crate::waiting_services(&snapshot), [], "an IPv6 address is one");
    snapshot.tasks.push(task("r", "app", TaskState::Running, &[]));
    assert_eq!(found(&snapshot, None), [], "its task runs");
    let error = "Invalid address fd00::8: It does not belong to any of this network's subnets";
    let rejected = Task { error: error.into(), ..task("t", "app", TaskState::Rejected, &[]) };
    snapshot.tasks.push(rejected);
    assert_eq!(found(&snapshot, None), [("ipv6", names(&["only"]))]);
}

#[test]
fn a_subnet_that_no_task_fits_is_too_small_and_a_range_is_the_limit() {
    for (subnet, small) in
        [("10.0.1.0/29", false), ("10.0.1.0/30", true), ("10.0.1.0/31", true), ("10.0.1.4/32", true)]
    {
        assert_eq!(!found(&with(vec![network("a", subnet)]), None).is_empty(), small, "{subnet}");
    }
    let subnet = |text: &str| Subnet::parse(text).unwrap();
    let pool = Pool {
        subnet: subnet("10.77.5.0/24"),
        range: Some(subnet("10.77.5.128/29")),
        gateway: "10.77.5.128".parse().ok(),
    };
    let ranged = with(vec![Network { pools: vec![pool], ..network("a", "") }]);
    let report = crate::audit(&ranged);
    assert_eq!(report.networks[0].usable, 7, "as the engine hands out 10.77.5.129 to 10.77.5.135");
    assert!(report.networks[0].notes.iter().any(|n| n.to_string().contains("10.77.5.128/29")));
    let gateway = "10.77.5.1".parse().ok();
    for (range, usable, expected) in [("10.77.5.128/31", 2, vec![]), ("10.77.5.128/32", 1, vec!["small"])] {
        let pool = Pool { subnet: subnet("10.77.5.0/24"), range: Some(subnet(range)), gateway };
        let narrow = with(vec![Network { pools: vec![pool], ..network("a", "") }]);
        assert_eq!(narrow.networks[0].usable(), usable);
        let kinds: Vec<_> = found(&narrow, None).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, expected, "a task and its load balancer need two");
    }
}

#[test]
fn only_who_needs_the_mesh_misses_it() {
    let mut snapshot = with(vec![network("a", "10.0.1.0/24")]);
    snapshot.services.push(Service { publishes_ingress: true, ..dnsrr("app", &["a"]) });
    assert_eq!(found(&snapshot, None), [], "dnsrr cannot publish through it");
    snapshot.services[0].endpoint = EndpointMode::Vip;
    assert_eq!(found(&snapshot, None), [("ingress", names(&["ingress"]))]);
    snapshot.tasks.push(task("t", "app", TaskState::New, &[]));
    snapshot.services[0].vips = service("app", &[("a", "10.0.1.2")]).vips;
    snapshot.services[0].networks.clear();
    let why = crate::why(&snapshot, &AllocatorCounts::default(), "app").unwrap();
    assert_eq!(why.verdict, crate::Verdict::Network);
    assert!(why.summary.contains("no ingress network"), "{}", why.summary);
}

#[test]
fn each_finding_is_read_back_as_what_it_was_written() {
    let faults = all(&with(vec![network("a", "10.0.1.0/24"), network("b", "10.0.1.0/24")]), None);
    let written = serde_json::to_value(Finding::Fault(faults[0].clone())).unwrap();
    assert_eq!(written["kind"], "subnets_overlap");
    assert_eq!(written["text"], faults[0].to_string());
    assert_eq!(written["networks"], serde_json::json!(["a", "b"]));
    let read: Finding = serde_json::from_value(written).unwrap();
    assert_eq!(read, Finding::Fault(faults[0].clone()));
    assert_eq!(read.to_string(), faults[0].to_string());
}

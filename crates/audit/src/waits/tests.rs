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

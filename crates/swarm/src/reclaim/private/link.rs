//! A /30 for the link between this host and a private engine.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use pvcheck_audit::{HostFacts, Network, Snapshot};

/// The two hosts of the first /30 that no route, address or overlay uses; `None` if every candidate is in use. The candidates
/// are in 198.18.0.0/15, which RFC 2544 reserves for benchmarks between two devices.
pub(crate) fn free_link(host: &HostFacts, snapshot: &Snapshot) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let mut taken: Vec<IpNet> = host.routes.iter().map(|r| r.destination).collect();
    taken.extend(host.addresses.iter().filter_map(|a| IpNet::new(a.address, a.prefix).ok()));
    let pools = snapshot.networks.iter().flat_map(Network::subnets);
    taken.extend(pools.filter_map(|s| s.to_string().parse::<IpNet>().ok()));
    (0..=u8::MAX).find_map(|n| {
        let link: IpNet = format!("198.18.{n}.0/30").parse().ok()?;
        // A default route contains every candidate, and is not a use of it.
        let free = taken
            .iter()
            .filter(|t| 0 < t.prefix_len())
            .all(|t| !t.contains(&link.network()) && !link.contains(&t.network()));
        free.then_some((Ipv4Addr::new(198, 18, n, 1), Ipv4Addr::new(198, 18, n, 2)))
    })
}

#[cfg(test)]
mod tests {
    use pvcheck_audit::HostAddress;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_link_avoids_what_is_in_use() {
        let snapshot: Snapshot = serde_json::from_value(json!({
            "engine": {"version": "", "api": "", "at": "2026-01-01T00:00:00Z", "node": "n", "cluster": "c", "default_pools": [], "default_prefix": null},
            "nodes": [], "networks": [], "services": [], "tasks": []
        }))
        .unwrap();
        let mut host = HostFacts::default();
        assert_eq!(free_link(&host, &snapshot).unwrap().1, Ipv4Addr::new(198, 18, 0, 2));
        let address = |net: &str| HostAddress {
            interface: "x".into(),
            address: net.parse().unwrap(),
            prefix: 29,
            peer: None,
        };
        host.addresses.push(address("198.18.0.5"));
        assert_eq!(free_link(&host, &snapshot).unwrap().0, Ipv4Addr::new(198, 18, 1, 1));
    }
}

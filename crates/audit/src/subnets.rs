//! Which addresses are taken already, on the asked engine's node and in the Swarm, and which nodes were not seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use pvcheck_ipam::{Index, Reservation, Subnet};

use crate::seen::{HostAddress, HostFacts, HostRoute, Network, Node, RouteKind, Snapshot};

/// Sources of each reserved network, by owner, in the order in which they were met.
type Taken = BTreeMap<(IpNet, String), Vec<String>>;

/// An overlay that shares addresses with something else.
pub(crate) struct Overlapping {
    /// The overlay, by name.
    pub(crate) network: String,
    /// Its subnet.
    pub(crate) subnet: IpNet,
    /// The owner of the other net: an overlay, a bridge, an interface.
    pub(crate) other: String,
    /// What that one has.
    pub(crate) other_net: IpNet,
    /// Where that was seen.
    pub(crate) source: String,
    /// True iff the other one is an overlay, too.
    pub(crate) other_is_overlay: bool,
}

/// Every network and address that an overlay of this Swarm must not overlap, as far as one snapshot shows: overlays,
/// the asked engine's own networks, and its host's addresses and routes of all tables, IPv4 and IPv6.
///
/// A bridge, its address and its route are one reservation with three sources, owned by the network (Docker's default
/// bridge by `docker0`). An address reserves its link's whole network. Default routes reserve nothing, but every next
/// hop does. Left out is what has no meaning beyond one link or one packet: IPv6 link-local and multicast.
///
/// The same facts give the same list, by network and owner.
pub fn reservations(snapshot: &Snapshot, host: Option<&HostFacts>) -> Vec<Reservation> {
    let mut taken = Taken::new();
    for network in &snapshot.networks {
        let source = format!("docker {} network", kind(network));
        for net in nets(network) {
            add(&mut taken, net, owner(network), source.clone());
        }
    }
    // A bridge's address and route are seen twice, here and by the engine: one owner makes them one reservation.
    if let Some(host) = host {
        let bridges = snapshot.networks.iter().filter_map(|n| Some((n.bridge.as_deref()?, owner(n))));
        add_host(&mut taken, host, &bridges.collect());
    }
    let join =
        |((net, owner), sources): (_, Vec<String>)| Reservation { net, owner, source: sources.join(", ") };
    taken.into_iter().map(join).collect()
}

/// Every overlay that shares addresses with another overlay, with a network of the asked engine, or with an address or
/// route of its host: the collisions of [`reservations`] with an overlay on one side.
pub(crate) fn overlaps(snapshot: &Snapshot, host: Option<&HostFacts>) -> Vec<Overlapping> {
    let overlays: BTreeSet<(IpNet, String)> =
        snapshot.overlays().into_iter().flat_map(|n| nets(n).map(|net| (net.trunc(), owner(n)))).collect();
    let is_overlay = |r: &Reservation| overlays.contains(&(r.net, r.owner.clone()));
    let index = Index::new(reservations(snapshot, host));
    let of_overlays = index.collisions().filter_map(|c| match (is_overlay(c.left), is_overlay(c.right)) {
        // Of two equal subnets neither is the narrower one, so the names decide.
        (true, true) if c.left.net == c.right.net && c.right.owner < c.left.owner => {
            Some((c.right, c.left, true))
        }
        (true, other_is_overlay) => Some((c.left, c.right, other_is_overlay)),
        (false, true) => Some((c.right, c.left, false)),
        (false, false) => None,
    });
    of_overlays
        .map(|(own, other, other_is_overlay)| Overlapping {
            network: own.owner.clone(),
            subnet: own.net,
            other: other.owner.clone(),
            other_net: other.net,
            source: other.source.clone(),
            other_is_overlay,
        })
        .collect()
}

/// The network's subnets, IPv4 and IPv6.
fn nets(network: &Network) -> impl Iterator<Item = IpNet> {
    let v6: Vec<IpNet> = network.ipv6_subnets.iter().map(|n| IpNet::V6(*n)).collect();
    network.subnets().into_iter().map(IpNet::from).chain(v6)
}

/// The Swarm's default address pools, out of which the engine picks subnets by itself later.
pub fn default_pools(snapshot: &Snapshot) -> Vec<Subnet> {
    let pools = snapshot.engine.default_pools.iter();
    pools.filter_map(|text| text.parse::<Ipv4Net>().ok()).map(Subnet::canonical).collect()
}

/// Nodes whose own addresses and routes were not read, by host name: all but the asked engine's, and that one too
/// where the host's facts are missing or those of another network namespace.
pub fn not_seen(snapshot: &Snapshot, host: Option<&HostFacts>) -> Vec<String> {
    let seen = host.is_some_and(|host| host.lacks(snapshot).is_empty());
    let unseen = |node: &&Node| !seen || node.id != snapshot.engine.node;
    snapshot.nodes.iter().filter(unseen).map(|node| name(snapshot, node)).collect()
}

/// A node's host name, with its id where another node has the same.
fn name(snapshot: &Snapshot, node: &Node) -> String {
    let same = snapshot.nodes.iter().filter(|n| n.hostname == node.hostname).count();
    match (node.hostname.as_str(), same) {
        ("", _) => node.id.to_string(),
        (name, 1) => name.to_owned(),
        (name, _) => format!("{name} ({})", node.id),
    }
}

fn kind(network: &Network) -> &str {
    if network.is_overlay() { "overlay" } else { &network.driver }
}

/// The default bridge is better known by its interface.
fn owner(network: &Network) -> String {
    let default = network.name == "bridge" && network.bridge.is_some();
    if default { network.bridge.clone().unwrap_or_default() } else { network.name.clone() }
}

fn add_host(taken: &mut Taken, host: &HostFacts, bridges: &HashMap<&str, String>) {
    let owner = |interface: &str| bridges.get(interface).cloned().unwrap_or_else(|| interface.to_owned());
    for address in &host.addresses {
        add_address(taken, address, owner(&address.interface));
    }
    let claims = |r: &&HostRoute| !r.is_default() && !is_own_address(r, host);
    for route in host.routes.iter().filter(claims) {
        add(taken, route.destination, owner_of_route(route, owner), route.to_string());
    }
    // Last: most next hops lie on a link that is reserved already.
    add_next_hops(taken, host, owner);
}

fn add_next_hops(taken: &mut Taken, host: &HostFacts, owner: impl Fn(&str) -> String) {
    // A full routing table has a million routes and a handful of next hops.
    let mut met = BTreeSet::new();
    for route in &host.routes {
        for gateway in route.gateways.iter().filter(|g| met.insert(**g)).map(|g| IpNet::from(*g)) {
            if !taken.keys().any(|(net, _)| net.contains(&gateway)) {
                let of = if route.is_default() {
                    "the default route".into()
                } else {
                    route.destination.to_string()
                };
                add(taken, gateway, owner_of_route(route, &owner), format!("next hop of {of}"));
            }
        }
    }
}

fn add_address(taken: &mut Taken, address: &HostAddress, owner: String) {
    let HostAddress { address: own, prefix, peer, .. } = address;
    // On a point-to-point link the prefix is that of the peer (rtnetlink `IFA_ADDRESS`), so the own address counts
    // apart.
    if peer.is_some() {
        add(taken, IpNet::from(*own), owner.clone(), format!("host address {own}"));
    }
    if let Some(net) = address.network() {
        let source = match peer {
            Some(peer) => format!("peer {peer}/{prefix} of host address {own}"),
            None => format!("host address {own}/{prefix}"),
        };
        add(taken, net, owner, source);
    }
}

/// The kernel keeps a local route for each of its addresses; any other local route is a claim of its own.
fn is_own_address(route: &HostRoute, host: &HostFacts) -> bool {
    let single = IpNet::from(route.destination.addr()) == route.destination;
    route.kind == RouteKind::Local
        && single
        && host.addresses.iter().any(|a| a.address == route.destination.addr())
}

fn owner_of_route(route: &HostRoute, owner: impl Fn(&str) -> String) -> String {
    if route.interfaces.is_empty() {
        return "the host".to_owned();
    }
    route.interfaces.iter().map(|interface| owner(interface)).collect::<Vec<_>>().join(" and ")
}

fn add(taken: &mut Taken, net: IpNet, owner: String, source: String) {
    if reserves_nothing(net.addr()) {
        return;
    }
    let sources = taken.entry((net.trunc(), owner)).or_default();
    if !sources.contains(&source) {
        sources.push(source);
    }
}

fn reserves_nothing(address: IpAddr) -> bool {
    // RFC 4291: link-local addresses mean something on one link only, and multicast ones are no host's.
    address.is_multicast() || matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The host of the incident, as its engine and its kernel would show it, with a VPN in a policy table.
    fn snapshot() -> Snapshot {
        let network = |id: &str, name: &str, driver: &str, subnet: &str, bridge: Value| {
            json!({"id": id, "name": name, "driver": driver, "scope": if driver == "overlay" { "swarm" } else { "local" },
                "ingress": name == "ingress", "attachable": false, "internal": false, "pools": [{"subnet": subnet}],
                "stack": null, "run": null, "bridge": bridge})
        };
        let node = |id: &str, hostname: &str| {
            json!({"id": id, "hostname": hostname, "manager": true, "leader": id == "n1", "availability": "active",
                "state": "ready", "engine_version": "28.5.2"})
        };
        serde_json::from_value(json!({
            "engine": {"version": "28.5.2", "api": "1.51", "at": "2026-01-01T00:00:00Z", "node": "n1", "cluster": "c",
                "default_pools": ["10.0.0.0/8", "no pool"], "default_prefix": 24},
            "nodes": [node("n1", "ci"), node("n2", "worker"), node("n3", "worker"), node("n4", "")],
            "networks": [
                network("o1", "ingress", "overlay", "10.0.0.0/24", Value::Null),
                network("o2", "proxy", "overlay", "10.0.1.0/24", Value::Null),
                network("b1", "bridge", "bridge", "172.17.0.0/16", json!("docker0")),
                network("b2", "docker_gwbridge", "bridge", "172.18.0.0/16", json!("docker_gwbridge")),
                network("b3", "ci_default", "bridge", "172.19.0.0/16", json!("br-0123456789ab")),
            ],
            "services": [], "tasks": [],
        }))
        .unwrap()
    }

    fn host() -> HostFacts {
        let address = |interface: &str, address: &str, prefix: u8, peer: Option<&str>| json!({"interface": interface, "address": address, "prefix": prefix, "peer": peer});
        let route = |to: &str,
                     table: u32,
                     kind: &str,
                     origin: &str,
                     interfaces: &[&str],
                     gateways: &[&str]| {
            json!({"destination": to, "table": table, "kind": kind, "origin": origin, "interfaces": interfaces,
                "gateways": gateways})
        };
        serde_json::from_value(json!({
            "addresses": [
                address("eth0", "91.98.47.73", 32, None),
                address("eth0", "2001:db8::1", 64, None),
                address("eth0", "fe80::1", 64, None),
                address("docker0", "172.17.0.1", 16, None),
                address("docker_gwbridge", "172.18.0.1", 16, None),
                address("br-0123456789ab", "172.19.0.1", 16, None),
                address("tun0", "10.8.0.6", 32, Some("10.8.0.5")),
            ],
            "routes": [
                route("0.0.0.0/0", 254, "forward", "learned", &["eth0"], &["172.31.1.1"]),
                route("0.0.0.0/1", 254, "forward", "static", &["tun0"], &["10.8.0.5"]),
                route("172.17.0.0/16", 254, "forward", "connected", &["docker0"], &[]),
                route("172.18.0.0/16", 254, "forward", "connected", &["docker_gwbridge"], &[]),
                route("172.19.0.0/16", 254, "forward", "connected", &["br-0123456789ab"], &[]),
                route("100.64.0.0/10", 52, "forward", "static", &["tailscale0"], &[]),
                route("10.99.0.0/16", 254, "refuse", "static", &[], &[]),
                route("172.17.0.1/32", 255, "local", "connected", &["docker0"], &[]),
                route("10.77.0.0/16", 255, "local", "static", &["lo"], &[]),
                route("10.78.0.1/32", 255, "local", "static", &["lo"], &[]),
                route("10.55.0.0/16", 254, "forward", "static", &["eth0", "tun0"], &["172.31.1.1", "10.8.0.5"]),
                route("fe80::/64", 254, "forward", "connected", &["eth0"], &[]),
                route("::/0", 254, "forward", "learned", &["eth0"], &["fe80::ff"]),
                route("2000::/3", 254, "forward", "static", &["tun0"], &[]),
                route("2001:db8:5::/48", 254, "forward", "static", &["tun0"], &[]),
                route("ff00::/8", 255, "forward", "connected", &["eth0"], &[]),
            ],
        }))
        .unwrap()
    }

    #[test]
    fn everything_that_is_taken_has_its_owner_and_its_sources() {
        let taken = reservations(&snapshot(), Some(&host()));
        let found: Vec<String> = taken.iter().map(ToString::to_string).collect();
        let expected = [
            "10.0.0.0/24 of ingress (docker overlay network)",
            "10.0.1.0/24 of proxy (docker overlay network)",
            "10.8.0.5/32 of tun0 (peer 10.8.0.5/32 of host address 10.8.0.6)",
            "10.8.0.6/32 of tun0 (host address 10.8.0.6)",
            "10.55.0.0/16 of eth0 and tun0 (static route)",
            "10.77.0.0/16 of lo (local route)",
            "10.78.0.1/32 of lo (local route)",
            "10.99.0.0/16 of the host (refusing route)",
            "91.98.47.73/32 of eth0 (host address 91.98.47.73/32)",
            "100.64.0.0/10 of tailscale0 (static route, table 52)",
            "172.17.0.0/16 of docker0 (docker bridge network, host address 172.17.0.1/16, connected route)",
            "172.18.0.0/16 of docker_gwbridge (docker bridge network, host address 172.18.0.1/16, connected route)",
            "172.19.0.0/16 of ci_default (docker bridge network, host address 172.19.0.1/16, connected route)",
            "172.31.1.1/32 of eth0 (next hop of the default route)",
            "2001:db8::/64 of eth0 (host address 2001:db8::1/64)",
            "2001:db8:5::/48 of tun0 (static route)",
        ];
        assert_eq!(found, expected);
        assert_eq!(Index::new(taken).collisions().count(), 0, "no reservation collides with itself");
    }

    #[test]
    fn without_the_host_only_the_engine_counts() {
        let found = reservations(&snapshot(), None);
        assert_eq!(found.len(), 5);
        assert!(
            found.iter().all(|r| r.source.starts_with("docker ") && !r.source.contains(',')),
            "{found:?}"
        );
    }

    #[test]
    fn nodes_that_were_not_seen() {
        assert_eq!(not_seen(&snapshot(), Some(&host())), ["worker (n2)", "worker (n3)", "n4"]);
        assert_eq!(not_seen(&snapshot(), None)[0], "ci", "its host was not read");
        // Another namespace: the engine's bridge is not in it.
        let mut elsewhere = host();
        elsewhere.addresses.retain(|a| a.interface != "docker_gwbridge");
        assert_eq!(elsewhere.lacks(&snapshot()), ["docker_gwbridge"]);
        assert_eq!(not_seen(&snapshot(), Some(&elsewhere))[0], "ci");
    }

    #[test]
    fn pools_that_can_be_read() {
        assert_eq!(default_pools(&snapshot()), [Subnet::parse("10.0.0.0/8").unwrap()]);
    }

    fn saved() -> crate::SavedSnapshot {
        let counts = crate::AllocatorCounts::none("not asked for");
        crate::SavedSnapshot { snapshot: snapshot(), host: Some(host()), host_unknown: None, counts }
    }

    #[test]
    fn the_facts_replay_from_json() {
        let saved = saved();
        let json = saved.to_json().unwrap();
        assert_eq!(crate::SavedSnapshot::from_json(&json).unwrap(), saved);
        let bare = serde_json::to_string(&snapshot()).unwrap();
        assert_eq!(crate::SavedSnapshot::from_json(&bare).unwrap().host, None);
        let error = crate::SavedSnapshot::from_json("{\n \"engine\": 7}").unwrap_err().to_string();
        assert!(error.starts_with("line 2, column 12: invalid type"), "{error}");
        assert!(error.ends_with("write such a file with `pvcheck audit --save FILE`"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn reading_a_saved_snapshot_never_panics(text in "\\PC*", at in 0_usize..4000) {
            let _ = crate::SavedSnapshot::from_json(&text);
            let saved = saved();
            let json = saved.to_json().unwrap();
            let _ = crate::SavedSnapshot::from_json(json.get(..at).unwrap_or_default());
        }
    }
}

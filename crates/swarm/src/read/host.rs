//! Links, addresses and routes of this process's network namespace, read by netlink. No other file uses netlink.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use ipnet::IpNet;
use pvcheck_audit::{HostAddress, HostFacts, HostRoute, RouteKind, RouteOrigin};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteProtocol, RouteType, RouteVia,
};
use rtnetlink::{Handle, RouteMessageBuilder};
use thiserror::Error;

/// Why a host's facts could not be read.
#[derive(Debug, Error)]
pub enum HostFactsError {
    /// The netlink socket could not be opened.
    #[error("cannot open a netlink socket")]
    Socket(#[source] std::io::Error),
    /// The kernel refused a list.
    #[error("cannot list this host's {what}: {reason}")]
    List {
        /// `interfaces`, `addresses` or `routes`.
        what: &'static str,
        /// The kernel's error.
        reason: String,
    },
    /// The lists were not complete within the deadline.
    #[error("listing this host's addresses and routes took more than {seconds} s")]
    TooLong {
        /// The deadline, in seconds.
        seconds: u64,
    },
}

/// For all lists together. A full Internet routing table takes some seconds.
const DEADLINE: Duration = Duration::from_secs(30);

/// Names of interfaces by their index.
type Names = HashMap<u32, String>;

/// Reads the addresses and routes of this process's network namespace. It only reads, needs no privilege, and takes
/// milliseconds; with a full Internet routing table, seconds.
///
/// # Errors
/// If netlink refuses, or does not answer within 30 s.
pub async fn read_host() -> Result<HostFacts, HostFactsError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(HostFactsError::Socket)?;
    let worker = tokio::spawn(connection);
    let read = tokio::time::timeout(DEADLINE, read_all(&handle)).await;
    worker.abort();
    read.unwrap_or(Err(HostFactsError::TooLong { seconds: DEADLINE.as_secs() }))
}

async fn read_all(handle: &Handle) -> Result<HostFacts, HostFactsError> {
    let links = all("interfaces", handle.link().get().execute()).await?;
    let names: Names = links.iter().filter_map(name).collect();
    let addresses = all("addresses", handle.address().get().execute()).await?;
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
    let mut routes = all("routes", handle.route().get(v4).execute()).await?;
    routes.extend(all("routes", handle.route().get(v6).execute()).await?);
    Ok(HostFacts {
        addresses: addresses.iter().filter_map(|a| address(a, &names)).collect(),
        routes: routes.iter().filter_map(|r| route(r, &names)).collect(),
    })
}

async fn all<T>(
    what: &'static str,
    messages: impl Stream<Item = Result<T, rtnetlink::Error>>,
) -> Result<Vec<T>, HostFactsError> {
    messages.try_collect().await.map_err(|e| HostFactsError::List { what, reason: e.to_string() })
}

fn name(link: &LinkMessage) -> Option<(u32, String)> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some((link.header.index, name.clone())),
        _ => None,
    })
}

/// The interface's name. One that came up after the list was read is named by its index.
fn name_of(index: u32, names: &Names) -> String {
    names.get(&index).cloned().unwrap_or_else(|| format!("interface {index}"))
}

fn address(message: &AddressMessage, names: &Names) -> Option<HostAddress> {
    let (mut local, mut other) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => other = Some(*address),
            _ => {}
        }
    }
    // IPv4 has both, which differ on a point-to-point link only; IPv6 has `Local` only if there is a peer.
    let address = local.or(other)?;
    Some(HostAddress {
        interface: name_of(message.header.index, names),
        address,
        prefix: message.header.prefix_len,
        peer: other.filter(|other| *other != address),
    })
}

/// What the attributes of one route say.
#[derive(Default)]
struct Gathered {
    destination: Option<IpAddr>,
    table: Option<u32>,
    interfaces: Vec<String>,
    gateways: Vec<IpAddr>,
}

/// `None` for a route that claims no addresses: broadcast, multicast, anycast, `throw`, and cached routes.
fn route(message: &RouteMessage, names: &Names) -> Option<HostRoute> {
    let header = &message.header;
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let kind = kind(header.kind)?;
    let mut found = Gathered::default();
    gather(&message.attributes, names, &mut found);
    let nowhere: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let destination = found.destination.unwrap_or(nowhere);
    if kind == RouteKind::Refuse {
        // For IPv6 the kernel names `lo`, which such a packet never leaves by.
        found.interfaces.clear();
    }
    Some(HostRoute {
        destination: IpNet::new(destination, header.destination_prefix_length).ok()?.trunc(),
        // The header's field has 8 bits; a table above 255 is in the attribute only (rtnetlink(7), RTA_TABLE).
        table: found.table.unwrap_or_else(|| header.table.into()),
        kind,
        origin: origin(header.protocol),
        interfaces: found.interfaces,
        gateways: found.gateways,
    })
}

fn gather(attributes: &[RouteAttribute], names: &Names, found: &mut Gathered) {
    for attribute in attributes {
        match attribute {
            RouteAttribute::Destination(address) => found.destination = ip(address),
            RouteAttribute::Gateway(address) => found.gateways.extend(ip(address)),
            RouteAttribute::Via(RouteVia::Inet(address)) => found.gateways.push((*address).into()),
            RouteAttribute::Via(RouteVia::Inet6(address)) => found.gateways.push((*address).into()),
            RouteAttribute::Oif(index) => found.interfaces.push(name_of(*index, names)),
            RouteAttribute::Table(table) => found.table = Some(*table),
            RouteAttribute::MultiPath(hops) => hops.iter().for_each(|hop| gather_hop(hop, names, found)),
            _ => {}
        }
    }
}

fn gather_hop(hop: &RouteNextHop, names: &Names, found: &mut Gathered) {
    found.interfaces.push(name_of(hop.interface_index, names));
    gather(&hop.attributes, names, found);
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}

fn kind(kind: RouteType) -> Option<RouteKind> {
    match kind {
        RouteType::Unicast => Some(RouteKind::Forward),
        RouteType::Local => Some(RouteKind::Local),
        RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit => Some(RouteKind::Refuse),
        _ => None,
    }
}

fn origin(protocol: RouteProtocol) -> RouteOrigin {
    match protocol {
        RouteProtocol::Kernel => RouteOrigin::Connected,
        RouteProtocol::Boot | RouteProtocol::Static | RouteProtocol::Unspec => RouteOrigin::Static,
        _ => RouteOrigin::Learned,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn names() -> Names {
        HashMap::from([(2, "eth0".to_owned()), (3, "tun0".to_owned())])
    }

    fn message(destination: &str, attributes: Vec<RouteAttribute>) -> RouteMessage {
        let net: ipnet::Ipv4Net = destination.parse().unwrap();
        let mut message =
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(net.addr(), net.prefix_len()).build();
        message.attributes.extend(attributes);
        message
    }

    #[test]
    fn a_policy_route_over_two_hops() {
        let hop = |index, gateway: [u8; 4]| {
            let mut hop = RouteNextHop::default();
            hop.interface_index = index;
            hop.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet(gateway.into())));
            hop
        };
        let hops = vec![hop(2, [192, 0, 2, 1]), hop(9, [192, 0, 2, 2])];
        let raw = message("10.8.0.0/13", vec![RouteAttribute::Table(1000), RouteAttribute::MultiPath(hops)]);
        let found = route(&raw, &names()).unwrap();
        assert_eq!((found.destination.to_string().as_str(), found.table), ("10.8.0.0/13", 1000));
        assert_eq!(found.interfaces, ["eth0", "interface 9"]);
        assert_eq!(found.gateways, [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from));
        assert_eq!(found.to_string(), "static route, table 1000");
    }

    #[test]
    fn kinds_and_origins() {
        let with = |kind, protocol| {
            let mut raw = message("10.0.0.0/8", vec![RouteAttribute::Oif(2)]);
            (raw.header.kind, raw.header.protocol) = (kind, protocol);
            route(&raw, &names()).map(|r| (r.to_string(), r.interfaces.len()))
        };
        let some = |text: &str, interfaces| Some((text.to_owned(), interfaces));
        assert_eq!(with(RouteType::Unicast, RouteProtocol::Kernel), some("connected route", 1));
        assert_eq!(with(RouteType::Unicast, RouteProtocol::Boot), some("static route", 1));
        assert_eq!(with(RouteType::Unicast, RouteProtocol::Bird), some("learned route", 1));
        assert_eq!(with(RouteType::BlackHole, RouteProtocol::Static), some("refusing route", 0));
        assert_eq!(with(RouteType::Local, RouteProtocol::Boot), some("local route", 1));
        for nothing in [RouteType::Broadcast, RouteType::Multicast, RouteType::Throw] {
            assert_eq!(with(nothing, RouteProtocol::Kernel), None);
        }
        let mut cached = message("10.0.0.0/8", vec![]);
        cached.header.flags = RouteFlags::Cloned;
        assert_eq!(route(&cached, &names()), None);
    }

    #[test]
    fn a_default_route_has_no_destination() {
        let mut raw = message("10.0.0.0/8", vec![]);
        raw.attributes.clear();
        raw.header.destination_prefix_length = 0;
        assert!(route(&raw, &names()).unwrap().is_default());
        assert!(!route(&message("10.0.0.0/8", vec![]), &names()).unwrap().is_default());
    }

    #[test]
    fn a_peer_is_not_taken_for_the_own_address() {
        let (own, peer) = (IpAddr::from([10, 8, 0, 6]), IpAddr::from([10, 8, 0, 5]));
        let mut raw = AddressMessage::default();
        (raw.header.index, raw.header.prefix_len) = (3, 32);
        raw.attributes = vec![AddressAttribute::Address(peer), AddressAttribute::Local(own)];
        let found = address(&raw, &names()).unwrap();
        assert_eq!((found.address, found.peer, found.interface.as_str()), (own, Some(peer), "tun0"));
        raw.attributes = vec![AddressAttribute::Address(own), AddressAttribute::Local(own)];
        assert_eq!(address(&raw, &names()).unwrap().peer, None);
        raw.attributes.clear();
        assert_eq!(address(&raw, &names()), None);
    }

    /// Compared with another kernel interface: an address is one of this host's iff a socket can be bound to it.
    #[tokio::test]
    async fn what_is_read_can_be_bound() {
        let facts = read_host().await.unwrap();
        for found in facts.addresses.iter().filter(|a| a.address.is_ipv4()) {
            UdpSocket::bind((found.address, 0)).unwrap_or_else(|e| panic!("{found:?}: {e}"));
        }
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let bound = TcpListener::bind((loopback, 0)).is_ok();
        let listed = facts.addresses.iter().any(|a| a.address == loopback && a.interface == "lo");
        // Linux lets 127.0.0.1 be bound as soon as `lo` has it.
        assert_eq!(listed, bound, "{facts:?}");
        assert!(facts.routes.iter().any(|r| r.table == 255 && r.kind == RouteKind::Local), "{facts:?}");
    }
}

//! Addresses and routes of a host, as facts that can be saved and judged again later.
//!
//! They are those of the network namespace that *this process* runs in. The engine's socket may lead into another one
//! (a container's, a lab's): then these facts say nothing about the engine's node. [`HostFacts::lacks`] notices that by
//! the engine's own bridges, and [`crate::not_seen`] then lists the node.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use pvcheck_ipam::Subnet;
use serde::{Deserialize, Serialize};

use super::network::Network;
use super::snapshot::Snapshot;

/// Linux's number of the routing table `main` (`RT_TABLE_MAIN` in `linux/rtnetlink.h`).
const MAIN_TABLE: u32 = 254;

/// What a host has on its own interfaces and in all its routing tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HostFacts {
    /// Every address, by interface in the kernel's order.
    pub addresses: Vec<HostAddress>,
    /// Every route of every table that forwards, refuses or delivers here; default routes too.
    pub routes: Vec<HostRoute>,
}

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HostAddress {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Prefix length of the link's network, or of the peer's where there is one.
    pub prefix: u8,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HostRoute {
    /// Where it leads to.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub destination: IpNet,
    /// The table that it stands in: 254 is `main`, 255 `local`, others are policy tables.
    pub table: u32,
    /// What becomes of a packet.
    pub kind: RouteKind,
    /// Who set it.
    pub origin: RouteOrigin,
    /// Interfaces that packets leave by; none for a route that refuses.
    pub interfaces: Vec<String>,
    /// Next hops; none on a connected network.
    pub gateways: Vec<IpAddr>,
}

/// What becomes of a packet on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// It goes on (`unicast`).
    Forward,
    /// It is for this host (`local`).
    Local,
    /// It is dropped or refused (`blackhole`, `unreachable`, `prohibit`).
    Refuse,
}

/// Who set a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RouteOrigin {
    /// The kernel, for an address: a connected network.
    Connected,
    /// A program that learnt it: DHCP, router advertisements, a routing daemon.
    Learned,
    /// A person or a program at their word.
    Static,
}

impl HostFacts {
    /// The engine's bridges on whose networks this host has no address: names of networks. Any at all means that these
    /// facts are not (or not quite) those of the engine's node.
    ///
    /// An internal network's bridge need not have an address, so those do not count.
    pub fn lacks(&self, snapshot: &Snapshot) -> Vec<String> {
        let here = |subnet: &Subnet| {
            self.addresses.iter().any(|a| matches!(a.address, IpAddr::V4(v4) if subnet.contains(v4)))
        };
        let lacking = |n: &&Network| n.bridge.is_some() && !n.internal && !n.subnets().iter().all(here);
        snapshot.networks.iter().filter(lacking).map(|n| n.name.clone()).collect()
    }
}

impl HostAddress {
    /// The network at the other end: that of the link, or the peer's.
    pub fn network(&self) -> Option<IpNet> {
        Some(IpNet::new(self.peer.unwrap_or(self.address), self.prefix).ok()?.trunc())
    }
}

impl HostRoute {
    /// True for a default route, and for the halves of everything that VPNs set over it (`0.0.0.0/1` and `128.0.0.0/1`
    /// of OpenVPN's `redirect-gateway def1`; `::/3`, `2000::/3` for IPv6): a more specific route wins over them.
    pub fn is_default(&self) -> bool {
        // /1 of IPv4 and /3 of IPv6 are the largest prefixes that VPNs set; no network is that large.
        match self.destination {
            IpNet::V4(net) => net.prefix_len() <= 1,
            IpNet::V6(net) => net.prefix_len() <= 3,
        }
    }
}

/// In words: `connected route`, `static route, table 52`.
impl fmt::Display for HostRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.kind, self.origin) {
            (RouteKind::Refuse, _) => "refusing route",
            (RouteKind::Local, _) => "local route",
            (RouteKind::Forward, RouteOrigin::Connected) => "connected route",
            (RouteKind::Forward, RouteOrigin::Learned) => "learned route",
            (RouteKind::Forward, RouteOrigin::Static) => "static route",
        })?;
        // The kernel keeps local routes in a table of their own.
        if self.table == MAIN_TABLE || self.kind == RouteKind::Local {
            Ok(())
        } else {
            write!(f, ", table {}", self.table)
        }
    }
}

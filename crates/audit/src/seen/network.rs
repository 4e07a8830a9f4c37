//! Networks, of the Swarm and of the asked engine's own node.

use ipnet::Ipv6Net;
use jiff::Timestamp;
use pvcheck_ipam::{AllocatorStatus, Capacity, Pool, Subnet};
use serde::{Deserialize, Serialize};

use super::ids::NetworkId;

/// A network as the asked engine lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// `overlay`, `bridge`, …; empty while Swarm has not allocated it.
    pub driver: String,
    /// `swarm` or `local`.
    pub scope: String,
    /// True for the routing mesh's network.
    pub ingress: bool,
    /// True iff standalone containers may join.
    pub attachable: bool,
    /// True iff it has no route to the outside.
    pub internal: bool,
    /// Its IPv4 pools; none while it is not allocated.
    pub pools: Vec<Pool>,
    /// True iff it was created with `--ipv6`, with an IPv6 subnet or without.
    #[serde(default)]
    pub ipv6: bool,
    /// Its IPv6 subnets. The allocator draws addresses from them as from IPv4 ones.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub ipv6_subnets: Vec<Ipv6Net>,
    /// When it was created, by the Swarm's clocks; `None` in a file of an older pvcheck.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// The bridge interface that it is on the asked engine's host; `None` for other drivers.
    #[serde(default)]
    pub bridge: Option<String>,
    /// The stack that it belongs to.
    pub stack: Option<String>,
    /// The run of pvcheck that created it.
    pub run: Option<String>,
}

impl Network {
    /// True for a network whose addresses Swarm's own allocator gives out, allocated or not.
    pub fn is_overlay(&self) -> bool {
        // Until Swarm has allocated a network its driver is empty.
        self.scope == "swarm" && matches!(self.driver.as_str(), "overlay" | "")
    }

    /// True iff Swarm has given it a subnet, IPv4 or IPv6.
    pub fn is_allocated(&self) -> bool {
        !self.pools.is_empty() || !self.ipv6_subnets.is_empty()
    }

    /// True iff all of its addresses come from IPv4 subnets, so that they can be counted and can run out. With an IPv6
    /// subnet, the allocator takes an address from either, and that subnet is never used up.
    pub fn is_ipv4_only(&self) -> bool {
        !self.pools.is_empty() && self.ipv6_subnets.is_empty()
    }

    /// Its IPv4 subnets; none while it is not allocated.
    pub fn subnets(&self) -> Vec<Subnet> {
        self.pools.iter().map(|p| p.subnet).collect()
    }

    /// What its pools can hand out; `None` while it is not allocated.
    pub fn capacity(&self) -> Option<Capacity> {
        Capacity::new(self.pools.clone()).ok()
    }

    /// Addresses given out by the allocator's own count, without the reserved ones (network, broadcast and gateway of
    /// each subnet), which that count includes.
    pub fn in_use(&self, status: AllocatorStatus) -> u64 {
        status.ips_in_use.saturating_sub(self.capacity().map_or(0, |c| c.reserved()))
    }

    /// Addresses that VIPs, tasks and load balancers can have, over all its pools; 0 while it is not allocated.
    pub fn usable(&self) -> u64 {
        self.capacity().map_or(0, |c| c.usable())
    }
}

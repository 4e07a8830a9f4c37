//! How many addresses a network has, and how close it is to having none.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::ring::{Ring, RingError};
use crate::subnet::{Overlap, Subnet};

/// One IPAM configuration of a network, as `docker network inspect` shows it.
///
/// `--aux-address` is not part of it: the engine does not pass it on to the Swarm's allocator
/// (moby `daemon/cluster/convert/network.go`, `BasicNetworkCreateToGRPC`), so it reserves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pool {
    /// The subnet.
    pub subnet: Subnet,
    /// `--ip-range`: only these addresses are handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Subnet>,
    /// The gateway; unknown means the first address that the pool hands out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
}

/// All address pools of one network. Ingress is not an exception: since 19.03.5 it is an ordinary /24 of the
/// default pool, with 253 usable addresses (swarmkit PR 2890).
///
/// The engine tries several pools in no fixed order and takes the next one only when one is full, so only
/// their sum means something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "Vec<Pool>", into = "Vec<Pool>")]
pub struct Capacity {
    pools: Vec<Pool>,
    /// The pools when fresh, in the same order.
    rings: Vec<Ring>,
}

/// Why a Swarm cannot have allocated a network with these pools.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapacityError {
    /// No pool at all: the network exists but was never allocated (moby issue 48137).
    #[error("the network has no subnet: it was never allocated, so look for an overlap with another network")]
    Unallocated,
    /// Two pools of the network share addresses.
    #[error("subnet {left} {overlap} {right} of the same network: leave one of them out")]
    Overlapping {
        /// The earlier pool.
        left: Subnet,
        /// How it overlaps the other one.
        overlap: Overlap,
        /// The later pool.
        right: Subnet,
    },
    /// Range or gateway do not fit the subnet.
    #[error(transparent)]
    Pool(#[from] RingError),
}

impl Pool {
    /// A pool without a range, with the default gateway.
    pub fn new(subnet: Subnet) -> Self {
        Self { subnet, range: None, gateway: None }
    }

    /// The pool as the allocator would hold it when fresh.
    ///
    /// # Errors
    /// If the range or the gateway does not fit the subnet.
    pub fn ring(&self) -> Result<Ring, RingError> {
        match (self.gateway, self.range) {
            (Some(gateway), range) => Ring::with_gateway(self.subnet, range, gateway),
            (None, Some(range)) => Ring::with_range(self.subnet, range),
            (None, None) => Ok(Ring::new(self.subnet)),
        }
    }
}

impl Capacity {
    /// The pools of one network.
    ///
    /// # Errors
    /// If there is no pool, if two overlap, or if a range or gateway does not fit its subnet.
    pub fn new(pools: Vec<Pool>) -> Result<Self, CapacityError> {
        if pools.is_empty() {
            return Err(CapacityError::Unallocated);
        }
        let rings = pools.iter().map(Pool::ring).collect::<Result<_, _>>()?;
        for (at, pool) in pools.iter().enumerate() {
            for later in &pools[at + 1..] {
                if let Some(overlap) = pool.subnet.overlap(&later.subnet) {
                    return Err(CapacityError::Overlapping {
                        left: pool.subnet,
                        overlap,
                        right: later.subnet,
                    });
                }
            }
        }
        Ok(Self { pools, rings })
    }

    /// A network of one subnet, the usual case.
    pub fn of(subnet: Subnet) -> Self {
        Self { pools: vec![Pool::new(subnet)], rings: vec![Ring::new(subnet)] }
    }

    /// The pools, in the order given.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// Addresses for VIPs, tasks, load balancers and attachments, all pools together.
    pub fn usable(&self) -> u64 {
        self.rings.iter().map(Ring::free).sum()
    }

    /// Network, broadcast and gateway addresses of all pools: what a fresh network shows as `IPsInUse`.
    pub fn reserved(&self) -> u64 {
        self.rings.iter().map(Ring::in_use).sum()
    }

    /// Every usable address, pool by pool, ascending in each.
    pub fn usable_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.rings.iter().flat_map(Ring::free_addresses)
    }

    /// True iff the allocator could hand this address out for this network.
    pub fn is_usable(&self, addr: Ipv4Addr) -> bool {
        self.rings.iter().any(|ring| ring.range().contains(addr) && !ring.is_taken(addr))
    }
}

impl TryFrom<Vec<Pool>> for Capacity {
    type Error = CapacityError;

    fn try_from(pools: Vec<Pool>) -> Result<Self, CapacityError> {
        Self::new(pools)
    }
}

impl From<Capacity> for Vec<Pool> {
    fn from(capacity: Capacity) -> Self {
        capacity.pools
    }
}

/// Addresses of one network that have a known owner, by kind of owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// Virtual addresses of services.
    pub vips: u64,
    /// Tasks of services whose state is at most `running`.
    pub tasks: u64,
    /// Load-balancer endpoints, one for each node with a live task (on ingress one for each node).
    pub load_balancers: u64,
    /// Containers attached by hand.
    pub attachments: u64,
}

impl Usage {
    /// All owned addresses, without the reserved ones.
    pub fn total(&self) -> u64 {
        [self.vips, self.tasks, self.load_balancers, self.attachments]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// How close a network is to exhaustion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Pressure {
    /// The free addresses are not known, and the known owners alone do not reach a threshold.
    Unknown,
    /// Below every threshold.
    Ok,
    /// A threshold for `high` is reached.
    High,
    /// A threshold for `full` is reached: the next allocation fails, or soon will.
    Full,
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::High => "high",
            Self::Full => "full",
        })
    }
}

/// One threshold, reached by whichever of the two comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Threshold {
    /// Used addresses in per cent of the usable ones, 0 to 100.
    pub used_percent: u8,
    /// Free addresses, at most.
    pub free_addrs: u64,
}

impl Threshold {
    fn reached(self, usable: u64, free: u64) -> bool {
        let used = u128::from(usable.saturating_sub(free));
        // 128 bits, because the counts may come from a file and the product must not overflow.
        free <= self.free_addrs || used * 100 >= u128::from(usable) * u128::from(self.used_percent)
    }
}

/// When a network counts as `high` and as `full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Thresholds {
    /// Reached: [`Pressure::High`].
    pub high: Threshold,
    /// Reached: [`Pressure::Full`].
    pub full: Threshold,
}

impl Default for Thresholds {
    /// High from 75 per cent on (as Docker's own ip-util-check warns), or where at most 2 addresses are free,
    /// which is less than a service on a new node takes (VIP, task, load balancer); full where none is free.
    fn default() -> Self {
        Self {
            high: Threshold { used_percent: 75, free_addrs: 2 },
            full: Threshold { used_percent: 100, free_addrs: 0 },
        }
    }
}

impl Thresholds {
    /// Judges a measured number of free addresses.
    pub fn judge(&self, usable: u64, free: u64) -> Pressure {
        if self.full.reached(usable, free) {
            Pressure::Full
        } else if self.high.reached(usable, free) {
            Pressure::High
        } else {
            Pressure::Ok
        }
    }

    /// Judges by the owners alone. They are a lower bound of what is used, because a leak has no owner. So the
    /// result can be `high` or `full`, but never `ok`.
    pub fn judge_owned(&self, usable: u64, owned: u64) -> Pressure {
        match self.judge(usable, usable.saturating_sub(owned)) {
            Pressure::Ok => Pressure::Unknown,
            reached => reached,
        }
    }
}

/// The allocator's own numbers for one network, all subnets summed: `Status.IPAM` of API 1.52 and later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AllocatorStatus {
    /// `IPsInUse`: every taken address, reserved ones included.
    pub ips_in_use: u64,
    /// `DynamicIPsAvailable`: free addresses in the ranges.
    pub dynamic_available: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subnet(text: &str) -> Subnet {
        Subnet::parse(text).unwrap()
    }

    #[test]
    fn several_subnets_ranges_and_gateways() {
        let ranged = Pool { range: Some(subnet("10.1.0.64/26")), ..Pool::new(subnet("10.1.0.0/24")) };
        let named = Pool { gateway: Some(Ipv4Addr::new(10, 1, 0, 1)), ..ranged };
        let usable = |pools: &[Pool]| Capacity::new(pools.to_vec()).unwrap().usable();
        assert_eq!(usable(&[Pool::new(subnet("10.0.0.0/24"))]), 253);
        assert_eq!(usable(&[ranged]), 63, "the gateway comes from the range");
        assert_eq!(usable(&[named]), 64, "the gateway lies outside the range");
        assert_eq!(usable(&[Pool::new(subnet("10.0.0.0/28")), ranged]), 76);
        let two = Capacity::new(vec![Pool::new(subnet("10.0.0.0/28")), ranged]).unwrap();
        assert_eq!((two.reserved(), two.pools()), (6, &[Pool::new(subnet("10.0.0.0/28")), ranged][..]));
        // The last quarter of the subnet holds the broadcast address and then the gateway.
        let tail = Pool { range: Some(subnet("10.1.0.192/26")), ..Pool::new(subnet("10.1.0.0/24")) };
        assert_eq!(usable(&[tail]), 62);
    }

    #[test]
    fn impossible_networks_are_refused() {
        let message = |pools: Vec<Pool>| Capacity::new(pools).unwrap_err().to_string();
        assert!(message(vec![]).contains("never allocated"));
        assert_eq!(
            message(vec![Pool::new(subnet("10.0.0.0/8")), Pool::new(subnet("10.1.0.0/16"))]),
            "subnet 10.0.0.0/8 contains 10.1.0.0/16 of the same network: leave one of them out"
        );
        let json = r#"[{"subnet":"10.0.0.0/24","gateway":"10.0.1.1"}]"#;
        let error = serde_json::from_str::<Capacity>(json).unwrap_err().to_string();
        assert!(error.contains("10.0.1.1 is outside 10.0.0.0/24"), "{error}");
    }

    /// The host of the incident after its fix: 7 endpoints and 5 VIPs on a /16, 15 in use, 65,521 free.
    #[test]
    fn the_proxy_network_of_the_incident() {
        let capacity = Capacity::of(subnet("10.10.0.0/16"));
        let owned = Usage { vips: 5, tasks: 6, load_balancers: 1, attachments: 0 };
        let status = AllocatorStatus { ips_in_use: 15, dynamic_available: 65_521 };
        assert_eq!(status.ips_in_use - capacity.reserved(), owned.total(), "nothing is leaked");
        assert_eq!(capacity.usable() - owned.total(), status.dynamic_available);
        let pressure = Thresholds::default().judge(capacity.usable(), status.dynamic_available);
        assert_eq!(pressure, Pressure::Ok);
    }

    #[test]
    fn owners_alone_never_prove_free_addresses() {
        let thresholds = Thresholds::default();
        let capacity = Capacity::of(subnet("10.0.1.0/24"));
        let of =
            |tasks| thresholds.judge_owned(capacity.usable(), Usage { tasks, ..Usage::default() }.total());
        assert_eq!([of(0), of(189), of(190), of(252), of(253), of(999)], {
            use Pressure::{Full, High, Unknown};
            [Unknown, Unknown, High, High, Full, Full]
        });
    }

    #[test]
    fn thresholds_in_per_cent_and_absolute() {
        let thresholds = Thresholds::default();
        assert_eq!(thresholds.judge(253, 64), Pressure::Ok);
        assert_eq!(thresholds.judge(253, 63), Pressure::High);
        assert_eq!(thresholds.judge(253, 0), Pressure::Full);
        assert_eq!((thresholds.judge(100, 26), thresholds.judge(100, 25)), (Pressure::Ok, Pressure::High));
        assert_eq!(thresholds.judge(5, 3), Pressure::Ok);
        assert_eq!(thresholds.judge(5, 2), Pressure::High);
        assert_eq!(thresholds.judge(0, 0), Pressure::Full);
        let words = [Pressure::Unknown, Pressure::Ok, Pressure::High, Pressure::Full].map(|p| p.to_string());
        assert_eq!(words, ["unknown", "ok", "high", "full"]);
        let early = Thresholds { full: Threshold { used_percent: 100, free_addrs: 20 }, ..thresholds };
        assert_eq!(early.judge(65_533, 20), Pressure::Full);
    }

    #[test]
    fn facts_replay_from_json() {
        let capacity = Capacity::of(subnet("10.0.1.0/24"));
        assert_eq!(serde_json::to_string(&capacity).unwrap(), r#"[{"subnet":"10.0.1.0/24"}]"#);
        let json = r#"{"ips_in_use":15,"dynamic_available":238}"#;
        let status: AllocatorStatus = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&status).unwrap(), json);
    }

    proptest! {
        /// Capacity is what a brute-force allocator can hand out, address for address.
        #[test]
        fn usable_is_what_can_be_handed_out(host in 0_u32..1024, prefix in 22_u8..=32, narrow in 0_u8..=6) {
            let addr = Ipv4Addr::from(0x0A00_0000 | host);
            let subnet = Subnet::around(addr, prefix).unwrap();
            let range = Subnet::around(addr, (prefix + narrow).min(32)).unwrap();
            let pool = Pool { range: Some(range), ..Pool::new(subnet) };
            if let Ok(capacity) = Capacity::new(vec![pool]) {
                let mut ring = pool.ring().unwrap();
                let mut given: Vec<_> = std::iter::from_fn(|| ring.allocate()).collect();
                given.sort_unstable();
                prop_assert_eq!(capacity.usable(), given.len() as u64);
                prop_assert!(given.iter().all(|addr| capacity.is_usable(*addr)));
                prop_assert_eq!(capacity.usable_addresses().collect::<Vec<_>>(), given);
            }
            prop_assert_eq!(Capacity::of(subnet).usable(), subnet.usable());
        }
    }
}

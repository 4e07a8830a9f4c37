//! Which of the networks that a service or task waits on is the one that refuses.

use pvcheck_ipam::Subnet;
use serde::{Deserialize, Serialize};

use crate::exhaustion::balancers_unsure;
use crate::full_because::{FullBecause, full_because_json};
use crate::holders::{Holder, holders};
use crate::owners::OwnerKind;
use crate::seen::{Network, NetworkId};
use crate::waiting::Waiting;

/// A network that a service or task waits on, and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaitedOn {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: NetworkId,
    /// Its IPv4 subnets; empty where Swarm has given it none.
    pub subnets: Vec<Subnet>,
    /// Addresses that VIPs, tasks and load balancers can have; 0 where it has no subnet.
    pub usable: u64,
    /// How many of them have a known owner, each counted once.
    pub owned: u64,
    /// How many are taken and have none. If nothing is free that is `usable` less `owned`; `null` if it is not known that
    /// nothing is free, or who has what.
    pub leaked: Option<u64>,
    /// How many are free; `null` where that is not known.
    pub free: Option<u64>,
    /// What each service holds, largest first.
    pub holders: Vec<Holder>,
    /// Load balancers: one for each node that runs a task there, on `ingress` one for each node.
    pub load_balancers: u64,
    /// Those of them that may have got no address, since no task of their node has started; if there are any, `leaked` may
    /// be `null`.
    pub load_balancers_unsure: u64,
    /// Standalone containers.
    pub attachments: u64,
    /// How it is known that nothing is free; `null` if it is not known, or not so. JSON has the sentence as `full_because`,
    /// the kind as `full_kind`.
    #[serde(flatten, with = "full_because_json")]
    #[cfg_attr(feature = "schema", schemars(with = "full_because_json::Written<'static>"))]
    pub full_because: Option<FullBecause>,
}

impl WaitedOn {
    /// Owned addresses of tasks that are stopping: they come back by themselves.
    pub fn stopping(&self) -> u64 {
        self.holders.iter().map(|h| h.stopping).sum()
    }
}

/// What is known of the networks on which an address is missing.
pub(crate) enum Suspects<'a> {
    /// This one has no subnet.
    NotAllocated(&'a Network),
    /// Nothing is free on this one.
    Full(Box<WaitedOn>),
    /// At least one of these is full, and nothing tells which.
    OneOf(Vec<WaitedOn>),
    /// All of them have free addresses, by the allocator's count or by a probe.
    HaveFree(Vec<WaitedOn>),
}

/// Decides which of these networks is refusing. `on` must not be empty.
pub(crate) fn suspects<'a>(waiting: &Waiting<'_>, on: &[&'a Network]) -> Suspects<'a> {
    // A network without a subnet refuses whatever the others do.
    if let Some(network) = on.iter().find(|n| !n.is_allocated()) {
        return Suspects::NotAllocated(network);
    }
    let full = |network, because| Suspects::Full(Box::new(waited_on(waiting, network, because)));
    if let Some(network) = on.iter().find(|n| waiting.full(n).is_some()) {
        return full(network, None);
    }
    let all = |on: &[&Network]| on.iter().map(|n| waited_on(waiting, n, None)).collect();
    let suspects: Vec<&Network> = on.iter().filter(|n| !waiting.has_free(n)).copied().collect();
    match suspects.as_slice() {
        [] => Suspects::HaveFree(all(on)),
        // It has waited for a while, and there is no other network that it could be waiting for.
        [one] if on.len() == 1 => full(one, Some(FullBecause::AskedWaitsOnlyHere)),
        [one] => full(one, Some(FullBecause::OthersHaveFree)),
        several => Suspects::OneOf(all(several)),
    }
}

/// A network's numbers; `because` says why nothing is free if the snapshot as a whole does not.
pub(crate) fn waited_on(waiting: &Waiting<'_>, network: &Network, because: Option<FullBecause>) -> WaitedOn {
    let owners = waiting.owners(network);
    let pool = waiting.pool_if(network, because);
    WaitedOn {
        name: network.name.clone(),
        id: network.id.clone(),
        subnets: network.subnets(),
        usable: network.usable(),
        owned: owners.total(),
        leaked: pool.leaked,
        free: pool.free,
        holders: holders(&waiting.lookup, owners),
        load_balancers: owners.count(OwnerKind::LoadBalancer),
        load_balancers_unsure: balancers_unsure(&waiting.lookup, network, owners),
        attachments: owners.count(OwnerKind::Attachment),
        full_because: pool.full_because,
    }
}

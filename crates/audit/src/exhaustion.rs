//! Which networks are full, and what is leaked there, as far as a snapshot shows without asking for an address.
//!
//! This is the only place that says how many addresses of a network are leaked without a census: `audit`, `why` and the
//! count before and after a reclaim all take their numbers from [`PoolCounts`].

use std::collections::BTreeSet;

use jiff::SignedDuration;
use pvcheck_ipam::AllocatorStatus;

use crate::deduction::deduced;
use crate::full_because::FullBecause;
use crate::owners::Owners;
use crate::seen::{
    AllocatorCounts, Lookup, Network, NetworkId, NodeId, ProbeOutcome, Snapshot, Task, TaskState,
};
use crate::waiting::{Lack, PATIENCE, Waiting};

/// How long a node waits for its load balancer's address before it rejects the task (moby
/// `waitNodeAttachmentsTimeout`).
const BALANCER_PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// What is known of an overlay's pool without probing it. Not known is `None`, never 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Addresses given out, the reserved ones not among them.
    pub in_use: Option<u64>,
    /// Addresses given out that nothing owns.
    pub leaked: Option<u64>,
    /// Addresses left.
    pub free: Option<u64>,
    /// How it is known that nothing is free; `None` if it is not known, or not so.
    pub full_because: Option<FullBecause>,
    /// Owners that the allocator does not count: it has freed addresses that are still held.
    pub owned_but_free: u64,
}

/// What is known of an overlay's pool: by the allocator's own count if there is one, else by who is waiting.
///
/// All fields are unknown for a network that is no overlay of this snapshot. A service or task created within the last
/// five seconds does not count as waiting yet.
pub fn pool_counts(snapshot: &Snapshot, counts: &AllocatorCounts, network: &NetworkId) -> PoolCounts {
    let waiting = Waiting::of(snapshot, counts);
    let overlay = snapshot.overlays().into_iter().find(|n| n.id == *network);
    overlay.map_or_else(PoolCounts::default, |network| waiting.pool(network))
}

impl Waiting<'_> {
    /// What is known of this overlay's pool.
    pub(crate) fn pool(&self, network: &Network) -> PoolCounts {
        self.pool_if(network, None)
    }

    /// The same; `otherwise` says why nothing is free if the snapshot as a whole does not.
    pub(crate) fn pool_if(&self, network: &Network, otherwise: Option<FullBecause>) -> PoolCounts {
        let owners = self.owners(network);
        let full_because = self.full(network).or(otherwise);
        match (self.status(network), &full_because) {
            // The allocator's own number goes before every conclusion.
            (Some(status), _) => PoolCounts { full_because, ..counted(network, owners, status) },
            (None, Some(_)) => PoolCounts {
                in_use: Some(network.usable()),
                leaked: leaked_when_full(&self.lookup, network, owners),
                free: Some(0),
                full_because,
                owned_but_free: 0,
            },
            (None, None) => PoolCounts::default(),
        }
    }

    /// How it is known that nothing is free on this network; `None` if it is not known, or not so.
    pub(crate) fn full(&self, network: &Network) -> Option<FullBecause> {
        let deduced = || self.deduced.get_or_init(|| deduced(self)).get(&network.id).cloned();
        self.full_by_itself(network).or_else(deduced)
    }

    /// The same, by what is known of this network alone; of an overlay that the snapshot lists.
    pub(crate) fn full_by_itself(&self, network: &Network) -> Option<FullBecause> {
        let all = || {
            let each = self.snapshot.networks.iter().filter(|n| n.is_overlay());
            each.filter_map(|n| Some((&n.id, self.alone_full(n)?))).collect()
        };
        self.full_by_themselves.get_or_init(all).get(&network.id).cloned()
    }

    fn alone_full(&self, network: &Network) -> Option<FullBecause> {
        // Without a subnet there is no pool that could be full; that is another fault, with another remedy.
        if !network.is_allocated() {
            return None;
        }
        if let Some(status) = self.status(network) {
            return (status.dynamic_available == 0).then_some(FullBecause::Counted);
        }
        // The probe is younger than the lists, and it asked the allocator itself.
        match self.probes.of(&network.id) {
            Some(ProbeOutcome::Given) => return None,
            Some(ProbeOutcome::Refused) => return Some(FullBecause::Probed),
            Some(ProbeOutcome::Undecided) | None => {}
        }
        // An IPv6 subnet is never used up.
        if !network.is_ipv4_only() {
            return None;
        }
        if network.usable() <= self.owners(network).total() {
            return Some(FullBecause::Owned);
        }
        // Addresses are given on all networks of a service or on none (cnmallocator `AllocateService`), so only what
        // waits on this network alone says anything about this network.
        if let Some(wait) = self.waits_on(&network.id).find(|w| w.only_here) {
            return Some(FullBecause::ServiceWaits { service: wait.service.clone() });
        }
        if let Some(lack) = self.lacks_on(&network.id).find(|l| self.waits_only_here(l, &network.id)) {
            return Some(FullBecause::TaskWaits { task: lack.task.id.clone() });
        }
        let rejected = self.rejected_on(&network.id).find(|r| r.on.len() == 1);
        rejected.map(|r| FullBecause::BalancerMissing { task: r.task.id.clone() })
    }

    /// The allocator's own count, where it can be compared with owners: they are of IPv4 only.
    fn status(&self, network: &Network) -> Option<AllocatorStatus> {
        self.counts.of(&network.id).filter(|_| network.is_ipv4_only())
    }

    /// True iff the allocator itself counts a free address, or has given one to a probe.
    pub(crate) fn has_free(&self, network: &Network) -> bool {
        // An IPv6 subnet is never used up.
        let ipv6 = !network.ipv6_subnets.is_empty();
        ipv6 || self.status(network).is_some_and(|s| 0 < s.dynamic_available)
            || self.probes.of(&network.id) == Some(ProbeOutcome::Given)
    }

    /// True iff this network is the only possible reason why the task waits. A task waits for its service first
    /// (swarmkit `taskReadyForNetworkVote`), so its service must have its virtual addresses.
    fn waits_only_here(&self, lack: &Lack<'_>, network: &NetworkId) -> bool {
        let service_waits = lack.service.is_some_and(|s| self.waits(&s.name));
        !service_waits && lack.on.len() == 1 && lack.on.iter().all(|n| n.id == *network)
    }
}

fn counted(network: &Network, owners: &Owners, status: AllocatorStatus) -> PoolCounts {
    let in_use = network.in_use(status);
    PoolCounts {
        in_use: Some(in_use),
        // Fewer than the owners: something is freed that is still held, so the difference says nothing of leaks.
        leaked: in_use.checked_sub(owners.total()),
        free: Some(status.dynamic_available),
        full_because: None,
        owned_but_free: owners.total().saturating_sub(in_use),
    }
}

/// What is given out and has no owner, on a network on which nothing is free: usable less owned. `None` while it is not
/// certain which nodes have their load balancer there, unless that makes no difference.
fn leaked_when_full(lookup: &Lookup<'_>, network: &Network, owners: &Owners) -> Option<u64> {
    let unsure = balancers_unsure(lookup, network, owners);
    let most = network.usable().saturating_sub(owners.total().saturating_sub(unsure));
    let least = network.usable().saturating_sub(owners.total());
    (least == most).then_some(least)
}

/// How many of the load balancers counted on this network may have got no address.
///
/// A node without one keeps its tasks from being prepared, so a node with a task that is further has it. On `ingress`
/// nodes get theirs when they join.
pub fn load_balancers_unsure(snapshot: &Snapshot, network: &Network, owners: &Owners) -> u64 {
    balancers_unsure(&snapshot.lookup(), network, owners)
}

/// The same, for one of many networks.
pub(crate) fn balancers_unsure(lookup: &Lookup<'_>, network: &Network, owners: &Owners) -> u64 {
    if network.ingress {
        return 0;
    }
    let prepared = |t: &Task| (TaskState::Ready..=TaskState::Running).contains(&t.state);
    let here = |t: &Task| t.addresses_on(&network.id).next().is_some();
    let tasks = lookup.tasks_on(&network.id).iter().filter(|t| prepared(t) && here(t));
    let sure: BTreeSet<&NodeId> = tasks.filter_map(|t| t.node.as_ref()).collect();
    owners.load_balancers.iter().filter(|node| !sure.contains(node)).count() as u64
}

/// How long a task may be preparing before its node is taken to lack its load balancer: the node's own patience, and less
/// if the addresses cannot suffice for all owners that are counted.
pub(crate) fn balancer_patience(network: &Network, owners: &Owners) -> SignedDuration {
    if network.usable() < owners.total() { PATIENCE } else { BALANCER_PATIENCE }
}

#[cfg(test)]
mod tests;

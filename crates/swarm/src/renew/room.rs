//! Room on the networks that services keep while they are moved.
//!
//! An update starts tasks beside the running ones, and each of them takes an address on *every* network of its service. If
//! one of these has none left, the update frees the service's VIPs although they are in use (L3 in docs/leaks.md).

use std::collections::BTreeMap;

use pvcheck_audit::{NetworkId, owners};
use serde::{Deserialize, Serialize};

use super::blocker::Blocker;
use super::facts::RenewalFacts;
use super::member::Member;
use super::step::batches;
use super::strategy::RenewalStrategy;

/// Room on one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Room {
    /// The network's id.
    pub id: NetworkId,
    /// Its name.
    pub network: String,
    /// Addresses that are needed at once, at most.
    pub needed: u64,
    /// Addresses that are free: neither owned nor leaked if `counted`, else not owned.
    pub free: u64,
    /// True iff leaked addresses are counted. Where they are not, a census counts them before the first step.
    pub counted: bool,
}

impl Room {
    pub(super) fn blocker(&self) -> Option<Blocker> {
        let Self { network, needed, free, counted, .. } = self.clone();
        (free < needed).then_some(Blocker::NoRoom { network, free, counted, needed })
    }
}

/// Room on each network that an update of a member takes addresses of: all of its networks but the one that is renewed,
/// and that one too where services join another beside it.
pub(super) fn rooms(
    facts: &RenewalFacts,
    old: &NetworkId,
    strategy: RenewalStrategy,
    members: &[Member],
) -> Vec<Room> {
    let snapshot = &facts.saved.snapshot;
    let mut needed: BTreeMap<NetworkId, u64> = BTreeMap::new();
    for batch in batches(members) {
        let mut at_once: BTreeMap<NetworkId, u64> = BTreeMap::new();
        for member in members.iter().filter(|m| batch.contains(&m.name)) {
            for target in member.networks.iter().filter_map(|entry| entry["Target"].as_str()) {
                *at_once.entry(NetworkId::new(target)).or_default() += member.surge;
            }
        }
        for (id, tasks) in at_once {
            let most = needed.entry(id).or_default();
            *most = tasks.max(*most);
        }
    }
    let stays = |id: &NetworkId| id != old || strategy == RenewalStrategy::Bridge;
    needed
        .into_iter()
        .filter(|(id, tasks)| stays(id) && 0 < *tasks)
        .filter_map(|(id, tasks)| {
            // One with an IPv6 subnet never runs out.
            let network =
                snapshot.networks.iter().find(|n| n.id == id && n.is_overlay() && n.is_ipv4_only())?;
            let counted = facts.saved.counts.networks.get(&id).map(|status| status.dynamic_available);
            let owned = owners(snapshot, network).total();
            let free = counted.unwrap_or_else(|| network.usable().saturating_sub(owned));
            Some(Room { id, network: network.name.clone(), needed: tasks, free, counted: counted.is_some() })
        })
        .collect()
}

//! Is a network full now? From one look at the Swarm, and a second one a moment later.

use std::collections::BTreeSet;

use pvcheck_audit::{AllocatorCounts, AuditedNetwork, Cause, NetworkId, Snapshot, audit_with, pool_counts};
use pvcheck_ipam::{Pressure, Thresholds};
use serde::Serialize;

use crate::signs::Now;

/// What was seen of networks that have no address left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Full {
    /// The answer.
    pub sign: Now,
    /// Networks on which nothing is free.
    pub networks: Vec<FullNetwork>,
    /// Networks on which something waits for an address, and of which none is known to be the full one.
    pub unclear: Vec<UnclearNetwork>,
    /// Why the Swarm could not be read; `null` if it was.
    pub unknown: Option<String>,
}

/// A network on which nothing is free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FullNetwork {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: NetworkId,
    /// Addresses that it has for VIPs, tasks and load balancers.
    pub usable: u64,
    /// Those with an owner.
    pub owned: u64,
    /// Those given out without one; `null` where that is not known.
    pub leaked: Option<u64>,
    /// How it is known that nothing is free.
    pub because: Option<String>,
    /// Services that wait for an address here.
    pub waits: Vec<String>,
}

/// A network on which something waits, perhaps because of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnclearNetwork {
    /// Its name.
    pub name: String,
    /// Services that wait for an address here.
    pub waits: Vec<String>,
}

impl Full {
    /// What follows from a look.
    pub fn of(snapshot: &Snapshot, counts: &AllocatorCounts) -> Self {
        let audit = audit_with(snapshot, counts, &Thresholds::default());
        // Without a subnet nothing is full; that is another fault, and another remedy.
        let allocated = || audit.networks.iter().filter(|network| !network.subnets.is_empty());
        let is_full = |network: &&AuditedNetwork| network.pressure == Pressure::Full;
        let full = |network| full_network(snapshot, counts, network);
        let networks: Vec<FullNetwork> = allocated().filter(is_full).map(full).collect();
        let explained: BTreeSet<&String> = networks.iter().flat_map(|network| &network.waits).collect();
        let unclear = allocated().filter(|network| !is_full(network)).filter_map(|network| {
            let waits: Vec<String> =
                waits(network).into_iter().filter(|who| !explained.contains(who)).collect();
            (!waits.is_empty()).then(|| UnclearNetwork { name: network.name.clone(), waits })
        });
        Self::new(networks.clone(), unclear.collect())
    }

    /// What could not be looked at.
    pub fn unseen(why: String) -> Self {
        Self { sign: Now::Unknown, networks: Vec::new(), unclear: Vec::new(), unknown: Some(why) }
    }

    /// What is so in this look and was in an earlier one: a service that is given its address a moment later waits for nothing.
    #[must_use]
    pub fn lasting_since(self, earlier: &Self) -> Self {
        // Until two looks agree which network it is that is full, none of them is said to have room.
        let was_full = |name: &str| earlier.networks.iter().any(|old| old.name == name);
        let was_unclear = |name: &str| earlier.unclear.iter().any(|old| old.name == name);
        let old = |name: &str| {
            let full = earlier.networks.iter().filter(|old| old.name == name).flat_map(|old| &old.waits);
            let unclear = earlier.unclear.iter().filter(|old| old.name == name).flat_map(|old| &old.waits);
            full.chain(unclear).cloned().collect::<BTreeSet<String>>()
        };
        let networks = self.networks.into_iter();
        let networks = networks.filter(|network| was_full(&network.name) || was_unclear(&network.name));
        let networks = networks.collect();
        let unclear = self.unclear.into_iter().filter_map(|UnclearNetwork { name, waits }| {
            let before = old(&name);
            let lasts = |who: &String| was_full(&name) || before.contains(who);
            let waits: Vec<String> = waits.into_iter().filter(lasts).collect();
            (!waits.is_empty()).then_some(UnclearNetwork { name, waits })
        });
        Self::new(networks, unclear.collect())
    }

    /// The networks that are full, or may be.
    pub fn names(&self) -> Vec<&str> {
        let unclear = self.unclear.iter().map(|network| network.name.as_str());
        self.networks.iter().map(|network| network.name.as_str()).chain(unclear).collect()
    }

    fn new(networks: Vec<FullNetwork>, unclear: Vec<UnclearNetwork>) -> Self {
        let leaks = networks.iter().any(|network| network.leaked.is_some_and(|leaked| 0 < leaked));
        let is_unclear = !unclear.is_empty() || networks.iter().any(|network| network.leaked.is_none());
        let sign = match (leaks, is_unclear, networks.is_empty()) {
            (true, _, _) => Now::FullOfLeaks,
            (false, true, _) => Now::FullUnclear,
            (false, false, false) => Now::FullOfOwners,
            (false, false, true) => Now::NotFull,
        };
        Self { sign, networks, unclear, unknown: None }
    }
}

fn full_network(snapshot: &Snapshot, counts: &AllocatorCounts, network: &AuditedNetwork) -> FullNetwork {
    // A stack waits on the shared network and on its own, which is minutes old: that the young one cannot have run out is an
    // assumption, told in `because`. Without it no network would be cured in the very shape that leaks, and one that is wrong costs
    // one change of the leader.
    let pool = pool_counts(snapshot, counts, &network.id);
    FullNetwork {
        name: network.name.clone(),
        id: network.id.clone(),
        usable: network.usable,
        owned: network.owned.total(),
        leaked: pool.leaked,
        because: pool.full_because.map(|because| because.to_string()),
        waits: waits(network).into_iter().collect(),
    }
}

/// The services that wait for an address on this network.
fn waits(network: &AuditedNetwork) -> BTreeSet<String> {
    let stuck = network.stuck.iter().filter(|one| !matches!(one.cause, Cause::NetworkNotAllocated { .. }));
    network.missing_vips.iter().cloned().chain(stuck.map(|one| one.service.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str, leaked: Option<u64>, waits: &[&str]) -> FullNetwork {
        let waits = waits.iter().map(|&who| who.to_owned()).collect();
        FullNetwork {
            name: name.into(),
            id: NetworkId::new(name),
            usable: 13,
            owned: 9,
            leaked,
            because: None,
            waits,
        }
    }

    fn unclear(name: &str, waits: &[&str]) -> UnclearNetwork {
        UnclearNetwork { name: name.into(), waits: waits.iter().map(|&who| who.to_owned()).collect() }
    }

    #[test]
    fn a_leak_on_one_of_them_is_what_can_be_cured() {
        let sign =
            |networks: Vec<FullNetwork>, unclear: Vec<UnclearNetwork>| Full::new(networks, unclear).sign;
        assert_eq!(sign(vec![], vec![]), Now::NotFull);
        assert_eq!(sign(vec![network("a", Some(0), &["s"])], vec![]), Now::FullOfOwners);
        assert_eq!(sign(vec![network("a", None, &["s"])], vec![]), Now::FullUnclear);
        assert_eq!(sign(vec![], vec![unclear("b", &["s"])]), Now::FullUnclear);
        let both = vec![network("a", Some(0), &["s"]), network("b", Some(4), &["t"])];
        assert_eq!(sign(both, vec![unclear("c", &["u"])]), Now::FullOfLeaks);
    }

    #[test]
    fn what_is_over_at_the_second_look_was_no_exhaustion() {
        let first = Full::new(vec![network("a", Some(4), &["s"])], vec![unclear("b", &["t", "u"])]);
        let gone = Full::new(vec![], vec![]).lasting_since(&first);
        assert_eq!(gone.sign, Now::NotFull);
        let other = Full::new(vec![network("c", Some(4), &["s"])], vec![unclear("b", &["v"])]);
        assert_eq!(other.lasting_since(&first).sign, Now::NotFull, "another network, another service");
        let same = Full::new(vec![network("a", Some(5), &["s"])], vec![unclear("b", &["u", "v"])]);
        let lasting = same.lasting_since(&first);
        assert_eq!((lasting.networks[0].leaked, lasting.unclear), (Some(5), vec![unclear("b", &["u"])]));
    }

    #[test]
    fn a_network_of_which_two_looks_say_different_things_is_not_said_to_have_room() {
        let full = || Full::new(vec![network("b", Some(4), &["t"])], vec![]);
        let waits = |who| Full::new(vec![], vec![unclear("b", &[who])]);
        assert_eq!(full().lasting_since(&waits("t")).sign, Now::FullOfLeaks);
        assert_eq!(waits("u").lasting_since(&full()).sign, Now::FullUnclear);
    }
}

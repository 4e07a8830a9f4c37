//! From a census, and the owners before and after it, to the addresses that have leaked.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::capacity::Capacity;

/// What a census of one network saw.
///
/// Allocation is serial, so a caller that keeps asking is handed every free address once per turn of the ring. An
/// address that was neither handed out nor owned has leaked. Owners are read before and after, because they change
/// during the census.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CensusFacts {
    /// The pools of the network.
    pub capacity: Capacity,
    /// Addresses that the census was given, so they were free.
    pub handed_out: BTreeSet<Ipv4Addr>,
    /// Addresses that had an owner before the census.
    pub owned_before: BTreeSet<Ipv4Addr>,
    /// Addresses that had an owner after the census.
    pub owned_after: BTreeSet<Ipv4Addr>,
    /// Load-balancer endpoints that exist and that no API names: those of other nodes. They hold
    /// their addresses rightly, but nothing distinguishes those addresses from leaks.
    pub load_balancers_unnamed: u64,
    /// Addresses that had an owner at some moment during the census, though not at its start or end.
    #[serde(default)]
    pub busy: BTreeSet<Ipv4Addr>,
}

/// The result of a census.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeakReport {
    /// Addresses that the network has for use.
    pub usable: u64,
    /// Usable addresses that the census was given.
    pub handed_out: u64,
    /// Usable addresses with an owner before or after, and those that were busy in between.
    pub owned: u64,
    /// Load balancers that the suspects must contain, as given.
    pub load_balancers_unnamed: u64,
    /// Leaked addresses: the suspects without the unnamed load balancers.
    pub leaked: u64,
    /// Usable addresses that were neither handed out nor held. If there are unnamed load
    /// balancers, as many of them are among these, and it is not known which.
    pub suspects: BTreeSet<Ipv4Addr>,
    /// Unnamed load balancers in excess of the suspects. Above 0, a node has no load balancer yet, or the
    /// count was wrong.
    pub load_balancers_missing: u64,
    /// Addresses that the allocator handed out although they had an owner before and after: two services may end up
    /// with one address. A failed service update leaves this behind.
    pub free_and_owned: BTreeSet<Ipv4Addr>,
    /// Addresses in the facts that this network cannot hand out: owners outside the range, or facts of
    /// another network.
    pub foreign: BTreeSet<Ipv4Addr>,
}

impl LeakReport {
    /// True iff `suspects` are exactly the leaked addresses, none of them a load balancer.
    pub fn is_exact(&self) -> bool {
        self.load_balancers_unnamed == 0
    }

    /// The leaked addresses where they are known one by one; `None` where load balancers hide among them.
    pub fn leaked_addresses(&self) -> Option<&BTreeSet<Ipv4Addr>> {
        const NONE: &BTreeSet<Ipv4Addr> = &BTreeSet::new();
        match (self.is_exact(), self.leaked) {
            (true, _) => Some(&self.suspects),
            (false, 0) => Some(NONE),
            (false, _) => None,
        }
    }
}

/// Evaluates a census: leaked = usable − handed out − owned before − owned after − busy, and from the count the
/// load balancers that no API names.
///
/// The facts are not checked: a census that was cut short leaves free addresses among the suspects, so only a
/// complete one may be evaluated.
pub fn reconcile(facts: &CensusFacts) -> LeakReport {
    let capacity = &facts.capacity;
    let usable = |addr: &&Ipv4Addr| capacity.is_usable(**addr);
    let held: BTreeSet<Ipv4Addr> =
        [&facts.owned_before, &facts.owned_after, &facts.busy].into_iter().flatten().copied().collect();
    let unseen = |addr: &Ipv4Addr| !facts.handed_out.contains(addr) && !held.contains(addr);
    let suspects: BTreeSet<_> = capacity.usable_addresses().filter(unseen).collect();
    // An owner that is seen only before or only after may have released or taken its address during the census, which
    // proves nothing. One that is seen both times never let go of it.
    let throughout = facts.owned_before.intersection(&facts.owned_after);
    LeakReport {
        usable: capacity.usable(),
        handed_out: count(facts.handed_out.iter().filter(usable)),
        owned: count(held.iter().filter(usable)),
        load_balancers_unnamed: facts.load_balancers_unnamed,
        // Every unnamed load balancer holds an address that is neither handed out nor owned, so it is one of the
        // suspects; which one, no API says.
        leaked: count(suspects.iter()).saturating_sub(facts.load_balancers_unnamed),
        load_balancers_missing: facts.load_balancers_unnamed.saturating_sub(count(suspects.iter())),
        free_and_owned: throughout.filter(|addr| facts.handed_out.contains(addr)).copied().collect(),
        foreign: facts.handed_out.union(&held).filter(|addr| !usable(addr)).copied().collect(),
        suspects,
    }
}

/// What two censuses of the same network agree on: a leak never goes away by itself, so an address that one
/// of them does not suspect was only on its way from one owner to the next.
///
/// The counts of usable, handed out and owned addresses are those of the second census. The smaller number of load
/// balancers is subtracted, because only those that existed both times can be among the suspects of both.
pub fn confirm(first: &LeakReport, second: &LeakReport) -> LeakReport {
    let suspects: BTreeSet<_> = first.suspects.intersection(&second.suspects).copied().collect();
    let unnamed = first.load_balancers_unnamed.min(second.load_balancers_unnamed);
    LeakReport {
        load_balancers_unnamed: unnamed,
        leaked: count(suspects.iter()).saturating_sub(unnamed),
        load_balancers_missing: unnamed.saturating_sub(count(suspects.iter())),
        free_and_owned: first.free_and_owned.intersection(&second.free_and_owned).copied().collect(),
        foreign: second.foreign.clone(),
        suspects,
        ..*second
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.fold(0, |sum, _| sum + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Ring, Subnet};

    fn net() -> Subnet {
        Subnet::parse("10.0.1.0/28").unwrap()
    }

    fn hosts(hosts: impl IntoIterator<Item = u8>) -> BTreeSet<Ipv4Addr> {
        hosts.into_iter().map(|host| Ipv4Addr::new(10, 0, 1, host)).collect()
    }

    fn facts(handed_out: &[u8], before: &[u8], after: &[u8]) -> CensusFacts {
        CensusFacts {
            capacity: Capacity::of(net()),
            handed_out: hosts(handed_out.iter().copied()),
            owned_before: hosts(before.iter().copied()),
            owned_after: hosts(after.iter().copied()),
            load_balancers_unnamed: 0,
            busy: BTreeSet::new(),
        }
    }

    #[test]
    fn neither_given_nor_owned_is_leaked() {
        let report = reconcile(&facts(&[8, 9, 10, 11, 12, 13, 14], &[2, 3], &[3, 4]));
        assert_eq!(report.suspects, hosts([5, 6, 7]));
        assert_eq!((report.leaked, report.is_exact()), (3, true));
        assert_eq!((report.usable, report.handed_out, report.owned), (13, 7, 3));
        assert_eq!(report.leaked_addresses(), Some(&hosts([5, 6, 7])));
        assert!(report.free_and_owned.is_empty() && report.foreign.is_empty());
    }

    #[test]
    fn unnamed_load_balancers_come_off_the_count_and_blur_the_list() {
        let mut facts = facts(&[8, 9, 10, 11, 12, 13, 14], &[2, 3, 4], &[2, 3, 4]);
        facts.load_balancers_unnamed = 2;
        let report = reconcile(&facts);
        assert_eq!((report.leaked, report.is_exact()), (1, false));
        assert_eq!(report.leaked_addresses(), None);
        assert_eq!(report.suspects.len(), 3);
        facts.load_balancers_unnamed = 5;
        let report = reconcile(&facts);
        assert_eq!((report.leaked, report.load_balancers_missing), (0, 2));
        assert_eq!(report.leaked_addresses(), Some(&BTreeSet::new()), "all suspects are load balancers");
    }

    #[test]
    fn free_and_owned_needs_an_owner_who_held_on() {
        // .2 held throughout and yet handed out; .3 was freed meanwhile, .4 was taken meanwhile.
        let report = reconcile(&facts(&[2, 3, 4, 5], &[2, 3], &[2, 4]));
        assert_eq!(report.free_and_owned, hosts([2]));
    }

    #[test]
    fn busy_and_foreign_addresses_are_no_leaks() {
        let mut facts = facts(&[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 99], &[1], &[1]);
        assert_eq!(reconcile(&facts).suspects, hosts([2]));
        facts.busy = hosts([2]);
        let report = reconcile(&facts);
        assert_eq!(report.leaked, 0);
        assert_eq!(report.foreign, hosts([1, 15, 99]), "gateway, broadcast, another network");
    }

    #[test]
    fn a_second_look_keeps_what_both_suspect() {
        let mut first = facts(&[8, 9, 10, 11, 12, 13, 14], &[2, 3], &[2, 3]);
        first.load_balancers_unnamed = 1;
        let mut second = facts(&[7, 9, 10, 11, 12, 13, 14], &[2, 3], &[2, 3]);
        second.load_balancers_unnamed = 2;
        let both = confirm(&reconcile(&first), &reconcile(&second));
        assert_eq!(both.suspects, hosts([4, 5, 6]));
        assert_eq!((both.leaked, both.load_balancers_unnamed, both.handed_out), (2, 1, 7));
        // Four load balancers stood both times, and only three suspects are left for them.
        first.load_balancers_unnamed = 4;
        second.load_balancers_unnamed = 4;
        let both = confirm(&reconcile(&first), &reconcile(&second));
        assert_eq!((both.leaked, both.load_balancers_missing), (0, 1));
    }

    #[test]
    fn facts_and_reports_replay_from_json() {
        let facts = facts(&[8, 9], &[2], &[2]);
        let json = serde_json::to_string(&facts).unwrap();
        let again: CensusFacts = serde_json::from_str(&json).unwrap();
        assert_eq!(again, facts);
        let report = reconcile(&again);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<LeakReport>(&json).unwrap(), report);
    }

    proptest! {
        /// Known leaks in a ring are found address for address by asking the ring for one turn.
        #[test]
        fn a_turn_of_the_ring_finds_exactly_the_leaks(owned in 0_usize..6, leaked in 0_usize..6, turn in 0_usize..40) {
            let mut ring = Ring::new(net());
            for _ in 0..turn {
                let addr = ring.allocate().unwrap();
                ring.release(addr);
            }
            let owners: BTreeSet<_> = (0..owned).filter_map(|_| ring.allocate()).collect();
            let leaks: BTreeSet<_> = (0..leaked).filter_map(|_| ring.allocate()).collect();
            let handed_out: BTreeSet<_> = std::iter::from_fn(|| ring.allocate()).collect();
            let facts = CensusFacts {
                capacity: Capacity::of(net()),
                handed_out,
                owned_before: owners.clone(),
                owned_after: owners,
                load_balancers_unnamed: 0,
                busy: BTreeSet::new(),
            };
            let report = reconcile(&facts);
            prop_assert_eq!(&report.suspects, &leaks);
            prop_assert_eq!(report.handed_out + report.owned + report.leaked, report.usable);
        }

        /// Whatever the facts, the parts make up the whole and a second census never finds more.
        #[test]
        fn parts_make_up_the_whole(sets in prop::collection::vec(prop::collection::btree_set(0_u8..20, 0..20), 8), lb in 0_u64..5) {
            let report = |at: usize| {
                let set = |i: usize| hosts(sets[at + i].iter().copied());
                reconcile(&CensusFacts {
                    capacity: Capacity::of(net()), handed_out: set(0), owned_before: set(1), owned_after: set(2),
                    busy: set(3), load_balancers_unnamed: lb,
                })
            };
            let (first, second) = (report(0), report(4));
            let suspects = first.suspects.len() as u64;
            prop_assert!(first.handed_out + first.owned + suspects >= first.usable);
            prop_assert!(first.leaked + lb.min(suspects) == suspects);
            let both = confirm(&first, &second);
            prop_assert!(both.leaked <= first.leaked.min(second.leaked));
        }
    }
}

//! Reservations of address space, and where they collide.

use std::cmp::Ordering;
use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::block_index::BlockIndex;
use crate::space::first_free_within;
use crate::subnet::{Overlap, Subnet};

/// A network or address that is taken: an overlay, a bridge, a host's address or route, a VPN range, or one
/// that is kept for later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reservation {
    /// What is taken, IPv4 or IPv6; host bits do not matter.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub net: IpNet,
    /// Who takes it: the name of a network, an interface, a person.
    pub owner: String,
    /// Where that was seen.
    pub source: String,
}

impl Reservation {
    /// Of a network in any form; its host bits are dropped.
    pub fn new(net: impl Into<IpNet>, owner: impl Into<String>, source: impl Into<String>) -> Self {
        Self { net: net.into().trunc(), owner: owner.into(), source: source.into() }
    }
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ({})", self.net, self.owner, self.source)
    }
}

impl From<Subnet> for IpNet {
    fn from(subnet: Subnet) -> Self {
        Self::V4(subnet.net())
    }
}

/// Two reservations of different owners that share addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Collision<'a> {
    /// The narrower one.
    pub left: &'a Reservation,
    /// How it overlaps the other one: `inside` or `equal`.
    pub overlap: Overlap,
    /// The wider one.
    pub right: &'a Reservation,
}

impl fmt::Display for Collision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.overlap, self.right)
    }
}

/// All reservations, ready for questions: one takes O(log n) plus what it answers, and allocates nothing.
///
/// Results do not depend on the order in which the reservations came.
#[derive(Clone, Debug)]
pub struct Index {
    items: Vec<Reservation>,
    v4: BlockIndex<u32>,
    v6: BlockIndex<u128>,
}

impl Index {
    /// Sorts the reservations, O(n log n). Only the first 2^32 - 1 are taken, more than there are addresses.
    pub fn new(mut items: Vec<Reservation>) -> Self {
        items.truncate(usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        let of = |id: u32| usize::try_from(id).ok().and_then(|at| items.get(at));
        let tie = |a: u32, b: u32| -> Ordering {
            let key = |id| of(id).map(|item| (&item.owner, &item.source));
            key(a).cmp(&key(b))
        };
        let numbered = || (0_u32..).zip(&items);
        let v4 = numbered().filter_map(|(id, item)| match item.net {
            IpNet::V4(net) => Some((u32::from(net.network()), u32::from(net.broadcast()), id)),
            IpNet::V6(_) => None,
        });
        let v6 = numbered().filter_map(|(id, item)| match item.net {
            IpNet::V4(_) => None,
            IpNet::V6(net) => Some((u128::from(net.network()), u128::from(net.broadcast()), id)),
        });
        let (v4, v6) = (BlockIndex::new(v4, tie), BlockIndex::new(v6, tie));
        Self { items, v4, v6 }
    }

    /// Number of reservations.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True iff nothing is reserved.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// True iff no reservation shares an address with the subnet. O(log n).
    pub fn is_free(&self, subnet: Subnet) -> bool {
        self.v4.is_free(subnet.first().into(), subnet.last().into())
    }

    /// The lowest subnet of `prefix` bits in `within` without a reserved address; `None` if there is none,
    /// or if `prefix` is above 32 or shorter than that of `within`. O(b log(n / b)) for b such subnets that are
    /// not free, and allocates nothing.
    pub fn first_free(&self, within: Subnet, prefix: u8) -> Option<Subnet> {
        let bits = 32_u32.checked_sub(prefix.into())?;
        first_free_within(within, self.taken(), 1 << bits)
    }

    /// Every reservation that shares addresses with the candidate, and how the candidate overlaps it: first
    /// those around it from the narrowest on, then those equal to it and inside it, by address.
    pub fn conflicts(
        &self,
        candidate: impl Into<IpNet>,
    ) -> impl Iterator<Item = (&Reservation, Overlap)> + '_ {
        let net = candidate.into().trunc();
        let (v4, v6) = match net {
            IpNet::V4(net) => (Some(self.v4.overlapping(net.network().into(), net.broadcast().into())), None),
            IpNet::V6(net) => (None, Some(self.v6.overlapping(net.network().into(), net.broadcast().into()))),
        };
        v4.into_iter().flatten().chain(v6.into_iter().flatten()).filter_map(move |id| {
            let item = self.item(id)?;
            let overlap = match net.prefix_len().cmp(&item.net.prefix_len()) {
                Ordering::Less => Overlap::Contains,
                Ordering::Equal => Overlap::Equal,
                Ordering::Greater => Overlap::Inside,
            };
            Some((item, overlap))
        })
    }

    /// Number of reservations that [`Index::conflicts`] names, without going through those inside.
    pub fn count_conflicts(&self, subnet: Subnet) -> usize {
        self.v4.count_overlapping(subnet.first().into(), subnet.last().into())
    }

    /// Every pair of reservations of different owners that share addresses, by address. O(n) plus what it
    /// answers; a set of n equal reservations answers n²/2 pairs, so take what is needed.
    pub fn collisions(&self) -> impl Iterator<Item = Collision<'_>> + '_ {
        self.v4.pairs().chain(self.v6.pairs()).filter_map(|(left, right)| {
            let (left, right) = (self.item(left)?, self.item(right)?);
            let equal = left.net.prefix_len() == right.net.prefix_len();
            let overlap = if equal { Overlap::Equal } else { Overlap::Inside };
            (left.owner != right.owner).then_some(Collision { left, overlap, right })
        })
    }

    /// Taken IPv4 addresses, ascending and apart, as first and last address.
    pub(crate) fn taken(&self) -> &[(u32, u32)] {
        self.v4.roots()
    }

    fn item(&self, id: u32) -> Option<&Reservation> {
        self.items.get(usize::try_from(id).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn reservation(net: &str, owner: &str) -> Reservation {
        Reservation::new(net.parse::<IpNet>().unwrap(), owner, "test")
    }

    fn nets<'a>(found: impl Iterator<Item = (&'a Reservation, Overlap)>) -> Vec<(String, Overlap)> {
        found.map(|(item, overlap)| (item.net.to_string(), overlap)).collect()
    }

    #[test]
    fn conflicts_come_with_their_kind_from_around_to_inside() {
        let index = Index::new(
            [
                "10.0.0.0/8",
                "10.1.0.0/16",
                "10.1.0.0/16",
                "10.1.2.0/24",
                "10.1.2.7/32",
                "10.2.0.0/16",
                "fd00::/8",
            ]
            .map(|net| reservation(net, net))
            .to_vec(),
        );
        let conflicts = |net: &str| nets(index.conflicts(net.parse::<IpNet>().unwrap()));
        let pair = |net: &str, overlap| (net.to_owned(), overlap);
        assert_eq!(
            conflicts("10.1.0.0/16"),
            [
                pair("10.0.0.0/8", Overlap::Inside),
                pair("10.1.0.0/16", Overlap::Equal),
                pair("10.1.0.0/16", Overlap::Equal),
                pair("10.1.2.0/24", Overlap::Contains),
                pair("10.1.2.7/32", Overlap::Contains),
            ]
        );
        assert_eq!(conflicts("10.1.2.9/32").len(), 4);
        assert_eq!(conflicts("10.3.0.0/16"), [pair("10.0.0.0/8", Overlap::Inside)]);
        assert_eq!(conflicts("fd12::1/128"), [pair("fd00::/8", Overlap::Inside)]);
        assert_eq!(conflicts("11.0.0.0/8"), []);
        assert!(index.is_free(Subnet::parse("192.168.0.0/16").unwrap()));
        assert_eq!((index.len(), index.is_empty()), (7, false));
        let empty = Index::new(vec![]);
        assert_eq!((empty.len(), empty.is_empty()), (0, true));
    }

    #[test]
    fn one_shared_address_at_either_end_is_enough() {
        let ends = |net: &str| {
            !Index::new(vec![reservation(net, "a")]).is_free(Subnet::parse("10.0.0.0/24").unwrap())
        };
        assert!(ends("10.0.0.0/32") && ends("10.0.0.255/32") && ends("10.0.0.0/8"));
        assert!(!ends("9.255.255.255/32") && !ends("10.0.1.0/32"));
    }

    #[test]
    fn collisions_name_both_sides_and_pass_over_one_owner_twice() {
        let index = Index::new(vec![
            reservation("172.17.0.0/16", "docker0"),
            reservation("172.17.0.1/32", "docker0"),
            reservation("172.17.0.0/24", "vpn"),
            reservation("172.17.0.0/24", "lab"),
            reservation("10.0.0.0/24", "ingress"),
        ]);
        let all: Vec<String> = index.collisions().map(|collision| collision.to_string()).collect();
        assert_eq!(
            all,
            [
                "172.17.0.0/24 of lab (test) lies inside 172.17.0.0/16 of docker0 (test)",
                "172.17.0.0/24 of vpn (test) equals 172.17.0.0/24 of lab (test)",
                "172.17.0.0/24 of vpn (test) lies inside 172.17.0.0/16 of docker0 (test)",
                "172.17.0.1/32 of docker0 (test) lies inside 172.17.0.0/24 of vpn (test)",
                "172.17.0.1/32 of docker0 (test) lies inside 172.17.0.0/24 of lab (test)",
            ]
        );
    }

    /// Small blocks at the two ends of the address space, so that overlaps and overflows occur.
    fn any_net() -> impl Strategy<Value = Subnet> {
        (any::<bool>(), 0_u32..64, prop_oneof![24_u8..=32, 30_u8..=32]).prop_map(|(top, low, prefix)| {
            let base = if top { u32::MAX - 63 } else { 0 };
            Subnet::around(Ipv4Addr::from(base + low), prefix).unwrap()
        })
    }

    fn index(nets: &[Subnet]) -> Index {
        let item = |(at, net): (usize, &Subnet)| Reservation::new(*net, format!("owner{}", at % 5), "test");
        Index::new(nets.iter().enumerate().map(item).collect())
    }

    proptest! {
        #[test]
        fn conflicts_agree_with_a_straight_scan(held in prop::collection::vec(any_net(), 0..30), asked in any_net()) {
            let index = index(&held);
            let mut found = nets(index.conflicts(asked));
            prop_assert_eq!(index.count_conflicts(asked), found.len());
            let mut expected: Vec<_> = held
                .iter()
                .filter_map(|net| Some((net.to_string(), asked.overlap(net)?)))
                .collect();
            found.sort();
            expected.sort();
            prop_assert_eq!(index.is_free(asked), expected.is_empty());
            prop_assert_eq!(found, expected);
        }

        /// Every block of the size is tried, from the lowest on.
        #[test]
        fn first_free_agrees_with_every_block_in_turn(
            held in prop::collection::vec(any_net(), 0..30), within in any_net(), prefix in 24_u8..=34,
        ) {
            let index = index(&held);
            let blocks = within.net().subnets(prefix).into_iter().flatten().map(Subnet::canonical);
            let expected = blocks.into_iter().find(|block| held.iter().all(|net| net.overlap(block).is_none()));
            prop_assert_eq!(index.first_free(within, prefix), expected);
        }

        #[test]
        fn collisions_agree_with_all_pairs(held in prop::collection::vec(any_net(), 0..20)) {
            let index = index(&held);
            let expected = (0..held.len())
                .flat_map(|a| (0..a).map(move |b| (a, b)))
                .filter(|(a, b)| a % 5 != b % 5 && held[*a].overlap(&held[*b]).is_some())
                .count();
            prop_assert_eq!(index.collisions().count(), expected);
            for Collision { left, overlap, right } in index.collisions() {
                prop_assert!(right.net.contains(&left.net) && left.owner != right.owner);
                prop_assert_eq!(overlap == Overlap::Equal, left.net == right.net);
            }
        }

        #[test]
        fn the_order_of_the_input_does_not_matter(held in prop::collection::vec(any_net(), 0..20), asked in any_net()) {
            let items: Vec<_> =
                held.iter().enumerate().map(|(at, net)| Reservation::new(*net, format!("o{at}"), "t")).collect();
            let reversed: Vec<_> = items.iter().rev().cloned().collect();
            let (a, b) = (Index::new(items), Index::new(reversed));
            prop_assert!(a.conflicts(asked).eq(b.conflicts(asked)));
            prop_assert!(a.collisions().eq(b.collisions()));
        }
    }
}

//! Free blocks of addresses.

use std::cmp::Reverse;
use std::net::Ipv4Addr;

use crate::subnet::Subnet;

/// Addresses in which a plan may look, as ranges that are ascending, apart and not adjacent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    ranges: Vec<(u64, u64)>,
}

/// First and last address.
// u64, so that the address after 255.255.255.255 is a number like any other.
fn bounds(subnet: Subnet) -> (u64, u64) {
    (u32::from(subnet.first()).into(), u32::from(subnet.last()).into())
}

fn subnet_at(first: u64, size: u64) -> Option<Subnet> {
    let prefix = 32_u32.checked_sub(size.trailing_zeros())?;
    Subnet::around(Ipv4Addr::from(u32::try_from(first).ok()?), u8::try_from(prefix).ok()?)
}

impl Space {
    /// The allowed subnets without the denied ones.
    pub(crate) fn new(allow: &[Subnet], deny: &[Subnet]) -> Self {
        let denied = union(deny);
        let ranges = union(allow).into_iter().flat_map(|range| gaps(range, &denied).collect::<Vec<_>>());
        Self { ranges: ranges.collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// True iff a subnet lies in here as a whole.
    pub(crate) fn holds(&self, subnet: Subnet) -> bool {
        let (first, last) = bounds(subnet);
        let at = self.ranges.partition_point(|range| range.1 < last);
        self.ranges.get(at).is_some_and(|range| range.0 <= first)
    }

    /// All aligned blocks of `size` addresses in here, ascending, up to and without `end`.
    pub(crate) fn blocks_before(&self, size: u64, end: Subnet) -> impl Iterator<Item = Subnet> + '_ {
        let end = bounds(end).0;
        self.aligned(size)
            .flat_map(move |(first, count)| {
                (0..count).map(move |at| first + at * size).take_while(move |first| *first < end)
            })
            .filter_map(move |first| subnet_at(first, size))
    }

    /// First aligned block of each range, and how many follow one another from there.
    fn aligned(&self, size: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().filter_map(move |(first, last)| {
            let start = first.next_multiple_of(size);
            let count = (last + 1).checked_sub(start)? / size;
            Some((start, count))
        })
    }

    /// The lowest free aligned block of `size` addresses. `taken` is ascending and apart. As [`first_gap`], for
    /// each range.
    pub(crate) fn first_free(&self, taken: &[(u32, u32)], size: u64) -> Option<Subnet> {
        self.ranges.iter().find_map(|range| first_gap(*range, taken, size))
    }

    /// The lowest block of `size` addresses in the smallest free block that holds it, so that the
    /// large ones stay whole. O(n), without allocation.
    pub(crate) fn best_free(&self, taken: &[(u32, u32)], size: u64) -> Option<Subnet> {
        let (_, first) = self
            .free_ranges(taken)
            .flat_map(|(first, last)| whole_blocks(first, last))
            .filter(|(_, block)| *block >= size)
            .map(|(first, block)| (block, first))
            .min()?;
        subnet_at(first, size)
    }

    /// The largest free block, the lowest of several.
    pub(crate) fn largest_free(&self, taken: &[(u32, u32)]) -> Option<Subnet> {
        let blocks = self.free_ranges(taken).flat_map(|(first, last)| whole_blocks(first, last));
        let (first, size) = blocks.min_by_key(|(first, size)| (Reverse(*size), *first))?;
        subnet_at(first, size)
    }

    /// What is allowed and not taken.
    fn free_ranges<'a>(&'a self, taken: &'a [(u32, u32)]) -> impl Iterator<Item = (u64, u64)> + 'a {
        self.ranges.iter().flat_map(move |range| gaps(*range, taken))
    }
}

/// The lowest free aligned block of `size` addresses in a subnet. `taken` is ascending and apart.
pub(crate) fn first_free_within(within: Subnet, taken: &[(u32, u32)], size: u64) -> Option<Subnet> {
    first_gap(bounds(within), taken, size)
}

/// The lowest aligned block of `size` addresses of a range that nothing taken touches.
///
/// Looks at one taken range for each block that is not free and leaps over the others, O(b log(n / b)) for b
/// such blocks among n, without allocation.
fn first_gap((first, last): (u64, u64), taken: &[(u32, u32)], size: u64) -> Option<Subnet> {
    let mut rest = taken;
    let mut start = first.next_multiple_of(size);
    while start + size <= last + 1 {
        rest = leap(rest, start);
        match rest.first() {
            Some((begin, end)) if u64::from(*begin) < start + size => {
                start = (u64::from(*end) + 1).next_multiple_of(size);
            }
            _ => return subnet_at(start, size),
        }
    }
    None
}

/// `taken` without the ranges that end before an address. The steps double until they are too wide, so that
/// near positions cost little and far ones no more than a binary search.
fn leap(taken: &[(u32, u32)], addr: u64) -> &[(u32, u32)] {
    let before = |range: &(u32, u32)| u64::from(range.1) < addr;
    let mut width = 1;
    while taken.get(width).is_some_and(before) {
        width *= 2;
    }
    let near = &taken[..width.min(taken.len())];
    &taken[near.partition_point(before)..]
}

/// Subnets as ranges that are ascending, apart and not adjacent.
fn union(subnets: &[Subnet]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<_> = subnets.iter().map(|subnet| bounds(*subnet)).collect();
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let joins = next.0 <= kept.1 + 1;
        if joins {
            kept.1 = kept.1.max(next.1);
        }
        joins
    });
    ranges
}

/// The parts of a range that no taken range covers. `taken` is ascending and apart.
fn gaps<T: Copy + Into<u64>>(
    (first, last): (u64, u64),
    taken: &[(T, T)],
) -> impl Iterator<Item = (u64, u64)> + '_ {
    let start = taken.partition_point(|range| range.1.into() < first);
    let mut rest = taken[start..].iter();
    let mut next = first;
    std::iter::from_fn(move || {
        while next <= last {
            let from = next;
            let range =
                rest.next().map(|range| (range.0.into(), range.1.into())).filter(|range| range.0 <= last);
            let Some((begin, end)) = range else {
                next = last + 1;
                return Some((from, last));
            };
            next = end + 1;
            if begin > from {
                return Some((from, begin - 1));
            }
        }
        None
    })
}

/// A range as the fewest aligned blocks, ascending, as first address and size.
fn whole_blocks(first: u64, last: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut next = first;
    std::iter::from_fn(move || {
        let room = (last + 1).checked_sub(next).filter(|room| *room > 0)?;
        let largest = 1 << room.ilog2();
        let aligned = if next == 0 { largest } else { 1 << next.trailing_zeros() };
        let size = largest.min(aligned);
        next += size;
        Some((next - size, size))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn any_net() -> impl Strategy<Value = Subnet> {
        (any::<bool>(), 0_u32..128, 25_u8..=32).prop_map(|(top, low, prefix)| {
            let base = if top { u32::MAX - 127 } else { 0 };
            Subnet::around(Ipv4Addr::from(base + low), prefix).unwrap()
        })
    }

    fn addresses(subnets: &[Subnet]) -> BTreeSet<u64> {
        subnets.iter().flat_map(|subnet| bounds(*subnet).0..=bounds(*subnet).1).collect()
    }

    fn taken(subnets: &[Subnet]) -> Vec<(u32, u32)> {
        let narrow = |(a, b): (u64, u64)| (u32::try_from(a).unwrap(), u32::try_from(b).unwrap());
        union(subnets).into_iter().map(narrow).collect()
    }

    /// Every aligned block of a size that lies in a set of addresses.
    fn blocks(free: &BTreeSet<u64>, size: u64) -> Vec<u64> {
        let starts = free.iter().filter(|first| *first % size == 0);
        starts.filter(|first| (**first..**first + size).all(|addr| free.contains(&addr))).copied().collect()
    }

    #[test]
    fn the_whole_address_space_is_no_special_case() {
        let all = Subnet::parse("0.0.0.0/0").unwrap();
        let space = Space::new(&[all], &[]);
        assert_eq!(space.first_free(&[], 1 << 32), Some(all));
        assert_eq!(space.largest_free(&[]), Some(all));
        let low = [(0, u32::MAX - 1)];
        assert_eq!(space.first_free(&low, 1), Some(Subnet::host(Ipv4Addr::BROADCAST)));
        assert_eq!(space.first_free(&[(0, u32::MAX)], 1), None);
        assert!(Space::new(&[all], &[all]).is_empty());
    }

    /// The last address of what is taken may be the first of what is asked about.
    #[test]
    fn one_shared_address_is_enough() {
        assert_eq!(gaps((5, 9), &[(4_u32, 5), (9, 9)]).collect::<Vec<_>>(), [(6, 8)]);
        for (taken, free) in [((0, 0), 4), ((3, 3), 4), ((4, 4), 0), ((0, 4), 8), ((8, 8), 0)] {
            assert_eq!(first_gap((0, 15), &[taken], 4), subnet_at(free, 4), "{taken:?}");
        }
        assert_eq!(first_gap((4, 7), &[(0, 3), (4, 4)], 2), subnet_at(6, 2));
    }

    #[test]
    fn far_places_are_leapt_to() {
        let taken: Vec<_> = (0..1_000).map(|at| (2 * at, 2 * at)).collect();
        for addr in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 511, 512, 513, 1_997, 1_998, 1_999, 5_000] {
            let expected = taken.iter().filter(|range| u64::from(range.0) >= addr).count();
            assert_eq!(leap(&taken, addr).len(), expected, "{addr}");
        }
    }

    #[test]
    fn neighbours_that_are_allowed_make_one_range() {
        let halves = ["10.0.0.0/25", "10.0.0.128/25", "10.0.1.0/24", "10.0.1.7/32", "10.0.1.7/32"];
        let halves = halves.map(|text| Subnet::parse(text).unwrap());
        let whole = Subnet::parse("10.0.0.0/23").unwrap();
        let space = Space::new(&halves, &[]);
        assert!(space.holds(whole));
        assert_eq!((space.first_free(&[], 512), space.ranges.len()), (Some(whole), 1));
    }

    proptest! {
        /// Against brute force over address sets: every free block is found, and none that overlaps.
        #[test]
        fn searches_agree_with_brute_force(
            allow in prop::collection::vec(any_net(), 1..5), deny in prop::collection::vec(any_net(), 0..4),
            held in prop::collection::vec(any_net(), 0..6), bits in 0_u32..7,
        ) {
            let size = 1_u64 << bits;
            let space = Space::new(&allow, &deny);
            let allowed: BTreeSet<_> = addresses(&allow).difference(&addresses(&deny)).copied().collect();
            let free: BTreeSet<_> = allowed.difference(&addresses(&held)).copied().collect();
            let taken = taken(&held);
            let possible = blocks(&free, size);
            prop_assert_eq!(space.is_empty(), allowed.is_empty());
            let first = space.first_free(&taken, size);
            prop_assert_eq!(first.map(|block| bounds(block).0), possible.first().copied());
            prop_assert!(first.is_none_or(|block| block.size_addrs() == size && space.holds(block)));
            // Best fit: no other choice lies in a smaller whole block.
            let whole = |first: u64| {
                (bits..=32).take_while(|bits| {
                    let size = 1_u64 << bits;
                    let start = first / size * size;
                    (start..start + size).all(|addr| free.contains(&addr))
                }).last().unwrap()
            };
            let best = space.best_free(&taken, size).map(|block| bounds(block).0);
            let expected = possible.iter().copied().min_by_key(|first| (whole(*first), *first));
            prop_assert_eq!(best, expected);
            let largest = space.largest_free(&taken).map(Subnet::size_addrs);
            prop_assert_eq!(largest, (0..=8).map(|bits| 1 << bits).rfind(|size| !blocks(&free, *size).is_empty()));
            if let Some(end) = first {
                let before: Vec<_> = space.blocks_before(size, end).map(|block| bounds(block).0).collect();
                let expected: Vec<_> =
                    blocks(&allowed, size).into_iter().filter(|first| *first < bounds(end).0).collect();
                prop_assert_eq!(before, expected);
            }
        }

        #[test]
        fn holds_agrees_with_address_sets(allow in prop::collection::vec(any_net(), 1..5), asked in any_net()) {
            let space = Space::new(&allow, &[]);
            prop_assert_eq!(space.holds(asked), addresses(&[asked]).is_subset(&addresses(&allow)));
        }
    }
}

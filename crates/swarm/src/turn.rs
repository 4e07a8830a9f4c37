//! One turn of the allocator's ring, followed from outside.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pvcheck_ipam::Subnet;

use crate::snapshot::Network;

/// The addresses that VIPs, tasks and load balancers of a network can have.
pub(crate) struct Pool {
    subnets: Vec<Subnet>,
    range: Option<Subnet>,
    gateway: Option<Ipv4Addr>,
}

impl Pool {
    pub(crate) fn of(network: &Network) -> Self {
        Self { subnets: network.subnets.clone(), range: network.ip_range, gateway: network.gateway }
    }

    /// How many there are: 2^(32-prefix) - 3 per subnet, or what an `--ip-range` leaves of that.
    pub(crate) fn count_u64(&self) -> u64 {
        if self.range.is_some() {
            return self.iter().count() as u64;
        }
        self.subnets.iter().map(|s| s.usable()).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.subnets.iter().flat_map(|subnet| {
            let gateway = self.gateway_of(*subnet);
            let range = self.range.filter(|r| subnet.contains(r.first())).unwrap_or(*subnet);
            let (first, last) = (u32::from(range.first()), u32::from(range.last()));
            let reserved = move |a: &Ipv4Addr| {
                let ends = *a == subnet.first() || *a == subnet.last();
                *a == gateway || (ends && subnet.prefix() < 31)
            };
            (first..=last).map(Ipv4Addr::from).filter(move |a| !reserved(a))
        })
    }

    /// The gateway as the engine says; else the first address after the network's own, which the allocator picks.
    fn gateway_of(&self, subnet: Subnet) -> Ipv4Addr {
        let second = u32::from(subnet.first()).saturating_add(u32::from(subnet.prefix() < 31));
        self.gateway.filter(|g| subnet.contains(*g)).unwrap_or_else(|| Ipv4Addr::from(second))
    }
}

/// What one turn of the ring has handed out so far.
///
/// The allocator goes round serially (swarmkit #2324, since 17.10), so the first address that comes a second time says
/// that the cursor has passed every place between: whatever was free has been handed out.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    seen: BTreeSet<Ipv4Addr>,
    complete: bool,
}

impl Turn {
    /// Takes the addresses of one batch. `exhausted`: some asked for one and found none left.
    pub(crate) fn push(&mut self, batch: &[Ipv4Addr], exhausted: bool) {
        let came_again = batch.iter().any(|a| self.seen.contains(a));
        self.seen.extend(batch);
        // Where not all could be served, this batch has just been given everything that was free.
        self.complete |= came_again || exhausted;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(crate) fn seen(&self) -> &BTreeSet<Ipv4Addr> {
        &self.seen
    }

    /// How many addresses the next batch asks for.
    ///
    /// It starts small and never takes more than three quarters of what is known to be free, a quarter of the pool, or
    /// `most`: whoever else deploys meanwhile finds room, however much of the pool is leaked.
    pub(crate) fn next_batch(&self, usable: u64, most: u32) -> u32 {
        let known_free = self.seen.len() as u64;
        let wanted = (known_free * 3 / 4).clamp(4, (usable / 4).max(4));
        u32::try_from(wanted).unwrap_or(most).min(most)
    }
}

#[cfg(test)]
mod tests {
    use pvcheck_ipam::Ring;

    use super::*;

    fn walk(ring: &mut Ring, usable: u64) -> (BTreeSet<Ipv4Addr>, u64) {
        let mut turn = Turn::default();
        let mut held_most = 0;
        for _ in 0..1000 {
            let n = turn.next_batch(usable, 4000);
            let batch: Vec<_> = (0..n).map_while(|_| ring.allocate()).collect();
            held_most = held_most.max(batch.len() as u64);
            for address in &batch {
                assert!(ring.release(*address));
            }
            turn.push(&batch, batch.len() < n as usize);
            if turn.is_complete() {
                return (turn.seen, held_most);
            }
        }
        panic!("the turn never ended");
    }

    #[test]
    fn a_turn_names_every_free_address_whatever_is_taken() {
        for prefix in [22, 24, 27, 28, 29] {
            let subnet = Subnet::around(Ipv4Addr::new(10, 9, 0, 0), prefix).unwrap();
            for step in [1, 2, 3, 7] {
                let mut ring = Ring::new(subnet);
                let taken: Vec<_> = (0..subnet.usable() / 2).map_while(|_| ring.allocate()).collect();
                for address in taken.iter().step_by(step) {
                    assert!(ring.release(*address));
                }
                let truth: BTreeSet<_> = ring.free_addresses().collect();
                let (seen, held) = walk(&mut ring, subnet.usable());
                assert_eq!(seen, truth, "/{prefix} step {step}");
                assert!(held <= (subnet.usable() / 4).max(4), "/{prefix} held {held}");
            }
        }
    }

    #[test]
    fn a_full_pool_is_known_after_one_batch() {
        let subnet = Subnet::parse("10.9.0.0/28").unwrap();
        let mut ring = Ring::new(subnet);
        while ring.allocate().is_some() {}
        assert!(walk(&mut ring, subnet.usable()).0.is_empty());
    }

    #[test]
    fn a_range_narrows_the_pool() {
        let pool = Pool {
            subnets: vec![Subnet::parse("10.9.0.0/24").unwrap()],
            range: Some(Subnet::parse("10.9.0.0/28").unwrap()),
            gateway: Some(Ipv4Addr::new(10, 9, 0, 1)),
        };
        // 16 addresses less network and gateway; the broadcast address lies outside of the range.
        assert_eq!(pool.count_u64(), 14);
        assert_eq!(pool.iter().next(), Some(Ipv4Addr::new(10, 9, 0, 2)));
    }
}

//! One turn of the allocator's ring, followed from outside.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// What one turn of the ring has handed out so far.
///
/// The allocator goes round serially (swarmkit #2324, since 17.10), so the first address that comes a second time says
/// that the cursor has passed every place between: whatever was free has been handed out.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    seen: BTreeSet<Ipv4Addr>,
    busy: BTreeSet<Ipv4Addr>,
    restless: bool,
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

    /// Takes addresses that others were seen with while the turn went on.
    pub(crate) fn saw_busy(&mut self, others: impl IntoIterator<Item = Ipv4Addr>) {
        self.busy.extend(others);
    }

    /// Notes whether tasks of others were seen stopping while the turn went on.
    pub(crate) fn saw_stopping(&mut self, stopping: bool) {
        self.restless |= stopping;
    }

    /// True iff some were: then an address may have been lost in its middle.
    pub(crate) fn is_restless(&self) -> bool {
        self.restless
    }

    /// Addresses that others were seen with.
    pub(crate) fn busy(&self) -> &BTreeSet<Ipv4Addr> {
        &self.busy
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
    use pvcheck_ipam::{Ring, Subnet};

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
}

//! One turn of the allocator's ring, followed from outside.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pvcheck_audit::ServiceId;
use pvcheck_ipam::Subnet;

use super::doubt::Doubt;
use crate::write::Probes;

/// What one turn of the ring has handed out so far.
///
/// The allocator goes round serially (swarmkit #2324, since 17.10), so the first address that comes a second time says
/// that the cursor has passed every place between: whatever was free has been handed out. A network with several subnets
/// has a ring for each, and which is asked first is left to chance each time (a Go map's order).
#[derive(Debug)]
pub(super) struct Turn {
    rings: Vec<RingSeen>,
    seen: BTreeSet<Ipv4Addr>,
    busy: BTreeSet<Ipv4Addr>,
    /// Addresses given in all, those that came again among them.
    given: u32,
    restless: bool,
    exhausted: bool,
    /// Why it says nothing about what was not handed out.
    disturbance: Option<Doubt>,
    steps: Steps,
    /// The services of ours that were removed last.
    last_removed: Vec<ServiceId>,
}

/// How a turn asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// How many addresses fewer a step asks for than it could. Each second turn asks in other steps than the one before:
    /// what moves the ring in step with us, such as an attempt that follows each address given back, then skips other
    /// addresses.
    fewer: u32,
    /// True iff a task asks for several addresses.
    several_each: bool,
}

impl Steps {
    /// The steps of the `nth` turn of a census, from 0.
    pub(super) fn of_turn(nth: u32, several_each: bool) -> Self {
        Self { fewer: nth % 2, several_each }
    }
}

#[derive(Debug)]
struct RingSeen {
    subnet: Subnet,
    begun: bool,
    complete: bool,
}

/// After this many addresses, none of them of a certain subnet, that one has none: its turn to be asked first comes with
/// a chance of an eighth at least (Go's maps of up to eight entries begin at a random one of eight places), and
/// (7/8)^200 is below 10^-11.
const SURELY_ASKED: u32 = 200;

/// The cursor's services at a time.
const LANES: u32 = 4;

/// Addresses that one task of a batch asks for, at most. The leader writes a line for each such task that is removed
/// (`error reallocating node`, swarmkit `manager/allocator/network.go`, `doTaskAlloc`: it has no node), and a task's
/// attachments repeat the whole network, so that more would make its object large.
pub(super) const MOST_EACH: u32 = 32;

/// Tasks of a batch, at least, before they ask for several addresses each.
const FEWEST_TASKS: u32 = 4;

impl Turn {
    /// A turn that has not begun.
    pub(super) fn new(subnets: Vec<Subnet>, steps: Steps) -> Self {
        let ring = |subnet| RingSeen { subnet, begun: false, complete: false };
        Self {
            rings: subnets.into_iter().map(ring).collect(),
            seen: BTreeSet::new(),
            busy: BTreeSet::new(),
            given: 0,
            restless: false,
            exhausted: false,
            disturbance: None,
            steps,
            last_removed: Vec::new(),
        }
    }

    /// Takes the addresses of one batch. `exhausted`: some asked for one and found none left.
    pub(super) fn push(&mut self, batch: &[Ipv4Addr], exhausted: bool) {
        for address in batch {
            let came_again = !self.seen.insert(*address);
            if let Some(ring) = self.rings.iter_mut().find(|r| r.subnet.contains(*address)) {
                ring.begun = true;
                ring.complete |= came_again;
            }
        }
        self.given = self.given.saturating_add(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        // Where not all could be served, everything that was free has been given, in this batch or before.
        self.exhausted |= exhausted;
    }

    /// Takes what the tasks of a batch were given.
    pub(super) fn serve(&mut self, batch: &[Ipv4Addr], asked: Probes) {
        let short = batch.len() < asked.addresses() as usize;
        self.push(batch, short && asked.addresses_each == 1);
        if short && 1 < asked.addresses_each {
            // A task that is not given all gives back those that it was given, and the ring has moved past them.
            self.disturb(Doubt::PartlyServed);
        }
    }

    /// Takes addresses that others were seen with while the turn went on.
    pub(super) fn saw_busy(&mut self, others: impl IntoIterator<Item = Ipv4Addr>) {
        self.busy.extend(others);
    }

    /// Notes whether tasks of others were seen stopping while the turn went on.
    pub(super) fn saw_stopping(&mut self, stopping: bool) {
        self.restless |= stopping;
    }

    /// Notes why the turn is spoilt, such as another client that may have moved the ring. The first reason stays.
    pub(super) fn disturb(&mut self, why: Doubt) {
        self.disturbance.get_or_insert(why);
    }

    /// Why the turn is spoilt; `None` if nothing was noticed.
    pub(super) fn disturbance(&self) -> Option<&Doubt> {
        self.disturbance.as_ref()
    }

    /// Notes that these services of ours were removed.
    pub(super) fn removed(&mut self, services: Vec<ServiceId>) {
        self.last_removed = services;
    }

    /// The services of ours that were removed last.
    pub(super) fn last_removed(&self) -> &[ServiceId] {
        &self.last_removed
    }

    /// True iff there is nothing more to ask for: the ring has gone round, or the turn is spoilt.
    pub(super) fn is_over(&self) -> bool {
        self.disturbance.is_some() || self.is_complete()
    }

    /// True iff some were: then an address may have been lost in its middle.
    pub(super) fn is_restless(&self) -> bool {
        self.restless
    }

    /// Addresses that others were seen with.
    pub(super) fn busy(&self) -> &BTreeSet<Ipv4Addr> {
        &self.busy
    }

    /// True iff every ring has gone round.
    pub(super) fn is_complete(&self) -> bool {
        let done = |r: &RingSeen| r.complete || (!r.begun && SURELY_ASKED <= self.given);
        self.exhausted || (0 < self.given && self.rings.iter().all(done))
    }

    pub(super) fn seen(&self) -> &BTreeSet<Ipv4Addr> {
        &self.seen
    }

    /// What the next batch asks for.
    ///
    /// It starts small and never takes more than three quarters of what is known to be free, a quarter of the pool, or
    /// `most`: whoever else deploys meanwhile finds room, however much of the pool is leaked.
    pub(super) fn next_batch(&self, usable: u64, most: u32) -> Probes {
        let known_free = self.seen.len() as u64;
        let wanted = (known_free * 3 / 4).clamp(4, (usable / 4).max(4));
        let most = u32::try_from(wanted).unwrap_or(most).min(most);
        let asked = most.saturating_sub(self.steps.fewer).max(1);
        let each = if self.steps.several_each { (asked / FEWEST_TASKS).clamp(1, MOST_EACH) } else { 1 };
        Probes { tasks: asked / each, addresses_each: each }
    }

    /// How many addresses the cursor's next step asks for: one, until there is known to be room for more.
    pub(super) fn lanes(&self) -> u32 {
        if self.seen.len() < 4 * LANES as usize { 1 } else { LANES - self.steps.fewer }
    }
}

#[cfg(test)]
mod tests {
    use pvcheck_ipam::Ring;

    use super::*;

    const SINGLY: Steps = Steps { fewer: 0, several_each: false };

    fn walk(ring: &mut Ring, subnet: Subnet) -> (BTreeSet<Ipv4Addr>, u64) {
        let (mut turn, usable) = (Turn::new(vec![subnet], SINGLY), subnet.usable());
        let mut held_most = 0;
        for _ in 0..1000 {
            let n = turn.next_batch(usable, 4000).tasks;
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
                let (seen, held) = walk(&mut ring, subnet);
                assert_eq!(seen, truth, "/{prefix} step {step}");
                assert!(held <= (subnet.usable() / 4).max(4), "/{prefix} held {held}");
            }
        }
    }

    #[test]
    fn tasks_that_ask_for_several_addresses_are_few_and_hold_no_more() {
        let subnet = Subnet::parse("10.9.0.0/16").unwrap();
        for fewer in [0, 1] {
            let mut turn = Turn::new(vec![subnet], Steps { fewer, several_each: true });
            let (mut hosts, mut tasks) = ((0..subnet.usable()).cycle(), 0);
            while !turn.is_complete() {
                let probes = turn.next_batch(subnet.usable(), 4000);
                let asked = probes.addresses();
                assert!((1..=MOST_EACH).contains(&probes.addresses_each) && (1..=4000).contains(&asked));
                let address = |host| Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 9, 0, 2)) + host);
                let batch: Vec<_> =
                    hosts.by_ref().take(asked as usize).map(|h| address(u32::try_from(h).unwrap())).collect();
                turn.push(&batch, false);
                tasks += u64::from(probes.tasks);
            }
            assert_eq!(turn.seen().len() as u64, subnet.usable());
            assert!(tasks * 10 < subnet.usable(), "{tasks} tasks");
        }
    }

    #[test]
    fn a_task_that_was_not_given_all_spoils_the_turn_and_ends_no_ring() {
        let subnet = Subnet::parse("10.9.0.0/28").unwrap();
        let given = [Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 3)];
        let mut turn = Turn::new(vec![subnet], Steps { fewer: 0, several_each: true });
        turn.serve(&given, Probes { tasks: 2, addresses_each: 2 });
        assert!(!turn.is_complete() && turn.disturbance() == Some(&Doubt::PartlyServed) && turn.is_over());
        let mut turn = Turn::new(vec![subnet], SINGLY);
        turn.serve(&given, Probes { tasks: 4, addresses_each: 1 });
        assert!(
            turn.is_complete() && turn.disturbance().is_none(),
            "one that is given none has found none left"
        );
        let mut turn = Turn::new(vec![subnet], SINGLY);
        turn.serve(&given, Probes { tasks: 1, addresses_each: 2 });
        assert!(!turn.is_over(), "all were served");
    }

    #[test]
    fn a_full_pool_is_known_after_one_batch() {
        let subnet = Subnet::parse("10.9.0.0/28").unwrap();
        let mut ring = Ring::new(subnet);
        while ring.allocate().is_some() {}
        assert!(walk(&mut ring, subnet).0.is_empty());
    }

    /// Two rings, the second asked first once in eight times only.
    #[test]
    fn several_subnets_end_when_all_have_gone_round() {
        let subnets = vec![Subnet::parse("10.9.0.0/27").unwrap(), Subnet::parse("10.9.1.0/28").unwrap()];
        for full in [None, Some(0), Some(1)] {
            let mut rings: Vec<_> = subnets.iter().map(|s| Ring::new(*s)).collect();
            if let Some(full) = full {
                while rings[full].allocate().is_some() {}
            }
            let truth: BTreeSet<_> = rings.iter().flat_map(Ring::free_addresses).collect();
            let mut turn = Turn::new(subnets.clone(), SINGLY);
            for n in 0..10_000 {
                let (first, second) = if n % 8 == 7 { (1, 0) } else { (0, 1) };
                let given = rings[first].allocate().or_else(|| rings[second].allocate()).unwrap();
                turn.push(&[given], false);
                assert!(rings.iter_mut().any(|r| r.release(given)));
                if turn.is_complete() {
                    break;
                }
            }
            assert!(turn.is_complete());
            assert_eq!(turn.seen(), &truth, "full: {full:?}");
        }
    }

    #[test]
    fn what_is_noted_of_others_and_of_ones_own_is_kept() {
        let mut turn = Turn::new(vec![Subnet::parse("10.9.0.0/28").unwrap()], SINGLY);
        let host = |n| Ipv4Addr::new(10, 9, 0, n);
        assert!(turn.busy().is_empty() && !turn.is_restless() && turn.last_removed().is_empty());
        turn.saw_busy([host(2)]);
        turn.saw_busy([host(3), host(2)]);
        assert_eq!(turn.busy(), &BTreeSet::from([host(2), host(3)]));
        turn.saw_stopping(true);
        turn.saw_stopping(false);
        assert!(turn.is_restless(), "once is enough");
        turn.removed(vec![ServiceId::new("s1"), ServiceId::new("s2")]);
        turn.removed(vec![ServiceId::new("s3")]);
        assert_eq!(turn.last_removed(), [ServiceId::new("s3")]);
        turn.disturb(Doubt::EventsLate);
        turn.disturb(Doubt::TimeUp);
        assert_eq!(turn.disturbance(), Some(&Doubt::EventsLate), "the first reason stays");
    }

    #[test]
    fn each_second_turn_asks_for_one_fewer() {
        let subnet = Subnet::parse("10.9.0.0/24").unwrap();
        let asked = |nth| {
            let mut turn = Turn::new(vec![subnet], Steps::of_turn(nth, false));
            turn.push(&(2..42).map(|n| Ipv4Addr::new(10, 9, 0, n)).collect::<Vec<_>>(), false);
            (turn.next_batch(subnet.usable(), 4000).addresses(), turn.lanes())
        };
        assert_eq!([asked(0), asked(1), asked(2), asked(3)], [(30, 4), (29, 3), (30, 4), (29, 3)]);
    }

    #[test]
    fn the_cursor_asks_one_by_one_until_there_is_known_to_be_room() {
        let mut turn = Turn::new(vec![Subnet::parse("10.9.0.0/24").unwrap()], SINGLY);
        let hosts = |n: std::ops::Range<u8>| n.map(|n| Ipv4Addr::new(10, 9, 0, n)).collect::<Vec<_>>();
        turn.push(&hosts(2..17), false);
        assert_eq!((turn.seen().len(), turn.lanes()), (15, 1));
        turn.push(&hosts(17..18), false);
        assert_eq!((turn.seen().len(), turn.lanes()), (16, 4));
    }

    #[test]
    fn a_subnet_that_gives_nothing_is_full_only_after_it_was_surely_asked() {
        let (first, second) = (Subnet::parse("10.9.0.0/24"), Subnet::parse("10.9.1.0/24"));
        let mut turn = Turn::new(vec![first.unwrap(), second.unwrap()], SINGLY);
        assert!(!turn.is_complete(), "nothing was asked for");
        assert!(!Turn::new(Vec::new(), SINGLY).is_complete());
        let again = [Ipv4Addr::new(10, 9, 0, 2)];
        for given in 1..SURELY_ASKED {
            turn.push(&again, false);
            assert!(!turn.is_complete(), "{given}");
        }
        turn.push(&again, false);
        assert!(turn.is_complete());
    }
}

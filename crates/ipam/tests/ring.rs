//! The ring against what was measured, and against a plain set of free addresses.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use pvcheck_ipam::{Ring, RingError, Subnet};

fn subnet(text: &str) -> Subnet {
    Subnet::parse(text).unwrap()
}

fn last_octets(addrs: impl IntoIterator<Item = Ipv4Addr>) -> Vec<u8> {
    addrs.into_iter().map(|addr| addr.octets()[3]).collect()
}

fn take(ring: &mut Ring, count: usize) -> Vec<u8> {
    last_octets((0..count).filter_map(|_| ring.allocate()))
}

/// Executed upstream: VIPs .2 .3 .4 .5; .3 and .5 deleted; next is .6; after a new leader .3, then .5.
#[test]
fn worked_example_of_the_serial_cursor() {
    let mut ring = Ring::new(subnet("10.90.0.0/24"));
    assert_eq!(take(&mut ring, 4), [2, 3, 4, 5]);
    assert!(ring.release(Ipv4Addr::new(10, 90, 0, 3)));
    assert!(ring.release(Ipv4Addr::new(10, 90, 0, 5)));
    assert_eq!(ring.cursor(), 6);
    assert_eq!(take(&mut ring, 1), [6]);
    ring.rebuild([2, 4, 6].map(|host| Ipv4Addr::new(10, 90, 0, host)));
    assert_eq!(ring.cursor(), 0);
    assert_eq!(take(&mut ring, 3), [3, 5, 7]);
}

#[test]
fn counts_like_the_engine() {
    let fresh = Ring::new(subnet("10.0.1.0/24"));
    assert_eq!((fresh.in_use(), fresh.free()), (3, 253));
    assert_eq!(fresh.gateway(), Ipv4Addr::new(10, 0, 1, 1));
    let mut full = Ring::new(subnet("10.0.1.0/30"));
    assert_eq!(take(&mut full, 9), [2]);
    assert_eq!((full.in_use(), full.free()), (4, 0));
    // 2 idle nodes on an ingress: one load balancer each.
    let mut ingress = Ring::new(subnet("10.0.0.0/24"));
    take(&mut ingress, 2);
    assert_eq!(ingress.in_use(), 5);
}

#[test]
fn a_leader_change_gives_leaked_addresses_back() {
    let mut ring = Ring::new(subnet("10.0.1.0/28"));
    let owned: Vec<_> = (0..5).filter_map(|_| ring.allocate()).collect();
    let leaked: Vec<_> = (0..8).filter_map(|_| ring.allocate()).collect();
    assert_eq!((leaked.len(), ring.free(), ring.allocate()), (8, 0, None));
    ring.rebuild(owned.iter().copied());
    assert_eq!((ring.free(), ring.in_use()), (8, 8));
    assert!(owned.iter().all(|addr| ring.is_taken(*addr)));
}

#[test]
fn the_smallest_subnets() {
    let mut two = Ring::new(subnet("10.0.0.0/31"));
    assert_eq!(two.gateway(), Ipv4Addr::new(10, 0, 0, 0));
    assert_eq!((two.free(), take(&mut two, 3)), (1, vec![1]));
    let mut one = Ring::new(subnet("10.0.0.0/32"));
    assert_eq!((one.free(), one.in_use(), one.allocate()), (0, 1, None));
}

#[test]
fn an_ip_range_bounds_what_is_handed_out() {
    let mut ring = Ring::with_range(subnet("10.0.0.0/24"), subnet("10.0.0.64/29")).unwrap();
    assert_eq!(ring.gateway(), Ipv4Addr::new(10, 0, 0, 64));
    assert_eq!((ring.in_use(), ring.free()), (3, 7));
    assert_eq!(take(&mut ring, 99), [65, 66, 67, 68, 69, 70, 71]);
    ring.release(Ipv4Addr::new(10, 0, 0, 66));
    assert_eq!(take(&mut ring, 2), [66]);
    // An explicit address outside the range counts as used, and takes nothing from the range.
    ring.reserve(Ipv4Addr::new(10, 0, 0, 9)).unwrap();
    assert_eq!((ring.in_use(), ring.free()), (11, 0));
}

#[test]
fn a_named_gateway_does_not_move_the_cursor() {
    let gateway = Ipv4Addr::new(10, 0, 0, 3);
    let mut ring = Ring::with_gateway(subnet("10.0.0.0/28"), None, gateway).unwrap();
    assert_eq!(ring.cursor(), 0);
    assert_eq!(take(&mut ring, 4), [1, 2, 4, 5]);
    assert!(!ring.release(gateway));
    let outside = Ipv4Addr::new(10, 0, 1, 1);
    assert_eq!(
        Ring::with_gateway(subnet("10.0.0.0/28"), None, outside),
        Err(RingError::Outside { addr: outside, subnet: subnet("10.0.0.0/28") })
    );
}

#[test]
fn refusals_are_one_line_with_the_mend() {
    let error = Ring::with_range(subnet("10.0.0.0/24"), subnet("10.0.1.0/28")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "range 10.0.1.0/28 is outside 10.0.0.0/24: choose a range inside the subnet"
    );
    let error = Ring::with_range(subnet("10.0.0.0/24"), subnet("10.0.0.0/32")).unwrap_err();
    assert!(matches!(error, RingError::NoGateway { .. }));
    // A range that is wider than the subnet counts as the subnet.
    let wide = Ring::with_range(subnet("10.0.0.0/24"), subnet("10.0.0.0/8")).unwrap();
    assert_eq!(wide, Ring::new(subnet("10.0.0.0/24")));
    let mut ring = Ring::new(subnet("10.0.0.0/24"));
    let gateway = ring.gateway();
    assert_eq!(ring.reserve(gateway), Err(RingError::Taken { addr: gateway }));
}

#[test]
fn a_huge_pool_is_cheap_and_complete() {
    let mut ring = Ring::new(subnet("0.0.0.0/0"));
    assert_eq!(ring.free(), (1 << 32) - 3);
    ring.reserve(Ipv4Addr::new(255, 255, 255, 254)).unwrap();
    assert_eq!(ring.allocate(), Some(Ipv4Addr::new(0, 0, 0, 2)));
    let mut sixteen = Ring::new(subnet("10.10.0.0/16"));
    let given: BTreeSet<_> = std::iter::from_fn(|| sixteen.allocate()).collect();
    assert_eq!(given.len(), 65_533);
    let gap = Ipv4Addr::new(10, 10, 77, 7);
    assert!(sixteen.release(gap));
    assert_eq!(sixteen.free_addresses().collect::<Vec<_>>(), [gap]);
    assert_eq!((sixteen.allocate(), sixteen.allocate()), (Some(gap), None));
}

/// Pool, and the addresses that are free in it, in a plain set; the cursor as an address.
#[derive(Clone, Debug)]
struct Model {
    subnet: Subnet,
    range: Subnet,
    gateway: u32,
    taken: BTreeSet<u32>,
    cursor: u32,
}

#[derive(Clone, Debug)]
enum Step {
    Allocate,
    Reserve(u32),
    Release(u32),
    Rebuild(Vec<u32>),
}

impl Model {
    fn edges(&self) -> (u32, u32) {
        (u32::from(self.subnet.first()), u32::from(self.subnet.last()))
    }

    fn reserved(&self) -> BTreeSet<u32> {
        let (first, last) = self.edges();
        let mut reserved = BTreeSet::from([self.gateway]);
        if last - first > 1 {
            reserved.extend([first, last]);
        }
        reserved
    }

    fn free(&self) -> BTreeSet<u32> {
        (u32::from(self.range.first())..=u32::from(self.range.last()))
            .filter(|addr| !self.taken.contains(addr))
            .collect()
    }

    fn next(&self) -> Option<u32> {
        let free = self.free();
        free.range(self.cursor..).next().or_else(|| free.first()).copied()
    }
}

struct RingModel;

impl ReferenceStateMachine for RingModel {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        let shape = (0_u32..4, 25_u8..=32, 0_u32..256, 0_u8..=7);
        shape
            .prop_map(|(third, prefix, host, narrower)| {
                let addr = Ipv4Addr::from(0x0A00_0000 | (third << 8) | host);
                let subnet = Subnet::around(addr, prefix).unwrap();
                let range = Subnet::around(addr, (prefix + narrower).min(32)).unwrap();
                // Where the range has no room for a gateway, the engine refuses the network: use all of it.
                let range = if Ring::with_range(subnet, range).is_ok() { range } else { subnet };
                let mut model = Model { subnet, range, gateway: u32::MAX, taken: BTreeSet::new(), cursor: 0 };
                model.taken = model.reserved().into_iter().filter(|addr| *addr != u32::MAX).collect();
                model.gateway = *model.free().first().unwrap();
                model.taken.insert(model.gateway);
                model.cursor = model.gateway + 1;
                model
            })
            .boxed()
    }

    fn transitions(state: &Model) -> BoxedStrategy<Step> {
        let (first, last) = state.edges();
        // One beyond either side, so that foreign addresses occur.
        let addr = (first.saturating_sub(1))..=(last + 1);
        prop_oneof![
            6 => Just(Step::Allocate),
            2 => addr.clone().prop_map(Step::Reserve),
            5 => addr.clone().prop_map(Step::Release),
            1 => prop::collection::vec(addr, 0..12).prop_map(Step::Rebuild),
        ]
        .boxed()
    }

    fn apply(mut state: Model, step: &Step) -> Model {
        let (first, last) = state.edges();
        let inside = |addr: &u32| (first..=last).contains(addr);
        match step {
            Step::Allocate => {
                if let Some(addr) = state.next() {
                    state.taken.insert(addr);
                    state.cursor = addr + 1;
                }
            }
            Step::Reserve(addr) if inside(addr) => {
                state.taken.insert(*addr);
            }
            Step::Release(addr) if !state.reserved().contains(addr) => {
                state.taken.remove(addr);
            }
            Step::Rebuild(held) => {
                state.taken = state.reserved();
                state.taken.extend(held.iter().copied().filter(inside));
                state.cursor = 0;
            }
            _ => {}
        }
        state
    }
}

struct RingTest;

impl StateMachineTest for RingTest {
    type SystemUnderTest = (Ring, Model);
    type Reference = RingModel;

    fn init_test(state: &Model) -> (Ring, Model) {
        (Ring::with_range(state.subnet, state.range).unwrap(), state.clone())
    }

    fn apply((mut ring, before): (Ring, Model), state: &Model, step: Step) -> (Ring, Model) {
        match step {
            Step::Allocate => {
                assert_eq!(ring.peek().map(u32::from), before.next());
                assert_eq!(ring.allocate().map(u32::from), before.next());
            }
            Step::Reserve(addr) => {
                let fresh = state.taken.contains(&addr) && !before.taken.contains(&addr);
                assert_eq!(ring.reserve(addr.into()).is_ok(), fresh);
            }
            Step::Release(addr) => {
                let held = before.taken.contains(&addr) && !state.taken.contains(&addr);
                assert_eq!(ring.release(addr.into()), held);
            }
            Step::Rebuild(held) => ring.rebuild(held.into_iter().map(Ipv4Addr::from)),
        }
        (ring, state.clone())
    }

    fn check_invariants((ring, _): &(Ring, Model), state: &Model) {
        assert_eq!(ring.in_use(), state.taken.len() as u64);
        assert_eq!(ring.free(), state.free().len() as u64);
        assert_eq!(ring.free_addresses().map(u32::from).collect::<BTreeSet<_>>(), state.free());
        assert!(state.taken.iter().all(|addr| ring.is_taken((*addr).into())));
        assert_eq!(u32::from(ring.gateway()), state.gateway);
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ring_against_a_set_of_free_addresses(sequential 1..80 => RingTest);
}

proptest! {
    /// A turn of the ring hands out every free address exactly once: the ground of the census.
    #[test]
    fn one_turn_names_every_free_address(held in prop::collection::btree_set(2_u32..254, 0..200), turns in 0_usize..400) {
        let mut ring = Ring::new(subnet("10.0.1.0/24"));
        for _ in 0..turns {
            let Some(addr) = ring.allocate() else { break };
            ring.release(addr);
        }
        let base = u32::from(Ipv4Addr::new(10, 0, 1, 0));
        for host in &held {
            ring.reserve((base + host).into()).unwrap();
        }
        let free = ring.free();
        let mut seen = BTreeSet::new();
        for _ in 0..free {
            let addr = ring.allocate().unwrap();
            ring.release(addr);
            prop_assert!(seen.insert(addr), "{} came twice within one turn", addr);
        }
        prop_assert_eq!(seen, ring.free_addresses().collect::<BTreeSet<_>>());
        prop_assert_eq!(free, 253 - held.len() as u64);
    }
}

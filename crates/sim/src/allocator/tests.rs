use std::net::Ipv4Addr;

use proptest::prelude::*;
use pvcheck_ipam::Subnet;

use super::*;

fn id(name: &str) -> NetworkId {
    NetworkId::new(name.to_owned())
}

/// An allocator with these networks; a /29 hands out five addresses.
fn with(networks: &[(&str, [u8; 4], u8)]) -> Allocator {
    let mut allocator = Allocator::default();
    for (name, first, prefix) in networks {
        let subnet = Subnet::around(Ipv4Addr::from(*first), *prefix).expect("a subnet");
        allocator.pools.insert(id(name), Pool { ring: Ring::new(subnet), held: BTreeSet::new() });
    }
    allocator
}

fn two() -> Allocator {
    with(&[("a", [10, 1, 0, 0], 24), ("b", [10, 2, 0, 0], 29)])
}

fn demand(networks: &[&str]) -> Demand {
    Demand { dnsrr: false, networks: networks.iter().map(|name| id(name)).collect(), ingress: None }
}

fn fill(allocator: &mut Allocator, network: &str) {
    while allocator.allocate_address(&id(network)).is_ok() {}
}

fn held(allocator: &Allocator, network: &str) -> Vec<u8> {
    allocator.pools[&id(network)].held.iter().map(|addr| addr.octets()[3]).collect()
}

fn vip(network: &str, addr: [u8; 4]) -> Vip {
    Vip { network: id(network), addr: Some(addr.into()), prefix: 24 }
}

fn service() -> ServiceId {
    ServiceId::new("s".to_owned())
}

fn attachment(network: &str, addr: [u8; 4]) -> Attachment {
    Attachment {
        network: id(network),
        copy: std::sync::Arc::new(serde_json::Value::Null),
        addr: addr.into(),
        prefix: 24,
    }
}

#[test]
fn a_service_gets_one_vip_per_network_in_the_order_of_its_specification() {
    let mut allocator = two();
    let mut vips = Vec::new();
    let (result, unreleased) = allocator.allocate_service(&service(), &demand(&["b", "a"]), &mut vips);
    assert_eq!((result, unreleased), (Ok(()), Vec::new()));
    let networks: Vec<&str> = vips.iter().map(|vip| vip.network.as_str()).collect();
    assert_eq!(networks, ["b", "a"]);
    assert_eq!(vips.iter().map(|vip| vip.prefix).collect::<Vec<_>>(), [29, 24]);
    assert!(allocator.services.contains(&service()));
}

#[test]
fn asking_again_for_what_is_held_changes_nothing() {
    let mut allocator = two();
    let mut vips = Vec::new();
    let _ = allocator.allocate_service(&service(), &demand(&["a", "b"]), &mut vips);
    let before = (vips.clone(), held(&allocator, "a"), held(&allocator, "b"));
    let (result, _) = allocator.allocate_service(&service(), &demand(&["a", "b"]), &mut vips);
    assert_eq!(result, Ok(()));
    assert_eq!((vips, held(&allocator, "a"), held(&allocator, "b")), before);
}

#[test]
fn the_ingress_network_comes_before_those_of_the_specification() {
    let mut allocator = two();
    let mut vips = Vec::new();
    let demand = Demand { ingress: Some(id("b")), ..demand(&["a"]) };
    let (result, _) = allocator.allocate_service(&service(), &demand, &mut vips);
    assert_eq!(result, Ok(()));
    assert_eq!(vips.iter().map(|vip| vip.network.as_str()).collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn l2_a_failed_creation_keeps_what_it_took_before_the_full_network() {
    for (order, lost) in [(["a", "b"], 1), (["b", "a"], 0)] {
        let mut allocator = two();
        fill(&mut allocator, "b");
        let mut vips = Vec::new();
        let (result, unreleased) = allocator.allocate_service(&service(), &demand(&order), &mut vips);
        assert_eq!(result, Err(AllocError::NoVip), "{order:?}");
        assert_eq!(unreleased, []);
        assert_eq!(vips, [], "the rollback walks the old list, which is empty");
        assert_eq!(held(&allocator, "a").len(), lost, "{order:?}");
        assert!(!allocator.services.contains(&service()));
    }
}

#[test]
fn l3_a_failed_update_releases_the_live_vip() {
    let mut allocator = two();
    let mut vips = Vec::new();
    let _ = allocator.allocate_service(&service(), &demand(&["a"]), &mut vips);
    let live = vips[0].addr.expect("allocated");
    fill(&mut allocator, "b");
    let (result, _) = allocator.allocate_service(&service(), &demand(&["a", "b"]), &mut vips);
    assert_eq!(result, Err(AllocError::NoVip));
    assert!(!allocator.holds(&id("a"), live), "the store still shows it, the allocator no longer holds it");
}

#[test]
fn a_network_that_the_specification_drops_gives_its_vip_back() {
    let mut allocator = two();
    let mut vips = Vec::new();
    let _ = allocator.allocate_service(&service(), &demand(&["a", "b"]), &mut vips);
    let (result, unreleased) = allocator.allocate_service(&service(), &demand(&["b"]), &mut vips);
    assert_eq!((result, unreleased), (Ok(()), Vec::new()));
    assert_eq!(vips.len(), 1);
    assert_eq!((held(&allocator, "a"), held(&allocator, "b")), (Vec::new(), vec![2]));
}

#[test]
fn switching_to_dnsrr_releases_all_vips_and_forgets_the_service() {
    let mut allocator = two();
    let mut vips = Vec::new();
    let _ = allocator.allocate_service(&service(), &demand(&["a", "b"]), &mut vips);
    let dnsrr = Demand { dnsrr: true, ..demand(&["a", "b"]) };
    let (result, unreleased) = allocator.allocate_service(&service(), &dnsrr, &mut vips);
    assert_eq!((result, unreleased), (Ok(()), Vec::new()));
    assert_eq!(vips, []);
    assert_eq!((held(&allocator, "a"), held(&allocator, "b")), (Vec::new(), Vec::new()));
    assert!(!allocator.services.contains(&service()));
}

#[test]
fn a_named_vip_is_restored_unless_the_ring_has_no_such_address() {
    // (address, result): free, the gateway, outside of the subnet
    for (addr, result) in [
        ([10, 1, 0, 77], Ok(())),
        ([10, 1, 0, 1], Err(AllocError::VipTaken)),
        ([10, 9, 0, 1], Err(AllocError::VipTaken)),
    ] {
        let mut allocator = two();
        let mut vips = vec![vip("a", addr)];
        let (got, unreleased) = allocator.allocate_service(&service(), &demand(&["a"]), &mut vips);
        assert_eq!(got, result, "{addr:?}");
        assert_eq!(unreleased.len(), usize::from(result.is_err()), "the rollback releases what is not held");
    }
}

#[test]
fn a_service_on_an_unallocated_network_fails_and_names_no_address() {
    let mut allocator = two();
    let mut vips = Vec::new();
    let (result, _) = allocator.allocate_service(&service(), &demand(&["a", "none"]), &mut vips);
    assert_eq!(result, Err(AllocError::NoVipNetwork));
    assert_eq!(held(&allocator, "a").len(), 1, "L2 as with a full network");
}

#[test]
fn a_task_gets_all_its_addresses_or_none() {
    let mut allocator = two();
    let wants = [id("a"), id("b")];
    let taken = allocator.allocate_task(&wants, None).expect("both have free addresses");
    assert_eq!(taken, [Ipv4Addr::new(10, 1, 0, 2), Ipv4Addr::new(10, 2, 0, 2)]);
    fill(&mut allocator, "b");
    let before = held(&allocator, "a");
    assert_eq!(allocator.allocate_task(&wants, None), Err((id("b"), AllocError::NoAddress)));
    assert_eq!(held(&allocator, "a"), before, "unlike a service's rollback this one works");
    let gone = [id("a"), id("gone")];
    assert_eq!(allocator.allocate_task(&gone, None), Err((id("gone"), AllocError::NoNetwork(id("gone")))));
    assert_eq!(held(&allocator, "a"), before);
}

#[test]
fn l1_a_task_of_which_a_network_is_gone_releases_nothing() {
    let mut allocator = two();
    let task = TaskId::new("t".to_owned());
    allocator.tasks.insert(task.clone());
    let addrs = allocator.allocate_task(&[id("a"), id("b")], None).expect("free");
    let attachments = [attachment("a", addrs[0].octets()), attachment("b", addrs[1].octets())];
    allocator.pools.remove(&id("b"));
    assert!(!allocator.release_task(&task, &attachments));
    assert!(allocator.holds(&id("a"), addrs[0]), "leaked");
}

#[test]
fn a_task_is_released_once() {
    let mut allocator = two();
    let task = TaskId::new("t".to_owned());
    allocator.tasks.insert(task.clone());
    let addrs = allocator.allocate_task(&[id("a")], None).expect("free");
    let attachments = [attachment("a", addrs[0].octets())];
    assert!(allocator.release_task(&task, &attachments));
    // The address may belong to another task by now.
    let _ = allocator.restore_address(&id("a"), addrs[0]);
    assert!(!allocator.release_task(&task, &attachments), "the allocator no longer knows the task");
    assert!(allocator.holds(&id("a"), addrs[0]));
}

#[test]
fn restoring_a_task_takes_all_its_addresses_or_none() {
    let mut allocator = two();
    assert!(allocator.restore_address(&id("b"), [10, 2, 0, 3].into()));
    let clash = [attachment("a", [10, 1, 0, 9]), attachment("b", [10, 2, 0, 3])];
    assert_eq!(allocator.restore_task(&clash), Err(AllocError::AddressTaken));
    assert_eq!((held(&allocator, "a"), held(&allocator, "b")), (vec![], vec![3]));
    let fine = [attachment("a", [10, 1, 0, 9]), attachment("b", [10, 2, 0, 4])];
    assert_eq!(allocator.restore_task(&fine), Ok(()));
    assert_eq!((held(&allocator, "a"), held(&allocator, "b")), (vec![9], vec![3, 4]));
}

#[test]
fn releasing_what_is_not_held_is_reported_and_breaks_nothing() {
    let mut allocator = two();
    let mut vips = vec![vip("a", [10, 1, 0, 5]), vip("gone", [10, 3, 0, 5])];
    assert_eq!(allocator.release_vips(&mut vips), [NotHeld([10, 1, 0, 5].into())]);
    assert_eq!(allocator.allocate_address(&id("a")), Ok([10, 1, 0, 2].into()));
    allocator.release_address(&id("a"), [10, 1, 0, 200].into());
    assert_eq!(held(&allocator, "a"), [2]);
}

#[test]
fn kept_shares_the_old_list_until_it_outgrows_it() {
    let (a, b, c) = (vip("a", [1; 4]), vip("b", [2; 4]), vip("c", [3; 4]));
    let mut old = vec![a.clone(), b.clone()];
    let mut kept = Kept::default();
    kept.push(&mut old, b.clone());
    assert_eq!(old, [b.clone(), b.clone()], "the old list is rewritten in place");
    kept.push(&mut old, c.clone());
    assert_eq!(old, [b.clone(), c.clone()]);
    kept.push(&mut old, a.clone());
    assert_eq!(old, [b.clone(), c.clone()], "a third one goes into a list of its own");
    kept.finish(&mut old);
    assert_eq!(old, [b, c, a]);
}

#[derive(Clone, Debug)]
enum Act {
    Allocate,
    Release(usize),
    Restore(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Allocate),
        3 => (0..20_usize).prop_map(Act::Release),
        1 => any::<u8>().prop_map(Act::Restore),
    ]
}

proptest! {
    /// The pool against a plain set: nothing is handed out twice, nothing is lost, and a full pool is full.
    #[test]
    fn a_pool_hands_out_what_nothing_holds(acts in prop::collection::vec(act(), 0..200)) {
        let mut allocator = with(&[("n", [10, 7, 0, 0], 28)]);
        let mut model: Vec<Ipv4Addr> = Vec::new();
        for act in acts {
            match act {
                Act::Allocate => match allocator.allocate_address(&id("n")) {
                    Ok(addr) => {
                        prop_assert!(!model.contains(&addr), "{addr} was handed out twice");
                        model.push(addr);
                    }
                    Err(error) => {
                        prop_assert_eq!(error, AllocError::NoAddress);
                        prop_assert_eq!(model.len(), 13, "a /28 has 13 for endpoints");
                    }
                },
                Act::Release(at) if at < model.len() => {
                    let addr = model.swap_remove(at);
                    allocator.release_address(&id("n"), addr);
                    prop_assert!(!allocator.holds(&id("n"), addr));
                }
                Act::Release(_) => {}
                Act::Restore(last) => {
                    let addr = Ipv4Addr::new(10, 7, 0, last);
                    let restorable = (2..=14).contains(&last) && !model.contains(&addr);
                    prop_assert_eq!(allocator.restore_address(&id("n"), addr), restorable);
                    if restorable {
                        model.push(addr);
                    }
                }
            }
            let mut expected = model.clone();
            expected.sort();
            let pool = &allocator.pools[&id("n")];
            prop_assert_eq!(pool.held.iter().copied().collect::<Vec<_>>(), expected);
            prop_assert_eq!(pool.ring.in_use(), 3 + model.len() as u64);
            prop_assert_eq!(pool.ring.free(), 13 - model.len() as u64);
        }
    }
}

use std::net::Ipv4Addr;

use super::*;
use crate::seen::TaskState;
use crate::testing::{network, service, task, world};

/// A /28 with a VIP, a task on the asked node `n1`, and so two holders and that node's load balancer.
fn small() -> Snapshot {
    let mut world = world();
    world.networks.push(network("a", "10.2.0.0/28"));
    world.services.push(service("app", &[("a", "10.2.0.2")]));
    world.tasks.push(task("t1", "app", TaskState::Running, &[("a", "10.2.0.3")]));
    world
}

fn host(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 2, 0, n)
}

fn of(snapshot: &Snapshot, unheld: Unheld<'_>) -> Occupancy {
    Occupancy::of(snapshot, &snapshot.networks[0], unheld).expect("a small network")
}

fn named<'a>(leaked: &'a [Ipv4Addr], suspects: &'a [Ipv4Addr], local: Option<u8>) -> Unheld<'a> {
    Unheld::Named { leaked, leaked_or_load_balancers: suspects, local_load_balancer: local.map(host) }
}

/// The cells of addresses 0 to 15, a letter each.
fn drawn(all: &Occupancy) -> String {
    all.cells()
        .map(|(_, cell)| match cell {
            Cell::Vip => 'V',
            Cell::Task => 'T',
            Cell::LoadBalancer => 'B',
            Cell::Attachment => 'A',
            Cell::Leaked => 'L',
            Cell::Suspect => 'S',
            Cell::Free => '.',
            Cell::Unknown => '?',
            Cell::Reserved => 'x',
        })
        .collect()
}

#[test]
fn without_a_count_nothing_is_free_or_leaked() {
    let all = of(&small(), Unheld::NotCounted);
    assert_eq!((drawn(&all).as_str(), all.unsettled), ("xxVT???????????x", Some(Unsettled::NotCounted)));
    assert_eq!((all.usable, all.held(), all.count(Cell::Unknown)), (13, 2, 11));
}

#[test]
fn a_complete_census_tells_every_address() {
    let (leaked, snapshot) = ([host(5), host(6)], small());
    let all = of(&snapshot, named(&leaked, &[], Some(4)));
    assert_eq!((drawn(&all).as_str(), all.unsettled), ("xxVTBLL........x", None));
    let balancer = all.owners.named.iter().find(|owner| owner.address == host(4)).expect("named");
    assert_eq!(balancer.node.as_ref().map(|node| all.hosts[node].as_str()), Some("host-n1"));
}

#[test]
fn a_load_balancer_that_nothing_names_keeps_the_rest_from_being_free() {
    let all = of(&small(), named(&[host(5)], &[], None));
    assert_eq!(drawn(&all), "xxVT?L?????????x");
    assert_eq!(all.unsettled, Some(Unsettled::LoadBalancers { load_balancers: 1 }));
}

#[test]
fn suspects_are_load_balancers_where_there_are_no_more_of_them() {
    let suspects = [host(4), host(9)];
    assert_eq!(drawn(&of(&small(), named(&[], &suspects, None))), "xxVTS....S.....x");
    assert_eq!(drawn(&of(&small(), named(&[], &suspects[..1], None))), "xxVTB..........x");
}

#[test]
fn a_number_tells_addresses_only_where_it_leaves_no_choice() {
    let snapshot = small();
    let few = of(&snapshot, Unheld::Number(2));
    assert_eq!(drawn(&few), "xxVT???????????x");
    assert_eq!(few.unsettled, Some(Unsettled::NumberOnly { leaked: 2, load_balancers: 1 }));
    assert_eq!(
        drawn(&of(&snapshot, Unheld::Number(10))),
        "xxVTSSSSSSSSSSSx",
        "all but a load balancer are leaked"
    );
    let mut idle = snapshot;
    idle.tasks.clear();
    assert_eq!(drawn(&of(&idle, Unheld::Number(0))), "xxV............x");
    assert_eq!(drawn(&of(&idle, Unheld::Number(12))), "xxVLLLLLLLLLLLLx");
}

#[test]
fn what_has_a_holder_is_held_whatever_the_count_says() {
    let leaked = [host(2), host(3), host(7)];
    let all = of(&small(), named(&leaked, &[], Some(4)));
    assert_eq!(drawn(&all), "xxVTB..L.......x");
}

#[test]
fn of_two_holders_one_is_drawn_and_one_outside_is_named() {
    let mut snapshot = small();
    snapshot.services.push(service("twin", &[("a", "10.2.0.3"), ("a", "10.9.0.9"), ("a", "10.2.0.1")]));
    let all = of(&snapshot, Unheld::NotCounted);
    assert_eq!(drawn(&all), "xxVT???????????x");
    let outside: Vec<_> = all.outside().map(|owner| owner.address.to_string()).collect();
    assert_eq!(outside, ["10.2.0.1", "10.9.0.9"], "the gateway's, and one of no subnet");
}

#[test]
fn a_census_alone_tells_what_it_names() {
    let subnet = [Subnet::parse("10.2.0.0/28").expect("a subnet")];
    let all = Occupancy::of_count(&subnet, 13, named(&[host(5)], &[], Some(4))).expect("small");
    assert_eq!((drawn(&all).as_str(), all.unsettled), ("x???BL?????????x", Some(Unsettled::NoHolders)));
}

#[test]
fn what_cannot_be_told_one_by_one_is_refused() {
    let mut snapshot = small();
    for (subnet, why) in [
        ("10.0.0.0/15", NoOccupancy::TooLarge { addresses: 1 << 17 }),
        ("0.0.0.0/0", NoOccupancy::TooLarge { addresses: 1 << 32 }),
        ("", NoOccupancy::NoSubnet),
    ] {
        snapshot.networks[0] = network("a", subnet);
        let told = Occupancy::of(&snapshot, &snapshot.networks[0], Unheld::NotCounted);
        assert_eq!(told.expect_err(subnet), why);
    }
    let twice = ["10.2.0.0/28", "10.2.0.0/29"].map(|s| Subnet::parse(s).expect("a subnet"));
    assert_eq!(Occupancy::of_count(&twice, 13, Unheld::NotCounted), Err(NoOccupancy::NoSubnet));
}

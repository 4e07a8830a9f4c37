use super::*;
use crate::seen::TaskState;
use crate::seen::{AllocatorCounts, Snapshot};
use crate::testing::{NOW, address, at, network, service, task, world};

/// `proxy`, a /28 with an owner, and `app` on it and on a network of this subnet that is this many seconds old.
fn incident(subnet: &str, age: i64) -> Snapshot {
    let mut world = world();
    world.networks.push(network("proxy", "10.1.0.0/28"));
    world.networks.push(Network { created: Some(at(NOW - age)), ..network("app_internal", subnet) });
    world.services.push(service("router", &[("proxy", "10.1.0.2")]));
    world.tasks.push(task("r", "router", TaskState::Running, &[("proxy", "10.1.0.3")]));
    world.services.push(service("app", &[("app_internal", ""), ("proxy", "")]));
    world
}

fn full(snapshot: &Snapshot) -> Vec<(String, Option<u64>)> {
    let counts = AllocatorCounts::default();
    let waiting = Waiting::of(snapshot, &counts);
    let overlays = snapshot.overlays().into_iter();
    let full = overlays.filter(|n| waiting.full(n).is_some());
    full.map(|n| (n.name.clone(), waiting.pool(n).leaked)).collect()
}

#[test]
fn a_network_made_with_the_service_cannot_have_lost_its_addresses() {
    for (subnet, age, expected) in [
        ("10.2.0.0/24", 10, Some(10)),
        ("10.2.0.0/24", 118, Some(10)),
        ("10.2.0.0/24", 119, None),
        ("10.2.0.0/20", 900, Some(10)),
        // A small one may have lost all it had.
        ("10.2.0.0/28", 1, None),
        // A clock that is behind: as young as can be.
        ("10.2.0.0/24", -3, Some(10)),
    ] {
        let found = full(&incident(subnet, age));
        let expected: Vec<_> =
            expected.map(|leaked| ("proxy".to_owned(), Some(leaked))).into_iter().collect();
        assert_eq!(found, expected, "{subnet}, {age} s old");
    }
}

#[test]
fn an_age_that_is_not_known_and_a_network_without_a_subnet_decide_nothing() {
    let mut unknown = incident("10.2.0.0/24", 10);
    unknown.networks[1].created = None;
    assert_eq!(full(&unknown), []);
    let mut bare = incident("10.2.0.0/24", 10);
    bare.networks[1].pools.clear();
    assert_eq!(full(&bare), [], "the one without a subnet refuses, so the other may have plenty");
}

/// What refuses is known then, so the wait says nothing of the others, however young the one that refuses is.
#[test]
fn a_network_that_is_known_to_refuse_explains_the_wait() {
    let counts = crate::testing::counts(&[("app_internal", 256, 0)]);
    let snapshot = incident("10.2.0.0/24", 10);
    let waiting = Waiting::of(&snapshot, &counts);
    assert_eq!(waiting.full(&snapshot.networks[0]), None, "proxy may have plenty");
    let mut bare = incident("10.2.0.0/24", 10);
    bare.networks[0].pools.clear();
    assert_eq!(full(&bare), [], "the one that is left has no subnet, and so no address to run out of");
}

#[test]
fn of_three_networks_two_must_be_young() {
    let mut three = incident("10.2.0.0/24", 10);
    three.networks.push(network("backups", "10.3.0.0/24"));
    three.services.last_mut().unwrap().networks.push(NetworkId::new("backups"));
    assert_eq!(full(&three), []);
    three.networks.last_mut().unwrap().created = Some(at(NOW - 10));
    assert_eq!(full(&three), [("proxy".to_owned(), Some(10))]);
}

/// An update that adds networks waits on those alone: what it has from before is no suspect.
#[test]
fn a_network_on_which_the_service_has_its_address_is_not_waited_on() {
    let mut updated = incident("10.2.0.0/24", 10);
    updated.networks.push(network("backups", "10.3.0.0/24"));
    let vips = [("backups", "10.3.0.2"), ("app_internal", ""), ("proxy", "")];
    *updated.services.last_mut().unwrap() = service("app", &vips);
    assert_eq!(full(&updated), [("proxy".to_owned(), Some(10))]);
}

#[test]
fn what_is_owned_cannot_be_lost_as_well() {
    let mut owned = incident("10.2.0.0/24", 10);
    for host in 2..=220_u8 {
        let held = address(&format!("10.2.0.{host}")).to_string();
        let held = [("app_internal", held.as_str())];
        owned.tasks.push(task(&format!("t{host}"), "app", TaskState::Running, &held));
    }
    assert_eq!(full(&owned), [], "33 are left, and 36 may be lost in that time");
}

#[test]
fn a_task_that_waits_on_several_is_as_good_as_a_service() {
    let mut snapshot = incident("10.2.0.0/24", 10);
    let app = snapshot.services.last_mut().unwrap();
    app.endpoint = crate::seen::EndpointMode::Dnsrr;
    snapshot.tasks.push(task("new", "app", TaskState::New, &[]));
    assert_eq!(full(&snapshot), [("proxy".to_owned(), Some(10))]);
}

/// A task of a service that waits itself says nothing of its own: its service is what is refused.
#[test]
fn one_network_alone_is_no_set_and_a_waiting_service_speaks_for_its_tasks() {
    let mut snapshot = incident("10.2.0.0/24", 10);
    snapshot.tasks.push(task("new", "app", TaskState::New, &[]));
    let (counts, who) = (AllocatorCounts::default(), |snapshot: &Snapshot, counts| {
        let waiting = Waiting::of(snapshot, counts);
        waited_sets(&waiting).into_iter().map(|(who, on)| (who, on.len())).collect::<Vec<_>>()
    });
    assert_eq!(who(&snapshot, &counts), [("service app".to_owned(), 2)]);
    snapshot.services.last_mut().unwrap().networks.pop();
    snapshot.services.last_mut().unwrap().vips.pop();
    assert_eq!(who(&snapshot, &counts), [], "one network is no set");
}

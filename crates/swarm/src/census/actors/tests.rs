//! A calm world, and each way in which another client moves its ring.

use pvcheck_audit::TaskState;

use super::super::testing::{NETWORK, calm, network, service, task};
use super::*;

fn names() -> Names {
    Names::new(&RunId::from_label("r1"), &network(NETWORK))
}

/// What changes when the world is changed like this during a turn.
fn after(disturb: impl FnOnce(&mut Snapshot)) -> Option<Doubt> {
    let mut after = calm();
    disturb(&mut after);
    change(&calm(), &after, &network(NETWORK), &names())
}

#[test]
fn a_calm_world_changes_nothing_and_each_disturbance_is_seen() {
    let name = || "proxy".to_owned();
    assert_eq!(after(|_| {}), None);
    assert_eq!(after(|w| w.nodes.clear()), Some(Doubt::PartialSnapshot));
    assert_eq!(after(|w| w.engine.node = NodeId::new("")), Some(Doubt::PartialSnapshot));
    assert_eq!(after(|w| w.networks.clear()), Some(Doubt::NetworkReplaced { network: name() }));
    let again = |w: &mut Snapshot| w.networks = vec![network("net0000000000000000000002")];
    assert_eq!(after(again), Some(Doubt::NetworkReplaced { network: name() }), "same name, other id");
    let elected = |w: &mut Snapshot| {
        w.nodes[0].leader = false;
        let mut other = w.nodes[0].clone();
        (other.id, other.leader) = (NodeId::new("n2"), true);
        w.nodes.push(other);
    };
    let moved = Doubt::LeaderMoved { from: Some(NodeId::new("n1")), to: Some(NodeId::new("n2")) };
    assert_eq!(after(elected), Some(moved));
    let ended = |w: &mut Snapshot| w.tasks[0].state = TaskState::Failed;
    assert_eq!(after(ended), Some(Doubt::TasksChanged { network: name() }));
    let vip_gone = |w: &mut Snapshot| w.services[0].vips.clear();
    assert_eq!(after(vip_gone), Some(Doubt::OwnersChanged { network: name() }));
}

/// Whatever is desired of it: the allocator tries to serve every task whose observed state is `new`.
#[test]
fn a_task_that_waits_is_seen_and_its_service_named() {
    let wait = |desired| after(move |w| w.tasks.push(task("t2", "s1", TaskState::New, desired, &[])));
    for desired in [TaskState::Running, TaskState::Shutdown] {
        let task = TaskId::new("t2");
        let doubt = Doubt::TaskWaits { task, service: "web".into(), network: "proxy".into() };
        assert_eq!(wait(desired), Some(doubt));
    }
    let orphan = |w: &mut Snapshot| {
        w.tasks.push(task("t2", "gone", TaskState::New, TaskState::Running, &[]));
    };
    assert_eq!(after(orphan), None, "without its service it is not served");
}

fn mover(object: ChangedObject, id: &str, name: &str) -> bool {
    let change = SwarmChange { object, id: id.into(), name: name.into(), action: "update".into() };
    let mut look = calm().services;
    look.push(service("s2", "elsewhere", &["other"]));
    first_mover(&BTreeSet::from([change]), &network(NETWORK), &names(), &[&look]).is_some()
}

#[test]
fn a_change_counts_if_it_may_have_moved_this_ring() {
    use ChangedObject::{Network, Node, Service};
    assert!(mover(Service, "s1", "web") && mover(Node, "n1", "") && mover(Network, NETWORK, "proxy"));
    assert!(!mover(Service, "s2", "elsewhere") && !mover(Network, "other", "other"));
    assert!(mover(Service, "s3", "came-and-went"), "what no look shows may have been here");
    assert!(mover(Service, "s4", "pvcheck-census-r2-net00000-7"), "a census of the same network");
    assert!(!mover(Service, "s5", "pvcheck-census-r2-abc00000-7"), "a census of another network");
}

/// Each of the three ways is enough, and no two of them are asked for.
#[test]
fn a_service_uses_a_network_by_its_list_its_address_or_its_ports() {
    let network = network(NETWORK);
    let elsewhere = service("s1", "web", &["other"]);
    assert!(!uses(&elsewhere, &network));
    let listed = Service { networks: vec![network.id.clone()], vips: Vec::new(), ..elsewhere.clone() };
    assert!(uses(&listed, &network), "it has no virtual address yet");
    let left = Service { networks: Vec::new(), ..service("s1", "web", &[NETWORK]) };
    assert!(uses(&left, &network), "it still has its virtual address there");
    let published = Service { publishes_ingress: true, ..elsewhere.clone() };
    assert!(!uses(&published, &network), "it publishes, but this is not the ingress network");
    let ingress = Network { ingress: true, ..network };
    assert!(uses(&published, &ingress));
    assert!(!uses(&elsewhere, &ingress), "it publishes nothing");
}

#[test]
fn censuses_are_told_from_each_other_by_run_and_network() {
    let names = names();
    assert_eq!(names.prefix(), "pvcheck-census-r1-net00000-");
    assert!(names.is_ours(&names.nth(7)) && names.rival(&names.nth(7)).is_none());
    let other = Names::new(&RunId::from_label("r2"), &network(NETWORK));
    assert_eq!(names.rival(&other.nth(0)), Some(RunId::from_label("r2")));
    let elsewhere = Names::new(&RunId::from_label("r2"), &network("abc0000000000000000000009"));
    assert_eq!(names.rival(&elsewhere.nth(0)), None);
    for foreign in ["web", "pvcheck-census", "pvcheck-census-", "pvcheck-census-r2"] {
        assert_eq!(names.rival(foreign), None, "{foreign}");
    }
}

#[test]
fn a_census_does_not_count_itself_among_those_that_wait() {
    let mut look = calm();
    let names = names();
    look.services.push(service("s9", &names.nth(1), &[NETWORK]));
    look.services.last_mut().expect("pushed").vips.clear();
    look.tasks.push(task("t9", "s9", TaskState::New, TaskState::Running, &[]));
    assert_eq!(waiters(&look, &network(NETWORK)), BTreeSet::new());
    assert!(!some_service_waits(&look.services, &look));
    assert_eq!(left_over(&look, &names), [names.nth(1)]);
    look.services[0].vips.clear();
    assert!(some_service_waits(&look.services, &look));
    assert_eq!(waiters(&look, &network(NETWORK)).len(), 1);
}

#[test]
fn a_task_that_held_an_address_only_in_between_came_and_went() {
    let seen =
        |address: [u8; 4]| came_and_went(&BTreeSet::from([address.into()]), &calm(), &network(NETWORK));
    assert!(!seen([10, 9, 0, 3]) && !seen([10, 9, 0, 2]), "of a task and a service that were there before");
    assert!(seen([10, 9, 0, 4]));
    assert!(!came_and_went(&BTreeSet::new(), &calm(), &network(NETWORK)));
}

#[test]
fn another_census_of_the_same_network_is_a_rival() {
    let mut look = calm();
    assert_eq!(rivals(&look, &names()), BTreeSet::new());
    let of = |run: &str, network_id: &str| Names::new(&RunId::from_label(run), &network(network_id)).nth(3);
    for (run, network) in [("r1", NETWORK), ("r2", NETWORK), ("r3", "abc0000000000000000000009")] {
        look.services.push(service(run, &of(run, network), &[network]));
    }
    assert_eq!(rivals(&look, &names()), BTreeSet::from(["r2".to_owned()]));
}

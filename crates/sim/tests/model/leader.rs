//! What a new leader's allocator knows, and what it does not.

use std::net::Ipv4Addr;
use std::time::Duration;

use pvcheck_sim::{Membership, Model, NetworkDraft, OwnerKind, ServiceDraft};
use serde_json::json;

use crate::support::{
    SECOND, call, count, force_update, get, in_state, logged, network, refused, service, truth, world,
};

/// Leaks `tasks` addresses on `net`: the private network goes while the tasks stop.
fn leak(model: &mut Model, tasks: u64) {
    network(model, "private", "10.91.0.0/24");
    service(model, ServiceDraft::new("leaky").on("private").on("net").replicas(tasks));
    model.remove_service("leaky").expect("there");
    model.remove_network("private").expect("stopping tasks are no obstacle");
    model.advance(SECOND);
    assert_eq!(truth(model, "net").leaked.len() as u64, tasks);
}

#[test]
fn leaks_are_gone_and_owners_keep_their_addresses() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("app").on("net").replicas(3));
    model.attach_container("by-hand", "net", "self").expect("attachable");
    model.advance(SECOND);
    let owners = truth(&model, "net").owners;
    leak(&mut model, 4);
    model.rebuild_allocator();
    let after = truth(&model, "net");
    assert_eq!(after.owners, owners);
    assert!(after.leaked.is_empty() && after.lost.is_empty());
    assert_eq!(after.in_use, Some(3 + owners.len() as u64));
}

#[test]
fn the_cursor_begins_at_the_lowest_gap() {
    let mut model = world();
    for name in ["a", "b", "c"] {
        service(&mut model, ServiceDraft::new(name).on("net").replicas(0));
    }
    model.remove_service("b").expect("there");
    model.rebuild_allocator();
    service(&mut model, ServiceDraft::new("d").on("net").replicas(0));
    let vip = get(&mut model, "/services/d")["Endpoint"]["VirtualIPs"][0]["Addr"].clone();
    assert_eq!(vip, "10.90.0.3/24", "b's, although the ring was past it");
}

/// A restart at any moment of a rollout: the task that waited for the old one to stop is not forgotten.
#[test]
fn a_restart_in_the_middle_of_an_update_leaves_no_task_that_waits_for_ever() {
    for millis in (0..400).step_by(10) {
        let mut model = world();
        service(&mut model, ServiceDraft::new("app").on("net"));
        force_update(&mut model, "app", 1);
        model.advance(Duration::from_millis(millis));
        model.restart_engine();
        model.advance(SECOND * 30);
        assert_eq!(in_state(&mut model, "running").len(), 1, "restarted after {millis} ms");
        assert_eq!(in_state(&mut model, "ready").len(), 0, "restarted after {millis} ms");
    }
}

#[test]
fn each_election_is_one_term_and_two_lines() {
    let mut model = world();
    for elections in 1..=3 {
        assert_eq!(logged(&model, "became leader at term"), elections);
        assert_eq!(logged(&model, "elected leader"), elections);
        model.rebuild_allocator();
    }
    assert_eq!(logged(&model, "became leader at term 5"), 1);
}

#[test]
fn a_stopping_task_of_a_removed_network_is_passed_over() {
    let mut model = world();
    network(&mut model, "private", "10.91.0.0/24");
    service(&mut model, ServiceDraft::new("app").on("private").on("net").replicas(2));
    model
        .change_service("app", |raw| {
            raw["UpdateConfig"] = serde_json::json!({"Parallelism": 0});
            raw["TaskTemplate"]["Networks"] = serde_json::json!([{"Target": "net"}]);
        })
        .expect("there");
    model.remove_network("private").expect("no obstacle");
    model.rebuild_allocator();
    assert_eq!(model.truth().unrestored_tasks, 2);
    assert_eq!(logged(&model, "failed allocating task"), 2);
    assert_eq!(truth(&model, "net").lost.len(), 2, "they use addresses that will be given again");
    model.advance(SECOND);
    let net = truth(&model, "net");
    assert_eq!((net.lost.len(), net.leaked.len()), (0, 0), "and leave nothing behind when they end");
}

#[test]
fn a_new_leader_deletes_the_tasks_of_a_service_that_is_gone() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("app").on("net").replicas(2));
    model.remove_service("app").expect("there");
    assert_eq!(in_state(&mut model, "running").len(), 2, "they stop");
    model.rebuild_allocator();
    assert_eq!(in_state(&mut model, "running").len(), 0);
    assert_eq!(truth(&model, "net").in_use, Some(3));
}

#[test]
fn a_released_address_goes_to_the_task_that_waits() {
    let mut model = Model::new();
    network(&mut model, "small", "10.90.0.0/29");
    service(&mut model, ServiceDraft::new("filler").on("small").constraint("node.labels.no==1").replicas(4));
    service(&mut model, ServiceDraft::new("late").on("small").dnsrr());
    assert_eq!(in_state(&mut model, "new").len(), 1);
    // Five usable: VIP and four tasks hold them all.
    model.scale_service("filler", 3).expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "new").len(), 0, "an address that is released is given on at once");
    model.rebuild_allocator();
    assert_eq!(truth(&model, "small").free, Some(0));
}

#[test]
fn a_network_that_could_not_be_allocated_is_tried_again() {
    let mut model = world();
    network(&mut model, "clash", "10.90.0.0/25");
    assert_eq!(truth(&model, "clash").subnet, None);
    model.rebuild_allocator();
    assert_eq!(truth(&model, "clash").subnet, None, "the other one is still there");
    assert_eq!(logged(&model, "Failed allocation for network"), 2, "once per leader");
}

#[test]
fn a_service_that_a_full_network_keeps_waiting_is_logged_by_each_leader() {
    let mut model = Model::new();
    network(&mut model, "full", "10.90.0.0/29");
    service(&mut model, ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4));
    service(&mut model, ServiceDraft::new("app").on("full"));
    assert_eq!(logged(&model, "Failed allocation for service"), 1);
    model.rebuild_allocator();
    assert_eq!(logged(&model, "during init"), 1);
    assert_eq!(count(&model, "full", OwnerKind::Vip), 1, "the filler's");
}

#[test]
fn a_service_of_a_failed_update_takes_an_address_from_a_task_at_the_next_election() {
    let mut model = Model::new();
    network(&mut model, "a", "10.90.0.0/28");
    network(&mut model, "full", "10.91.0.0/29");
    service(&mut model, ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4));
    service(&mut model, ServiceDraft::new("old").on("a").replicas(0));
    // L3: the failed update frees the live VIP, and the ring comes round to it.
    let both = json!([{"Target": "a"}, {"Target": "full"}]);
    model.change_service("old", |raw| raw["TaskTemplate"]["Networks"] = both).expect("accepted");
    for number in 0..13 {
        service(&mut model, ServiceDraft::new(&format!("n{number}")).on("a").replicas(0));
    }
    let twice = Ipv4Addr::new(10, 90, 0, 2);
    assert_eq!(truth(&model, "a").duplicates, [twice]);
    model.rebuild_allocator();
    assert_eq!(truth(&model, "a").duplicates, [twice], "the store still names both");
    // Services are restored before tasks, so the one that waited finds the full network empty.
    assert_eq!(count(&model, "full", OwnerKind::Vip), 2);
    assert_eq!((model.truth().unrestored_tasks, truth(&model, "full").duplicates.len()), (1, 1));
}

#[test]
fn the_oldest_manager_that_is_up_leads_when_the_leader_goes_down() {
    let mut model = world();
    let second = model.add_node(true);
    leak(&mut model, 2);
    model.set_node_down("node1", true).expect("there");
    assert_eq!(truth(&model, "net").leaked.len(), 0);
    let leader = |model: &mut Model| {
        let nodes = get(model, "/nodes");
        let nodes = nodes.as_array().expect("a list").clone();
        nodes.into_iter().find(|node| node["ManagerStatus"]["Leader"] == true).expect("one leads")["ID"]
            .clone()
    };
    assert_eq!(leader(&mut model), json!(second.as_str()));
    model.set_node_down("node1", false).expect("there");
    assert_eq!(leader(&mut model), json!(second.as_str()), "leadership stays where it is");
}

#[test]
fn the_last_manager_cannot_be_demoted_even_if_a_down_one_is_left() {
    let mut model = world();
    let second = model.add_node(true);
    model.set_node_down(second.as_str(), true).expect("there");
    let (status, text) = refused(model.set_manager("node1", false));
    assert_eq!(status, 400);
    assert!(text.ends_with("attempting to demote the last manager of the swarm"), "{text}");
    assert_eq!(model.membership(), Membership::Manager);
}

#[test]
fn restarting_the_engine_of_a_follower_reclaims_nothing() {
    let mut model = world();
    let second = model.add_node(true);
    leak(&mut model, 2);
    let here = "node.hostname==node1";
    service(&mut model, ServiceDraft::new("app").on("net").constraint(here));
    model.set_manager("node1", false).expect("there is another");
    model.set_manager("node1", true).expect("promoted again");
    assert_eq!(truth(&model, "net").leaked.len(), 0, "the change of leader did");
    leak_through(&mut model);
    let leaked = truth(&model, "net").leaked;
    let before = in_state(&mut model, "running");
    model.restart_engine();
    model.advance(SECOND);
    assert_eq!(truth(&model, "net").leaked, leaked, "{second} leads and did not restart");
    assert_ne!(in_state(&mut model, "running"), before, "containers of this node did");
}

/// A second leak, under other names.
fn leak_through(model: &mut Model) {
    model.create_network(&NetworkDraft::overlay("again").subnet("10.92.0.0/24").json()).expect("fresh");
    let on_follower = "node.hostname==node2";
    service(model, ServiceDraft::new("leaky").on("again").on("net").constraint(on_follower));
    assert_eq!(call(model, "DELETE", "/services/leaky", &json!(null)).0, 200);
    assert_eq!(call(model, "DELETE", "/networks/again", &json!(null)).0, 204);
    model.advance(SECOND);
    assert_eq!(truth(model, "net").leaked.len(), 1);
}

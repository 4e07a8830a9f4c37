//! Nodes: their load balancers, their roles, and what is refused.

use std::time::Duration;

use pvcheck_sim::{Availability, Membership, Model, OwnerKind, ServiceDraft};
use serde_json::{Value, json};

use crate::support::{SECOND, call, count, filtered, get, in_state, refused, service, truth, world};

/// The target of an update of a node as it is now.
fn update_of(model: &mut Model, node: &str) -> String {
    let version = get(model, &format!("/nodes/{node}"))["Version"]["Index"].clone();
    format!("/nodes/{node}/update?version={version}")
}

fn spec(role: &str, availability: &str) -> Value {
    json!({"Role": role, "Availability": availability, "Labels": {"zone": "a"}})
}

#[test]
fn a_balancer_comes_with_the_first_task_and_goes_with_the_last() {
    let mut model = world();
    let balancers = |model: &Model| count(model, "net", OwnerKind::LoadBalancer);
    assert_eq!(balancers(&model), 0, "lazy since 18.09");
    service(&mut model, ServiceDraft::new("a").on("net").replicas(2));
    service(&mut model, ServiceDraft::new("b").on("net"));
    assert_eq!(balancers(&model), 1, "one per node, however many tasks");
    model.remove_service("a").expect("there");
    model.advance(SECOND);
    assert_eq!(balancers(&model), 1);
    model.remove_service("b").expect("there");
    model.advance(SECOND);
    assert_eq!(balancers(&model), 0);
}

#[test]
fn every_node_has_a_balancer_on_ingress_until_it_is_removed() {
    let mut model = world();
    let worker = model.add_node(false);
    model.add_node(false);
    assert_eq!(count(&model, "ingress", OwnerKind::LoadBalancer), 3);
    model.set_node_down(worker.as_str(), true).expect("there");
    model.advance(Duration::from_hours(48));
    assert_eq!(count(&model, "ingress", OwnerKind::LoadBalancer), 3, "down is not gone");
    model.remove_node(worker.as_str(), false).expect("it is down");
    assert_eq!(count(&model, "ingress", OwnerKind::LoadBalancer), 2);
    assert_eq!(truth(&model, "ingress").leaked.len(), 0);
}

#[test]
fn a_balancer_that_finds_no_address_comes_when_one_is_free() {
    let mut model = Model::new();
    crate::support::network(&mut model, "small", "10.90.0.0/29");
    service(&mut model, ServiceDraft::new("filler").on("small").constraint("node.labels.no==1").replicas(3));
    service(&mut model, ServiceDraft::new("app").on("small").dnsrr());
    assert_eq!(in_state(&mut model, "preparing").len(), 1, "VIP, three tasks and its own: no address left");
    model.scale_service("filler", 2).expect("there");
    model.advance(Duration::from_secs(40));
    // The agent waits up to 30 s for the address; the end of the filler's task let the allocator retry.
    assert_eq!(count(&model, "small", OwnerKind::LoadBalancer), 1);
    assert_eq!(in_state(&mut model, "running").len(), 1);
}

#[test]
fn a_node_is_removed_only_when_it_is_no_manager_and_down_or_forced() {
    let mut model = world();
    let worker = model.add_node(false);
    let (status, text) = refused(model.remove_node("self", true));
    assert_eq!((status, text.ends_with("It must be demoted to worker before removal")), (400, true));
    let (status, text) = refused(model.remove_node(worker.as_str(), false));
    assert_eq!((status, text.ends_with("is not down and can't be removed")), (400, true));
    service(&mut model, ServiceDraft::new("app").on("net").constraint("node.role==worker"));
    let path = format!("/nodes/{worker}");
    assert_eq!(call(&mut model, "DELETE", &path, &Value::Null).0, 400);
    assert_eq!(call(&mut model, "DELETE", &format!("{path}?force=1"), &Value::Null).0, 200);
    assert_eq!(call(&mut model, "DELETE", &path, &Value::Null).0, 404);
    assert_eq!(in_state(&mut model, "orphaned").len(), 1);
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "pending").len(), 1, "its service waits for another worker");
    assert_eq!(count(&model, "net", OwnerKind::LoadBalancer), 0);
}

#[test]
fn updates_are_checked_before_anything_changes() {
    let mut model = world();
    let before = get(&mut model, "/nodes");
    let target = update_of(&mut model, "node1");
    for (target, body, status, text) in [
        (target.as_str(), spec("king", "active"), 400, "invalid Role: \"king\""),
        (target.as_str(), spec("manager", "lazy"), 400, "invalid Availability: \"lazy\""),
        (target.as_str(), spec("worker", "active"), 400, "demote the last manager of the swarm"),
        ("/nodes/node1/update?version=1", spec("manager", "active"), 500, "update out of sequence"),
        ("/nodes/node1/update?version=x", spec("manager", "active"), 400, "invalid node version 'x'"),
        ("/nodes/node1/update", spec("manager", "active"), 400, "invalid node version ''"),
        ("/nodes/nope/update?version=1", spec("manager", "active"), 404, "node nope not found"),
    ] {
        let (got, answer) = call(&mut model, "POST", target, &body);
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(got == status && message.contains(text), "{target}: {got} {message}");
    }
    assert_eq!(get(&mut model, "/nodes"), before);
}

#[test]
fn an_update_sets_role_availability_and_labels_at_once() {
    let mut model = world();
    let worker = model.add_node(false).to_string();
    let target = update_of(&mut model, &worker);
    assert_eq!(call(&mut model, "POST", &target, &spec("Manager", "DRAIN")).0, 200, "whatever the case");
    let node = get(&mut model, &format!("/nodes/{worker}"));
    let expected = json!({"Labels": {"zone": "a"}, "Role": "manager", "Availability": "drain"});
    assert_eq!(node["Spec"], expected);
    assert_eq!(node["ManagerStatus"]["Reachability"], "reachable");
    assert_eq!(call(&mut model, "POST", &target, &spec("worker", "active")).0, 500, "its version moved on");
}

#[test]
fn promoted_workers_serve_and_demoted_managers_do_not() {
    let mut model = world();
    model.add_node(true);
    model.set_manager("node1", false).expect("another manager is there");
    assert_eq!(model.membership(), Membership::Worker);
    assert_eq!(call(&mut model, "GET", "/services", &Value::Null).0, 503);
    assert_eq!(refused(model.remove_node("node2", true)).0, 503);
    model.set_manager("node1", true).expect("back");
    assert_eq!(call(&mut model, "GET", "/services", &Value::Null).0, 200);
}

#[test]
fn nodes_are_filtered_by_name_role_and_id() {
    let mut model = world();
    let worker = model.add_node(false).to_string();
    model.add_node(true);
    for (filters, expected) in [
        (json!({"role": ["manager"]}), vec!["node1", "node3"]),
        (json!({"role": ["worker"]}), vec!["node2"]),
        (json!({"role": ["worker", "manager"]}), vec!["node1", "node2", "node3"]),
        (json!({"name": ["node3"]}), vec!["node3"]),
        (json!({"id": [worker[..8]]}), vec!["node2"]),
        (json!({"role": {"manager": true}, "name": ["node1"]}), vec!["node1"]),
        (json!({"name": ["x"]}), vec![]),
    ] {
        let nodes = get(&mut model, &filtered("/nodes", &filters));
        let mut names: Vec<&str> = nodes
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|node| node["Description"]["Hostname"].as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, expected, "{filters}");
    }
}

#[test]
fn a_down_node_shows_it() {
    let mut model = world();
    let second = model.add_node(true).to_string();
    model.set_node_down(&second, true).expect("there");
    let node = get(&mut model, &format!("/nodes/{second}"));
    assert_eq!(
        (&node["Status"]["State"], &node["Status"]["Message"]),
        (&json!("down"), &json!("heartbeat failure"))
    );
    assert_eq!(node["ManagerStatus"]["Reachability"], "unreachable");
    assert!(node["ManagerStatus"].get("Leader").is_none());
}

#[test]
fn a_short_absence_costs_nothing() {
    let mut model = world();
    let worker = model.add_node(false);
    service(&mut model, ServiceDraft::new("app").on("net").global());
    let before = truth(&model, "net");
    model.set_node_down(worker.as_str(), true).expect("there");
    model.set_node_down(worker.as_str(), false).expect("there");
    model.advance(Duration::from_hours(25));
    let after = truth(&model, "net");
    assert_eq!(after.in_use, before.in_use, "the timer of the first absence does not count for the second");
    assert_eq!(in_state(&mut model, "orphaned").len(), 0);
}

#[test]
fn tasks_that_are_not_started_yet_go_on_when_the_node_is_back() {
    let mut model = world();
    let worker = model.add_node(false);
    model
        .create_service(ServiceDraft::new("app").on("net").constraint("node.role==worker").json())
        .expect("fresh");
    model.advance(Duration::from_millis(30));
    model.set_node_down(worker.as_str(), true).expect("there");
    model.advance(Duration::from_mins(1));
    assert_eq!(in_state(&mut model, "running").len(), 0);
    model.set_node_down(worker.as_str(), false).expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "running").len(), 1);
}

#[test]
fn the_local_node_answers_to_self() {
    let mut model = world();
    let worker = model.add_node(false);
    model.set_availability("self", Availability::Pause).expect("there");
    assert_eq!(get(&mut model, "/nodes/node1")["Spec"]["Availability"], "pause");
    assert_eq!(get(&mut model, &format!("/nodes/{worker}"))["Spec"]["Availability"], "active");
    assert_eq!(refused(model.set_availability("node9", Availability::Drain)).0, 404);
}

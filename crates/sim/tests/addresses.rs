//! Who holds an address and when: the model against what was measured on real Swarms.

use std::net::Ipv4Addr;
use std::time::Duration;

use pvcheck_sim::{
    Availability, Engine, Model, NetworkDraft, NetworkTruth, OwnerKind, Refusal, ServiceDraft, Settings,
};
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);

fn network(model: &mut Model, name: &str, subnet: &str) {
    model
        .create_network(&NetworkDraft::overlay(name).subnet(subnet).attachable().json())
        .expect("a fresh network");
}

fn service(model: &mut Model, draft: ServiceDraft) {
    model.create_service(draft.json()).expect("a fresh service");
    model.advance(SECOND);
}

fn truth(model: &Model, name: &str) -> NetworkTruth {
    model.truth().network(name).expect("a network of the test").clone()
}

fn count(model: &Model, network: &str, kind: OwnerKind) -> usize {
    truth(model, network).owners.iter().filter(|owner| owner.kind == kind).count()
}

fn leaked(model: &Model, network: &str) -> usize {
    truth(model, network).leaked.len()
}

fn last_octets(model: &Model, network: &str, kind: OwnerKind) -> Vec<u8> {
    let owners = truth(model, network).owners;
    owners.iter().filter(|owner| owner.kind == kind).map(|owner| owner.addr.octets()[3]).collect()
}

fn get(model: &mut Model, target: &str) -> Value {
    let answer = model.respond("GET", target, b"");
    assert_eq!(answer.status, 200, "{target}");
    answer.value()
}

/// All tasks of all runtimes.
fn tasks(model: &mut Model) -> Vec<Value> {
    let filters = "filters=%7B%22runtime%22%3A%5B%22container%22%2C%22attachment%22%5D%7D";
    get(model, &format!("/tasks?{filters}")).as_array().expect("a list").clone()
}

fn states(model: &mut Model) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    tasks(model).iter().map(|task| (text(&task["Status"]["State"]), text(&task["DesiredState"]))).collect()
}

fn logged(model: &Model, part: &str) -> usize {
    model.log().filter(|line| line.contains(part)).count()
}

#[test]
fn six_services_fit_a_28_and_the_seventh_waits() {
    let mut model = Model::new();
    network(&mut model, "small", "10.90.0.0/28");
    for number in 1..=6 {
        service(&mut model, ServiceDraft::new(&format!("s{number}")).on("small"));
    }
    assert_eq!(truth(&model, "small").free, Some(0), "13 usable = 1 balancer + 6 x (VIP + task)");
    assert!(states(&mut model).iter().all(|(state, _)| state == "running"));

    service(&mut model, ServiceDraft::new("s7").on("small"));
    model.advance(Duration::from_hours(1));
    let seventh = get(&mut model, "/services/s7");
    assert_eq!(seventh["Endpoint"], serde_json::json!({"Spec": {}}), "no VIP");
    let stuck: Vec<Value> = tasks(&mut model).into_iter().filter(|t| t["Status"]["State"] == "new").collect();
    assert_eq!(stuck.len(), 1);
    assert!(stuck[0]["Status"].get("Err").is_none() && stuck[0].get("NetworksAttachments").is_none());
    let id = seventh["ID"].as_str().expect("an id");
    let line = format!(
        "msg=\"Failed allocation for service {id}\" error=\"could not find an available IP while allocating VIP\""
    );
    assert_eq!(logged(&model, &line), 1, "once, whatever the retries");

    model.remove_service("s1").expect("there");
    model.advance(SECOND);
    assert!(
        states(&mut model).iter().all(|(state, _)| state == "running"),
        "addresses were released, so it runs"
    );
}

#[test]
fn every_consumer_costs_what_it_costs_on_a_real_swarm() {
    // (draft, VIPs, tasks, balancers, ingress in use beyond its own 3 + 1)
    let cases = [
        (ServiceDraft::new("a").replicas(3), 1, 3, 1, 0),
        (ServiceDraft::new("b").replicas(0), 1, 0, 0, 0),
        (ServiceDraft::new("c").dnsrr().replicas(2), 0, 2, 1, 0),
        (ServiceDraft::new("d").constraint("node.labels.none==1").replicas(4), 1, 4, 0, 0),
        (ServiceDraft::new("e").global(), 1, 1, 1, 0),
        (ServiceDraft::new("f").replicas(2).publish(80, 80, "ingress"), 1, 2, 1, 3),
        (ServiceDraft::new("g").publish(80, 80, "host"), 1, 1, 1, 0),
    ];
    for (draft, vips, tasks, balancers, ingress) in cases {
        let mut model = Model::new();
        network(&mut model, "net", "10.90.0.0/24");
        let shown = format!("{draft:?}");
        service(&mut model, draft.on("net"));
        assert_eq!(count(&model, "net", OwnerKind::Vip), vips, "{shown}");
        assert_eq!(count(&model, "net", OwnerKind::Task), tasks, "{shown}");
        assert_eq!(count(&model, "net", OwnerKind::LoadBalancer), balancers, "{shown}");
        assert_eq!(truth(&model, "net").in_use, Some(3 + (vips + tasks + balancers) as u64), "{shown}");
        assert_eq!(truth(&model, "ingress").in_use, Some(4 + ingress), "{shown}");
    }
}

#[test]
fn services_without_networks_cost_nothing() {
    let mut model = Model::new();
    service(&mut model, ServiceDraft::new("plain").replicas(2));
    service(&mut model, ServiceDraft::new("host").on("host"));
    assert_eq!(truth(&model, "ingress").in_use, Some(4));
    assert_eq!(states(&mut model).iter().filter(|(state, _)| state == "running").count(), 3);
}

#[test]
fn addresses_come_in_the_order_that_engines_give_them() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    service(&mut model, ServiceDraft::new("a").on("net"));
    assert_eq!(last_octets(&model, "net", OwnerKind::Vip), [2]);
    assert_eq!(last_octets(&model, "net", OwnerKind::Task), [3]);
    assert_eq!(last_octets(&model, "net", OwnerKind::LoadBalancer), [4]);
    model.remove_service("a").expect("there");
    model.advance(SECOND);
    assert_eq!(truth(&model, "net").in_use, Some(3), "the balancer went with the last task");
    service(&mut model, ServiceDraft::new("b").on("net").replicas(0));
    assert_eq!(last_octets(&model, "net", OwnerKind::Vip), [5], "serial: not the lowest free one");
    model.rebuild_allocator();
    service(&mut model, ServiceDraft::new("c").on("net").replicas(0));
    assert_eq!(last_octets(&model, "net", OwnerKind::Vip), [2, 5], "a new leader begins at the lowest gap");
}

#[test]
fn stack_removal_leaks_one_address_per_stopping_task_and_draining_none() {
    // (stacks, replicas, drained)
    for (stacks, replicas, drained) in
        [(1, 1, false), (1, 3, false), (8, 1, false), (3, 4, false), (8, 2, true)]
    {
        let mut model = Model::new();
        network(&mut model, "shared", "10.90.0.0/24");
        for stack in 1..=stacks {
            network(&mut model, &format!("private{stack}"), &format!("10.91.{stack}.0/24"));
            let draft = ServiceDraft::new(&format!("app{stack}")).stack("s").on(&format!("private{stack}"));
            service(&mut model, draft.on("shared").replicas(replicas));
        }
        for stack in 1..=stacks {
            model.remove_service(&format!("app{stack}")).expect("there");
        }
        if drained {
            model.advance(SECOND);
            assert_eq!(tasks(&mut model).len(), 0, "the store forgot them");
        }
        for stack in 1..=stacks {
            model.remove_network(&format!("private{stack}")).expect("no obstacle");
        }
        let stopping = count(&model, "shared", OwnerKind::Task) as u64;
        assert_eq!(leaked(&model, "shared"), 0, "a task that still stops owns its address");
        model.advance(SECOND);
        let expected = if drained { 0 } else { stacks * replicas };
        assert_eq!(stopping, expected);
        assert_eq!(leaked(&model, "shared") as u64, expected, "{stacks} x {replicas}");
        assert_eq!(truth(&model, "shared").in_use, Some(3 + expected));
        let trace = logged(&model, "could not find network allocator state for network");
        assert_eq!(trace > 0, !drained, "the leak leaves its trace in the log");

        model.rebuild_allocator();
        assert_eq!(truth(&model, "shared").in_use, Some(3), "a new leader takes every leak back");
    }
}

#[test]
fn moving_a_service_and_removing_its_old_network_leaks_on_the_other() {
    for wait in [false, true] {
        let mut model = Model::new();
        for (name, subnet) in [("kept", "10.90.0.0/24"), ("old", "10.91.0.0/24"), ("new", "10.92.0.0/24")] {
            network(&mut model, name, subnet);
        }
        service(&mut model, ServiceDraft::new("app").on("kept").on("old").replicas(1).start_first());
        model
            .change_service("app", |raw| {
                raw["TaskTemplate"]["Networks"] = serde_json::json!([{"Target": "kept"}, {"Target": "new"}]);
            })
            .expect("a valid update");
        model.advance(Duration::from_millis(if wait { 1000 } else { 120 }));
        assert_eq!(count(&model, "old", OwnerKind::Task), usize::from(!wait), "the old task stops");
        model.remove_network("old").expect("no service names it");
        model.advance(SECOND);
        assert_eq!(leaked(&model, "kept"), usize::from(!wait));
    }
}

#[test]
fn a_network_is_refused_while_a_service_or_a_wanted_task_uses_it() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    service(&mut model, ServiceDraft::new("app").on("net"));
    let refused = model.remove_network("net").expect_err("in use");
    assert!(matches!(&refused, Refusal::NetworkInUse { kind: "service", .. }));
    assert_eq!(refused.status(), 400);
    let task = model.attach_container("by-hand", "net", "self").expect("attachable");
    model.remove_service("app").expect("there");
    model.advance(SECOND);
    let refused = model.remove_network("net").expect_err("in use");
    assert_eq!(
        refused,
        Refusal::NetworkInUse {
            network: model.network_id("net").expect("there").to_string(),
            kind: "task",
            user: task.to_string(),
        }
    );
    assert!(model.detach_container(&task));
    model.remove_network("net").expect("free");
}

#[test]
fn a_service_with_one_full_network_loses_an_address_per_attempt_on_the_one_before_it() {
    for (order, per_attempt) in [(["a", "full"], 1), (["full", "a"], 0)] {
        let mut model = Model::new();
        network(&mut model, "a", "10.90.0.0/24");
        network(&mut model, "full", "10.91.0.0/29");
        network(&mut model, "other", "10.92.0.0/24");
        service(
            &mut model,
            ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4),
        );
        assert_eq!(truth(&model, "full").free, Some(0));
        service(&mut model, ServiceDraft::new("app").on(order[0]).on(order[1]));
        assert_eq!(leaked(&model, "a"), per_attempt, "the creation");
        for round in 1..=3 {
            service(&mut model, ServiceDraft::new("passer-by").on("other").replicas(0));
            model.remove_service("passer-by").expect("there");
            assert_eq!(leaked(&model, "a"), per_attempt * (1 + round), "any release retries");
        }
        model.remove_service("app").expect("there");
        model.advance(SECOND);
        assert_eq!(leaked(&model, "a"), per_attempt * 4, "removing the service gives none back");
    }
}

#[test]
fn a_failed_update_frees_a_live_vip_which_is_given_again() {
    let mut model = Model::new();
    network(&mut model, "a", "10.90.0.0/28");
    network(&mut model, "full", "10.91.0.0/29");
    service(&mut model, ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4));
    service(&mut model, ServiceDraft::new("app").on("a"));
    let before = get(&mut model, "/services/app")["Endpoint"]["VirtualIPs"].clone();
    model
        .change_service("app", |raw| {
            raw["TaskTemplate"]["Networks"] = serde_json::json!([{"Target": "a"}, {"Target": "full"}]);
        })
        .expect("the API says 200");
    model.advance(SECOND);
    assert_eq!(model.truth().failed_updates, 1);
    assert_eq!(get(&mut model, "/services/app")["Endpoint"]["VirtualIPs"], before, "still shown");
    assert_eq!(truth(&model, "a").lost, [Ipv4Addr::new(10, 90, 0, 2)], "and yet free");
    assert!(!states(&mut model).contains(&("running".into(), "running".into())), "the service is down");
    assert_eq!(logged(&model, "Failed allocation during update of service"), 1);
    // The ring turns: 13 usable, of which .2 to .4 were handed out before.
    for number in 0..11 {
        service(&mut model, ServiceDraft::new(&format!("n{number}")).on("a").replicas(0));
    }
    assert_eq!(truth(&model, "a").duplicates, [Ipv4Addr::new(10, 90, 0, 2)]);
}

#[test]
fn attached_containers_hold_an_address_and_have_no_service() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    model.create_network(&NetworkDraft::overlay("closed").json()).expect("fresh");
    assert!(matches!(model.attach_container("x", "closed", "self"), Err(Refusal::NotAttachable(_))));
    let id = model.attach_container("by-hand", "net", "self").expect("attachable");
    model.advance(SECOND);
    assert_eq!(count(&model, "net", OwnerKind::Attachment), 1);
    assert_eq!(count(&model, "net", OwnerKind::LoadBalancer), 1);
    assert_eq!(get(&mut model, "/tasks"), serde_json::json!([]), "hidden by default");
    let task = tasks(&mut model).remove(0);
    assert!(task.get("ServiceID").is_none());
    assert_eq!(task["Spec"]["Runtime"], "attachment");
    assert_eq!(task["Status"]["State"], "running");
    let containers = get(&mut model, "/networks/net")["Containers"].clone();
    let names: Vec<&str> =
        containers.as_object().expect("a map").values().filter_map(|c| c["Name"].as_str()).collect();
    assert!(names.contains(&"by-hand") && names.contains(&"net-endpoint"), "{names:?}");
    assert!(model.detach_container(&id));
    assert_eq!(truth(&model, "net").in_use, Some(3));
}

#[test]
fn finished_tasks_show_addresses_that_they_no_longer_hold() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    service(&mut model, ServiceDraft::new("app").on("net"));
    for _ in 0..8 {
        let running: Vec<String> = tasks(&mut model)
            .iter()
            .filter(|task| task["Status"]["State"] == "running")
            .filter_map(|task| task["ID"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(running.len(), 1);
        let id = model.task_id(&running[0]).expect("there");
        assert!(model.fail_task(&id, "exit 1"));
        model.advance(SECOND);
    }
    let all = tasks(&mut model);
    let finished: Vec<&Value> = all.iter().filter(|task| task["Status"]["State"] == "failed").collect();
    assert_eq!(finished.len(), 4, "of 5 records a slot, one is the running task's");
    assert!(finished.iter().all(|task| task["NetworksAttachments"][0]["Addresses"][0].is_string()));
    assert_eq!(truth(&model, "net").in_use, Some(3 + 3), "VIP, one task, balancer");
}

#[test]
fn a_bulk_census_takes_every_free_address_and_starts_nothing() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    service(&mut model, ServiceDraft::new("app").on("net").replicas(2));
    let census =
        ServiceDraft::new("census").on("net").dnsrr().constraint("node.labels.none==1").replicas(253);
    service(&mut model, census);
    let all = states(&mut model);
    let number = |state: &str| all.iter().filter(|(have, _)| have == state).count();
    assert_eq!((number("pending"), number("running")), (249, 2), "253 - VIP - 2 tasks - balancer");
    assert_eq!(number("new"), 4, "those without an address");
    let pending =
        tasks(&mut model).into_iter().find(|task| task["Status"]["State"] == "pending").expect("249");
    assert_eq!(pending["Status"]["Err"], "no suitable node (scheduling constraints not satisfied on 1 node)");

    let id = get(&mut model, "/services/census")["ID"].as_str().expect("an id").to_owned();
    model.remove_service("census").expect("there");
    let filter = format!("/tasks?filters=%7B%22service%22%3A%5B%22{id}%22%5D%7D");
    assert_eq!(model.respond("GET", &filter, b"").status, 404, "the filter no longer knows them");
    let still = tasks(&mut model).iter().filter(|task| task["ServiceID"] == id.as_str()).count();
    assert_eq!(
        (still, truth(&model, "net").free),
        (253, Some(0)),
        "the whole list does, and they hold addresses"
    );
    model.advance(SECOND);
    assert_eq!((tasks(&mut model).len(), truth(&model, "net").free), (2, Some(249)));
    assert_eq!(logged(&model, "error reallocating node "), 253, "the census's own noise");
}

#[test]
fn stop_time_comes_from_the_label() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    service(&mut model, ServiceDraft::new("slow").on("net").stops_in(Duration::from_secs(10)));
    service(&mut model, ServiceDraft::new("quick").on("net"));
    model.remove_service("slow").expect("there");
    model.remove_service("quick").expect("there");
    model.advance(Duration::from_secs(9));
    assert_eq!(states(&mut model), [("running".to_owned(), "remove".to_owned())]);
    model.advance(Duration::from_secs(2));
    assert_eq!(states(&mut model), []);
}

#[test]
fn a_full_network_makes_a_node_reject_tasks_for_want_of_a_balancer() {
    let mut model = Model::new();
    network(&mut model, "tiny", "10.90.0.0/30");
    service(&mut model, ServiceDraft::new("app").on("tiny").dnsrr());
    assert_eq!(truth(&model, "tiny").free, Some(0), "the only usable address is the task's");
    assert_eq!(logged(&model, "msg=\"Failed to allocate network resources for node"), 1);
    assert_eq!(states(&mut model), [("preparing".to_owned(), "running".to_owned())]);
    model.advance(Duration::from_secs(31));
    let rejected =
        tasks(&mut model).into_iter().find(|task| task["Status"]["State"] == "rejected").expect("one");
    assert_eq!(
        rejected["Status"]["Err"],
        "node is missing network attachments, ip addresses may be exhausted"
    );
}

#[test]
fn overlapping_networks_stay_unallocated_until_there_is_room() {
    let mut model = Model::new();
    network(&mut model, "first", "10.90.0.0/16");
    network(&mut model, "second", "10.90.3.0/24");
    let shown = get(&mut model, "/networks/second");
    assert_eq!((&shown["Driver"], &shown["IPAM"]["Config"]), (&Value::from(""), &Value::Null));
    assert_eq!(logged(&model, "Pool overlaps with other one on this address space"), 1);
    service(&mut model, ServiceDraft::new("app").on("second"));
    assert_eq!(states(&mut model), [("new".to_owned(), "running".to_owned())]);
    model.remove_network("first").expect("unused");
    model.advance(SECOND);
    assert_eq!(states(&mut model), [("running".to_owned(), "running".to_owned())]);
}

#[test]
fn subnets_come_from_the_pool_in_the_order_of_the_engine() {
    for (engine, next) in [(Engine::V20_10, "10.0.3.0/24"), (Engine::V29_7, "10.0.1.0/24")] {
        let mut model = Model::with_settings(Settings { engine, ..Settings::default() });
        let subnet = |model: &Model, name: &str| truth(model, name).subnet.expect("allocated").to_string();
        for name in ["a", "b"] {
            model.create_network(&NetworkDraft::overlay(name).json()).expect("fresh");
        }
        assert_eq!((subnet(&model, "a"), subnet(&model, "b")), ("10.0.1.0/24".into(), "10.0.2.0/24".into()));
        model.remove_network("a").expect("unused");
        model.create_network(&NetworkDraft::overlay("c").json()).expect("fresh");
        assert_eq!(subnet(&model, "c"), next, "{}", engine.version);
    }
}

#[test]
fn nodes_have_a_balancer_each_and_down_nodes_keep_theirs() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    let worker = model.add_node(false);
    let third = model.add_node(false);
    assert_eq!(count(&model, "ingress", OwnerKind::LoadBalancer), 3, "eager on ingress");
    service(&mut model, ServiceDraft::new("app").on("net").global());
    assert_eq!(count(&model, "net", OwnerKind::LoadBalancer), 3);

    model.set_availability(worker.as_str(), Availability::Drain).expect("there");
    model.advance(SECOND);
    assert_eq!(
        (count(&model, "net", OwnerKind::Task), count(&model, "net", OwnerKind::LoadBalancer)),
        (2, 2)
    );

    model.set_node_down(third.as_str(), true).expect("there");
    model.advance(SECOND);
    assert_eq!(count(&model, "net", OwnerKind::Task), 2, "what is out of reach keeps its address");
    assert_eq!(count(&model, "net", OwnerKind::LoadBalancer), 2);
    model.advance(Duration::from_hours(25));
    assert_eq!(
        (count(&model, "net", OwnerKind::Task), count(&model, "net", OwnerKind::LoadBalancer)),
        (1, 1)
    );
    assert_eq!(tasks(&mut model).iter().filter(|t| t["Status"]["State"] == "orphaned").count(), 1);
}

#[test]
fn a_node_that_comes_back_stops_what_it_was_told_to_stop_meanwhile() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    let worker = model.add_node(false);
    let draft = ServiceDraft::new("app").on("net").constraint("node.role==worker").replicas(2);
    service(&mut model, draft);
    model.set_node_down(worker.as_str(), true).expect("there");
    model.remove_service("app").expect("there");
    model.advance(Duration::from_hours(1));
    assert_eq!(count(&model, "net", OwnerKind::Task), 2, "the agent did not hear of it");
    model.set_node_down(worker.as_str(), false).expect("there");
    model.advance(SECOND);
    assert_eq!(truth(&model, "net").in_use, Some(3));
    assert_eq!(tasks(&mut model).len(), 0);
}

#[test]
fn demoting_the_leader_reclaims_leaks_and_restarts_nothing() {
    let mut model = Model::new();
    network(&mut model, "shared", "10.90.0.0/24");
    network(&mut model, "private", "10.91.0.0/24");
    assert!(model.set_manager("self", false).is_err(), "the last manager");
    service(&mut model, ServiceDraft::new("app").on("private").on("shared").replicas(2));
    service(&mut model, ServiceDraft::new("stays").on("shared").replicas(2));
    model.remove_service("app").expect("there");
    model.remove_network("private").expect("stopping tasks are no obstacle");
    model.advance(SECOND);
    assert_eq!(leaked(&model, "shared"), 2);
    let other = model.add_node(true);
    model.set_availability(other.as_str(), Availability::Drain).expect("there");
    let before = tasks(&mut model);
    model.set_manager("self", false).expect("there is another");
    assert_eq!(leaked(&model, "shared"), 0);
    assert_eq!(model.respond("GET", "/tasks", b"").status, 503, "this engine is a worker now");
    model.set_manager("self", true).expect("back");
    assert_eq!(tasks(&mut model), before, "nothing restarted");
    assert_eq!(logged(&model, "became leader at term"), 2);
}

#[test]
fn restarting_the_engine_reclaims_leaks_and_restarts_containers() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    service(&mut model, ServiceDraft::new("app").on("net").replicas(2));
    model.restart_engine();
    model.advance(SECOND);
    let all = states(&mut model);
    let number = |state: &str| all.iter().filter(|(have, _)| have == state).count();
    assert_eq!((number("failed"), number("running")), (2, 2));
    assert_eq!(truth(&model, "net").in_use, Some(3 + 4));
}

#[test]
fn rolling_updates_need_room_for_the_new_tasks() {
    // Start-first does not wait for the old task's end before it goes on with the next slot.
    for (start_first, peak) in [(false, 3), (true, 4)] {
        let mut model = Model::new();
        network(&mut model, "net", "10.90.0.0/24");
        let mut draft = ServiceDraft::new("app").on("net").replicas(2);
        if start_first {
            draft = draft.start_first();
        }
        service(&mut model, draft);
        model
            .change_service("app", |raw| raw["TaskTemplate"]["ForceUpdate"] = Value::from(1))
            .expect("a valid update");
        assert_eq!(get(&mut model, "/services/app")["UpdateStatus"]["State"], "updating");
        let mut most = 0;
        for _ in 0..300 {
            model.advance(Duration::from_millis(10));
            most = most.max(count(&model, "net", OwnerKind::Task));
        }
        assert_eq!(most, peak, "start first: {start_first}");
        assert_eq!(get(&mut model, "/services/app")["UpdateStatus"]["State"], "completed");
        assert_eq!(count(&model, "net", OwnerKind::Task), 2);
        let forced = tasks(&mut model);
        let running: Vec<&Value> = forced.iter().filter(|t| t["Status"]["State"] == "running").collect();
        assert!(running.len() == 2 && running.iter().all(|task| task["Spec"]["ForceUpdate"] == 1));
    }
}

#[test]
fn start_first_hangs_on_a_full_network_and_stop_first_heals_itself() {
    for (start_first, expected) in [(false, "completed"), (true, "updating")] {
        let mut model = Model::new();
        network(&mut model, "full", "10.90.0.0/29");
        let mut draft = ServiceDraft::new("app").on("full").replicas(3);
        if start_first {
            draft = draft.start_first();
        }
        service(&mut model, draft);
        assert_eq!(truth(&model, "full").free, Some(0));
        model
            .change_service("app", |raw| raw["TaskTemplate"]["ForceUpdate"] = Value::from(1))
            .expect("a valid update");
        model.advance(Duration::from_mins(3));
        assert_eq!(get(&mut model, "/services/app")["UpdateStatus"]["State"], expected);
    }
}

#[test]
fn scaling_down_removes_the_highest_slots_and_switching_to_dnsrr_the_vip() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    service(&mut model, ServiceDraft::new("app").on("net").replicas(3));
    model.scale_service("app", 1).expect("there");
    model.advance(SECOND);
    let left = tasks(&mut model);
    assert_eq!(left.iter().map(|task| task["Slot"].clone()).collect::<Vec<_>>(), [Value::from(1)]);
    model
        .change_service("app", |raw| raw["EndpointSpec"] = serde_json::json!({"Mode": "dnsrr"}))
        .expect("valid");
    model.advance(SECOND);
    assert_eq!(count(&model, "net", OwnerKind::Vip), 0);
    assert_eq!(truth(&model, "net").in_use, Some(3 + 2));
}

#[test]
fn effects_can_lag_behind_the_answer() {
    let mut settings = Settings::default();
    settings.timings.allocation = Duration::from_millis(5);
    let mut model = Model::with_settings(settings);
    model.advance(SECOND);
    network(&mut model, "net", "10.90.0.0/24");
    model.create_service(ServiceDraft::new("app").on("net").json()).expect("fresh");
    assert_eq!(get(&mut model, "/services/app")["Endpoint"], serde_json::json!({"Spec": {}}));
    model.advance(Duration::from_millis(5));
    assert_eq!(get(&mut model, "/services/app")["Endpoint"]["VirtualIPs"][0]["Addr"], "10.90.0.2/24");
}

#[test]
fn the_ci_host_has_the_addresses_that_were_seen() {
    let mut model = pvcheck_sim::world::cc_ci().expect("our own drafts");
    let services = get(&mut model, "/services");
    assert_eq!(services.as_array().map(Vec::len), Some(9));
    assert!(
        services
            .as_array()
            .expect("a list")
            .iter()
            .all(|service| { service["Spec"]["Labels"]["com.docker.stack.namespace"].is_string() })
    );
    assert_eq!(states(&mut model).iter().filter(|(state, _)| state == "running").count(), 9);
    assert_eq!(last_octets(&model, "proxy", OwnerKind::Task), [2, 5, 7, 9, 11, 13]);
    assert_eq!(last_octets(&model, "proxy", OwnerKind::Vip), [4, 6, 8, 10, 12]);
    assert_eq!(last_octets(&model, "proxy", OwnerKind::LoadBalancer), [3]);
    assert_eq!(truth(&model, "proxy").in_use, Some(15));
    assert_eq!(
        truth(&model, "ingress").subnet.map(|subnet| subnet.to_string()).as_deref(),
        Some("10.0.0.0/24")
    );
}

#[test]
fn scale_is_what_was_asked_for() {
    let model = Model::with(100, 20).expect("fits a /16");
    let shared = truth(&model, "shared");
    assert_eq!(shared.in_use, Some(3 + 100 * 21 + 1));
    assert_eq!(shared.subnet.map(pvcheck_ipam::Subnet::prefix), Some(16));
    assert!(Model::with(u64::MAX, 2).is_err());
}

//! Replicas, restarts, rolling updates and placement.

use std::time::Duration;

use pvcheck_sim::{Availability, Model, OwnerKind, ServiceDraft};
use serde_json::{Value, json};

use crate::support::{
    SECOND, count, force_update, get, in_state, network, refused, running_slots, service, tasks, truth, world,
};

fn app() -> ServiceDraft {
    ServiceDraft::new("app").on("net")
}

fn update_state(model: &mut Model) -> Value {
    get(model, "/services/app")["UpdateStatus"]["State"].clone()
}

/// How many running tasks of each node, by host name.
fn load(model: &mut Model) -> Vec<(String, usize)> {
    let nodes = get(model, "/nodes");
    let all = tasks(model);
    let mut load: Vec<(String, usize)> = Vec::new();
    for node in nodes.as_array().expect("a list") {
        let here = |task: &&Value| task["Status"]["State"] == "running" && task["NodeID"] == node["ID"];
        let name = node["Description"]["Hostname"].as_str().expect("a name").to_owned();
        load.push((name, all.iter().filter(here).count()));
    }
    load.sort();
    load
}

#[test]
fn scaling_keeps_the_lowest_slots_and_fills_gaps_from_below() {
    let mut model = world();
    service(&mut model, app().replicas(4));
    assert_eq!(running_slots(&mut model), [1, 2, 3, 4]);
    for (replicas, slots) in [(2, vec![1, 2]), (5, vec![1, 2, 3, 4, 5]), (0, vec![]), (1, vec![1])] {
        model.scale_service("app", replicas).expect("there");
        model.advance(SECOND);
        assert_eq!(running_slots(&mut model), slots, "{replicas} replicas");
        assert_eq!(count(&model, "net", OwnerKind::Task) as u64, replicas);
    }
    assert!(in_state(&mut model, "shutdown").is_empty(), "scaled down is removed, not history");
}

#[test]
fn scaling_leaves_the_tasks_that_stay_alone() {
    let mut model = world();
    service(&mut model, app().replicas(3));
    let before = in_state(&mut model, "running");
    model.scale_service("app", 5).expect("there");
    model.advance(SECOND);
    let after = in_state(&mut model, "running");
    assert!(before.iter().all(|task| after.contains(task)), "no task was replaced");
    assert_eq!(update_state(&mut model), Value::Null, "and no update was begun");
}

#[test]
fn a_failed_task_is_replaced_in_its_slot() {
    let mut model = world();
    service(&mut model, app().replicas(2));
    let victim = in_state(&mut model, "running").remove(0);
    let slot = get(&mut model, &format!("/tasks/{victim}"))["Slot"].clone();
    assert!(model.fail_task(&victim, "exit 137"));
    let shown = get(&mut model, &format!("/tasks/{victim}"));
    assert_eq!(
        (&shown["Status"]["State"], &shown["Status"]["Err"], &shown["DesiredState"]),
        (&json!("failed"), &json!("exit 137"), &json!("shutdown"))
    );
    model.advance(SECOND);
    assert_eq!(running_slots(&mut model), [1, 2]);
    let heir = in_state(&mut model, "running")
        .into_iter()
        .find(|task| get(&mut model, &format!("/tasks/{task}"))["Slot"] == slot)
        .expect("a task runs in that slot");
    assert_ne!(heir, victim);
    assert!(!model.fail_task(&victim, "again"), "it does not run any more");
}

#[test]
fn tasks_go_to_the_node_with_the_fewest() {
    let mut model = world();
    for _ in 0..2 {
        model.add_node(false);
    }
    service(&mut model, app().replicas(7));
    let counts: Vec<usize> = load(&mut model).into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts.iter().sum::<usize>(), 7);
    assert!(counts.iter().all(|count| (2..=3).contains(count)), "{counts:?}");
}

#[test]
fn constraints_choose_nodes_and_a_label_set_later_lets_tasks_run() {
    let mut model = world();
    let worker = model.add_node(false);
    // (constraint, node1, node2)
    for (constraint, expected) in [
        ("node.role==manager", [2, 0]),
        ("node.role != manager", [0, 2]),
        ("node.hostname == node2", [0, 2]),
        ("node.labels.disk!=ssd", [1, 1]),
        ("node.labels.disk==ssd", [0, 0]),
        ("node.platform.os==linux", [0, 0]),
    ] {
        service(&mut model, app().replicas(2).constraint(constraint));
        let counts: Vec<usize> = load(&mut model).into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, expected, "{constraint}");
        model.remove_service("app").expect("there");
        model.advance(SECOND);
    }
    assert_eq!(refused(model.create_service(app().constraint("nonsense").json())).0, 500);
    service(&mut model, app().replicas(2).constraint("node.labels.disk==ssd"));
    assert_eq!(in_state(&mut model, "pending").len(), 2);
    assert_eq!(count(&model, "net", OwnerKind::Task), 2, "and yet they hold addresses");
    model.set_node_label(worker.as_str(), "disk", "ssd").expect("there");
    model.advance(SECOND);
    assert_eq!(load(&mut model)[1].1, 2);
}

#[test]
fn a_global_service_follows_the_nodes() {
    let mut model = world();
    service(&mut model, app().global());
    assert_eq!(in_state(&mut model, "running").len(), 1);
    let worker = model.add_node(false);
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "running").len(), 2, "a node that joins gets its task");
    model.set_availability(worker.as_str(), Availability::Drain).expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "running").len(), 1);
    assert_eq!(in_state(&mut model, "shutdown").len(), 1, "history, not removed: the slot may come back");
    model.set_availability(worker.as_str(), Availability::Active).expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "running").len(), 2);
}

#[test]
fn pausing_a_node_keeps_its_tasks_and_gives_it_no_new_ones() {
    let mut model = world();
    let worker = model.add_node(false);
    service(&mut model, app().replicas(2));
    let before = in_state(&mut model, "running");
    model.set_availability(worker.as_str(), Availability::Pause).expect("there");
    model.scale_service("app", 6).expect("there");
    model.advance(SECOND);
    let after = in_state(&mut model, "running");
    assert!(before.iter().all(|task| after.contains(task)));
    let by_node: Vec<usize> = load(&mut model).into_iter().map(|(_, count)| count).collect();
    assert_eq!(by_node, [5, 1]);
}

#[test]
fn draining_moves_replicas_to_other_nodes() {
    let mut model = world();
    let worker = model.add_node(false);
    service(&mut model, app().replicas(4));
    model.set_availability(worker.as_str(), Availability::Drain).expect("there");
    model.advance(SECOND);
    assert_eq!(load(&mut model), [("node1".to_owned(), 4), ("node2".to_owned(), 0)]);
    assert_eq!(running_slots(&mut model), [1, 2, 3, 4]);
}

#[test]
fn a_pending_task_holds_its_address_until_its_service_goes() {
    let mut model = world();
    service(&mut model, app().replicas(3).constraint("node.labels.none==1"));
    let free = truth(&model, "net").free;
    model.advance(Duration::from_hours(1));
    assert_eq!(truth(&model, "net").free, free);
    model.remove_service("app").expect("there");
    assert_eq!(count(&model, "net", OwnerKind::Task), 3, "the reaper has not come yet");
    model.advance(SECOND);
    assert_eq!(truth(&model, "net").in_use, Some(3));
}

#[test]
fn an_update_replaces_as_many_slots_at_once_as_its_parallelism() {
    // (parallelism, most tasks that are not of the old template at the first moment)
    for (parallelism, at_once) in [(1, 1), (2, 2), (0, 4)] {
        let mut model = world();
        service(&mut model, app().replicas(4));
        model
            .change_service("app", |raw| {
                raw["TaskTemplate"]["ForceUpdate"] = json!(1);
                raw["UpdateConfig"] = json!({"Parallelism": parallelism});
            })
            .expect("there");
        let fresh =
            |model: &mut Model| tasks(model).iter().filter(|task| task["Spec"]["ForceUpdate"] == 1).count();
        assert_eq!(fresh(&mut model), at_once, "parallelism {parallelism}");
        model.advance(Duration::from_mins(1));
        assert_eq!(fresh(&mut model), 4);
        assert_eq!(update_state(&mut model), "completed");
        assert_eq!(running_slots(&mut model), [1, 2, 3, 4]);
    }
}

#[test]
fn with_stop_first_the_new_task_is_ready_and_waits_for_the_old_ones_end() {
    let mut model = world();
    service(&mut model, app().stops_in(Duration::from_secs(10)));
    force_update(&mut model, "app", 1);
    model.advance(Duration::from_secs(5));
    let all = tasks(&mut model);
    let state = |wanted: &str| all.iter().filter(|task| task["Status"]["State"] == wanted).count();
    assert_eq!((state("running"), state("ready")), (1, 1));
    let waiting = all.iter().find(|task| task["Status"]["State"] == "ready").expect("one");
    assert_eq!(waiting["DesiredState"], "ready");
    assert_eq!(count(&model, "net", OwnerKind::Task), 2, "both hold an address");
    model.advance(Duration::from_secs(6));
    assert_eq!(in_state(&mut model, "running").len(), 1);
    assert_eq!(update_state(&mut model), "completed");
}

#[test]
fn with_start_first_the_old_task_runs_until_the_new_one_does() {
    let mut model = world();
    service(&mut model, app().start_first());
    let old = in_state(&mut model, "running").remove(0);
    force_update(&mut model, "app", 1);
    let mut gap = false;
    for _ in 0..100 {
        model.advance(Duration::from_millis(5));
        gap |= in_state(&mut model, "running").is_empty();
    }
    assert!(!gap, "one task always ran");
    assert_ne!(in_state(&mut model, "running").remove(0), old);
}

#[test]
fn an_update_whose_new_task_fails_is_paused() {
    let mut model = world();
    network(&mut model, "tiny", "10.91.0.0/30");
    service(&mut model, app().dnsrr().replicas(2));
    // One usable address, so none is left for the balancer: the node rejects it.
    let moved = |raw: &mut Value| raw["TaskTemplate"]["Networks"] = json!([{"Target": "tiny"}]);
    model.change_service("app", moved).expect("there");
    model.advance(Duration::from_secs(40));
    assert_eq!(update_state(&mut model), "paused");
    let status = get(&mut model, "/services/app")["UpdateStatus"].clone();
    let message = status["Message"].as_str().expect("a text");
    let culprit = message.strip_prefix("update paused due to failure or early termination of task ");
    let culprit = get(&mut model, &format!("/tasks/{}", culprit.expect("names the task")));
    assert_eq!(culprit["Status"]["State"], "rejected");
    assert!(status.get("CompletedAt").is_none());
    assert_eq!(count(&model, "net", OwnerKind::Task), 1, "the other slot was not begun");
}

/// Moves `app`, which needs an address of `net`, to another network.
fn moved_off(action: &str) -> Model {
    let mut model = world();
    network(&mut model, "other", "10.91.0.0/24");
    service(&mut model, app().needs_subnet("10.90.0.0/24").failure_action(action));
    let moved = |raw: &mut Value| raw["TaskTemplate"]["Networks"] = json!([{"Target": "other"}]);
    model.change_service("app", moved).expect("there");
    model.advance(SECOND);
    model
}

#[test]
fn a_task_that_fails_as_it_starts_does_what_the_service_says() {
    for (action, state) in
        [("pause", "paused"), ("continue", "completed"), ("rollback", "rollback_completed")]
    {
        let mut model = moved_off(action);
        assert_eq!(update_state(&mut model), state, "{action}");
        let back = action == "rollback";
        assert_eq!(count(&model, "net", OwnerKind::Task), usize::from(back), "{action}");
        assert_eq!(in_state(&mut model, "running").len(), usize::from(back), "{action}");
        let failed = in_state(&mut model, "failed");
        assert!(!failed.is_empty(), "{action}");
    }
}

#[test]
fn a_rollback_by_itself_names_the_task() {
    let mut model = moved_off("rollback");
    let shown = get(&mut model, "/services/app");
    assert_eq!(shown["UpdateStatus"]["Message"], "rollback completed");
    let net = model.network_id("net").expect("there");
    assert_eq!(shown["Spec"]["TaskTemplate"]["Networks"][0]["Target"], net.as_str());
}

#[test]
fn a_second_update_takes_over_from_the_first() {
    let mut model = world();
    service(&mut model, app().replicas(3).stops_in(Duration::from_secs(5)));
    force_update(&mut model, "app", 1);
    model.advance(SECOND);
    force_update(&mut model, "app", 2);
    model.advance(Duration::from_mins(2));
    assert_eq!(update_state(&mut model), "completed");
    let all = tasks(&mut model);
    let running: Vec<&Value> = all.iter().filter(|task| task["Status"]["State"] == "running").collect();
    assert_eq!(running.len(), 3);
    assert!(running.iter().all(|task| task["Spec"]["ForceUpdate"] == 2));
}

#[test]
fn a_changed_endpoint_replaces_tasks_and_a_changed_label_does_not() {
    let mut model = world();
    service(&mut model, app());
    let before = in_state(&mut model, "running");
    model.change_service("app", |raw| raw["Labels"]["note"] = json!("x")).expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "running"), before);
    model.change_service("app", |raw| raw["EndpointSpec"]["Mode"] = json!("dnsrr")).expect("there");
    model.advance(SECOND);
    assert_ne!(in_state(&mut model, "running"), before);
}

#[test]
fn rolling_back_goes_to_the_last_specification_and_back_again() {
    let mut model = world();
    service(&mut model, app().replicas(1));
    let version =
        |model: &mut Model| get(model, "/services/app")["Version"]["Index"].as_u64().expect("a number");
    let index = version(&mut model);
    let (status, text) = refused(model.roll_back_service("app", index));
    assert_eq!((status, text.contains("does not have a previous spec")), (400, true), "{text}");
    model.scale_service("app", 3).expect("there");
    for replicas in [1, 3, 1] {
        let index = version(&mut model);
        model.roll_back_service("app", index).expect("there is one now");
        model.advance(SECOND);
        assert_eq!(in_state(&mut model, "running").len(), replicas);
    }
}

#[test]
fn updates_are_refused_in_the_order_of_the_engine() {
    let mut model = world();
    service(&mut model, app());
    let renamed = ServiceDraft::new("other").on("net").json();
    let stale = 1;
    // A rename is found before the stale version.
    let (status, text) = refused(model.update_service("app", stale, renamed));
    assert_eq!((status, text.ends_with("renaming services is not supported")), (501, true), "{text}");
    let (status, text) = refused(model.update_service("app", stale, app().json()));
    assert_eq!((status, text.ends_with("update out of sequence")), (500, true), "{text}");
    let (status, text) = refused(model.update_service("nope", stale, app().json()));
    assert_eq!((status, text.as_str()), (404, "service nope not found"));
}

#[test]
fn published_ports_are_chosen_and_kept_apart() {
    let mut model = world();
    let published = |model: &mut Model, name: &str| {
        get(model, &format!("/services/{name}"))["Endpoint"]["Ports"][0]["PublishedPort"].clone()
    };
    service(&mut model, ServiceDraft::new("a").publish(0, 80, "ingress"));
    service(&mut model, ServiceDraft::new("b").publish(0, 80, "ingress"));
    assert_eq!((published(&mut model, "a"), published(&mut model, "b")), (json!(30_000), json!(30_001)));
    let taken = ServiceDraft::new("c").publish(30_001, 80, "ingress").json();
    assert_eq!(refused(model.create_service(taken)).0, 400);
    // The same number is free for another protocol, and on the nodes themselves.
    let mut udp = ServiceDraft::new("d").publish(30_001, 80, "ingress").json();
    udp["EndpointSpec"]["Ports"][0]["Protocol"] = json!("udp");
    assert!(model.create_service(udp).is_ok());
    assert!(model.create_service(ServiceDraft::new("e").publish(30_001, 80, "host").json()).is_ok());
    // An update may keep its own port.
    force_update(&mut model, "b", 1);
    assert_eq!(published(&mut model, "b"), json!(30_001));
}

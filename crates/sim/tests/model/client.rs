//! What the docker client asks for beyond the objects themselves: counts of tasks, defaults, updates of secrets and
//! configs, networks of every node, and the refusals that it shows to its user.

use std::time::Duration;

use pvcheck_sim::{Model, NetworkDraft, ServiceDraft};
use serde_json::{Value, json};

use crate::support::*;

fn status_of(model: &mut Model, service: &str) -> Value {
    let services = get(model, "/services?status=true");
    let named = services.as_array().expect("a list").iter().find(|one| one["Spec"]["Name"] == service);
    named.expect("it is listed")["ServiceStatus"].clone()
}

fn counts(running: u64, desired: u64, completed: u64) -> Value {
    json!({"RunningTasks": running, "DesiredTasks": desired, "CompletedTasks": completed})
}

#[test]
fn a_list_of_services_counts_their_tasks_where_it_is_asked_to() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("some").replicas(3));
    service(&mut model, ServiceDraft::new("each").global());
    service(&mut model, ServiceDraft::new("none").replicas(2).constraint("node.labels.no==where"));
    let job = ServiceDraft::new("job").replicated_job(1, 2).finishes_in(Duration::from_millis(10));
    service(&mut model, job);
    model.advance(Duration::from_secs(5));
    assert_eq!(status_of(&mut model, "some"), counts(3, 3, 0));
    assert_eq!(status_of(&mut model, "each"), counts(1, 1, 0));
    assert_eq!(status_of(&mut model, "none"), counts(0, 2, 0));
    assert_eq!(status_of(&mut model, "job"), counts(0, 1, 2));
    for target in ["/services", "/services?status=false", "/v1.40/services?status=true"] {
        assert!(get(&mut model, target)[0].get("ServiceStatus").is_none(), "{target}");
    }
}

#[test]
fn defaults_are_filled_in_for_who_asks_and_change_no_task() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("web"));
    assert!(get(&mut model, "/services/web")["Spec"].get("RollbackConfig").is_none());
    let spec = get(&mut model, "/services/web?insertDefaults=true")["Spec"].clone();
    assert_eq!(spec["RollbackConfig"]["FailureAction"], "pause");
    assert_eq!(spec["TaskTemplate"]["RestartPolicy"]["Condition"], "any");
}

#[test]
fn what_a_service_refers_to_is_not_removed_and_only_labels_change() {
    let mut model = world();
    for (kind, list, id_key) in [("configs", "Configs", "ConfigID"), ("secrets", "Secrets", "SecretID")] {
        let body = json!({"Name": "key", "Data": "aGVsbG8=", "Labels": {}});
        let (_, made) = call(&mut model, "POST", &format!("/{kind}/create"), &body);
        let id = made["ID"].as_str().expect("an id").to_owned();
        let mut draft = ServiceDraft::new(&format!("user-of-{kind}")).json();
        draft["TaskTemplate"]["ContainerSpec"][list] = json!([{id_key: id}]);
        model.create_service(draft).expect("a fresh name");
        let (status, answer) = call(&mut model, "DELETE", &format!("/{kind}/{id}"), &Value::Null);
        let said = answer["message"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{said}");
        let user = format!("'key' is in use by the following service: user-of-{kind}");
        assert!(said.ends_with(&user), "{said}");

        let index = get(&mut model, &format!("/{kind}/{id}"))["Version"]["Index"].clone();
        let target = format!("/{kind}/{id}/update?version={index}");
        let other = json!({"Name": "key", "Data": "b3RoZXI=", "Labels": {}});
        assert_eq!(call(&mut model, "POST", &target, &other).0, 400, "other data");
        let labelled = json!({"Name": "key", "Labels": {"a": "b"}});
        assert_eq!(call(&mut model, "POST", &target, &labelled).0, 200);
        assert_eq!(get(&mut model, &format!("/{kind}/{id}"))["Spec"]["Labels"], json!({"a": "b"}));
        assert_eq!(call(&mut model, "POST", &target, &labelled).0, 500, "it changed since");

        model.remove_service(&format!("user-of-{kind}")).expect("there");
        assert_eq!(call(&mut model, "DELETE", &format!("/{kind}/{id}"), &Value::Null).0, 204);
    }
}

#[test]
fn bridge_and_host_have_an_id_for_services_and_take_no_address() {
    let mut model = world();
    for name in ["bridge", "host"] {
        let shown = get(&mut model, &format!("/networks/{name}?scope=swarm"));
        assert_eq!((&shown["Scope"], &shown["Name"]), (&"swarm".into(), &name.into()));
        let id = shown["Id"].as_str().expect("an id").to_owned();
        assert_eq!(id.len(), 25);
        service(&mut model, ServiceDraft::new(&format!("on-{name}")).on(&id));
        let target = &get(&mut model, &format!("/services/on-{name}"))["Spec"]["TaskTemplate"]["Networks"];
        assert_eq!(*target, json!([{"Target": id}]));
    }
    for name in ["none", "docker_gwbridge"] {
        let target = format!("/networks/{name}?scope=swarm");
        assert_eq!(call(&mut model, "GET", &target, &Value::Null).0, 404, "{name}");
    }
}

#[test]
fn a_rollback_says_that_it_is_one() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("web"));
    model
        .change_service("web", |raw| raw["TaskTemplate"]["ContainerSpec"]["Env"] = json!(["A=1"]))
        .expect("an update");
    model.advance(Duration::from_secs(5));
    assert_eq!(get(&mut model, "/services/web")["UpdateStatus"]["State"], "completed");
    let version = get(&mut model, "/services/web")["Version"]["Index"].as_u64().expect("a number");
    model.roll_back_service("web", version).expect("there is a previous one");
    assert_eq!(get(&mut model, "/services/web")["UpdateStatus"]["State"], "rollback_started");
    model.advance(Duration::from_secs(5));
    let status = get(&mut model, "/services/web")["UpdateStatus"].clone();
    assert_eq!(
        (&status["State"], &status["Message"]),
        (&"rollback_completed".into(), &"rollback completed".into())
    );
    model.scale_service("web", 2).expect("an update");
    assert!(get(&mut model, "/services/web").get("UpdateStatus").is_none(), "scaling replaces nothing");
}

#[test]
fn networks_show_what_was_asked_for() {
    let mut model = world();
    let mut body = NetworkDraft::overlay("ranged").subnet("10.92.0.7/24").json();
    body["IPAM"]["Config"][0]["IPRange"] = json!("10.92.0.128/25");
    body["IPAM"]["Config"][0]["Gateway"] = json!("10.92.0.9");
    model.create_network(&body).expect("a fresh name");
    let shown = get(&mut model, "/networks/ranged")["IPAM"]["Config"].clone();
    let expected = json!([{"Subnet": "10.92.0.7/24", "IPRange": "10.92.0.128/25", "Gateway": "10.92.0.9"}]);
    assert_eq!(shown, expected, "host bits and all");
    for (body, status, text) in [
        (json!({"Name": "x", "Driver": "overlay", "Scope": "local"}), 403, "cannot downgrade network scope"),
        (json!({"Name": "x", "Driver": "overlay", "Ingress": true}), 409, "is already present"),
        (json!({"Name": "a..b", "Driver": "overlay"}), 400, "valid as a DNS name component"),
    ] {
        let (got, answer) = call(&mut model, "POST", "/networks/create", &body);
        let said = answer["message"].as_str().unwrap_or_default();
        assert!(got == status && said.contains(text), "{got} {said}");
    }
    let unused = get(&mut model, "/networks?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D");
    let names: Vec<&str> =
        unused.as_array().expect("a list").iter().filter_map(|network| network["Name"].as_str()).collect();
    assert!(names.contains(&"ranged") && !names.contains(&"bridge"), "{names:?}");
}

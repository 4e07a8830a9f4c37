//! Answers as the Engine API gives them: fields, filters, routes and malformed calls.

use jiff::Timestamp;
use pvcheck_sim::{Engine, Membership, Model, NetworkDraft, ServiceDraft, Settings};
use serde_json::{Value, json};

use crate::support::{SECOND, call, filtered, force_update, get, in_state, service, tasks, world};

const RELEASES: [Engine; 5] = [Engine::V20_10, Engine::V26_1, Engine::V28_5, Engine::V29_0, Engine::V29_7];

fn on(engine: Engine) -> Model {
    Model::with_settings(Settings { engine, ..Settings::default() })
}

/// The keys of an object, in their order.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The names in a list of services, secrets or configs.
fn names(list: &Value) -> Vec<String> {
    let name = |one: &Value| one["Spec"]["Name"].as_str().map(str::to_owned);
    let mut names: Vec<String> = list.as_array().expect("a list").iter().filter_map(name).collect();
    names.sort();
    names
}

#[test]
fn each_release_says_what_it_speaks_and_refuses_the_rest() {
    for engine in RELEASES {
        let mut model = on(engine);
        let version = get(&mut model, "/version");
        assert_eq!(version["Version"], engine.version);
        assert_eq!(version["ApiVersion"], format!("1.{}", engine.api_minor));
        assert_eq!(version["Components"][0]["Details"]["MinAPIVersion"], version["MinAPIVersion"]);
        for (minor, status) in [
            (engine.api_minor, 200),
            (engine.min_api_minor, 200),
            (engine.api_minor + 1, 400),
            (engine.min_api_minor - 1, 400),
        ] {
            let answer = model.respond("GET", &format!("/v1.{minor}/info"), b"");
            assert_eq!(answer.status, status, "1.{minor} of {}", engine.version);
        }
    }
}

#[test]
fn majors_and_the_reuse_of_subnets_follow_the_version() {
    for (version, major, reuses) in [
        ("20.10.24", 20, false),
        ("26.1.5", 26, false),
        ("27.0.1", 27, true),
        ("29.7.2", 29, true),
        ("", 0, false),
    ] {
        let engine = Engine { version, api_minor: 41, min_api_minor: 12 };
        assert_eq!((engine.major(), engine.reuses_subnets()), (major, reuses), "{version:?}");
    }
}

#[test]
fn only_paths_with_a_proper_version_are_versioned() {
    let mut model = Model::new();
    for (target, status) in [
        ("/v1.41/_ping", 200),
        ("/_ping", 200),
        ("/v1.041/_ping", 200),
        ("/v2.0/_ping", 404),
        ("/v1./_ping", 404),
        ("/v1.x/_ping", 404),
        ("/v1.41/v1.41/_ping", 404),
        ("/_ping/more", 404),
        ("/", 404),
        ("", 404),
    ] {
        assert_eq!(model.respond("GET", target, b"").status, status, "{target:?}");
    }
}

#[test]
fn a_ping_is_plain_text_and_its_head_is_empty() {
    let mut model = Model::new();
    let ping = model.respond("GET", "/_ping", b"");
    assert_eq!((ping.content_type, ping.body.as_slice()), (Some("text/plain; charset=utf-8"), &b"OK"[..]));
    let head = model.respond("HEAD", "/_ping", b"");
    assert_eq!((head.status, head.content_type, head.body.len()), (200, None, 0));
    assert_eq!(ping.value(), Value::Null, "not JSON");
}

#[test]
fn json_answers_end_with_a_newline_and_deletions_are_empty() {
    let mut model = world();
    let list = model.respond("GET", "/networks", b"");
    assert_eq!((list.content_type, list.body.last()), (Some("application/json"), Some(&b'\n')));
    let gone = model.respond("DELETE", "/networks/net", b"");
    assert_eq!((gone.status, gone.content_type, gone.body.len()), (204, None, 0));
}

#[test]
fn methods_that_a_path_does_not_have_are_404() {
    let mut model = world();
    for (method, target) in [
        ("PUT", "/networks/net"),
        ("POST", "/networks"),
        ("POST", "/services"),
        ("PATCH", "/services/x"),
        ("DELETE", "/tasks/x"),
        ("POST", "/tasks"),
        ("DELETE", "/swarm"),
        ("POST", "/nodes"),
        ("PUT", "/secrets/x"),
        ("POST", "/configs"),
        ("POST", "/services/x/update/y"),
        ("get", "/info"),
    ] {
        assert_eq!(
            call(&mut model, method, target, &Value::Null),
            (404, json!({"message": "page not found"})),
            "{method} {target}"
        );
    }
}

#[test]
fn bodies_that_are_not_json_are_refused_by_their_first_character() {
    let mut model = world();
    for (body, text) in [
        (&b""[..], "EOF"),
        (b"   ", "EOF"),
        (b"  x", "invalid character 'x' looking for beginning of value"),
        (b"}", "invalid character '}' looking for beginning of value"),
    ] {
        for target in ["/networks/create", "/services/create", "/configs/create"] {
            let answer = model.respond("POST", target, body);
            assert_eq!((answer.status, answer.value()), (400, json!({"message": text})), "{target}");
        }
    }
}

#[test]
fn a_service_has_the_engines_fields_and_no_others() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("web").on("net").publish(8080, 80, "ingress"));
    let web = get(&mut model, "/services/web");
    assert_eq!(keys(&web), ["ID", "Version", "CreatedAt", "UpdatedAt", "Spec", "Endpoint"]);
    assert_eq!(keys(&web["Endpoint"]), ["Spec", "Ports", "VirtualIPs"]);
    force_update(&mut model, "web", 1);
    let web = get(&mut model, "/services/web");
    assert_eq!(
        keys(&web),
        ["ID", "Version", "CreatedAt", "UpdatedAt", "Spec", "PreviousSpec", "Endpoint", "UpdateStatus"]
    );
    assert_eq!(keys(&web["UpdateStatus"]), ["State", "StartedAt", "Message"]);
    model.advance(SECOND * 10);
    let status = get(&mut model, "/services/web")["UpdateStatus"].clone();
    assert_eq!((&status["State"], &status["Message"]), (&json!("completed"), &json!("update completed")));
    let time = |key: &str| -> Timestamp { status[key].as_str().expect("a text").parse().expect("a time") };
    assert!(time("StartedAt") < time("CompletedAt"));
}

#[test]
fn a_minimal_service_is_completed_as_the_engine_does() {
    let mut model = world();
    let body = json!({"Name": "bare", "TaskTemplate": {"ContainerSpec": {"Image": "i"}}});
    assert_eq!(call(&mut model, "POST", "/services/create", &body).0, 201);
    let spec = get(&mut model, "/services/bare")["Spec"].clone();
    assert_eq!(spec["Labels"], json!({}));
    assert_eq!(spec["Mode"], json!({"Replicated": {"Replicas": 1}}));
    assert_eq!(
        (&spec["TaskTemplate"]["ForceUpdate"], &spec["TaskTemplate"]["Runtime"]),
        (&json!(0), &json!("container"))
    );
    assert!(spec["TaskTemplate"].get("Networks").is_none() && spec.get("EndpointSpec").is_none());
    model.advance(SECOND);
    assert_eq!(get(&mut model, "/services/bare")["Endpoint"], json!({"Spec": {}}));
}

#[test]
fn networks_of_the_older_place_move_into_the_template() {
    let mut model = world();
    let id = model.network_id("net").expect("there").to_string();
    let body = json!({"Name": "old", "Networks": [{"Target": "net", "Aliases": ["o"]}],
        "TaskTemplate": {"ContainerSpec": {"Image": "i"}}});
    assert_eq!(call(&mut model, "POST", "/services/create", &body).0, 201);
    let spec = get(&mut model, "/services/old")["Spec"].clone();
    assert_eq!(spec["TaskTemplate"]["Networks"], json!([{"Target": id, "Aliases": ["o"]}]));
    assert!(spec.get("Networks").is_none());
}

#[test]
fn a_task_shows_what_its_state_allows() {
    let mut model = world();
    model.create_service(ServiceDraft::new("app").on("net").json()).expect("fresh");
    let task = tasks(&mut model).remove(0);
    assert_eq!(task["Status"]["State"], "pending");
    assert!(task.get("NodeID").is_none() && task["Status"].get("ContainerStatus").is_none());
    assert!(task["NetworksAttachments"][0]["Addresses"][0].is_string(), "addresses come before a node");
    model.advance(SECOND);
    let task = tasks(&mut model).remove(0);
    assert_eq!(
        keys(&task),
        [
            "ID",
            "Version",
            "CreatedAt",
            "UpdatedAt",
            "Labels",
            "Spec",
            "ServiceID",
            "Slot",
            "NodeID",
            "Status",
            "DesiredState",
            "NetworksAttachments"
        ]
    );
    assert_eq!(keys(&task["Status"]), ["Timestamp", "State", "Message", "ContainerStatus", "PortStatus"]);
    let running = task["Status"]["ContainerStatus"].clone();
    assert!(running["PID"].as_u64().is_some_and(|pid| 0 < pid));
    let id = in_state(&mut model, "running").remove(0);
    assert!(model.fail_task(&id, "exit 1"));
    let ended = get(&mut model, &format!("/tasks/{id}"))["Status"].clone();
    assert_eq!(ended["ContainerStatus"]["PID"], 0);
    assert_eq!(ended["ContainerStatus"]["ContainerID"], running["ContainerID"]);
    assert_eq!(ended["Err"], "exit 1");
}

#[test]
fn global_tasks_have_a_node_and_no_slot() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("everywhere").on("net").global());
    let task = tasks(&mut model).remove(0);
    assert!(task.get("Slot").is_none());
    let node = task["NodeID"].as_str().expect("a node").to_owned();
    let containers = get(&mut model, "/networks/net")["Containers"].clone();
    let prefix = format!("everywhere.{node}.");
    let named = |c: &Value| c["Name"].as_str().is_some_and(|name| name.starts_with(&prefix));
    assert!(containers.as_object().expect("a map").values().any(named), "{containers}");
}

#[test]
fn tasks_are_filtered_by_each_key() {
    let mut model = world();
    let worker = model.add_node(false).to_string();
    service(&mut model, ServiceDraft::new("a").on("net").replicas(2).label("tier", "x"));
    service(&mut model, ServiceDraft::new("b").on("net").constraint("node.role==worker"));
    model.attach_container("by-hand", "net", "self").expect("attachable");
    model.advance(SECOND);
    let victim = in_state(&mut model, "running").remove(0);
    let (b, a) = (model.service_id("b").expect("there").to_string(), json!({"service": ["a"]}));
    let on_worker = tasks(&mut model).iter().filter(|task| task["NodeID"] == worker.as_str()).count();
    for (filters, expected) in [
        (json!({}), 3),
        (a, 2),
        (json!({"service": ["a", "b"]}), 3),
        (json!({"service": [b[..10]]}), 1),
        (json!({"label": ["tier"]}), 2),
        (json!({"label": ["tier=x"]}), 2),
        (json!({"label": ["tier=y"]}), 0),
        (json!({"label": ["tier", "missing"]}), 0),
        (json!({"node": [worker]}), on_worker),
        (json!({"id": [victim.as_str()]}), 1),
        (json!({"id": [victim.as_str()], "label": ["none"]}), 0),
        (json!({"name": ["a."]}), 2),
        (json!({"desired-state": ["RUNNING"]}), 3),
        (json!({"desired-state": ["shutdown", "remove"]}), 0),
        (json!({"runtime": ["attachment"]}), 1),
        (json!({"runtime": ["container", "attachment"]}), 4),
        (json!({"service": {"a": true}}), 2),
        (json!({"service": []}), 3),
        (json!({"up-to-date": ["true"]}), 3),
    ] {
        let list = get(&mut model, &filtered("/tasks", &filters));
        assert_eq!(list.as_array().map(Vec::len), Some(expected), "{filters}");
    }
}

#[test]
fn services_are_filtered_by_each_key() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("web").on("net").stack("shop"));
    service(&mut model, ServiceDraft::new("web-db").stack("shop").label("tier", "db"));
    service(&mut model, ServiceDraft::new("agent").global());
    let id = model.service_id("agent").expect("there").to_string();
    for (filters, expected) in [
        (json!({"name": ["web"]}), vec!["web", "web-db"]),
        (json!({"name": ["web-"]}), vec!["web-db"]),
        (json!({"id": [id]}), vec!["agent"]),
        (json!({"mode": ["global"]}), vec!["agent"]),
        (json!({"mode": ["replicated", "global"]}), vec!["agent", "web", "web-db"]),
        (json!({"label": ["com.docker.stack.namespace=shop"]}), vec!["web", "web-db"]),
        (json!({"label": ["com.docker.stack.namespace=shop", "tier=db"]}), vec!["web-db"]),
    ] {
        assert_eq!(names(&get(&mut model, &filtered("/services", &filters))), expected, "{filters}");
    }
}

#[test]
fn networks_are_filtered_by_each_key() {
    let mut model = world();
    model.create_network(&NetworkDraft::overlay("shop_net").label("stack", "shop").json()).expect("fresh");
    model.create_network(&NetworkDraft::bridge("local").label("stack", "none").json()).expect("fresh");
    let id = model.network_id("net").expect("there").to_string();
    for (filters, expected) in [
        (json!({"name": ["net"]}), vec!["net"]),
        (json!({"name": ["oca"]}), vec!["local"]),
        (json!({"name": ["^net$"]}), vec![]),
        (json!({"id": [id[..6]]}), vec!["net"]),
        (json!({"driver": ["overlay"]}), vec!["ingress", "net", "shop_net"]),
        (json!({"driver": ["null", "host"]}), vec!["host", "none"]),
        (json!({"scope": ["local"]}), vec!["bridge", "docker_gwbridge", "host", "local", "none"]),
        (json!({"scope": ["swarm"], "label": ["stack"]}), vec!["shop_net"]),
        (json!({"type": ["builtin"]}), vec!["bridge", "host", "none"]),
        (json!({"type": ["custom"], "driver": ["bridge"]}), vec!["docker_gwbridge", "local"]),
        (json!({"label": ["stack=none"]}), vec!["local"]),
    ] {
        let list = get(&mut model, &filtered("/networks", &filters));
        let mut names: Vec<&str> =
            list.as_array().expect("a list").iter().filter_map(|one| one["Name"].as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, expected, "{filters}");
    }
}

#[test]
fn secrets_and_configs_are_found_by_name_prefix_and_label() {
    let mut model = world();
    for name in ["tls_key", "tls_cert", "other"] {
        let body = json!({"Name": name, "Labels": {"of": &name[..3]}, "Data": "eA=="});
        assert_eq!(call(&mut model, "POST", "/secrets/create", &body).0, 201);
    }
    for (filters, expected) in [
        (json!({"name": ["tls"]}), vec!["tls_cert", "tls_key"]),
        (json!({"label": ["of=oth"]}), vec!["other"]),
        (json!({"name": ["x"]}), vec![]),
    ] {
        assert_eq!(names(&get(&mut model, &filtered("/secrets", &filters))), expected);
    }
    assert_eq!(get(&mut model, "/configs"), json!([]), "two stores");
    let (status, answer) = call(&mut model, "POST", "/secrets/create", &json!({"Data": "eA=="}));
    assert!(
        status == 400
            && answer["message"].as_str().is_some_and(|text| text.contains("name must be provided"))
    );
}

#[test]
fn unknown_filters_and_broken_ones_are_refused_per_list() {
    let mut model = world();
    for path in ["/networks", "/services", "/tasks", "/nodes", "/secrets", "/configs"] {
        let (status, answer) =
            call(&mut model, "GET", &filtered(path, &json!({"colour": ["red"]})), &Value::Null);
        assert_eq!((status, answer), (400, json!({"message": "Invalid filter 'colour'"})), "{path}");
        let (status, _) = call(&mut model, "GET", &format!("{path}?filters=nonsense"), &Value::Null);
        assert_eq!(status, 500, "{path}");
        let (status, _) = call(&mut model, "GET", &format!("{path}?filters=%5B%5D"), &Value::Null);
        assert_eq!(status, 500, "{path}: an array is not a map");
        let (status, _) = call(&mut model, "GET", &format!("{path}?filters="), &Value::Null);
        assert_eq!(status, 200, "{path}: an empty parameter is no filter");
    }
}

#[test]
fn info_tells_what_the_engine_is_to_its_swarm() {
    let mut model = world();
    model.add_node(true);
    model.add_node(false);
    let swarm = get(&mut model, "/info")["Swarm"].clone();
    assert_eq!((&swarm["Nodes"], &swarm["Managers"]), (&json!(3), &json!(2)));
    assert_eq!(swarm["RemoteManagers"].as_array().map(Vec::len), Some(2));
    assert_eq!(swarm["Cluster"]["ID"], get(&mut model, "/swarm")["ID"]);
    model.set_membership(Membership::Worker);
    let swarm = get(&mut model, "/info")["Swarm"].clone();
    assert!(swarm.get("Cluster").is_none() && swarm.get("Nodes").is_none());
    assert_eq!(swarm["LocalNodeState"], "active");
    model.set_membership(Membership::Inactive);
    let swarm = get(&mut model, "/info")["Swarm"].clone();
    assert_eq!((&swarm["NodeID"], &swarm["RemoteManagers"]), (&json!(""), &Value::Null));
}

#[test]
fn no_answer_shows_a_token() {
    let mut model = world();
    assert_eq!(get(&mut model, "/swarm")["JoinTokens"], json!({"Worker": "", "Manager": ""}));
    for target in ["/swarm", "/info", "/version", "/nodes"] {
        let text = String::from_utf8(model.respond("GET", target, b"").body).expect("UTF-8");
        assert!(!text.contains("SWMTKN"), "{target}");
    }
}

#[test]
fn a_list_of_networks_shows_no_containers_and_an_inspection_only_those_of_this_node() {
    let mut model = world();
    model.add_node(false);
    service(&mut model, ServiceDraft::new("app").on("net").global());
    let shown = get(&mut model, "/networks/net");
    let containers = shown["Containers"].as_object().expect("a map");
    assert_eq!(containers.len(), 2, "its task and its balancer, not the other node's");
    assert_eq!(shown["Peers"].as_array().map(Vec::len), Some(2));
    for one in get(&mut model, "/networks").as_array().expect("a list") {
        assert!(one.get("Peers").is_none() && one.get("Status").is_none());
        if one["Scope"] == "swarm" {
            assert_eq!(one["Containers"], Value::Null);
        }
    }
}

#[test]
fn enable_ipv4_came_with_28() {
    for engine in RELEASES {
        let mut model = on(engine);
        let ingress = get(&mut model, "/networks/ingress");
        assert_eq!(ingress.get("EnableIPv4").is_some(), 28 <= engine.major(), "{}", engine.version);
    }
}

#[test]
fn status_is_for_api_1_52_and_later_of_29_only() {
    for engine in RELEASES {
        let mut model = on(engine);
        let id = model.network_id("ingress").expect("there").to_string();
        let status = get(&mut model, &format!("/networks/{}", &id[..12])).get("Status").cloned();
        assert_eq!(status.is_some(), 52 <= engine.api_minor, "{}", engine.version);
        if let Some(status) = status {
            let numbers = &status["IPAM"]["Subnets"]["10.0.0.0/24"];
            assert_eq!(numbers, &json!({"IPsInUse": 4, "DynamicIPsAvailable": 252}));
        }
    }
}

/// A list writes once what its tasks share; nobody may see that.
#[test]
fn a_task_is_the_same_in_a_list_and_by_itself() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("web").on("net").replicas(2).publish(80, 8080, "host"));
    service(&mut model, ServiceDraft::new("job").on("net").replicated_job(2, 3));
    service(&mut model, ServiceDraft::new("lonely").constraint("node.labels.pvcheck==none"));
    let list = get(&mut model, "/tasks");
    let listed = list.as_array().expect("a list");
    assert!(5 <= listed.len(), "{list}");
    for task in listed {
        let id = task["ID"].as_str().expect("an id");
        assert_eq!(get(&mut model, &format!("/tasks/{id}")), *task);
    }
}

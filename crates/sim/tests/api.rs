//! The Engine API in process: shapes and refusals as read off a real engine.

use std::time::Duration;

use proptest::prelude::*;
use pvcheck_sim::{Engine, Membership, Model, NetworkDraft, ServiceDraft, Settings};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn on(engine: Engine) -> Model {
    Model::with_settings(Settings { engine, ..Settings::default() })
}

fn world() -> Model {
    let mut model = Model::new();
    let net = NetworkDraft::overlay("net").subnet("10.77.1.0/28").attachable().label("a", "b");
    model.create_network(&net.json()).expect("fresh");
    let web = ServiceDraft::new("web").on("net").replicas(2).label("x", "y").publish(18080, 80, "ingress");
    model.create_service(web.json()).expect("fresh");
    model.advance(SECOND);
    model
}

fn call(model: &mut Model, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let answer = model.respond(method, target, &body);
    (answer.status, answer.value())
}

fn get(model: &mut Model, target: &str) -> Value {
    let (status, value) = call(model, "GET", target, &Value::Null);
    assert_eq!(status, 200, "{target}: {value}");
    value
}

fn filtered(model: &mut Model, path: &str, filters: &Value) -> (u16, Value) {
    let escaped: String = filters.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    call(model, "GET", &format!("{path}?filters={escaped}"), &Value::Null)
}

/// Method, target, body, and the status and message that the engine answers with.
type Case<'a> = (&'a str, &'a str, Value, u16, &'a str);

fn check(model: &mut Model, cases: &[Case<'_>]) {
    for (method, target, body, status, message) in cases {
        let answer = call(model, method, target, body);
        assert_eq!(answer, (*status, json!({"message": message})), "{method} {target}");
    }
}

#[test]
fn what_is_not_there_is_404() {
    let null = Value::Null;
    check(
        &mut world(),
        &[
            ("GET", "/networks/nope", null.clone(), 404, "network nope not found"),
            ("GET", "/networks/ne", null.clone(), 404, "network ne not found"),
            ("GET", "/services/nope", null.clone(), 404, "service nope not found"),
            ("GET", "/nodes/nope", null.clone(), 404, "node nope not found"),
            ("GET", "/tasks/nope", null.clone(), 404, "task nope not found"),
            ("GET", "/secrets/nope", null.clone(), 404, "secret nope not found"),
            ("GET", "/configs/nope", null.clone(), 404, "config nope not found"),
            ("DELETE", "/services/nope", null.clone(), 404, "service nope not found"),
            ("DELETE", "/secrets/nope", null.clone(), 404, "secret nope not found"),
            (
                "POST",
                "/services/nope/update?version=1",
                ServiceDraft::new("x").json(),
                404,
                "service nope not found",
            ),
            ("GET", "/nosuch", null.clone(), 404, "page not found"),
            ("GET", "/v1.41/nosuch", null, 404, "page not found"),
        ],
    );
}

#[test]
fn networks_are_refused_in_the_engines_words() {
    let mut model = world();
    let web = model.service_id("web").expect("there").to_string();
    let net = model.network_id("net").expect("there").to_string();
    let in_use =
        format!("rpc error: code = FailedPrecondition desc = network {net} is in use by service {web}");
    let ingress = format!(
        "rpc error: code = FailedPrecondition desc = ingress network cannot be removed because service {web} depends on it"
    );
    let bad = "Invalid subnet 10.5.0.0 : invalid CIDR address: 10.5.0.0";
    let create = "/networks/create";
    let null = Value::Null;
    check(
        &mut model,
        &[
            (
                "POST",
                create,
                NetworkDraft::overlay("net").json(),
                409,
                "network with name net already exists",
            ),
            ("POST", create, NetworkDraft::overlay("").json(), 500, "invalid name: "),
            ("POST", create, NetworkDraft::overlay("bad").subnet("10.5.0.0").json(), 500, bad),
            ("DELETE", "/networks/net", null.clone(), 400, &in_use),
            ("DELETE", "/networks/ingress", null.clone(), 400, &ingress),
            (
                "DELETE",
                "/networks/bridge",
                null,
                403,
                "bridge is a pre-defined network and cannot be removed",
            ),
        ],
    );
    let junk = model.respond("POST", create, b"junk");
    assert_eq!(junk.value()["message"], "invalid character 'j' looking for beginning of value");
}

#[test]
fn services_are_refused_in_the_engines_words() {
    let taken = "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already exists";
    let no_image = "rpc error: code = InvalidArgument desc = ContainerSpec: image reference must be provided";
    let no_version = "invalid service version '': strconv.ParseUint: parsing \"\": invalid syntax";
    let stale = "rpc error: code = Unknown desc = update out of sequence";
    let (create, web) = ("/services/create", ServiceDraft::new("web").json());
    let mut model = world();
    let id = model.service_id("web").expect("there");
    let port = format!(
        "rpc error: code = InvalidArgument desc = port '18080' is already in use by service 'web' ({id}) as an ingress port"
    );
    check(
        &mut model,
        &[
            ("POST", create, web.clone(), 409, taken),
            ("POST", create, ServiceDraft::new("x").on("nope").json(), 500, "network nope not found"),
            ("POST", create, json!({"Name": "x", "TaskTemplate": {"ContainerSpec": {}}}), 400, no_image),
            ("POST", create, ServiceDraft::new("x").publish(18080, 80, "ingress").json(), 400, &port),
            ("POST", "/services/web/update?version=1", web.clone(), 500, stale),
            ("POST", "/services/web/update", web, 400, no_version),
        ],
    );
}

#[test]
fn versions_and_filters_are_checked() {
    let mut model = world();
    let new = "client version 1.99 is too new. Maximum supported API version is 1.41";
    check(&mut model, &[("GET", "/v1.99/networks", Value::Null, 400, new)]);
    let old = model.respond("GET", "/v1.11/networks", b"");
    assert_eq!(
        (old.status, old.content_type),
        (400, Some("text/plain; charset=utf-8")),
        "older than JSON errors"
    );
    for (filters, status, message) in [
        (json!({"bogus": ["x"]}), 400, "Invalid filter 'bogus'"),
        (json!({"service": ["nope"]}), 404, "service nope not found"),
        (json!({"desired-state": ["foo"]}), 500, "Invalid desired-state filter: 'foo'"),
    ] {
        assert_eq!(filtered(&mut model, "/tasks", &filters), (status, json!({"message": message})));
    }
}

#[test]
fn a_network_looks_like_the_engines() {
    let mut model = world();
    let id = model.network_id("net").expect("there").to_string();
    let shown = get(&mut model, "/networks/net");
    assert_eq!(
        shown["IPAM"],
        json!({"Driver": "default", "Options": null, "Config": [{"Subnet": "10.77.1.0/28", "Gateway": "10.77.1.1"}]})
    );
    assert_eq!(shown["Options"], json!({"com.docker.network.driver.overlay.vxlanid_list": "4097"}));
    assert_eq!(
        (&shown["Attachable"], &shown["Ingress"], &shown["Labels"]),
        (&json!(true), &json!(false), &json!({"a": "b"}))
    );
    let containers = shown["Containers"].as_object().expect("a map");
    assert_eq!(containers.len(), 3, "two tasks and the balancer");
    assert_eq!(containers["lb-net"]["Name"], "net-endpoint");
    assert_eq!(containers["lb-net"]["IPv4Address"], "10.77.1.5/28");
    assert!(containers.values().any(|c| c["Name"].as_str().is_some_and(|name| name.starts_with("web.1."))));
    let ingress = get(&mut model, "/networks/ingress");
    assert_eq!(ingress["Containers"]["ingress-sbox"]["IPv4Address"], "10.0.0.2/24");
    assert!(shown.get("Status").is_none(), "not before API 1.52");

    for term in [&id[..], &id[..12], "net"] {
        assert_eq!(get(&mut model, &format!("/networks/{term}"))["Id"], json!(id));
    }
    let (_, list) = filtered(&mut model, "/networks", &json!({"driver": ["overlay"], "name": ["et"]}));
    assert_eq!(list, json!([]), "before 29.0 a name has to be whole");
    model.settings_mut().engine = Engine::V29_0;
    let (_, list) = filtered(&mut model, "/networks", &json!({"driver": ["overlay"], "name": ["et"]}));
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    model.settings_mut().engine = Engine::V20_10;
    assert_eq!(list[0]["Containers"], Value::Null, "a list knows no containers");
    let names: Vec<String> = get(&mut model, "/networks")
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|network| network["Name"].as_str().map(str::to_owned))
        .collect();
    assert!(
        ["docker_gwbridge", "bridge", "host", "none", "ingress", "net"]
            .iter()
            .all(|name| names.contains(&(*name).to_owned()))
    );
}

#[test]
fn services_and_tasks_look_like_the_engines() {
    let mut model = world();
    let net = model.network_id("net").expect("there").to_string();
    let ingress = model.network_id("ingress").expect("there").to_string();
    let service = get(&mut model, "/services/web");
    assert_eq!(
        service["Endpoint"]["VirtualIPs"],
        json!([
        {"NetworkID": ingress, "Addr": "10.0.0.3/24"}, {"NetworkID": net, "Addr": "10.77.1.2/28"}])
    );
    assert_eq!(service["Spec"]["TaskTemplate"]["Networks"], json!([{"Target": net}]), "by id");
    let (_, tasks) = filtered(
        &mut model,
        "/tasks",
        &json!({"service": ["web"], "desired-state": ["running"], "label": ["x=y"]}),
    );
    assert_eq!(tasks.as_array().map(Vec::len), Some(2));
    let task = tasks.as_array().expect("a list").iter().find(|task| task["Slot"] == 1).expect("slot 1");
    assert_eq!(task["NetworksAttachments"][0]["Network"]["ID"], json!(ingress), "ingress first");
    assert_eq!(task["NetworksAttachments"][1]["Addresses"], json!(["10.77.1.3/28"]));
    assert_eq!(task["NetworksAttachments"][1]["Network"]["Spec"]["Name"], "net");
    assert_eq!(task["Status"]["ContainerStatus"]["ContainerID"].as_str().map(str::len), Some(64));
    assert!(task["Spec"].get("Runtime").is_none());
    let (_, none) = filtered(&mut model, "/tasks", &json!({"desired-state": ["shutdown"]}));
    assert_eq!(none, json!([]));
    let node = get(&mut model, "/nodes")[0].clone();
    assert_eq!((&node["Status"]["State"], &node["ManagerStatus"]["Leader"]), (&json!("ready"), &json!(true)));
    let info = get(&mut model, "/info");
    assert_eq!(info["Swarm"]["Cluster"]["DefaultAddrPool"], json!(["10.0.0.0/8"]));
    assert_eq!((&info["Swarm"]["Nodes"], &info["Swarm"]["SubnetSize"]), (&json!(1), &Value::Null));
    assert_eq!(get(&mut model, "/swarm")["SubnetSize"], 24);
}

#[test]
fn setting_the_clock_moves_all_times() {
    let mut model = world();
    let text = |model: &mut Model, target: &str| {
        String::from_utf8(model.respond("GET", target, b"").body).expect("text")
    };
    let targets = ["/tasks", "/services", "/networks", "/networks/net", "/nodes", "/info"];
    assert!(targets.iter().all(|target| text(&mut model, target).contains("\"1970-01-01T")), "before");
    model.set_clock("2026-06-13T05:38:02Z".parse().expect("a time"));
    for target in targets {
        assert!(!text(&mut model, target).contains("\"1970-01-01T"), "{target}");
    }
    assert!(model.log().all(|line| line.starts_with("time=\"2026-06-13T05:38:0")));
}

#[test]
fn a_service_lives_through_the_api() {
    let mut model = world();
    let body = ServiceDraft::new("api").on("net").json();
    let (status, created) = call(&mut model, "POST", "/v1.24/services/create", &body);
    assert_eq!(status, 201);
    let id = created["ID"].as_str().expect("an id").to_owned();
    model.advance(SECOND);
    let shown = get(&mut model, &format!("/services/{id}"));
    let version = shown["Version"]["Index"].as_u64().expect("an index");
    let mut spec = shown["Spec"].clone();
    spec["Mode"] = json!({"Replicated": {"Replicas": 0}});
    spec["Future"] = json!({"kept": true});
    let update = format!("/services/{id}/update?version={version}");
    assert_eq!(call(&mut model, "POST", &update, &spec), (200, json!({"Warnings": null})));
    assert_eq!(call(&mut model, "POST", &update, &spec).0, 500, "the index moved");
    let shown = get(&mut model, &format!("/services/{id}"));
    assert_eq!(shown["Spec"]["Future"], json!({"kept": true}));
    assert_eq!(shown["PreviousSpec"]["Mode"]["Replicated"]["Replicas"], 1);
    let version = &shown["Version"]["Index"];
    let back = format!("/services/{id}/update?version={version}&rollback=previous");
    assert_eq!(call(&mut model, "POST", &back, &json!({})).0, 200);
    assert_eq!(get(&mut model, "/services/api")["Spec"]["Mode"]["Replicated"]["Replicas"], 1);
    assert_eq!(call(&mut model, "DELETE", "/services/api", &Value::Null).0, 200);
    assert_eq!(call(&mut model, "GET", "/services/api", &Value::Null).0, 404);
}

#[test]
fn configs_show_data_and_secrets_do_not() {
    let mut model = Model::new();
    for (kind, data) in [("configs", json!("aGFsbG8=")), ("secrets", Value::Null)] {
        let body = json!({"Name": "one", "Labels": {"k": "v"}, "Data": "aGFsbG8="});
        assert_eq!(call(&mut model, "POST", &format!("/{kind}/create"), &body).0, 201);
        let again = call(&mut model, "POST", &format!("/{kind}/create"), &body);
        let singular = kind.trim_end_matches('s');
        assert_eq!(
            again,
            (
                409,
                json!({"message": format!("rpc error: code = AlreadyExists desc = {singular} one already exists")})
            )
        );
        let shown = get(&mut model, &format!("/{kind}/one"));
        assert_eq!(shown["Spec"].get("Data").cloned().unwrap_or_default(), data);
        let (_, listed) = filtered(&mut model, &format!("/{kind}"), &json!({"label": ["k=v"]}));
        assert_eq!(listed.as_array().map(Vec::len), Some(1));
        assert_eq!(call(&mut model, "DELETE", &format!("/{kind}/one"), &Value::Null).0, 204);
        assert_eq!(get(&mut model, &format!("/{kind}")), json!([]));
    }
}

#[test]
fn workers_and_strangers_answer_503_to_cluster_calls() {
    for (membership, part, state) in [
        (Membership::Worker, "Worker nodes can't be used to view or modify cluster state", "active"),
        (Membership::Inactive, "Use \"docker swarm init\" or \"docker swarm join\"", "inactive"),
    ] {
        let mut model = world();
        model.set_membership(membership);
        for path in ["/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs", "/services/web"] {
            let (status, answer) = call(&mut model, "GET", path, &Value::Null);
            assert_eq!(status, 503, "{path}");
            assert!(answer["message"].as_str().is_some_and(|text| text.contains(part)), "{answer}");
        }
        let info = get(&mut model, "/info");
        assert_eq!(
            (&info["Swarm"]["LocalNodeState"], &info["Swarm"]["ControlAvailable"]),
            (&json!(state), &json!(false))
        );
        assert!(
            get(&mut model, "/networks").as_array().is_some_and(|list| list.len() == 4),
            "its own networks"
        );
        let (status, _) = call(&mut model, "POST", "/networks/create", &NetworkDraft::overlay("x").json());
        assert_eq!(status, 503);
    }
}

#[test]
fn status_ipam_comes_with_1_52_and_with_its_traps() {
    let mut model = on(Engine::V29_7);
    model.create_network(&NetworkDraft::overlay("net").subnet("10.77.1.0/24").json()).expect("fresh");
    for (name, replicas) in [("a", 2), ("b", 2), ("c", 2)] {
        model.create_service(ServiceDraft::new(name).on("net").replicas(replicas).json()).expect("fresh");
    }
    model.advance(SECOND);
    let id = model.network_id("net").expect("there").to_string();
    let numbers = |model: &mut Model, target: &str| {
        let subnet = get(model, target)["Status"]["IPAM"]["Subnets"]["10.77.1.0/24"].clone();
        (subnet["IPsInUse"].as_u64(), subnet["DynamicIPsAvailable"].as_u64())
    };
    // As measured on 29.7.2 with 6 tasks: 13 in use, and 10 for the full id.
    let truth = (Some(13), Some(243));
    assert_eq!(numbers(&mut model, &format!("/v1.52/networks/{}", &id[..12])), truth);
    assert_eq!(numbers(&mut model, &format!("/networks/{}", &id[..24])), truth);
    assert_eq!(numbers(&mut model, "/networks/net"), truth);
    assert_eq!(numbers(&mut model, &format!("/networks/{id}")), (Some(10), Some(246)), "this node's numbers");
    assert_eq!(numbers(&mut model, &format!("/networks/{id}?scope=swarm")), (Some(10), Some(246)));
    assert_eq!(numbers(&mut model, "/v1.51/networks/net"), (None, None), "not for older callers");
    assert!(
        get(&mut model, "/networks")
            .as_array()
            .expect("a list")
            .iter()
            .all(|network| network.get("Status").is_none())
    );

    model.create_network(&NetworkDraft::overlay("bad").subnet("10.77.1.0/28").json()).expect("accepted");
    assert_eq!(
        call(&mut model, "GET", "/networks/net", &Value::Null).0,
        404,
        "one unallocated network spoils names"
    );
    assert_eq!(call(&mut model, "GET", "/v1.51/networks/net", &Value::Null).0, 200);
    assert_eq!(numbers(&mut model, &format!("/networks/{}", &id[..12])), truth);
    model.settings_mut().ipam_traps = false;
    assert_eq!(numbers(&mut model, "/networks/net"), truth);
    assert_eq!(numbers(&mut model, &format!("/networks/{id}")), truth);
}

#[test]
fn a_node_keeps_its_copy_of_a_removed_network_while_a_task_stops() {
    let mut model = world();
    let id = model.network_id("net").expect("there").to_string();
    model.remove_service("web").expect("there");
    assert_eq!(call(&mut model, "DELETE", "/networks/net", &Value::Null).0, 204);
    assert_eq!(get(&mut model, "/networks/net")["Id"], json!(id), "still listed");
    assert_eq!(call(&mut model, "DELETE", "/networks/net", &Value::Null).0, 404);
    model.advance(SECOND);
    assert_eq!(call(&mut model, "GET", "/networks/net", &Value::Null).0, 404);
}

#[test]
fn nodes_are_updated_through_the_api() {
    let mut model = world();
    model.add_node(true);
    let leader = get(&mut model, "/nodes/node1");
    let target = format!("/nodes/node1/update?version={}", leader["Version"]["Index"]);
    let body = json!({"Role": "worker", "Availability": "active", "Labels": {}});
    assert_eq!(call(&mut model, "POST", &target, &body).0, 200);
    assert_eq!(call(&mut model, "GET", "/nodes", &Value::Null).0, 503);
    model.set_membership(Membership::Manager);
    let nodes = get(&mut model, "/nodes");
    let leaders: Vec<&Value> =
        nodes.as_array().expect("a list").iter().filter(|n| n["ManagerStatus"]["Leader"] == true).collect();
    assert_eq!(leaders.len(), 1);
    assert_ne!(leaders[0]["ID"], leader["ID"], "the other one leads");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[a-z0-9./:-]{0,20}".prop_map(Value::from),
        Just(json!("net")),
        Just(json!("ingress")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop::sample::select(vec![
            "Name",
            "Labels",
            "TaskTemplate",
            "ContainerSpec",
            "Image",
            "Networks",
            "Target",
            "Mode",
            "Replicated",
            "Replicas",
            "Global",
            "EndpointSpec",
            "Ports",
            "PublishMode",
            "IPAM",
            "Config",
            "Subnet",
            "IPRange",
            "Gateway",
            "Driver",
            "Role",
            "Availability",
            "Placement",
            "Constraints",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_call_makes_it_panic(
        method in prop::sample::select(vec!["GET", "POST", "DELETE", "PUT", "x"]),
        path in prop::sample::select(vec!["/services/create", "/networks/create", "/services/web/update?version=14",
            "/nodes/self/update?version=2", "/configs/create", "/tasks", "/networks", "/services", "/v1.", "//", ""]),
        tail in "[ -~]{0,30}",
        body in any_json(),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut model = world();
        model.respond(method, &format!("{path}{tail}"), body.to_string().as_bytes());
        model.respond(method, path, &bytes);
        model.respond("POST", path, body.to_string().as_bytes());
        model.respond("GET", &format!("/tasks?filters={body}"), b"");
        // A creation that gets as far as the interesting fields.
        let mut service = ServiceDraft::new("fuzz").json();
        service["EndpointSpec"] = body.clone();
        service["TaskTemplate"]["Networks"] = body.clone();
        model.respond("POST", "/services/create", service.to_string().as_bytes());
        service["TaskTemplate"]["Networks"] = json!([{"Target": "net"}]);
        service["EndpointSpec"] = json!({"Ports": body});
        model.respond("POST", "/services/create", service.to_string().as_bytes());
        let network = json!({"Name": "fuzz", "Driver": "overlay", "IPAM": body, "Options": body, "Labels": body});
        model.respond("POST", "/networks/create", network.to_string().as_bytes());
        model.advance(SECOND);
        prop_assert_eq!(model.respond("GET", "/networks", b"").status, 200);
        prop_assert_eq!(model.respond("GET", "/services", b"").status, 200);
        prop_assert_eq!(model.respond("GET", "/tasks", b"").status, 200);
    }
}

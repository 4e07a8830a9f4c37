//! Creating and removing networks, and containers attached by hand.

use std::time::Duration;

use pvcheck_sim::{Engine, Model, NetworkDraft, OwnerKind, Refusal, ServiceDraft, Settings};
use serde_json::{Value, json};

use crate::support::{
    SECOND, call, count, get, in_state, logged, network, refused, service, tasks, truth, world,
};

fn create(model: &mut Model, body: &Value) -> (u16, Value) {
    call(model, "POST", "/networks/create", body)
}

/// An overlay with one entry in `IPAM.Config`.
fn overlay(name: &str, config: &Value) -> Value {
    json!({"Name": name, "Driver": "overlay", "IPAM": {"Config": [config]}})
}

fn first_vip(model: &mut Model, network: &str) -> Value {
    service(model, ServiceDraft::new("probe").on(network).replicas(0));
    let vip = get(model, "/services/probe")["Endpoint"]["VirtualIPs"][0]["Addr"].clone();
    model.remove_service("probe").expect("there");
    vip
}

#[test]
fn gateway_and_range_are_what_was_asked_for() {
    let mut model = Model::new();
    let config = json!({"Subnet": "10.90.0.0/24", "Gateway": "10.90.0.254"});
    assert_eq!(create(&mut model, &overlay("gated", &config)).0, 201);
    let shown = get(&mut model, "/networks/gated")["IPAM"]["Config"][0].clone();
    assert_eq!(shown["Gateway"], "10.90.0.254");
    assert_eq!(first_vip(&mut model, "gated"), "10.90.0.1/24", "the first address is free then");

    let config = json!({"Subnet": "10.91.0.0/24", "IPRange": "10.91.0.128/29"});
    assert_eq!(create(&mut model, &overlay("ranged", &config)).0, 201);
    service(&mut model, ServiceDraft::new("app").on("ranged").dnsrr().replicas(20));
    let owners = truth(&model, "ranged").owners;
    assert!(!owners.is_empty());
    assert!(owners.iter().all(|owner| (128..136).contains(&owner.addr.octets()[3])), "{owners:?}");
    assert!(!in_state(&mut model, "new").is_empty(), "the range is full, not the subnet");
}

#[test]
fn host_bits_are_shown_and_mean_nothing() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.7.13/16");
    let shown = get(&mut model, "/networks/net")["IPAM"]["Config"][0].clone();
    assert_eq!(shown, json!({"Subnet": "10.90.7.13/16", "Gateway": "10.90.0.1"}), "as engine 20.10.24 does");
    assert_eq!(truth(&model, "net").subnet.map(|subnet| subnet.to_string()), Some("10.90.0.0/16".to_owned()));
}

#[test]
fn what_cannot_be_a_subnet_is_refused_in_the_engines_words() {
    let mut model = Model::new();
    for bad in ["10.0.0.0/33", "300.0.0.0/24", "10.0.0.0/", "/24", "ten/24", "10.0.0.0"] {
        let (status, answer) = create(&mut model, &overlay("bad", &json!({"Subnet": bad})));
        let text = format!("Invalid subnet {bad} : invalid CIDR address: {bad}");
        assert_eq!((status, answer), (500, json!({"message": text})));
    }
    let (status, answer) =
        create(&mut model, &overlay("bad", &json!({"Subnet": "10.5.0.0/24", "Gateway": "x"})));
    assert_eq!((status, answer), (500, json!({"message": "invalid gateway address x"})));
    assert!(model.network_id("bad").is_err(), "nothing was made");
}

#[test]
fn bounds_of_the_model_say_that_they_are_its_own() {
    let mut model = Model::new();
    let two = json!({"Name": "two", "Driver": "overlay",
        "IPAM": {"Config": [{"Subnet": "10.1.0.0/24"}, {"Subnet": "10.2.0.0/24"}]}});
    for (body, text) in [
        (two, "the embedded engine models one subnet per network"),
        (overlay("wide", &json!({"Subnet": "8.0.0.0/7"})), "the embedded engine models subnets from /8 on"),
    ] {
        let (status, answer) = create(&mut model, &body);
        let message = answer["message"].as_str().expect("a text");
        assert!(status == 400 && message.ends_with(text), "{message}");
    }
}

#[test]
fn names_are_taken_across_scopes_and_have_no_blanks_around() {
    let mut model = world();
    for (name, status) in [("net", 409), ("bridge", 409), ("docker_gwbridge", 409), ("", 500), (" x", 500)] {
        assert_eq!(create(&mut model, &NetworkDraft::overlay(name).json()).0, status, "{name:?}");
        assert_eq!(create(&mut model, &NetworkDraft::bridge(name).json()).0, status, "{name:?}");
    }
}

#[test]
fn there_is_one_ingress_network_and_it_can_be_made_again() {
    let mut model = world();
    let mut body = NetworkDraft::overlay("mesh").subnet("10.200.0.0/24").json();
    body["Ingress"] = json!(true);
    let (status, answer) = create(&mut model, &body);
    assert_eq!(status, 409);
    assert!(answer["message"].as_str().is_some_and(|text| text.ends_with("already present")));
    service(&mut model, ServiceDraft::new("web").publish(80, 80, "ingress"));
    assert_eq!(refused(model.remove_network("ingress")).0, 400);
    model.remove_service("web").expect("there");
    model.advance(SECOND);
    model.remove_network("ingress").expect("nothing needs it");
    // A service that needs it waits, and is served when it is there again.
    service(&mut model, ServiceDraft::new("web").publish(80, 80, "ingress"));
    assert_eq!(logged(&model, "ingress network is missing"), 1);
    assert_eq!(in_state(&mut model, "new").len(), 1);
    assert_eq!(create(&mut model, &body).0, 201);
    assert_eq!(count(&model, "mesh", OwnerKind::LoadBalancer), 1, "each node has its place at once");
}

#[test]
fn bridges_take_the_engines_local_pools_one_after_the_other() {
    let mut model = Model::new();
    let subnet = |model: &mut Model, name: &str| {
        get(model, &format!("/networks/{name}"))["IPAM"]["Config"][0]["Subnet"].clone()
    };
    // docker_gwbridge and bridge have the first two.
    for (name, expected) in [("one", "172.19.0.0/16"), ("two", "172.20.0.0/16")] {
        assert_eq!(create(&mut model, &NetworkDraft::bridge(name).json()).0, 201);
        assert_eq!(subnet(&mut model, name), expected);
    }
    model.remove_network("one").expect("nothing uses it");
    assert_eq!(create(&mut model, &NetworkDraft::bridge("three").json()).0, 201);
    assert_eq!(subnet(&mut model, "three"), "172.19.0.0/16", "the gap");
    assert_eq!(create(&mut model, &NetworkDraft::bridge("own").subnet("10.3.0.0/24").json()).0, 201);
    assert_eq!(subnet(&mut model, "own"), "10.3.0.0/24");
    let macvlan = json!({"Name": "m", "Driver": "macvlan"});
    assert_eq!(create(&mut model, &macvlan), (404, json!({"message": "plugin \"macvlan\" not found"})));
}

#[test]
fn only_swarm_networks_and_the_engines_own_can_be_used_by_services() {
    let mut model = Model::new();
    assert_eq!(create(&mut model, &NetworkDraft::bridge("local").json()).0, 201);
    let (status, text) = refused(model.create_service(ServiceDraft::new("a").on("local").json()));
    assert_eq!(status, 403);
    assert!(text.starts_with("The network local cannot be used with services."), "{text}");
    for own in ["host", "bridge", "none"] {
        assert!(model.create_service(ServiceDraft::new(own).on(own).json()).is_ok(), "{own}");
    }
    assert_eq!(refused(model.remove_network("host")).0, 403);
    model.remove_network("docker_gwbridge").expect("not one of the predefined");
}

#[test]
fn a_network_is_found_by_id_name_and_unique_prefix() {
    let mut model = world();
    let id = model.network_id("net").expect("there").to_string();
    for term in [&id[..], &id[..10], &id[..4]] {
        assert_eq!(model.network_id(term).expect("found").as_str(), id);
    }
    assert_eq!(model.network_id(""), Err(Refusal::NotFound { kind: "network", term: String::new() }));
    model.remove_network(&id[..12]).expect("by a prefix");
    assert!(model.network_id("net").is_err());
}

#[test]
fn removing_an_unallocated_network_lets_the_log_say_so() {
    let mut model = world();
    network(&mut model, "clash", "10.90.0.0/25");
    model.remove_network("clash").expect("nothing uses it");
    assert_eq!(logged(&model, "Failed during network free for network"), 1);
    model.remove_network("net").expect("nothing uses it");
    assert_eq!(logged(&model, "Failed during network free for network"), 1, "a healthy one goes in silence");
}

#[test]
fn a_freed_subnet_serves_the_network_that_waited_for_it() {
    let mut model = world();
    network(&mut model, "next", "10.90.0.0/16");
    assert_eq!(truth(&model, "next").subnet, None);
    model.remove_network("net").expect("nothing uses it");
    model.advance(SECOND);
    assert_eq!(
        truth(&model, "next").subnet.map(|subnet| subnet.to_string()).as_deref(),
        Some("10.90.0.0/16")
    );
}

#[test]
fn the_pools_can_be_used_up() {
    let pool = "10.50.0.0/28".parse().expect("a subnet");
    for (engine, text) in [
        (Engine::V20_10, "could not find an available, non-overlapping IPv4 address pool among the defaults"),
        (Engine::V28_5, "all predefined address pools have been fully subnetted"),
    ] {
        let settings =
            Settings { engine, default_addr_pool: vec![pool], subnet_size: 29, ..Settings::default() };
        let mut model = Model::with_settings(settings);
        // The ingress network has the first half.
        assert_eq!(create(&mut model, &NetworkDraft::overlay("last").json()).0, 201);
        assert_eq!(create(&mut model, &NetworkDraft::overlay("late").json()).0, 201, "accepted all the same");
        assert_eq!(truth(&model, "late").subnet, None);
        assert_eq!(logged(&model, text), 1, "{}", engine.version);
        model.remove_network("last").expect("unused");
        model.advance(SECOND);
        assert!(truth(&model, "late").subnet.is_some());
    }
}

#[test]
fn an_attached_container_waits_for_an_address_and_gets_the_next_one() {
    let mut model = Model::new();
    network(&mut model, "small", "10.90.0.0/29");
    let first: Vec<_> = (0..5)
        .map(|n| model.attach_container(&format!("c{n}"), "small", "self").expect("attachable"))
        .collect();
    model.advance(SECOND);
    // Five usable: the balancer took one when the first container was there.
    assert_eq!(in_state(&mut model, "new").len(), 1);
    assert!(model.detach_container(&first[0]));
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "new").len(), 0);
    assert_eq!(count(&model, "small", OwnerKind::Attachment), 4);
}

#[test]
fn detaching_is_for_attached_containers_only_and_happens_once() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("app").on("net"));
    let task = in_state(&mut model, "running").remove(0);
    assert!(!model.detach_container(&task), "a service's task");
    let attached = model.attach_container("c", "net", "self").expect("attachable");
    assert!(model.detach_container(&attached));
    assert!(!model.detach_container(&attached));
    assert_eq!(tasks(&mut model).len(), 1);
}

#[test]
fn an_attached_container_ends_with_a_drained_node_and_is_reaped_with_a_lost_one() {
    for lost in [false, true] {
        let mut model = world();
        let worker = model.add_node(false);
        let _ = model.attach_container("c", "net", worker.as_str()).expect("attachable");
        model.advance(SECOND);
        assert_eq!(count(&model, "net", OwnerKind::Attachment), 1);
        if lost {
            model.set_node_down(worker.as_str(), true).expect("there");
            model.advance(Duration::from_hours(1));
            assert_eq!(count(&model, "net", OwnerKind::Attachment), 1, "its address is kept for a day");
            model.advance(Duration::from_hours(24));
            assert_eq!(tasks(&mut model).len(), 0, "a task without a service leaves no history");
        } else {
            model.set_availability(worker.as_str(), pvcheck_sim::Availability::Drain).expect("there");
            model.advance(SECOND);
        }
        assert_eq!(truth(&model, "net").in_use, Some(3), "lost: {lost}");
    }
}

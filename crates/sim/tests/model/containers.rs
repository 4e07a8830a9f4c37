//! Containers that are connected to a network by hand: what was read off real engines (20.10.24, 28.5.2).

use pvcheck_sim::{Engine, Model, OwnerKind, Settings};
use serde_json::{Value, json};

use crate::support::{SECOND, call, count, get, network, truth, world};

fn on(model: &mut Model, container: &str, network: &str) -> Value {
    get(model, &format!("/containers/{container}/json"))["NetworkSettings"]["Networks"][network].clone()
}

fn connect(model: &mut Model, network: &str, container: &str, endpoint: &Value) -> (u16, Value) {
    let body = json!({"Container": container, "EndpointConfig": endpoint});
    call(model, "POST", &format!("/networks/{network}/connect"), &body)
}

fn disconnect(model: &mut Model, network: &str, container: &str) -> (u16, Value) {
    call(model, "POST", &format!("/networks/{network}/disconnect"), &json!({"Container": container}))
}

#[test]
fn a_container_is_taken_off_and_comes_back_with_its_address() {
    let mut model = world();
    model.attach_container("c", "net", "self").expect("attachable");
    model.advance(SECOND);
    assert_eq!(
        on(&mut model, "c", "net")["IPAMConfig"]["IPv4Address"],
        "10.90.0.2",
        "as if it were asked for"
    );
    assert_eq!(disconnect(&mut model, "net", "c").0, 200);
    assert_eq!(
        (count(&model, "net", OwnerKind::Attachment), count(&model, "net", OwnerKind::LoadBalancer)),
        (0, 0)
    );
    let (status, answer) = disconnect(&mut model, "net", "c");
    assert!(
        status == 500
            && answer["message"].as_str().is_some_and(|t| t.ends_with("is not connected to network net"))
    );
    let endpoint =
        json!({"IPAMConfig": {"IPv4Address": "10.90.0.77"}, "Aliases": ["web"], "DriverOpts": {"a": "b"}});
    assert_eq!(connect(&mut model, "net", "c", &endpoint).0, 200);
    let place = on(&mut model, "c", "net");
    let found = [&place["IPAddress"], &place["MacAddress"], &place["DriverOpts"], &place["Aliases"][0]];
    assert_eq!(found, [&json!("10.90.0.77"), &json!("02:42:0a:5a:00:4d"), &json!({"a": "b"}), &json!("web")]);
    let (status, answer) = connect(&mut model, "net", "c", &endpoint);
    assert_eq!((status, answer["message"].as_str()), (409, Some("c is already attached to network net")));
}

#[test]
fn the_nodes_balancer_gets_the_next_address_each_time() {
    let mut model = world();
    model.attach_container("c", "net", "self").expect("attachable");
    model.advance(SECOND);
    let balancer = |model: &Model| {
        let owners = truth(model, "net").owners;
        owners.iter().find(|o| o.kind == OwnerKind::LoadBalancer).map(|o| o.addr.octets()[3])
    };
    let mut seen = vec![balancer(&model)];
    for _ in 0..2 {
        disconnect(&mut model, "net", "c");
        connect(&mut model, "net", "c", &json!({"IPAMConfig": {"IPv4Address": "10.90.0.2"}}));
        seen.push(balancer(&model));
    }
    assert_eq!(seen, [Some(3), Some(4), Some(5)]);
}

#[test]
fn an_address_that_cannot_be_had_is_refused_in_the_engines_words() {
    let mut model = world();
    for name in ["a", "b"] {
        model.attach_container(name, "net", "self").expect("attachable");
    }
    model.advance(SECOND);
    disconnect(&mut model, "net", "b");
    for (address, status, text) in [
        ("10.99.0.4", 500, "Invalid address 10.99.0.4: It does not belong to any of this network's subnets"),
        ("10.90.0.1", 403, "Address already in use"),
        (
            "10.90.0.2",
            500,
            "attaching to network failed, make sure your network options are correct and check manager logs: context deadline exceeded",
        ),
    ] {
        let answer = connect(&mut model, "net", "b", &json!({"IPAMConfig": {"IPv4Address": address}}));
        assert_eq!((answer.0, answer.1["message"].as_str()), (status, Some(text)), "{address}");
    }
    assert_eq!(count(&model, "net", OwnerKind::Attachment), 1, "no task is left of them");
    assert_eq!(connect(&mut model, "net", "nobody", &Value::Null).0, 404);
}

#[test]
fn a_stopped_container_stays_set_to_its_network() {
    let mut model = world();
    network(&mut model, "other", "10.91.0.0/24");
    model.attach_container("c", "net", "self").expect("attachable");
    model.advance(SECOND);
    assert!(model.stop_container("c") && !model.stop_container("nobody"));
    assert_eq!(count(&model, "net", OwnerKind::Attachment), 0);
    let listed = |model: &mut Model, query: &str| {
        get(model, &format!("/containers/json?{query}")).as_array().map(Vec::len)
    };
    let filter = |name: &str| format!("filters=%7B%22network%22%3A%5B%22{name}%22%5D%7D");
    assert_eq!(listed(&mut model, ""), Some(0));
    assert_eq!(listed(&mut model, &format!("all=1&{}", filter("net"))), Some(1));
    assert_eq!(listed(&mut model, &format!("all=1&{}", filter("other"))), Some(0));
    let shown = get(&mut model, "/containers/c/json");
    assert_eq!(
        (&shown["State"]["Status"], &shown["NetworkSettings"]["Networks"]["net"]["IPAddress"]),
        (&json!("exited"), &json!(""))
    );
}

#[test]
fn engines_up_to_api_1_44_show_the_beginning_of_the_id_among_the_aliases() {
    for (engine, shown) in [(Engine::V20_10, 2), (Engine::V28_5, 1)] {
        let mut model = Model::with_settings(Settings { engine, ..Settings::default() });
        network(&mut model, "net", "10.90.0.0/24");
        model.attach_container("c", "net", "self").expect("attachable");
        disconnect(&mut model, "net", "c");
        connect(&mut model, "net", "c", &json!({"Aliases": ["web"]}));
        assert_eq!(on(&mut model, "c", "net")["Aliases"].as_array().map(Vec::len), Some(shown), "{engine:?}");
    }
}

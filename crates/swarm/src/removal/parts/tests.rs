use pvcheck_audit::Network;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{service, snapshot};

fn network(id: &str, scope: &str, stack: Option<&str>, run: Option<&str>) -> Network {
    let network = json!({
        "id": id, "name": format!("{id}_net"), "driver": "overlay", "scope": scope, "ingress": false,
        "attachable": false, "internal": false, "pools": [], "stack": stack, "run": run
    });
    serde_json::from_value(network).unwrap()
}

fn stored(secrets: Value, configs: Value) -> Stored {
    let read = |list| serde_json::from_value(list).unwrap();
    Stored { secrets: read(secrets), configs: read(configs) }
}

fn object(name: &str, labels: &Value) -> Value {
    json!({"ID": format!("id-{name}"), "Spec": {"Name": name, "Labels": labels}})
}

/// Stack `web` with a part of each kind, stack `db` with a config alone, and objects of no stack.
fn world() -> (Snapshot, Stored) {
    let mut snapshot = snapshot();
    let mut own = service("web", &[]);
    own.stack = Some("web".into());
    snapshot.services = vec![own, service("plain", &[])];
    snapshot.networks = vec![
        network("a", "swarm", Some("web"), None),
        network("a", "swarm", Some("web"), None),
        network("b", "local", Some("web"), None),
        network("c", "swarm", None, None),
    ];
    let of = |stack: &str| json!({ (STACK_LABEL): stack });
    let secrets = json!([object("web_key", &of("web")), object("other", &json!({}))]);
    let configs =
        json!([object("web_conf", &of("web")), object("db_conf", &of("db")), object("bare", &json!(null))]);
    (snapshot, stored(secrets, configs))
}

#[test]
fn a_stack_has_what_carries_its_label_each_once_and_swarm_networks_only() {
    let (snapshot, stored) = world();
    let parts = parts_of_stack(&snapshot, &stored, "web");
    let plan = RemovalPlan {
        stack: "web".into(),
        services: vec!["web_app".into()],
        networks: vec!["a_net".into()],
        secrets: vec!["web_key".into()],
        configs: vec!["web_conf".into()],
        used: Vec::new(),
    };
    assert_eq!(parts.plan(), plan);
    assert_eq!((parts.networks[0].0.as_str(), parts.secrets[0].0.as_str()), ("a", "id-web_key"));
    let listed: Vec<String> = parts.listed().iter().map(ToString::to_string).collect();
    assert_eq!(listed, ["service web_app", "network a_net", "secret web_key", "config web_conf"]);
    assert!(parts_of_stack(&snapshot, &stored, "we").is_empty());
}

#[test]
fn a_stack_of_which_only_a_config_is_left_is_still_known() {
    let (snapshot, stored) = world();
    assert_eq!(known_stacks(&snapshot, &stored), ["db", "web"]);
    assert!(!parts_of_stack(&snapshot, &stored, "db").is_empty());
}

#[test]
fn each_kind_of_part_alone_makes_a_stack() {
    let (id, name) = ("1".to_owned(), "x".to_owned());
    for parts in [
        Parts { services: vec![(ServiceId::new(&id), name.clone())], ..Parts::default() },
        Parts { networks: vec![(NetworkId::new(&id), name.clone())], ..Parts::default() },
        Parts { secrets: vec![(SecretId::new(&id), name.clone())], ..Parts::default() },
        Parts { configs: vec![(ConfigId::new(&id), name)], ..Parts::default() },
    ] {
        assert!(!parts.is_empty(), "{parts:?}");
    }
    assert!(Parts::default().is_empty());
}

#[test]
fn a_run_has_its_label_not_its_stack_and_not_the_lock_that_it_holds() {
    let run = RunId::from_label("r1");
    let mut snapshot = snapshot();
    snapshot.networks =
        vec![network("a", "swarm", Some("r1"), None), network("b", "swarm", None, Some("r1"))];
    let lock = |expires: &str| {
        json!({
            (RUN_LABEL): "r1", "org.pvcheck.lock.resumable": "true", "org.pvcheck.lock.expires": expires
        })
    };
    // The engine's clock of this snapshot is 12:00.
    let configs = json!([
        object("held", &lock("2026-01-01T12:00:01Z")),
        object("expired", &lock("2026-01-01T11:59:59Z")),
        object("own", &json!({ (RUN_LABEL): "r1" })),
        object("foreign", &json!({ (RUN_LABEL): "r2" })),
    ]);
    let plan = parts_of_run(&snapshot, &stored(json!([]), configs), &run).plan();
    assert_eq!(
        (plan.networks, plan.configs),
        (vec!["b_net".to_owned()], vec!["expired".into(), "own".into()])
    );
}

#[test]
fn names_keep_their_order_each_once() {
    let names = ["b", "a", "b"].map(str::to_owned);
    assert_eq!(once(&names), ["b", "a"]);
}

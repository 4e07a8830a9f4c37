//! The bodies that go to the engine, field by field: a field that is new here is one that an engine may refuse.

use serde_json::{Value, json};

use super::*;

fn run() -> RunId {
    RunId::from_label("r1")
}

fn plan() -> StackSpec {
    StackSpec {
        name: "web".into(),
        image: "busybox:1".into(),
        command: vec!["sleep".into(), "60".into()],
        replicas: 3,
        shared: NetworkId::new("shared"),
        private: true,
        publish: None,
        labels: vec![("router".into(), "on".into()), (RUN_LABEL.into(), "forged".into())],
    }
}

fn app(plan: &StackSpec) -> Value {
    let networks = ["private", "shared"].map(NetworkId::new);
    serde_json::to_value(app_spec(plan, &networks, &run())).unwrap()
}

#[test]
fn a_stack_service_has_labels_image_command_networks_and_a_vip() {
    assert_eq!(
        app(&plan()),
        json!({
            "Name": "web_app",
            "Labels": {"router": "on", "org.pvcheck.run": "r1", "com.docker.stack.namespace": "web"},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": "busybox:1",
                    "Command": ["sleep", "60"],
                    "Labels": {"org.pvcheck.run": "r1", "com.docker.stack.namespace": "web"},
                },
                "Networks": [{"Target": "private"}, {"Target": "shared"}],
            },
            "Mode": {"Replicated": {"Replicas": 3}},
            "EndpointSpec": {"Mode": "vip"},
        })
    );
}

#[test]
fn without_a_command_the_image_keeps_its_own() {
    let spec = app(&StackSpec { command: Vec::new(), ..plan() });
    assert_eq!(spec["TaskTemplate"]["ContainerSpec"].get("Command"), None);
}

#[test]
fn a_published_port_leaves_its_number_to_the_engine() {
    for (mode, word) in [(PublishMode::Host, "host"), (PublishMode::Ingress, "ingress")] {
        let spec = app(&StackSpec { publish: Some(mode), ..plan() });
        let ports = json!([{"Protocol": "tcp", "TargetPort": 80, "PublishMode": word}]);
        assert_eq!(spec["EndpointSpec"], json!({"Mode": "vip", "Ports": ports}));
    }
}

#[test]
fn a_census_service_takes_its_addresses_by_tasks_that_are_never_scheduled() {
    let probes = Probes { tasks: 7, addresses_each: 2 };
    let spec = probe_spec("pvcheck-census-r1", &NetworkId::new("n1"), probes, &run());
    assert_eq!(
        serde_json::to_value(spec).unwrap(),
        json!({
            "Name": "pvcheck-census-r1",
            "Labels": {"org.pvcheck.run": "r1"},
            "TaskTemplate": {
                "ContainerSpec": {"Image": "pvcheck/census"},
                "Placement": {"Constraints": ["node.labels.org.pvcheck.nowhere==r1"]},
                "RestartPolicy": {"Condition": "none"},
                "Networks": [{"Target": "n1"}, {"Target": "n1"}],
            },
            "Mode": {"Replicated": {"Replicas": 7}},
            "EndpointSpec": {"Mode": "dnsrr"},
        })
    );
}

fn pointer(ingress: bool) -> Value {
    let network = serde_json::from_value(json!({
        "id": "n1", "name": "n", "driver": "overlay", "scope": "swarm", "ingress": ingress,
        "attachable": false, "internal": false, "pools": [], "stack": null, "run": null
    }));
    serde_json::to_value(pointer_spec("pointer", &network.unwrap(), &run())).unwrap()
}

#[test]
fn a_pointer_takes_a_vip_and_has_no_task() {
    let spec = pointer(false);
    assert_eq!(spec["Mode"], json!({"Replicated": {"Replicas": 0}}));
    assert_eq!(spec["EndpointSpec"], json!({"Mode": "vip"}));
    assert_eq!(spec["TaskTemplate"]["Networks"], json!([{"Target": "n1"}]));
}

#[test]
fn a_pointer_on_ingress_publishes_a_port_instead_of_attaching() {
    let spec = pointer(true);
    assert_eq!(spec["TaskTemplate"].get("Networks"), None);
    let ports = json!([{"Protocol": "tcp", "TargetPort": 80, "PublishMode": "ingress"}]);
    assert_eq!(spec["EndpointSpec"], json!({"Mode": "vip", "Ports": ports}));
}

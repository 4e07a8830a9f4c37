//! Parts of a calm world, for the tests of this folder.

use pvcheck_audit::{
    EndpointMode, Network, NodeAvailability, NodeState, Runtime, Service, ServiceMode, Snapshot, Task,
    TaskState,
};
use serde_json::{Value, json};

pub(super) const NETWORK: &str = "net0000000000000000000001";

/// From JSON, as files of snapshots are read: a field that a later version adds does not matter here.
pub(super) fn read<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("as it is saved")
}

/// `proxy`, with 13 usable addresses.
pub(super) fn network(id: &str) -> Network {
    let pool = json!({"subnet": "10.9.0.0/28", "range": null, "gateway": null});
    read(json!({
        "id": id, "name": "proxy", "driver": "overlay", "scope": "swarm", "ingress": false, "attachable": true,
        "internal": false, "pools": [pool], "stack": null, "run": null,
    }))
}

/// A service with a virtual address on each of these networks.
pub(super) fn service(id: &str, name: &str, networks: &[&str]) -> Service {
    let vips: Vec<_> = networks.iter().map(|n| json!({"network": n, "address": "10.9.0.2"})).collect();
    read(json!({
        "id": id, "name": name, "mode": ServiceMode::Replicated(1), "endpoint": EndpointMode::Vip,
        "networks": networks, "publishes_ingress": false, "vips": vips, "stack": null, "run": null,
    }))
}

/// A task on node `n1`, with these addresses by network.
pub(super) fn task(
    id: &str,
    of: &str,
    state: TaskState,
    desired: TaskState,
    addresses: &[(&str, &str)],
) -> Task {
    let attachments: Vec<_> =
        addresses.iter().map(|(network, address)| json!([network, [address]])).collect();
    read(json!({
        "id": id, "service": of, "slot": 1, "node": "n1", "runtime": Runtime::Container, "state": state,
        "desired": desired, "since": null, "error": "", "container": null, "attachments": attachments,
    }))
}

/// One leader, the network, and a service of one task on it.
pub(super) fn calm() -> Snapshot {
    let node = json!({
        "id": "n1", "hostname": "h", "manager": true, "leader": true, "availability": NodeAvailability::Active,
        "state": NodeState::Ready, "engine_version": "20.10.24",
    });
    let engine = json!({
        "version": "20.10.24", "api": "1.41", "at": "2026-01-01T00:00:00Z", "node": "n1", "cluster": "c",
        "default_pools": [], "default_prefix": null,
    });
    Snapshot {
        engine: read(engine),
        nodes: vec![read(node)],
        networks: vec![network(NETWORK)],
        services: vec![service("s1", "web", &[NETWORK])],
        tasks: vec![task("t1", "s1", TaskState::Running, TaskState::Running, &[(NETWORK, "10.9.0.3")])],
    }
}

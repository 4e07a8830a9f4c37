//! Small parts of a Swarm for unit tests, and an embedded engine to read them from.

use pvcheck_audit::{
    EndpointMode, NetworkId, Node, NodeAvailability, NodeId, NodeState, Runtime, Service, ServiceId,
    ServiceMode, Snapshot, Task, TaskId, TaskState,
};
use pvcheck_sim::{Model, Sim, SimOptions};
use serde_json::json;

use crate::engine::Engine;

/// An empty Swarm at noon on 2026-01-01.
pub(crate) fn snapshot() -> Snapshot {
    let engine = json!({
        "version": "", "api": "", "at": "2026-01-01T12:00:00Z", "node": "n", "cluster": "c",
        "default_pools": [], "default_prefix": null
    });
    let empty = json!({"engine": engine, "nodes": [], "networks": [], "services": [], "tasks": []});
    serde_json::from_value(empty).expect("the form of a saved snapshot")
}

/// The service `ID_app` on these networks.
pub(crate) fn service(id: &str, networks: &[&str]) -> Service {
    Service {
        id: ServiceId::new(id),
        name: format!("{id}_app"),
        mode: ServiceMode::Replicated(1),
        endpoint: EndpointMode::Vip,
        networks: networks.iter().map(|n| NetworkId::new(*n)).collect(),
        publishes_ingress: false,
        vips: Vec::new(),
        stack: None,
        run: None,
        created: None,
        updated: None,
        update_order: pvcheck_audit::UpdateOrder::StopFirst,
        update: None,
        declared: None,
        iteration: None,
    }
}

/// A task without a node; of no service, an attached container.
pub(crate) fn task(of: Option<&str>, networks: &[&str], state: TaskState, desired: TaskState) -> Task {
    Task {
        id: TaskId::new("t"),
        service: of.map(ServiceId::new),
        slot: None,
        node: None,
        runtime: if of.is_some() { Runtime::Container } else { Runtime::Attachment },
        state,
        desired,
        since: None,
        error: String::new(),
        container: None,
        attachments: networks.iter().map(|n| (NetworkId::new(*n), Vec::new())).collect(),
        iteration: None,
    }
}

/// A node whose host name is its id.
pub(crate) fn node(id: &str, state: NodeState) -> Node {
    Node {
        id: NodeId::new(id),
        hostname: id.to_owned(),
        manager: false,
        leader: false,
        availability: NodeAvailability::Active,
        state,
        engine_version: String::new(),
    }
}

/// The same task on a node.
pub(crate) fn on_node(task: Task) -> Task {
    Task { node: Some(NodeId::new("n")), ..task }
}

/// An embedded engine, and a connection to it. The engine ends with the first of the two.
pub(crate) async fn served(model: Model) -> (Sim, Engine) {
    let sim = Sim::start(model, SimOptions::default()).expect("a socket in a temporary directory");
    let host = sim.host().parse().expect("an absolute path");
    let engine = Engine::connect(&host).await.expect("a manager");
    (sim, engine)
}

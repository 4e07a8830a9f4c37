//! A service on the network that is renewed.

use std::time::Duration;

use pvcheck_audit::{NetworkId, NodeId, Service, ServiceId, ServiceMode, Snapshot, UpdateOrder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attachments::{attachments, fingerprint};
use super::pins::{Pin, pins};

/// The time that the engine gives a task to stop where its service sets none.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A service on the network, with all that is needed to put it back. It has nothing of the service's environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Member {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// The entries of its list of networks.
    pub networks: Vec<Value>,
    /// Where it names the network for a router.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
    /// True iff it publishes a port.
    pub publishes: bool,
    /// True iff a port is a node's own, so that a task of it cannot start before the old one on that node has ended.
    pub host_ports: bool,
    /// Tasks that run, and have to run again after each step.
    pub running: u64,
    /// Addresses that an update takes on each of its networks for a while, beside those of the tasks that run.
    pub surge: u64,
    /// The longest time that its tasks are given to stop, in ms.
    pub stop_grace_ms: u64,
    /// True iff it is a job, which an update runs again.
    pub job: bool,
    /// Of a global service the nodes on which a task of it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeId>,
    /// True iff Swarm takes an update of it back where a new task fails, and with the update its networks.
    #[serde(default = "yes")]
    pub takes_back: bool,
    /// Of its spec, the network's id left out.
    pub fingerprint: String,
}

impl Member {
    /// True iff it is taken for a router: what publishes a port, or has an option that names the network.
    pub fn is_router(&self) -> bool {
        self.publishes || self.pins.iter().any(Pin::is_option)
    }

    /// The service, if it is on the network.
    pub(super) fn of(
        snapshot: &Snapshot,
        service: &Service,
        spec: &Value,
        network: (&NetworkId, &str),
    ) -> Option<Self> {
        let (id, name) = network;
        let networks = attachments(spec);
        if !networks.iter().any(|entry| entry["Target"] == id.as_str()) {
            return None;
        }
        let ports = || spec["EndpointSpec"]["Ports"].as_array().into_iter().flatten();
        let running = snapshot.running_tasks(&service.id).count() as u64;
        let grace = spec["TaskTemplate"]["ContainerSpec"]["StopGracePeriod"].as_u64();
        let grace = grace.map_or(STOP_GRACE, Duration::from_nanos);
        Some(Self {
            id: service.id.clone(),
            name: service.name.clone(),
            networks,
            pins: pins(spec, name),
            publishes: ports().next().is_some(),
            host_ports: ports().any(|port| port["PublishMode"] == "host"),
            running,
            surge: surge(service, spec, running),
            stop_grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
            job: service.mode.is_job(),
            nodes: nodes(snapshot, service),
            takes_back: spec["UpdateConfig"]["FailureAction"] == "rollback",
            fingerprint: fingerprint(spec, id),
        })
    }

    /// What is not as it was, if the service's fingerprint is this one now, or the service is gone; `None` if nothing is.
    pub fn difference(&self, now: Option<&str>) -> Option<String> {
        match now {
            Some(now) if now == self.fingerprint => None,
            Some(_) => Some(format!("the specification of {}", self.name)),
            None => Some(format!("{} is gone", self.name)),
        }
    }
}

/// What a record of an earlier version is taken to mean.
fn yes() -> bool {
    true
}

fn nodes(snapshot: &Snapshot, service: &Service) -> Vec<NodeId> {
    if service.mode != ServiceMode::Global {
        return Vec::new();
    }
    snapshot.running_tasks(&service.id).filter_map(|task| task.node.clone()).collect()
}

/// How many tasks an update has beside the running ones, at most. With `start-first` the old ones stop while the next are
/// started already; with `stop-first` a new task has its address while the old one stops (swarmkit
/// `manager/orchestrator/update/updater.go`). 0 for a job, whose tasks are made anew in its own time.
fn surge(service: &Service, spec: &Value, running: u64) -> u64 {
    let wanted = match service.mode {
        ServiceMode::Replicated(wanted) => wanted.max(running),
        ServiceMode::Global | ServiceMode::Job(_) => running,
    };
    match (service.update_order, spec["UpdateConfig"]["Parallelism"].as_u64()) {
        (UpdateOrder::StartFirst, _) | (UpdateOrder::StopFirst, Some(0)) => wanted,
        // One at a time where the service says nothing (swarmkit `api/defaults/service.go`).
        (UpdateOrder::StopFirst, at_once) => at_once.unwrap_or(1).min(wanted),
    }
}

/// A service with one task, for the tests of this folder.
#[cfg(test)]
pub(super) fn example(name: &str) -> Member {
    Member {
        id: ServiceId::new(name),
        name: name.to_owned(),
        networks: Vec::new(),
        pins: Vec::new(),
        publishes: false,
        host_ports: false,
        running: 1,
        surge: 1,
        stop_grace_ms: 10_000,
        job: false,
        nodes: Vec::new(),
        takes_back: false,
        fingerprint: String::new(),
    }
}

//! One look at a Swarm, as plain facts that can be saved and judged again later.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use pvcheck_ipam::{Capacity, Pool, Subnet};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::connection::{CallError, without_values};
use crate::engine::Engine;
use crate::ids::{NetworkId, NodeId, ServiceId, TaskId};
use crate::wire;
use crate::writes::{RUN_LABEL, STACK_LABEL};

/// Everything that one look saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The engine that was asked.
    pub engine: EngineFacts,
    /// Every node in the Swarm's store, down and drained ones too.
    pub nodes: Vec<Node>,
    /// Every network that the asked engine lists, node-local ones too.
    pub networks: Vec<Network>,
    /// Every service.
    pub services: Vec<Service>,
    /// Every task in the store, of containers and of attachments, finished ones too.
    pub tasks: Vec<Task>,
}

/// The engine that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFacts {
    /// Its version, such as `28.5.2`.
    pub version: String,
    /// The API version that was spoken.
    pub api: String,
    /// When the look was taken, by the engine's own clock.
    pub at: Timestamp,
    /// Its node.
    pub node: NodeId,
    /// The Swarm's id.
    pub cluster: String,
    /// Pools from which the Swarm picks subnets by itself, e.g. `10.0.0.0/8`.
    pub default_pools: Vec<String>,
    /// Prefix length of the subnets that it cuts from them.
    pub default_prefix: Option<u8>,
}

/// A node of the Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its host name.
    pub hostname: String,
    /// True for a manager by its role.
    pub manager: bool,
    /// True for the leader.
    pub leader: bool,
    /// `active`, `pause` or `drain`.
    pub availability: String,
    /// `ready`, `down`, `unknown` or `disconnected`.
    pub state: String,
    /// Its engine's version.
    pub engine_version: String,
}

/// A network as the asked engine lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// `overlay`, `bridge`, …; empty while Swarm has not allocated it.
    pub driver: String,
    /// `swarm` or `local`.
    pub scope: String,
    /// True for the routing mesh's network.
    pub ingress: bool,
    /// True iff standalone containers may join.
    pub attachable: bool,
    /// True iff it has no way out.
    pub internal: bool,
    /// Its IPv4 pools; none while it is not allocated.
    pub pools: Vec<Pool>,
    /// The bridge interface that it is on the asked engine's host; `None` for other drivers.
    #[serde(default)]
    pub bridge: Option<String>,
    /// The stack that it belongs to.
    pub stack: Option<String>,
    /// The run of pvcheck that made it.
    pub run: Option<String>,
}

/// How many tasks a service wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceMode {
    /// One per eligible node.
    Global,
    /// A job, replicated or global.
    Job,
    /// This many.
    Replicated(u64),
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointMode {
    /// By one address per network: the default.
    Vip,
    /// By its tasks' addresses: it holds none of its own.
    Dnsrr,
}

/// A virtual address of a service on one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    /// The network.
    pub network: NetworkId,
    /// The address; `None` while the allocator could not give one.
    pub address: Option<Ipv4Addr>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// How many tasks it wants.
    pub mode: ServiceMode,
    /// How it is reached.
    pub endpoint: EndpointMode,
    /// The networks its tasks join, in the order of its spec.
    pub networks: Vec<NetworkId>,
    /// True iff it publishes at least one port through the routing mesh.
    pub publishes_ingress: bool,
    /// Its virtual addresses.
    pub vips: Vec<Vip>,
    /// The stack that it belongs to.
    pub stack: Option<String>,
    /// The run of pvcheck that made it.
    pub run: Option<String>,
    /// When it was made, by the Swarm's clocks; `None` in a look of an older pvcheck.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// When anything of it changed last, by the Swarm's clocks: its specification, or its addresses.
    #[serde(default)]
    pub updated: Option<Timestamp>,
}

/// What runs a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// A standalone container's place on an attachable network.
    Attachment,
    /// A service's container.
    Container,
}

/// The state of a task, in Swarm's own order (swarmkit `api/types.proto`, `TaskState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Made, not allocated yet.
    New,
    /// Allocated, not scheduled yet.
    Pending,
    /// Given to a node.
    Assigned,
    /// Taken by the node.
    Accepted,
    /// The node pulls its image and makes its networks.
    Preparing,
    /// It could start.
    Ready,
    /// It starts.
    Starting,
    /// It runs.
    Running,
    /// A state that this version does not know: taken as one that still holds its addresses.
    Unknown,
    /// It ended well.
    Complete,
    /// It was shut down.
    Shutdown,
    /// It ended badly.
    Failed,
    /// The node would not have it.
    Rejected,
    /// Its service is gone; it is to be removed.
    Remove,
    /// Its node has been away for too long.
    Orphaned,
}

impl TaskState {
    /// True iff a task in this *observed* state holds its addresses: up to and including running
    /// (swarmkit `manager/allocator/network.go`). Finished tasks still list addresses that they no longer hold.
    pub fn holds_addresses(self) -> bool {
        self <= Self::Unknown
    }

    /// Its name in the Engine API's own words; `unknown` for one that this version does not know.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::Complete => "complete",
            Self::Shutdown => "shutdown",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Remove => "remove",
            Self::Orphaned => "orphaned",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            // swarmkit calls it PENDING and the Engine API of before 17 `allocated`.
            "allocated" | "pending" => Self::Pending,
            "new" => Self::New,
            "assigned" => Self::Assigned,
            "accepted" => Self::Accepted,
            "preparing" => Self::Preparing,
            "ready" => Self::Ready,
            "starting" => Self::Starting,
            "running" => Self::Running,
            "complete" => Self::Complete,
            "shutdown" => Self::Shutdown,
            "failed" => Self::Failed,
            "rejected" => Self::Rejected,
            "remove" => Self::Remove,
            "orphaned" => Self::Orphaned,
            _ => Self::Unknown,
        }
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its service; `None` for an attachment.
    pub service: Option<ServiceId>,
    /// Its slot among the replicas.
    pub slot: Option<u64>,
    /// Its node, once it has one.
    pub node: Option<NodeId>,
    /// What runs it.
    pub runtime: Runtime,
    /// Its observed state.
    pub state: TaskState,
    /// The state that is wanted of it.
    pub desired: TaskState,
    /// Since when it is in its state, by the Swarm's clocks.
    pub since: Option<Timestamp>,
    /// What went wrong with it, in the engine's words without values of variables; empty if nothing did.
    pub error: String,
    /// Its container and that container's process, once it runs.
    pub container: Option<(String, i64)>,
    /// Each network that it is attached to, with the addresses given to it there.
    pub attachments: Vec<(NetworkId, Vec<Ipv4Addr>)>,
}

/// No overlay has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no overlay network `{name}`; there are {}", overlays.join(", "))]
pub struct NoSuchNetwork {
    /// What was asked for.
    pub name: String,
    /// What there is; `ingress` at least, unless it was removed.
    pub overlays: Vec<String>,
}

impl Snapshot {
    /// The overlays of the Swarm, `ingress` first, then by name. Those not allocated yet are among them.
    pub fn overlays(&self) -> Vec<&Network> {
        let mut overlays: Vec<_> = self.networks.iter().filter(|n| n.is_overlay()).collect();
        overlays.sort_by(|a, b| (!a.ingress, &a.name, &a.id).cmp(&(!b.ingress, &b.name, &b.id)));
        overlays
    }

    /// The overlay of this name or id.
    ///
    /// # Errors
    /// When there is none; the error names those that there are.
    pub fn named_overlay(&self, name_or_id: &str) -> Result<&Network, NoSuchNetwork> {
        self.overlay(name_or_id).ok_or_else(|| NoSuchNetwork {
            name: name_or_id.to_owned(),
            overlays: self.overlays().iter().map(|n| n.name.clone()).collect(),
        })
    }

    /// The overlay of this name or id, if there is one.
    pub fn overlay(&self, name_or_id: &str) -> Option<&Network> {
        self.overlays().into_iter().find(|n| n.name == name_or_id || n.id.as_str() == name_or_id)
    }

    /// The service with this id.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.iter().find(|s| &s.id == id)
    }

    /// The service of this name.
    pub fn service_named(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.name == name)
    }

    /// The tasks of a service that are running and meant to.
    pub fn running_tasks<'a>(&'a self, id: &'a ServiceId) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().filter(move |t| {
            t.service.as_ref() == Some(id) && t.state == TaskState::Running && t.desired <= TaskState::Running
        })
    }

    /// Names of all stacks, sorted, each once.
    pub fn stacks(&self) -> Vec<String> {
        let services = self.services.iter().filter_map(|s| s.stack.clone());
        let networks = self.networks.iter().filter_map(|n| n.stack.clone());
        let mut stacks: Vec<_> = services.chain(networks).collect();
        stacks.sort();
        stacks.dedup();
        stacks
    }
}

impl Task {
    /// True iff it is meant to run, or, for a task of a job, to run to its end; false for one that is told to stop.
    pub fn is_wanted(&self) -> bool {
        self.desired <= TaskState::Running || self.desired == TaskState::Complete
    }
}

impl Network {
    /// True for a network whose addresses Swarm's own allocator gives out, allocated or not.
    pub fn is_overlay(&self) -> bool {
        self.scope == "swarm" && matches!(self.driver.as_str(), "overlay" | "")
    }

    /// True iff Swarm has given it a subnet.
    pub fn is_allocated(&self) -> bool {
        !self.pools.is_empty()
    }

    /// Its IPv4 subnets; none while it is not allocated.
    pub fn subnets(&self) -> Vec<Subnet> {
        self.pools.iter().map(|p| p.subnet).collect()
    }

    /// What its pools can hand out; `None` while it is not allocated.
    pub fn capacity(&self) -> Option<Capacity> {
        Capacity::new(self.pools.clone()).ok()
    }

    /// Addresses that VIPs, tasks and load balancers can have, over all its pools; 0 while it is not allocated.
    pub fn usable(&self) -> u64 {
        self.capacity().map_or(0, |c| c.usable())
    }
}

pub(crate) async fn read_snapshot(engine: &Engine) -> Result<Snapshot, CallError> {
    let connection = engine.connection();
    let info: wire::Info = connection.get("/info").await?;
    let nodes: Vec<wire::Node> = connection.get("/nodes").await?;
    let networks: Vec<wire::Network> = connection.get("/networks").await?;
    Ok(Snapshot {
        engine: engine_facts(info, engine.api()),
        nodes: nodes.into_iter().map(node).collect(),
        networks: networks.into_iter().map(network).collect(),
        services: read_services(engine).await?,
        tasks: read_tasks(engine).await?,
    })
}

/// Every service, in one call.
pub(crate) async fn read_services(engine: &Engine) -> Result<Vec<Service>, CallError> {
    let services: Vec<wire::Service> = engine.connection().get("/services").await?;
    Ok(services.into_iter().map(service).collect())
}

/// One service.
pub(crate) async fn read_service(engine: &Engine, id: &ServiceId) -> Result<Service, CallError> {
    Ok(service(engine.connection().get(&format!("/services/{id}")).await?))
}

/// Every task of both runtimes, in two calls.
pub(crate) async fn read_tasks(engine: &Engine) -> Result<Vec<Task>, CallError> {
    let containers: Vec<wire::Task> = engine.connection().get("/tasks").await?;
    // Without the filter the list has containers only: moby daemon/cluster/tasks.go, GetTasks.
    let attachments = "/tasks?filters=%7B%22runtime%22%3A%5B%22attachment%22%5D%7D";
    let attached: Vec<wire::Task> = engine.connection().get(attachments).await?;
    let containers = containers.into_iter().map(|t| task(t, Runtime::Container));
    Ok(containers.chain(attached.into_iter().map(|t| task(t, Runtime::Attachment))).collect())
}

fn engine_facts(info: wire::Info, api: &str) -> EngineFacts {
    let cluster = info.swarm.cluster.unwrap_or_default();
    EngineFacts {
        version: info.server_version,
        api: api.to_owned(),
        // An engine without a readable clock gets the epoch: every age is then absurd and visibly so.
        at: info.system_time.parse().unwrap_or(Timestamp::UNIX_EPOCH),
        node: NodeId::new(info.swarm.node_id),
        cluster: cluster.id,
        default_pools: cluster.default_addr_pool.unwrap_or_default(),
        default_prefix: cluster.subnet_size,
    }
}

fn node(raw: wire::Node) -> Node {
    Node {
        id: NodeId::new(raw.id),
        hostname: raw.description.hostname,
        manager: raw.spec.role == "manager",
        leader: raw.manager_status.is_some_and(|m| m.leader),
        availability: raw.spec.availability,
        state: raw.status.state,
        engine_version: raw.description.engine.engine_version,
    }
}

pub(crate) fn network(raw: wire::Network) -> Network {
    let bridge = bridge(&raw);
    let pools = raw.ipam.config.unwrap_or_default();
    Network {
        bridge,
        id: NetworkId::new(raw.id),
        name: raw.name,
        driver: raw.driver,
        scope: raw.scope,
        ingress: raw.ingress,
        attachable: raw.attachable,
        internal: raw.internal,
        pools: pools.iter().filter_map(pool).collect(),
        stack: label(raw.labels.as_ref(), STACK_LABEL),
        run: label(raw.labels.as_ref(), RUN_LABEL),
    }
}

/// The name of a bridge network's interface: as its option says, else `br-` and twelve characters of its id
/// (moby `daemon/libnetwork/drivers/bridge`). The two that the engine makes itself have names of their own.
fn bridge(raw: &wire::Network) -> Option<String> {
    let given = raw.options.bridge_name.clone().filter(|name| !name.is_empty());
    let usual = || match raw.name.as_str() {
        "bridge" => "docker0".to_owned(),
        "docker_gwbridge" => raw.name.clone(),
        _ => format!("br-{}", raw.id.chars().take(12).collect::<String>()),
    };
    (raw.driver == "bridge").then(|| given.unwrap_or_else(usual))
}

/// An IPv4 pool; `None` for an IPv6 one.
fn pool(raw: &wire::IpamConfig) -> Option<Pool> {
    let subnet = canonical(&raw.subnet)?;
    let inside = |a: &Ipv4Addr| subnet.contains(*a);
    Some(Pool {
        subnet,
        range: canonical(&raw.ip_range).filter(|r| inside(&r.first()) && inside(&r.last())),
        gateway: address(&raw.gateway).filter(inside),
    })
}

fn service(raw: wire::Service) -> Service {
    let spec = raw.spec;
    let targets = spec.task_template.networks.filter(|n| !n.is_empty()).or(spec.networks);
    let ports = spec.endpoint_spec.ports.unwrap_or_default();
    let dnsrr = spec.endpoint_spec.mode == "dnsrr";
    Service {
        id: ServiceId::new(raw.id),
        name: spec.name,
        mode: mode(&spec.mode),
        endpoint: if dnsrr { EndpointMode::Dnsrr } else { EndpointMode::Vip },
        networks: targets.unwrap_or_default().into_iter().map(|n| NetworkId::new(n.target)).collect(),
        // The default publish mode is ingress, and may be written as nothing.
        publishes_ingress: ports.iter().any(|p| p.publish_mode != "host"),
        vips: raw.endpoint.virtual_ips.unwrap_or_default().into_iter().map(vip).collect(),
        stack: label(spec.labels.as_ref(), STACK_LABEL),
        run: label(spec.labels.as_ref(), RUN_LABEL),
        created: raw.created_at.parse().ok(),
        updated: raw.updated_at.parse().ok(),
    }
}

fn mode(raw: &wire::Mode) -> ServiceMode {
    if raw.replicated_job.is_some() || raw.global_job.is_some() {
        ServiceMode::Job
    } else if raw.global.is_some() {
        ServiceMode::Global
    } else {
        // Swarm's own default is one replica.
        ServiceMode::Replicated(raw.replicated.as_ref().and_then(|r| r.replicas).unwrap_or(1))
    }
}

fn vip(raw: wire::VirtualIp) -> Vip {
    Vip { network: NetworkId::new(raw.network_id), address: address(&raw.addr) }
}

fn task(raw: wire::Task, runtime: Runtime) -> Task {
    let attachments = raw.networks_attachments.unwrap_or_default().into_iter();
    Task {
        id: TaskId::new(raw.id),
        service: filled(raw.service_id).map(ServiceId::new),
        slot: raw.slot,
        node: filled(raw.node_id).map(NodeId::new),
        runtime,
        state: TaskState::parse(&raw.status.state),
        desired: TaskState::parse(&raw.desired_state),
        since: raw.status.timestamp.parse().or_else(|_| raw.created_at.parse()).ok(),
        error: without_values(&raw.status.err),
        container: raw
            .status
            .container_status
            .filter(|c| !c.container_id.is_empty())
            .map(|c| (c.container_id, c.pid)),
        attachments: attachments
            .map(|a| {
                let addresses = a.addresses.unwrap_or_default();
                (NetworkId::new(a.network.id), addresses.iter().filter_map(|t| address(t)).collect())
            })
            .collect(),
    }
}

fn label(labels: Option<&std::collections::HashMap<String, String>>, key: &str) -> Option<String> {
    labels.and_then(|l| l.get(key)).cloned().and_then(filled)
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The IPv4 address of `10.0.1.5` or `10.0.1.5/24`; `None` for anything else, IPv6 included.
pub(crate) fn address(text: &str) -> Option<Ipv4Addr> {
    text.split('/').next()?.parse().ok()
}

/// The subnet of a pool. Old engines kept host bits as they were typed, so they are cut off here.
fn canonical(text: &str) -> Option<Subnet> {
    let (address, prefix) = text.split_once('/')?;
    Subnet::around(address.parse().ok()?, prefix.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_hold_addresses_up_to_running() {
        for holding in ["new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running"]
        {
            assert!(TaskState::parse(holding).holds_addresses(), "{holding}");
        }
        for done in ["complete", "shutdown", "failed", "rejected", "remove", "orphaned"] {
            assert!(!TaskState::parse(done).holds_addresses(), "{done}");
        }
        assert!(TaskState::parse("a state of tomorrow").holds_addresses());
    }

    #[test]
    fn an_unallocated_network_has_no_subnet_and_is_an_overlay() {
        let raw = r#"{"Name":"dup","Id":"t77","Scope":"swarm","Driver":"","IPAM":{"Driver":"","Options":null,"Config":null},"Labels":null,"Containers":null}"#;
        let net = network(serde_json::from_str(raw).unwrap());
        assert!(net.is_overlay());
        assert!(!net.is_allocated());
    }

    #[test]
    fn host_bits_and_ipv6_pools_are_read_for_what_they_are() {
        let raw = r#"{"Name":"p","Id":"x","Scope":"swarm","Driver":"overlay","IPAM":{"Config":[{"Subnet":"fd00::/64"},{"Subnet":"10.9.0.7/24","Gateway":"10.9.0.1"}]}}"#;
        let net = network(serde_json::from_str(raw).unwrap());
        assert_eq!(net.subnets().iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.9.0.0/24"]);
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), text in ".{0,40}") {
            for raw in serde_json::from_slice::<Vec<wire::Task>>(&bytes).into_iter().flatten() {
                task(raw, Runtime::Container);
            }
            let _ = serde_json::from_slice::<wire::Network>(&bytes).map(network);
            let _ = (address(&text), canonical(&text));
        }
    }
}

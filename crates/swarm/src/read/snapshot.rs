//! The snapshot of a whole Swarm, and the lists that it consists of.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Method;
use ipnet::Ipv6Net;
use jiff::Timestamp;
use pvcheck_audit::{
    DeclaredRoute, EndpointMode, EngineFacts, EngineKind, JobMode, Network, NetworkId, Node, NodeId, Runtime,
    Service, ServiceId, ServiceMode, Snapshot, Task, TaskId, TaskState, UpdateOrder, UpdateStatus, Vip,
    declared_routes, without_values,
};
use pvcheck_ipam::{Pool, Subnet};

use crate::engine::{CallError, CallErrorKind, ConnectError, Engine, Host, PATIENCE, wire};
use crate::labels::{RUN_LABEL, STACK_LABEL};

impl Engine {
    /// A snapshot of the whole Swarm, in six calls independent of its size. It only reads.
    ///
    /// The lists are read one after the other, so while services are removed it may have a task whose service is gone.
    ///
    /// # Errors
    /// If one of the calls fails; there is no partial snapshot.
    pub async fn snapshot(&self) -> Result<Snapshot, CallError> {
        // An engine takes longer for this answer than for all lists, because it runs other programs for their versions
        // (moby `daemon/info_unix.go`, `fillPlatformInfo`), and no list rests on it. Both are waited for, so that of two
        // errors it is always the same one that is told.
        let (info, lists) = tokio::join!(self.connection().get(INFO), read_lists(self));
        Ok(put_together(self, info?, lists?))
    }

    /// Connects to a manager as [`Engine::connect`] does, and reads the first [`Engine::snapshot`] along with it: the same
    /// answer says whether it is a manager.
    ///
    /// # Errors
    /// If [`Engine::connect`] would fail; the inner result is that of the snapshot.
    pub async fn connect_and_read(host: &Host) -> Result<(Self, Result<Snapshot, CallError>), ConnectError> {
        let engine = Self::reach(host, PATIENCE).await?;
        let (info, lists) = tokio::join!(engine.connection().get(INFO), read_lists(&engine));
        let info: wire::Info = info?;
        // Before the lists, which a worker refuses.
        let engine = engine.in_charge(&info)?;
        let snapshot = lists.map(|lists| put_together(&engine, info, lists));
        Ok((engine, snapshot))
    }
}

/// What an engine says of itself.
const INFO: &str = "/info";

fn put_together(engine: &Engine, info: wire::Info, lists: Lists) -> Snapshot {
    Snapshot {
        engine: engine_facts(info, engine.api()),
        nodes: lists.nodes,
        networks: lists.networks.into_iter().map(network).collect(),
        services: lists.services,
        tasks: lists.tasks,
    }
}

/// What a Swarm consists of.
struct Lists {
    networks: Vec<wire::Network>,
    services: Vec<Service>,
    tasks: Vec<Task>,
    nodes: Vec<Node>,
}

/// All lists of a snapshot, in five calls.
async fn read_lists(engine: &Engine) -> Result<Lists, CallError> {
    let networks = engine.connection().get("/networks").await?;
    let services = read_services(engine).await?;
    let tasks = read_tasks(engine).await?;
    // Last, because it says whether there is a quorum, on which all of the above rests.
    let nodes = read_nodes(engine).await?;
    Ok(Lists { networks, services, tasks, nodes })
}

/// Every node, in one call. It fails where the managers that are reached are no majority.
pub(crate) async fn read_nodes(engine: &Engine) -> Result<Vec<Node>, CallError> {
    const PATH: &str = "/nodes";
    let connection = engine.connection();
    let nodes: Vec<wire::Node> = connection.get(PATH).await?;
    if let Some(no_quorum) = no_quorum(&nodes) {
        return Err(connection.error(&Method::GET, PATH, no_quorum));
    }
    Ok(nodes.into_iter().map(node).collect())
}

/// The reason why these nodes' Swarm has no quorum, if it has none (swarmkit `manager/state/raft`, `Node.GetMemberlist`).
fn no_quorum(nodes: &[wire::Node]) -> Option<CallErrorKind> {
    let managers: Vec<_> = nodes.iter().filter_map(|node| node.manager_status.as_ref()).collect();
    let unreachable = managers.iter().filter(|manager| manager.reachability == "unreachable").count();
    (managers.len() <= 2 * unreachable && 0 < unreachable)
        .then_some(CallErrorKind::NoQuorum { unreachable, managers: managers.len() })
}

/// The node of the asked engine, in one call.
pub(crate) async fn read_own_node(engine: &Engine) -> Result<NodeId, CallError> {
    let info: wire::Info = engine.connection().get("/info").await?;
    Ok(NodeId::new(info.swarm.node_id))
}

/// Every service, in one call.
pub(crate) async fn read_services(engine: &Engine) -> Result<Vec<Service>, CallError> {
    let services: Vec<wire::Service> = engine.connection().get("/services").await?;
    Ok(services.into_iter().map(service).collect())
}

/// Id and name of every network of the Swarm, each once, in one call.
pub(crate) async fn read_network_names(engine: &Engine) -> Result<Vec<(NetworkId, String)>, CallError> {
    let networks: Vec<wire::Network> = engine.connection().get("/networks").await?;
    let of_the_swarm = networks.into_iter().filter(|network| network.scope == "swarm");
    let mut named: Vec<_> = of_the_swarm.map(|network| (NetworkId::new(network.id), network.name)).collect();
    // A node's own copy has the id of the network.
    named.sort();
    named.dedup();
    Ok(named)
}

/// One service, in one call.
pub(crate) async fn read_service(engine: &Engine, id: &ServiceId) -> Result<Service, CallError> {
    Ok(service(engine.connection().get(&format!("/services/{id}")).await?))
}

/// The tasks of one service, in one call.
pub(crate) async fn read_tasks_of(engine: &Engine, service: &ServiceId) -> Result<Vec<Task>, CallError> {
    let path = format!("/tasks?filters=%7B%22service%22%3A%5B%22{service}%22%5D%7D");
    let tasks: Vec<wire::Task> = engine.connection().get(&path).await?;
    Ok(tasks.into_iter().map(|t| task(t, Runtime::Container)).collect())
}

/// Every task of both runtimes, in two calls.
pub(crate) async fn read_tasks(engine: &Engine) -> Result<Vec<Task>, CallError> {
    let containers: Vec<wire::Task> = engine.connection().get("/tasks").await?;
    // Without the filter the list has containers only (moby `daemon/cluster/tasks.go`, `GetTasks`).
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
        // An engine without a readable clock gets the epoch, so that every age is absurd instead of slightly wrong.
        at: info.system_time.parse().unwrap_or(Timestamp::UNIX_EPOCH),
        node: NodeId::new(info.swarm.node_id),
        cluster: cluster.id,
        default_pools: cluster.default_addr_pool.unwrap_or_default(),
        default_prefix: cluster.subnet_size,
        kind: EngineKind::of_operating_system(&info.operating_system),
    }
}

fn node(raw: wire::Node) -> Node {
    Node {
        id: NodeId::new(raw.id),
        hostname: raw.description.hostname,
        manager: raw.spec.role == "manager",
        leader: raw.manager_status.is_some_and(|m| m.leader),
        availability: raw.spec.availability.into(),
        state: raw.status.state.into(),
        engine_version: raw.description.engine.engine_version,
    }
}

pub(crate) fn network(raw: wire::Network) -> Network {
    let bridge = bridge(&raw);
    let pools = raw.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
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
        ipv6: raw.enable_ipv6,
        ipv6_subnets: pools
            .iter()
            .filter_map(|p| p.subnet.parse::<Ipv6Net>().ok())
            .map(|n| n.trunc())
            .collect(),
        created: raw.created.parse().ok(),
        stack: label(raw.labels.as_ref(), STACK_LABEL),
        run: label(raw.labels.as_ref(), RUN_LABEL),
    }
}

/// The interface of a bridge network: the one its option names, else `br-` and twelve characters of its id
/// (moby `daemon/libnetwork/drivers/bridge`). The two that the engine creates itself have fixed names.
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
        mode: mode(&spec.mode.unwrap_or_default()),
        endpoint: if dnsrr { EndpointMode::Dnsrr } else { EndpointMode::Vip },
        networks: targets.unwrap_or_default().into_iter().map(|n| NetworkId::new(n.target)).collect(),
        // The default publish mode is ingress, and the field may be empty then.
        publishes_ingress: ports.iter().any(|p| p.publish_mode != "host"),
        vips: raw.endpoint.and_then(|e| e.virtual_ips).unwrap_or_default().into_iter().map(vip).collect(),
        stack: label(spec.labels.as_ref(), STACK_LABEL),
        run: label(spec.labels.as_ref(), RUN_LABEL),
        created: raw.created_at.parse().ok(),
        updated: raw.updated_at.parse().ok(),
        update_order: match spec.update_config.order.as_str() {
            "start-first" => UpdateOrder::StartFirst,
            _ => UpdateOrder::StopFirst,
        },
        update: raw.update_status.filter(|u| !u.state.is_empty()).map(update),
        // Of the labels no more is kept: others of a router's have users and hashes of their passwords.
        declared: Some(declared(spec.labels.as_ref())),
        iteration: raw.job_status.map(|job| job.job_iteration.index),
    }
}

fn update(raw: wire::UpdateStatus) -> UpdateStatus {
    UpdateStatus {
        state: raw.state.into(),
        started: raw.started_at.parse().ok(),
        message: without_values(&raw.message),
    }
}

fn mode(raw: &wire::Mode) -> ServiceMode {
    if let Some(job) = &raw.replicated_job {
        // The engine's defaults: one task at a time, and as many completions as tasks at a time.
        let max_concurrent = job.max_concurrent.unwrap_or(1);
        let total = job.total_completions.unwrap_or(max_concurrent);
        ServiceMode::Job(JobMode::Replicated { max_concurrent, total })
    } else if raw.global_job.is_some() {
        ServiceMode::Job(JobMode::Global)
    } else if raw.global.is_some() {
        ServiceMode::Global
    } else {
        // Swarm's own default is one replica.
        ServiceMode::Replicated(raw.replicated.as_ref().and_then(|r| r.replicas).unwrap_or(1))
    }
}

fn vip(raw: wire::VirtualIp) -> Vip {
    let ipv6 = raw.addr.split('/').next().and_then(|a| a.parse::<Ipv6Addr>().ok());
    Vip { network: NetworkId::new(raw.network_id), address: address(&raw.addr), ipv6 }
}

fn task(raw: wire::Task, runtime: Runtime) -> Task {
    let attachments = raw.networks_attachments.unwrap_or_default().into_iter();
    Task {
        id: TaskId::new(raw.id),
        service: filled(raw.service_id).map(ServiceId::new),
        slot: raw.slot,
        node: filled(raw.node_id).map(NodeId::new),
        runtime,
        state: TaskState::from_word(&raw.status.state),
        desired: TaskState::from_word(&raw.desired_state),
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
        iteration: raw.job_iteration.map(|iteration| iteration.index),
    }
}

fn declared(labels: Option<&std::collections::HashMap<String, String>>) -> Vec<DeclaredRoute> {
    declared_routes(labels.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())))
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

/// The subnet of a pool. Old engines store host bits as they were typed; they are cut off here.
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
            assert!(TaskState::from_word(holding).holds_addresses(), "{holding}");
        }
        for done in ["complete", "shutdown", "failed", "rejected", "remove", "orphaned"] {
            assert!(!TaskState::from_word(done).holds_addresses(), "{done}");
        }
        assert!(TaskState::from_word("a state of tomorrow").holds_addresses());
    }

    #[test]
    fn without_a_majority_of_the_managers_nothing_is_known() {
        let node = |reachability: &str| {
            let status = match reachability {
                "" => String::new(),
                said => format!(r#","ManagerStatus":{{"Reachability":"{said}"}}"#),
            };
            serde_json::from_str::<wire::Node>(&format!(r#"{{"ID":"n"{status}}}"#)).unwrap()
        };
        for (managers, lost) in [
            ("reachable", false),
            ("reachable,unreachable", true),
            ("reachable,unreachable,reachable", false),
            ("unreachable,unreachable,reachable", true),
            // One that has just joined, and workers.
            ("reachable,unknown", false),
            ("reachable,,,unreachable,reachable", false),
            ("reachable,unreachable,unreachable,reachable", true),
        ] {
            let nodes: Vec<_> = managers.split(',').map(node).collect();
            assert_eq!(no_quorum(&nodes).is_some(), lost, "{managers}");
        }
    }

    #[test]
    fn jobs_are_read_with_the_engines_defaults() {
        let read = |raw: &str| mode(&serde_json::from_str(raw).unwrap());
        let job = |max_concurrent, total| ServiceMode::Job(JobMode::Replicated { max_concurrent, total });
        for (raw, expected) in [
            (r#"{"ReplicatedJob":{"MaxConcurrent":2,"TotalCompletions":5}}"#, job(2, 5)),
            (r#"{"ReplicatedJob":{"MaxConcurrent":3}}"#, job(3, 3)),
            (r#"{"ReplicatedJob":{}}"#, job(1, 1)),
            (r#"{"GlobalJob":{}}"#, ServiceMode::Job(JobMode::Global)),
            (r#"{"Global":{}}"#, ServiceMode::Global),
            (r#"{"Replicated":{}}"#, ServiceMode::Replicated(1)),
            ("{}", ServiceMode::Replicated(1)),
        ] {
            assert_eq!(read(raw), expected, "{raw}");
        }
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

//! The Engine API's JSON, as far as it is needed, read with tolerance: what is missing or null is empty, what is new
//! is passed over. Environment, secrets' data, arguments and other labels are not even decoded.
//!
//! bollard's models are not used for reading: a task of theirs has no `NetworksAttachments`, and one unknown enum
//! value fails a whole list.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};

/// `null` and absence alike are the type's default.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

pub(crate) type Labels = Option<HashMap<String, String>>;

#[derive(Deserialize)]
pub(crate) struct Info {
    #[serde(rename = "ServerVersion", default)]
    pub(crate) server_version: String,
    #[serde(rename = "SystemTime", default)]
    pub(crate) system_time: String,
    #[serde(rename = "OperatingSystem", default)]
    pub(crate) operating_system: String,
    #[serde(rename = "DockerRootDir", default)]
    pub(crate) docker_root_dir: String,
    #[serde(rename = "Swarm", default, deserialize_with = "nullable")]
    pub(crate) swarm: SwarmInfo,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct SwarmInfo {
    #[serde(rename = "NodeID")]
    pub(crate) node_id: String,
    pub(crate) node_addr: String,
    pub(crate) local_node_state: String,
    pub(crate) control_available: bool,
    pub(crate) error: String,
    pub(crate) remote_managers: Option<Vec<RemoteManager>>,
    pub(crate) cluster: Option<Cluster>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RemoteManager {
    pub(crate) addr: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Cluster {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) default_addr_pool: Option<Vec<String>>,
    pub(crate) subnet_size: Option<u8>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Node {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) spec: NodeSpec,
    #[serde(deserialize_with = "nullable")]
    pub(crate) description: NodeDescription,
    #[serde(deserialize_with = "nullable")]
    pub(crate) status: NodeStatus,
    pub(crate) manager_status: Option<ManagerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NodeSpec {
    pub(crate) role: String,
    pub(crate) availability: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NodeDescription {
    pub(crate) hostname: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) engine: NodeEngine,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NodeEngine {
    pub(crate) engine_version: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NodeStatus {
    pub(crate) state: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ManagerStatus {
    pub(crate) leader: bool,
    pub(crate) reachability: String,
    pub(crate) addr: String,
}

/// `/swarm`, without its tokens.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Swarm {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) spec: Option<SwarmSpec>,
    pub(crate) data_path_port: Option<u32>,
    pub(crate) default_addr_pool: Option<Vec<String>>,
    pub(crate) subnet_size: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct SwarmSpec {
    #[serde(rename = "EncryptionConfig", deserialize_with = "nullable")]
    pub(crate) encryption: Encryption,
    #[serde(rename = "CAConfig", deserialize_with = "nullable")]
    pub(crate) ca: CaConfig,
    #[serde(rename = "Raft", deserialize_with = "nullable")]
    pub(crate) raft: Raft,
    #[serde(rename = "Dispatcher", deserialize_with = "nullable")]
    pub(crate) dispatcher: Dispatcher,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Dispatcher {
    /// In nanoseconds.
    pub(crate) heartbeat_period: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Encryption {
    pub(crate) auto_lock_managers: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct CaConfig {
    #[serde(rename = "ExternalCAs")]
    pub(crate) external: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Raft {
    pub(crate) snapshot_interval: u64,
    pub(crate) log_entries_for_slow_followers: u64,
}

/// `/swarm` again, for its tokens alone: they are read where they are used, and neither printed nor kept. So there is no
/// `Debug`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct SwarmTokens {
    #[serde(deserialize_with = "nullable")]
    pub(crate) join_tokens: JoinTokens,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct JoinTokens {
    pub(crate) manager: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) driver: String,
    pub(crate) scope: String,
    pub(crate) ingress: bool,
    pub(crate) attachable: bool,
    pub(crate) internal: bool,
    pub(crate) labels: Labels,
    #[serde(rename = "IPAM")]
    pub(crate) ipam: Option<Ipam>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) options: NetworkOptions,
    #[serde(deserialize_with = "nullable")]
    pub(crate) containers: HashMap<String, NetworkContainer>,
    #[serde(rename = "EnableIPv6")]
    pub(crate) enable_ipv6: bool,
    pub(crate) created: String,
}

/// A network's status, of API 1.52 and later.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NetworkStatus {
    pub(crate) id: String,
    pub(crate) status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    #[serde(rename = "IPAM")]
    pub(crate) ipam: Option<IpamStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct IpamStatus {
    #[serde(rename = "Subnets")]
    pub(crate) subnets: Option<HashMap<String, SubnetStatus>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct SubnetStatus {
    #[serde(rename = "IPsInUse")]
    pub(crate) ips_in_use: Option<u64>,
    #[serde(rename = "DynamicIPsAvailable")]
    pub(crate) available: Option<u64>,
}

/// The one driver option that is needed; others are not even decoded.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct NetworkOptions {
    #[serde(rename = "com.docker.network.bridge.name")]
    pub(crate) bridge_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Ipam {
    pub(crate) config: Option<Vec<IpamConfig>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct IpamConfig {
    #[serde(rename = "Subnet")]
    pub(crate) subnet: String,
    #[serde(rename = "Gateway")]
    pub(crate) gateway: String,
    #[serde(rename = "IPRange")]
    pub(crate) ip_range: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct NetworkContainer {
    #[serde(rename = "Name")]
    pub(crate) name: String,
    #[serde(rename = "IPv4Address")]
    pub(crate) ipv4_address: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Service {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) spec: ServiceSpec,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) update_status: Option<UpdateStatus>,
    pub(crate) job_status: Option<JobStatus>,
}

/// Where a job is, from API 1.41 on.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct JobStatus {
    #[serde(deserialize_with = "nullable")]
    pub(crate) job_iteration: JobIteration,
}

/// Which execution of a job; the engine leaves out the number of the first, which is 0.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct JobIteration {
    #[serde(deserialize_with = "nullable")]
    pub(crate) index: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct UpdateStatus {
    pub(crate) state: String,
    pub(crate) started_at: String,
    pub(crate) message: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct UpdateConfig {
    pub(crate) order: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ServiceSpec {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    #[serde(deserialize_with = "nullable")]
    pub(crate) task_template: TaskTemplate,
    pub(crate) mode: Option<Mode>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) endpoint_spec: EndpointSpec,
    #[serde(deserialize_with = "nullable")]
    pub(crate) update_config: UpdateConfig,
    pub(crate) networks: Option<Vec<Attach>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TaskTemplate {
    pub(crate) networks: Option<Vec<Attach>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Attach {
    pub(crate) target: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Mode {
    pub(crate) replicated: Option<Replicated>,
    pub(crate) global: Option<serde::de::IgnoredAny>,
    pub(crate) replicated_job: Option<ReplicatedJob>,
    pub(crate) global_job: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ReplicatedJob {
    pub(crate) max_concurrent: Option<u64>,
    pub(crate) total_completions: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Replicated {
    pub(crate) replicas: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct EndpointSpec {
    pub(crate) mode: String,
    pub(crate) ports: Option<Vec<Port>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Port {
    pub(crate) publish_mode: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    #[serde(rename = "VirtualIPs")]
    pub(crate) virtual_ips: Option<Vec<VirtualIp>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct VirtualIp {
    #[serde(rename = "NetworkID")]
    pub(crate) network_id: String,
    #[serde(rename = "Addr")]
    pub(crate) addr: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Task {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(rename = "ServiceID")]
    pub(crate) service_id: String,
    #[serde(rename = "NodeID")]
    pub(crate) node_id: String,
    pub(crate) slot: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) status: TaskStatus,
    pub(crate) desired_state: String,
    pub(crate) created_at: String,
    pub(crate) networks_attachments: Option<Vec<Attachment>>,
    pub(crate) job_iteration: Option<JobIteration>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TaskStatus {
    pub(crate) timestamp: String,
    pub(crate) state: String,
    pub(crate) err: String,
    pub(crate) container_status: Option<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerStatus {
    #[serde(rename = "ContainerID")]
    pub(crate) container_id: String,
    #[serde(rename = "PID")]
    pub(crate) pid: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Attachment {
    #[serde(deserialize_with = "nullable")]
    pub(crate) network: AttachedNetwork,
    pub(crate) addresses: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct AttachedNetwork {
    #[serde(rename = "ID")]
    pub(crate) id: String,
}

/// A secret or config: only what removal needs.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stored {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(rename = "Spec", deserialize_with = "nullable")]
    pub(crate) spec: StoredSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct StoredSpec {
    #[serde(rename = "Name")]
    pub(crate) name: String,
    #[serde(rename = "Labels")]
    pub(crate) labels: Labels,
}

/// An event of the Swarm; what it is about has a name for services, networks and nodes.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    #[serde(rename = "Action")]
    pub(crate) action: String,
    #[serde(rename = "Actor", deserialize_with = "nullable")]
    pub(crate) actor: EventActor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventActor {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(rename = "Attributes", deserialize_with = "nullable")]
    pub(crate) attributes: EventAttributes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventAttributes {
    pub(crate) name: String,
}

/// Any object that an update replaces as a whole: its spec stays raw JSON, so that no field of a newer engine is lost.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Versioned {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) version: Version,
    pub(crate) spec: serde_json::Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Version {
    pub(crate) index: Option<u64>,
}

/// Any network, as raw JSON: what a creation repeats must be all that there is.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Raw(pub(crate) serde_json::Value);

/// A container of a list: its environment and its command are not even decoded.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ListedContainer {
    pub(crate) id: String,
    pub(crate) labels: Labels,
}

/// One container, as far as its networks go.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) state: ContainerState,
    pub(crate) network_settings: Option<ContainerNetworks>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ContainerState {
    pub(crate) status: String,
}

/// What a container has on each of its networks, as raw JSON: a connection repeats what it was connected with.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ContainerNetworks {
    #[serde(deserialize_with = "nullable")]
    pub(crate) networks: HashMap<String, serde_json::Value>,
}

/// Any object, by its id alone.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Identified {
    #[serde(rename = "ID", alias = "Id")]
    pub(crate) id: String,
}

/// What a creation answers. Networks write `Id`, everything else `ID`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Created {
    #[serde(rename = "ID", alias = "Id")]
    pub(crate) id: String,
}

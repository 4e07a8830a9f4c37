//! The engine itself, the Swarm and its nodes as JSON.

use serde_json::{Value, json};

use super::Call;
use super::filters::Filters;
use crate::id::NodeId;
use crate::model::Model;
use crate::object::Node;
use crate::refusal::Refusal;
use crate::state::Membership;

/// Processors of each node, in billionths: the model has no machine under it.
const NANO_CPUS: u64 = 2_000_000_000;
/// Memory of each node.
const MEMORY_BYTES: u64 = 4 << 30;
/// Drivers that every engine has.
const VOLUME_DRIVERS: [&str; 1] = ["local"];
/// Those of networks; the model makes bridges and overlays only.
const NETWORK_DRIVERS: [&str; 6] = ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"];
/// Those of logs.
const LOG_DRIVERS: [&str; 10] = [
    "awslogs",
    "fluentd",
    "gcplogs",
    "gelf",
    "journald",
    "json-file",
    "local",
    "logentries",
    "splunk",
    "syslog",
];
/// Port of the managers' API.
const MANAGER_PORT: u16 = 2377;

impl Model {
    pub(super) fn version_json(&self) -> Value {
        let engine = self.settings.engine;
        let api = format!("1.{}", engine.api_minor);
        let min = format!("1.{}", engine.min_api_minor);
        let details = json!({"ApiVersion": api, "MinAPIVersion": min, "Arch": "amd64", "Os": "linux",
            "Experimental": "false", "KernelVersion": "6.1.0", "GitCommit": "sim", "GoVersion": "none"});
        json!({
            "Platform": {"Name": "pvcheck embedded engine"},
            "Components": [{"Name": "Engine", "Version": engine.version, "Details": details}],
            "Version": engine.version,
            "ApiVersion": api,
            "MinAPIVersion": min,
            "GitCommit": "sim",
            "GoVersion": "none",
            "Os": "linux",
            "Arch": "amd64",
            "KernelVersion": "6.1.0",
        })
    }

    pub(super) fn info_json(&self) -> Value {
        let local = self.nodes.get(&self.cluster.local);
        json!({
            "ID": self.cluster.local,
            "Name": local.map_or("node1", |node| node.hostname.as_str()),
            "ServerVersion": self.settings.engine.version,
            "SystemTime": self.at(self.now).to_string(),
            "OSType": "linux",
            "Architecture": "x86_64",
            "KernelVersion": "6.1.0",
            "OperatingSystem": "pvcheck embedded engine",
            "LoggingDriver": "json-file",
            "LiveRestoreEnabled": false,
            "CgroupDriver": "cgroupfs",
            "CgroupVersion": "1",
            "DefaultRuntime": "none",
            "NCPU": NANO_CPUS / 1_000_000_000,
            "MemTotal": MEMORY_BYTES,
            // A client warns about each of these that the kernel lacks.
            "MemoryLimit": true,
            "SwapLimit": true,
            "OomKillDisable": true,
            "CpuCfsPeriod": true,
            "CpuCfsQuota": true,
            "CPUShares": true,
            "CPUSet": true,
            "PidsLimit": true,
            "IPv4Forwarding": true,
            "BridgeNfIptables": true,
            "BridgeNfIp6tables": true,
            "Plugins": {"Volume": VOLUME_DRIVERS, "Network": NETWORK_DRIVERS, "Authorization": null, "Log": LOG_DRIVERS},
            "Swarm": self.membership_json(),
        })
    }

    fn membership_json(&self) -> Value {
        let managers: Vec<&Node> = self.nodes.values().filter(|node| node.manager).collect();
        let remotes: Vec<Value> =
            managers.iter().map(|node| json!({"NodeID": node.id, "Addr": manager_addr(node)})).collect();
        let local = self.nodes.get(&self.cluster.local);
        let addr = local.map(|node| node.addr.to_string()).unwrap_or_default();
        let mut value = json!({
            "NodeID": self.cluster.local,
            "NodeAddr": addr,
            "LocalNodeState": "active",
            "ControlAvailable": self.cluster.membership == Membership::Manager,
            "Error": "",
            "RemoteManagers": remotes,
        });
        match self.cluster.membership {
            Membership::Manager => {
                value["Nodes"] = json!(self.nodes.len());
                value["Managers"] = json!(managers.len());
                value["Cluster"] = self.cluster_json();
            }
            Membership::Worker => {}
            Membership::Inactive => {
                value = json!({"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive",
                    "ControlAvailable": false, "Error": "", "RemoteManagers": null});
            }
        }
        value
    }

    /// `GET /swarm`. Join tokens are not modelled: nothing here may look like a secret.
    pub(super) fn swarm_json(&self) -> Value {
        let mut value = self.cluster_json();
        value["JoinTokens"] = json!({"Worker": "", "Manager": ""});
        value
    }

    fn cluster_json(&self) -> Value {
        let mut value = self.meta_json(&self.cluster.id, self.cluster.meta);
        value["Spec"] = json!({
            "Name": "default",
            "Labels": {},
            "Orchestration": {"TaskHistoryRetentionLimit": self.settings.task_history},
            "Raft": {"SnapshotInterval": 10_000, "KeepOldSnapshots": 0, "LogEntriesForSlowFollowers": 500,
                     "ElectionTick": 10, "HeartbeatTick": 1},
            "Dispatcher": {"HeartbeatPeriod": 5_000_000_000_u64},
            // 90 days in ns: how long a node's certificate is valid.
            "CAConfig": {"NodeCertExpiry": 7_776_000_000_000_000_u64},
            "EncryptionConfig": {"AutoLockManagers": false},
        });
        let pools: Vec<String> = self.settings.default_addr_pool.iter().map(ToString::to_string).collect();
        value["RootRotationInProgress"] = json!(false);
        value["DefaultAddrPool"] = json!(pools);
        value["SubnetSize"] = json!(self.settings.subnet_size);
        value["DataPathPort"] = json!(4789);
        value
    }

    pub(super) fn nodes_json(&self, call: &Call<'_>) -> Result<Value, Refusal> {
        let filters = Filters::of(call, &["id", "label", "membership", "name", "node.label", "role"])?;
        let passes = |node: &&Node| {
            filters.passes("name", |name| node.hostname.starts_with(name))
                && filters.passes("id", |id| node.id.as_str().starts_with(id))
                && filters.passes("role", |role| role == role_name(node))
                && filters.passes("membership", |membership| membership == "accepted")
                && filters.passes_labels(&node.labels)
        };
        Ok(Value::Array(self.nodes.values().filter(passes).map(|node| self.node_json(&node.id)).collect()))
    }

    pub(super) fn node_json(&self, id: &NodeId) -> Value {
        let Some(node) = self.nodes.get(id) else { return Value::Null };
        let mut value = self.meta_json(id.as_str(), node.meta);
        value["Spec"] =
            json!({"Labels": node.labels, "Role": role_name(node), "Availability": node.availability.name()});
        value["Description"] = json!({
            "Hostname": node.hostname,
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": NANO_CPUS, "MemoryBytes": MEMORY_BYTES},
            "Engine": {"EngineVersion": self.settings.engine.version, "Plugins": plugins()},
        });
        value["Status"] = match node.down_since {
            None => json!({"State": "ready", "Addr": node.addr.to_string()}),
            Some(_) => {
                json!({"State": "down", "Message": "heartbeat failure", "Addr": node.addr.to_string()})
            }
        };
        if node.manager {
            let reachability = if node.down_since.is_some() { "unreachable" } else { "reachable" };
            value["ManagerStatus"] = json!({"Reachability": reachability, "Addr": manager_addr(node)});
            if self.cluster.leader == *id {
                value["ManagerStatus"]["Leader"] = json!(true);
            }
        }
        value
    }
}

/// The drivers as a node lists them.
fn plugins() -> Value {
    let of = |kind: &'static str, names: &'static [&'static str]| {
        names.iter().map(move |name| json!({"Type": kind, "Name": name}))
    };
    let all =
        of("Log", &LOG_DRIVERS).chain(of("Network", &NETWORK_DRIVERS)).chain(of("Volume", &VOLUME_DRIVERS));
    Value::Array(all.collect())
}

fn manager_addr(node: &Node) -> String {
    format!("{}:{MANAGER_PORT}", node.addr)
}

fn role_name(node: &Node) -> &'static str {
    if node.manager { "manager" } else { "worker" }
}

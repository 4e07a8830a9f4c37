//! Collecting what decides how leaked addresses can be taken back.

use std::net::IpAddr;
use std::path::PathBuf;

use pvcheck_audit::{NodeId, Snapshot, TaskState};

use super::facts::{Here, ReclaimFacts};
use super::managers::managers;
use super::private::{Programs, free_link};
use crate::engine::{CallError, Engine};
use crate::read::read_host;

/// Looks at everything that decides how leaked addresses can be taken back. It only reads: the Swarm, and this host's
/// addresses and programs.
///
/// # Errors
/// When the Swarm cannot be read. What this host lacks is a fact, not an error.
pub async fn reclaim_facts(engine: &Engine, others: &[Engine]) -> Result<ReclaimFacts, CallError> {
    let info = info(engine).await?;
    let swarm: SwarmWire = engine.connection().get("/swarm").await?;
    let managers = managers(engine).await?;
    let mut known = Vec::new();
    for other in others {
        known.push(NodeId::new(self::info(other).await?.swarm.node_id));
    }
    let snapshot = engine.snapshot().await?;
    let here = here(engine, &info, &snapshot).await;
    Ok(ReclaimFacts {
        managers,
        connected: NodeId::new(info.swarm.node_id),
        others: known,
        autolock: swarm.spec.encryption.autolock,
        external_cas: swarm.spec.ca.external.map_or(0, |c| c.len()),
        moving: moving(&snapshot),
        here,
    })
}

/// The services of which a node starts or stops a task, in order, by name where it is known: somebody deploys or removes.
///
/// A task that no node has yet does not count. It may wait for ever, for an address above all, which is what one reclaims
/// for.
pub(super) fn moving(snapshot: &Snapshot) -> Vec<String> {
    let on_its_way = snapshot.tasks.iter().filter(|task| {
        let starts = TaskState::Assigned <= task.state && task.state < TaskState::Running;
        (task.is_stopping() && task.node.is_some()) || (starts && task.is_wanted())
    });
    let of = on_its_way.filter_map(|task| task.service.as_ref());
    let named = of.map(|id| snapshot.service(id).map_or_else(|| id.to_string(), |s| s.name.clone()));
    named.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// The part of `/swarm` that matters; tokens are read elsewhere, when they are used.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct SwarmWire {
    pub(super) spec: SpecWire,
    pub(super) data_path_port: Option<u32>,
    pub(super) default_addr_pool: Option<Vec<String>>,
    pub(super) subnet_size: Option<u32>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct SpecWire {
    #[serde(rename = "EncryptionConfig")]
    encryption: EncryptionWire,
    #[serde(rename = "CAConfig")]
    ca: CaWire,
    #[serde(rename = "Raft")]
    pub(super) raft: RaftWire,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RaftWire {
    pub(super) snapshot_interval: u64,
    pub(super) log_entries_for_slow_followers: u64,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct EncryptionWire {
    #[serde(rename = "AutoLockManagers")]
    autolock: bool,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct CaWire {
    #[serde(rename = "ExternalCAs")]
    external: Option<Vec<serde::de::IgnoredAny>>,
}

/// The part of `/info` that is needed here.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct InfoWire {
    pub(super) docker_root_dir: String,
    pub(super) swarm: InfoSwarmWire,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct InfoSwarmWire {
    #[serde(rename = "NodeID")]
    pub(super) node_id: String,
    #[serde(rename = "NodeAddr")]
    pub(super) node_addr: String,
    #[serde(rename = "LocalNodeState")]
    pub(super) local_node_state: String,
}

pub(super) async fn info(engine: &Engine) -> Result<InfoWire, CallError> {
    engine.connection().get("/info").await
}

async fn here(engine: &Engine, info: &InfoWire, snapshot: &Snapshot) -> Here {
    let host = read_host().await.unwrap_or_default();
    let address = info.swarm.node_addr.parse::<IpAddr>().ok();
    let socket = engine.connection().host().socket().to_owned();
    let raft = PathBuf::from(&info.docker_root_dir).join("swarm");
    let same_host = address.is_some_and(|a| host.addresses.iter().any(|h| h.address == a))
        && std::os::unix::net::UnixStream::connect(&socket).is_ok();
    let programs = Programs::find();
    Here {
        root: rustix::process::geteuid().is_root(),
        missing: programs.missing(),
        dockerd: programs.dockerd,
        same_host,
        link: free_link(&host, snapshot),
        raft_dir: std::fs::read_dir(raft.join("raft")).is_ok().then_some(raft),
    }
}

//! Collecting what decides how leaked addresses can be taken back.

use std::net::IpAddr;
use std::path::PathBuf;

use pvcheck_audit::{NodeId, Snapshot, TaskState};

use super::facts::{Here, ReclaimFacts};
use super::managers::managers;
use super::private::{Programs, free_link};
use crate::engine::{CallError, Engine, wire};
use crate::read::read_host;

/// Looks at everything that decides how leaked addresses can be taken back. It only reads: the Swarm, and this host's
/// addresses and programs.
///
/// # Errors
/// When the Swarm cannot be read. What this host lacks is a fact, not an error.
pub async fn reclaim_facts(engine: &Engine, others: &[Engine]) -> Result<ReclaimFacts, CallError> {
    let info = info(engine).await?;
    let swarm: wire::Swarm = engine.connection().get("/swarm").await?;
    let spec = swarm.spec.unwrap_or_default();
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
        autolock: spec.encryption.auto_lock_managers,
        external_cas: spec.ca.external.map_or(0, |c| c.len()),
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

pub(super) async fn info(engine: &Engine) -> Result<wire::Info, CallError> {
    engine.connection().get("/info").await
}

async fn here(engine: &Engine, info: &wire::Info, snapshot: &Snapshot) -> Here {
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

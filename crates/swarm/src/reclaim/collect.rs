//! Collecting the facts by which a strategy is chosen.

use std::net::IpAddr;
use std::path::PathBuf;

use pvcheck_audit::{NodeId, Snapshot, TaskState};

use super::facts::{Here, ReclaimFacts};
use super::managers::managers;
use super::private::{Programs, free_link};
use crate::engine::{CallError, Engine, wire};
use crate::read::read_host;

/// Reads the facts by which [`crate::plan_reclaim`] chooses a strategy: of the Swarm, and this host's addresses, programs
/// and raft folder. It changes nothing.
///
/// # Errors
/// If the Swarm cannot be read. What this host lacks is a fact, not an error.
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

/// The services of which a node is starting or stopping a task, in order, by name if it is known: a deployment or a removal
/// is under way.
///
/// A task without a node does not count. It may wait without end, above all for an address, and that is what a reclaim is
/// run for.
pub(super) fn moving(snapshot: &Snapshot) -> Vec<String> {
    let on_its_way = snapshot.tasks.iter().filter(|task| {
        let starts = TaskState::Assigned <= task.state && task.state < TaskState::Running;
        (task.is_stopping() && task.node.is_some()) || (starts && task.is_wanted())
    });
    let of = on_its_way.filter_map(|task| task.service.as_ref());
    let lookup = snapshot.lookup();
    let named = of.map(|id| lookup.service_name(id));
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
        // Listed, not only checked for existence: without the right to read there is no copy.
        raft_dir: std::fs::read_dir(raft.join("raft")).is_ok().then_some(raft),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{on_node, service, snapshot, task};

    #[test]
    fn a_service_moves_while_a_node_starts_or_stops_a_task_of_it() {
        use TaskState::{Assigned, Complete, New, Pending, Running, Shutdown, Starting};
        for (state, desired, placed, moves) in [
            (Assigned, Running, true, true),
            (Starting, Running, true, true),
            (Running, Shutdown, true, true),
            (Running, Running, true, false),
            // A running task of a job: it ends by itself, and not soon.
            (Running, Complete, true, false),
            (Shutdown, Shutdown, true, false),
            // It waits for an address or a node, perhaps for days.
            (New, Running, false, false),
            (Pending, Running, false, false),
            // It was never on a node, so no container stops.
            (Pending, Shutdown, false, false),
        ] {
            let one = task(Some("web"), &[], state, desired);
            let one = if placed { on_node(one) } else { one };
            let snapshot = Snapshot { tasks: vec![one], services: vec![service("web", &[])], ..snapshot() };
            let expected: &[&str] = if moves { &["web_app"] } else { &[] };
            assert_eq!(moving(&snapshot), expected, "{state:?}, desired {desired:?}");
        }
    }

    #[test]
    fn a_moving_service_is_named_once_and_by_its_id_where_it_is_gone() {
        let stopping = |of| on_node(task(Some(of), &[], TaskState::Running, TaskState::Remove));
        let tasks = vec![stopping("web"), stopping("gone"), stopping("web")];
        let snapshot = Snapshot { tasks, services: vec![service("web", &[])], ..snapshot() };
        assert_eq!(moving(&snapshot), ["gone", "web_app"]);
    }
}

//! The managers of a Swarm, its leader, and waiting until either changes.

use std::time::Duration;

use pvcheck_audit::NodeId;

use super::facts::Manager;
use super::late::{Awaited, Late};
use crate::engine::{CallError, Engine, Pace, wait_until, wire};

pub(super) async fn nodes(engine: &Engine) -> Result<Vec<wire::Node>, CallError> {
    engine.connection().get("/nodes").await
}

pub(super) async fn managers(engine: &Engine) -> Result<Vec<Manager>, CallError> {
    Ok(nodes(engine).await?.into_iter().filter(|n| n.spec.role == "manager").map(manager).collect())
}

fn manager(node: wire::Node) -> Manager {
    let status = node.manager_status.unwrap_or_default();
    Manager {
        id: NodeId::new(node.id),
        hostname: node.description.hostname,
        reachable: status.reachability == "reachable",
        leader: status.leader,
        address: (!status.addr.is_empty()).then_some(status.addr),
    }
}

/// The pause between two lists of nodes. A manager that is not ready logs an error for each call, so there are fewer of
/// these than of other polls.
const BETWEEN_LISTS: Duration = Duration::from_millis(200);

/// Reads the list of nodes until `wanted` returns `Some`, at least once. Failed calls count as "not yet": between two
/// leaders, and from a manager that is being promoted, every answer is an error.
///
/// # Errors
/// If `limit` is over; the error has the reason of the last answer.
pub(super) async fn until<T>(
    engine: &Engine,
    what: Awaited,
    limit: Duration,
    mut wanted: impl FnMut(&[wire::Node]) -> Option<T>,
) -> Result<T, Late> {
    // A manager without a leader may hold a call for 20 s; a new call is answered sooner after the election.
    let impatient = engine.with_deadline(Duration::from_secs(3));
    let mut why = String::new();
    let found = wait_until!(Pace::new(limit).every(BETWEEN_LISTS), async {
        match nodes(&impatient).await {
            Ok(nodes) => {
                "not yet".clone_into(&mut why);
                wanted(&nodes)
            }
            Err(error) => {
                why = error.kind.to_string();
                None
            }
        }
    });
    found.ok_or(Late { what, limit, why })
}

/// The leader among nodes; `None` if there is none.
pub(super) fn leader(nodes: &[wire::Node]) -> Option<NodeId> {
    let leads = |n: &&wire::Node| n.manager_status.as_ref().is_some_and(|m| m.leader);
    nodes.iter().find(leads).map(|n| NodeId::new(&n.id))
}

/// A node by its id.
pub(super) fn node<'a>(nodes: &'a [wire::Node], id: &NodeId) -> Option<&'a wire::Node> {
    nodes.iter().find(|n| n.id == id.as_str())
}

/// True iff the node is a member of the raft group, and the leader reports it as reachable.
pub(super) fn is_reachable_manager(nodes: &[wire::Node], id: &NodeId) -> bool {
    let status = node(nodes, id).and_then(|n| n.manager_status.as_ref());
    status.is_some_and(|m| m.reachability == "reachable")
}

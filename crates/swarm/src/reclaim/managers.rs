//! Managers: who they are, who leads, and waiting until that changes.

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

/// Between two lists of nodes. A question to a manager that is not ready is an error in its log: fewer of them than of
/// others.
const BETWEEN_LISTS: Duration = Duration::from_millis(200);

/// Asks an engine for its nodes until they are as wanted. Errors meanwhile are as good as not yet: a Swarm between two
/// leaders, and a manager that is being made, answer with errors.
///
/// # Errors
/// If the time is up; the error has the last answer's reason.
pub(super) async fn until<T>(
    engine: &Engine,
    what: Awaited,
    limit: Duration,
    mut wanted: impl FnMut(&[wire::Node]) -> Option<T>,
) -> Result<T, Late> {
    // A manager without a leader may hold a question for 20 s; asking again is quicker.
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

/// The leader among nodes.
pub(super) fn leader(nodes: &[wire::Node]) -> Option<NodeId> {
    let leads = |n: &&wire::Node| n.manager_status.as_ref().is_some_and(|m| m.leader);
    nodes.iter().find(leads).map(|n| NodeId::new(&n.id))
}

/// A node by its id.
pub(super) fn node<'a>(nodes: &'a [wire::Node], id: &NodeId) -> Option<&'a wire::Node> {
    nodes.iter().find(|n| n.id == id.as_str())
}

/// True iff the node takes part in the raft group and is reached.
pub(super) fn is_reachable_manager(nodes: &[wire::Node], id: &NodeId) -> bool {
    let status = node(nodes, id).and_then(|n| n.manager_status.as_ref());
    status.is_some_and(|m| m.reachability == "reachable")
}

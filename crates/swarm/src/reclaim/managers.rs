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

#[cfg(test)]
mod tests {
    use pvcheck_sim::{Fault, FaultRule, Model};
    use serde_json::json;

    use super::*;
    use crate::fixtures::served;

    fn listed() -> Vec<wire::Node> {
        let nodes = json!([
            {"ID": "m1", "Spec": {"Role": "manager"}, "Description": {"Hostname": "a"},
             "ManagerStatus": {"Reachability": "reachable", "Addr": "192.0.2.1:2377"}},
            {"ID": "m2", "Spec": {"Role": "manager"}, "Description": {"Hostname": "b"},
             "ManagerStatus": {"Leader": true, "Reachability": "reachable", "Addr": "192.0.2.2:2377"}},
            {"ID": "m3", "Spec": {"Role": "manager"}, "Description": {"Hostname": "c"},
             "ManagerStatus": {"Reachability": "unreachable", "Addr": "192.0.2.3:2377"}},
            {"ID": "promoted", "Spec": {"Role": "manager"}, "Description": {"Hostname": "d"}},
            {"ID": "worker", "Spec": {"Role": "worker"}, "Description": {"Hostname": "e"}}
        ]);
        serde_json::from_value(nodes).unwrap()
    }

    #[test]
    fn a_manager_is_reachable_if_it_is_a_member_and_the_leader_reaches_it() {
        let nodes = listed();
        assert_eq!(leader(&nodes), Some(NodeId::new("m2")));
        assert_eq!(leader(&nodes[..1]), None);
        let reachable = |id: &str| is_reachable_manager(&nodes, &NodeId::new(id));
        assert!(reachable("m1") && reachable("m2"));
        for id in ["m3", "promoted", "worker", "gone"] {
            assert!(!reachable(id), "{id}");
        }
    }

    #[test]
    fn a_manager_without_a_raft_member_has_no_address() {
        let read: Vec<Manager> = listed().into_iter().map(manager).collect();
        assert_eq!((read[1].leader, read[1].reachable), (true, true));
        assert_eq!(read[1].address.as_deref(), Some("192.0.2.2:2377"));
        assert_eq!((read[3].leader, read[3].reachable, &read[3].address), (false, false, &None));
    }

    #[tokio::test]
    async fn managers_are_the_nodes_whose_role_is_manager() {
        let mut model = Model::new();
        model.add_node(false);
        model.add_node(true);
        let (_sim, engine) = served(model).await;
        assert_eq!(nodes(&engine).await.unwrap().len(), 3);
        let managers = managers(&engine).await.unwrap();
        assert_eq!(managers.len(), 2);
        assert_eq!(managers.iter().filter(|m| m.leader).count(), 1);
    }

    #[tokio::test]
    async fn a_failed_list_counts_as_not_yet() {
        let (sim, engine) = served(Model::new()).await;
        sim.inject(FaultRule::new(Fault::Fail { status: 503 }).path("/nodes").times(2));
        sim.clear_requests();
        let found = until(&engine, Awaited::Leader, Duration::from_mins(1), leader).await.unwrap();
        let own = managers(&engine).await.unwrap().remove(0);
        assert_eq!(found, own.id);
        assert_eq!(sim.requests().len(), 4, "two that fail, one that answers, and that of the test");
    }

    #[tokio::test]
    async fn what_does_not_come_is_late_with_the_last_answer() {
        let (sim, engine) = served(Model::new()).await;
        let never = |_: &[wire::Node]| None::<()>;
        let late = until(&engine, Awaited::LeadsAlone, Duration::ZERO, never).await.unwrap_err();
        let expected = Late { what: Awaited::LeadsAlone, limit: Duration::ZERO, why: "not yet".into() };
        assert_eq!(late, expected);
        sim.inject(FaultRule::new(Fault::Fail { status: 503 }).path("/nodes"));
        let late = until(&engine, Awaited::Leader, Duration::ZERO, leader).await.unwrap_err();
        assert!(late.why.contains("503"), "{late}");
    }
}

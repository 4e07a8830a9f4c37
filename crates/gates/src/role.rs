//! Whose log it is.

use pvcheck_audit::Snapshot;
use pvcheck_journal::Role;

/// The role of the engine that was asked, which decides what its log can prove: only the leader logs that addresses run out.
/// [`Role::Unknown`] where no node of the snapshot leads, as during an election.
pub fn engine_role(snapshot: &Snapshot) -> Role {
    match snapshot.nodes.iter().find(|node| node.leader) {
        Some(leader) if leader.id == snapshot.engine.node => Role::Leader,
        Some(_) => Role::Follower,
        None => Role::Unknown,
    }
}

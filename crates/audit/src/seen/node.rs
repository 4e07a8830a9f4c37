//! Nodes of a Swarm.

use serde::{Deserialize, Serialize};

use super::ids::NodeId;

/// A node of the Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its host name.
    pub hostname: String,
    /// True for a manager by its role.
    pub manager: bool,
    /// True for the leader.
    pub leader: bool,
    /// `active`, `pause` or `drain`.
    pub availability: String,
    /// `ready`, `down`, `unknown` or `disconnected`.
    pub state: String,
    /// Its engine's version.
    pub engine_version: String,
}

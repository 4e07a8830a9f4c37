//! Containers that were attached to a network by hand.

use pvcheck_audit::NodeId;
use serde::{Deserialize, Serialize};

/// A container that was attached by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The node that it is on, if the Swarm says so.
    pub node: Option<NodeId>,
    /// That node's host name, or its id.
    pub host: String,
    /// The container's name, where it is on the asked node.
    pub name: Option<String>,
    /// Its address on the network.
    pub address: Option<String>,
}

//! The facts by which a strategy is chosen: collected once, judged by [`super::plan`].

use std::path::PathBuf;

use pvcheck_audit::NodeId;
use serde::{Deserialize, Serialize};

/// A manager, as in the list of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Manager {
    /// The id of its node.
    pub id: NodeId,
    /// Its host name.
    pub hostname: String,
    /// `ADDRESS:PORT` of its raft member; `None` while it is not a member.
    pub address: Option<String>,
    /// True iff the leader reports it as reachable.
    pub reachable: bool,
    /// True iff it is the leader.
    pub leader: bool,
}

/// What this process can do on its own host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Here {
    /// True iff the effective user is root.
    pub root: bool,
    /// Programs that a private engine needs and that are neither on the engine's PATH nor on this process's.
    pub missing: Vec<String>,
    /// The dockerd that runs in this network namespace, else the one on PATH.
    pub dockerd: Option<PathBuf>,
    /// True iff the connected manager's address is one of this network namespace, and its socket can be opened.
    pub same_host: bool,
    /// This side's address and the private engine's in a free /30; `None` if every candidate is in use.
    pub link: Option<(std::net::Ipv4Addr, std::net::Ipv4Addr)>,
    /// The folder with the manager's raft state; `None` if this process cannot read it.
    pub raft_dir: Option<PathBuf>,
}

/// The facts that [`super::plan_reclaim`] judges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReclaimFacts {
    /// Nodes whose role is manager.
    pub managers: Vec<Manager>,
    /// The manager that this process is connected to.
    pub connected: NodeId,
    /// Further managers that this process is connected to.
    pub others: Vec<NodeId>,
    /// True iff autolock is on: managers need a key to start.
    pub autolock: bool,
    /// Number of external certificate authorities.
    pub external_cas: usize,
    /// Services of which a node is starting or stopping a task, by name, in order.
    pub moving: Vec<String>,
    /// What this process can do on its own host.
    pub here: Here,
}

impl ReclaimFacts {
    /// The leader; `None` if the Swarm has none.
    pub fn leader(&self) -> Option<&Manager> {
        self.managers.iter().find(|m| m.leader)
    }

    /// The connected manager; `None` if it is not among the managers.
    pub fn asked(&self) -> Option<&Manager> {
        self.managers.iter().find(|m| m.id == self.connected)
    }
}

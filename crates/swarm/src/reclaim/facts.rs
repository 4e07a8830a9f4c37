//! What decides which strategy is possible, collected once and judged by [`super::plan`].

use std::path::PathBuf;

use pvcheck_audit::NodeId;
use serde::{Deserialize, Serialize};

/// A manager, as the list of nodes shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manager {
    /// Its node.
    pub id: NodeId,
    /// Its host name.
    pub hostname: String,
    /// `ADDRESS:PORT` of its raft member; `None` while it has none.
    pub address: Option<String>,
    /// True iff the leader reaches it.
    pub reachable: bool,
    /// True iff it leads.
    pub leader: bool,
}

/// What this process can do on the host it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// True for root.
    pub root: bool,
    /// Programs that a private engine needs and that are not on the engine's PATH or ours.
    pub missing: Vec<String>,
    /// The engine's own program, or that of PATH.
    pub dockerd: Option<PathBuf>,
    /// True iff the asked manager's address is one of this network namespace.
    pub same_host: bool,
    /// The two addresses of a free link network of four; `None` if all candidates are taken.
    pub link: Option<(std::net::Ipv4Addr, std::net::Ipv4Addr)>,
    /// The folder with the manager's raft state, if this process can read it.
    pub raft_dir: Option<PathBuf>,
}

/// Everything that [`super::plan_reclaim`] looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReclaimFacts {
    /// Nodes whose role is manager.
    pub managers: Vec<Manager>,
    /// The manager that was asked.
    pub connected: NodeId,
    /// Other managers that can be asked directly.
    pub others: Vec<NodeId>,
    /// True iff managers need a key to start.
    pub autolock: bool,
    /// How many external certificate authorities are configured.
    pub external_cas: usize,
    /// Services of which tasks start or stop, by name.
    pub moving: Vec<String>,
    /// What can be done here.
    pub here: Here,
}

impl ReclaimFacts {
    /// The leader, if there is one.
    pub fn leader(&self) -> Option<&Manager> {
        self.managers.iter().find(|m| m.leader)
    }

    /// The manager that was asked, in the list.
    pub fn asked(&self) -> Option<&Manager> {
        self.managers.iter().find(|m| m.id == self.connected)
    }
}

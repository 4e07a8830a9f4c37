//! States of tasks, nodes and of the engine's membership.

use serde::{Deserialize, Serialize};

/// State of a task, in Swarm's order (swarmkit `api/types.proto`, `TaskState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskState {
    /// Created; waits for addresses.
    New,
    /// Has its addresses; waits for a node.
    Pending,
    /// Has a node.
    Assigned,
    /// The node's agent has it.
    Accepted,
    /// The node prepares it.
    Preparing,
    /// Prepared; as a desired state: wait here until the desired state is raised.
    Ready,
    /// The container starts.
    Starting,
    /// The container runs.
    Running,
    /// Ended by itself without an error; the desired state of a job's tasks.
    Complete,
    /// Stopped on request.
    Shutdown,
    /// Ended by itself, with an error.
    Failed,
    /// The node could not prepare it.
    Rejected,
    /// As a desired state: stop, then be deleted from the store.
    Remove,
    /// Its node was down for too long, or was removed.
    Orphaned,
}

impl TaskState {
    /// All states, in order.
    pub(crate) const ALL: [Self; 14] = [
        Self::New,
        Self::Pending,
        Self::Assigned,
        Self::Accepted,
        Self::Preparing,
        Self::Ready,
        Self::Starting,
        Self::Running,
        Self::Complete,
        Self::Shutdown,
        Self::Failed,
        Self::Rejected,
        Self::Remove,
        Self::Orphaned,
    ];

    /// The word that the Engine API uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Shutdown => "shutdown",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Remove => "remove",
            Self::Orphaned => "orphaned",
        }
    }

    /// The state of this name, whatever its case; `None` for other words.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(name))
    }

    /// True iff a task in this observed state holds its addresses: up to and with `Running`. Later states keep
    /// showing addresses that they no longer hold (swarmkit `manager/allocator/network.go`, `doTaskAlloc`).
    pub(crate) fn is_live(self) -> bool {
        self <= Self::Running
    }
}

/// What this engine is to a Swarm; decides whether cluster calls are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// A manager: all calls work.
    Manager,
    /// A worker: cluster calls answer 503.
    Worker,
    /// Not in a Swarm: cluster calls answer 503 with another text.
    Inactive,
}

/// Which tasks a node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Takes new tasks.
    Active,
    /// Keeps its tasks, takes no new ones.
    Pause,
    /// Gives its tasks up.
    Drain,
}

impl Availability {
    /// The word that the Engine API uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pause => "pause",
            Self::Drain => "drain",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_in_swarms_order_and_their_names_are_read_back() {
        assert!(TaskState::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        for state in TaskState::ALL {
            assert_eq!(TaskState::of_name(state.name()), Some(state));
            assert_eq!(TaskState::of_name(&state.name().to_uppercase()), Some(state), "whatever the case");
            assert_eq!(serde_json::to_value(state).unwrap(), state.name(), "as in the Engine API");
        }
        for other in ["", "completed", "run", " running"] {
            assert_eq!(TaskState::of_name(other), None, "{other:?}");
        }
    }

    #[test]
    fn addresses_are_held_up_to_running() {
        let live: Vec<&str> =
            TaskState::ALL.into_iter().filter(|state| state.is_live()).map(TaskState::name).collect();
        let expected =
            ["new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running"];
        assert_eq!(live, expected);
    }

    #[test]
    fn words_of_nodes_are_the_apis() {
        let words = [Availability::Active, Availability::Pause, Availability::Drain].map(Availability::name);
        assert_eq!(words, ["active", "pause", "drain"]);
        for (membership, word) in [
            (Membership::Manager, "manager"),
            (Membership::Worker, "worker"),
            (Membership::Inactive, "inactive"),
        ] {
            assert_eq!(serde_json::to_value(membership).unwrap(), word);
        }
    }
}

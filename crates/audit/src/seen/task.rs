//! Tasks: the state they are in, the state wanted of them, and the addresses they were given.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{NetworkId, NodeId, ServiceId, TaskId};

/// What runs a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// A standalone container's place on an attachable network.
    Attachment,
    /// A service's container.
    Container,
}

/// The state of a task, in Swarm's own order (swarmkit `api/types.proto`, `TaskState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Made, not allocated yet.
    New,
    /// Allocated, not scheduled yet.
    Pending,
    /// Given to a node.
    Assigned,
    /// Taken by the node.
    Accepted,
    /// The node pulls its image and makes its networks.
    Preparing,
    /// It could start.
    Ready,
    /// It starts.
    Starting,
    /// It runs.
    Running,
    /// A state that this version does not know: taken as one that still holds its addresses.
    Unknown,
    /// It ended well.
    Complete,
    /// It was shut down.
    Shutdown,
    /// It ended badly.
    Failed,
    /// The node would not have it.
    Rejected,
    /// Its service is gone; it is to be removed.
    Remove,
    /// Its node has been away for too long.
    Orphaned,
}

impl TaskState {
    /// True iff a task in this *observed* state holds its addresses: up to and including running
    /// (swarmkit `manager/allocator/network.go`). Finished tasks still list addresses that they no longer hold.
    pub fn holds_addresses(self) -> bool {
        self <= Self::Unknown
    }

    /// Its name in the Engine API's own words; `unknown` for one that this version does not know.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::Complete => "complete",
            Self::Shutdown => "shutdown",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Remove => "remove",
            Self::Orphaned => "orphaned",
        }
    }

    /// The state of this name, in the Engine API's own words; [`TaskState::Unknown`] for one that this version does not know.
    pub fn from_word(text: &str) -> Self {
        match text {
            // swarmkit calls it PENDING and the Engine API of before 17 `allocated`.
            "allocated" | "pending" => Self::Pending,
            "new" => Self::New,
            "assigned" => Self::Assigned,
            "accepted" => Self::Accepted,
            "preparing" => Self::Preparing,
            "ready" => Self::Ready,
            "starting" => Self::Starting,
            "running" => Self::Running,
            "complete" => Self::Complete,
            "shutdown" => Self::Shutdown,
            "failed" => Self::Failed,
            "rejected" => Self::Rejected,
            "remove" => Self::Remove,
            "orphaned" => Self::Orphaned,
            _ => Self::Unknown,
        }
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its service; `None` for an attachment.
    pub service: Option<ServiceId>,
    /// Its slot among the replicas.
    pub slot: Option<u64>,
    /// Its node, once it has one.
    pub node: Option<NodeId>,
    /// What runs it.
    pub runtime: Runtime,
    /// Its observed state.
    pub state: TaskState,
    /// The state that is wanted of it.
    pub desired: TaskState,
    /// Since when it is in its state, by the Swarm's clocks.
    pub since: Option<Timestamp>,
    /// What went wrong with it, in the engine's words without values of variables; empty if nothing did.
    pub error: String,
    /// Its container and that container's process, once it runs.
    pub container: Option<(String, i64)>,
    /// Each network that it is attached to, with the addresses given to it there.
    pub attachments: Vec<(NetworkId, Vec<Ipv4Addr>)>,
    /// Of a job's task, of which of its executions it is; `None` of any other, and in a file of an older pvcheck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u64>,
}

impl Task {
    /// True iff it is meant to run, or, for a task of a job, to run to its end; false for one that is to stop.
    ///
    /// A job's tasks have the desired state `complete` from the moment they are created (swarmkit
    /// `manager/orchestrator/jobs`), so that state does not mean that they are to stop. Neither does a desired state that
    /// this version does not know.
    pub fn is_wanted(&self) -> bool {
        self.desired.holds_addresses() || self.desired == TaskState::Complete
    }

    /// True iff it is to stop and has not ended yet: it gives its addresses back when it ends.
    pub fn is_stopping(&self) -> bool {
        self.state.holds_addresses() && !self.is_wanted()
    }

    /// True iff it [stops](Self::is_stopping) and is attached to this network.
    pub fn is_stopping_on(&self, network: &NetworkId) -> bool {
        self.is_stopping() && self.is_attached_to(network)
    }

    /// True iff it runs and is meant to.
    pub fn is_running(&self) -> bool {
        self.state == TaskState::Running && self.is_wanted()
    }

    /// True iff it lists this network, with an address there or without.
    pub fn is_attached_to(&self, network: &NetworkId) -> bool {
        self.attachments.iter().any(|(id, _)| id == network)
    }

    /// The addresses that it lists on this network. It holds them only while [`TaskState::holds_addresses`]: a task that
    /// has ended still lists what it had.
    pub fn addresses_on(&self, network: &NetworkId) -> impl Iterator<Item = Ipv4Addr> {
        self.attachments.iter().filter(move |(id, _)| id == network).flat_map(|(_, list)| list).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(state: TaskState, desired: TaskState) -> Task {
        Task {
            id: TaskId::new("t"),
            service: None,
            slot: None,
            node: None,
            runtime: Runtime::Container,
            state,
            desired,
            since: None,
            error: String::new(),
            container: None,
            attachments: vec![
                (NetworkId::new("a"), vec![Ipv4Addr::new(10, 0, 0, 5)]),
                (NetworkId::new("b"), Vec::new()),
            ],
            iteration: None,
        }
    }

    #[test]
    fn every_word_of_the_engine_is_the_state_that_prints_it() {
        let words = "new pending assigned accepted preparing ready starting running complete shutdown failed \
                     rejected remove orphaned";
        for word in words.split_whitespace() {
            assert_eq!(serde_json::to_value(TaskState::from_word(word)).expect("a word"), word);
        }
        assert_eq!(TaskState::from_word("allocated"), TaskState::Pending);
        assert_eq!(TaskState::from_word("dreaming"), TaskState::Unknown);
    }

    #[test]
    fn only_an_order_to_end_makes_a_task_stop() {
        use TaskState::{Complete, New, Preparing, Ready, Remove, Running, Shutdown, Unknown};
        for (state, desired, stopping) in [
            (Running, Running, false),
            (New, Running, false),
            (Preparing, Ready, false),
            // A job's task, from its creation to its end.
            (New, Complete, false),
            (Running, Complete, false),
            (Complete, Complete, false),
            (Running, Shutdown, true),
            (New, Remove, true),
            (Unknown, Remove, true),
            (Shutdown, Shutdown, false),
            (Running, Unknown, false),
        ] {
            assert_eq!(task(state, desired).is_stopping(), stopping, "{state:?}, desired {desired:?}");
        }
        assert!(task(Running, Complete).is_running() && !task(Running, Shutdown).is_running());
    }

    #[test]
    fn addresses_are_those_of_one_network() {
        let task = task(TaskState::Running, TaskState::Running);
        let (a, b, c) = (NetworkId::new("a"), NetworkId::new("b"), NetworkId::new("c"));
        assert_eq!(task.addresses_on(&a).collect::<Vec<_>>(), [Ipv4Addr::new(10, 0, 0, 5)]);
        assert_eq!(task.addresses_on(&b).count() + task.addresses_on(&c).count(), 0);
        assert!(task.is_attached_to(&b) && !task.is_attached_to(&c));
    }
}

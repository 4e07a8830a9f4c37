//! Nodes of a Swarm.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::NodeId;
use super::words::words;

/// A node of the Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its host name.
    pub hostname: String,
    /// True for a manager by its role.
    pub manager: bool,
    /// True for the leader.
    pub leader: bool,
    /// Whether the scheduler may give it tasks.
    pub availability: NodeAvailability,
    /// Whether the leader hears from it.
    pub state: NodeState,
    /// Its engine's version.
    pub engine_version: String,
}

words!(
    /// Whether the scheduler may give a node tasks (swarmkit `api/specs.proto`, `NodeSpec.Availability`).
    NodeAvailability {
        /// It may.
        Active = "active",
        /// It may not, and the tasks of the node are moved to others.
        Drain = "drain",
        /// It may not, and the tasks of the node stay.
        Pause = "pause",
    }
);
words!(
    /// Whether the leader hears from a node (swarmkit `api/types.proto`, `NodeStatus.State`).
    NodeState {
        /// Its session was closed by the node itself.
        Disconnected = "disconnected",
        /// Its heartbeats did not come. Its tasks keep their addresses for 24 h.
        Down = "down",
        /// It is up.
        Ready = "ready",
        /// The leader does not know yet, as after a change of leader.
        Unknown = "unknown",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_engine_are_read_and_written_back() {
        for (word, state) in [
            ("\"disconnected\"", NodeState::Disconnected),
            ("\"down\"", NodeState::Down),
            ("\"ready\"", NodeState::Ready),
            ("\"unknown\"", NodeState::Unknown),
            ("\"of tomorrow\"", NodeState::Other("of tomorrow".into())),
            ("\"\"", NodeState::Other(String::new())),
        ] {
            assert_eq!(serde_json::from_str::<NodeState>(word).unwrap(), state);
            assert_eq!(serde_json::to_string(&state).unwrap(), word);
        }
        for word in ["active", "drain", "pause", "retired"] {
            let read = NodeAvailability::from(word);
            assert_eq!((read.to_string().as_str(), read.word()), (word, word));
            assert_eq!(matches!(read, NodeAvailability::Other(_)), word == "retired");
        }
    }
}

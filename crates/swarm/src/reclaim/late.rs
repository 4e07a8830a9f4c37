//! States that a reclaim waits for, and the error when one does not come in time.

use std::fmt;
use std::time::Duration;

use pvcheck_audit::NodeId;
use thiserror::Error;

/// A state that a reclaim waits for; all of them show in the list of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The node is not a member of the raft group any more, and another one leads.
    Demoted(NodeId),
    /// The restarted engine leads.
    EngineLeads,
    /// A borrowed manager is reachable, and drained.
    GuestDrained,
    /// A manager leads.
    Leader,
    /// The manager leads, and no borrowed one is left.
    LeadsAlone,
    /// The list of nodes was answered at all.
    ListOfNodes,
    /// One of the managers that were named answers.
    ManagerAnswers,
    /// The node is a manager again, and the leader reaches it.
    Promoted(NodeId),
    /// The promoted manager answers itself.
    PromotedAnswers,
    /// A demoted node has reported to the new leader.
    Reports,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demoted(node) => write!(f, "node {node} is demoted and another leads"),
            Self::EngineLeads => f.write_str("the engine leads again"),
            Self::GuestDrained => f.write_str("the borrowed manager is reachable and drained"),
            Self::Leader => f.write_str("a leader is elected"),
            Self::LeadsAlone => f.write_str("the manager leads alone"),
            Self::ListOfNodes => f.write_str("the list of nodes"),
            Self::ManagerAnswers => f.write_str("a manager answers"),
            Self::Promoted(node) => write!(f, "node {node} is a manager again"),
            Self::PromotedAnswers => f.write_str("the promoted manager answers"),
            Self::Reports => f.write_str("the demoted node reports"),
        }
    }
}

/// A state did not come within its limit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: not within {} s ({why})", limit.as_secs())]
pub struct Late {
    /// The state.
    pub what: Awaited,
    /// The limit.
    pub limit: Duration,
    /// The last answer: `not yet`, or the engine's error.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_was_awaited_how_long_and_the_last_answer() {
        let late = Late {
            what: Awaited::Demoted(NodeId::new("n1")),
            limit: Duration::from_secs(90),
            why: "not yet".into(),
        };
        assert_eq!(late.to_string(), "node n1 is demoted and another leads: not within 90 s (not yet)");
    }
}

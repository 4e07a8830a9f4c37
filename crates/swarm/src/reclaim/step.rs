//! The steps of a reclaim, by name.

use serde::{Deserialize, Serialize};

/// One step of a reclaim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The Swarm's lock is taken.
    Lock,
    /// The Swarm is told to wait longer for the heartbeats of its nodes.
    Patience,
    /// The leader is demoted.
    HandOver,
    /// It is promoted again.
    Promote,
    /// It is made to lead again.
    GiveBack,
    /// The manager's raft folder is copied.
    Safeguard,
    /// A network namespace with a link is made.
    Namespace,
    /// A private engine is started.
    Engine,
    /// The raft log is cut short.
    Compact,
    /// It joins.
    Join,
    /// It is frozen until the other manager steps down.
    Freeze,
    /// It is woken, and somebody is elected.
    Thaw,
    /// It is demoted.
    Demote,
    /// It is taken off the list of nodes.
    Leave,
    /// It is stopped and removed.
    Remove,
    /// Join tokens are rotated.
    Tokens,
    /// The engine is restarted.
    Restart,
    /// The period of heartbeats is what it was.
    Heartbeat,
    /// The copy of the raft folder is put back.
    PutBack,
    /// The lock is released.
    Unlock,
}

impl Step {
    /// Its name as the journal writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Patience => "patience",
            Self::HandOver => "hand-over",
            Self::Promote => "promote",
            Self::GiveBack => "give-back",
            Self::Safeguard => "safeguard",
            Self::Namespace => "namespace",
            Self::Engine => "engine",
            Self::Compact => "compact",
            Self::Join => "join",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Demote => "demote",
            Self::Leave => "leave",
            Self::Remove => "remove",
            Self::Tokens => "tokens",
            Self::Restart => "restart",
            Self::Heartbeat => "heartbeat",
            Self::PutBack => "put-back",
            Self::Unlock => "unlock",
        }
    }
}

/// Where in a step a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// It is recorded, and not done yet.
    Begun,
    /// It is done, and not recorded yet.
    Acted,
    /// It is done and recorded.
    Done,
}

/// A point between two actions, told to whoever watches: tests end the process here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepPoint {
    /// The step.
    pub step: Step,
    /// Before, after, or in between.
    pub moment: Moment,
    /// The private engine's first process, if it runs.
    pub engine: Option<u32>,
}

/// How long a step took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTime {
    /// The step.
    pub step: Step,
    /// Its duration.
    pub elapsed_ms: u64,
}

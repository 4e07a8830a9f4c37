//! The steps of a reclaim, by name.

use serde::{Deserialize, Serialize};

/// One step of a reclaim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// It is woken, and a leader is elected.
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
    /// Its name in the step log.
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

/// A moment of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The step is recorded, but not done yet.
    Begun,
    /// The step is done, but not recorded as done.
    Acted,
    /// The step is done and recorded.
    Done,
}

/// A point between two actions, at which the hook of the options is called. Tests kill the process here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepPoint {
    /// The step.
    pub step: Step,
    /// The moment of the step.
    pub moment: Moment,
    /// The pid of the private engine, if it runs.
    pub engine: Option<u32>,
}

/// How long a step took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepTime {
    /// The step.
    pub step: Step,
    /// Its duration, in ms.
    pub elapsed_ms: u64,
}

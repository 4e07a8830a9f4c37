//! What a reclaim met on its way, and what is not as it was.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::removal::Left;

/// What else is worth knowing of a reclaim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// The lock of another run was taken over.
    LockTakenOver {
        /// Who held it.
        holder: String,
        /// What for.
        purpose: String,
        /// Why it was broken; `None` if it had expired.
        reason: Option<String>,
    },
    /// The Swarm was made anew with its own state.
    ForcedNewCluster,
    /// The leadership stays where it went: no other manager can be asked.
    LeadershipStays,
    /// Every manager led once, and the leader of before did not come up again.
    LeadershipWentRound,
    /// Fewer tasks run than before.
    FewerTasks {
        /// Tasks that run.
        running: usize,
        /// Tasks that ran before.
        before: usize,
    },
    /// The last census left something.
    LeftOfCensus {
        /// What.
        left: Left,
    },
    /// Another manager leads than before.
    AnotherLeads {
        /// Its node; `None` if no manager leads.
        leader: Option<String>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockTakenOver { holder, purpose, reason } => {
                let why = reason.as_deref().unwrap_or("it had expired");
                write!(f, "the lock of {holder} for {purpose} was taken over: {why}")
            }
            Self::ForcedNewCluster => {
                f.write_str("the Swarm was made anew from this manager's own state; its tasks restarted")
            }
            Self::LeadershipStays => f.write_str(
                "the leadership was not given back: only the manager that leads now can be asked from here; name others with --helper URL",
            ),
            Self::LeadershipWentRound => f.write_str("the leadership went round and did not come back"),
            Self::FewerTasks { running, before } => write!(f, "{running} of {before} tasks run again"),
            Self::LeftOfCensus { left } => write!(f, "left of the census: {left}"),
            Self::AnotherLeads { leader } => {
                write!(f, "another manager leads now: {}", leader.as_deref().unwrap_or("none"))
            }
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A node's role or availability.
    Node,
    /// A service's specification, or the version of a secret or config.
    Object,
    /// A task's container and process.
    Task,
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it is.
    pub kind: ChangeKind,
    /// Its id; of an object with its list before it, `services ID`.
    pub id: String,
    /// What it was; `None` if it is new.
    pub was: Option<String>,
    /// What it is; `None` if it is gone.
    pub is: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ChangeKind::Node => "node ",
            ChangeKind::Object => "",
            ChangeKind::Task => "task ",
        })?;
        match (&self.was, &self.is) {
            (Some(was), Some(is)) => write!(f, "{}: was {was}; is {is}", self.id),
            (Some(was), None) => write!(f, "{}: was {was}; is gone", self.id),
            (None, _) => write!(f, "{}: is new", self.id),
        }
    }
}

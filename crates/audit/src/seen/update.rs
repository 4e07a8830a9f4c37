//! A service's last update: how it goes about it, and how far it is.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::words::words;

/// Which task of a slot goes first in an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The new task starts, and the old one stops once it runs: each slot needs a second address meanwhile.
    StartFirst,
    /// The old task stops, and the new one starts: the engine's default.
    #[default]
    StopFirst,
}

words!(
    /// How far an update is (swarmkit `api/types.proto`, `UpdateStatus.UpdateState`).
    UpdateState {
        /// Every task was replaced.
        Completed = "completed",
        /// Tasks failed, and the update stopped where it was.
        Paused = "paused",
        /// Tasks failed, and every slot is back at the specification of before.
        RollbackCompleted = "rollback_completed",
        /// The way back failed as well, and stopped where it was.
        RollbackPaused = "rollback_paused",
        /// It goes back to the specification of before.
        RollbackStarted = "rollback_started",
        /// It is under way, or waits for a task that does not come up: Swarm sets no limit on that.
        Updating = "updating",
    }
);

/// How far a service's last update is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateStatus {
    /// Its state.
    pub state: UpdateState,
    /// When it began, by the Swarm's clocks.
    pub started: Option<Timestamp>,
    /// What the Swarm says of it, such as which task made it pause.
    pub message: String,
}

impl UpdateStatus {
    /// True iff it stopped at a failure and goes no further by itself.
    pub fn is_paused(&self) -> bool {
        matches!(self.state, UpdateState::Paused | UpdateState::RollbackPaused)
    }

    /// True iff it replaces tasks now, forward or back.
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, UpdateState::Updating | UpdateState::RollbackStarted)
    }
}

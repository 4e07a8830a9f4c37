//! What a reclaim is asked for, and what it did.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::count::LeakCount;
use super::note::{Change, Note};
use super::step::{StepPoint, StepTime};
use super::strategy::{Strategy, Wish};
use crate::worded;

/// How a reclaim goes about it.
#[derive(Clone)]
pub struct ReclaimOptions<'a> {
    /// Networks to count on; none for all overlays but `ingress`. All networks are rebuilt in any case.
    pub networks: Vec<String>,
    /// Which strategies may be taken.
    pub wish: Wish,
    /// The folder of the step journal and of private engines: on a disk, since it must outlive this process.
    pub state: PathBuf,
    /// Who asks, for the lock.
    pub holder: String,
    /// Why a lock of somebody else is to be taken over.
    pub break_lock: Option<String>,
    /// What restarts the engine, for a shell.
    pub restart_command: String,
    /// True iff a manager whose quorum is lost for good may be made the only one of its Swarm again; its tasks restart.
    pub force_new_cluster: bool,
    /// Told at each point between two actions.
    pub hook: &'a (dyn Fn(StepPoint) + Send + Sync),
}

/// What a reclaim did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    /// Always true: a plan is another kind.
    pub applied: bool,
    /// True iff an earlier run was ended by this one.
    pub resumed: bool,
    /// The strategy; `None` if nothing was leaked and so nothing was done.
    pub strategy: Option<Strategy>,
    /// Leaked addresses before.
    pub before: Vec<LeakCount>,
    /// Leaked addresses after; empty if nothing was done.
    pub after: Vec<LeakCount>,
    /// Who led before.
    pub leader_before: Option<String>,
    /// Who leads now.
    pub leader_after: Option<String>,
    /// Tasks that ran before.
    pub tasks: u64,
    /// What is not as it was: tasks, containers, processes, nodes, roles, services, secrets, configs.
    #[serde(serialize_with = "worded::list")]
    pub changed: Vec<Change>,
    /// What else is worth knowing.
    #[serde(serialize_with = "worded::list")]
    pub notes: Vec<Note>,
    /// Each step that this process did.
    pub steps: Vec<StepTime>,
    /// How long it took.
    pub elapsed_ms: u64,
}

impl Reclaim {
    /// Leaked addresses that are left; `None` if some count is unknown.
    pub fn left(&self) -> Option<u64> {
        let counts = if self.strategy.is_some() { &self.after } else { &self.before };
        counts.iter().map(|c| c.leaked).sum()
    }
}

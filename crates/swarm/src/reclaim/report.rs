//! Options and report of a reclaim.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::count::LeakCount;
use super::note::{Change, Note};
use super::step::{StepPoint, StepTime};
use super::strategy::{Strategy, Wish};
use crate::worded;

/// How addresses are freed.
#[derive(Clone)]
pub struct ReclaimOptions<'a> {
    /// Networks to count on; empty for all overlays but `ingress`. The addresses of all networks are freed in any case.
    pub networks: Vec<String>,
    /// Which strategies may be taken.
    pub wish: Wish,
    /// The folder of the step log and of private engines. It must be on a disk, since a resume needs it after a reboot.
    pub state: PathBuf,
    /// How this process identifies itself in the lock.
    pub holder: String,
    /// The operator's reason to take over a lock of another run; `None` respects it.
    pub break_lock: Option<String>,
    /// The command that restarts the engine, for `sh -c`.
    pub restart_command: String,
    /// True iff a manager whose quorum cannot be restored may be made the only one of its Swarm by force; its tasks restart.
    pub force_new_cluster: bool,
    /// Called at each point between two actions.
    pub hook: &'a (dyn Fn(StepPoint) + Send + Sync),
}

/// The result of a reclaim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reclaim {
    /// Always true: a plan is another document.
    pub applied: bool,
    /// True iff this run finished an earlier one.
    pub resumed: bool,
    /// The strategy; `None` if nothing was leaked and so nothing was done.
    pub strategy: Option<Strategy>,
    /// Leaked addresses before.
    pub before: Vec<LeakCount>,
    /// Leaked addresses after; empty if nothing was done.
    pub after: Vec<LeakCount>,
    /// The leader before.
    pub leader_before: Option<String>,
    /// The leader now.
    pub leader_after: Option<String>,
    /// Tasks that ran before.
    pub tasks: u64,
    /// Differences between before and after: tasks, containers, processes, nodes, roles, services, secrets, configs.
    #[serde(serialize_with = "worded::list")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<worded::Worded<'static, Change>>"))]
    pub changed: Vec<Change>,
    /// Events that an operator should know of.
    #[serde(serialize_with = "worded::list")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<worded::Worded<'static, Note>>"))]
    pub notes: Vec<Note>,
    /// The steps that this process did, in order.
    pub steps: Vec<StepTime>,
    /// Duration of the whole, in ms.
    pub elapsed_ms: u64,
}

impl Reclaim {
    /// Leaked addresses that are left; `None` if any count is unknown.
    pub fn left(&self) -> Option<u64> {
        let counts = if self.strategy.is_some() { &self.after } else { &self.before };
        counts.iter().map(|c| c.leaked).sum()
    }
}

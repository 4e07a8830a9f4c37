//! What a guard is given, and the points at which it may be stopped.

use std::path::Path;

use pvcheck_gates::{Config, GuardConfig, Rung};
use pvcheck_swarm::{Engine, Operation, StepPoint};
use std::time::Duration;

/// What the guard looks with.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The manager that is asked; its run labels what a census creates.
    pub op: Operation<'a>,
    /// Further managers.
    pub others: &'a [Engine],
    /// Further managers that were named and do not answer.
    pub unanswered: &'a [String],
    /// What is expected of the Swarm, where there is a configuration.
    pub config: Option<&'a Config>,
    /// True iff leaked addresses are counted by a census where the engine publishes no count.
    pub probe: bool,
    /// How long something must wait before it counts: a service that was created this moment waits for nothing.
    pub patience: Duration,
    /// The folder in which a reclaim keeps its step log.
    pub reclaim_state: &'a Path,
}

/// How the guard acts.
#[derive(Clone, Copy)]
pub struct GuardOptions<'a> {
    /// What it may do.
    pub config: &'a GuardConfig,
    /// The file of what it remembers.
    pub state: &'a Path,
    /// How this process identifies itself in the lock.
    pub holder: &'a str,
    /// Called at each point between two actions.
    pub hook: &'a (dyn Fn(GuardPoint) + Send + Sync),
}

/// A point between two actions of a guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardPoint {
    /// It is written that an act begins; nothing of it is done.
    Begun(Rung),
    /// The act is done, and that is not written yet.
    Acted(Rung),
    /// It is written how the act ended.
    Ended(Rung),
    /// A point within a reclaim.
    Reclaim(StepPoint),
}

//! How many tasks of a service run, beside how many it asks for.

use std::collections::BTreeSet;

use pvcheck_audit::{JobMode, Service, ServiceMode, Snapshot, Task, TaskState};

use crate::config::TasksWanted;
use crate::fault::ServiceFault;
use crate::reason::Reason;

/// The tasks of one service, counted.
pub(crate) struct Run {
    mode: ServiceMode,
    /// Tasks that run and are meant to; of a global service the nodes that have one.
    running: u64,
    /// Tasks of a job that ended well; of a global job the nodes that have one.
    complete: u64,
    /// Tasks of a job that have not ended.
    on_the_way: u64,
    /// Tasks of a job that ended badly.
    failed: u64,
    /// What the engine says of the one of them that ended last.
    error: String,
    /// What the service itself asks for: replicas, nodes, or completions.
    asked: u64,
}

impl Run {
    pub(crate) fn of(snapshot: &Snapshot, service: &Service) -> Self {
        let tasks: Vec<&Task> =
            snapshot.tasks.iter().filter(|task| task.service.as_ref() == Some(&service.id)).collect();
        Self::among(&tasks, service)
    }

    /// As [`of`](Self::of), from the tasks of the service: where every service is counted, each list is read once.
    pub(crate) fn among(tasks: &[&Task], service: &Service) -> Self {
        let own: Vec<&Task> = tasks.iter().copied().filter(|task| is_current(task, service)).collect();
        let wanted = || own.iter().copied().filter(|task| task.is_wanted());
        let running = || wanted().filter(|task| task.is_running());
        let complete = || wanted().filter(|task| task.state == TaskState::Complete);
        let failed: Vec<&Task> = own.iter().copied().filter(|task| ended_badly(task.state)).collect();
        let last = failed.iter().max_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        let count = |tasks: usize| tasks as u64;
        // The orchestrator makes a task for each node that the constraints allow, and the snapshot has no constraints: the
        // nodes with a wanted task are those that the service asks for (swarmkit `manager/orchestrator/global`). One that is
        // down or drained has none. A task of a job that failed for good is not wanted, and its node still is.
        let (running, complete, asked) = match service.mode {
            ServiceMode::Replicated(replicas) => (count(running().count()), 0, replicas),
            ServiceMode::Global => (nodes(running()), 0, nodes(wanted())),
            ServiceMode::Job(JobMode::Replicated { total, .. }) => {
                (count(running().count()), count(complete().count()), total)
            }
            ServiceMode::Job(JobMode::Global) => {
                (count(running().count()), nodes(complete()), nodes(wanted().chain(failed.iter().copied())))
            }
            ServiceMode::Job(JobMode::Unknown) => {
                (count(running().count()), count(complete().count()), count(wanted().count()))
            }
        };
        Self {
            mode: service.mode,
            running,
            complete,
            on_the_way: wanted().filter(|task| task.state.holds_addresses()).count() as u64,
            failed: failed.len() as u64,
            error: last.map(|task| error_of(task)).unwrap_or_default(),
            asked,
        }
    }

    /// Everything that is wrong with the number of tasks.
    pub(crate) fn faults(&self, wanted: TasksWanted) -> Vec<ServiceFault> {
        let contradiction = match wanted {
            TasksWanted::Exactly(number) if number != self.asked => {
                Some(ServiceFault::Number { configured: number, mode: self.mode })
            }
            TasksWanted::AtLeast(least) if self.asked < least.get() && !self.asks_for_nodes() => {
                Some(ServiceFault::TooFewAskedFor { configured: least.get(), mode: self.mode })
            }
            _ => None,
        };
        self.shortage(wanted).into_iter().chain(contradiction).collect()
    }

    /// What is wrong with the tasks that there are.
    fn shortage(&self, wanted: TasksWanted) -> Option<ServiceFault> {
        let (expected, running, complete) = (self.expected(wanted), self.running, self.complete);
        if self.mode.is_job() {
            let total = expected;
            return match self {
                _ if self.is_complete(wanted) => None,
                _ if 0 < self.failed => Some(ServiceFault::JobFailed {
                    complete,
                    failed: self.failed,
                    error: self.error.clone(),
                    total,
                }),
                _ if 0 < self.on_the_way => None,
                _ => Some(ServiceFault::Job { complete, running, total }),
            };
        }
        let is_well = match wanted {
            TasksWanted::AtLeast(_) => expected <= running,
            TasksWanted::AsAsked | TasksWanted::Exactly(_) => running == expected,
        };
        (!is_well).then_some(ServiceFault::Tasks { running, expected, mode: self.mode })
    }

    /// True iff it is a job without a fault that has not ended: neither good nor bad yet.
    pub(super) fn is_under_way(&self, wanted: TasksWanted) -> bool {
        self.mode.is_job() && !self.is_complete(wanted)
    }

    /// How a service without a fault is, that is not under way.
    pub(super) fn healthy(&self, wanted: TasksWanted) -> Reason {
        let (complete, running, total) = (self.complete, self.running, self.asked);
        if self.mode.is_job() {
            return Reason::JobRuns { complete, running, total };
        }
        match wanted {
            TasksWanted::AtLeast(least) => {
                Reason::EnoughRun { running, least: least.get(), asked_now: self.asked }
            }
            _ => Reason::ServiceRuns { running, expected: self.expected(wanted) },
        }
    }

    /// `2/3 running`, or the same of a job.
    pub(crate) fn tally(&self) -> String {
        if self.mode.is_job() {
            return format!("{}/{} complete, {} running", self.complete, self.asked, self.running);
        }
        format!("{}/{} running", self.running, self.asked)
    }

    fn is_complete(&self, wanted: TasksWanted) -> bool {
        self.expected(wanted) <= self.complete
    }

    /// Which nodes fit is for Swarm to say, so that a number of them that is too small is no contradiction in itself.
    fn asks_for_nodes(&self) -> bool {
        matches!(self.mode, ServiceMode::Global | ServiceMode::Job(JobMode::Global | JobMode::Unknown))
    }

    /// A service that is named in the configuration must run, so that nothing asked for is not enough.
    fn expected(&self, wanted: TasksWanted) -> u64 {
        match wanted {
            TasksWanted::AsAsked => self.asked.max(1),
            TasksWanted::AtLeast(least) => least.get(),
            TasksWanted::Exactly(number) => number,
        }
    }
}

/// True iff the task is the service's; of a job, of its last execution. Ended tasks of earlier ones stay in the store
/// (swarmkit `manager/orchestrator/jobs/replicated/reconciler.go` removes what has not ended).
fn is_current(task: &Task, service: &Service) -> bool {
    task.iteration.zip(service.iteration).is_none_or(|(of, now)| of == now)
}

fn ended_badly(state: TaskState) -> bool {
    matches!(state, TaskState::Failed | TaskState::Rejected | TaskState::Orphaned)
}

fn error_of(task: &Task) -> String {
    if task.error.is_empty() { format!("{} without a word", task.state.word()) } else { task.error.clone() }
}

fn nodes<'a>(tasks: impl Iterator<Item = &'a Task>) -> u64 {
    tasks.map(|task| task.node.as_ref()).collect::<BTreeSet<_>>().len() as u64
}

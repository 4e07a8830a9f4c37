//! Jobs: services whose tasks run to their end (swarmkit `manager/orchestrator/jobs`).
//!
//! Their tasks have the desired state `complete` from their creation. The allocator ignores a service's mode: a
//! job's VIP is held as long as the service exists, and a task's address as long as its observed state is up to
//! `running`.

use std::collections::BTreeSet;

use crate::id::{NodeId, ServiceId, TaskId};
use crate::model::Model;
use crate::object::{Node, Slot, Task};
use crate::spec::ReplicatedJob;
use crate::state::TaskState;

/// The tasks of a job, sorted as swarmkit's reconcilers sort them.
#[derive(Debug, Default)]
struct Progress {
    /// Slots of this execution with a task that is complete, under way or about to be tried again.
    taken: BTreeSet<Slot>,
    completed: u64,
    /// Under way, or failed and about to be tried again.
    unfinished: u64,
    failed: Vec<(TaskId, Slot)>,
    /// Of an earlier execution.
    outdated: Vec<TaskId>,
}

impl Progress {
    fn of<'a>(tasks: impl Iterator<Item = &'a Task>, iteration: u64) -> Self {
        let mut progress = Self::default();
        for task in tasks {
            let Some(slot) = task.slot() else { continue };
            if task.iteration != Some(iteration) {
                // Before anything else: tasks of an earlier execution count for nothing.
                progress.outdated.push(task.id.clone());
            } else if task.state == TaskState::Complete {
                progress.completed += 1;
                progress.taken.insert(slot.clone());
            } else if task.is_wanted() {
                // Counted also when it has failed: it is tried again, and must not be replaced by a new slot
                // besides.
                progress.unfinished += 1;
                progress.taken.insert(slot.clone());
                if !task.state.is_live() {
                    progress.failed.push((task.id.clone(), slot.clone()));
                }
            }
        }
        progress
    }

    /// How many more tasks may be created now.
    fn missing(&self, job: ReplicatedJob) -> u64 {
        let slots_free = job.max_concurrent.saturating_sub(self.unfinished);
        let to_do = job.total_completions.saturating_sub(self.completed + self.unfinished);
        slots_free.min(to_do)
    }
}

impl Model {
    /// `jobs/replicated/reconciler.go`, `ReconcileService`: as many new tasks as concurrency and outstanding
    /// completions allow, each in the lowest slot that has none; failed ones again; those of earlier executions
    /// are removed.
    pub(crate) fn reconcile_replicated_job(&mut self, id: &ServiceId, job: ReplicatedJob) {
        let Some(progress) = self.job_progress(id) else { return };
        let missing = usize::try_from(progress.missing(job)).unwrap_or(usize::MAX);
        let free = (0..job.total_completions).map(Slot::Number).filter(|slot| !progress.taken.contains(slot));
        for slot in free.take(missing) {
            self.create_task(id, slot, TaskState::Complete);
        }
        self.retry_failed(id, progress.failed);
        for task in progress.outdated {
            // An ended task of an earlier execution stays as history.
            if self.tasks.get(&task).is_some_and(|task| task.state.is_live()) {
                self.desire(&task, TaskState::Remove);
            }
        }
    }

    /// `jobs/global/reconciler.go`, `ReconcileService`: one task per node that takes tasks, failed ones again, and
    /// none on nodes that are down or drained; those of earlier executions are removed, ended or not.
    pub(crate) fn reconcile_global_job(&mut self, id: &ServiceId) {
        let Some(progress) = self.job_progress(id) else { return };
        // Before the new ones are there: a task that is tried again on a node that is down waits for the node.
        let displaced = self.displaced_tasks(id);
        for node in self.eligible_nodes(id) {
            let slot = Slot::Node(node);
            if !progress.taken.contains(&slot) {
                self.create_task(id, slot, TaskState::Complete);
            }
        }
        self.retry_failed(id, progress.failed);
        for task in progress.outdated {
            self.desire(&task, TaskState::Remove);
        }
        for task in displaced {
            self.desire(&task, TaskState::Shutdown);
        }
    }

    fn job_progress(&self, id: &ServiceId) -> Option<Progress> {
        let job = self.services.get(id)?.job?;
        Some(Progress::of(self.tasks_of(id), job.iteration))
    }

    /// What swarmkit's restart supervisor does with them, without its delay of five seconds; services in this
    /// model replace their tasks at once, too.
    fn retry_failed(&mut self, id: &ServiceId, failed: Vec<(TaskId, Slot)>) {
        for (task, slot) in failed {
            self.desire(&task, TaskState::Shutdown);
            self.create_task(id, slot, TaskState::Complete);
        }
    }

    /// Live tasks of a job on nodes that are down, drained or gone.
    fn displaced_tasks(&self, id: &ServiceId) -> Vec<TaskId> {
        let invalid = |node: &NodeId| self.nodes.get(node).is_none_or(Node::is_invalid);
        let displaced = self.tasks_of(id).filter(|task| task.state.is_live() && task.is_wanted());
        displaced.filter(|task| task.node.as_ref().is_some_and(invalid)).map(|task| task.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn missing(max_concurrent: u64, total_completions: u64, completed: u64, unfinished: u64) -> u64 {
        let progress = Progress { completed, unfinished, ..Progress::default() };
        progress.missing(ReplicatedJob { max_concurrent, total_completions })
    }

    #[test]
    fn concurrency_and_outstanding_completions_both_bound_new_tasks() {
        // (MaxConcurrent, TotalCompletions, completed, unfinished) and the new ones
        for (given, expected) in [
            ((2, 5, 0, 0), 2),
            ((2, 5, 0, 1), 1),
            ((2, 5, 0, 2), 0),
            ((2, 5, 4, 0), 1),
            ((2, 5, 4, 1), 0),
            ((9, 5, 0, 0), 5),
            ((0, 5, 0, 0), 0),
            ((2, 0, 0, 0), 0),
            // Fewer are wanted than there are: swarmkit's unsigned subtraction would wrap here.
            ((1, 5, 0, 3), 0),
            ((5, 2, 3, 0), 0),
        ] {
            let (at_once, total, completed, unfinished) = given;
            assert_eq!(missing(at_once, total, completed, unfinished), expected, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn new_tasks_exceed_neither_bound(at_once: u64, total: u64, completed in 0..1000_u64, unfinished in 0..1000_u64) {
            let new = missing(at_once, total, completed, unfinished);
            prop_assert!(new == 0 || new + unfinished <= at_once);
            prop_assert!(new == 0 || new + unfinished + completed <= total);
        }
    }
}

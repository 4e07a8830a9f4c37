//! How many tasks of a service run, beside how many it asks for.

use std::collections::BTreeSet;

use pvcheck_audit::{JobMode, Service, ServiceMode, Snapshot, Task, TaskState};

use crate::fault::ServiceFault;
use crate::reason::Reason;

/// The tasks of one service, counted.
pub(crate) struct Run {
    mode: ServiceMode,
    /// Tasks that run and are meant to; of a global service the nodes that have one.
    running: u64,
    /// Tasks of a job that ended well.
    complete: u64,
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
        let wanted = || tasks.iter().copied().filter(|task| task.is_wanted());
        let running = || wanted().filter(|t| t.is_running());
        let complete = wanted().filter(|t| t.state == TaskState::Complete).count() as u64;
        // The orchestrator makes a task for each node that the constraints allow, and the snapshot has no constraints: the
        // nodes with a wanted task are those that the service asks for (swarmkit `manager/orchestrator/global`).
        let (running, asked) = match service.mode {
            ServiceMode::Replicated(replicas) => (running().count() as u64, replicas),
            ServiceMode::Global => (nodes(running()), nodes(wanted())),
            ServiceMode::Job(JobMode::Replicated { total, .. }) => (running().count() as u64, total),
            ServiceMode::Job(JobMode::Global | JobMode::Unknown) => {
                (running().count() as u64, wanted().count() as u64)
            }
        };
        Self { mode: service.mode, running, complete, asked }
    }

    /// What is wrong with the number of tasks, if the configuration expects this many.
    pub(crate) fn fault(&self, configured: Option<u64>) -> Option<ServiceFault> {
        let ServiceMode::Job(job) = self.mode else {
            let (running, expected) = (self.running, self.expected(configured));
            return (running != expected).then_some(ServiceFault::Tasks {
                running,
                expected,
                mode: self.mode,
            });
        };
        let (complete, running, total) = (self.complete, self.running, self.asked);
        let at_once = match job {
            JobMode::Replicated { max_concurrent, .. } => max_concurrent,
            JobMode::Global | JobMode::Unknown => total,
        };
        // A job is as it should be while what is not complete yet runs, as many at a time as it allows.
        let on_its_way = total.saturating_sub(complete).min(at_once);
        let is_short = running < on_its_way || complete + running == 0;
        is_short.then_some(ServiceFault::Job { complete, running, total })
    }

    /// A number in the configuration that the service does not ask for: one of the two is wrong, whatever runs.
    pub(super) fn contradicts(&self, replicas: u64) -> Option<ServiceFault> {
        (replicas != self.asked).then_some(ServiceFault::Number { configured: replicas, mode: self.mode })
    }

    /// How a service without a fault is.
    pub(super) fn healthy(&self, configured: Option<u64>) -> Reason {
        let (complete, running, total) = (self.complete, self.running, self.asked);
        if self.mode.is_job() {
            return Reason::JobRuns { complete, running, total };
        }
        Reason::ServiceRuns { running, expected: self.expected(configured) }
    }

    /// `2/3 running`, or the same of a job.
    pub(crate) fn tally(&self) -> String {
        if self.mode.is_job() {
            return format!("{}/{} complete, {} running", self.complete, self.asked, self.running);
        }
        format!("{}/{} running", self.running, self.asked)
    }

    /// A service that is named in the configuration must run, so that nothing asked for is not enough.
    fn expected(&self, configured: Option<u64>) -> u64 {
        configured.unwrap_or(self.asked.max(1))
    }
}

fn nodes<'a>(tasks: impl Iterator<Item = &'a Task>) -> u64 {
    tasks.map(|task| task.node.as_ref()).collect::<BTreeSet<_>>().len() as u64
}

//! The tasks of a job: a service whose tasks run to their end.

use std::fmt;

use crate::seen::{JobMode, Service, Snapshot, TaskState};

/// How far a job is.
pub(super) struct JobTasks {
    mode: JobMode,
    running: u64,
    completed: u64,
}

impl JobTasks {
    pub(super) fn of(snapshot: &Snapshot, service: &Service, mode: JobMode) -> Self {
        // A job that is started again keeps the tasks of earlier runs, with desired state `remove` (swarmkit
        // `manager/orchestrator/jobs`): only those that are still wanted count.
        let completed = snapshot.tasks.iter().filter(|t| {
            t.service.as_ref() == Some(&service.id) && t.state == TaskState::Complete && t.is_wanted()
        });
        Self {
            mode,
            running: snapshot.running_tasks(&service.id).count() as u64,
            completed: completed.count() as u64,
        }
    }

    /// What the tasks say if nothing is wrong with the job; `None` if tasks are missing or do not run. `all_run` is true
    /// iff every task that is wanted runs or has completed.
    pub(super) fn as_wanted(&self, name: &str, all_run: bool) -> Option<String> {
        let Self { mode, running, completed } = self;
        match *mode {
            JobMode::Replicated { total, .. } if total <= *completed => {
                Some(format!("job {name} is done: {completed} of {total} tasks completed"))
            }
            JobMode::Replicated { max_concurrent, total } => {
                // The orchestrator keeps as many running as are still to complete, up to the limit.
                let due = max_concurrent.max(1).min(total.saturating_sub(*completed));
                (due <= *running).then(|| {
                    format!("job {name} runs: {running} tasks run, {completed} of {total} completed")
                })
            }
            JobMode::Global | JobMode::Unknown if !all_run => None,
            JobMode::Global | JobMode::Unknown => match (running, completed) {
                (0, 0) => None,
                (0, _) => Some(format!("job {name} is done: {completed} tasks completed")),
                _ => Some(format!("job {name} runs: {running} tasks run, {completed} completed")),
            },
        }
    }
}

impl fmt::Display for JobTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a job: {} tasks run, {} completed", self.running, self.completed)?;
        match self.mode {
            JobMode::Global => f.write_str(", one per node is wanted"),
            JobMode::Replicated { max_concurrent, total } => {
                write!(f, ", {total} are wanted, {max_concurrent} at a time")
            }
            JobMode::Unknown => Ok(()),
        }
    }
}

//! The errors that tasks show, and what a catalogue of signatures knows of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::seen::{Lookup, Service, ServiceMode, Snapshot, Task, TaskState};

/// Errors that are listed of one service, at most.
const LISTED: usize = 5;

/// An error that tasks of one service show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskError {
    /// The error in the engine's words, without values of variables.
    pub text: String,
    /// The service's name; `null` for a standalone container, and for a task whose service is gone.
    pub service: Option<String>,
    /// How many tasks show it.
    pub tasks: u64,
    /// When a task came into the state that shows it, last.
    pub last: Option<Timestamp>,
    /// What a catalogue of signatures knows of it. This crate has none: its caller fills it in.
    pub known: Option<KnownError>,
}

/// What a catalogue of signatures knows of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KnownError {
    /// The signature's name, as `pvcheck explain` takes it.
    pub signature: String,
    /// What it means, one sentence.
    pub meaning: String,
    /// What to do, one sentence.
    pub remedy: String,
    /// True iff it needs attention by itself.
    pub is_finding: bool,
}

/// The distinct errors of these tasks, the newest first; at most five.
pub(crate) fn errors_of<'a>(service: Option<&str>, tasks: impl Iterator<Item = &'a Task>) -> Vec<TaskError> {
    let mut by_text: BTreeMap<&str, (u64, Option<Timestamp>)> = BTreeMap::new();
    for task in tasks.filter(|t| !t.error.is_empty()) {
        let (count, last) = by_text.entry(&task.error).or_default();
        *count += 1;
        *last = (*last).max(task.since);
    }
    let error = |(text, (tasks, last)): (&str, (u64, Option<Timestamp>))| TaskError {
        text: text.to_owned(),
        service: service.map(str::to_owned),
        tasks,
        last,
        known: None,
    };
    let mut errors: Vec<TaskError> = by_text.into_iter().map(error).collect();
    errors.sort_by_key(|e| std::cmp::Reverse(e.last));
    errors.truncate(LISTED);
    errors
}

/// The errors of all services that run fewer tasks than they want.
pub(crate) fn errors_of_short(snapshot: &Snapshot, lookup: &Lookup<'_>) -> Vec<TaskError> {
    let short = snapshot.services.iter().filter(|s| is_short(s, lookup.tasks_of(&s.id)));
    short.flat_map(|s| errors_of(Some(&s.name), lookup.tasks_of(&s.id).iter().copied())).collect()
}

/// True iff the service wants a task that does not run.
fn is_short(service: &Service, tasks: &[&Task]) -> bool {
    let waits = |t: &&Task| t.is_wanted() && !matches!(t.state, TaskState::Running | TaskState::Complete);
    let running = tasks.iter().filter(|t| t.is_running()).count() as u64;
    match service.mode {
        ServiceMode::Replicated(wanted) if running < wanted => true,
        ServiceMode::Global | ServiceMode::Job(_) | ServiceMode::Replicated(_) => tasks.iter().any(waits),
    }
}

#[cfg(test)]
mod tests;

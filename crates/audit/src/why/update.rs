//! What a service's last update adds to the answer: one that paused, that waits for a task, or that was rolled back.

use super::answer::Verdict;
use super::case::{Case, Decision};
use super::remedy::RemedyKind;
use crate::seen::{Service, Task, UpdateOrder, UpdateState, UpdateStatus};

/// The decision on a service whose tasks all run, with its last update in mind.
pub(super) fn judged<'a>(case: &Case<'a>, service: &'a Service, runs: Decision<'a>) -> Decision<'a> {
    let Some(update) = &service.update else { return runs };
    if update.is_paused() {
        return paused(case, service, update);
    }
    let more = match update.state {
        UpdateState::RollbackCompleted => "its last update failed and was rolled back",
        UpdateState::RollbackStarted => "it is being rolled back",
        UpdateState::Updating => "an update is under way",
        UpdateState::Completed
        | UpdateState::Other(_)
        | UpdateState::Paused
        | UpdateState::RollbackPaused => {
            return runs;
        }
    };
    Decision { summary: format!("{}; {more}", runs.summary), ..runs }
}

/// Tasks of before still run, and the Swarm has given up on the rest: the service is not what its specification says.
fn paused<'a>(case: &Case<'a>, service: &Service, update: &UpdateStatus) -> Decision<'a> {
    let name = || service.name.clone();
    let what = if update.state == UpdateState::Paused { "update" } else { "rollback" };
    let summary = format!("service {} runs, and its last {what} is paused: {}", service.name, update.message);
    // The task that made it pause has ended by now; what it showed is among the errors.
    let task = case.tasks().filter(|t| !t.error.is_empty()).max_by_key(|t| (t.since, &t.id));
    let remedies = vec![
        RemedyKind::SeeTaskErrors { service: name() },
        RemedyKind::RollBack { service: name() },
        RemedyKind::SeeServiceLog { service: name() },
    ];
    Decision { remedies, ..Decision::new(Verdict::NotAddress, summary, task) }
}

/// The decision on a task that does not come up, with the ways out of the update that it holds up.
pub(super) fn stuck_at<'a>(case: &Case<'a>, task: &Task, mut decision: Decision<'a>) -> Decision<'a> {
    let Some(service) = case.service else { return decision };
    let Some(update) = service.update.as_ref().filter(|u| u.is_paused() || u.is_under_way()) else {
        return decision;
    };
    if decision.verdict != Verdict::NotAddress {
        return decision;
    }
    let word = if update.is_paused() { "is paused" } else { "waits for it" };
    decision.summary = format!("{}; the service's last update {word}", decision.summary);
    let mut steps = steps(service, task.error.contains(PORT_IN_USE));
    steps.append(&mut decision.remedies);
    decision.remedies = steps;
    decision
}

/// What the scheduler says where a task waits for a port that another task of the same service still has (swarmkit
/// `manager/scheduler/filter.go`, `HostPortFilter`).
const PORT_IN_USE: &str = "host-mode port already in use";

/// The ways out of an update that does not go on, cheapest first; none if there is no update that waits.
///
/// Tried on 20.10.24 and 26.1.5: a rollback ends an update that hangs without stopping a task that runs. Stop-first
/// frees the address or the port of the old task. For a port it takes `--force` too: without it the old task is
/// stopped and the new one stays pending. With several replicas stop-first alone may hang again, since the address of
/// the task that it stops first goes to another one that waits; so the rollback comes first there.
pub(super) fn steps(service: &Service, waits_for_port: bool) -> Vec<RemedyKind> {
    let hangs = service.update.as_ref().is_some_and(|u| u.is_paused() || u.is_under_way());
    if !hangs {
        return Vec::new();
    }
    let back = RemedyKind::RollBack { service: service.name.clone() };
    if service.update_order == UpdateOrder::StopFirst {
        return vec![back];
    }
    let stop_first = RemedyKind::StopFirst { service: service.name.clone(), force: waits_for_port };
    let several = matches!(service.mode, crate::seen::ServiceMode::Replicated(n) if 1 < n);
    if several { vec![back, stop_first] } else { vec![stop_first, back] }
}

#[cfg(test)]
mod tests;

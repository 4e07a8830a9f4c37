//! From what is asked about to the answer.

use super::answer::{Link, Verdict, Why};
use super::case::{Case, Decision};
use super::job::JobTasks;
use super::no_address::{for_address, for_balancer, for_ingress, for_vip};
use super::remedy::Remedy;
use super::subject::{NoSuchSubject, Subject, subject};
use super::{other_causes, remedies};
use crate::faults::{Fault, FaultKind, Finding, faults};
use crate::known_error::errors_of;
use crate::losses::{Loss, losses};
use crate::seen::{
    AllocatorCounts, Probes, Service, ServiceMode, Snapshot, TaskState, UpdateState, UpdateStatus,
};
use crate::waiting::Waiting;

/// Explains why a service, or one task, does not run: by name, by id, or by the beginning of an id.
///
/// On a network on which a service or task waits nothing is free, so every address there without an owner is leaked: a
/// number without a census and without the manager's log.
///
/// # Errors
/// If no service or task matches `asked`, or more than one does.
pub fn why(snapshot: &Snapshot, counts: &AllocatorCounts, asked: &str) -> Result<Why, NoSuchSubject> {
    why_probed(snapshot, counts, &Probes::default(), asked)
}

/// As [`why`], with what probes on the candidates came to.
///
/// # Errors
/// If no service or task matches `asked`, or more than one does.
pub fn why_probed(
    snapshot: &Snapshot,
    counts: &AllocatorCounts,
    probes: &Probes,
    asked: &str,
) -> Result<Why, NoSuchSubject> {
    let waiting = Waiting::probed(snapshot, counts, probes);
    let (service, task) = match subject(snapshot, asked)? {
        Subject::Service(service) => (Some(service), None),
        Subject::Task(task) => (task.service.as_ref().and_then(|id| waiting.lookup.service(id)), Some(task)),
    };
    let case = Case { waiting: &waiting, service, task };
    let decision = decide(&case);
    let remedies = remedies::remedies(&case, &decision);
    let first = service.map(|s| service_link(&waiting, s));
    let update = service.and_then(|s| s.update.as_ref()).filter(|u| u.state != UpdateState::Completed);
    let update_link = service.zip(update).map(|(s, u)| update_link(&s.name, u));
    let name = service.map(|s| s.name.clone());
    let errors = match decision.verdict {
        Verdict::Running => Vec::new(),
        _ => errors_of(name.as_deref(), case.tasks()),
    };
    Ok(Why {
        findings: concerning(&waiting, service, &decision),
        service: name,
        task: decision.task.map(|t| t.id.clone()),
        verdict: decision.verdict,
        summary: decision.summary,
        chain: first.into_iter().chain(update_link).chain(decision.links).collect(),
        network: decision.network,
        candidates: decision.candidates,
        update: update.cloned(),
        errors,
        remedies: remedies.into_iter().map(Remedy::from).collect(),
    })
}

/// The losses of this service and those on the networks that refuse, and the faults of its own networks.
fn concerning(waiting: &Waiting<'_>, service: Option<&Service>, decision: &Decision<'_>) -> Vec<Finding> {
    if decision.verdict == Verdict::Running {
        return Vec::new();
    }
    let mut found: Vec<Finding> =
        losses_of(waiting, service, decision).into_iter().map(Finding::Loss).collect();
    let Some(service) = service else { return found };
    let on: Vec<&str> = waiting.overlays_wanted(service).iter().map(|n| n.name.as_str()).collect();
    // Without the host: its facts are for the audit, and a saved snapshot has them apart.
    let here = |f: &Fault| match &f.kind {
        FaultKind::IngressMissing { services } => services.contains(&service.name),
        _ => f.networks().iter().any(|n| on.contains(&n.as_str())),
    };
    found.extend(faults(waiting, None).into_iter().filter(here).map(Finding::Fault));
    found
}

fn losses_of(waiting: &Waiting<'_>, service: Option<&Service>, decision: &Decision<'_>) -> Vec<Loss> {
    // What fails for another reason is not helped by a word on addresses elsewhere.
    if decision.verdict == Verdict::NotAddress {
        return Vec::new();
    }
    let service = service.map(|s| s.name.as_str());
    let networks: Vec<&str> =
        decision.network.iter().chain(&decision.candidates).map(|n| n.name.as_str()).collect();
    // Addresses with two holders are the audit's: they do not keep anything from starting.
    let mut found = losses(waiting, &[]);
    found.retain(|f| f.service() == service || f.networks().iter().any(|n| networks.contains(&n.as_str())));
    found
}

fn decide<'a>(case: &Case<'a>) -> Decision<'a> {
    if let Some(settled) = case.task.and_then(|t| other_causes::of_task(case, t)) {
        return settled;
    }
    // Before any address: without the mesh's network the allocator asks for none.
    if let Some(meshless) = for_ingress(case) {
        return meshless;
    }
    // A task beyond NEW has its addresses, whatever its service waits for now.
    if case.task.is_none_or(|t| t.state == TaskState::New)
        && let Some(waits) = for_vip(case)
    {
        return waits;
    }
    for_address(case).or_else(|| for_balancer(case)).unwrap_or_else(|| other_causes::decide(case))
}

fn update_link(service: &str, update: &UpdateStatus) -> Link {
    Link {
        subject: format!("update of {service}"),
        state: update.state.word().replace('_', " "),
        since: update.started,
        fact: if update.message.is_empty() {
            "the Swarm says no more of it".into()
        } else {
            update.message.clone()
        },
    }
}

fn service_link(waiting: &Waiting<'_>, service: &Service) -> Link {
    let snapshot = waiting.snapshot;
    let running = snapshot.running_tasks(&service.id).count();
    let state = match service.mode {
        ServiceMode::Replicated(n) => format!("{running} of {n} tasks run"),
        ServiceMode::Global => format!("{running} tasks run, one per node is wanted"),
        ServiceMode::Job(mode) => JobTasks::of(snapshot, service, mode).to_string(),
    };
    let names: Vec<&str> = waiting.overlays_wanted(service).iter().map(|n| n.name.as_str()).collect();
    let fact = match names.as_slice() {
        [] => "it is on no overlay".to_owned(),
        names => format!("it is on {}", names.join(", ")),
    };
    Link { subject: format!("service {}", service.name), state, since: service.created, fact }
}

//! Throwaway stacks: deployed, and awaited until their tasks run.

use std::time::{Duration, Instant};

use pvcheck_audit::{Snapshot, TaskState, waiting_services};
use thiserror::Error;

use crate::engine::{CallError, Engine, poll};
use crate::operation::Operation;
use crate::write::StackSpec;

/// Why stacks did not start.
#[derive(Debug, Error)]
pub enum DeployError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A service or task got no address: one of its networks is used up. Reported long before the patience is over,
    /// because services of others wait on that network as well while this one does.
    #[error("service `{service}` got no address within {} s: a network of it is used up", waited.as_secs())]
    NoAddress {
        /// The service.
        service: String,
        /// How long it was without one.
        waited: Duration,
    },
    /// Not all tasks ran in time.
    #[error("service `{service}` has {running} of {wanted} tasks running after {} s; its newest task is {state}{error}", waited.as_secs())]
    NotRunning {
        /// The service.
        service: String,
        /// Tasks that run.
        running: u64,
        /// Tasks that should run.
        wanted: u64,
        /// The newest task's state; `absent` if there is no task.
        state: String,
        /// The newest task's error, with a colon before it; empty if it has none.
        error: String,
        /// The patience that was used up.
        waited: Duration,
    },
}

/// Allocation takes milliseconds. A service or task that has no address after this time waits for one to become free.
const STARVED: Duration = Duration::from_secs(5);

/// Creates a stack: its private network first, as `docker stack deploy` does, then its service. Returns without waiting
/// for its tasks.
///
/// # Errors
/// If a call fails. What was created before carries the label of `op.run`, and [`crate::sweep_run`] removes it.
pub async fn deploy(op: Operation<'_>, plan: &StackSpec) -> Result<(), CallError> {
    let writer = op.writer();
    let mut networks = Vec::new();
    if plan.private {
        let name = format!("{}_internal", plan.name);
        networks.push(writer.create_overlay(&name, &plan.name, op.run).await?);
    }
    networks.push(plan.shared.clone());
    writer.create_app(plan, &networks, op.run).await?;
    Ok(())
}

/// Waits until every stack has all its tasks running; returns the snapshot that showed it.
///
/// # Errors
/// If a call fails, `patience` is over, or a service or task is without an address for 5 s, the first sign of a network
/// that is used up. The error names the first such service, and the state of its newest task.
pub async fn wait_running(
    engine: &Engine,
    plans: &[StackSpec],
    patience: Duration,
) -> Result<Snapshot, DeployError> {
    let since = Instant::now();
    let mut fed = since;
    // Not `wait_until!`: two limits run at once, and the shorter one starts again whenever every task has an address.
    loop {
        let snapshot = engine.snapshot().await?;
        match starved(&snapshot, plans) {
            None => fed = Instant::now(),
            Some(service) if STARVED < fed.elapsed() => {
                return Err(DeployError::NoAddress { service, waited: STARVED });
            }
            Some(_) => {}
        }
        let Some(lacking) = plans.iter().find(|p| running(&snapshot, p) < u64::from(p.replicas)) else {
            return Ok(snapshot);
        };
        if patience < since.elapsed() {
            return Err(not_running(&snapshot, lacking, patience));
        }
        poll().await;
    }
}

/// The first of these services that has a task without an address, or lacks its VIP.
fn starved(snapshot: &Snapshot, plans: &[StackSpec]) -> Option<String> {
    let waits = waiting_services(snapshot);
    let is_new =
        |id| snapshot.tasks.iter().any(|t| t.service.as_ref() == Some(id) && t.state == TaskState::New);
    let mut services = plans.iter().filter_map(|p| snapshot.service_named(&p.service_name()));
    services.find(|s| is_new(&s.id) || waits.iter().any(|w| w.service == s.name)).map(|s| s.name.clone())
}

fn running(snapshot: &Snapshot, plan: &StackSpec) -> u64 {
    let service = snapshot.service_named(&plan.service_name());
    service.map_or(0, |s| snapshot.running_tasks(&s.id).count() as u64)
}

fn not_running(snapshot: &Snapshot, plan: &StackSpec, waited: Duration) -> DeployError {
    let service = snapshot.service_named(&plan.service_name());
    let newest = service.and_then(|s| {
        let tasks = snapshot.tasks.iter().filter(|t| t.service.as_ref() == Some(&s.id));
        // A failed task says why; the task that replaces it is `new` and says nothing.
        tasks.max_by_key(|t| (!t.error.is_empty(), t.since))
    });
    DeployError::NotRunning {
        service: plan.service_name(),
        running: running(snapshot, plan),
        wanted: u64::from(plan.replicas),
        state: newest.map_or_else(|| "absent".into(), |t| t.state.word().to_owned()),
        error: newest.filter(|t| !t.error.is_empty()).map(|t| format!(": {}", t.error)).unwrap_or_default(),
        waited,
    }
}

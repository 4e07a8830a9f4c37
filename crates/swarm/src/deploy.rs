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

#[cfg(test)]
mod tests {
    use pvcheck_audit::{NetworkId, Service, Task, Vip};

    use super::*;
    use crate::fixtures::{service, snapshot, task};

    fn plan(replicas: u32) -> StackSpec {
        StackSpec {
            name: "web".into(),
            image: "busybox".into(),
            command: Vec::new(),
            replicas,
            shared: NetworkId::new("shared"),
            private: false,
            publish: None,
            labels: Vec::new(),
        }
    }

    fn with_vip(service: Service) -> Service {
        let vip = |network: &NetworkId| Vip {
            network: network.clone(),
            address: Some([10, 0, 1, 2].into()),
            ipv6: None,
        };
        Service { vips: service.networks.iter().map(vip).collect(), ..service }
    }

    fn with(tasks: &[(TaskState, &str, i64)]) -> Snapshot {
        let task = |(state, error, second): &(TaskState, &str, i64)| Task {
            error: (*error).to_owned(),
            since: jiff::Timestamp::from_second(*second).ok(),
            ..task(Some("web"), &["shared"], *state, TaskState::Running)
        };
        let tasks = tasks.iter().map(task).collect();
        Snapshot { services: vec![with_vip(service("web", &["shared"]))], tasks, ..snapshot() }
    }

    fn said(tasks: &[(TaskState, &str, i64)]) -> String {
        not_running(&with(tasks), &plan(2), Duration::from_secs(9)).to_string()
    }

    #[test]
    fn the_error_of_a_failed_task_is_shown_although_its_successor_is_newer() {
        let text = said(&[
            (TaskState::Running, "", 1),
            (TaskState::Failed, "exit 1", 2),
            (TaskState::Failed, "exit 2", 3),
            (TaskState::Ready, "", 4),
        ]);
        let expected =
            "service `web_app` has 1 of 2 tasks running after 9 s; its newest task is failed: exit 2";
        assert_eq!(text, expected);
    }

    #[test]
    fn without_an_error_the_newest_task_is_shown() {
        let text = said(&[(TaskState::Starting, "", 5), (TaskState::Pending, "", 2)]);
        assert!(text.ends_with("has 0 of 2 tasks running after 9 s; its newest task is starting"), "{text}");
        assert!(said(&[]).ends_with("its newest task is absent"));
    }

    #[test]
    fn a_task_that_is_new_has_no_address_and_one_that_is_pending_has() {
        let plans = [plan(1)];
        let starved = |state| starved(&with(&[(state, "", 1)]), &plans);
        assert_eq!(starved(TaskState::New).as_deref(), Some("web_app"));
        assert_eq!(starved(TaskState::Pending), None);
        let allocated = [(TaskState::Pending, "", 1)];
        let no_vip = Snapshot { services: vec![service("web", &["shared"])], ..with(&allocated) };
        assert_eq!(super::starved(&no_vip, &plans).as_deref(), Some("web_app"), "its VIP is missing");
        let other =
            Snapshot { services: vec![service("other", &["shared"])], ..with(&[(TaskState::New, "", 1)]) };
        assert_eq!(super::starved(&other, &plans), None, "a service of others does not count");
    }
}

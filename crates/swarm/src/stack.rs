//! Small stacks of our own: deployed, awaited, counted.

use std::time::{Duration, Instant};

use thiserror::Error;

use crate::connection::CallError;
use crate::engine::Engine;
use crate::ids::{NetworkId, RunId};
use crate::snapshot::{Snapshot, TaskState};
use crate::writes::{Permit, Writer};

/// A stack of one service, `NAME_app`.
#[derive(Clone, Debug)]
pub struct StackPlan {
    /// The stack's name.
    pub name: String,
    /// Its image, which must be on the node or pullable.
    pub image: String,
    /// What it runs; empty for the image's own.
    pub command: Vec<String>,
    /// How many tasks.
    pub replicas: u32,
    /// The overlay that it shares with others.
    pub shared: NetworkId,
    /// True iff it gets an overlay of its own as well: the shape that `docker stack rm` leaks with.
    pub private: bool,
    /// Labels for its service, such as a router wants.
    pub labels: Vec<(String, String)>,
}

impl StackPlan {
    /// The name of its service.
    pub fn service_name(&self) -> String {
        format!("{}_app", self.name)
    }
}

/// Why stacks did not come up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeployError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Not all tasks ran in time.
    #[error("service `{service}` has {running} of {wanted} tasks running after {} s; its newest task is {state}{error}", waited.as_secs())]
    NotRunning {
        /// The service.
        service: String,
        /// How many run.
        running: u64,
        /// How many should.
        wanted: u64,
        /// The newest task's state, `absent` where there is none.
        state: String,
        /// The newest task's error, with a colon before it; empty if it has none.
        error: String,
        /// How long it was waited for.
        waited: Duration,
    },
}

/// Creates a stack: its private network first, as `docker stack deploy` does, then its service.
///
/// # Errors
/// When a call fails; what was made before carries the label of `run`, and [`crate::sweep_run`] takes it away.
pub async fn deploy(engine: &Engine, permit: Permit, plan: &StackPlan, run: &RunId) -> Result<(), CallError> {
    let writer = Writer::new(engine.connection(), permit);
    let mut networks = Vec::new();
    if plan.private {
        let name = format!("{}_internal", plan.name);
        networks.push(writer.create_overlay(&name, &plan.name, run).await?);
    }
    networks.push(plan.shared.clone());
    writer.create_app(plan, &networks, run).await?;
    Ok(())
}

/// Waits until every stack has all its tasks running, and gives the look that showed it.
///
/// # Errors
/// When a call fails or the time is up; the error names the first service that is not there and its newest task.
pub async fn wait_running(
    engine: &Engine,
    plans: &[StackPlan],
    patience: Duration,
) -> Result<Snapshot, DeployError> {
    let since = Instant::now();
    loop {
        let snapshot = engine.snapshot().await?;
        let Some(lacking) = plans.iter().find(|p| running(&snapshot, p) < u64::from(p.replicas)) else {
            return Ok(snapshot);
        };
        if patience < since.elapsed() {
            return Err(not_running(&snapshot, lacking, patience));
        }
        poll().await;
    }
}

/// The pause between two looks at something that is being waited for.
pub(crate) async fn poll() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn running(snapshot: &Snapshot, plan: &StackPlan) -> u64 {
    let service = snapshot.service_named(&plan.service_name());
    service.map_or(0, |s| snapshot.running_tasks(&s.id).count() as u64)
}

fn not_running(snapshot: &Snapshot, plan: &StackPlan, waited: Duration) -> DeployError {
    let service = snapshot.service_named(&plan.service_name());
    let newest = service.and_then(|s| {
        let tasks = snapshot.tasks.iter().filter(|t| t.service.as_ref() == Some(&s.id));
        // A failed task says more than the one that is to replace it.
        tasks.max_by_key(|t| (!t.error.is_empty(), t.since))
    });
    DeployError::NotRunning {
        service: plan.service_name(),
        running: running(snapshot, plan),
        wanted: u64::from(plan.replicas),
        state: newest.map_or_else(|| "absent".into(), |t| state_name(t.state)),
        error: newest.filter(|t| !t.error.is_empty()).map(|t| format!(": {}", t.error)).unwrap_or_default(),
        waited,
    }
}

/// A state in one word.
pub(crate) fn state_name(state: TaskState) -> String {
    format!("{state:?}").to_lowercase()
}

//! Removing stacks: in the order that leaks nothing, and in Docker's own for comparison.
//!
//! `docker stack rm` removes services, secrets, configs and networks without a pause. A task that ends after one of
//! its networks is gone is never deallocated, and its addresses on its *other* networks stay taken until the allocator
//! is rebuilt (swarmkit `manager/allocator/network.go`, `doTaskAlloc`; moby #37338, swarmkit #3230). Waiting for the
//! tasks between services and networks is the whole cure.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::churn::Order;
use crate::connection::CallError;
use crate::engine::Engine;
use crate::ids::{ConfigId, NetworkId, RunId, SecretId, ServiceId};
use crate::progress::{Progress, Watcher};
use crate::snapshot::{Snapshot, Task, read_services, read_tasks};
use crate::stack::poll;
use crate::wire;
use crate::writes::{Permit, RUN_LABEL, STACK_LABEL, Writer};

/// How a removal goes about it.
#[derive(Clone, Debug)]
pub struct RemovalOptions {
    /// Which order.
    pub order: Order,
    /// How long tasks may take to stop before their networks are left in place.
    pub patience: Duration,
}

impl Default for RemovalOptions {
    fn default() -> Self {
        Self { order: Order::Drained, patience: Duration::from_mins(2) }
    }
}

/// What became of one stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRemoval {
    /// The stack's name.
    pub stack: String,
    /// Services removed.
    pub services: u64,
    /// Networks removed.
    pub networks: u64,
    /// Secrets and configs removed.
    pub stored: u64,
    /// What is left, each with the reason; empty if the stack is gone.
    pub left: Vec<String>,
}

/// What a removal would take away, as of one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalPlan {
    /// The stack's name.
    pub stack: String,
    /// Its services.
    pub services: Vec<String>,
    /// Its own networks; external ones are not among them.
    pub networks: Vec<String>,
    /// Its secrets.
    pub secrets: Vec<String>,
    /// Its configs.
    pub configs: Vec<String>,
}

/// Why stacks could not be removed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RemovalError {
    /// No part of such a stack exists.
    #[error("there is no stack `{name}`{}", known(stacks))]
    NoSuchStack {
        /// What was asked for.
        name: String,
        /// What there is.
        stacks: Vec<String>,
    },
    /// A call failed; nothing was removed before.
    #[error(transparent)]
    Call(#[from] CallError),
}

fn known(stacks: &[String]) -> String {
    if stacks.is_empty() {
        "; there is none at all".into()
    } else {
        format!("; there are {}", stacks.join(", "))
    }
}

/// Everything of one stack, or of one run.
#[derive(Debug, Default)]
struct Parts {
    name: String,
    services: Vec<(ServiceId, String)>,
    networks: Vec<(NetworkId, String)>,
    secrets: Vec<(SecretId, String)>,
    configs: Vec<(ConfigId, String)>,
}

impl Parts {
    fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.networks.is_empty()
            && self.secrets.is_empty()
            && self.configs.is_empty()
    }

    fn plan(&self) -> RemovalPlan {
        fn names<T>(parts: &[(T, String)]) -> Vec<String> {
            parts.iter().map(|(_, name)| name.clone()).collect()
        }
        RemovalPlan {
            stack: self.name.clone(),
            services: names(&self.services),
            networks: names(&self.networks),
            secrets: names(&self.secrets),
            configs: names(&self.configs),
        }
    }

    fn names(&self) -> Vec<String> {
        let services = self.services.iter().map(|(_, n)| format!("service {n}"));
        let networks = self.networks.iter().map(|(_, n)| format!("network {n}"));
        let secrets = self.secrets.iter().map(|(_, n)| format!("secret {n}"));
        let configs = self.configs.iter().map(|(_, n)| format!("config {n}"));
        services.chain(networks).chain(secrets).chain(configs).collect()
    }
}

/// Says what [`remove_stacks`] would remove, and touches nothing.
///
/// # Errors
/// When a name is unknown, or when the look fails.
pub async fn plan_removal(engine: &Engine, names: &[String]) -> Result<Vec<RemovalPlan>, RemovalError> {
    let parts = parts_of_stacks(engine, names).await?;
    Ok(parts.iter().map(Parts::plan).collect())
}

/// Removes stacks by name, side by side. External networks are never touched: only what carries the stack's label is.
///
/// In [`Order::Drained`] a stack whose tasks do not stop in time keeps its networks, and says so in `left`.
///
/// # Errors
/// When a name is unknown (nothing is removed then), or when the first look fails.
pub async fn remove_stacks(
    engine: &Engine,
    permit: Permit,
    names: &[String],
    options: &RemovalOptions,
    watch: Watcher<'_>,
) -> Result<Vec<StackRemoval>, RemovalError> {
    let parts = parts_of_stacks(engine, names).await?;
    let remover = Remover { engine, writer: Writer::new(engine.connection(), permit), options, watch };
    Ok(join_all(parts.iter().map(|p| remover.remove(p))).await)
}

/// The parts of each stack; an unknown name is an error.
async fn parts_of_stacks(engine: &Engine, names: &[String]) -> Result<Vec<Parts>, RemovalError> {
    let snapshot = engine.snapshot().await?;
    let stored = Stored::read(engine).await?;
    let parts: Vec<Parts> = names.iter().map(|n| parts_of_stack(&snapshot, &stored, n)).collect();
    match parts.iter().find(|p| p.is_empty()) {
        Some(unknown) => {
            let name = unknown.name.clone();
            Err(RemovalError::NoSuchStack { name, stacks: snapshot.stacks() })
        }
        None => Ok(parts),
    }
}

/// Removes everything that carries the label of this run, waits until no list shows it any more, and gives what is left.
///
/// # Errors
/// When a look fails.
pub async fn sweep_run(
    engine: &Engine,
    permit: Permit,
    run: &RunId,
    patience: Duration,
    watch: Watcher<'_>,
) -> Result<StackRemoval, CallError> {
    let since = Instant::now();
    // What an interrupted caller has asked for may still be on its way.
    engine.connection().settled().await;
    let parts = leftovers(engine, run).await?;
    let options = RemovalOptions { order: Order::Drained, patience };
    let remover =
        Remover { engine, writer: Writer::new(engine.connection(), permit), options: &options, watch };
    let mut swept = remover.remove(&parts).await;
    loop {
        // A node's own copy of a removed network stays in its list for a moment.
        let left = leftovers(engine, run).await?;
        if left.is_empty() || patience < since.elapsed() {
            swept.left.extend(left.names());
            return Ok(swept);
        }
        poll().await;
    }
}

/// The runs of which something is left in the Swarm, each with the names of what is left.
///
/// # Errors
/// When a look fails.
pub async fn leftover_runs(engine: &Engine) -> Result<Vec<(RunId, Vec<String>)>, CallError> {
    let snapshot = engine.snapshot().await?;
    let stored = Stored::read(engine).await?;
    let mut runs: BTreeSet<String> = snapshot.services.iter().filter_map(|s| s.run.clone()).collect();
    runs.extend(snapshot.networks.iter().filter_map(|n| n.run.clone()));
    let stored_labels = stored.secrets.iter().chain(&stored.configs).filter_map(|s| s.spec.labels.as_ref());
    runs.extend(stored_labels.filter_map(|l| l.get(RUN_LABEL).cloned()));
    let named = |run: String| {
        let run = RunId::from_label(run);
        let names = parts_of_run(&snapshot, &stored, &run).names();
        (run, names)
    };
    // A run whose only trace is a lock that is held is at work, and not left over.
    Ok(runs.into_iter().map(named).filter(|(_, names)| !names.is_empty()).collect())
}

async fn leftovers(engine: &Engine, run: &RunId) -> Result<Parts, CallError> {
    let snapshot = engine.snapshot().await?;
    Ok(parts_of_run(&snapshot, &Stored::read(engine).await?, run))
}

struct Remover<'a> {
    engine: &'a Engine,
    writer: Writer<'a>,
    options: &'a RemovalOptions,
    watch: Watcher<'a>,
}

impl Remover<'_> {
    async fn remove(&self, parts: &Parts) -> StackRemoval {
        let mut done =
            StackRemoval { stack: parts.name.clone(), services: 0, networks: 0, stored: 0, left: Vec::new() };
        for (id, name) in &parts.services {
            count(&mut done.services, &mut done.left, "service", name, self.writer.remove_service(id).await);
        }
        let drained = match self.options.order {
            Order::Drained => self.drain(parts).await,
            Order::StackRm => Ok(()),
        };
        // Docker's own order has the networks last; without the wait before them that does not help.
        if self.options.order == Order::StackRm {
            self.remove_stored(parts, &mut done).await;
        }
        for (id, name) in &parts.networks {
            let outcome = match &drained {
                Ok(()) => self.remove_network(id).await.map_err(|e| e.to_string()),
                Err(why) => Err(why.clone()),
            };
            count(&mut done.networks, &mut done.left, "network", name, outcome);
        }
        if self.options.order == Order::Drained {
            self.remove_stored(parts, &mut done).await;
        }
        done
    }

    async fn remove_stored(&self, parts: &Parts, done: &mut StackRemoval) {
        for (id, name) in &parts.secrets {
            count(&mut done.stored, &mut done.left, "secret", name, self.writer.remove_secret(id).await);
        }
        for (id, name) in &parts.configs {
            count(&mut done.stored, &mut done.left, "config", name, self.writer.remove_config(id).await);
        }
    }

    /// Waits until the store holds no task of these services and none that stops on these networks.
    async fn drain(&self, parts: &Parts) -> Result<(), String> {
        let since = Instant::now();
        let mut said = 0;
        loop {
            let left = self.holding_up(parts).await.map_err(|e| e.to_string())?;
            if left == 0 {
                return Ok(());
            }
            if self.options.patience < since.elapsed() {
                return Err(format!(
                    "{left} task(s) still there after {} s, so it was left in place",
                    self.options.patience.as_secs()
                ));
            }
            if left != said {
                said = left;
                (self.watch)(Progress::Step(format!("{}: waiting for {left} task(s) to stop", parts.name)));
            }
            poll().await;
        }
    }

    /// How many tasks would lose addresses if the networks were removed now.
    async fn holding_up(&self, parts: &Parts) -> Result<u64, CallError> {
        let tasks = read_tasks(self.engine).await?;
        // After the tasks: a service that is made in between is not taken for one that is gone.
        let services = read_services(self.engine).await?;
        let alive: BTreeSet<_> = services.into_iter().map(|s| s.id).collect();
        Ok(tasks.iter().filter(|t| holds_up(&alive, t, parts)).count() as u64)
    }

    /// Removes a network; where Swarm still counts a task on it, again until it does not.
    async fn remove_network(&self, id: &NetworkId) -> Result<(), CallError> {
        let since = Instant::now();
        loop {
            match self.writer.remove_network(id).await {
                Err(e) if e.message().contains("in use") && since.elapsed() < self.options.patience => {
                    poll().await;
                }
                outcome => return outcome,
            }
        }
    }
}

fn count<E: ToString>(
    done: &mut u64,
    left: &mut Vec<String>,
    what: &str,
    name: &str,
    outcome: Result<(), E>,
) {
    match outcome {
        Ok(()) => *done += 1,
        Err(error) => left.push(format!("{what} {name}: {}", error.to_string())),
    }
}

/// True iff removing the networks now would lose this task's addresses.
///
/// Not only tasks of the services at hand count: somebody, an interrupted run perhaps, may have removed services of
/// these networks a moment ago, and their tasks still stop.
fn holds_up(alive: &BTreeSet<ServiceId>, task: &Task, parts: &Parts) -> bool {
    let Some(service) = &task.service else { return task.state.holds_addresses() && attached(task, parts) };
    let removed_by_us = parts.services.iter().any(|(id, _)| id == service);
    let orphan = !alive.contains(service);
    removed_by_us || (attached(task, parts) && (orphan || task.state.holds_addresses()))
}

fn attached(task: &Task, parts: &Parts) -> bool {
    task.attachments.iter().any(|(id, _)| parts.networks.iter().any(|(n, _)| n == id))
}

/// Secrets and configs: names, ids and labels only.
struct Stored {
    secrets: Vec<wire::Stored>,
    configs: Vec<wire::Stored>,
}

impl Stored {
    async fn read(engine: &Engine) -> Result<Self, CallError> {
        let secrets = engine.connection().get("/secrets").await?;
        Ok(Self { secrets, configs: engine.connection().get("/configs").await? })
    }
}

fn parts_of_stack(snapshot: &Snapshot, stored: &Stored, stack: &str) -> Parts {
    parts(snapshot, stored, stack, STACK_LABEL, stack)
}

fn parts_of_run(snapshot: &Snapshot, stored: &Stored, run: &RunId) -> Parts {
    parts(snapshot, stored, "pvcheck's own", RUN_LABEL, run.as_str())
}

fn parts(snapshot: &Snapshot, stored: &Stored, name: &str, label: &str, value: &str) -> Parts {
    let ours = |stack: &Option<String>, run: &Option<String>| {
        let have = if label == STACK_LABEL { stack } else { run };
        have.as_deref() == Some(value)
    };
    let labelled = |s: &&wire::Stored| {
        s.spec.labels.as_ref().and_then(|l| l.get(label)).is_some_and(|have| have == value)
    };
    let services = snapshot.services.iter().filter(|s| ours(&s.stack, &s.run));
    // Right after a removal the list still shows this node's copy of a network: each id once.
    let mut seen = BTreeSet::new();
    let networks = snapshot.networks.iter().filter(|n| ours(&n.stack, &n.run) && n.scope == "swarm");
    Parts {
        name: name.to_owned(),
        services: services.map(|s| (s.id.clone(), s.name.clone())).collect(),
        networks: networks
            .filter(|n| seen.insert(n.id.clone()))
            .map(|n| (n.id.clone(), n.name.clone()))
            .collect(),
        secrets: stored
            .secrets
            .iter()
            .filter(labelled)
            .map(|s| (SecretId::new(&s.id), s.spec.name.clone()))
            .collect(),
        configs: stored
            .configs
            .iter()
            .filter(labelled)
            .filter(|s| !crate::lock::is_held(s.spec.labels.as_ref(), snapshot.engine.at))
            .map(|s| (ConfigId::new(&s.id), s.spec.name.clone()))
            .collect(),
    }
}

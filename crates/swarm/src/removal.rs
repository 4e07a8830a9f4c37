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
use crate::drain::{Holding, Leaving, Looks, holding};
use crate::engine::Engine;
use crate::ids::{ConfigId, NetworkId, RunId, SecretId, ServiceId};
use crate::progress::{Progress, Watcher};
use crate::snapshot::Snapshot;
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

    /// Of which nothing is done yet.
    fn begun(&self) -> StackRemoval {
        StackRemoval { stack: self.name.clone(), services: 0, networks: 0, stored: 0, left: Vec::new() }
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
    let writer = Writer::new(engine.connection(), permit);
    Ok(Remover { looks: Looks::new(engine), writer, options, watch }.remove_all(&parts).await)
}

/// Which of these stacks there are, each once, and which not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundStacks {
    /// Those of which something is in the Swarm: a service, a network, a secret or a config.
    pub present: Vec<String>,
    /// Those of which nothing is.
    pub missing: Vec<String>,
}

/// Looks which of these stacks there are, for callers to whom an unknown one is no error.
///
/// # Errors
/// When the look fails.
pub async fn find_stacks(engine: &Engine, names: &[String]) -> Result<FoundStacks, CallError> {
    let snapshot = engine.snapshot().await?;
    let stored = Stored::read(engine).await?;
    let is_there = |name: &String| !parts_of_stack(&snapshot, &stored, name).is_empty();
    let (present, missing) = once(names).into_iter().partition(is_there);
    Ok(FoundStacks { present, missing })
}

/// Each name once, in the order given.
fn once(names: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.iter().filter(|name| seen.insert(*name)).cloned().collect()
}

/// The parts of each stack; an unknown name is an error.
async fn parts_of_stacks(engine: &Engine, names: &[String]) -> Result<Vec<Parts>, RemovalError> {
    let snapshot = engine.snapshot().await?;
    let stored = Stored::read(engine).await?;
    let parts: Vec<Parts> = once(names).iter().map(|n| parts_of_stack(&snapshot, &stored, n)).collect();
    match parts.iter().find(|p| p.is_empty()) {
        Some(unknown) => {
            let name = unknown.name.clone();
            Err(RemovalError::NoSuchStack { name, stacks: known_stacks(&snapshot, &stored) })
        }
        None => Ok(parts),
    }
}

/// Names of all stacks, those too of which only a secret or a config is left.
fn known_stacks(snapshot: &Snapshot, stored: &Stored) -> Vec<String> {
    let labels = stored.secrets.iter().chain(&stored.configs).filter_map(|s| s.spec.labels.as_ref());
    let named = labels.filter_map(|l| l.get(STACK_LABEL).filter(|name| !name.is_empty()).cloned());
    snapshot.stacks().into_iter().chain(named).collect::<BTreeSet<_>>().into_iter().collect()
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
    let writer = Writer::new(engine.connection(), permit);
    let remover = Remover { looks: Looks::new(engine), writer, options: &options, watch };
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
    looks: Looks<'a>,
    writer: Writer<'a>,
    options: &'a RemovalOptions,
    watch: Watcher<'a>,
}

impl Remover<'_> {
    async fn remove(&self, parts: &Parts) -> StackRemoval {
        let mut done = self.remove_all(std::slice::from_ref(parts)).await;
        done.pop().unwrap_or_else(|| parts.begun())
    }

    /// Stacks side by side. All services go before any wait begins: a task of one stack may stop on another's network.
    async fn remove_all(&self, stacks: &[Parts]) -> Vec<StackRemoval> {
        let services = join_all(stacks.iter().map(|parts| self.remove_services(parts))).await;
        let removed: BTreeSet<ServiceId> = services.iter().flat_map(|(_, ids)| ids.iter().cloned()).collect();
        let rest = stacks.iter().zip(services);
        join_all(rest.map(|(parts, (done, _))| self.remove_rest(parts, &removed, done))).await
    }

    /// What was done, and the services that are gone.
    async fn remove_services(&self, parts: &Parts) -> (StackRemoval, BTreeSet<ServiceId>) {
        let (mut done, mut gone) = (parts.begun(), BTreeSet::new());
        for (id, name) in &parts.services {
            self.say("service", name);
            let outcome = self.writer.remove_service(id).await;
            if outcome.is_ok() {
                gone.insert(id.clone());
            }
            count(&mut done.services, &mut done.left, "service", name, outcome);
        }
        (done, gone)
    }

    async fn remove_rest(
        &self,
        parts: &Parts,
        removed: &BTreeSet<ServiceId>,
        mut done: StackRemoval,
    ) -> StackRemoval {
        // Docker's own order has the networks last; without the wait before them that does not help.
        if self.options.order == Order::StackRm {
            self.remove_stored(parts, &mut done).await;
        }
        let drained = match self.options.order {
            Order::Drained => self.drain(parts, removed).await,
            Order::StackRm => Ok(Holding::default()),
        };
        for (id, name) in &parts.networks {
            let outcome = match &drained {
                Ok(holding) => match holding.used.get(id) {
                    Some(user) => Err(format!("service {user} uses it, so it was left in place")),
                    None => self.remove_network(id, name).await.map_err(|e| e.to_string()),
                },
                Err(why) => Err(why.clone()),
            };
            count(&mut done.networks, &mut done.left, "network", name, outcome);
        }
        if let (Err(why), []) = (&drained, parts.networks.as_slice()) {
            done.left.push(format!("tasks: {why}"));
        }
        if self.options.order == Order::Drained {
            self.remove_stored(parts, &mut done).await;
        }
        done
    }

    async fn remove_stored(&self, parts: &Parts, done: &mut StackRemoval) {
        for (id, name) in &parts.secrets {
            self.say("secret", name);
            count(&mut done.stored, &mut done.left, "secret", name, self.writer.remove_secret(id).await);
        }
        for (id, name) in &parts.configs {
            self.say("config", name);
            count(&mut done.stored, &mut done.left, "config", name, self.writer.remove_config(id).await);
        }
    }

    /// Waits until no task would lose an address with these networks, and says which of them others use.
    async fn drain(&self, parts: &Parts, removed: &BTreeSet<ServiceId>) -> Result<Holding, String> {
        let networks: BTreeSet<NetworkId> = parts.networks.iter().map(|(id, _)| id.clone()).collect();
        let ids = parts.services.iter().map(|(id, _)| id);
        let ours = ids.filter(|id| removed.contains(id)).cloned().collect();
        let leaving = Leaving { ours: &ours, removed, networks: &networks };
        let since = Instant::now();
        let (mut asked, mut said) = (since, 0);
        loop {
            let seen = self.looks.after(asked).await;
            asked = Instant::now();
            // A look that fails may be a manager's bad moment; only time ends the wait.
            let left = match seen {
                Ok(look) => {
                    let holding = holding(&look.tasks, &look.services, &leaving);
                    if holding.tasks() == 0 {
                        return Ok(holding);
                    }
                    self.say_waiting(parts, holding.tasks(), &mut said);
                    holding.words()
                }
                Err(error) => error.to_string(),
            };
            if self.options.patience < since.elapsed() {
                return Err(format!(
                    "{left} after {} s{}",
                    self.options.patience.as_secs(),
                    if networks.is_empty() { "" } else { ", so it was left in place" }
                ));
            }
            poll().await;
        }
    }

    fn say_waiting(&self, parts: &Parts, tasks: u64, said: &mut u64) {
        if tasks != *said {
            *said = tasks;
            (self.watch)(Progress::Step(format!("{}: waiting for {tasks} task(s) to stop", parts.name)));
        }
    }

    fn say(&self, what: &'static str, name: &str) {
        (self.watch)(Progress::Removing { what, name: name.to_owned() });
    }

    /// Removes a network; where Swarm still counts a task on it, again until it does not.
    async fn remove_network(&self, id: &NetworkId, name: &str) -> Result<(), CallError> {
        self.say("network", name);
        let since = Instant::now();
        loop {
            match self.writer.remove_network(id).await {
                Err(e)
                    if e.message().contains("in use by task") && since.elapsed() < self.options.patience =>
                {
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
            .filter(|s| !crate::lock::outlives_sweep(s.spec.labels.as_ref(), snapshot.engine.at))
            .map(|s| (ConfigId::new(&s.id), s.spec.name.clone()))
            .collect(),
    }
}

//! The churn: throwaway stacks deployed and removed, with a census before and after.
//!
//! Counting endpoints shows nothing: a leaked address has none. So the proof is the allocator's own answer.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use pvcheck_ipam::{CyclesLeft, LeakRate};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::census::{Census, CensusError, CensusOptions, census};
use crate::connection::CallError;
use crate::engine::Engine;
use crate::ids::{NetworkId, RunId};
use crate::lock::{Lock, LockAs, LockError};
use crate::owners::owners;
use crate::progress::{Progress, Watcher};
use crate::removal::{RemovalError, RemovalOptions, StackRemoval, remove_stacks, sweep_run};
use crate::snapshot::{Network, Node, Snapshot};
use crate::stack::{DeployError, PublishMode, StackPlan, deploy, wait_running};
use crate::writes::Permit;

/// In which order a stack's parts are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Services, wait for their tasks, then the rest: leaks nothing.
    Drained,
    /// Services, secrets, configs, networks at once, as `docker stack rm`: leaks.
    StackRm,
}

impl Order {
    /// Its name on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::StackRm => "stack-rm",
        }
    }
}

/// What a throwaway stack consists of, beside a service on the shared network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChurnShape {
    /// A private network of its own: the shape that leaks.
    #[default]
    #[serde(rename = "shared+private")]
    SharedAndPrivate,
    /// Nothing.
    Shared,
    /// A private network, and a port published on the node, which the engine chooses.
    HostPort,
    /// A private network, and a port published through the routing mesh, which the engine chooses. What `ingress` loses
    /// is not counted: nothing can be attached to it, so it has no census.
    IngressPort,
}

impl ChurnShape {
    /// Its name on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SharedAndPrivate => "shared+private",
            Self::Shared => "shared",
            Self::HostPort => "host-port",
            Self::IngressPort => "ingress-port",
        }
    }

    /// True iff a stack has a network of its own.
    pub fn is_private(self) -> bool {
        self != Self::Shared
    }

    fn publish(self) -> Option<PublishMode> {
        match self {
            Self::HostPort => Some(PublishMode::Host),
            Self::IngressPort => Some(PublishMode::Ingress),
            Self::SharedAndPrivate | Self::Shared => None,
        }
    }
}

/// What a churn does.
#[derive(Clone, Debug)]
pub struct ChurnPlan {
    /// The shared overlay under test, by name.
    pub network: String,
    /// Stacks per round, side by side.
    pub stacks: u32,
    /// Tasks per stack.
    pub replicas: u32,
    /// Rounds, one after the other.
    pub rounds: u32,
    /// How stacks are removed.
    pub order: Order,
    /// What stacks consist of.
    pub shape: ChurnShape,
    /// The image of their service.
    pub image: String,
    /// What it runs; empty for the image's own.
    pub command: Vec<String>,
    /// Addresses that must stay free at the planned peak.
    pub reserve: u64,
    /// How long a round's stacks may take to run, and to stop.
    pub patience: Duration,
    /// The bounds of each census.
    pub census: CensusOptions,
    /// In whose name the Swarm's lock is held from the first stack to the last; `None` where the caller holds it.
    pub lock: Option<LockAs>,
}

impl ChurnPlan {
    /// Addresses of the shared network that a round takes at its peak: one VIP and its tasks per stack.
    pub fn peak_addresses(&self) -> u64 {
        u64::from(self.stacks) * (1 + u64::from(self.replicas))
    }

    /// Addresses that earlier rounds are expected to have lost at the peak of the last: one per task, where Docker's
    /// order meets a private network.
    fn expected_losses(&self) -> u64 {
        let leaks = self.order == Order::StackRm && self.shape.is_private();
        let lossy_rounds = if leaks { self.rounds.saturating_sub(1) } else { 0 };
        u64::from(lossy_rounds) * u64::from(self.stacks) * u64::from(self.replicas)
    }
}

/// Counts on the shared network at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChurnCounts {
    /// Addresses held by known owners, load balancers included.
    pub owned: u64,
    /// Tasks of all services on it, in whatever state holds an address.
    pub tasks: u64,
    /// Stacks in the Swarm.
    pub stacks: u64,
    /// Addresses leaked, where a census was taken and complete.
    pub leaked: Option<u64>,
}

/// What a churn found: schema `pvcheck/v1`, kind `churn`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Churn {
    /// Always `pvcheck/v1`.
    pub schema: String,
    /// Always `churn`.
    pub kind: String,
    /// The shared network.
    pub network: String,
    /// How stacks were removed.
    pub order: Order,
    /// What they consisted of.
    #[serde(default)]
    pub shape: ChurnShape,
    /// Stacks per round.
    pub stacks: u32,
    /// Rounds.
    pub rounds: u32,
    /// Stacks deployed and removed in all.
    pub cycles: u64,
    /// Before anything.
    pub baseline: ChurnCounts,
    /// With the last round's stacks running.
    pub deployed: ChurnCounts,
    /// Right after the last removal: what Docker's order leaves running still holds addresses.
    pub removed: ChurnCounts,
    /// When nothing of the run was listed any more.
    #[serde(default)]
    pub pruned: Option<ChurnCounts>,
    /// Addresses lost in between; `null` unless both censuses were complete.
    pub leaked: Option<u64>,
    /// Which.
    pub leaked_addresses: Vec<Ipv4Addr>,
    /// What the engine refused on the way.
    pub errors: Vec<String>,
    /// What is left of the throwaway stacks, by name.
    pub residue: Vec<String>,
    /// Stacks of others that came or went meanwhile; with any, leaks may not be ours.
    pub strangers: Vec<String>,
    /// Leaks per cycle; `null` where `leaked` is.
    pub leak_per_cycle: Option<LeakRate>,
    /// Cycles until the pool is used up; `null` where `leaked` is.
    pub cycles_to_exhaustion: Option<CyclesLeft>,
    /// The longest removal of a round.
    pub removal_ms: u64,
    /// The census before.
    pub census_before: Census,
    /// The census after.
    pub census_after: Census,
}

/// Why there was no churn, or none to the end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChurnError {
    /// There is too little room on the network.
    #[error(
        "the churn would need {needed} addresses of {network} and leave {left} of {free} free, less than the reserve of {reserve}; ask for fewer stacks"
    )]
    TooLittleRoom {
        /// The network.
        network: String,
        /// Addresses free by census.
        free: u64,
        /// Addresses needed at the peak.
        needed: u64,
        /// What would be left.
        left: u64,
        /// What must be left.
        reserve: u64,
    },
    /// A census was refused or failed.
    #[error(transparent)]
    Census(#[from] CensusError),
    /// Somebody else holds the Swarm's lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Stacks did not come up.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// Stacks could not be removed.
    #[error(transparent)]
    Removal(#[from] RemovalError),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// How long the lock counts as held if nobody releases it: longer than a churn of many rounds takes.
const LOCKED: Duration = Duration::from_hours(1);

/// Deploys and removes throwaway stacks with a private network each, and counts what the shared network lost.
///
/// Everything made carries the label of `run`. After an error or a dropped future, [`sweep_run`] takes away what is
/// left; a churn that ends well has swept already, and names what it could not remove in `residue`.
///
/// # Errors
/// When there is too little room, a census is refused, somebody else holds the Swarm's lock, stacks do not come up, or a
/// call fails.
pub async fn churn(
    engine: &Engine,
    permit: Permit,
    plan: &ChurnPlan,
    run: &RunId,
    watch: Watcher<'_>,
) -> Result<Churn, ChurnError> {
    let before = census(engine, permit, &plan.network, &plan.census, run, watch).await?;
    let start = engine.snapshot().await?;
    let network = start.named_overlay(&plan.network).map_err(CensusError::from)?.clone();
    room(plan, &start, &network, &before)?;
    let lock = match &plan.lock {
        Some(name) => Some(Lock::take(engine, permit, &name.request(run, "churn", LOCKED)).await?),
        None => None,
    };

    let mut record = Record::default();
    let mut deployed = counts(&start, &network, None);
    let mut removed = deployed.clone();
    for round in 0..plan.rounds {
        let running = deploy_round(engine, permit, plan, &network.id, round, run, watch).await?;
        deployed = counts(&running, &network, None);
        record.strangers(&start, &running, run);
        let names = stacks_of(plan, &network.id, round, run).into_iter().map(|p| p.name).collect::<Vec<_>>();
        record.remove(engine, permit, plan, &names, watch).await?;
        removed = counts(&engine.snapshot().await?, &network, None);
    }
    if let Some(lock) = lock {
        lock.release(engine, permit).await?;
    }
    let swept = sweep_run(engine, permit, run, plan.patience, watch).await?;
    let end = engine.snapshot().await?;
    record.strangers(&start, &end, run);
    let after = census(engine, permit, &plan.network, &plan.census, run, watch).await?;
    let ends = Ends {
        baseline: counts(&start, &network, before.leaked),
        deployed,
        // The sweep in between gives nothing back and loses nothing.
        removed: ChurnCounts { leaked: after.leaked, ..removed },
        pruned: counts(&end, &network, after.leaked),
    };
    Ok(record.conclude(plan, &network, ends, swept.left, before, after))
}

/// Refuses a churn whose peak would leave less than the reserve: the stacks themselves, and a load balancer on each node
/// that has none yet and may get a task.
fn room(plan: &ChurnPlan, look: &Snapshot, network: &Network, census: &Census) -> Result<(), ChurnError> {
    let balanced = owners(look, network).load_balancers;
    let may_come = |n: &&Node| n.availability == "active" && n.state == "ready" && !balanced.contains(&n.id);
    let tasks = u64::from(plan.stacks) * u64::from(plan.replicas);
    let needed = plan.peak_addresses()
        + plan.expected_losses()
        + (look.nodes.iter().filter(may_come).count() as u64).min(tasks);
    let free = census.handed_out;
    let left = free.saturating_sub(needed);
    if needed.saturating_add(plan.reserve) <= free {
        return Ok(());
    }
    Err(ChurnError::TooLittleRoom {
        network: network.name.clone(),
        free,
        needed,
        left,
        reserve: plan.reserve,
    })
}

fn stacks_of(plan: &ChurnPlan, shared: &NetworkId, round: u32, run: &RunId) -> Vec<StackPlan> {
    let stack = |i: u32| StackPlan {
        name: format!("pvcheck-throwaway-{run}-{round}-{i}"),
        image: plan.image.clone(),
        command: plan.command.clone(),
        replicas: plan.replicas,
        shared: shared.clone(),
        private: plan.shape.is_private(),
        publish: plan.shape.publish(),
        labels: Vec::new(),
    };
    (0..plan.stacks).map(stack).collect()
}

async fn deploy_round(
    engine: &Engine,
    permit: Permit,
    plan: &ChurnPlan,
    shared: &NetworkId,
    round: u32,
    run: &RunId,
    watch: Watcher<'_>,
) -> Result<Snapshot, ChurnError> {
    watch(Progress::Step(format!(
        "churn round {} of {}: deploying {} stacks",
        round + 1,
        plan.rounds,
        plan.stacks
    )));
    let stacks = stacks_of(plan, shared, round, run);
    try_join_all(stacks.iter().map(|s| deploy(engine, permit, s, run))).await?;
    Ok(wait_running(engine, &stacks, plan.patience).await?)
}

fn counts(snapshot: &Snapshot, network: &Network, leaked: Option<u64>) -> ChurnCounts {
    let owners = owners(snapshot, network);
    ChurnCounts {
        owned: owners.total(),
        tasks: owners.count(crate::owners::OwnerKind::Task),
        stacks: snapshot.stacks().len() as u64,
        leaked,
    }
}

struct Ends {
    baseline: ChurnCounts,
    deployed: ChurnCounts,
    removed: ChurnCounts,
    pruned: ChurnCounts,
}

/// What happened on the way.
#[derive(Default)]
struct Record {
    errors: Vec<String>,
    strangers: BTreeSet<String>,
    removal: Duration,
}

impl Record {
    async fn remove(
        &mut self,
        engine: &Engine,
        permit: Permit,
        plan: &ChurnPlan,
        names: &[String],
        watch: Watcher<'_>,
    ) -> Result<(), ChurnError> {
        watch(Progress::Step(format!("removing {} stacks, order {}", names.len(), plan.order.as_str())));
        let since = Instant::now();
        let options = RemovalOptions { order: plan.order, patience: plan.patience };
        let removed: Vec<StackRemoval> = remove_stacks(engine, permit, names, &options, watch).await?;
        self.removal = self.removal.max(since.elapsed());
        self.errors.extend(removed.into_iter().flat_map(|r| r.left));
        Ok(())
    }

    /// Notes stacks that are in one look and not in the other, and are none of ours.
    fn strangers(&mut self, then: &Snapshot, now: &Snapshot, run: &RunId) {
        let (then, now): (BTreeSet<_>, BTreeSet<_>) =
            (then.stacks().into_iter().collect(), now.stacks().into_iter().collect());
        let differing = then.symmetric_difference(&now).filter(|s| !s.contains(run.as_str())).cloned();
        self.strangers.extend(differing);
    }

    fn conclude(
        self,
        plan: &ChurnPlan,
        network: &Network,
        ends: Ends,
        residue: Vec<String>,
        before: Census,
        after: Census,
    ) -> Churn {
        let cycles = u64::from(plan.stacks) * u64::from(plan.rounds);
        let old: BTreeSet<_> = before.leaked_addresses.iter().copied().collect();
        let known = before.complete && after.complete;
        let leaked_addresses: Vec<_> =
            after.leaked_addresses.iter().copied().filter(|a| known && !old.contains(a)).collect();
        // A node that got its load balancer meanwhile holds one of these, and nobody can say which.
        let balancers = after.load_balancers.saturating_sub(before.load_balancers);
        let leaked = known.then(|| (leaked_addresses.len() as u64).saturating_sub(balancers));
        // No cycles, no rate: an empty churn proves nothing.
        let rate = leaked.and_then(|n| LeakRate::new(n, cycles).ok());
        Churn {
            schema: "pvcheck/v1".into(),
            kind: "churn".into(),
            network: network.name.clone(),
            order: plan.order,
            shape: plan.shape,
            stacks: plan.stacks,
            rounds: plan.rounds,
            cycles,
            baseline: ends.baseline,
            deployed: ends.deployed,
            removed: ends.removed,
            pruned: Some(ends.pruned),
            leaked,
            leaked_addresses,
            errors: self.errors,
            residue,
            strangers: self.strangers.into_iter().collect(),
            leak_per_cycle: rate,
            cycles_to_exhaustion: rate.map(|r| r.cycles_left(after.handed_out)),
            removal_ms: u64::try_from(self.removal.as_millis()).unwrap_or(u64::MAX),
            census_before: before,
            census_after: after,
        }
    }
}

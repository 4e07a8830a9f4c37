//! A churn from its first census to its last.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use pvcheck_audit::{Network, NetworkId, Node, NodeAvailability, NodeState, OwnerKind, Snapshot, owners};
use pvcheck_ipam::LeakRate;

use super::image::{check_image, find_image};
use super::plan::ChurnPlan;
use super::report::{Churn, ChurnCounts, ChurnError};
use crate::census::{Census, CensusError, census};
use crate::deploy::{deploy, wait_running};
use crate::lock::Lock;
use crate::operation::Operation;
use crate::removal::{Left, RemovalOptions, StackRemoval, remove_stacks, sweep_run};
use crate::run::RunId;
use crate::write::StackSpec;

/// When the lock of a churn that was killed expires: longer than a churn of many rounds takes.
const LOCKED: Duration = Duration::from_hours(1);

/// Deploys and removes throwaway stacks, and counts which addresses the shared network lost by that.
///
/// Everything that is created carries the label of `op.run`. After an error or a dropped future, [`sweep_run`] removes
/// what is left; a churn that returns has swept already, and `residue` has what it could not remove.
///
/// # Errors
/// If the image cannot be deployed, the peak would cut into the reserve, a census is refused, another run holds the Swarm's
/// lock, stacks do not start, or a call fails.
pub async fn churn(op: Operation<'_>, plan: &ChurnPlan) -> Result<Churn, ChurnError> {
    check_image(&plan.image)?;
    find_image(op.engine, &op.engine.snapshot().await?, &plan.image).await?;
    let before = census(op, &plan.network, &plan.census).await?;
    let start = op.engine.snapshot().await?;
    let network = start.named_overlay(&plan.network).map_err(CensusError::from)?.clone();
    check_reserve(plan, &start, &network, &before)?;
    // After the checks, so that a refused churn leaves nothing behind, not even a lock.
    let lock = match &plan.lock {
        Some(name) => Some(Lock::take(op.engine, op.permit, &name.request(op.run, "churn", LOCKED)).await?),
        None => None,
    };

    let mut record = Record::default();
    let mut deployed = counts(&start, &network, None);
    let mut removed = deployed.clone();
    for round in 0..plan.rounds {
        let running = deploy_round(op, plan, &network.id, round).await?;
        deployed = counts(&running, &network, None);
        record.strangers(&start, &running, op.run);
        let names =
            stacks_of(plan, &network.id, round, op.run).into_iter().map(|p| p.name).collect::<Vec<_>>();
        record.remove(op, plan, &names).await?;
        removed = counts(&op.engine.snapshot().await?, &network, None);
    }
    if let Some(lock) = lock {
        lock.release(op.engine, op.permit).await?;
    }
    // Before the census: parts that Docker's order left behind still hold addresses, which would not be leaks.
    let swept = sweep_run(op, plan.patience).await?;
    let end = op.engine.snapshot().await?;
    record.strangers(&start, &end, op.run);
    let after = census(op, &plan.network, &plan.census).await?;
    let ends = Ends {
        baseline: counts(&start, &network, before.leaked),
        deployed,
        // The sweep between the two moments neither frees a leaked address nor leaks one, so the count holds for both.
        removed: ChurnCounts { leaked: after.leaked, ..removed },
        pruned: counts(&end, &network, after.leaked),
    };
    Ok(record.conclude(plan, &network, ends, swept.left, before, after))
}

/// Refuses a churn whose peak would leave less than the reserve. The peak has the stacks, the expected losses of earlier
/// rounds, and a load balancer on each node that has none yet and may get a task.
fn check_reserve(
    plan: &ChurnPlan,
    snapshot: &Snapshot,
    network: &Network,
    census: &Census,
) -> Result<(), ChurnError> {
    let balanced = owners(snapshot, network).load_balancers;
    let may_come = |n: &&Node| {
        n.availability == NodeAvailability::Active && n.state == NodeState::Ready && !balanced.contains(&n.id)
    };
    let tasks = u64::from(plan.stacks) * u64::from(plan.replicas);
    let needed = plan.peak_addresses()
        + plan.expected_losses()
        + (snapshot.nodes.iter().filter(may_come).count() as u64).min(tasks);
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

fn stacks_of(plan: &ChurnPlan, shared: &NetworkId, round: u32, run: &RunId) -> Vec<StackSpec> {
    let stack = |i: u32| StackSpec {
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
    op: Operation<'_>,
    plan: &ChurnPlan,
    shared: &NetworkId,
    round: u32,
) -> Result<Snapshot, ChurnError> {
    op.say(format!("churn round {} of {}: deploying {} stacks", round + 1, plan.rounds, plan.stacks));
    let stacks = stacks_of(plan, shared, round, op.run);
    try_join_all(stacks.iter().map(|s| deploy(op, s))).await?;
    Ok(wait_running(op.engine, &stacks, plan.patience).await?)
}

fn counts(snapshot: &Snapshot, network: &Network, leaked: Option<u64>) -> ChurnCounts {
    let owners = owners(snapshot, network);
    ChurnCounts {
        owned: owners.total(),
        tasks: owners.count(OwnerKind::Task),
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

/// What is collected during the rounds.
#[derive(Default)]
struct Record {
    errors: Vec<Left>,
    strangers: BTreeSet<String>,
    removal: Duration,
}

impl Record {
    async fn remove(
        &mut self,
        op: Operation<'_>,
        plan: &ChurnPlan,
        names: &[String],
    ) -> Result<(), ChurnError> {
        op.say(format!("removing {} stacks, order {}", names.len(), plan.order.as_str()));
        let since = Instant::now();
        let options = RemovalOptions { order: plan.order, patience: plan.patience };
        let removed: Vec<StackRemoval> = remove_stacks(op, names, &options).await?;
        self.removal = self.removal.max(since.elapsed());
        self.errors.extend(removed.into_iter().flat_map(|r| r.left));
        Ok(())
    }

    /// Records stacks that are in one of two snapshots only and do not belong to this run.
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
        residue: Vec<Left>,
        before: Census,
        after: Census,
    ) -> Churn {
        let cycles = u64::from(plan.stacks) * u64::from(plan.rounds);
        let old: BTreeSet<_> = before.suspects().collect();
        let known = before.complete && after.complete;
        let leaked_addresses: Vec<_> = after.suspects().filter(|a| known && !old.contains(a)).collect();
        // A node that got its load balancer meanwhile holds one of these; no API says which, so only the number is corrected.
        let balancers = after.load_balancers.saturating_sub(before.load_balancers);
        let leaked = known.then(|| (leaked_addresses.len() as u64).saturating_sub(balancers));
        // No cycles, no rate: an empty churn proves nothing.
        let rate = leaked.and_then(|n| LeakRate::new(n, cycles).ok());
        Churn {
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

//! A reclaim, from the collection of facts to the report.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pvcheck_audit::NodeId;
use serde_json::json;

use super::collect::{info, reclaim_facts};
use super::count::{LeakCount, chosen, count};
use super::error::ReclaimError;
use super::facts::{Manager, ReclaimFacts};
use super::note::Note;
use super::plan::plan_reclaim;
use super::report::{Reclaim, ReclaimOptions};
use super::step::Step;
use super::step_log::{Record, SCHEMA, StepLog, unfinished_reclaim};
use super::strategy::Strategy;
use super::unchanged::Inventory;
use super::work::{CHANGE, Work, millis};
use crate::engine::{Engine, wire};
use crate::lock::Lock;
use crate::operation::Operation;
use crate::removal::sweep_run;

/// Counts leaked addresses, and frees them if there are any. `op.engine` is a manager, `others` are further ones.
///
/// On an error nothing was changed, or the Swarm was restored, or the error asks for [`resume_reclaim`]. A caller that drops
/// the future must call [`resume_reclaim`] as well.
///
/// # Errors
/// If any of [`ReclaimError`] happens; after [`ReclaimError::Stranded`] and [`ReclaimError::QuorumLost`] the Swarm is not
/// restored yet.
pub async fn reclaim(
    op: Operation<'_>,
    others: &[Engine],
    options: &ReclaimOptions<'_>,
) -> Result<Reclaim, ReclaimError> {
    let started = Instant::now();
    if let Some(file) = unfinished_reclaim(&options.state) {
        return Err(ReclaimError::Unfinished { file });
    }
    let facts = reclaim_facts(op.engine, others).await?;
    let names = chosen(&op.engine.snapshot().await?, &options.networks)?;
    let plan = plan_reclaim(&facts, options.wish);
    let (Some(strategy), Some(leader)) = (plan.strategy, facts.leader()) else {
        return Err(ReclaimError::Refused { plan: Box::new(plan) });
    };
    if options.break_lock.is_none() {
        // Checked now, taken only if addresses are leaked: a census must not run during the operation of another holder.
        Lock::expect_free(op.engine).await?;
    }
    let before = count(op, &names, Duration::ZERO).await?;
    let inventory = Inventory::read(op.engine, op.run).await?;
    if before.iter().all(|c| c.leaked == Some(0)) {
        return Ok(nothing_leaked(before, &inventory, started));
    }
    let record = record(op, strategy, leader, &facts, inventory, before).await?;
    let log = StepLog::begin(&options.state, record, options.hook)?;
    let mut work = Work { op, others, options, log, notes: Vec::new() };
    if let Err(error) = work.lock().await {
        // Nothing but the step log exists so far, so there is nothing for a resume to do.
        work.log.end()?;
        return Err(error);
    }
    let outcome = match strategy {
        Strategy::Handover => work.hand_over().await,
        Strategy::Borrow => work.borrow(facts.here.link).await,
        Strategy::Restart => work.restart().await,
    };
    // Restored after success and failure alike: the second half of each strategy is its restoration.
    match (outcome, work.restore().await) {
        (Ok(()), Ok(())) => work.conclude(started, false).await,
        (Err(why), Ok(())) => {
            work.log.end()?;
            Err(ReclaimError::NotDone(Box::new(why)))
        }
        (Ok(()), Err(then)) => Err(stranded("the addresses were taken back".to_owned(), then)),
        (Err(why), Err(then)) => Err(stranded(why.to_string(), then)),
    }
}

/// Everything that another process needs to finish what this one begins.
async fn record(
    op: Operation<'_>,
    strategy: Strategy,
    leader: &Manager,
    facts: &ReclaimFacts,
    inventory: Inventory,
    counts: Vec<LeakCount>,
) -> Result<Record, ReclaimError> {
    // Read now: a resume needs it when the quorum is lost, and then no manager answers.
    let swarm: wire::Swarm = op.engine.connection().get("/swarm").await?;
    let renewal = renewal(&swarm, facts);
    let spec = swarm.spec.unwrap_or_default();
    Ok(Record {
        schema: SCHEMA.into(),
        run: op.run.clone(),
        strategy,
        begun: Timestamp::now(),
        asked: facts.connected.clone(),
        host: op.engine.connection().host().to_string(),
        leader: leader.id.clone(),
        managers: facts.managers.iter().map(|m| m.id.clone()).collect(),
        address: leader.address.clone().unwrap_or_default(),
        renewal,
        raft_log: (spec.raft.snapshot_interval, spec.raft.log_entries_for_slow_followers),
        heartbeat_ns: spec.dispatcher.heartbeat_period,
        inventory,
        counts,
        raft: facts.here.raft_dir.clone(),
        private: None,
        guest: None,
        marks: Vec::new(),
    })
}

/// Finishes what an earlier process began in this state folder: managers get their roles back; a borrowed node, its engine,
/// namespace and folder are removed; tokens are rotated; the lock is released. `op.engine` is any former manager.
///
/// # Errors
/// If there is nothing to resume, the engine belongs to another Swarm, or a step cannot be undone yet. It can be called again.
pub async fn resume_reclaim(
    op: Operation<'_>,
    others: &[Engine],
    options: &ReclaimOptions<'_>,
) -> Result<Reclaim, ReclaimError> {
    let started = Instant::now();
    // A write whose caller was dropped may still be under way in this process; its effect must be visible first.
    op.engine.connection().settled().await;
    let Some(log) = StepLog::load(&options.state, options.hook)? else {
        return Err(ReclaimError::NothingToResume { dir: options.state.clone() });
    };
    let node = NodeId::new(info(op.engine).await?.swarm.node_id);
    // Any former manager will do, also one that is demoted at the moment.
    if !log.record.managers.contains(&node) {
        let Record { asked, host, .. } = log.record;
        return Err(ReclaimError::OtherSwarm { asked, host });
    }
    let mut work = Work { op, others, options, log, notes: Vec::new() };
    work.restore().await?;
    work.conclude(started, true).await
}

fn stranded(why: String, then: ReclaimError) -> ReclaimError {
    match then {
        lost @ ReclaimError::QuorumLost { .. } => lost,
        then => ReclaimError::Stranded { why, then: Box::new(then) },
    }
}

fn nothing_leaked(before: Vec<LeakCount>, inventory: &Inventory, started: Instant) -> Reclaim {
    Reclaim {
        applied: true,
        resumed: false,
        strategy: None,
        before,
        after: Vec::new(),
        leader_before: inventory.leader().map(str::to_owned),
        leader_after: inventory.leader().map(str::to_owned),
        tasks: inventory.running() as u64,
        changed: Vec::new(),
        notes: Vec::new(),
        steps: Vec::new(),
        elapsed_ms: millis(started),
    }
}

/// The body of the call that makes this manager the only one again. It repeats what `docker swarm init` would otherwise reset
/// to its defaults: above all the address pools, without which new networks get subnets of another range.
fn renewal(swarm: &wire::Swarm, facts: &ReclaimFacts) -> serde_json::Value {
    let address = facts.asked().and_then(|m| m.address.clone()).unwrap_or_default();
    json!({
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": address,
        "ForceNewCluster": true,
        "DefaultAddrPool": swarm.default_addr_pool,
        "SubnetSize": swarm.subnet_size,
        "DataPathPort": swarm.data_path_port,
        "Spec": {},
    })
}

impl Work<'_> {
    async fn lock(&mut self) -> Result<(), ReclaimError> {
        let since = self.log.begun(Step::Lock)?;
        let lock = Lock::take(self.op.engine, self.op.permit, &self.lock_request()).await?;
        if let Some(over) = lock.taken_over() {
            self.notes.push(Note::LockTakenOver {
                holder: over.lock.holder.clone(),
                purpose: over.lock.purpose.clone(),
                reason: over.reason.clone(),
            });
        }
        self.log.done(Step::Lock, since)
    }

    /// Restores the Swarm, however far the strategy had come. Each part does only what is left to do, so it can be repeated.
    async fn restore(&mut self) -> Result<(), ReclaimError> {
        match self.log.record.strategy {
            Strategy::Handover => self.promote_all().await?,
            Strategy::Borrow => self.dismiss().await?,
            Strategy::Restart => self.wait_restarted().await?,
        }
        let since = self.log.begun(Step::Unlock)?;
        let engine = self.speaking().await?;
        // Taken again before the release: it is still this run's, unless it has expired and another run holds it now (an
        // error), or an operator has removed it (it is created and removed again).
        let lock = Lock::take(engine, self.op.permit, &self.lock_request()).await?;
        lock.release(engine, self.op.permit).await?;
        self.log.done(Step::Unlock, since)
    }

    /// Counts again, compares with the inventory from before, and ends the step log.
    async fn conclude(self, started: Instant, resumed: bool) -> Result<Reclaim, ReclaimError> {
        let engine = self.speaking().await?;
        let Record { strategy, run, counts, inventory, leader, .. } = self.log.record.clone();
        let op = self.op.on(engine).for_run(&run);
        let names: Vec<String> = counts.iter().map(|c| c.network.clone()).collect();
        if resumed {
            // The earlier process may have been killed during a census, whose services have the names that the next one uses.
            sweep_run(op, CHANGE).await?;
        }
        self.say("counting again");
        let patience = Duration::from_secs(30);
        let after = count(op, &names, patience).await;
        let swept = sweep_run(op, CHANGE).await;
        let now = Inventory::read(engine, &run).await?;
        let mut notes = self.notes;
        if let Ok(swept) = swept {
            notes.extend(swept.left.into_iter().map(|left| Note::LeftOfCensus { left }));
        }
        // A restart replaces all containers on purpose. So does a forced new cluster, but the operator should see which.
        let changed = inventory.changes(&now, strategy != Strategy::Restart);
        if now.leader() != Some(leader.as_str()) {
            notes.push(Note::AnotherLeads { leader: now.leader().map(str::to_owned) });
        }
        Ok(Reclaim {
            applied: true,
            resumed,
            strategy: Some(strategy),
            before: counts,
            after: after.map_err(ReclaimError::NotCounted)?,
            leader_before: Some(leader.to_string()),
            leader_after: now.leader().map(str::to_owned),
            tasks: inventory.running() as u64,
            changed,
            notes,
            steps: self.log.end()?,
            elapsed_ms: millis(started),
        })
    }
}

/// The default folder of the step log, `/var/lib/pvcheck`.
pub fn default_state() -> &'static Path {
    Path::new("/var/lib/pvcheck")
}

//! A reclaim from its first look to its report.

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
use super::unchanged::Standing;
use super::work::{CHANGE, Work, millis};
use crate::engine::{Engine, wire};
use crate::lock::Lock;
use crate::operation::Operation;
use crate::removal::sweep_run;

/// Counts, and if something is leaked takes it back: `engine` is a manager, `others` are further ones.
///
/// It fails before anything is touched, or makes the Swarm whole again itself, or says that [`resume_reclaim`] has to.
/// A caller that drops the future half-way calls [`resume_reclaim`] too.
///
/// # Errors
/// See [`ReclaimError`]; [`ReclaimError::Stranded`] and [`ReclaimError::QuorumLost`] leave something to be done.
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
        // It is taken when there is something to do; a census beside somebody else's work is none of ours to make.
        Lock::expect_free(op.engine).await?;
    }
    let before = count(op, &names, Duration::ZERO).await?;
    let standing = Standing::look(op.engine, op.run).await?;
    if before.iter().all(|c| c.leaked == Some(0)) {
        return Ok(nothing_leaked(before, &standing, started));
    }
    let record = record(op, strategy, leader, &facts, standing, before).await?;
    let log = StepLog::begin(&options.state, record, options.hook)?;
    let mut work = Work { op, others, options, log, notes: Vec::new() };
    if let Err(error) = work.lock().await {
        // Nothing but the log has been made so far.
        work.log.end()?;
        return Err(error);
    }
    let outcome = match strategy {
        Strategy::Handover => work.hand_over().await,
        Strategy::Borrow => work.borrow(facts.here.link).await,
        Strategy::Restart => work.restart().await,
    };
    // Restored whatever came of it: each strategy ends with the Swarm as it was.
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

/// Everything that another process needs to end what this one begins.
async fn record(
    op: Operation<'_>,
    strategy: Strategy,
    leader: &Manager,
    facts: &ReclaimFacts,
    standing: Standing,
    counts: Vec<LeakCount>,
) -> Result<Record, ReclaimError> {
    // Read now: without a quorum, when a resume needs it, no manager answers.
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
        standing,
        counts,
        raft: facts.here.raft_dir.clone(),
        private: None,
        guest: None,
        marks: Vec::new(),
    })
}

/// Ends what an earlier process began in this state folder: managers get their roles back, borrowed nodes leave, their
/// engine, namespace and folder go, tokens are rotated, the lock is released. `engine` is the manager that was asked then.
///
/// # Errors
/// When there is nothing to end, when the engine is another Swarm's, or when something cannot be undone yet; it can be
/// called again.
pub async fn resume_reclaim(
    op: Operation<'_>,
    others: &[Engine],
    options: &ReclaimOptions<'_>,
) -> Result<Reclaim, ReclaimError> {
    let started = Instant::now();
    // A write that was under way when its caller was dropped comes to its end first.
    op.engine.connection().settled().await;
    let Some(log) = StepLog::load(&options.state, options.hook)? else {
        return Err(ReclaimError::NothingToResume { dir: options.state.clone() });
    };
    let node = NodeId::new(info(op.engine).await?.swarm.node_id);
    // A manager that was demoted half-way is still that Swarm's: any of them will do.
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

fn nothing_leaked(before: Vec<LeakCount>, standing: &Standing, started: Instant) -> Reclaim {
    Reclaim {
        applied: true,
        resumed: false,
        strategy: None,
        before,
        after: Vec::new(),
        leader_before: standing.leader().map(str::to_owned),
        leader_after: standing.leader().map(str::to_owned),
        tasks: standing.running() as u64,
        changed: Vec::new(),
        notes: Vec::new(),
        steps: Vec::new(),
        elapsed_ms: millis(started),
    }
}

/// The body of the call that would make this manager the only one again: what `docker swarm init` does not repeat by itself,
/// above all the pools, without which new networks come from another range.
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

    /// Whatever was done, the Swarm is whole afterwards. Each part does only what is left to do.
    async fn restore(&mut self) -> Result<(), ReclaimError> {
        match self.log.record.strategy {
            Strategy::Handover => self.promote_all().await?,
            Strategy::Borrow => self.dismiss().await?,
            Strategy::Restart => self.wait_restarted().await?,
        }
        let since = self.log.begun(Step::Unlock)?;
        let engine = self.speaking().await?;
        // It is ours, unless it has expired and another run has it now, or the operator has removed it.
        let lock = Lock::take(engine, self.op.permit, &self.lock_request()).await?;
        lock.release(engine, self.op.permit).await?;
        self.log.done(Step::Unlock, since)
    }

    /// Looks again at everything, and closes the books.
    async fn conclude(self, started: Instant, resumed: bool) -> Result<Reclaim, ReclaimError> {
        let engine = self.speaking().await?;
        let Record { strategy, run, counts, standing, leader, .. } = self.log.record.clone();
        let op = self.op.on(engine).for_run(&run);
        let names: Vec<String> = counts.iter().map(|c| c.network.clone()).collect();
        if resumed {
            // The process before may have died in a census: what is left of it has the names that this one takes.
            sweep_run(op, CHANGE).await?;
        }
        self.say("counting again");
        let patience = Duration::from_secs(30);
        let after = count(op, &names, patience).await;
        let swept = sweep_run(op, CHANGE).await;
        let now = Standing::look(engine, &run).await?;
        let mut notes = self.notes;
        if let Ok(swept) = swept {
            notes.extend(swept.left.into_iter().map(|left| Note::LeftOfCensus { left }));
        }
        // A forced new cluster restarts tasks as the engine's restart does, but that is worth being told.
        let changed = standing.changes(&now, strategy != Strategy::Restart);
        if now.leader() != Some(leader.as_str()) {
            notes.push(Note::AnotherLeads { leader: now.leader().map(str::to_owned) });
        }
        Ok(Reclaim {
            applied: true,
            resumed,
            strategy: Some(strategy),
            before: counts,
            after: after?,
            leader_before: Some(leader.to_string()),
            leader_after: now.leader().map(str::to_owned),
            tasks: standing.running() as u64,
            changed,
            notes,
            steps: self.log.end()?,
            elapsed_ms: millis(started),
        })
    }
}

/// The folder of the log where nobody names another.
pub fn default_state() -> &'static Path {
    Path::new("/var/lib/pvcheck")
}

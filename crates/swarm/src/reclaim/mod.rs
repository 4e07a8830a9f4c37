//! Taking leaked addresses back without stopping a container: the allocator forgets them whenever it is built anew, and it
//! is built anew whenever somebody is elected leader.
//!
//! Three ways lead there, the gentlest first: `handover` among three or more managers, `borrow` of a second manager for
//! the only one, and `restart` of the engine. [`plan_reclaim`] chooses; everything that is done is written down before and
//! after in a file, so that [`resume_reclaim`] can make the Swarm whole again whatever ended the process or the private engine.

mod borrow;
mod compact;
mod count;
mod facts;
mod handover;
mod journal;
mod nodes;
mod plan;
mod private;
mod put_back;
mod restart;
mod standing;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

pub use count::LeakCount;
pub use facts::{Here, Manager, ReclaimFacts, reclaim_facts};
pub use journal::{Moment, Step, StepPoint, StepTime, unfinished_reclaim};
pub use plan::{PlanStep, ReclaimPlan, Refused, Strategy, Wish, plan_reclaim};
pub use put_back::{CopyPutBack, put_copy_back};

use journal::{Journal, Record};
use standing::Standing;

use crate::census::CensusError;
use crate::connection::CallError;
use crate::engine::{ConnectError, Engine};
use crate::ids::{NodeId, RunId};
use crate::lock::{Lock, LockError, LockRequest};
use crate::progress::{Progress, Watcher};
use crate::removal::sweep_run;
use crate::writes::{Permit, Writer};

/// Longest time for an election: two time-outs of up to 20 s each, and connections that are made again.
const ELECTION: Duration = Duration::from_secs(90);
/// Longest time for a role to change.
const CHANGE: Duration = Duration::from_mins(1);
/// How long the lock may be held: longer than all limits of one strategy together.
const LOCKED: Duration = Duration::from_mins(20);

/// How a reclaim goes about it.
#[derive(Clone)]
pub struct ReclaimOptions<'a> {
    /// Networks to count on; none for all overlays but `ingress`. All networks are rebuilt in any case.
    pub networks: Vec<String>,
    /// Which strategies may be taken.
    pub wish: Wish,
    /// The folder of the step journal and of private engines: on a disk, since it must outlive this process.
    pub state: PathBuf,
    /// Who asks, for the lock.
    pub holder: String,
    /// Why a lock of somebody else is to be taken over.
    pub break_lock: Option<String>,
    /// What restarts the engine, for a shell.
    pub restart_command: String,
    /// True iff a manager whose quorum is lost for good may be made the only one of its Swarm again; its tasks restart.
    pub force_new_cluster: bool,
    /// Told at each point between two actions.
    pub hook: &'a (dyn Fn(StepPoint) + Send + Sync),
}

/// What a reclaim did: schema `pvcheck/v1`, kind `reclaim`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    /// Always `pvcheck/v1`.
    pub schema: String,
    /// Always `reclaim`.
    pub kind: String,
    /// Always true: a plan is another kind.
    pub applied: bool,
    /// True iff an earlier run was ended by this one.
    pub resumed: bool,
    /// The strategy; `None` if nothing was leaked and so nothing was done.
    pub strategy: Option<Strategy>,
    /// Leaked addresses before.
    pub before: Vec<LeakCount>,
    /// Leaked addresses after; empty if nothing was done.
    pub after: Vec<LeakCount>,
    /// Who led before.
    pub leader_before: Option<String>,
    /// Who leads now.
    pub leader_after: Option<String>,
    /// Tasks that ran before.
    pub tasks: u64,
    /// What is not as it was: tasks, containers, processes, nodes, roles, services, secrets, configs.
    pub changed: Vec<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// Each step that this process did.
    pub steps: Vec<StepTime>,
    /// How long it took.
    pub elapsed_ms: u64,
}

impl Reclaim {
    /// Leaked addresses that are left; `None` if some count is unknown.
    pub fn left(&self) -> Option<u64> {
        let counts = if self.strategy.is_some() { &self.after } else { &self.before };
        counts.iter().map(|c| c.leaked).sum()
    }
}

/// Why addresses were not taken back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReclaimError {
    /// No strategy is possible; nothing was touched.
    #[error("no way to reclaim: {}", plan.reasons())]
    Refused {
        /// All reasons.
        plan: Box<ReclaimPlan>,
    },
    /// An earlier run was not ended; nothing was touched.
    #[error("an earlier reclaim was begun and not ended ({}); run `pvcheck reclaim --resume` first", file.display())]
    Unfinished {
        /// Its journal.
        file: PathBuf,
    },
    /// There is nothing to resume.
    #[error("there is no unfinished reclaim in {}; name its folder with --state DIR", dir.display())]
    NothingToResume {
        /// The state folder.
        dir: PathBuf,
    },
    /// The journal is that of another Swarm's manager.
    #[error(
        "the unfinished reclaim is one of manager {asked} at {host}; run it against that one with --host"
    )]
    OtherSwarm {
        /// The manager's node.
        asked: NodeId,
        /// Its engine's address then.
        host: String,
    },
    /// Somebody else holds the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A census failed.
    #[error(transparent)]
    Census(#[from] CensusError),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An engine could not be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A file or program of this host failed.
    #[error("{}: {source}", path.display())]
    State {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The journal is not one that this version understands; nothing was touched.
    #[error("{}: no journal that this version understands ({why}); resume with the version that began it, or by hand as docs/reclaim.md says", file.display())]
    Journal {
        /// The journal.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No copy of the raft folder is there to be put back; nothing was touched.
    #[error("there is no complete copy of a raft folder in {}; only an unfinished borrow has one", dir.display())]
    NoCopy {
        /// Where it would be.
        dir: PathBuf,
    },
    /// The engine runs, and would write into the folder that is to be replaced; nothing was touched.
    #[error("the engine at {host} runs; stop it first, and start it when the copy is back")]
    EngineRuns {
        /// Its address.
        host: String,
    },
    /// A program, or the private engine, did not do what it should.
    #[error("{0}")]
    Helper(String),
    /// The Swarm did not get where it should in time.
    #[error("{0}")]
    Late(String),
    /// It failed, and everything is as it was.
    #[error("not reclaimed: {0}; the Swarm is as it was")]
    NotDone(Box<Self>),
    /// It failed, and something is left to be undone.
    #[error("{why}; and then {then}; run `pvcheck reclaim --resume`")]
    Stranded {
        /// What failed first.
        why: String,
        /// What failed while it was undone.
        then: Box<Self>,
    },
    /// The only manager is alone in a raft group of two.
    #[error(
        "the Swarm has no quorum and the private engine cannot be started again ({why}); `pvcheck reclaim --resume --force-new-cluster` makes this manager the only one again: nothing is lost, but its tasks restart"
    )]
    QuorumLost {
        /// Why the private engine is no help.
        why: String,
    },
}

/// One reclaim at work.
struct Work<'a> {
    engine: &'a Engine,
    others: &'a [Engine],
    permit: Permit,
    options: &'a ReclaimOptions<'a>,
    watch: Watcher<'a>,
    journal: Journal<'a>,
    notes: Vec<String>,
}

impl Work<'_> {
    fn say(&self, text: impl Into<String>) {
        (self.watch)(Progress::Step(format!("reclaim: {}", text.into())));
    }

    fn writer<'e>(&self, engine: &'e Engine) -> Writer<'e> {
        Writer::new(engine.connection(), self.permit)
    }

    fn lock_request(&self) -> LockRequest {
        LockRequest {
            run: self.journal.record.run.clone(),
            holder: self.options.holder.clone(),
            purpose: "reclaim".to_owned(),
            lasts: LOCKED,
            break_held: self.options.break_lock.clone(),
            resumable: true,
        }
    }
}

/// Counts, and if something is leaked takes it back: `engine` is a manager, `others` are further ones.
///
/// It fails before anything is touched, or makes the Swarm whole again itself, or says that [`resume_reclaim`] has to.
/// A caller that drops the future half-way calls [`resume_reclaim`] too.
///
/// # Errors
/// See [`ReclaimError`]; [`ReclaimError::Stranded`] and [`ReclaimError::QuorumLost`] leave something to be done.
pub async fn reclaim(
    engine: &Engine,
    others: &[Engine],
    permit: Permit,
    options: &ReclaimOptions<'_>,
    run: &RunId,
    watch: Watcher<'_>,
) -> Result<Reclaim, ReclaimError> {
    let started = Instant::now();
    if let Some(file) = unfinished_reclaim(&options.state) {
        return Err(ReclaimError::Unfinished { file });
    }
    let facts = reclaim_facts(engine, others).await?;
    let names = count::chosen(&engine.snapshot().await?, &options.networks)?;
    let plan = plan_reclaim(&facts, options.wish);
    let (Some(strategy), Some(leader)) = (plan.strategy, facts.leader()) else {
        return Err(ReclaimError::Refused { plan: Box::new(plan) });
    };
    if options.break_lock.is_none() {
        // It is taken when there is something to do; a census beside somebody else's work is none of ours to make.
        Lock::expect_free(engine).await?;
    }
    let before = count::count(engine, permit, &names, run, Duration::ZERO, watch).await?;
    let standing = Standing::look(engine, run).await?;
    if before.iter().all(|c| c.leaked == Some(0)) {
        return Ok(nothing_leaked(before, &standing, started));
    }
    let swarm: facts::SwarmWire = engine.connection().get("/swarm").await?;
    let record = Record {
        schema: "pvcheck/v1".into(),
        run: run.clone(),
        strategy,
        begun: Timestamp::now(),
        asked: facts.connected.clone(),
        host: engine.connection().host().to_string(),
        leader: leader.id.clone(),
        managers: facts.managers.iter().map(|m| m.id.clone()).collect(),
        address: leader.address.clone().unwrap_or_default(),
        renewal: renewal(&swarm, &facts),
        raft_log: (swarm.spec.raft.snapshot_interval, swarm.spec.raft.log_entries_for_slow_followers),
        standing,
        counts: before,
        raft: facts.here.raft_dir.clone(),
        private: None,
        guest: None,
        marks: Vec::new(),
    };
    let journal = Journal::begin(&options.state, record, options.hook)?;
    let mut work = Work { engine, others, permit, options, watch, journal, notes: Vec::new() };
    if let Err(error) = work.lock().await {
        work.journal.end()?;
        return Err(error);
    }
    let outcome = match strategy {
        Strategy::Handover => work.hand_over().await,
        Strategy::Borrow => work.borrow(facts.here.link).await,
        Strategy::Restart => work.restart().await,
    };
    match (outcome, work.restore().await) {
        (Ok(()), Ok(())) => work.conclude(started, false).await,
        (Err(why), Ok(())) => {
            work.journal.end()?;
            Err(ReclaimError::NotDone(Box::new(why)))
        }
        (Ok(()), Err(then)) => Err(stranded("the addresses were taken back".to_owned(), then)),
        (Err(why), Err(then)) => Err(stranded(why.to_string(), then)),
    }
}

/// Ends what an earlier process began in this state folder: managers get their roles back, borrowed nodes leave, their
/// engine, namespace and folder go, tokens are rotated, the lock is released. `engine` is the manager that was asked then.
///
/// # Errors
/// When there is nothing to end, when the engine is another Swarm's, or when something cannot be undone yet; it can be
/// called again.
pub async fn resume_reclaim(
    engine: &Engine,
    others: &[Engine],
    permit: Permit,
    options: &ReclaimOptions<'_>,
    watch: Watcher<'_>,
) -> Result<Reclaim, ReclaimError> {
    let started = Instant::now();
    // A write that was under way when its caller was dropped comes to its end first.
    engine.connection().settled().await;
    let Some(journal) = Journal::load(&options.state, options.hook)? else {
        return Err(ReclaimError::NothingToResume { dir: options.state.clone() });
    };
    let node = NodeId::new(facts::info(engine).await?.swarm.node_id);
    // A manager that was demoted half-way is still that Swarm's: any of them will do.
    if !journal.record.managers.contains(&node) {
        let Record { asked, host, .. } = journal.record;
        return Err(ReclaimError::OtherSwarm { asked, host });
    }
    let mut work = Work { engine, others, permit, options, watch, journal, notes: Vec::new() };
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
        schema: "pvcheck/v1".into(),
        kind: "reclaim".into(),
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
fn renewal(swarm: &facts::SwarmWire, facts: &ReclaimFacts) -> serde_json::Value {
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

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Work<'_> {
    async fn lock(&mut self) -> Result<(), ReclaimError> {
        let since = self.journal.begun(Step::Lock)?;
        let lock = Lock::take(self.engine, self.permit, &self.lock_request()).await?;
        if let Some(over) = lock.taken_over() {
            let why = over.reason.as_deref().unwrap_or("it had expired");
            self.notes.push(format!(
                "the lock of {} for {} was taken over: {why}",
                over.lock.holder, over.lock.purpose
            ));
        }
        self.journal.done(Step::Lock, since)
    }

    /// Whatever was done, the Swarm is whole afterwards. Each part does only what is left to do.
    async fn restore(&mut self) -> Result<(), ReclaimError> {
        match self.journal.record.strategy {
            Strategy::Handover => self.promote_all().await?,
            Strategy::Borrow => self.dismiss().await?,
            Strategy::Restart => self.wait_restarted().await?,
        }
        let since = self.journal.begun(Step::Unlock)?;
        let engine = self.speaking().await?;
        // It is ours, unless it has expired and another run has it now, or the operator has removed it.
        let lock = Lock::take(engine, self.permit, &self.lock_request()).await?;
        lock.release(engine, self.permit).await?;
        self.journal.done(Step::Unlock, since)
    }

    /// A manager that answers for the Swarm, of those that were named.
    async fn speaking(&self) -> Result<&Engine, ReclaimError> {
        let since = Instant::now();
        let mut why = String::new();
        loop {
            for engine in std::iter::once(self.engine).chain(self.others) {
                match nodes::until(engine, "a manager answers", Duration::ZERO, nodes::leader).await {
                    Ok(_) => return Ok(engine),
                    Err(reason) => why = reason,
                }
            }
            if ELECTION < since.elapsed() {
                let mend = "name the Swarm's other managers with --helper URL";
                return Err(ReclaimError::Late(format!("{why}; {mend}")));
            }
            crate::stack::poll().await;
        }
    }

    /// Looks again at everything, and closes the books.
    async fn conclude(self, started: Instant, resumed: bool) -> Result<Reclaim, ReclaimError> {
        let engine = self.speaking().await?;
        let Record { strategy, run, counts, standing, leader, .. } = self.journal.record.clone();
        let names: Vec<String> = counts.iter().map(|c| c.network.clone()).collect();
        if resumed {
            // The process before may have died in a census: what is left of it has the names that this one takes.
            sweep_run(engine, self.permit, &run, CHANGE, self.watch).await?;
        }
        self.say("counting again");
        let patience = Duration::from_secs(30);
        let after = count::count(engine, self.permit, &names, &run, patience, self.watch).await;
        let swept = sweep_run(engine, self.permit, &run, CHANGE, self.watch).await;
        let now = Standing::look(engine, &run).await?;
        let mut notes = self.notes;
        if let Ok(swept) = swept {
            notes.extend(swept.left.into_iter().map(|l| format!("left of the census: {l}")));
        }
        // A forced new cluster restarts tasks as the engine's restart does, but that is worth being told.
        let changed = standing.changes(&now, strategy != Strategy::Restart);
        if now.leader() != Some(leader.as_str()) {
            notes.push(format!("another manager leads now: {}", now.leader().unwrap_or("none")));
        }
        Ok(Reclaim {
            schema: "pvcheck/v1".into(),
            kind: "reclaim".into(),
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
            steps: self.journal.end()?,
            elapsed_ms: millis(started),
        })
    }
}

/// The folder of the journal where nobody names another.
pub fn default_state() -> &'static Path {
    Path::new("/var/lib/pvcheck")
}

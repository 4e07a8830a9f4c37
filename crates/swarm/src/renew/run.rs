//! A renewal from its plan to its report.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use pvcheck_audit::NetworkId;
use pvcheck_ipam::Pool;

use super::attachments::fingerprint;
use super::blocker::{Blocker, Drifted};
use super::error::RenewalError;
use super::facts::{RenewalFacts, inspect};
use super::journal::Journal;
use super::plan::{NewSubnet, RenewalPlan, RenewalRequest, plan_renewal};
use super::record::{Record, SCHEMA, unfinished};
use super::report::{RENEWAL_PURPOSE, Renewal, RenewalOptions};
use super::room::Room;
use super::saved::Ended;
use super::settings::{Settings, pools};
use super::step::Direction;
use super::work::Work;
use crate::census::{Census, CensusError, CensusOptions, census};
use crate::engine::{CallError, Engine, retry_while, wire};
use crate::lock::{Lock, LockRequest};
use crate::operation::Operation;
use crate::read::{read_container, read_nodes, read_own_node, read_with_host};
use crate::removal::sweep_run;

/// How long the services of a census may take to go.
const COUNTED: Duration = Duration::from_mins(1);

/// How long an engine that does not answer is waited for, so that it can be tidied up.
const RESTARTS: Duration = Duration::from_secs(10);

/// How long the release of the lock is tried.
const RELEASED: Duration = Duration::from_secs(5);

/// Renews the network of a plan that can be done. `op.run` is this process' own; the lock and the journal carry it.
///
/// After an error everything is as it was, or the error says how to go on. A caller that drops the future leaves the renewal
/// where it stands: [`resume_renewal`] finishes it and [`roll_back_renewal`] undoes it, from any machine.
///
/// # Errors
/// If the plan cannot be done, or any of [`RenewalError`] happens.
pub async fn renew(
    op: Operation<'_>,
    plan: &RenewalPlan,
    options: &RenewalOptions<'_>,
) -> Result<Renewal, RenewalError> {
    if !plan.can_be_done() {
        return Err(RenewalError::Refused { plan: Box::new(plan.clone()) });
    }
    let locked = Locked::take(op, options).await?;
    let work = async {
        let mut plan = planned_again(op, plan).await?;
        if plan.rooms.iter().any(|room| !room.counted) && plan.can_be_done() {
            let why = counted(op, &plan).await?;
            // A census takes a while.
            plan = planned_again(op, &plan).await?;
            plan.blockers.extend(why);
        }
        let record = record(op, &plan).filter(|_| plan.can_be_done());
        let record = record.ok_or_else(|| RenewalError::Refused { plan: Box::new(plan) })?;
        let journal = Journal::begin(op, record, &options.state).await?;
        go(op, journal, options, Direction::Forward, false).await
    };
    locked.during(work).await
}

/// The plan for the Swarm as it is now, under the lock: what has changed since it was made keeps it from being done.
async fn planned_again(op: Operation<'_>, plan: &RenewalPlan) -> Result<RenewalPlan, RenewalError> {
    let saved = read_with_host(op.engine).await?;
    let facts = match RenewalFacts::read(op.engine, saved, &plan.network_id).await {
        Err(error) if error.is_not_found() => {
            let mut gone = plan.clone();
            gone.blockers.push(Blocker::Drift { what: Drifted::Network });
            return Ok(gone);
        }
        facts => facts?,
    };
    // What was chosen then is what was agreed to.
    let to = plan.to.map_or(plan.request.to, |pool| NewSubnet::Subnet(pool.subnet));
    let request = RenewalRequest { to, strategy: plan.strategy, ..plan.request.clone() };
    let mut again = plan_renewal(&facts, &request, &[]);
    again.request = plan.request.clone();
    // It is this process' own.
    again.ignore_lock();
    again.blockers.extend(plan.drift(&again));
    Ok(again)
}

/// Counts the room on each network of which the plan knows only who owns what; what keeps the renewal from being done.
async fn counted(op: Operation<'_>, plan: &RenewalPlan) -> Result<Vec<Blocker>, RenewalError> {
    let mut why = Vec::new();
    for room in plan.rooms.iter().filter(|room| !room.counted) {
        op.say(format!("counting the room on {}", room.network));
        let network = || room.network.clone();
        let counted = census(op, room.id.as_str(), &CensusOptions::default()).await;
        // Its services go at once: the next count must not find them.
        let mut left = sweep_run(op, COUNTED).await?.left;
        if !left.is_empty() && answers(op.engine).await {
            left = sweep_run(op, COUNTED).await?.left;
        }
        let counted = match counted {
            Err(CensusError::Call(error)) if left.is_empty() => return Err(error.into()),
            Err(CensusError::Call(error)) => {
                return Err(RenewalError::CountLeft { why: Some(Box::new(error)), left });
            }
            _ if !left.is_empty() => return Err(RenewalError::CountLeft { why: None, left }),
            counted => counted,
        };
        why.extend(match counted {
            Ok(Census { complete: true, handed_out, .. }) => {
                Room { free: handed_out, counted: true, ..room.clone() }.blocker()
            }
            Ok(census) => {
                let why =
                    census.reason.map_or_else(|| "the census was not complete".to_owned(), |d| d.to_string());
                Some(Blocker::RoomUnknown { network: network(), why })
            }
            Err(error) => Some(Blocker::RoomUnknown { network: network(), why: error.to_string() }),
        });
    }
    Ok(why)
}

/// Waits for an engine that may be restarting; true iff it answers.
async fn answers(engine: &Engine) -> bool {
    retry_while!(RESTARTS, |_: &CallError| true, read_nodes(engine)).is_ok()
}

/// Finishes a renewal that was begun by any process, in the direction that it had.
///
/// # Errors
/// If there is none, or any of [`RenewalError`] happens.
pub async fn resume_renewal(
    op: Operation<'_>,
    options: &RenewalOptions<'_>,
) -> Result<Renewal, RenewalError> {
    go_on(op, options, None).await
}

/// Undoes a renewal that was begun by any process and not finished: the network has its former subnet again, and every
/// service is on it.
///
/// # Errors
/// If there is none, or any of [`RenewalError`] happens.
pub async fn roll_back_renewal(
    op: Operation<'_>,
    options: &RenewalOptions<'_>,
) -> Result<Renewal, RenewalError> {
    go_on(op, options, Some(Direction::Back)).await
}

async fn go_on(
    op: Operation<'_>,
    options: &RenewalOptions<'_>,
    direction: Option<Direction>,
) -> Result<Renewal, RenewalError> {
    let (_, record) = unfinished(op.engine).await?.ok_or(RenewalError::NothingUnderWay)?;
    reaches_containers(op.engine, &record).await?;
    let locked = Locked::take(op, options).await?;
    let work = async {
        let taken = Journal::take_over(op, &options.state).await.map_err(left)?;
        let journal = taken.ok_or(RenewalError::NothingUnderWay)?;
        let direction = direction.unwrap_or(journal.stands.direction);
        // What failed once is not undone by itself: whoever resumes it has decided to go on.
        go(op, journal, &RenewalOptions { hold: true, ..options.clone() }, direction, true).await
    };
    locked.during(work).await
}

/// Errs if the record has containers of another node than the asked one, as long as the Swarm has that node.
async fn reaches_containers(engine: &Engine, record: &Record) -> Result<(), RenewalError> {
    let Some(first) = record.containers.first() else { return Ok(()) };
    let nodes = read_nodes(engine).await?;
    if first.node == read_own_node(engine).await? || !nodes.iter().any(|node| node.id == first.node) {
        return Ok(());
    }
    let containers = record.containers.iter().map(|container| container.name.clone()).collect();
    Err(RenewalError::OtherNode { containers, host: first.host.clone() })
}

fn record(op: Operation<'_>, plan: &RenewalPlan) -> Option<Record> {
    let to = plan.to?;
    let name = &plan.request.network;
    Some(Record {
        schema: SCHEMA.to_owned(),
        run: op.run.clone(),
        cluster: plan.cluster.clone(),
        begun: Timestamp::now(),
        network: plan.inspected["Name"].as_str().unwrap_or(name).to_owned(),
        old: plan.network_id.clone(),
        strategy: plan.strategy?,
        settings: plan.settings.clone()?,
        from: plan.from.clone(),
        to,
        // Of a strategy without one the name is never looked for.
        holding: (format!("pvcheck-holding-{}", op.run), plan.holding.unwrap_or(Pool::new(to.subnet))),
        members: plan.members.clone(),
        containers: plan.containers.clone(),
    })
}

async fn go(
    op: Operation<'_>,
    journal: Journal<'_>,
    options: &RenewalOptions<'_>,
    direction: Direction,
    resumed: bool,
) -> Result<Renewal, RenewalError> {
    let started = Instant::now();
    let mut work = Work {
        op,
        journal,
        direction,
        patience: options.patience,
        hook: options.hook,
        done: Vec::new(),
        gone: Vec::new(),
    };
    match work.all().await {
        // All is done but for the end of the journal.
        Ok(()) => report(work, resumed, started).await.map_err(left),
        Err(error) if is_not_ours(&error) => Err(error),
        Err(error) if options.hold => Err(RenewalError::Held(Box::new(error))),
        Err(error) => {
            op.say(format!("{error}; putting everything back"));
            work.direction = Direction::Back;
            match work.all().await {
                Ok(()) => match report(work, resumed, started).await {
                    Ok(Renewal { changed, .. }) => {
                        Err(RenewalError::RolledBack { why: Box::new(error), changed })
                    }
                    Err(then) => Err(RenewalError::Stranded { why: error.to_string(), then: Box::new(then) }),
                },
                Err(then) if is_not_ours(&then) => Err(then),
                Err(then) => Err(RenewalError::Stranded { why: error.to_string(), then: Box::new(then) }),
            }
        }
    }
}

/// What failed while a renewal is on record: it is gone on with, or undone.
fn left(error: RenewalError) -> RenewalError {
    if is_not_ours(&error) { error } else { RenewalError::Held(Box::new(error)) }
}

fn is_not_ours(error: &RenewalError) -> bool {
    matches!(error, RenewalError::Lost | RenewalError::Lock(_))
}

/// Compares every spec with what it was, and ends the journal.
async fn report(work: Work<'_>, resumed: bool, started: Instant) -> Result<Renewal, RenewalError> {
    let record = &work.journal.record;
    let engine = work.op.engine;
    let listed = work.listed().await?;
    let id = listed.into_iter().find(|(_, name)| *name == record.network).map(|(id, _)| id);
    let id: NetworkId = id.ok_or(RenewalError::Foreign { name: record.network.clone() })?;
    let inspected = inspect(engine, &id).await?;
    let pools = pools(&inspected);
    let mut changed = changed(&work, &id).await?;
    if Settings::of_inspected(&inspected).digest() != record.settings.digest() {
        changed.push(format!("the settings of {}", record.network));
    }
    let (at, direction) = (Timestamp::now(), work.direction);
    work.journal.end(Ended { at, direction, network: id.clone(), changed: changed.clone() }).await?;
    Ok(Renewal {
        network: record.network.clone(),
        network_id: id,
        strategy: record.strategy,
        direction: work.direction,
        resumed,
        pools,
        services: record.members.len() as u64,
        containers: record.containers.len() as u64,
        changed,
        steps: work.done,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Services and containers that are not as they were, but for the network's id.
async fn changed(work: &Work<'_>, id: &NetworkId) -> Result<Vec<String>, RenewalError> {
    let (engine, record) = (work.op.engine, &work.journal.record);
    let mut changed = Vec::new();
    for member in &record.members {
        let found: Result<wire::Versioned, _> =
            engine.connection().get(&format!("/services/{}", member.id)).await;
        let now = match found {
            Ok(found) => Some(fingerprint(&found.spec, id)),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        changed.extend(member.difference(now.as_deref()));
    }
    for container in &record.containers {
        let name = &container.name;
        let found = read_container(engine, &container.id).await?;
        let place = found.as_ref().map(|found| found.places.get(id));
        match place {
            None => changed.push(format!("the container {name} is gone")),
            Some(None) => changed.push(format!("the container {name} is not connected")),
            Some(Some(place)) if container.is_as_before(place, work.keeps_address(container)) => {}
            Some(Some(_)) => changed.push(format!("the connection of the container {name}")),
        }
    }
    Ok(changed)
}

/// The lock of this process, renewed as long as it works.
struct Locked<'a> {
    op: Operation<'a>,
    lock: Lock,
    lasts: Duration,
}

impl<'a> Locked<'a> {
    async fn take(op: Operation<'a>, options: &RenewalOptions<'_>) -> Result<Self, RenewalError> {
        let request = LockRequest {
            run: op.run.clone(),
            holder: options.holder.clone(),
            purpose: RENEWAL_PURPOSE.to_owned(),
            lasts: options.lock_lasts,
            break_held: options.break_lock.clone(),
            resumable: true,
        };
        let lock = Lock::take(op.engine, op.permit, &request).await?;
        Ok(Self { op, lock, lasts: options.lock_lasts })
    }

    /// Does the work, renews the lock meanwhile, and releases it afterwards. If the lock is lost the work stops where it is.
    async fn during<T>(self, work: impl Future<Output = Result<T, RenewalError>>) -> Result<T, RenewalError> {
        let Self { op, lock, lasts } = self;
        let held = async {
            loop {
                tokio::time::sleep(lasts / 4).await;
                // A call that fails changes nothing: the lock lasts for three more of these pauses.
                if let Ok(false) = lock.renew(op.engine, op.permit, op.run, lasts).await {
                    return;
                }
            }
        };
        let outcome = tokio::select! {
            outcome = Box::pin(work) => outcome,
            () = held => return Err(RenewalError::Lost),
        };
        if !matches!(outcome, Err(RenewalError::Lost)) {
            // One broken call must not keep others out until the lock expires; one that stays does so by itself.
            let transient = |error: &CallError| !error.is_not_found();
            let _ = retry_while!(RELEASED, transient, lock.clone().release(op.engine, op.permit));
        }
        outcome
    }
}

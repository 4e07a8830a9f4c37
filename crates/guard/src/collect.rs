//! Looking: the only part of the guard, beside its acts, that asks anything of the world.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::{AuditedNetwork, NetworkId, Snapshot, audit};
use pvcheck_gates::{Config, WindowConfig, collect_window, judge_window, scan_log};
use pvcheck_journal::{Role, Scan, Since};
use pvcheck_swarm::{
    Census, CensusError, CensusOptions, Engine, RunId, census, census_by_status, leftover_runs, read_counts,
    reclaim_facts, unfinished_run,
};

use crate::ahead::{Counted, Guarded};
use crate::full::Full;
use crate::memory::Memory;
use crate::options::Look;
use crate::report::GuardFacts;
use crate::signs::Now;
use crate::ways::{NoDrain, WayFacts};

/// From one look at what waits to the next.
const BETWEEN: Duration = Duration::from_millis(500);
/// By how much longer than a service may wait it may take until all that waited are served after a cure.
const SERVED: u32 = 10;
/// A run of pvcheck that made nothing new for this long is over: it does not take the lock for everything it does.
const LEFT_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Looks at everything that a decision rests on. What cannot be seen is recorded so.
pub async fn collect(look: Look<'_>, memory: &Memory) -> GuardFacts {
    let engine = look.op.engine;
    look.op.say("looking at the Swarm and its log");
    let unfinished = unfinished_run(look.reclaim_state);
    let (snapshot, full) = match looked_twice(engine, look.patience).await {
        Ok(seen) => seen,
        Err(why) => return blind(why, unfinished),
    };
    // By the engine's clock, as its log is.
    let (at, taken) = (snapshot.engine.at, Instant::now());
    let log = log(look.config, &snapshot, memory.dealt_with()).await;
    let guarded = guarded(look, &snapshot, full.sign).await;
    let orphans = leftover_runs(engine).await.map_err(|error| error.to_string());
    let orphans = orphans.map(|runs| {
        let old = runs.into_iter().filter(|(run, _)| is_over(&snapshot, run));
        old.map(|(run, left)| (run, left.len() as u64)).collect()
    });
    let ways = WayFacts {
        reclaim: reclaim_facts(engine, look.others).await.map_err(|error| error.to_string()),
        busy: busy(engine, look.config).await,
        unanswered: look.unanswered.to_vec(),
        no_drain: None,
    };
    let swarm = Some(snapshot.engine.cluster);
    GuardFacts { at, taken, swarm, full, log, guarded, orphans, ways, unfinished }
}

/// True iff a run has services or networks, and all of them have been there for so long that it is not at work any more. What
/// holds no address is left to `pvcheck sweep`.
fn is_over(snapshot: &Snapshot, run: &RunId) -> bool {
    let services = snapshot.services.iter().filter(|one| one.run.as_deref() == Some(run.as_str()));
    let networks = snapshot.networks.iter().filter(|one| one.run.as_deref() == Some(run.as_str()));
    let created: Vec<_> = services.map(|one| one.created).chain(networks.map(|one| one.created)).collect();
    let old =
        |at: &Option<Timestamp>| at.is_some_and(|at| LEFT_AFTER < snapshot.engine.at.duration_since(at));
    !created.is_empty() && created.iter().all(old)
}

/// What is left to say where the Swarm could not be read.
pub(crate) fn blind(why: String, unfinished: Option<RunId>) -> GuardFacts {
    GuardFacts {
        at: Timestamp::now(),
        taken: Instant::now(),
        swarm: None,
        full: Full::unseen(why.clone()),
        log: Err(why.clone()),
        guarded: Vec::new(),
        orphans: Err(why.clone()),
        ways: WayFacts {
            reclaim: Err(why.clone()),
            busy: Err(why),
            unanswered: Vec::new(),
            no_drain: Some(NoDrain::Unseen),
        },
        unfinished,
    }
}

/// The last look, with what has been full or has waited at each look of this time.
async fn looked_twice(engine: &Engine, patience: Duration) -> Result<(Snapshot, Full), String> {
    let (mut snapshot, mut full) = looked(engine).await?;
    let since = Instant::now();
    while full.sign != Now::NotFull && since.elapsed() < patience {
        tokio::time::sleep(BETWEEN.min(patience)).await;
        let (later, now) = looked(engine).await?;
        (snapshot, full) = (later, now.lasting_since(&full));
    }
    Ok((snapshot, full))
}

/// Looks until nothing waits for an address any more, for a while: after a cure, what waited is getting one.
pub(crate) async fn look_until_served(engine: &Engine, patience: Duration) -> Full {
    let since = Instant::now();
    loop {
        let full = looked(engine).await.map_or_else(Full::unseen, |(_, full)| full);
        if full.sign == Now::NotFull || patience * SERVED < since.elapsed() {
            return full;
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

async fn looked(engine: &Engine) -> Result<(Snapshot, Full), String> {
    let snapshot = engine.snapshot().await.map_err(|error| error.to_string())?;
    let counts = read_counts(engine, &snapshot).await;
    let full = Full::of(&snapshot, &counts);
    Ok((snapshot, full))
}

/// The log since the allocator's last beginning, or since the guard last dealt with an exhaustion where that is later: lines of
/// before it are over, and must never fire again. A beginning since it began to is later, though its cure may have ended after it.
async fn log(
    config: Option<&Config>,
    snapshot: &Snapshot,
    dealt_with: Option<(Timestamp, Timestamp)>,
) -> Result<(Scan, Role, Option<Timestamp>), String> {
    let scan = async |since| scan_log(config, snapshot, since).await.map_err(|error| error.to_string());
    let (built, role) = scan(Since::AllocatorStart).await?;
    match dealt_with {
        Some((begun, over)) if built.window.from.is_none_or(|from| from < begun) => {
            let (since, role) = scan(Since::At(over)).await?;
            Ok((since, role, Some(over)))
        }
        _ => Ok((built, role, None)),
    }
}

/// The networks that are guarded: those of the configuration, else every overlay but `ingress` that is no run's of pvcheck. One
/// that cannot be counted is among them, with the reason: of that one nothing is known.
async fn guarded(look: Look<'_>, snapshot: &Snapshot, now: Now) -> Vec<Guarded> {
    let audit = audit(snapshot);
    let named = look.config.map(|config| &config.overlays).filter(|overlays| !overlays.is_empty());
    let is_guarded = |network: &&AuditedNetwork| match named {
        Some(overlays) => overlays.iter().any(|overlay| overlay.name == network.name),
        None => snapshot.overlay(network.id.as_str()).is_some_and(|seen| !seen.ingress && seen.run.is_none()),
    };
    let mut guarded: Vec<Guarded> = named
        .into_iter()
        .flatten()
        .filter(|overlay| audit.networks.iter().all(|network| network.name != overlay.name))
        .map(|overlay| missing(&overlay.name))
        .collect();
    for network in audit.networks.iter().filter(is_guarded) {
        let counted = match uncountable(snapshot, network) {
            Some(why) => Err(why.to_owned()),
            None => count(look, network, now, snapshot.engine.at).await,
        };
        let (name, id) = (network.name.clone(), network.id.clone());
        guarded.push(Guarded { name, id, usable: network.usable, counted });
    }
    guarded
}

/// An overlay of the configuration that is not there.
fn missing(name: &str) -> Guarded {
    let counted = Err("it is not in the Swarm".to_owned());
    Guarded { name: name.to_owned(), id: NetworkId::new(name), usable: 0, counted }
}

/// Why the addresses of a network cannot be counted at all.
fn uncountable(snapshot: &Snapshot, network: &AuditedNetwork) -> Option<&'static str> {
    match snapshot.overlay(network.id.as_str()) {
        Some(seen) if !seen.is_allocated() => Some("it has no subnet yet"),
        Some(seen) if !seen.is_ipv4_only() => Some("it has IPv6 subnets, whose addresses are not counted"),
        _ => None,
    }
}

/// Counts a network by the engine's own count, else by a census where one is asked for. While something waits for an address a
/// census would lose some (docs/leaks.md, L2), so there is none.
async fn count(look: Look<'_>, network: &AuditedNetwork, now: Now, at: Timestamp) -> Result<Counted, String> {
    let (op, options) = (look.op, CensusOptions::default());
    let not_read = match census_by_status(op.engine, &network.name, &options, op.watch).await {
        Ok(census) => return counted(&census, network.owned.total(), at),
        Err(error) => error,
    };
    match (look.probe, now) {
        (true, Now::NotFull) => match census(op, &network.name, &options).await {
            Ok(census) => counted(&census, network.owned.total(), at),
            Err(error) => Err(error.to_string()),
        },
        (true, _) => Err("something waits for an address, and a census would lose some".to_owned()),
        (false, _) => Err(match not_read {
            CensusError::NoStatus(_) => format!("{not_read}; --probe counts by a census"),
            other => other.to_string(),
        }),
    }
}

fn counted(census: &Census, owned: u64, at: Timestamp) -> Result<Counted, String> {
    match (census.leaked.filter(|_| census.complete), &census.reason) {
        (Some(leaked), _) => Ok(Counted { at, leaked, owned }),
        (None, Some(doubt)) => Err(doubt.to_string()),
        (None, None) => Err("the census is not complete".to_owned()),
    }
}

async fn busy(engine: &Engine, config: Option<&Config>) -> Result<Vec<pvcheck_gates::Signal>, String> {
    let window = config.map_or_else(WindowConfig::default, |config| config.window.clone());
    let facts = collect_window(engine, &window).await.map_err(|error| error.to_string())?;
    Ok(judge_window(&window, &facts, None).signals)
}

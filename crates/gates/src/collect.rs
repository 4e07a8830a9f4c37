//! Asking the world: the only part of a gate that can go wrong.

use std::num::NonZeroUsize;
use std::time::Duration;

use jiff::Timestamp;
use pvcheck_audit::{NetworkId, VipWait, waiting_services};
use pvcheck_journal::{
    Catalogue, Journalctl, Limits, Mark, ReadFrom, Scan, Scanner, Since, Source, SourceError,
};
use pvcheck_routes::{Prober, RootsError, RouteFact, Verdict, judge};
use pvcheck_swarm::{
    CallError, CensusError, CensusOptions, Churn, ChurnError, ChurnPlan, ChurnShape, Engine, LockAs,
    LockError, Operation, Order, Progress, Watcher, churn, sweep_run,
};
use thiserror::Error;

use crate::canary;
use crate::cause::{ChurnFailure, ChurnRefusal, Unseen};
use crate::config::{CanaryConfig, ChurnConfig, Config};
use crate::gate::Gate;
use crate::m1::M1Facts;
use crate::m2::{ChurnOutcome, M2Facts};
use crate::observed::Observed;

/// Routes that are asked at once.
const SIDE_BY_SIDE: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not zero");
/// The unit that writes the engine's log where nothing else is configured.
const DOCKER_UNIT: &str = "docker.service";

/// What was found in order before a gate begins.
pub struct Preflight {
    prober: Prober,
    source: Source,
    overlay: NetworkId,
}

/// Why a gate cannot begin. Nothing was touched.
#[derive(Debug, Error)]
pub enum PreflightError {
    /// The configured overlay does not exist, or has no subnet.
    #[error(transparent)]
    Overlay(CensusError),
    /// The trusted certificates cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The engine's log cannot be read.
    #[error(transparent)]
    Journal(#[from] SourceError),
    /// The gate deploys something that is not configured.
    #[error(
        "the configuration has no [{table}], which gate {} needs; add it (see examples/cc-ci.toml)",
        Gate::M2
    )]
    NotConfigured {
        /// The table that is missing.
        table: &'static str,
    },
    /// The engine failed a call.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Looks whether a gate can run at all, without touching anything.
///
/// # Errors
/// When the engine fails a call, the overlay is not there or not allocated, or the trusted certificates cannot be read.
pub async fn preflight(engine: &Engine, config: &Config) -> Result<Preflight, PreflightError> {
    let snapshot = engine.snapshot().await?;
    let name = &config.overlay.name;
    let overlay = snapshot.named_overlay(name).map_err(|e| PreflightError::Overlay(e.into()))?;
    if !overlay.is_allocated() {
        return Err(PreflightError::Overlay(CensusError::NotAllocated(name.clone())));
    }
    let prober = Prober::new(&config.roots())?;
    Ok(Preflight { prober, source: journal_source(config), overlay: overlay.id.clone() })
}

fn journal_source(config: &Config) -> Source {
    match config.log_file() {
        Some(file) => Source::File(file),
        None => Source::Journalctl(Journalctl::unit(config.journal.unit.as_deref().unwrap_or(DOCKER_UNIT))),
    }
}

/// Looks at the Swarm, its routes and its log, side by side. It only reads.
pub async fn collect_m1(engine: &Engine, config: &Config, ready: &Preflight, watch: Watcher<'_>) -> M1Facts {
    watch(Progress::Step("looking at the Swarm, its routes and its log".into()));
    let scanner = Scanner::since(Catalogue::builtin(), Since::EngineStart, None);
    let limits = Limits::default();
    let (snapshot, routes, journal) = tokio::join!(
        Observed::look("engine API", engine.snapshot()),
        look_at_routes(config, ready),
        Observed::look("engine log", ready.source.scan(&ReadFrom::Beginning, &limits, scanner)),
    );
    M1Facts { snapshot, routes, journal }
}

async fn look_at_routes(config: &Config, ready: &Preflight) -> Observed<Vec<RouteFact>> {
    let specs = config.route_specs();
    let probes = ready.prober.probe_all(&specs, Timestamp::now(), SIDE_BY_SIDE);
    Observed::look("routes", async { Ok::<_, std::convert::Infallible>(probes.await) }).await
}

/// What gate `pvcheck.m2` is told beyond its configuration.
#[derive(Clone, Copy, Debug)]
pub struct M2Order {
    /// In which order the throwaway stacks are removed.
    pub order: Order,
}

/// Deploys the canary and the throwaway stacks, removes them, and records what was seen.
///
/// Everything made carries the label of `run`. A dropped future leaves things behind: sweep the run then.
///
/// # Errors
/// Only before anything is touched: when canary or churn are not configured, or the log cannot be read.
pub async fn collect_m2(
    op: Operation<'_>,
    config: &Config,
    ready: &Preflight,
    asked: M2Order,
) -> Result<M2Facts, PreflightError> {
    let canary = config.canary.as_ref().ok_or(PreflightError::NotConfigured { table: "canary" })?;
    let throwaway = config.churn.as_ref().ok_or(PreflightError::NotConfigured { table: "churn" })?;
    let mark = ready.source.mark(&Limits::default()).await?;
    op.say("asking the core routes");
    let routes = look_at_routes(config, ready).await;
    let deployer = Deployer { op, config, ready };
    let waits = waiting_services(&op.engine.snapshot().await?);
    let (canary, churn) = if let Some(why) = hard_stop(&routes, &waits) {
        (Observed::not_looked("canary", why.clone()), Observed::not_looked("churn", why))
    } else {
        (deployer.fly(canary).await, deployer.churn(throwaway, asked).await)
    };
    let residue = deployer.sweep().await;
    let journal = deployer.scan_since(&mark).await;
    Ok(M2Facts { routes, canary, churn, journal, residue })
}

/// Why nothing may be deployed, if so: a core route that is down, or a service that waits for an address, because each
/// attempt to serve it may lose another one.
fn hard_stop(routes: &Observed<Vec<RouteFact>>, waits: &[VipWait]) -> Option<Unseen> {
    let facts = routes.known().map_or(&[][..], Vec::as_slice);
    if let Some(down) = facts.iter().find(|f| judge(f).verdict != Verdict::Pass) {
        return Some(Unseen::CoreRouteDown { route: down.name.clone() });
    }
    let wait = waits.first()?;
    let network = wait.network_name.clone().unwrap_or_else(|| wait.network.to_string());
    Some(Unseen::ServiceWaits { service: wait.service.clone(), network })
}

struct Deployer<'a> {
    op: Operation<'a>,
    config: &'a Config,
    ready: &'a Preflight,
}

impl Deployer<'_> {
    async fn fly(&self, canary: &CanaryConfig) -> Observed<canary::CanaryFacts> {
        let flight = canary::fly(self.op, canary, &self.ready.overlay, &self.ready.prober);
        Observed::look("canary", async { Ok::<_, std::convert::Infallible>(flight.await) }).await
    }

    async fn churn(&self, throwaway: &ChurnConfig, asked: M2Order) -> Observed<ChurnOutcome> {
        let plan = ChurnPlan {
            lock: Some(LockAs {
                holder: format!("pvcheck, process {}", std::process::id()),
                break_held: None,
            }),
            network: self.config.overlay.name.clone(),
            stacks: throwaway.stacks,
            replicas: throwaway.replicas,
            rounds: throwaway.rounds,
            order: asked.order,
            shape: ChurnShape::default(),
            image: throwaway.image.clone(),
            command: throwaway.command.clone(),
            reserve: self.config.overlay.min_free,
            patience: Duration::from_mins(1),
            census: CensusOptions::default(),
        };
        let run = async {
            let outcome = churn(self.op, &plan).await;
            Ok::<_, std::convert::Infallible>(churn_outcome(outcome))
        };
        Observed::look("churn", run).await
    }

    /// Sweeps the run and names what is left.
    async fn sweep(&self) -> Observed<Vec<String>> {
        let sweep = sweep_run(self.op, Duration::from_mins(1));
        Observed::look("engine API", async { sweep.await.map(|removed| removed.left) }).await
    }

    async fn scan_since(&self, mark: &Mark) -> Observed<Scan> {
        let scanner = Scanner::since(Catalogue::builtin(), Since::Beginning, None);
        let limits = Limits::default();
        let from = ReadFrom::Mark(mark.clone());
        let scan = self.ready.source.scan(&from, &limits, scanner);
        Observed::look("engine log", scan).await
    }
}

fn churn_outcome(outcome: Result<Churn, ChurnError>) -> ChurnOutcome {
    match outcome {
        Ok(churn) => ChurnOutcome::Done(Box::new(churn)),
        Err(error) => broken_off(&error),
    }
}

fn broken_off(stop: &ChurnError) -> ChurnOutcome {
    let error = stop.to_string();
    match stop {
        ChurnError::TooLittleRoom { .. } => ChurnOutcome::Refused(ChurnRefusal::TooFewFree { error }),
        ChurnError::Lock(LockError::Held { .. }) => ChurnOutcome::Refused(ChurnRefusal::LockHeld { error }),
        ChurnError::Census(CensusError::SomebodyWaits { .. }) => {
            ChurnOutcome::Refused(ChurnRefusal::ServiceWaits { error })
        }
        ChurnError::Call(_) => ChurnOutcome::Failed(ChurnFailure::Call { error }),
        ChurnError::Census(_) => ChurnOutcome::Failed(ChurnFailure::Census { error }),
        ChurnError::Deploy(_) => ChurnOutcome::Failed(ChurnFailure::Deploy { error }),
        ChurnError::Lock(LockError::Call(_)) => ChurnOutcome::Failed(ChurnFailure::Lock { error }),
        ChurnError::Removal(_) => ChurnOutcome::Failed(ChurnFailure::Removal { error }),
    }
}

//! Facts for `pvcheck.m2`: a canary, a churn, and what they left behind.

use std::convert::Infallible;
use std::time::Duration;

use pvcheck_audit::{VipWait, waiting_services};
use pvcheck_journal::{Limits, Mark, ReadFrom, Scan, Scanner, Since};
use pvcheck_routes::{RouteFact, Verdict, judge};
use pvcheck_swarm::{
    CensusError, CensusOptions, Churn, ChurnError, ChurnPlan, ChurnShape, LockAs, LockError, Operation,
    Order, churn, sweep_run,
};

use super::leaked::{Counting, count};
use super::preflight::{Preflight, PreflightError};
use super::routes::ask_core_routes_once;
use super::watch::CoreRoutes;
use super::{canary, harness};
use crate::cause::{ChurnFailure, ChurnRefusal, Unseen};
use crate::config::{CanaryConfig, ChurnConfig, Config, HarnessConfig, OverlayConfig};
use crate::facts::{CanaryFacts, ChurnOutcome, GateStep, LeakFact, M2Facts, RouteWatch};
use crate::harness_facts::HarnessFact;
use crate::observed::{Observed, Seen};
use crate::role::ChosenLog;

/// Deploys the canary and the throwaway stacks, removes them, the latter in this order, and records what was seen.
///
/// The core routes are asked before, during and after that. While one is down nothing is begun, and what was begun is
/// stopped.
///
/// Everything created carries the label of the operation's run. If the future is dropped, sweep that run.
///
/// # Errors
/// If overlay, canary or churn are not configured, the first overlay is `ingress`, or the log cannot be read; then nothing was touched.
pub async fn collect_m2(
    op: Operation<'_>,
    config: &Config,
    ready: &Preflight,
    order: Order,
) -> Result<M2Facts, PreflightError> {
    let harnesses = &config.harnesses.iter().collect::<Vec<_>>();
    collect_deployment(
        op,
        config,
        ready,
        order,
        Wanted { canary: true, churn: true, leaked: true, harnesses },
    )
    .await
}

/// What a gate deploys, and whether it counts on the overlays on which it does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) canary: bool,
    pub(super) churn: bool,
    pub(super) leaked: bool,
    pub(super) harnesses: &'a [&'a HarnessConfig],
}

/// As [`collect_m2`], of the steps that are wanted.
pub(super) async fn collect_deployment(
    op: Operation<'_>,
    config: &Config,
    ready: &Preflight,
    order: Order,
    wanted: Wanted<'_>,
) -> Result<M2Facts, PreflightError> {
    let missing = |table| PreflightError::NotConfigured { table };
    let canary = wanted.canary.then(|| config.canary.as_ref().ok_or(missing("canary"))).transpose()?;
    let throwaway = wanted.churn.then(|| config.churn.as_ref().ok_or(missing("churn"))).transpose()?;
    let overlay = config.overlay().ok_or(PreflightError::NoOverlay)?;
    if ready.is_ingress {
        return Err(PreflightError::DeploysOnIngress { overlay: overlay.name.clone() });
    }
    harness::check_env(wanted.harnesses)?;
    // Before the first call that may make the engine log something.
    let log = ready.log.as_ref().map_err(|why| PreflightError::NoLog(why.clone()))?;
    let mark = log.source.mark(&Limits::default()).await?;
    op.say("asking the core routes");
    let routes = ask_core_routes_once(config, ready).await;
    let deployer = Deployer { op, config, overlay, ready };
    let waits = waiting_services(&op.engine.snapshot().await?);
    let Wanted { leaked, harnesses, .. } = wanted;
    let steps = Steps { canary, throwaway, order, leaked, harnesses };
    let worked = match hard_stop(&routes, &waits) {
        Some(why) => Worked::not_begun(&why),
        None => deployer.work(steps).await,
    };
    // The sweep comes before the log is read, so that what it makes the engine say is judged too.
    let residue = deployer.sweep().await;
    let journal = deployer.scan_since(log, &mark).await;
    let routes_after = match &worked.routes.seen {
        Seen::Known(_) => ask_core_routes_once(config, ready).await,
        Seen::Unknown(why) => Observed::not_asked("routes", why.clone()),
    };
    let Worked { leaked, canary, churn, harness, routes: routes_during } = worked;
    Ok(M2Facts { routes, routes_during, routes_after, leaked, canary, churn, harness, journal, residue })
}

/// What was seen of the steps between the first question to the core routes and the sweep.
struct Worked {
    leaked: Observed<Vec<LeakFact>>,
    canary: Observed<CanaryFacts>,
    churn: Observed<ChurnOutcome>,
    harness: Observed<Vec<HarnessFact>>,
    routes: Observed<RouteWatch>,
}

impl Worked {
    fn not_begun(why: &Unseen) -> Self {
        Self {
            leaked: Observed::not_asked("allocator", why.clone()),
            canary: Observed::not_asked("canary", why.clone()),
            churn: Observed::not_asked("churn", why.clone()),
            harness: Observed::not_asked("harness", why.clone()),
            routes: Observed::not_asked("routes", why.clone()),
        }
    }
}

/// The steps that were done to their end.
#[derive(Default)]
struct Done {
    leaked: Option<Observed<Vec<LeakFact>>>,
    canary: Option<Observed<CanaryFacts>>,
    churn: Option<Observed<ChurnOutcome>>,
    harness: Option<Observed<Vec<HarnessFact>>>,
}

/// Why nothing may be deployed, if there is a reason: a core route that is down, because a canary behind it shows nothing;
/// or a service that waits for an address, because each attempt of the allocator to serve it may leak one (L2 in
/// docs/leaks.md).
fn hard_stop(routes: &Observed<Vec<RouteFact>>, waits: &[VipWait]) -> Option<Unseen> {
    let facts = routes.known().map_or(&[][..], Vec::as_slice);
    if let Some(down) = facts.iter().find(|f| judge(f).verdict != Verdict::Pass) {
        return Some(Unseen::CoreRouteDown { route: down.name.clone() });
    }
    let wait = waits.first()?;
    let network = wait.network_name.clone().unwrap_or_else(|| wait.network.to_string());
    Some(Unseen::ServiceWaits { service: wait.service.clone(), network })
}

/// What is done between the first question to the core routes and the sweep.
#[derive(Clone, Copy)]
struct Steps<'a> {
    canary: Option<&'a CanaryConfig>,
    throwaway: Option<&'a ChurnConfig>,
    order: Order,
    leaked: bool,
    harnesses: &'a [&'a HarnessConfig],
}

struct Deployer<'a> {
    op: Operation<'a>,
    config: &'a Config,
    /// The overlay on which it deploys.
    overlay: &'a OverlayConfig,
    ready: &'a Preflight,
}

impl Deployer<'_> {
    /// Counts, then deploys and removes, until it is done or a core route dies. A step that was under way then is dropped;
    /// the sweep that follows removes what it had made.
    async fn work(&self, steps: Steps<'_>) -> Worked {
        let (core, mut done) = (CoreRoutes::new(self.config, self.ready), Done::default());
        let watched = async {
            // Both futures are boxed: together they would be some tens of KiB on the stack.
            let steps = Box::pin(self.steps(steps, &core, &mut done));
            let died = tokio::select! {
                died = steps => died,
                route = Box::pin(core.until_one_dies()) => Some(route),
            };
            Ok::<_, Infallible>((core.watched(), died))
        };
        let watch = Observed::of("routes", watched).await;
        let route = watch.known().and_then(|(_, died)| died.clone()).unwrap_or_default();
        let stopped = Worked::not_begun(&Unseen::CoreRouteDied { route });
        Worked {
            leaked: done.leaked.unwrap_or(stopped.leaked),
            canary: done.canary.unwrap_or(stopped.canary),
            churn: done.churn.unwrap_or(stopped.churn),
            harness: done.harness.unwrap_or(stopped.harness),
            routes: watch.map(|(watch, _)| watch),
        }
    }

    /// The steps themselves; each that ends is kept in `done`. Returns a core route that died between two of them.
    async fn steps(&self, steps: Steps<'_>, core: &CoreRoutes<'_>, done: &mut Done) -> Option<String> {
        done.leaked = Some(if steps.leaked {
            self.count_others().await
        } else {
            Observed::not_asked("allocator", Unseen::NotNeeded)
        });
        core.at(GateStep::Canary);
        done.canary = Some(match steps.canary {
            Some(canary) => self.fly(canary).await,
            None => Observed::not_asked("canary", Unseen::NotNeeded),
        });
        core.at(GateStep::Between);
        // The watcher asks by the clock; this round is certain to be between the steps.
        let died = core.ask().await;
        if died.is_some() {
            return died;
        }
        core.at(GateStep::Churn);
        done.churn = Some(match steps.throwaway {
            Some(throwaway) => self.churn(throwaway, steps.order).await,
            None => Observed::not_asked("churn", Unseen::NotNeeded),
        });
        // After the churn, so that what a harness leaks is not counted as the churn's.
        core.at(GateStep::Harness);
        let (harness, died) = harness::collect(self.op, self.config, self.ready, core, steps.harnesses).await;
        done.harness = Some(harness);
        died
    }

    /// The churn counts on the first overlay itself, before and after.
    async fn count_others(&self) -> Observed<Vec<LeakFact>> {
        let others = self.config.overlays.get(1..).unwrap_or_default();
        count(self.op.engine, others, Counting::Probing(self.op), self.op.watch).await
    }

    async fn fly(&self, canary: &CanaryConfig) -> Observed<CanaryFacts> {
        let flight = canary::fly(self.op, canary, &self.ready.overlay, &self.ready.prober);
        Observed::of("canary", async { Ok::<_, Infallible>(flight.await) }).await
    }

    async fn churn(&self, throwaway: &ChurnConfig, order: Order) -> Observed<ChurnOutcome> {
        let plan = ChurnPlan {
            lock: Some(LockAs {
                holder: format!("pvcheck, process {}", std::process::id()),
                break_held: None,
            }),
            network: self.overlay.name.clone(),
            stacks: throwaway.stacks,
            replicas: throwaway.replicas,
            rounds: throwaway.rounds,
            order,
            shape: ChurnShape::default(),
            image: throwaway.image.clone(),
            command: throwaway.command.clone(),
            reserve: self.overlay.min_free,
            patience: Duration::from_mins(1),
            census: CensusOptions::default(),
        };
        let run = async {
            let outcome = churn(self.op, &plan).await;
            Ok::<_, Infallible>(churn_outcome(outcome))
        };
        Observed::of("churn", run).await
    }

    /// Sweeps the run and names what is left.
    async fn sweep(&self) -> Observed<Vec<String>> {
        let sweep = sweep_run(self.op, Duration::from_mins(1));
        Observed::of("engine API", async {
            sweep.await.map(|removed| removed.left.iter().map(ToString::to_string).collect())
        })
        .await
    }

    async fn scan_since(&self, log: &ChosenLog, mark: &Mark) -> Observed<Scan> {
        let scanner = Scanner::since(self.ready.catalogue, Since::Beginning, None).role(self.ready.role);
        let limits = Limits::default();
        let from = ReadFrom::Mark(mark.clone());
        Observed::of(&log.name, log.source.scan(&from, &limits, scanner)).await
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
        // A guardrail that held is no failure: nothing was deployed.
        ChurnError::TooLittleRoom { .. } => ChurnOutcome::Refused(ChurnRefusal::TooFewFree { error }),
        ChurnError::Lock(LockError::Held { .. }) => ChurnOutcome::Refused(ChurnRefusal::LockHeld { error }),
        ChurnError::Census(CensusError::ServiceWaits { .. } | CensusError::TasksWait { .. }) => {
            ChurnOutcome::Refused(ChurnRefusal::ServiceWaits { error })
        }
        ChurnError::Call(_) => ChurnOutcome::Failed(ChurnFailure::Call { error }),
        ChurnError::Census(_) => ChurnOutcome::Failed(ChurnFailure::Census { error }),
        ChurnError::Deploy(_) | ChurnError::Image(_) => ChurnOutcome::Failed(ChurnFailure::Deploy { error }),
        ChurnError::Lock(LockError::Call(_)) => ChurnOutcome::Failed(ChurnFailure::Lock { error }),
        ChurnError::Removal(_) => ChurnOutcome::Failed(ChurnFailure::Removal { error }),
    }
}

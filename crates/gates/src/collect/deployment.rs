//! Facts for `pvcheck.m2`: a canary, a churn, and what they left behind.

use std::convert::Infallible;
use std::time::Duration;

use pvcheck_audit::{VipWait, waiting_services};
use pvcheck_journal::{Catalogue, Limits, Mark, ReadFrom, Scan, Scanner, Since};
use pvcheck_routes::{RouteFact, Verdict, judge};
use pvcheck_swarm::{
    CensusError, CensusOptions, Churn, ChurnError, ChurnPlan, ChurnShape, LockAs, LockError, Operation,
    Order, churn, sweep_run,
};

use super::canary;
use super::preflight::{Preflight, PreflightError};
use super::routes::ask_routes;
use crate::cause::{ChurnFailure, ChurnRefusal, Unseen};
use crate::config::{CanaryConfig, ChurnConfig, Config};
use crate::facts::{CanaryFacts, ChurnOutcome, M2Facts};
use crate::observed::Observed;

/// Deploys the canary and the throwaway stacks, removes them, the latter in this order, and records what was seen.
///
/// Everything created carries the label of the operation's run. If the future is dropped, sweep that run.
///
/// # Errors
/// If canary or churn are not configured, or the log cannot be read; then nothing was touched.
pub async fn collect_m2(
    op: Operation<'_>,
    config: &Config,
    ready: &Preflight,
    order: Order,
) -> Result<M2Facts, PreflightError> {
    let canary = config.canary.as_ref().ok_or(PreflightError::NotConfigured { table: "canary" })?;
    let throwaway = config.churn.as_ref().ok_or(PreflightError::NotConfigured { table: "churn" })?;
    let mark = ready.source.mark(&Limits::default()).await?;
    op.say("asking the core routes");
    let routes = ask_routes(config, ready).await;
    let deployer = Deployer { op, config, ready };
    let waits = waiting_services(&op.engine.snapshot().await?);
    let (canary, churn) = if let Some(why) = hard_stop(&routes, &waits) {
        (Observed::not_asked("canary", why.clone()), Observed::not_asked("churn", why))
    } else {
        (deployer.fly(canary).await, deployer.churn(throwaway, order).await)
    };
    let residue = deployer.sweep().await;
    let journal = deployer.scan_since(&mark).await;
    Ok(M2Facts { routes, canary, churn, journal, residue })
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

struct Deployer<'a> {
    op: Operation<'a>,
    config: &'a Config,
    ready: &'a Preflight,
}

impl Deployer<'_> {
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
            network: self.config.overlay.name.clone(),
            stacks: throwaway.stacks,
            replicas: throwaway.replicas,
            rounds: throwaway.rounds,
            order,
            shape: ChurnShape::default(),
            image: throwaway.image.clone(),
            command: throwaway.command.clone(),
            reserve: self.config.overlay.min_free,
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

    async fn scan_since(&self, mark: &Mark) -> Observed<Scan> {
        let scanner = Scanner::since(Catalogue::builtin(), Since::Beginning, None).role(self.ready.role);
        let limits = Limits::default();
        let from = ReadFrom::Mark(mark.clone());
        let scan = self.ready.source.scan(&from, &limits, scanner);
        Observed::of("engine log", scan).await
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

//! Facts for a gate of a configuration's own: what its checks need, each read once.

use std::fmt::Display;
use std::path::Path;

use pvcheck_audit::{SavedSnapshot, Snapshot};
use pvcheck_routes::{RouteFact, RouteSpec};
use pvcheck_swarm::{Engine, Operation, Order, Progress, RenewalPlan, SavedRenewal, Watcher};

use super::control_plane::log_to_judge;
use super::creation::read_creation;
use super::deployment::{Wanted, collect_deployment};
use super::fix::{log_since_creation, plan, proof, window};
use super::guard::read_guard;
use super::harness::check_env;
use super::leaked::{Counting, count};
use super::preflight::{Preflight, PreflightError};
use super::routes::ask;
use crate::catalogue::Stage;
use crate::cause::Unseen;
use crate::check::Check;
use crate::config::{HarnessConfig, OverlayConfig};
use crate::facts::{LeakFact, M1Facts, M2Facts};
use crate::need::Need;
use crate::observed::Observed;
use crate::own_facts::OwnFacts;
use crate::own_gate::OwnGate;

/// How a gate of a configuration's own may collect.
#[derive(Clone, Copy)]
pub struct OwnCollection<'a> {
    /// The file that a renewal left.
    pub record: &'a Path,
    /// How it counts leaked addresses.
    pub counting: Counting<'a>,
    /// With what it deploys stacks and how it removes them, or why it may not.
    pub deploying: Result<(Operation<'a>, Order), &'a Unseen>,
}

/// Collects what the checks of the gate need, and nothing else. `read` reads the Swarm and the host, for the plan of a
/// renewal. What fails is recorded as not seen, and so is what is to be deployed where that is not allowed.
///
/// # Errors
/// If it is to deploy what is not configured, or on `ingress`, or the log cannot be read then; nothing was touched.
pub async fn collect_own<E: Display>(
    engine: &Engine,
    gate: &OwnGate<'_>,
    ready: &Preflight,
    how: OwnCollection<'_>,
    read: impl Future<Output = Result<SavedSnapshot, E>>,
    watch: Watcher<'_>,
) -> Result<OwnFacts, PreflightError> {
    let harnesses = harnesses(gate);
    check_env(&harnesses)?;
    watch(Progress::Step("reading what the checks need".into()));
    let (snapshot, plan) = swarm(engine, gate, read).await;
    let overlay = gate.overlay;
    let (renewing, control) = (Stage::Renewed, Stage::Control);
    let of_files = [Need::Activation, Need::Declared, Need::Deployed];
    let creation = of_files.iter().any(|need| gate.needs(Stage::Plan, *need) || gate.needs(renewing, *need));
    let (routes, journal, window, creation, record, proof, since_creation) = tokio::join!(
        asked(gate, ready),
        when(gate.needs(control, Need::Journal), "engine log", log_to_judge(ready)),
        on(overlay, gate.needs(Stage::Plan, Need::Window), "engine API, host", |o| window(
            engine,
            gate.config,
            o
        )),
        on(overlay, creation, "files", |o| read_creation(gate.config, o)),
        when(
            gate.needs(renewing, Need::Record),
            "file",
            Observed::of("file", async { SavedRenewal::load(how.record).map(SavedRenewal::without_values) })
        ),
        on(overlay, gate.needs(renewing, Need::Proof), "engine API", |o| proof(engine, o, &snapshot)),
        on(overlay, gate.needs(renewing, Need::Journal), "engine log", |o| {
            log_since_creation(ready, o, &snapshot)
        }),
    );
    // After the rest, because a census writes lines into the log and for a moment owners into the snapshot.
    let leaked = leaked(engine, gate, how.counting, watch).await;
    let guard = if gate.needs(control, Need::Guard) { read_guard(gate.config).await } else { None };
    let control = M1Facts { snapshot, routes, journal, log_node: ready.log_node(), leaked, guard };
    let deployment = match how.deploying {
        _ if !gate.changes_something() => None,
        Ok((op, order)) => {
            Some(collect_deployment(op, gate.config, ready, order, wanted(gate, &harnesses)).await?)
        }
        Err(why) => Some(M2Facts::not_begun(why)),
    };
    let overlay = overlay.map_or_else(String::new, |overlay| overlay.name.clone());
    Ok(OwnFacts { overlay, control, plan, window, creation, record, proof, since_creation, deployment })
}

fn needless<T>(source: &str) -> Observed<T> {
    Observed::not_asked(source, Unseen::NotNeeded)
}

async fn when<T>(is_needed: bool, source: &str, look: impl Future<Output = Observed<T>>) -> Observed<T> {
    if is_needed { look.await } else { needless(source) }
}

/// As [`when`], of an overlay.
async fn on<'a, T, F: Future<Output = Observed<T>>>(
    overlay: Option<&'a OverlayConfig>,
    is_needed: bool,
    source: &str,
    look: impl FnOnce(&'a OverlayConfig) -> F,
) -> Observed<T> {
    match overlay.filter(|_| is_needed) {
        Some(overlay) => look(overlay).await,
        None => needless(source),
    }
}

/// The Swarm, and the plan of a renewal. A plan needs the host as well, and then that reading is the only one.
async fn swarm<E: Display>(
    engine: &Engine,
    gate: &OwnGate<'_>,
    read: impl Future<Output = Result<SavedSnapshot, E>>,
) -> (Observed<Snapshot>, Observed<RenewalPlan>) {
    if let Some(overlay) = gate.overlay.filter(|_| gate.needs(Stage::Plan, Need::Plan)) {
        let saved = Observed::of("engine API", read).await;
        let plan = plan(engine, overlay, &saved).await;
        return (saved.map(|saved| saved.snapshot), plan);
    }
    // What waits may prove a number of leaked addresses; the proof and the log of a renewal are found by its network.
    let of_control = [Need::Snapshot, Need::Leaked].iter().any(|need| gate.needs(Stage::Control, *need));
    let of_renewal = [Need::Snapshot, Need::Proof, Need::Journal];
    let is_needed = of_control || of_renewal.iter().any(|need| gate.needs(Stage::Renewed, *need));
    (
        when(is_needed, "engine API", Observed::of("engine API", engine.snapshot())).await,
        needless("engine API"),
    )
}

/// The routes of the gate, and no other.
async fn asked(gate: &OwnGate<'_>, ready: &Preflight) -> Observed<Vec<RouteFact>> {
    let own = gate.checks.iter().filter_map(|own| match own.check {
        Check::Route(route) => Some(gate.config.route_spec(route)),
        _ => None,
    });
    let specs: Vec<RouteSpec> = own.collect();
    if specs.is_empty() { needless("routes") } else { ask(specs, ready).await }
}

/// The leaked addresses of the overlays that a check of the gate has to know them of.
async fn leaked(
    engine: &Engine,
    gate: &OwnGate<'_>,
    counting: Counting<'_>,
    watch: Watcher<'_>,
) -> Observed<Vec<LeakFact>> {
    let mut overlays: Vec<OverlayConfig> = Vec::new();
    for check in gate.checks.iter().map(|own| own.check).filter(|check| check.needs().contains(&Need::Leaked))
    {
        let overlay = check.overlay().filter(|overlay| !overlays.iter().any(|o| o.name == overlay.name));
        overlays.extend(overlay.cloned());
    }
    if overlays.is_empty() { needless("allocator") } else { count(engine, &overlays, counting, watch).await }
}

/// What its checks want deployed. The census before a churn counts on the first overlay; no check here is of the others'.
fn wanted<'a>(gate: &OwnGate<'_>, harnesses: &'a [&'a HarnessConfig]) -> Wanted<'a> {
    let needs = |need| gate.needs(Stage::Deployment, need);
    Wanted { canary: needs(Need::Canary), churn: needs(Need::Churn), leaked: false, harnesses }
}

fn harnesses<'a>(gate: &OwnGate<'a>) -> Vec<&'a HarnessConfig> {
    let of_check = |check: Check<'a>| match check {
        Check::Harness(harness) => Some(harness),
        _ => None,
    };
    gate.checks.iter().filter_map(|own| of_check(own.check)).collect()
}

//! Facts for `pvfix.m1` and `pvfix.m2`: the plan of a renewal, and what is there after it.

use std::fmt::Display;
use std::path::Path;

use pvcheck_audit::{SavedSnapshot, Snapshot};
use pvcheck_journal::{Scan, Scanner, Since};
use pvcheck_swarm::{
    CallError, Engine, NewSubnet, Progress, RenewalFacts, RenewalPlan, RenewalProof, RenewalRequest,
    SavedRenewal, Watcher, plan_renewal,
};

use super::control_plane::whole_log;
use super::creation::read_creation;
use super::leaked::{Counting, count};
use super::preflight::Preflight;
use super::routes::ask_routes;
use crate::cause::Unseen;
use crate::config::{Config, OverlayConfig};
use crate::facts::M1Facts;
use crate::fix_facts::{FixPlanFacts, FixedFacts};
use crate::observed::{Observed, Seen};
use crate::window::{Window, collect_window, judge_window};

/// Plans the renewal of this overlay to its declared subnet, and reads the window and the files that create the overlay.
/// `read` reads the Swarm and the host. Nothing of the Swarm is changed; the commands of `[window]` are run.
pub async fn collect_fix_plan<E: Display>(
    engine: &Engine,
    config: &Config,
    overlay: &OverlayConfig,
    read: impl Future<Output = Result<SavedSnapshot, E>>,
    watch: Watcher<'_>,
) -> FixPlanFacts {
    watch(Progress::Step("reading the Swarm and the host".into()));
    let saved = Observed::of("engine API", read).await;
    let plan = plan(engine, overlay, &saved).await;
    let window = window(engine, config, overlay).await;
    let creation = read_creation(config, overlay).await;
    let snapshot = saved.map(|saved| saved.snapshot);
    FixPlanFacts { overlay: overlay.name.clone(), snapshot, plan, window, creation }
}

pub(super) async fn plan(
    engine: &Engine,
    overlay: &OverlayConfig,
    saved: &Observed<SavedSnapshot>,
) -> Observed<RenewalPlan> {
    match &saved.seen {
        Seen::Known(saved) => Observed::of("engine API", planned(engine, overlay, saved)).await,
        Seen::Unknown(why) => Observed::not_asked("engine API", why.clone()),
    }
}

/// Whether anything is at work, as a change of this overlay has to know.
pub(super) async fn window(engine: &Engine, config: &Config, overlay: &OverlayConfig) -> Observed<Window> {
    let look = async {
        let facts = collect_window(engine, &config.window).await?;
        Ok::<_, CallError>(judge_window(&config.window, &facts, Some(&overlay.name)))
    };
    Observed::of("engine API, host", look).await
}

/// The plan as `pvcheck resize` makes it, but for the window, which has a check of its own.
async fn planned(
    engine: &Engine,
    overlay: &OverlayConfig,
    saved: &SavedSnapshot,
) -> Result<RenewalPlan, String> {
    let facts = RenewalFacts::of(engine, saved.clone(), &overlay.name).await.map_err(|e| e.to_string())?;
    let request = RenewalRequest {
        network: overlay.name.clone(),
        to: NewSubnet::Subnet(overlay.subnet),
        range: None,
        strategy: None,
        rerun_jobs: false,
        readdress: false,
    };
    Ok(plan_renewal(&facts, &request, &[]))
}

/// Reads the Swarm, its routes, its log since the overlay was created, the record of the renewal and what the Swarm shows of
/// it, and the files that create the overlay; then counts what is leaked of it. What fails is recorded as not seen.
///
/// It changes nothing unless it is to count by [`Counting::Probing`]; if the future is dropped then, sweep that run.
pub async fn collect_fixed(
    engine: &Engine,
    config: &Config,
    ready: &Preflight,
    of: Renewed<'_>,
    counting: Counting<'_>,
    watch: Watcher<'_>,
) -> FixedFacts {
    let Renewed { overlay, record } = of;
    watch(Progress::Step("reading the Swarm, its routes and its log".into()));
    let record =
        Observed::of("file", async { SavedRenewal::load(record).map(SavedRenewal::without_values) }).await;
    let snapshot = Observed::of("engine API", engine.snapshot()).await;
    let (routes, journal, proof, creation) = tokio::join!(
        ask_routes(config, ready),
        log_since_creation(ready, overlay, &snapshot),
        proof(engine, overlay, &snapshot),
        read_creation(config, overlay),
    );
    // Last, because a census writes lines into the log and for a moment owners into the snapshot.
    let leaked = count(engine, std::slice::from_ref(overlay), counting, watch).await;
    let control = M1Facts { snapshot, routes, journal, log_node: ready.log_node(), leaked };
    FixedFacts { overlay: overlay.name.clone(), control, record, proof, creation }
}

/// Which renewal a gate is about.
#[derive(Clone, Copy, Debug)]
pub struct Renewed<'a> {
    /// The overlay that was renewed.
    pub overlay: &'a OverlayConfig,
    /// The file that the renewal left.
    pub record: &'a Path,
}

/// What was logged before is the old network's, and why it was renewed.
pub(super) async fn log_since_creation(
    ready: &Preflight,
    overlay: &OverlayConfig,
    snapshot: &Observed<Snapshot>,
) -> Observed<Scan> {
    let network = snapshot.known().and_then(|snapshot| snapshot.overlay(&overlay.name));
    let Some(created) = network.and_then(|network| network.created) else {
        let error = format!("the engine does not say when {} was created", overlay.name);
        return Observed::not_asked("engine log", Unseen::Failed { error });
    };
    let role = ready.role;
    whole_log(ready, move |catalogue| Scanner::since(catalogue, Since::At(created), None).role(role)).await
}

pub(super) async fn proof(
    engine: &Engine,
    overlay: &OverlayConfig,
    snapshot: &Observed<Snapshot>,
) -> Observed<RenewalProof> {
    let read = async {
        let snapshot = snapshot.sight().map_err(ToString::to_string)?;
        let network = snapshot.named_overlay(&overlay.name).map_err(|e| e.to_string())?;
        RenewalProof::read(engine, &network.id).await.map_err(|e| e.to_string())
    };
    Observed::of("engine API", read).await
}

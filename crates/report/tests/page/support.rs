//! Worlds, their facts, and pages of them.

use std::time::Duration;

use jiff::Timestamp;
use pvcheck_audit::{EngineKind, Snapshot};
use pvcheck_gates::{
    Bundle, BundledConfig, BundledRun, Config, GateFacts, GateReport, LeakFact, M1Facts, Observed, RunFacts,
    Seen, Unseen, judge_run,
};
use pvcheck_ledger::Room;
use pvcheck_report::page;
use pvcheck_routes::RouteFact;
use pvcheck_sim::{Model, NetworkDraft, ServiceDraft, Sim, SimOptions, Timings};
use pvcheck_swarm::{CensusOptions, Engine, Operation, Permit, RunId, census};

/// Model time in which everything settles.
const SETTLE: Duration = Duration::from_secs(20);

pub(crate) fn at() -> Timestamp {
    "2026-06-13T05:38:02Z".parse().expect("a time")
}

pub(crate) fn known<T>(source: &str, value: T) -> Observed<T> {
    Observed { source: source.into(), at: at(), elapsed_ms: 7, seen: Seen::Known(value) }
}

pub(crate) fn unknown<T>(source: &str) -> Observed<T> {
    let why = Unseen::Failed { error: "the engine did not answer".into() };
    Observed { source: source.into(), at: at(), elapsed_ms: 7, seen: Seen::Unknown(why) }
}

/// A world with an overlay `proxy` of this subnet.
pub(crate) fn world(subnet: &str) -> Model {
    let mut model = Model::new();
    // A census waits for what its probes hold to be given back, in real time.
    model.settings_mut().timings = Timings {
        schedule: Duration::from_millis(2),
        start: Duration::from_millis(10),
        stop: Duration::from_millis(20),
        reap: Duration::from_millis(10),
        ..Timings::default()
    };
    model
        .create_network(&NetworkDraft::overlay("proxy").subnet(subnet).attachable().json())
        .expect("a fresh name");
    model.advance(SETTLE);
    model
}

pub(crate) fn deploy(model: &mut Model, name: &str, replicas: u64) {
    model
        .create_service(ServiceDraft::new(name).on("proxy").replicas(replicas).json())
        .expect("a fresh name");
    model.advance(SETTLE);
}

/// Loses an address, in the way that `docker stack rm` does.
pub(crate) fn leak(model: &mut Model, name: &str) {
    model.create_network(&NetworkDraft::overlay(name).json()).expect("a fresh name");
    model.create_service(ServiceDraft::new(name).on(name).on("proxy").json()).expect("a fresh name");
    model.advance(SETTLE);
    model.remove_service(name).expect("there");
    model.remove_network(name).expect("no wanted task is on it");
    model.advance(SETTLE);
}

/// What is seen of a world: its Swarm, and with `counting` a census of `proxy`.
pub(crate) async fn look(model: Model, counting: bool) -> M1Facts {
    let sim = Sim::start(model, SimOptions::default()).expect("a socket in a temporary directory");
    let engine = Engine::connect(&sim.host().parse().expect("absolute")).await.expect("a manager");
    let snapshot = engine.snapshot().await.expect("a healthy engine");
    let leaked = if counting {
        let (run, watch) = (RunId::unique(), |_| {});
        let op = Operation::new(&engine, Permit::granted_by_operator(), &run, &watch);
        let counted = census(op, "proxy", &CensusOptions::default()).await;
        let census = match counted {
            Ok(census) => Seen::Known(census),
            Err(error) => Seen::Unknown(Unseen::Failed { error: error.to_string() }),
        };
        known("allocator", vec![LeakFact { overlay: "proxy".into(), census }])
    } else {
        unknown("allocator")
    };
    facts(snapshot, leaked)
}

pub(crate) fn facts(snapshot: Snapshot, leaked: Observed<Vec<LeakFact>>) -> M1Facts {
    M1Facts {
        snapshot: known("engine API", snapshot),
        routes: known("routes", Vec::<RouteFact>::new()),
        journal: unknown("engine log"),
        log_node: None,
        leaked,
        guard: None,
    }
}

pub(crate) fn config(subnet: &str) -> Config {
    let text = format!("[overlay]\nname = \"proxy\"\nsubnet = \"{subnet}\"\n");
    Config::parse("pvcheck.toml", &text).expect("a sound configuration")
}

/// The run of a gate over these facts.
pub(crate) fn ran(config: &Config, gate: &str, facts: GateFacts) -> BundledRun {
    let run = RunFacts {
        at: at(),
        swarm: "6wq9m8p4n2k7".into(),
        engine: EngineKind::Embedded,
        node: Some("m1".into()),
        before: Vec::new(),
    };
    let report = judge_run(config, &run, facts.judge(config, gate).expect("a gate of the configuration"));
    BundledRun { facts, run, report }
}

pub(crate) fn m1(config: &Config, facts: M1Facts) -> BundledRun {
    ran(config, "pvcheck.m1", GateFacts::M1(Box::new(facts)))
}

/// The page of one run, as the command makes it.
pub(crate) fn page_of(config: &Config, run: BundledRun, room: Option<&[Room]>) -> String {
    let bundle = Bundle::new(BundledConfig::of(config), EngineKind::Embedded, vec![run]);
    let reports: Vec<GateReport> = bundle.replay().expect("as it was judged");
    page(&bundle, &reports, room).expect("its configuration reads")
}

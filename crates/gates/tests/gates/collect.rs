//! Collecting: what is looked at, what is refused before anything is touched, and what is recorded when a look fails.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use Verdict::{Fail, Pass, Unknown};
use pvcheck_gates::{
    CheckReport, ChurnFailure, ChurnOutcome, Config, Counting, M1Facts, M2Facts, PreflightError, Seen,
    Unseen, Verdict, catalogue, check_info, collect_m1, collect_m2, judge_fix_plan, judge_m1, judge_m2,
    preflight,
};
use pvcheck_sim::{Fault, FaultRule, Model, NetworkDraft, ServiceDraft, Sim};
use pvcheck_swarm::{CensusError, Engine, Operation, Order, Permit, RunId, silent};
use tempfile::TempDir;

use crate::support::*;

/// A Swarm with its log file, a router before it, and the configuration that is true of both.
pub(crate) struct World {
    pub(crate) sim: Arc<Sim>,
    pub(crate) engine: Engine,
    pub(crate) config: Config,
    dir: TempDir,
    _router: Router,
}

impl World {
    pub(crate) async fn new(model: Model) -> Self {
        Self::with(model, |text| text).await
    }

    /// A world whose configuration was changed.
    pub(crate) async fn with(model: Model, change: impl FnOnce(String) -> String) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("engine.log");
        std::fs::write(&log, QUIET_LOG.join("\n") + "\n").expect("a fresh file");
        let sim = Arc::new(start_logging(model, &log));
        let (router, accepting) = router(Arc::clone(&sim)).await;
        let authority =
            rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).expect("a certificate");
        std::fs::write(dir.path().join("ca.pem"), authority.cert.pem()).expect("a fresh file");
        let services: String = SERVICES
            .iter()
            .map(|(name, overlay)| format!("[[service]]\nname = \"{name}\"\noverlay = {overlay}\n"))
            .collect();
        let text = format!(
            r#"
[overlay]
name = "proxy"
subnet = "10.10.0.0/24"
[tls]
ca = "ca.pem"
[journal]
file = "engine.log"
{services}
[[route]]
name = "dashboard"
url = "http://dashboard.test/"
address = "{router}"
[canary]
image = "sim/busybox:1"
url = "http://{{stack}}.test/"
address = "{router}"
labels = {{ "router.host" = "{{stack}}.test" }}
[churn]
image = "sim/busybox:1"
stacks = 2
"#
        );
        std::fs::write(dir.path().join("pvcheck.toml"), change(text)).expect("a fresh file");
        let config = Config::load(&dir.path().join("pvcheck.toml")).expect("a sound configuration");
        let engine = connect(&sim).await;
        Self { sim, engine, config, dir, _router: accepting }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.path("pvcheck.toml")
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        let requests = self.sim.requests().into_iter().filter(|r| r.method != "GET");
        requests.map(|r| format!("{} {}", r.method, r.target)).collect()
    }
}

pub(crate) async fn m1_run(world: &World) -> M1Facts {
    let ready = preflight(&world.engine, &world.config).await.expect("ready");
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    let op = Operation::new(&world.engine, permit, &run, &silent);
    collect_m1(&world.engine, &world.config, &ready, Counting::Probing(op), &silent).await
}

pub(crate) async fn m2_run(world: &World, order: Order) -> Result<M2Facts, PreflightError> {
    let ready = preflight(&world.engine, &world.config).await?;
    let permit = Permit::granted_by_operator();
    let run = RunId::unique();
    let op = Operation::new(&world.engine, permit, &run, &silent);
    collect_m2(op, &world.config, &ready, order).await
}

/// True iff every write is of a census: a service of its own made, or removed again.
fn only_probes(world: &World) -> bool {
    let is_probe =
        |w: &String| w.starts_with("POST ") == w.ends_with("/services/create") && w.contains("/services/");
    world.writes().iter().all(is_probe)
        && world.sim.with_model(|model| {
            let services = model.respond("GET", "/services", b"").value();
            let mut all = services.as_array().expect("a list").iter();
            all.all(|service| service["Spec"]["Labels"]["org.pvcheck.run"].is_null())
        })
}

#[tokio::test]
async fn m1_writes_nothing_but_its_census_and_passes_on_a_healthy_world() {
    let world = World::new(cc_ci()).await;
    let facts = m1_run(&world).await;
    assert_open(&judge_m1(&world.config, &facts), &[]);
    let unlisted = [("routes.unlisted", Fail)];
    assert_eq!(notes(&judge_m1(&world.config, &facts)), unlisted, "what the world's labels declare");
    assert!(!world.writes().is_empty() && only_probes(&world), "more than the census wrote");
}

#[tokio::test]
async fn m1_sees_the_incident_in_the_engine_and_in_its_log() {
    let mut model = cc_ci();
    model.create_network(&NetworkDraft::overlay("full").subnet("10.91.0.0/29").json()).unwrap();
    let filler = ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4);
    model.create_service(filler.json()).unwrap();
    let world = World::new(model).await;
    world.sim.with_model(|model| model.create_service(ServiceDraft::new("late").on("full").json())).unwrap();
    let report = judge_m1(&world.config, &m1_run(&world).await);
    // While a service waits no census may be made, on whatever overlay; that is no zero.
    let expected = [
        ("overlay.leaked", Unknown),
        ("overlay.headroom", Unknown),
        ("swarm.waiting", Fail),
        ("journal.exhaustion", Fail),
    ];
    assert_open(&report, &expected);
    let unlisted = [("services.unlisted", Fail), ("routes.unlisted", Fail)];
    assert_eq!(notes(&report), unlisted, "filler and late, and what the world's labels declare");
    assert_eq!(world.writes().len(), 0, "and did nothing about it");
}

#[tokio::test]
async fn m1_records_a_look_that_failed_as_unknown_with_its_reason() {
    let world = World::new(cc_ci()).await;
    let ready = preflight(&world.engine, &world.config).await.unwrap();
    std::fs::remove_file(world.dir.path().join("engine.log")).unwrap();
    world.sim.inject(FaultRule::new(Fault::Fail { status: 500 }).path("/services"));
    let facts = collect_m1(&world.engine, &world.config, &ready, Counting::Reading, &silent).await;
    let report = judge_m1(&world.config, &facts);
    let known: Vec<_> = report.checks.iter().filter(|c| c.verdict != Unknown).collect();
    let known: Vec<_> = known.iter().map(|c| (c.id.as_str(), c.verdict)).collect();
    assert_eq!(known, [("route.dashboard", Pass)], "only the route is known");
    assert!(reason(&report, "overlay.subnet").contains("500"));
    assert!(reason(&report, "journal.exhaustion").contains("no such file"));
    assert_eq!(report.verdict, Unknown);
}

#[tokio::test]
async fn m2_deploys_nothing_while_a_core_route_is_down() {
    let world =
        World::with(cc_ci(), |text| text.replacen("http://dashboard.test/", "http://gone.test/", 1)).await;
    let facts = m2_run(&world, Order::Drained).await.unwrap();
    assert_eq!(world.writes(), [] as [&str; 0]);
    let report = judge_m2(&world.config, &facts);
    let expected = [
        ("routes.before", Fail),
        ("overlay.leaked", Unknown),
        ("routes.during", Unknown),
        ("canary.deploy", Unknown),
        ("canary.route", Unknown),
        ("canary.removal", Unknown),
        ("churn.census", Unknown),
        ("churn.duplicates", Unknown),
        ("churn.leaks", Unknown),
        ("churn.removal", Unknown),
        ("routes.after", Unknown),
        // Nothing was done, so the engine logged nothing, which is no all-clear.
        ("journal.new", Unknown),
    ];
    assert_open(&report, &expected);
    assert!(reason(&report, "churn.leaks").contains("core route dashboard is down"));
}

#[tokio::test]
async fn m2_deploys_nothing_while_a_service_waits() {
    let mut model = cc_ci();
    model.create_network(&NetworkDraft::overlay("full").subnet("10.91.0.0/29").json()).unwrap();
    let filler = ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4);
    model.create_service(filler.json()).unwrap();
    model.create_service(ServiceDraft::new("late").on("full").json()).unwrap();
    model.advance(SETTLE);
    let world = World::new(model).await;
    let facts = m2_run(&world, Order::Drained).await.unwrap();
    let late = Unseen::ServiceWaits { service: "late".into(), network: "full".into() };
    assert!(late.to_string().contains("late waits for an address on full"), "{late}");
    assert_eq!(facts.canary.seen, Seen::Unknown(late.clone()));
    assert!(matches!(&facts.churn.seen, Seen::Unknown(why) if *why == late), "{:?}", facts.churn.seen);
    assert_eq!(
        world.writes(),
        [] as [&str; 0],
        "each address given back would let the allocator lose another one"
    );
    let report = judge_m2(&world.config, &facts);
    let open = report.open().filter(|c| c.id.starts_with('c')).map(|c| (c.id.as_str(), c.verdict));
    let all = [
        "canary.deploy",
        "canary.route",
        "canary.removal",
        "churn.census",
        "churn.duplicates",
        "churn.leaks",
        "churn.removal",
    ];
    assert_eq!(open.collect::<Vec<_>>(), all.map(|id| (id, Unknown)));
}

async fn refused(world: &World) -> PreflightError {
    let error = match preflight(&world.engine, &world.config).await {
        Err(error) => error,
        Ok(_) => m2_run(world, Order::Drained).await.expect_err("something is missing"),
    };
    assert!(!error.to_string().contains('\n'), "{error}");
    assert_eq!(world.writes(), [] as [&str; 0], "nothing was touched");
    error
}

#[tokio::test]
async fn what_is_missing_is_said_before_anything_is_touched() {
    type Change = fn(String) -> String;
    type Is = fn(&PreflightError) -> bool;
    let unknown: Is = |e| matches!(e, PreflightError::Overlay(CensusError::NoSuchNetwork(_)));
    let unallocated: Is = |e| matches!(e, PreflightError::Overlay(CensusError::NotAllocated(_)));
    let cases: [(Change, Is, &str); 5] = [
        (|t| t.replacen("\"proxy\"", "\"prox\"", 1), unknown, "`prox`"),
        (|t| t.replacen("\"proxy\"", "\"clash\"", 1), unallocated, "`clash`"),
        (|t| t.replacen("ca.pem", "nope.pem", 1), |e| matches!(e, PreflightError::Routes(_)), "nope.pem"),
        (
            |t| t.replacen("engine.log", "nope.log", 1),
            |e| matches!(e, PreflightError::Journal(_)),
            "nope.log",
        ),
        (
            |t| t.split("[churn]").next().unwrap_or_default().to_owned(),
            |e| matches!(e, PreflightError::NotConfigured { table: "churn" }),
            "[churn]",
        ),
    ];
    for (change, is_expected, names) in cases {
        let mut model = cc_ci();
        model.create_network(&NetworkDraft::overlay("clash").subnet("10.10.0.0/16").json()).unwrap();
        model.advance(SETTLE);
        let world = World::with(model, change).await;
        let error = refused(&world).await;
        assert!(is_expected(&error), "{error:?}");
        assert!(error.to_string().contains(names), "{error}");
    }
}

#[tokio::test]
async fn m2_needs_a_canary() {
    let cut = |text: String| {
        let (head, rest) = text.split_once("[canary]").expect("there");
        let (_, churn) = rest.split_once("[churn]").expect("there");
        format!("{head}[churn]{churn}")
    };
    let error = refused(&World::with(cc_ci(), cut).await).await;
    assert!(matches!(error, PreflightError::NotConfigured { table: "canary" }), "{error:?}");
}

/// An engine that goes away half-way leaves facts, not a panic.
#[tokio::test]
async fn m2_records_an_engine_that_fails_half_way() {
    let world = World::new(cc_ci()).await;
    world.sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("POST").path("/services/create"));
    let facts = m2_run(&world, Order::Drained).await.unwrap();
    let report = judge_m2(&world.config, &facts);
    assert!(open(&report).contains(&("canary.deploy", Fail)), "{:?}", open(&report));
    assert!(reason(&report, "canary.deploy").contains("500"));
    assert!(
        matches!(facts.churn.known(), Some(ChurnOutcome::Failed(ChurnFailure::Census { error })) if error.contains("500"))
    );
    assert!(matches!(&facts.residue.seen, Seen::Known(left) if left.is_empty()), "{:?}", facts.residue);
    assert!(Duration::from_millis(facts.canary.elapsed_ms) < Duration::from_secs(20));
}

/// A healthy world with one thing broken in it: exactly the check about it turns.
#[tokio::test]
async fn each_check_of_m1_turns_by_its_own_break() {
    type Break = fn(&World);
    type Change = fn(String) -> String;
    let (no_break, no_change): (Break, Change) = (|_| {}, |text| text);
    let stop: Break = |world| {
        world.sim.with_model(|model| {
            model.scale_service("ccci-dashboard_app", 0).expect("there");
            model.advance(SETTLE);
        });
    };
    let log: Break = |world| {
        std::fs::write(
            world.dir.path().join("engine.log"),
            [QUIET_LOG.join("\n").as_str(), EXHAUSTED, ""].join("\n"),
        )
        .expect("there");
    };
    let leaked: Break = |world| world.sim.with_model(|model| leak(model, "proxy", 2));
    let cases: [(&str, Break, Change); 7] = [
        ("overlay.leaked", leaked, no_change),
        ("overlay.subnet", no_break, |t| t.replacen("10.10.0.0/24", "10.10.0.0/25", 1)),
        ("overlay.headroom", no_break, |t| t.replacen("[tls]", "min_free = 250\n[tls]", 1)),
        ("swarm.waiting", wait_for_an_address, no_change),
        ("service.ccci-dashboard_app", stop, no_change),
        ("route.dashboard", no_break, |t| t.replacen("http://dashboard.test/", "http://gone.test/", 1)),
        ("journal.exhaustion", log, no_change),
    ];
    for (id, break_it, change) in cases {
        let world = World::with(cc_ci(), change).await;
        break_it(&world);
        let report = judge_m1(&world.config, &m1_run(&world).await);
        let mut expected = vec![(id, Fail)];
        if id == "swarm.waiting" {
            // A census is refused then, and what is not counted is not free.
            expected.splice(0..0, [("overlay.leaked", Unknown), ("overlay.headroom", Unknown)]);
        }
        assert_open(&report, &expected);
        assert!(only_probes(&world), "{id}");
    }
}

/// Loses addresses of an overlay, in the way that `docker stack rm` does.
pub(crate) fn leak(model: &mut Model, overlay: &str, addresses: u32) {
    for n in 0..addresses {
        let name = format!("gone-{n}");
        model.create_network(&NetworkDraft::overlay(&name).json()).expect("a fresh name");
        model.create_service(ServiceDraft::new(&name).on(&name).on(overlay).json()).expect("a fresh name");
        model.advance(SETTLE);
        model.remove_service(&name).expect("there");
        model.remove_network(&name).expect("no wanted task is on it");
        model.advance(SETTLE);
    }
}

/// A service that waits, without a line of its engine about it: the log is a check of its own.
fn wait_for_an_address(world: &World) {
    let log = world.dir.path().join("engine.log");
    let quiet = std::fs::read(&log).expect("there");
    world.sim.with_model(|model| {
        model
            .create_network(&NetworkDraft::overlay("full").subnet("10.91.0.0/29").json())
            .expect("a fresh name");
        let filler = ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4);
        model.create_service(filler.json()).expect("a fresh name");
        model.create_service(ServiceDraft::new("late").on("full").json()).expect("a fresh name");
        model.advance(SETTLE);
    });
    std::fs::write(&log, quiet).expect("there");
}

/// A report has checks of each kind that the catalogue lists for its gate, and of no other.
#[tokio::test]
async fn the_checks_of_a_report_are_those_that_the_catalogue_has_for_its_gate() {
    let (fix_world, fix_plan) = crate::fix::healthy().await;
    let reports = [
        judge_fix_plan(&fix_world.config, fix_plan),
        // With a unit, a guard and a harness, of which there need be none.
        crate::activation::with_unit(|_, _| ()).await,
        crate::guard::with(|_| ()).await,
        crate::harness::with(|_| ()).await,
    ];
    for report in reports {
        let row = |check: &CheckReport| check_info(&check.id).expect("every check has a row").id;
        let reported: BTreeSet<&str> = report.checks.iter().map(row).collect();
        let listed = catalogue().filter(|row| row.gates().any(|gate| gate.name() == report.gate));
        assert_eq!(reported, listed.map(|row| row.id).collect(), "{}", report.gate);
        for check in &report.checks {
            let row = check_info(&check.id).expect("every check has a row");
            assert_eq!((check.needs.as_slice(), check.required), (row.needs, row.required), "{}", check.id);
        }
    }
}

//! Gate `pvcheck.m2`: a real run against the embedded engine, and then its facts, one break at a time.

use Verdict::{Fail, Pass, Unknown};
use pvcheck_gates::{
    CanaryFailure, ChurnFailure, ChurnOutcome, ChurnRefusal, Config, GateReport, GateStep, M2Facts, Verdict,
    judge_m2,
};
use pvcheck_journal::{Catalogue, Incomplete, OwnNoise, Record, Scan, Window};
use pvcheck_sim::{Model, NetworkDraft, ServiceDraft};
use pvcheck_swarm::{Churn, Doubt, Left, LeftReason, Order, PartKind};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::collect::{World, m2_run};
use crate::support::*;

static HEALTHY: OnceCell<(World, M2Facts)> = OnceCell::const_new();

/// The facts of one healthy run, which all tests share.
pub(crate) async fn healthy() -> &'static (World, M2Facts) {
    HEALTHY
        .get_or_init(|| async {
            let world = World::new(cc_ci()).await;
            let facts = m2_run(&world, Order::Drained).await.expect("everything is configured");
            (world, facts)
        })
        .await
}

/// The healthy facts with one thing changed.
pub(crate) async fn with(change: impl FnOnce(&mut M2Facts)) -> GateReport {
    let (world, facts) = healthy().await;
    let mut facts = facts.clone();
    change(&mut facts);
    judge_m2(&world.config, &facts)
}

pub(crate) fn churn_of(facts: &mut M2Facts) -> &mut Churn {
    match of(&mut facts.churn) {
        ChurnOutcome::Done(churn) => churn,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn scan_of(lines: &[&str]) -> Scan {
    let records: Vec<Record> = lines.iter().map(|line| Record::parse_line(line.as_bytes())).collect();
    pvcheck_journal::scan(&records, Window::OPEN, Catalogue::builtin(), &OwnNoise::none())
}

#[tokio::test]
async fn a_healthy_run_passes_every_check() {
    let (world, facts) = healthy().await;
    let report = judge_m2(&world.config, facts);
    assert_open(&report, &[]);
    let ids: Vec<&str> = report.checks.iter().map(|c| c.id.as_str()).collect();
    let expected = [
        "routes.before",
        "overlay.leaked",
        "routes.during",
        "canary.deploy",
        "canary.route",
        "canary.removal",
        "churn.census",
        "churn.duplicates",
        "churn.leaks",
        "churn.removal",
        "routes.after",
        "journal.new",
        "residue",
    ];
    assert_eq!(ids, expected);
    let rest: Vec<String> = world.sim.with_model(|model| {
        let services = model.respond("GET", "/services", b"").value();
        let names = services.as_array().expect("a list").iter().map(|s| s["Spec"]["Name"].to_string());
        names.filter(|name| name.contains("pvcheck")).collect()
    });
    assert_eq!(rest, [] as [&str; 0]);
}

#[tokio::test]
async fn a_leak() {
    let report = with(|facts| {
        let churn = churn_of(facts);
        churn.leaked = Some(1);
        churn.leaked_addresses = vec!["10.10.0.77".parse().unwrap()];
    })
    .await;
    assert_open(&report, &[("churn.leaks", Fail)]);
    assert!(reason(&report, "churn.leaks").contains("10.10.0.77"));
}

#[tokio::test]
async fn a_census_that_is_not_complete() {
    for after in [false, true] {
        let report = with(|facts| {
            let churn = churn_of(facts);
            let census = if after { &mut churn.census_after } else { &mut churn.census_before };
            (census.complete, census.leaked) = (false, None);
            census.reason = Some(Doubt::TimeUp);
            (churn.leaked, churn.leak_per_cycle, churn.cycles_to_exhaustion) = (None, None, None);
        })
        .await;
        let mut expected =
            vec![("churn.census", Unknown), ("churn.duplicates", Unknown), ("churn.leaks", Unknown)];
        if !after {
            // What was leaked already is what the census before says.
            expected.insert(0, ("overlay.leaked", Unknown));
        }
        assert_open(&report, &expected);
        assert!(reason(&report, "churn.census").contains("the time was up"));
    }
}

#[tokio::test]
async fn strangers_make_the_count_unknown_leak_or_no_leak() {
    for leaked in [0, 2] {
        let report = with(|facts| {
            let churn = churn_of(facts);
            (churn.strangers, churn.leaked) = (vec!["guest".into()], Some(leaked));
        })
        .await;
        assert_open(&report, &[("churn.leaks", Unknown)]);
        assert!(reason(&report, "churn.leaks").contains("guest"));
    }
}

#[tokio::test]
async fn an_address_that_is_free_and_owned_at_once() {
    for after in [false, true] {
        let report = with(|facts| {
            let churn = churn_of(facts);
            let census = if after { &mut churn.census_after } else { &mut churn.census_before };
            census.free_and_owned = vec!["10.10.0.9".parse().unwrap()];
        })
        .await;
        assert_open(&report, &[("churn.duplicates", Fail)]);
        assert!(reason(&report, "churn.duplicates").contains("10.10.0.9"));
    }
}

/// The engine's own way there: an update that adds a full network frees the service's live VIP, which is given to another
/// service; that one goes, the update is taken back, and the address is free and owned at once.
#[tokio::test]
async fn an_update_that_freed_a_live_address_fails_for_real() {
    let mut model = cc_ci();
    model.create_network(&NetworkDraft::overlay("full").subnet("10.91.0.0/29").json()).unwrap();
    let filler = ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4);
    model.create_service(filler.json()).unwrap();
    model.create_service(ServiceDraft::new("app").on("proxy").replicas(0).json()).unwrap();
    model.advance(SETTLE);
    let on = |model: &mut Model, networks: Value| {
        model.change_service("app", |raw| raw["TaskTemplate"]["Networks"] = networks).unwrap();
        model.advance(SETTLE);
    };
    on(&mut model, json!([{"Target": "proxy"}, {"Target": "full"}]));
    let second = |n: &u32| format!("second-{n}");
    let given: Vec<u32> = (0..250)
        .take_while(|n| {
            let none_yet = model.truth().network("proxy").unwrap().duplicates.is_empty();
            if none_yet {
                model.create_service(ServiceDraft::new(&second(n)).on("proxy").replicas(0).json()).unwrap();
                model.advance(SETTLE);
            }
            none_yet
        })
        .collect();
    on(&mut model, json!([{"Target": "proxy"}]));
    for n in &given {
        model.remove_service(&second(n)).unwrap();
    }
    model.advance(SETTLE);
    let world = World::new(model).await;
    let facts = m2_run(&world, Order::Drained).await.unwrap();
    let report = judge_m2(&world.config, &facts);
    assert_open(&report, &[("churn.duplicates", Fail)]);
}

/// A churn of no cycle has shown nothing.
#[tokio::test]
async fn no_cycle_is_no_proof() {
    let report = with(|facts| {
        let churn = churn_of(facts);
        (churn.stacks, churn.cycles, churn.leak_per_cycle, churn.cycles_to_exhaustion) = (0, 0, None, None);
    })
    .await;
    assert_open(&report, &[("churn.leaks", Unknown)]);
}

#[tokio::test]
async fn a_removal_that_was_refused() {
    let report = with(|facts| {
        churn_of(facts).errors = vec![Left {
            kind: PartKind::Network,
            name: "x".into(),
            why: LeftReason::Refused { error: "in use".into() },
        }];
    })
    .await;
    assert_open(&report, &[("churn.removal", Fail)]);
}

#[tokio::test]
async fn a_churn_that_a_guardrail_refused_is_unknown_and_one_that_broke_off_fails() {
    let ids = ["churn.census", "churn.duplicates", "churn.leaks", "churn.removal"];
    for (outcome, verdict) in [
        (ChurnOutcome::Refused(ChurnRefusal::TooFewFree { error: "too little room".into() }), Unknown),
        (ChurnOutcome::Failed(ChurnFailure::Call { error: "the engine answered 500".into() }), Fail),
    ] {
        let report = with(|facts| *of(&mut facts.churn) = outcome.clone()).await;
        let mut expected = vec![("overlay.leaked", Unknown)];
        expected.extend(ids.map(|id| (id, verdict)));
        assert_open(&report, &expected);
        let cause = if verdict == Fail { "answered 500" } else { "too little room" };
        assert!(ids.iter().all(|id| reason(&report, id).contains(cause)));
    }
    let report = with(|facts| facts.churn = unknown("churn", "not begun")).await;
    let mut expected = vec![("overlay.leaked", Unknown)];
    expected.extend(ids.map(|id| (id, Unknown)));
    assert_open(&report, &expected);
}

#[tokio::test]
async fn a_canary_that_does_not_run() {
    let report = with(|facts| {
        let canary = of(&mut facts.canary);
        canary.failure = Some(CanaryFailure::NotRunning { error: "its newest task is new".into() });
        (canary.route, canary.addresses) = (None, Vec::new());
    })
    .await;
    assert_open(&report, &[("canary.deploy", Fail), ("canary.route", Unknown)]);
    assert!(reason(&report, "canary.deploy").contains("newest task is new"));
}

#[tokio::test]
async fn a_canary_without_an_address_on_the_overlay() {
    let report = with(|facts| of(&mut facts.canary).addresses.clear()).await;
    assert_open(&report, &[("canary.deploy", Fail)]);
}

#[tokio::test]
async fn a_canary_that_the_router_does_not_reach() {
    let report = with(|facts| of(&mut facts.canary).route.as_mut().unwrap().status = Some(404)).await;
    assert_open(&report, &[("canary.route", Fail)]);
    assert!(reason(&report, "canary.route").contains("404"));
}

#[tokio::test]
async fn a_canary_that_is_not_gone() {
    let report =
        with(|facts| of(&mut facts.canary).left = vec!["network canary_internal: in use".into()]).await;
    assert_open(&report, &[("canary.removal", Fail)]);
    assert!(reason(&report, "canary.removal").contains("canary_internal"));
}

#[tokio::test]
async fn something_that_is_left() {
    let report = with(|facts| *of(&mut facts.residue) = vec!["service pvcheck-x".into()]).await;
    assert_open(&report, &[("residue", Fail)]);
    let report = with(|facts| facts.residue = unknown("engine API", "no answer")).await;
    assert_open(&report, &[("residue", Unknown)]);
}

#[tokio::test]
async fn a_new_signature() {
    let report = with(|facts| facts.journal = known("engine log", scan_of(&[EXHAUSTED]))).await;
    assert_open(&report, &[("journal.new", Fail)]);
    assert!(reason(&report, "journal.new").contains("vip-exhausted"));
}

#[tokio::test]
async fn a_log_that_cannot_be_read_or_lacks_parts() {
    let report = with(|facts| facts.journal = unknown("engine log", "rotated away")).await;
    assert_open(&report, &[("journal.new", Unknown)]);
    let report = with(|facts| {
        let scan = of(&mut facts.journal);
        (scan.complete, scan.incomplete) = (false, vec![Incomplete::Rotated]);
    })
    .await;
    assert_open(&report, &[("journal.new", Unknown)]);
}

/// A real run is in the engine's log: containers end. A window without a record is of a log that is not written any more.
#[tokio::test]
async fn a_log_without_a_record_since_the_run_began_is_unknown() {
    let (_, facts) = healthy().await;
    let scan = facts.journal.known().unwrap();
    assert!(0 < scan.records && scan.is_conclusive(), "{scan:?}");
    let report = with(|facts| facts.journal = known("engine log", scan_of(&[]))).await;
    assert_open(&report, &[("journal.new", Unknown)]);
    let report = with(|facts| facts.journal = known("engine log", scan_of(&[QUIET_LOG[0]]))).await;
    assert_open(&report, &[("journal.new", Unknown)]);
    assert!(reason(&report, "journal.new").contains("whether this engine led"), "the role was not recorded");
}

#[tokio::test]
async fn a_core_route_that_is_down() {
    let report = with(|facts| of(&mut facts.routes)[0].status = Some(503)).await;
    assert_open(&report, &[("routes.before", Fail)]);
    assert!(reason(&report, "routes.before").starts_with("dashboard: "));
    let report = with(|facts| of(&mut facts.routes).clear()).await;
    assert_open(&report, &[("routes.before", Unknown)]);
}

/// One answer among the facts does not speak for a route that was not asked.
#[tokio::test]
async fn a_core_route_that_was_not_asked_is_unknown() {
    let (world, facts) = healthy().await;
    let text = std::fs::read_to_string(world.config_path()).unwrap();
    let more = format!("{text}[[route]]\nname = \"drone\"\nurl = \"http://drone.test/\"\n");
    let report = judge_m2(&Config::parse("more.toml", &more).unwrap(), facts);
    assert_open(
        &report,
        &[("routes.before", Unknown), ("routes.during", Unknown), ("routes.after", Unknown)],
    );
}

#[tokio::test]
async fn a_core_route_that_died_under_way() {
    let report = with(|facts| of(&mut facts.routes_during).died = Some(GateStep::Churn)).await;
    assert_open(&report, &[("routes.during", Fail)]);
    assert!(reason(&report, "routes.during").starts_with("during the churn: dashboard: "));
    let report = with(|facts| of(&mut facts.routes_during).routes[0].status = Some(502)).await;
    assert_open(&report, &[("routes.during", Fail)]);
}

#[tokio::test]
async fn dockers_order_fails_for_real_and_only_for_its_leaks() {
    let mut model = cc_ci();
    model.settings_mut().timings.stop = std::time::Duration::from_millis(400);
    let world = World::new(model).await;
    let mut facts = m2_run(&world, Order::StackRm).await.unwrap();
    let report = judge_m2(&world.config, &facts);
    assert_open(&report, &[("churn.leaks", Fail)]);
    let leaked = world.sim.with_model(|model| model.truth().leaked("proxy").unwrap().to_vec());
    assert_eq!((leaked.len(), &churn_of(&mut facts).leaked_addresses), (2, &leaked), "one per task");
    assert!(leaked.iter().all(|a| reason(&report, "churn.leaks").contains(&a.to_string())));
    assert_eq!(report.verdict, Fail);
    assert!(report.checks.iter().filter(|c| c.verdict == Pass).count() == report.checks.len() - 1);
}

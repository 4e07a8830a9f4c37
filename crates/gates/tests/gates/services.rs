//! The configuration's own numbers beside what services ask for.

use Verdict::{Fail, Pass, Unknown};
use pvcheck_audit::{Snapshot, TaskState, declared_routes};
use pvcheck_gates::{Config, GateReport, M1Facts, Verdict, judge_m1};
use pvcheck_sim::{Model, ServiceDraft};
use std::time::Duration;

use crate::support::*;

/// The report under the world's configuration and one more service of these lines.
async fn with_service(model: Model, lines: &str) -> GateReport {
    let facts = facts(model).await;
    judged(&facts, lines)
}

fn judged(facts: &M1Facts, lines: &str) -> GateReport {
    let text = format!("{}[[service]]\nname = \"extra\"\n{lines}", config_text());
    judge_m1(&Config::parse("extra.toml", &text).expect("a sound configuration"), facts)
}

/// The world with one more service, settled.
fn world(nodes: u32, draft: ServiceDraft) -> Model {
    let mut model = cc_ci();
    for _ in 0..nodes {
        model.add_node(false);
    }
    model.create_service(draft.json()).expect("a fresh name");
    model.advance(SETTLE);
    model
}

#[tokio::test]
async fn a_global_service_runs_on_each_of_its_nodes() {
    let extra = || ServiceDraft::new("extra").on("proxy").global();
    let report = with_service(world(1, extra()), "overlay = true\n").await;
    assert_open(&report, &[]);
    assert_eq!(reason(&report, "service.extra"), "2 of 2 tasks run");

    let report = with_service(world(1, extra()), "replicas = 1\n").await;
    assert_open(&report, &[("service.extra", Fail)]);
    let reason = reason(&report, "service.extra");
    assert!(reason.contains("replicas = 1") && reason.contains("leave `replicas` out"), "{reason}");
}

#[tokio::test]
async fn a_global_service_that_lacks_one_of_its_nodes() {
    let mut facts = facts(world(1, ServiceDraft::new("extra").global())).await;
    one_task_of(of(&mut facts.snapshot), "extra").state = TaskState::Starting;
    let report = judged(&facts, "");
    assert_open(&report, &[("service.extra", Fail)]);
    assert!(
        reason(&report, "service.extra").starts_with("1 of 2 tasks run"),
        "{}",
        reason(&report, "service.extra")
    );
}

#[tokio::test]
async fn a_global_service_without_any_node_does_not_run() {
    let nowhere = ServiceDraft::new("extra").global().constraint("node.labels.no==1");
    let report = with_service(world(0, nowhere), "").await;
    assert_open(&report, &[("service.extra", Fail)]);
    assert!(reason(&report, "service.extra").starts_with("0 of 1 tasks run"));
}

#[tokio::test]
async fn without_a_number_the_services_own_counts() {
    let three = || ServiceDraft::new("extra").replicas(3);
    let report = with_service(world(0, three()), "").await;
    assert_open(&report, &[]);
    assert_eq!(reason(&report, "service.extra"), "3 of 3 tasks run");

    let mut facts = facts(world(0, three())).await;
    one_task_of(of(&mut facts.snapshot), "extra").state = TaskState::Failed;
    assert_open(&judged(&facts, ""), &[("service.extra", Fail)]);
}

/// The number of the configuration is wrong, or the service is; that two tasks run is no answer.
#[tokio::test]
async fn a_number_that_the_service_does_not_ask_for() {
    let mut facts = facts(world(0, ServiceDraft::new("extra").replicas(3))).await;
    one_task_of(of(&mut facts.snapshot), "extra").state = TaskState::Failed;
    let report = judged(&facts, "replicas = 2\n");
    assert_open(&report, &[("service.extra", Fail)]);
    let reason = reason(&report, "service.extra");
    assert!(reason.contains("replicas = 2, the service asks for 3"), "{reason}");
}

#[tokio::test]
async fn a_job_is_as_it_should_be_when_it_is_complete_and_unknown_while_it_runs() {
    let job = |finishes: u64| {
        ServiceDraft::new("extra").replicated_job(2, 3).finishes_in(Duration::from_millis(finishes))
    };
    let report = with_service(world(0, job(50)), "").await;
    assert_open(&report, &[]);
    assert_eq!(reason(&report, "service.extra"), "a job: 3 of 3 tasks complete, 0 run");
    let report = with_service(world(0, job(3_600_000)), "").await;
    assert_open(&report, &[("service.extra", Unknown)]);
    let said = "under way: extra (0/3 complete, 2 running); judge again when it has ended";
    assert_eq!(reason(&report, "service.extra"), said);
    let report = with_service(world(0, job(50)), "replicas = 1\n").await;
    assert_open(&report, &[("service.extra", Fail)]);

    let global = ServiceDraft::new("extra").global_job().finishes_in(Duration::from_millis(50));
    let report = with_service(world(1, global), "").await;
    assert_open(&report, &[]);
    assert_eq!(reason(&report, "service.extra"), "a job: 2 of 2 tasks complete, 0 run");
}

#[tokio::test]
async fn a_job_that_cannot_go_on() {
    let job = ServiceDraft::new("extra").replicated_job(2, 3).finishes_in(Duration::from_hours(1));
    let mut facts = facts(world(0, job)).await;
    one_task_of(of(&mut facts.snapshot), "extra").state = TaskState::Failed;
    let report = judged(&facts, "");
    assert_open(&report, &[("service.extra", Fail)]);
    let said = "a job: 0 of 3 tasks complete, 1 failed, the last one so: failed without a word";
    assert_eq!(reason(&report, "service.extra"), said);

    let nowhere = ServiceDraft::new("extra").global_job().constraint("node.labels.no==1");
    assert_open(&with_service(world(0, nowhere), "").await, &[("service.extra", Fail)]);
}

#[tokio::test]
async fn routes_that_labels_declare_and_nothing_asks_are_named_and_the_gate_passes() {
    let facts = facts(cc_ci()).await;
    let declaring = |labels: &[(&str, &str)]| {
        let mut facts = facts.clone();
        let services = &mut of(&mut facts.snapshot).services;
        services[0].declared = Some(declared_routes(labels.iter().copied()));
        judge_m1(&config(), &facts)
    };
    let report =
        declaring(&[("traefik.http.routers.a.rule", "Host(`drone.example.net`) && PathPrefix(`/`)")]);
    assert_eq!(notes(&report), [], "a route of the configuration asks it");
    let named = reason(&report, "routes.unlisted");
    assert!(named.ends_with("declared by labels, all in the configuration"), "{named}");
    for (label, rule, said) in [
        ("traefik.http.routers.shop.rule", "Host(`shop.example`)", "shop.example ("),
        (
            "traefik.http.routers.shop.rule",
            "Host(`drone.example.net`) && Path(`/api`)",
            "drone.example.net/api (",
        ),
        ("traefik.http.routers.any.rule", "HostRegexp(`.+`)", "traefik.http.routers.any.rule of "),
        ("caddy", "shop.example", "shop.example ("),
        ("caddy_1", ":443", "caddy_1 of "),
    ] {
        let report = declaring(&[(label, rule)]);
        assert_open(&report, &[]);
        assert_eq!(notes(&report), [("routes.unlisted", Fail)], "{rule}");
        let reason = reason(&report, "routes.unlisted");
        assert!(reason.contains(said) && reason.contains("add a [[route]]"), "{reason}");
    }
    let mut older = facts.clone();
    of(&mut older.snapshot).services[0].declared = None;
    let report = judge_m1(&config(), &older);
    assert_eq!(notes(&report), [("routes.unlisted", Unknown)], "an older version did not keep them");
    assert_eq!(report.verdict, Pass);
}

#[tokio::test]
async fn services_of_no_configuration_are_named_with_what_runs_and_the_gate_passes() {
    let mut model = world(0, ServiceDraft::new("guest").replicas(2));
    model.create_service(ServiceDraft::new("dead").constraint("node.labels.no==1").json()).unwrap();
    model.advance(SETTLE);
    let report = judge_m1(&config(), &facts(model).await);
    assert_open(&report, &[]);
    assert_eq!(notes(&report), [("services.unlisted", Fail)]);
    let reason = reason(&report, "services.unlisted");
    assert!(
        reason.starts_with("not in the configuration: dead (0/1 running), guest (2/2 running);"),
        "{reason}"
    );
    let table = pvcheck_gates::table(&report, pvcheck_audit::EngineKind::Real, pvcheck_gates::Style::Plain);
    assert!(table.contains("  NOTE    services.unlisted"), "{table}");
    assert!(table.ends_with("PASS    pvcheck.m1 (19 pass, 0 fail, 0 unknown, 1 note)\n"), "{table}");
}

fn one_task_of<'a>(snapshot: &'a mut Snapshot, service: &str) -> &'a mut pvcheck_audit::Task {
    let id = snapshot.service_named(service).expect("there").id.clone();
    let mut tasks = snapshot.tasks.iter_mut();
    tasks.find(|t| t.service.as_ref() == Some(&id) && t.is_running()).expect("one that runs")
}

/// One task too many is another number as well: it holds an address that no one has asked for.
#[tokio::test]
async fn more_tasks_than_asked_for() {
    let mut facts = facts(world(0, ServiceDraft::new("extra").replicas(2))).await;
    let snapshot = of(&mut facts.snapshot);
    let mut third = one_task_of(snapshot, "extra").clone();
    third.id = pvcheck_audit::TaskId::new("third");
    snapshot.tasks.push(third);
    let report = judged(&facts, "");
    assert_open(&report, &[("service.extra", Fail)]);
    assert!(reason(&report, "service.extra").starts_with("3 of 2 tasks run"));
}

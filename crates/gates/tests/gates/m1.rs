//! Gate `pvcheck.m1`, one break at a time.

use Verdict::{Fail, Pass, Unknown};
use pvcheck_audit::{NodeId, Snapshot, TaskState};
use pvcheck_gates::{Config, GateReport, M1Facts, Verdict, judge_m1};
use pvcheck_journal::Incomplete;
use pvcheck_routes::{Failure, Phase, VerifyError, VerifyErrorKind};
use pvcheck_sim::{NetworkDraft, ServiceDraft};

use crate::support::*;

/// The healthy world's facts, with one thing changed.
pub(crate) async fn with(change: impl FnOnce(&mut M1Facts)) -> GateReport {
    let mut facts = facts(cc_ci()).await;
    change(&mut facts);
    judge_m1(&config(), &facts)
}

pub(crate) async fn with_snapshot(change: impl FnOnce(&mut Snapshot)) -> GateReport {
    with(|facts| change(of(&mut facts.snapshot))).await
}

/// The healthy facts under another configuration.
pub(crate) async fn under(config: &Config) -> GateReport {
    judge_m1(config, &facts(cc_ci()).await)
}

#[tokio::test]
async fn a_healthy_world_passes_every_check_with_evidence() {
    let report = with(|_| {}).await;
    assert_open(&report, &[]);
    assert_eq!(notes(&report), []);
    let ids: Vec<&str> = report.checks.iter().map(|c| c.id.as_str()).collect();
    let mut expected =
        vec!["overlay.subnet", "overlay.owners", "overlay.leaked", "overlay.headroom", "swarm.waiting"];
    let services = SERVICES.map(|(name, _)| format!("service.{name}"));
    let routes = ROUTES.map(|(name, _)| format!("route.{name}"));
    expected.extend(services.iter().map(String::as_str));
    expected.extend(["services.unlisted", "routes.unlisted"]);
    expected.extend(routes.iter().map(String::as_str));
    expected.push("journal.exhaustion");
    assert_eq!(ids, expected);
    for check in &report.checks {
        let rests_on_something = !check.evidence.is_empty() || check.id == "swarm.waiting";
        assert!(rests_on_something, "{check:?}");
        assert_eq!(check.required, !check.id.ends_with(".unlisted"), "{check:?}");
        assert!(!check.needs.is_empty(), "{check:?}");
        assert!(check.evidence.iter().all(|e| e.at == at()), "timed by the look: {check:?}");
    }
    assert_eq!((report.gate.as_str(), report.at), ("pvcheck.m1", at()));
    assert_eq!(report.config_digest, config().digest());
}

#[tokio::test]
async fn another_subnet_than_the_one_declared() {
    for declared in ["10.10.0.0/16", "10.11.0.0/24", "10.10.0.0/25"] {
        let report = under(&config_with("10.10.0.0/24", declared)).await;
        assert_open(&report, &[("overlay.subnet", Fail)]);
        let reason = reason(&report, "overlay.subnet");
        assert!(reason.contains("10.10.0.0/24") && reason.contains(declared), "{reason}");
    }
}

#[tokio::test]
async fn a_duplicate_vip() {
    let report = with_snapshot(|snapshot| {
        let vip_of = |s: &Snapshot, name: &str| s.services.iter().position(|s| s.name == name).unwrap();
        let (bridge, reports) = (vip_of(snapshot, "ccci-bridge_app"), vip_of(snapshot, "ccci-reports_app"));
        snapshot.services[bridge].vips = snapshot.services[reports].vips.clone();
    })
    .await;
    assert_open(&report, &[("overlay.owners", Fail)]);
    assert!(reason(&report, "overlay.owners").contains("10.10.0.12 has more than one owner"));
}

#[tokio::test]
async fn a_task_that_has_a_services_vip() {
    let report = with_snapshot(|snapshot| {
        let proxy = snapshot.overlay("proxy").unwrap().id.clone();
        let vip = snapshot.service_named("ccci-reports_app").unwrap().vips[0].address.unwrap();
        let bridge = snapshot.service_named("ccci-bridge_app").unwrap().id.clone();
        let task = snapshot.tasks.iter_mut().find(|t| t.service.as_ref() == Some(&bridge)).unwrap();
        task.attachments = vec![(proxy, vec![vip])];
    })
    .await;
    assert_open(&report, &[("overlay.owners", Fail)]);
}

/// Finished tasks go on listing addresses that others have by now.
#[tokio::test]
async fn an_address_that_a_finished_task_still_lists_is_no_duplicate() {
    let report = with_snapshot(|snapshot| {
        let mut ended = snapshot.tasks[0].clone();
        ended.id = pvcheck_audit::TaskId::new("ended");
        (ended.state, ended.desired) = (TaskState::Shutdown, TaskState::Shutdown);
        snapshot.tasks.push(ended);
    })
    .await;
    assert_open(&report, &[]);
}

#[tokio::test]
async fn too_little_room() {
    let config = config_with("min_free = 64", "min_free = 242");
    let report = under(&config).await;
    assert_open(&report, &[("overlay.headroom", Fail)]);
    // 253 usable, 5 VIPs, 6 tasks, 1 load balancer.
    assert!(reason(&report, "overlay.headroom").starts_with("241 of 253"));
    assert_open(&under(&config_with("min_free = 64", "min_free = 241")).await, &[]);
}

#[tokio::test]
async fn an_overlay_that_is_not_there_or_has_no_subnet() {
    let config = config_with("name = \"proxy\"", "name = \"prox\"");
    let report = under(&config).await;
    let mut expected = vec![
        ("overlay.subnet", Fail),
        ("overlay.owners", Fail),
        ("overlay.leaked", Unknown),
        ("overlay.headroom", Fail),
    ];
    let on_overlay: Vec<String> =
        SERVICES.iter().filter(|s| s.1).map(|(name, _)| format!("service.{name}")).collect();
    expected.extend(on_overlay.iter().map(|id| (id.as_str(), Fail)));
    assert_open(&report, &expected);
    assert!(reason(&report, "overlay.subnet").contains("`prox`"));

    let mut model = cc_ci();
    model.create_network(&NetworkDraft::overlay("clash").subnet("10.10.0.0/16").json()).unwrap();
    model.advance(SETTLE);
    let text = "[overlay]\nname = \"clash\"\nsubnet = \"10.10.0.0/16\"\n";
    let report = judge_m1(&Config::parse("x", text).unwrap(), &facts(model).await);
    assert!(open(&report).contains(&("overlay.subnet", Fail)), "{:?}", open(&report));
    assert!(reason(&report, "overlay.subnet").contains("no subnet"));
}

/// The incident: a service that the configuration does not even name waits for ever, on another network.
#[tokio::test]
async fn a_service_that_is_stuck_without_a_vip() {
    let mut model = cc_ci();
    model.create_network(&NetworkDraft::overlay("full").subnet("10.91.0.0/29").json()).unwrap();
    let filler = ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4);
    model.create_service(filler.json()).unwrap();
    model.create_service(ServiceDraft::new("late").on("full").json()).unwrap();
    model.advance(SETTLE * 2);
    let report = judge_m1(&config(), &facts(model).await);
    assert_open(&report, &[("swarm.waiting", Fail)]);
    let reason = reason(&report, "swarm.waiting");
    assert!(reason.contains("late has no virtual address on full, which is full"), "{reason}");
}

#[tokio::test]
async fn a_task_that_is_stuck_without_an_address() {
    let mut model = cc_ci();
    model.create_network(&NetworkDraft::overlay("full").subnet("10.91.0.0/29").json()).unwrap();
    let wide = ServiceDraft::new("wide").on("full").constraint("node.labels.no==1").replicas(5);
    model.create_service(wide.json()).unwrap();
    model.advance(SETTLE * 2);
    let report = judge_m1(&config(), &facts(model).await);
    assert_open(&report, &[("swarm.waiting", Fail)]);
    assert!(reason(&report, "swarm.waiting").contains("of wide waits"));
}

#[tokio::test]
async fn each_service_scaled_to_nothing() {
    for (name, _) in SERVICES {
        let mut model = cc_ci();
        model.scale_service(name, 0).unwrap();
        model.advance(SETTLE);
        let report = judge_m1(&config(), &facts(model).await);
        let id = format!("service.{name}");
        assert_open(&report, &[(&id, Fail)]);
        assert!(reason(&report, &id).contains("0 of 1 tasks run (0 asked for)"), "{}", reason(&report, &id));
    }
}

#[tokio::test]
async fn a_service_that_is_gone_and_one_whose_task_has_died() {
    let mut model = cc_ci();
    model.remove_service("ccci-bridge_app").unwrap();
    model.advance(SETTLE);
    let report = judge_m1(&config(), &facts(model).await);
    assert_open(&report, &[("service.ccci-bridge_app", Fail)]);
    assert!(reason(&report, "service.ccci-bridge_app").contains("there is no service"));

    let report = with_snapshot(|snapshot| {
        let drone = snapshot.service_named("drone_ci_commoninternet_net_app").unwrap().id.clone();
        let task = snapshot.tasks.iter_mut().find(|t| t.service.as_ref() == Some(&drone)).unwrap();
        (task.state, task.desired) = (TaskState::Failed, TaskState::Shutdown);
    })
    .await;
    assert_open(&report, &[("service.drone_ci_commoninternet_net_app", Fail)]);
}

#[tokio::test]
async fn too_few_replicas() {
    let config = config_with("name = \"ccci-reports_app\"\n", "name = \"ccci-reports_app\"\nreplicas = 2\n");
    let report = under(&config).await;
    assert_open(&report, &[("service.ccci-reports_app", Fail)]);
    assert!(reason(&report, "service.ccci-reports_app").contains("1 of 2 tasks run"));
}

#[tokio::test]
async fn a_replica_without_its_overlay_address() {
    for (name, _) in SERVICES.iter().filter(|(_, overlay)| *overlay) {
        let report = with_snapshot(|snapshot| {
            let proxy = snapshot.overlay("proxy").unwrap().id.clone();
            let service = snapshot.service_named(name).unwrap().id.clone();
            let task = snapshot.tasks.iter_mut().find(|t| t.service.as_ref() == Some(&service)).unwrap();
            task.attachments.retain(|(network, _)| *network != proxy);
        })
        .await;
        let id = format!("service.{name}");
        assert_open(&report, &[(&id, Fail)]);
        assert!(reason(&report, &id).contains("has no address on proxy"), "{}", reason(&report, &id));
    }
}

/// A service that was moved to another network runs, and is not where the router looks for it.
#[tokio::test]
async fn a_service_that_is_on_another_network() {
    let mut model = cc_ci();
    model
        .change_service("ccci-bridge_app", |raw| {
            raw["TaskTemplate"]["Networks"] = serde_json::json!([{"Target": "backups_internal"}]);
        })
        .unwrap();
    model.advance(SETTLE);
    let report = judge_m1(&config(), &facts(model).await);
    assert_open(&report, &[("service.ccci-bridge_app", Fail)]);
    let reason = reason(&report, "service.ccci-bridge_app");
    assert!(
        reason.contains("no virtual address on proxy") && reason.contains("no address on proxy"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_route_with_another_status() {
    for (at, (name, _)) in ROUTES.iter().enumerate() {
        let report = with(|facts| of(&mut facts.routes)[at].status = Some(502)).await;
        let id = format!("route.{name}");
        assert_open(&report, &[(&id, Fail)]);
        let reason = reason(&report, &id);
        assert!(reason.contains("502") && reason.contains(&format!("ccci-{name}_app")), "{reason}");
    }
}

/// A browser refuses a certificate for other names as it refuses an expired one.
#[tokio::test]
async fn a_route_with_another_certificate() {
    for (kind, verdict) in [
        (VerifyErrorKind::WrongName, Fail),
        (VerifyErrorKind::Expired, Fail),
        (VerifyErrorKind::UnknownIssuer, Fail),
    ] {
        let report = with(|facts| {
            let tls = of(&mut facts.routes)[0].tls.as_mut().unwrap();
            tls.verified = false;
            tls.sans = vec!["other.example.net".into()];
            tls.verify_error = Some(VerifyError { kind, text: "not valid".into() });
        })
        .await;
        assert_open(&report, &[("route.dashboard", verdict)]);
        assert!(reason(&report, "route.dashboard").contains("ccci-dashboard_app"));
    }
}

#[tokio::test]
async fn a_route_that_refuses_and_one_that_could_not_be_asked() {
    for (phase, verdict) in [
        (Phase::Connect, Fail),
        (Phase::Tls, Fail),
        (Phase::Deadline, Fail),
        (Phase::Resolve, Fail),
        (Phase::Local, Unknown),
    ] {
        let report = with(|facts| {
            let route = &mut of(&mut facts.routes)[1];
            (route.status, route.tls, route.body) = (None, None, None);
            route.failure = Some(Failure {
                phase,
                during: None,
                cause: None,
                text: "connection refused".into(),
                evidence: None,
            });
        })
        .await;
        assert_open(&report, &[("route.drone", verdict)]);
        assert!(reason(&report, "route.drone").contains("connection refused"));
    }
}

#[tokio::test]
async fn a_route_that_was_not_asked_is_unknown() {
    let report = with(|facts| drop(of(&mut facts.routes).remove(2))).await;
    assert_open(&report, &[("route.bridge", Unknown)]);
}

#[tokio::test]
async fn an_exhaustion_line_in_the_log() {
    let lines = [QUIET_LOG[0], QUIET_LOG[1], QUIET_LOG[2], EXHAUSTED];
    let report = with(|facts| facts.journal = known("engine log", scan(&lines))).await;
    assert_open(&report, &[("journal.exhaustion", Fail)]);
    let check = report.checks.last().unwrap();
    assert!(check.evidence.iter().any(|e| e.text == EXHAUSTED), "the line itself: {check:?}");
}

#[tokio::test]
async fn an_exhaustion_line_of_before_the_engines_start_is_over() {
    let lines = [EXHAUSTED, QUIET_LOG[0], QUIET_LOG[1], QUIET_LOG[2]];
    assert_open(&with(|facts| facts.journal = known("engine log", scan(&lines))).await, &[]);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_unknown() {
    let report = with(|facts| facts.journal = unknown("engine log", "permission denied")).await;
    assert_open(&report, &[("journal.exhaustion", Unknown)]);
    assert_eq!(reason(&report, "journal.exhaustion"), "permission denied");
}

#[tokio::test]
async fn a_log_with_missing_parts_is_unknown_unless_it_shows_something() {
    let broken = |lines: &[&str]| {
        let mut scan = scan(lines);
        (scan.complete, scan.incomplete) = (false, vec![Incomplete::NotAllowed]);
        known("engine log", scan)
    };
    let report = with(|facts| facts.journal = broken(&QUIET_LOG)).await;
    assert_open(&report, &[("journal.exhaustion", Unknown)]);
    let report = with(|facts| facts.journal = broken(&[EXHAUSTED])).await;
    assert_open(&report, &[("journal.exhaustion", Fail)]);
}

/// An engine logs from its first second on: a log without a record is another one, or none.
#[tokio::test]
async fn a_log_without_a_single_record_is_unknown() {
    let report = with(|facts| facts.journal = known("engine log", scan(&[]))).await;
    assert_open(&report, &[("journal.exhaustion", Unknown)]);
}

/// Only the leader logs that addresses run out: a follower's quiet log is no all-clear.
#[tokio::test]
async fn the_log_of_an_engine_that_does_not_lead_is_unknown() {
    let follow = |facts: &mut M1Facts| {
        let snapshot = of(&mut facts.snapshot);
        let mut other = snapshot.nodes[0].clone();
        (snapshot.nodes[0].leader, other.id) = (false, NodeId::new("n9"));
        snapshot.nodes.push(other);
    };
    let report = with(follow).await;
    assert_eq!(verdict(&report, "journal.exhaustion"), Unknown);
    assert!(reason(&report, "journal.exhaustion").contains("scan the leader's log"));
    let report = with(|facts| {
        follow(facts);
        facts.journal = known("engine log", scan(&[EXHAUSTED]));
    })
    .await;
    assert_eq!(verdict(&report, "journal.exhaustion"), Fail, "what it logged is a finding all the same");
    let report = with(|facts| of(&mut facts.snapshot).nodes.iter_mut().for_each(|n| n.leader = false)).await;
    assert_eq!(verdict(&report, "journal.exhaustion"), Unknown);
}

/// A log of the leader in which another took over: the lines of the new leader are elsewhere.
#[tokio::test]
async fn a_leadership_that_moved_away_is_unknown() {
    let moved = r#"time="2026-06-13T05:31:00Z" level=info msg="raft.node: 38f1 elected leader 7abc at term 3" module=raft node.id=x"#;
    let lines = [QUIET_LOG[0], QUIET_LOG[1], QUIET_LOG[2], moved];
    let report = with(|facts| facts.journal = known("engine log", scan(&lines))).await;
    assert_open(&report, &[("journal.exhaustion", Unknown)]);
}

/// A file that dockerd did not write, and one that it no longer writes.
#[tokio::test]
async fn a_log_of_something_else_is_unknown() {
    for lines in [&["root:x:0:0:root:/root:/bin/bash"][..], &["level=info msg=\"Configuration loaded\""]] {
        let report = with(|facts| facts.journal = known("engine log", scan(lines))).await;
        assert_open(&report, &[("journal.exhaustion", Unknown)]);
    }
}

#[tokio::test]
async fn an_engine_that_does_not_answer_leaves_its_checks_unknown() {
    let report = with(|facts| facts.snapshot = unknown("engine API", "no complete answer within 30 s")).await;
    let unknown: Vec<_> = open(&report);
    // All but the routes and the count of leaked addresses: whether the log is the leader's is not known either.
    let required = report.checks.iter().filter(|check| check.required).count();
    assert_eq!(unknown.len(), required - ROUTES.len() - 1);
    assert_eq!(notes(&report), [("services.unlisted", Unknown), ("routes.unlisted", Unknown)]);
    assert!(unknown.iter().all(|(_, verdict)| *verdict == Unknown), "{unknown:?}");
    assert!(report.checks.iter().filter(|c| c.id.starts_with("route.")).all(|c| c.verdict == Pass));
    assert_eq!(report.verdict, Unknown);
}

#[tokio::test]
async fn nothing_observed_is_never_a_pass() {
    let facts = M1Facts {
        snapshot: unknown("engine API", "a"),
        routes: unknown("routes", "b"),
        journal: unknown("engine log", "c"),
        log_node: None,
        leaked: unknown("allocator", "d"),
        guard: None,
    };
    let report = judge_m1(&config(), &facts);
    assert!(report.checks.iter().all(|c| c.verdict == Unknown));
    assert_eq!(report.verdict, Unknown);
}

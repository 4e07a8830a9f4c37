//! Ways to break a world for `pvcheck.m1`: in the Swarm, at its routes, in its log.

use Verdict::{Fail, Unknown};
use pvcheck_audit::{NodeId, TaskState};
use pvcheck_gates::{Gate, Verdict, judge_m1};
use pvcheck_journal::Incomplete;
use pvcheck_routes::{VerifyError, VerifyErrorKind};
use pvcheck_sim::{Model, NetworkDraft, ServiceDraft};

use super::Row;
use crate::before;
use crate::m1::{under, with, with_snapshot};
use crate::support::*;

fn row(broken: &'static str, report: pvcheck_gates::GateReport, expected: &[(&str, Verdict)]) -> Row {
    Row::new(Gate::M1, broken, report, expected)
}

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = swarm_rows().await;
    rows.extend(route_rows().await);
    rows.extend(log_rows().await);
    rows.extend(before_rows().await);
    rows
}

async fn of_model(change: impl FnOnce(&mut Model)) -> pvcheck_gates::GateReport {
    let mut model = cc_ci();
    change(&mut model);
    model.advance(SETTLE);
    judge_m1(&config(), &facts(model).await)
}

async fn swarm_rows() -> Vec<Row> {
    let waits = of_model(|model| {
        model.create_network(&NetworkDraft::overlay("full").subnet("10.91.0.0/29").json()).expect("fresh");
        let filler = ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4);
        model.create_service(filler.json()).expect("fresh");
        model.create_service(ServiceDraft::new("late").on("full").json()).expect("fresh");
    });
    let duplicate = with_snapshot(|snapshot| {
        let at = |name: &str| snapshot.services.iter().position(|s| s.name == name).expect("there");
        let (bridge, reports) = (at("ccci-bridge_app"), at("ccci-reports_app"));
        snapshot.services[bridge].vips = snapshot.services[reports].vips.clone();
    });
    let leaked = with(|facts| facts.leaked = known("allocator", vec![counted("proxy", 3)]));
    let not_counted = with(|facts| facts.leaked = unknown("allocator", "no census"));
    let died = with_snapshot(|snapshot| {
        let drone = snapshot.service_named("drone_ci_commoninternet_net_app").expect("there").id.clone();
        let task = snapshot.tasks.iter_mut().find(|t| t.service.as_ref() == Some(&drone)).expect("one");
        (task.state, task.desired) = (TaskState::Failed, TaskState::Shutdown);
    });
    vec![
        row("nothing", with(|_| ()).await, &[]),
        row(
            "the overlay has a /24, a /16 is declared",
            under(&config_with("10.10.0.0/24", "10.10.0.0/16")).await,
            &[("overlay.subnet", Fail)],
        ),
        row("two services have one VIP", duplicate.await, &[("overlay.owners", Fail)]),
        row("3 addresses are leaked", leaked.await, &[("overlay.leaked", Fail)]),
        row(
            "nobody has counted what is leaked",
            not_counted.await,
            &[("overlay.leaked", Unknown), ("overlay.headroom", Unknown)],
        ),
        row(
            "fewer addresses are free than wanted",
            under(&config_with("min_free = 64", "min_free = 242")).await,
            &[("overlay.headroom", Fail)],
        ),
        row("a service waits for an address", waits.await, &[("swarm.waiting", Fail)]),
        row(
            "a service is at 0",
            of_model(|model| model.scale_service("ccci-bridge_app", 0).expect("there")).await,
            &[("service.ccci-bridge_app", Fail)],
        ),
        row(
            "a service is gone",
            of_model(|model| model.remove_service("ccci-bridge_app").expect("there")).await,
            &[("service.ccci-bridge_app", Fail)],
        ),
        row("a task has died", died.await, &[("service.drone_ci_commoninternet_net_app", Fail)]),
    ]
}

async fn route_rows() -> Vec<Row> {
    let certificate = |kind| {
        with(move |facts| {
            let tls = of(&mut facts.routes)[0].tls.as_mut().expect("it has one");
            (tls.verified, tls.verify_error) = (false, Some(VerifyError { kind, text: "not valid".into() }));
        })
    };
    let down = with(|facts| of(&mut facts.routes).iter_mut().for_each(|route| route.status = Some(502)));
    let routes = ROUTES.map(|(name, _)| format!("route.{name}"));
    let all: Vec<(&str, Verdict)> = routes.iter().map(|id| (id.as_str(), Fail)).collect();
    vec![
        row("the router has nothing behind it", down.await, &all),
        row(
            "a certificate has expired",
            certificate(VerifyErrorKind::Expired).await,
            &[("route.dashboard", Fail)],
        ),
        row(
            "a certificate has another name",
            certificate(VerifyErrorKind::WrongName).await,
            &[("route.dashboard", Fail)],
        ),
        row(
            "a route was not asked",
            with(|facts| drop(of(&mut facts.routes).remove(2))).await,
            &[("route.bridge", Unknown)],
        ),
    ]
}

async fn log_rows() -> Vec<Row> {
    let of_lines =
        |lines: Vec<&'static str>| with(move |facts| facts.journal = known("engine log", scan(&lines)));
    let cut = |why: Incomplete| {
        with(move |facts| {
            let mut scan = scan(&QUIET_LOG);
            (scan.complete, scan.incomplete) = (false, vec![why]);
            facts.journal = known("engine log", scan);
        })
    };
    let follower = with(|facts| {
        let snapshot = of(&mut facts.snapshot);
        let mut other = snapshot.nodes[0].clone();
        (snapshot.nodes[0].leader, other.id) = (false, NodeId::new("n9"));
        snapshot.nodes.push(other);
    });
    let exhausted = [QUIET_LOG[0], QUIET_LOG[1], QUIET_LOG[2], EXHAUSTED].to_vec();
    let unknown_log = [("journal.exhaustion", Unknown)];
    vec![
        row("the log has an exhaustion", of_lines(exhausted).await, &[("journal.exhaustion", Fail)]),
        row("the log is empty", of_lines(Vec::new()).await, &unknown_log),
        row("the log was rotated", cut(Incomplete::Rotated).await, &unknown_log),
        row("the log may not be read", cut(Incomplete::NotAllowed).await, &unknown_log),
        row(
            "the log is of another program",
            of_lines(vec!["level=info msg=\"Configuration loaded\""]).await,
            &unknown_log,
        ),
        row("the log is a follower's", follower.await, &unknown_log),
    ]
}

/// What must have been before, as a check in front of the gate's own.
async fn before_rows() -> Vec<Row> {
    let old = before::judged_with(|past| past.at = jiff::Timestamp::UNIX_EPOCH);
    let failed = before::judged_with(|past| past.verdict = Fail);
    vec![
        row("an old run is offered as proof", old.await, &[("precondition.pvfix.m2", Unknown)]),
        row("the gate before has failed", failed.await, &[("precondition.pvfix.m2", Fail)]),
    ]
}

//! Ways to break a world for `pvcheck.m1`: in the Swarm, at its routes, in its log.

use Verdict::{Fail, Unknown};
use pvcheck_audit::{NodeId, TaskState};
use pvcheck_gates::{Config, Gate, Verdict, judge_m1};
use pvcheck_journal::Incomplete;
use pvcheck_routes::{VerifyError, VerifyErrorKind};
use pvcheck_sim::{Model, NetworkDraft, ServiceDraft};

use super::Row;
use crate::any_swarm::{self, judged};
use crate::before;
use crate::guard;
use crate::m1::{under, with, with_snapshot};
use crate::support::*;

fn row(broken: &'static str, report: pvcheck_gates::GateReport, expected: &[(&str, Verdict)]) -> Row {
    Row::new(Gate::M1, broken, report, expected)
}

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = swarm_rows().await;
    rows.extend(entry_rows().await);
    rows.extend(route_rows().await);
    rows.extend(log_rows().await);
    rows.extend(before_rows().await);
    rows.extend(guard_rows().await);
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

/// Entries of services that are about several of them, or about a number.
async fn entry_rows() -> Vec<Row> {
    let stack = || config_with("name = \"drone_ci_commoninternet_net_app\"", "stack = \"drone\"");
    let alike = config_with("name = \"ccci-dashboard_app\"", "name = \"ccci-d*\"");
    let scaled = |name: &'static str| async move {
        let mut model = cc_ci();
        model.scale_service(name, 0).expect("there");
        model.advance(SETTLE);
        facts(model).await
    };
    let removed = |name: &'static str| async move {
        let mut model = cc_ci();
        model.remove_service(name).expect("there");
        model.advance(SETTLE);
        facts(model).await
    };
    let job = |state, desired| async move {
        let mut model = cc_ci();
        let hour = std::time::Duration::from_hours(1);
        let draft = ServiceDraft::new("job").replicated_job(1, 1).finishes_in(hour);
        model.create_service(draft.json()).expect("fresh");
        model.advance(SETTLE);
        let mut facts = facts(model).await;
        let snapshot = of(&mut facts.snapshot);
        let id = snapshot.service_named("job").expect("there").id.clone();
        let task = snapshot.tasks.iter_mut().find(|task| task.service.as_ref() == Some(&id)).expect("one");
        (task.state, task.desired) = (state, desired);
        judged(&facts, "[[service]]\nname = \"job\"\n")
    };
    let fewer = config_with("name = \"ccci-bridge_app\"", "name = \"ccci-bridge_app\"\nat_least = 2");
    vec![
        row(
            "a service of a stack is at 0",
            judge_m1(&stack(), &scaled("drone_ci_commoninternet_net_app").await),
            &[("service.@drone", Fail)],
        ),
        row(
            "a stack has no service",
            judge_m1(&stack(), &removed("drone_ci_commoninternet_net_app").await),
            &[("service.@drone", Fail)],
        ),
        row(
            "a pattern names no service",
            judge_m1(&alike, &removed("ccci-dashboard_app").await),
            &[("service.ccci-d*", Fail)],
        ),
        row("fewer tasks run than the least", under(&fewer).await, &[("service.ccci-bridge_app", Fail)]),
        row(
            "a task of a job has failed",
            job(TaskState::Failed, TaskState::Shutdown).await,
            &[("service.job", Fail)],
        ),
        row(
            "a job has not ended",
            job(TaskState::Running, TaskState::Complete).await,
            &[("service.job", Unknown)],
        ),
    ]
}

async fn route_rows() -> Vec<Row> {
    let certificate = |kind| {
        with(move |facts| {
            let tls = of(&mut facts.routes)[0].tls.as_mut().expect("it has one");
            (tls.verified, tls.verify_error) = (false, Some(VerifyError { kind, text: "not valid".into() }));
        })
    };
    let grouped = with(|facts| {
        let config = config_text().replacen("expect = [200]", "group = \"moved\"", 1)
            + "[[route_group]]\nname = \"moved\"\nexpect = [\"3xx\"]\n";
        let config = Config::parse("grouped.toml", &config).expect("sound");
        of(&mut facts.routes)[0].expected.clone_from(&config.route_specs()[0].expected);
    });
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
            "a route that its group expects to answer otherwise",
            grouped.await,
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
        row(
            "the log is of a node that does not lead",
            any_swarm::of_managers(Some("n8")).await,
            &unknown_log,
        ),
        row(
            "an exhaustion after the date from which the log is judged",
            any_swarm::since("2026-06-13T05:30:30Z").await,
            &[("journal.exhaustion", Fail)],
        ),
        row(
            "the log is to be judged from tomorrow on",
            any_swarm::since("2026-06-14T05:30:30Z").await,
            &unknown_log,
        ),
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

/// A team's guard, which the gate has as a check where the configuration names it.
async fn guard_rows() -> Vec<Row> {
    let rows = guard::broken().await.into_iter();
    rows.map(|(broken, report, verdict)| row(broken, report, &[("guard.present", verdict)])).collect()
}

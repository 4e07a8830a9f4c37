//! Ways to break a world for `pvcheck.m2`, which deploys and removes stacks.

use Verdict::{Fail, Unknown};
use pvcheck_gates::{CanaryFailure, Gate, GateReport, GateStep, Verdict, judge_m2};
use pvcheck_journal::Incomplete;
use pvcheck_swarm::{Doubt, Left, LeftReason, Order, PartKind};

use super::Row;
use crate::collect::{World, m2_run};
use crate::harness;
use crate::m2::{churn_of, scan_of, with};
use crate::support::*;

fn row(broken: &'static str, report: GateReport, expected: &[(&str, Verdict)]) -> Row {
    Row::new(Gate::M2, broken, report, expected)
}

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = canary_rows().await;
    rows.extend(churn_rows().await);
    rows.extend(around_rows().await);
    rows.extend(harness_rows().await);
    rows
}

async fn harness_rows() -> Vec<Row> {
    let rows = harness::broken().await.into_iter().map(|(broken, report, verdict)| {
        let expected: Vec<_> = verdict.map(|verdict| ("harness.shop", verdict)).into_iter().collect();
        row(broken, report, &expected)
    });
    rows.collect()
}

async fn canary_rows() -> Vec<Row> {
    let not_running = with(|facts| {
        let canary = of(&mut facts.canary);
        canary.failure = Some(CanaryFailure::NotRunning { error: "its newest task is new".into() });
        (canary.route, canary.addresses) = (None, Vec::new());
    });
    let not_reached = with(|facts| of(&mut facts.canary).route.as_mut().expect("asked").status = Some(404));
    let not_gone = with(|facts| of(&mut facts.canary).left = vec!["network canary_internal: in use".into()]);
    vec![
        row("nothing", with(|_| ()).await, &[]),
        row(
            "the canary waits in New",
            not_running.await,
            &[("canary.deploy", Fail), ("canary.route", Unknown)],
        ),
        row("the router does not reach the canary", not_reached.await, &[("canary.route", Fail)]),
        row("the canary is not gone", not_gone.await, &[("canary.removal", Fail)]),
    ]
}

async fn churn_rows() -> Vec<Row> {
    let leaked_before = with(|facts| {
        let census = &mut churn_of(facts).census_before;
        census.leaked = Some(3);
    });
    let cut = with(|facts| {
        let churn = churn_of(facts);
        (churn.census_after.complete, churn.census_after.leaked) = (false, None);
        churn.census_after.reason = Some(Doubt::TimeUp);
        (churn.leaked, churn.leak_per_cycle, churn.cycles_to_exhaustion) = (None, None, None);
    });
    let shared = with(|facts| {
        churn_of(facts).census_after.free_and_owned = vec!["10.10.0.9".parse().expect("an address")];
    });
    let refused = with(|facts| {
        let why = LeftReason::Refused { error: "in use".into() };
        churn_of(facts).errors = vec![Left { kind: PartKind::Network, name: "x".into(), why }];
    });
    let counts = [("churn.census", Unknown), ("churn.duplicates", Unknown), ("churn.leaks", Unknown)];
    vec![
        row("3 addresses were leaked before", leaked_before.await, &[("overlay.leaked", Fail)]),
        row("stacks are removed in docker's order", by_stack_rm().await, &[("churn.leaks", Fail)]),
        row("the census after is cut short", cut.await, &counts),
        row("an address is free and owned at once", shared.await, &[("churn.duplicates", Fail)]),
        row("a removal was refused", refused.await, &[("churn.removal", Fail)]),
    ]
}

/// The leak of the docker client, made by the engine while the gate runs.
async fn by_stack_rm() -> GateReport {
    let mut model = cc_ci();
    model.settings_mut().timings.stop = std::time::Duration::from_millis(400);
    let world = World::new(model).await;
    let facts = m2_run(&world, Order::StackRm).await.expect("everything is configured");
    judge_m2(&world.config, &facts)
}

async fn around_rows() -> Vec<Row> {
    let rotated = with(|facts| {
        let scan = of(&mut facts.journal);
        (scan.complete, scan.incomplete) = (false, vec![Incomplete::Rotated]);
    });
    vec![
        row(
            "a route is down before",
            with(|facts| of(&mut facts.routes)[0].status = Some(503)).await,
            &[("routes.before", Fail)],
        ),
        row(
            "a route dies after the canary",
            with(|facts| of(&mut facts.routes_during).died = Some(GateStep::Churn)).await,
            &[("routes.during", Fail)],
        ),
        row(
            "a route is down afterwards",
            with(|facts| of(&mut facts.routes_after)[0].status = Some(503)).await,
            &[("routes.after", Fail)],
        ),
        row(
            "the log has an exhaustion since",
            with(|facts| facts.journal = known("engine log", scan_of(&[EXHAUSTED]))).await,
            &[("journal.new", Fail)],
        ),
        row("the log was rotated under way", rotated.await, &[("journal.new", Unknown)]),
        row(
            "something of the run is left",
            with(|facts| *of(&mut facts.residue) = vec!["service pvcheck-x".into()]).await,
            &[("residue", Fail)],
        ),
    ]
}

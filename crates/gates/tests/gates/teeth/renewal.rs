//! Ways to break a world for `pvfix.m1`, before a renewal, and for `pvfix.m2`, after it.

use Verdict::{Fail, Unknown};
use pvcheck_audit::NetworkId;
use pvcheck_gates::{FixedFacts, Gate, GateReport, Verdict, judge_fixed};
use pvcheck_swarm::{Blocker, Direction};

use super::Row;
use crate::activation::{earlier, left_another, with_unit};
use crate::fix::{self, CREATES};
use crate::fixed::{self, collected, renewed, with, with_record};
use crate::support::*;

pub(super) async fn plan_rows() -> Vec<Row> {
    let row = |broken, report, expected: &[_]| Row::new(Gate::FixPlan, broken, report, expected);
    let busy = fix::world(|text| text + "[window]\nbusy_stacks = ['^drone']\n").await;
    let blind = fix::world(|text| text + "[window]\nunits = [\"pvcheck-no-such-unit.service\"]\n").await;
    let narrow = fix::world(|text| text).await;
    std::fs::write(narrow.path("swarm.sh"), CREATES.replace("10.10.0.0/16", "10.10.0.0/24")).expect("a file");
    vec![
        row("nothing", fix::with(|_| ()).await, &[]),
        row(
            "the network is not allocated",
            fix::with(|facts| of(&mut facts.plan).blockers.push(Blocker::NotAllocated)).await,
            &[("renewal.plan", Fail)],
        ),
        row(
            "the plan lacks a service",
            fix::with(|facts| drop(of(&mut facts.plan).members.pop())).await,
            &[("renewal.members", Fail)],
        ),
        row("a run is at work", fix::judged(&busy).await, &[("window.clear", Fail)]),
        row("a signal cannot be looked at", fix::judged(&blind).await, &[("window.clear", Unknown)]),
        row("the source declares a /24", fix::judged(&narrow).await, &[("creation.declared", Fail)]),
    ]
}

pub(super) async fn fixed_rows() -> Vec<Row> {
    let row = |broken, report, expected: &[_]| Row::new(Gate::Fixed, broken, report, expected);
    let undone = with_record(|saved| saved.ended.as_mut().expect("it says").direction = Direction::Back);
    let specs = with(|facts| {
        let first = of(&mut facts.record).record.members[0].id.clone();
        of(&mut facts.proof).fingerprints.insert(first, "another".into());
    });
    let left = with(|facts| {
        let old = of(&mut facts.record).record.old.clone();
        let snapshot = of(&mut facts.control.snapshot);
        let mut network = snapshot.networks.first().expect("one").clone();
        (network.id, network.name) = (old, "old".into());
        snapshot.networks.push(network);
    });
    let by_other = with_unit(|unit, facts| {
        earlier(unit);
        left_another(facts);
    });
    let of_record = ["renewal.ended", "renewal.network", "renewal.removed", "renewal.specs"];
    vec![
        row("nothing", with(|_| ()).await, &[]),
        row("the renewal was undone", undone.await, &[("renewal.ended", Fail)]),
        row(
            "somebody has created the network since",
            with(|facts| of(&mut facts.proof).network = NetworkId::new("another")).await,
            &[("renewal.network", Fail)],
        ),
        row("the old network is left", left.await, &[("renewal.removed", Fail)]),
        row("a service has another specification", specs.await, &[("renewal.specs", Fail)]),
        row(
            "the record is of another network",
            with_record(|saved| saved.record.network = "other".into()).await,
            &of_record.map(|id| (id, Unknown)),
        ),
        row(
            "3 addresses are leaked",
            with(|facts| facts.control.leaked = known("allocator", vec![counted("proxy", 3)])).await,
            &[("overlay.leaked", Fail)],
        ),
        row("nothing, with a unit", with_unit(|_, _| ()).await, &[]),
        row(
            "the unit that creates the overlay has failed",
            with_unit(|unit, _| unit.state = "failed/failed".into()).await,
            &[("creation.unit", Fail)],
        ),
        row(
            "somebody has created it after the unit",
            by_other.await,
            &[("creation.unit", Fail), ("renewal.network", Fail)],
        ),
        row("the deployed script has a /24", deployed_apart().await, &[("creation.columns", Fail)]),
        row(
            "the log has lost addresses since",
            with(|facts| facts.control.journal = known("engine log", fixed::exhausted())).await,
            &[("journal.renewal", Fail)],
        ),
    ]
}

/// What is deployed was not rebuilt after the source was changed.
async fn deployed_apart() -> GateReport {
    let world = fix::world(|text| text).await;
    let record = renewed(&world).await;
    std::fs::write(world.path("deployed.sh"), CREATES.replace("10.10.0.0/16", "10.10.0.0/24"))
        .expect("a file");
    let facts: FixedFacts = collected(&world, &record).await;
    judge_fixed(&world.config, &facts)
}

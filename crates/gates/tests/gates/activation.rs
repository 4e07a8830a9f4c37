//! Check `creation.unit`: when the unit that creates the overlay was active, beside when the overlay was created.

use Verdict::{Fail, Pass, Unknown};
use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::NetworkId;
use pvcheck_gates::{
    Activation, ActivationReason, FixedFacts, GateReport, Reason, RenewalReason, Seen, Verdict, judge_fixed,
};

use crate::fix::world;
use crate::fixed::{collected, healthy, renewed};
use crate::support::*;

const ID: &str = "creation.unit";

/// When the overlay was created.
pub(crate) fn created(facts: &FixedFacts) -> Timestamp {
    let snapshot = facts.control.snapshot.known().expect("seen");
    snapshot.overlay("proxy").and_then(|network| network.created).expect("the model says")
}

/// The unit as it is where it has created the overlay.
fn activation(facts: &FixedFacts) -> Activation {
    let created = created(facts);
    Activation {
        unit: "swarm-init.service".into(),
        state: "active/exited".into(),
        result: "success".into(),
        began: Some(created - SignedDuration::from_secs(3)),
        active: Some(created + SignedDuration::from_secs(1)),
    }
}

/// The report of a renewed world whose overlay a unit creates, after a change of what was seen.
pub(crate) async fn with_unit(change: impl FnOnce(&mut Activation, &mut FixedFacts)) -> GateReport {
    let (world, facts) = healthy().await;
    let (mut config, mut facts) = (world.config.clone(), facts.clone());
    config.overlays[0].creation.unit = Some("swarm-init.service".into());
    let mut unit = activation(&facts);
    change(&mut unit, &mut facts);
    of(&mut facts.creation).activation = Some(Seen::Known(unit));
    judge_fixed(&config, &facts)
}

/// The unit ran an hour before the overlay was created.
pub(crate) fn earlier(unit: &mut Activation) {
    for at in [&mut unit.began, &mut unit.active] {
        *at = at.map(|at| at - SignedDuration::from_hours(1));
    }
}

/// Another network has the name than the one that the renewal left.
pub(crate) fn left_another(facts: &mut FixedFacts) {
    of(&mut facts.record).ended.as_mut().expect("it says").network = NetworkId::new("another");
}

#[tokio::test]
async fn the_unit_created_it_found_it_or_ran_before_the_renewal() {
    let created_by = with_unit(|_, _| ()).await;
    assert_open(&created_by, &[]);
    assert!(reason(&created_by, ID).contains("while it ran"), "{}", reason(&created_by, ID));
    let check = created_by.checks.iter().find(|check| check.id == ID).expect("there");
    assert!(
        check.evidence[0].text.starts_with("swarm-init.service: active/exited, result success, began 20")
    );
    let command = check.evidence[0].command.as_deref().expect("anyone can look");
    assert!(
        command.starts_with("systemctl show -p ActiveState,") && command.contains("docker network inspect")
    );

    let found = with_unit(|unit, _| {
        for at in [&mut unit.began, &mut unit.active] {
            *at = at.map(|at| at + SignedDuration::from_hours(1));
        }
    });
    assert!(reason(&found.await, ID).contains("was there already"));
    let renewed = with_unit(|unit, _| earlier(unit)).await;
    assert_open(&renewed, &[]);
    assert!(reason(&renewed, ID).contains("the renewal created proxy afterwards"));
}

#[tokio::test]
async fn a_unit_that_is_not_active_or_whose_run_failed_fails() {
    for (state, result) in [
        ("failed/failed", "exit-code"),
        ("inactive/dead", "success"),
        ("activating/start", "success"),
        ("active/exited", "timeout"),
    ] {
        let report = with_unit(|unit, _| (unit.state, unit.result) = (state.into(), result.into())).await;
        assert_open(&report, &[(ID, Fail)]);
        assert!(reason(&report, ID).contains(&format!("is {state}, with result {result}")), "{state}");
    }
}

#[tokio::test]
async fn an_overlay_that_neither_unit_nor_renewal_created_fails() {
    let report = with_unit(|unit, facts| {
        earlier(unit);
        left_another(facts);
    })
    .await;
    assert_eq!(verdict(&report, ID), Fail);
    assert!(reason(&report, ID).contains("another client created it since"));
    // Two seconds are what the clocks may differ by.
    let late = |seconds: i64| {
        with_unit(move |unit, facts| {
            unit.active = Some(created(facts) - SignedDuration::from_secs(seconds));
            unit.began = unit.active;
            left_another(facts);
        })
    };
    assert_eq!(verdict(&late(2).await, ID), Pass);
    assert_eq!(verdict(&late(3).await, ID), Fail);
}

#[tokio::test]
async fn what_is_not_known_does_not_pass() {
    let no_time = with_unit(|unit, _| unit.active = None).await;
    assert_open(&no_time, &[(ID, Unknown)]);
    let no_record = with_unit(|unit, facts| {
        earlier(unit);
        of(&mut facts.record).ended = None;
    });
    assert_eq!(verdict(&no_record.await, ID), Unknown);
    let foreign = with_unit(|unit, facts| {
        earlier(unit);
        of(&mut facts.record).record.network = "other".into();
    });
    assert_eq!(verdict(&foreign.await, ID), Unknown);
    let no_creation = with_unit(|_, facts| {
        let snapshot = of(&mut facts.control.snapshot);
        snapshot.networks.iter_mut().for_each(|network| network.created = None);
    });
    let no_creation = no_creation.await;
    assert_eq!(verdict(&no_creation, ID), Unknown);
    assert!(reason(&no_creation, ID).contains("does not say when proxy was created"));
}

#[tokio::test]
async fn a_unit_that_systemd_does_not_know_is_unknown() {
    let world =
        world(|text| text.replace("deployed = \"deployed.sh\"", "unit = \"pvcheck-no-such-unit.service\""))
            .await;
    let record = renewed(&world).await;
    let facts = collected(&world, &record).await;
    let report = judge_fixed(&world.config, &facts);
    assert_eq!(verdict(&report, ID), Unknown);
    assert!(reason(&report, ID).contains("pvcheck-no-such-unit.service"), "{}", reason(&report, ID));
}

#[tokio::test]
async fn a_verdict_has_its_reason_as_data() {
    let report = with_unit(|_, _| ()).await;
    let check = report.checks.iter().find(|check| check.id == ID).expect("there");
    let Reason::Renewal(RenewalReason::Activation(why)) = &check.reason else { panic!("{:?}", check.reason) };
    assert!(
        matches!(&**why, ActivationReason::Created { unit, .. } if unit == "swarm-init.service"),
        "{why:?}"
    );
}

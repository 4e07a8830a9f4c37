//! A network is renewed under its own name: done, refused, undone, and gone on with wherever a process was killed.

use std::sync::Mutex;

use pvcheck_sim::{Model, Sim};
use pvcheck_swarm::{
    Direction, Engine, Lock, Operation, Phase, Renewal, RenewalError, RenewalOptions, RenewalPoint,
    RenewalProof, RenewalStrategy, RunId, SavedRenewal, renew, resume_renewal, roll_back_renewal, silent,
    unfinished_renewal,
};
use serde_json::Value;

use crate::renewals::{killed_at, options, planned, settings, specs, subnet};
use crate::support::{PATIENCE, cc_ci, connect, leak, objects, permit, start, truth, writes};

pub(crate) const BOTH: [RenewalStrategy; 2] = RenewalStrategy::ALL;

fn world() -> Model {
    let mut model = cc_ci();
    leak(&mut model, "proxy", 3);
    model
}

async fn renewed(sim: &Sim, engine: &Engine, strategy: RenewalStrategy) -> Renewal {
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let plan = planned(engine, strategy).await;
    assert_eq!(plan.reasons(), Vec::<String>::new());
    let op = Operation::new(engine, permit(), &run, &silent);
    let done = renew(op, &plan, &options(state.path(), &|_| ())).await.expect("nothing keeps it");
    assert_eq!(objects(sim).0.len(), 0, "{:?}", objects(sim).0);
    done
}

#[tokio::test]
async fn by_either_way_the_network_is_wider_and_nothing_else_has_changed() {
    for strategy in BOTH {
        let sim = start(world());
        let engine = connect(&sim).await;
        let (before, mut network) = (specs(&sim), settings(&sim));
        assert_eq!(truth(&sim, "proxy").leaked.len(), 3);
        let done = renewed(&sim, &engine, strategy).await;
        assert_eq!((done.strategy, done.direction, done.resumed), (strategy, Direction::Forward, false));
        assert_eq!(done.changed, Vec::<String>::new());
        assert_eq!(done.pools.iter().map(|p| p.subnet).collect::<Vec<_>>(), [subnet("10.10.0.0/16")]);
        assert_eq!(specs(&sim), before, "{strategy:?}");
        network["IPAM"]["Config"][0]["Subnet"] = "10.10.0.0/16".into();
        assert_eq!(settings(&sim), network, "{strategy:?}");
        let now = truth(&sim, "proxy");
        assert_eq!(now.leaked, crate::support::NO_ADDRESS, "{strategy:?}");
        let snapshot = engine.snapshot().await.unwrap();
        for service in &snapshot.services {
            assert_eq!(snapshot.running_tasks(&service.id).count(), 1, "{}", service.name);
        }
        assert_eq!(Lock::read(&engine).await.unwrap(), None);
        assert!(unfinished_renewal(&engine).await.unwrap().is_none());
        // A second time there is nothing to do.
        let again = planned(&engine, strategy).await;
        assert!(again.reasons().join(";").contains("has 10.10.0.0/16 already"), "{:?}", again.reasons());
    }
}

#[tokio::test]
async fn its_file_says_how_a_renewal_ended_and_the_swarm_shows_the_same() {
    let sim = start(world());
    let engine = connect(&sim).await;
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let plan = planned(&engine, RenewalStrategy::Recreate).await;
    let op = Operation::new(&engine, permit(), &run, &silent);
    let done = renew(op, &plan, &options(state.path(), &|_| ())).await.expect("nothing keeps it");
    let file = SavedRenewal::file(state.path(), "proxy");
    let saved = SavedRenewal::load(&file).expect("it was left");
    let ended = saved.ended.clone().expect("it says how it ended");
    assert_eq!((ended.direction, &ended.network), (Direction::Forward, &done.network_id));
    assert!(ended.changed.is_empty() && saved.record.begun <= ended.at, "{ended:?}");
    assert_eq!(saved.record.cluster, engine.snapshot().await.unwrap().engine.cluster);

    let proof = RenewalProof::read(&engine, &done.network_id).await.expect("it is there");
    assert_eq!(
        (proof.ipam_driver.as_deref(), proof.gateways.as_slice()),
        (Some("default"), &["10.10.0.1".to_owned()][..])
    );
    assert_eq!((&proof.unfinished, &proof.lock), (&None, &None));
    for member in &saved.record.members {
        let now = proof.fingerprints.get(&member.id).map(String::as_str);
        assert_eq!(member.difference(now), None);
        assert_eq!(member.difference(None), Some(format!("{} is gone", member.name)));
        assert_eq!(member.difference(Some("x")), Some(format!("the specification of {}", member.name)));
    }

    // As an earlier version wrote it.
    let mut earlier: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for field in ["ended", "cluster"] {
        assert!(earlier.as_object_mut().expect("an object").remove(field).is_some(), "{field}");
    }
    std::fs::write(&file, earlier.to_string()).unwrap();
    let read = SavedRenewal::load(&file).expect("still readable");
    assert_eq!((read.ended, read.record.cluster.as_str()), (None, ""));
    // What is something else is refused in one line with the way out.
    let other = earlier.to_string().replace("pvcheck/v1", "pvcheck/v9");
    for text in ["", "{", "[]", "{}", "{\"schema\":\"pvcheck/v1\"}", &other, &"x".repeat(9 << 20)] {
        std::fs::write(&file, text).unwrap();
        let error = SavedRenewal::load(&file).expect_err("no record").to_string();
        assert!(!error.contains('\n') && error.contains("resize-proxy.json"), "{error}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(SavedRenewal::load(&file).unwrap_err().to_string().contains("--record FILE"));
}

#[tokio::test]
async fn a_plan_only_reads() {
    let sim = start(world());
    let engine = connect(&sim).await;
    let plan = planned(&engine, RenewalStrategy::Bridge).await;
    assert!(plan.can_be_done(), "{:?}", plan.reasons());
    assert_eq!(writes(&sim), crate::support::NOTHING);
    assert_eq!(plan.members.len(), 6);
    assert!(plan.members[0].name.starts_with("traefik"), "the router joins first");
}

/// Every point of a renewal at which a process can be killed.
pub(crate) async fn points(model: Model, strategy: RenewalStrategy) -> Vec<RenewalPoint> {
    let sim = start(model);
    let engine = connect(&sim).await;
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let seen = Mutex::new(Vec::new());
    let hook = |point: RenewalPoint| seen.lock().expect("no panic").push(point);
    let plan = planned(&engine, strategy).await;
    let op = Operation::new(&engine, permit(), &run, &silent);
    renew(op, &plan, &options(state.path(), &hook)).await.expect("nothing keeps it");
    seen.into_inner().expect("no panic")
}

#[tokio::test]
async fn killed_at_any_point_it_is_finished_or_undone_by_another_process() {
    // Every point of every step, or each step once.
    let long = std::env::var_os("PVCHECK_LONG").is_some_and(|value| value != "0");
    for strategy in BOTH {
        for (n, at) in points(world(), strategy).await.iter().enumerate().filter(|(n, _)| long || n % 7 == 1)
        {
            let back = n % 2 == 0;
            let sim = start(world());
            let (before, network) = (specs(&sim), settings(&sim));
            killed_at(&sim, strategy, at).await;
            let engine = connect(&sim).await;
            let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
            let op = Operation::new(&engine, permit(), &run, &silent);
            let hook = |_| ();
            let held =
                resume_renewal(op, &options(state.path(), &hook)).await.expect_err("its lock still lasts");
            assert!(matches!(held, RenewalError::Lock(_)), "{held}");
            let options =
                RenewalOptions { break_lock: Some("killed".into()), ..options(state.path(), &hook) };
            let done =
                if back { roll_back_renewal(op, &options).await } else { resume_renewal(op, &options).await };
            let done = done.unwrap_or_else(|e| panic!("{strategy:?}, killed at {at:?}: {e}"));
            let wanted = if back { "10.10.0.0/24" } else { "10.10.0.0/16" };
            assert_eq!(done.pools.iter().map(|p| p.subnet).collect::<Vec<_>>(), [subnet(wanted)], "{at:?}");
            assert_eq!(done.changed, Vec::<String>::new(), "{at:?}");
            assert_eq!(specs(&sim), before, "{strategy:?}, killed at {at:?}");
            let mut expected = network;
            expected["IPAM"]["Config"][0]["Subnet"] = wanted.into();
            assert_eq!(settings(&sim), expected, "{at:?}");
            assert_eq!(objects(&sim).0.len(), 0, "{at:?}: {:?}", objects(&sim).0);
            assert_eq!(Lock::read(&engine).await.unwrap(), None, "{at:?}");
            let snapshot = engine.snapshot().await.unwrap();
            for service in &snapshot.services {
                assert_eq!(snapshot.running_tasks(&service.id).count(), 1, "{at:?}: {}", service.name);
            }
        }
    }
}

#[tokio::test]
async fn one_that_is_under_way_is_not_begun_again_and_not_swept() {
    let sim = start(world());
    let at = RenewalPoint {
        direction: Direction::Forward,
        at: 0,
        step: "create-holding".into(),
        phase: Phase::Done,
    };
    killed_at(&sim, RenewalStrategy::Bridge, &at).await;
    let engine = connect(&sim).await;
    let again = planned(&engine, RenewalStrategy::Bridge).await;
    let reasons = again.reasons().join("; ");
    assert!(
        reasons.contains("not finished") && reasons.contains("is locked by a test for resize"),
        "{reasons}"
    );
    let (found, record) = unfinished_renewal(&engine).await.unwrap().expect("it was not finished");
    assert_eq!(
        (found.network.as_str(), found.stands.step.as_str(), found.stands.at),
        ("proxy", "create-holding", 0)
    );
    assert_eq!(pvcheck_swarm::leftover_runs(&engine).await.unwrap(), []);
    let op = Operation::new(&engine, permit(), &record.run, &silent);
    pvcheck_swarm::sweep_run(op, PATIENCE).await.unwrap();
    assert!(unfinished_renewal(&engine).await.unwrap().is_some(), "a sweep leaves it");
}

/// Of two processes that go on with the same renewal only the later one changes anything.
#[test]
fn a_process_whose_renewal_was_taken_over_stops() {
    let sim = start(world());
    let (before, run, other) = (specs(&sim), RunId::unique(), RunId::unique());
    let state = tempfile::tempdir().expect("a folder");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (stopped, stops) = std::sync::mpsc::channel();
    let (wake, wakes) = std::sync::mpsc::channel();
    let wakes = Mutex::new(wakes);
    // As with SIGSTOP: it sleeps after a step, its lock is broken, another finishes the work, and it wakes.
    let hook = |point: RenewalPoint| {
        if point.step == "join-holding" && point.phase == Phase::Begun && point.at == 1 {
            stopped.send(()).expect("somebody waits for it");
            let _ = wakes.lock().expect("no panic").recv();
        }
    };
    let (sim, state) = (&sim, state.path());
    let error = std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            runtime().block_on(async {
                let engine = connect(sim).await;
                let plan = planned(&engine, RenewalStrategy::Bridge).await;
                renew(Operation::new(&engine, permit(), &run, &silent), &plan, &options(state, &hook)).await
            })
        });
        let wake = wake;
        stops.recv_timeout(PATIENCE).expect("it gets that far");
        let rolled = runtime().block_on(async {
            let engine = connect(sim).await;
            let options = RenewalOptions { break_lock: Some("it sleeps".into()), ..options(state, &|_| ()) };
            roll_back_renewal(Operation::new(&engine, permit(), &other, &silent), &options).await
        });
        wake.send(()).expect("it sleeps");
        rolled.expect("it was put back");
        sleeper.join().expect("no panic").expect_err("it was taken over")
    });
    assert!(matches!(error, RenewalError::Lost), "{error}");
    assert_eq!(specs(sim), before);
    assert_eq!(objects(sim).0.len(), 0, "{:?}", objects(sim).0);
}

//! The churn: its numbers against the truth, its refusals, and what is left when it is dropped.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join, join_all};
use pvcheck_sim::{Availability, Model, NetworkDraft, ServiceDraft, Sim};
use pvcheck_swarm::{
    Census, CensusError, CensusOptions, Churn, ChurnComparison, ChurnError, ChurnPlan, ChurnShape,
    DeployError, Engine, Operation, Order, Progress, RunId, churn, churn_both, silent, sweep_run,
};

use crate::support::*;

fn plan(network: &str, order: Order) -> ChurnPlan {
    ChurnPlan {
        lock: None,
        network: network.into(),
        stacks: 2,
        replicas: 1,
        rounds: 1,
        order,
        shape: ChurnShape::default(),
        image: "sim/busybox:1".into(),
        command: Vec::new(),
        reserve: 4,
        patience: PATIENCE,
        census: CensusOptions::default(),
    }
}

/// A network that is nearly as small as can be, so that a census of it is short.
fn small() -> Model {
    let mut model = with_shared("10.90.0.0/27");
    service(&mut model, ServiceDraft::new("resident").on("shared"));
    model
}

async fn churned(engine: &Engine, plan: &ChurnPlan, run: &RunId) -> Churn {
    churn(Operation::new(engine, permit(), run, &silent), plan).await.expect("nothing is in its way")
}

#[tokio::test]
async fn a_drained_churn_loses_nothing_and_its_numbers_are_the_truth() {
    let sim = start(small());
    let (before, others) = (truth(&sim, "shared"), objects(&sim));
    let plan = ChurnPlan { stacks: 3, replicas: 2, rounds: 2, ..plan("shared", Order::Drained) };
    let done = churned(&connect(&sim).await, &plan, &run("drained")).await;
    assert_eq!((done.leaked, done.cycles, done.leaked_addresses.len()), (Some(0), 6, 0), "{done:?}");
    assert_eq!((done.errors.len(), done.residue.len(), done.strangers.len()), (0, 0, 0), "{done:?}");
    let owned = before.owners.len() as u64;
    assert_eq!((done.baseline.owned, done.removed.owned), (owned, owned));
    // A VIP and two tasks for each of three stacks.
    assert_eq!((done.deployed.owned, done.deployed.tasks), (owned + 9, 1 + 6));
    assert_eq!((done.baseline.stacks, done.deployed.stacks, done.removed.stacks), (0, 3, 0));
    let rate = done.leak_per_cycle.expect("counted");
    assert!(rate.estimate.abs() < f64::EPSILON && 0.0 < rate.upper95, "{rate:?}");
    let left = done.cycles_to_exhaustion.expect("counted");
    assert!(
        left.estimate.is_none() && 0 < left.lower95,
        "no loss seen does not prove that none happens: {left:?}"
    );
    assert_eq!(truth(&sim, "shared"), before);
    assert_eq!(objects(&sim), others);
}

#[tokio::test]
async fn dockers_order_is_caught_with_every_address() {
    let mut model = small();
    model.settings_mut().timings.stop = Duration::from_millis(400);
    let sim = start(model);
    let plan = ChurnPlan { stacks: 3, replicas: 2, ..plan("shared", Order::StackRm) };
    let done = churned(&connect(&sim).await, &plan, &run("stackrm")).await;
    let really = truth(&sim, "shared").leaked;
    assert_eq!((really.len(), done.leaked), (6, Some(6)), "one per task: {done:?}");
    assert_eq!(done.leaked_addresses, really);
    assert_eq!((done.baseline.leaked, done.deployed.leaked, done.removed.leaked), (Some(0), None, Some(6)));
    let rate = done.leak_per_cycle.expect("counted");
    assert!((rate.estimate - 2.0).abs() < f64::EPSILON, "{rate:?}");
    assert!(done.residue.is_empty() && objects(&sim).0.is_empty());
}

#[tokio::test]
async fn leaks_of_before_are_not_the_churns() {
    let mut model = small();
    leak(&mut model, "shared", 3);
    let sim = start(model);
    let done = churned(&connect(&sim).await, &plan("shared", Order::Drained), &run("old")).await;
    assert_eq!((done.baseline.leaked, done.removed.leaked, done.leaked), (Some(3), Some(3), Some(0)));
    assert_eq!(done.leaked_addresses, NO_ADDRESS);
}

#[tokio::test]
async fn the_json_is_what_scripts_rely_on() {
    let sim = start(small());
    let done = churned(&connect(&sim).await, &plan("shared", Order::StackRm), &run("json")).await;
    let json = serde_json::to_value(&done).unwrap();
    assert_eq!(json["order"], "stack-rm");
    for count in ["stacks", "rounds", "cycles", "leaked", "removal_ms"] {
        assert!(json[count].is_u64(), "{count}: {json}");
    }
    for list in ["errors", "residue"] {
        assert!(json[list].is_array(), "{list}: {json}");
    }
    for moment in ["baseline", "deployed", "removed"] {
        assert!(json[moment]["owned"].is_u64() && json[moment]["tasks"].is_u64(), "{moment}: {json}");
    }
    assert!(json["deployed"]["leaked"].is_null(), "no census was taken then");
    assert!(json["leak_per_cycle"]["estimate"].is_number() && json["leak_per_cycle"]["upper95"].is_number());
    assert!(json["cycles_to_exhaustion"]["lower95"].is_u64());
    assert_eq!(serde_json::from_value::<Churn>(json).unwrap(), done);
}

/// A census that was cut short makes everything that rests on it unknown.
#[tokio::test]
async fn without_a_whole_census_nothing_is_claimed() {
    let sim = start(small());
    let census = CensusOptions { deadline: Duration::from_millis(1), ..CensusOptions::default() };
    let plan = ChurnPlan { census, reserve: 0, ..plan("shared", Order::Drained) };
    match churn(Operation::new(&connect(&sim).await, permit(), &run("blind"), &silent), &plan).await {
        Ok(done) => {
            let Census { complete, .. } = done.census_before;
            assert!(!complete);
            assert_eq!((done.leaked, done.leak_per_cycle, done.cycles_to_exhaustion), (None, None, None));
            assert_eq!((done.baseline.leaked, done.removed.leaked), (None, None));
        }
        Err(error) => assert!(matches!(error, ChurnError::TooLittleRoom { .. }), "{error:?}"),
    }
}

#[tokio::test]
async fn stacks_of_others_that_come_meanwhile_are_named() {
    let sim = start(small());
    let watch = |progress: Progress| {
        if matches!(&progress, Progress::Step(step) if step.starts_with("churn round")) {
            let draft = ServiceDraft::new("guest_app").stack("guest").on("shared").replicas(0);
            sim.with_model(|model| drop(model.create_service(draft.json()).expect("once")));
        }
    };
    let engine = connect(&sim).await;
    let plan = plan("shared", Order::Drained);
    let done = churn(Operation::new(&engine, permit(), &run("watched"), &watch), &plan).await.unwrap();
    assert_eq!(done.strangers, ["guest"]);
    assert!(sim.with_model(|model| model.service_id("guest_app").is_ok()), "and left alone");
}

#[tokio::test]
async fn too_little_room_is_refused_with_the_numbers_and_nothing_is_deployed() {
    let sim = start(small());
    let engine = connect(&sim).await;
    let plan = ChurnPlan { stacks: 8, replicas: 2, ..plan("shared", Order::Drained) };
    let error = churn(Operation::new(&engine, permit(), &run("greedy"), &silent), &plan).await.unwrap_err();
    assert!(
        matches!(error, ChurnError::TooLittleRoom { free: 26, needed: 24, left: 2, reserve: 4, .. }),
        "{error:?}"
    );
    assert_one_line(&error);
    assert!(error.to_string().contains("fewer stacks"), "{error}");
    assert!(!writes(&sim).iter().any(|w| w.contains("/networks/create")), "no stack was begun");
    assert_eq!(objects(&sim).0, BTreeSet::new());
}

/// Each node that runs a throwaway task takes an address for its load balancer as well.
#[tokio::test]
async fn load_balancers_that_will_come_count_as_needed() {
    let mut model = with_shared("10.90.0.0/28");
    model.add_node(false);
    model.add_node(false);
    let sim = start(model);
    let engine = connect(&sim).await;
    // 4 × (VIP + 2 tasks) = 12 of 13, and three load balancers: more than there is.
    let patience = Duration::from_millis(500);
    let plan = ChurnPlan { stacks: 4, replicas: 2, reserve: 0, patience, ..plan("shared", Order::Drained) };
    let error = churn(Operation::new(&engine, permit(), &run("lbs"), &silent), &plan).await.unwrap_err();
    assert!(matches!(error, ChurnError::TooLittleRoom { .. }), "{error:?}");
}

#[tokio::test]
async fn a_churn_needs_its_network() {
    let mut model = small();
    model.create_network(&NetworkDraft::overlay("clash").subnet("10.90.0.0/24").json()).unwrap();
    model.advance(SETTLE);
    let sim = start(model);
    let engine = connect(&sim).await;
    for (name, is_right) in [
        ("nope", (|e| matches!(e, CensusError::NoSuchNetwork { .. })) as fn(&CensusError) -> bool),
        ("clash", |e| matches!(e, CensusError::NotAllocated(_))),
    ] {
        let plan = plan(name, Order::Drained);
        let error = churn(Operation::new(&engine, permit(), &run("lost"), &silent), &plan).await.unwrap_err();
        assert!(matches!(&error, ChurnError::Census(e) if is_right(e)), "{error:?}");
        assert_one_line(&error);
    }
    assert_eq!(writes(&sim), NOTHING);
}

#[tokio::test]
async fn stacks_that_never_run_are_an_error_that_names_the_service_and_the_cause() {
    let mut model = small();
    model.remove_service("resident").unwrap();
    model.advance(SETTLE);
    model.set_availability("self", Availability::Drain).unwrap();
    let sim = start(model);
    let engine = connect(&sim).await;
    let plan = ChurnPlan { patience: Duration::from_millis(300), ..plan("shared", Order::Drained) };
    let error = churn(Operation::new(&engine, permit(), &run("drain"), &silent), &plan).await.unwrap_err();
    let ChurnError::Deploy(DeployError::NotRunning { service, state, .. }) = &error else {
        panic!("{error:?}");
    };
    assert!(service.starts_with("pvcheck-throwaway-drain-"), "{service}");
    assert_eq!(state, "pending");
    assert_one_line(&error);
    assert!(error.to_string().contains("no suitable node"), "{error}");
    let swept = sweep_run(Operation::new(&engine, permit(), &run("drain"), &silent), PATIENCE).await.unwrap();
    assert_eq!((swept.left.len(), objects(&sim).0.len()), (0, 0));
}

/// Drops a churn when so many requests were made, sweeps, and returns what is left.
async fn dropped_after(requests: usize, order: Order) {
    let mut model = cc_ci();
    network(&mut model, "shared", "10.90.0.0/27");
    let sim = start(model);
    let (before, others) = (truth(&sim, "shared"), objects(&sim));
    let engine = connect(&sim).await;
    let run = RunId::unique();
    let plan = plan("shared", order);
    tokio::select! {
        done = churn(Operation::new(&engine, permit(), &run, &silent), &plan) => drop(done.expect("nothing is in its way")),
        () = reached(&sim, requests) => {}
    }
    let swept = sweep_run(Operation::new(&engine, permit(), &run, &silent), PATIENCE)
        .await
        .expect("a healthy engine");
    let shown = format!("{order:?} dropped after {requests} requests");
    assert_eq!(swept.left, [], "{shown}");
    assert_eq!(objects(&sim), others, "{shown}");
    until("all tasks are gone", || truth(&sim, "shared").owners.is_empty()).await;
    if order == Order::Drained {
        assert_eq!(truth(&sim, "shared"), before, "{shown}");
    }
}

async fn reached(sim: &Sim, requests: usize) {
    while sim.requests().len() < requests {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn requests_of_a_whole_churn() -> usize {
    let sim = start(with_shared("10.90.0.0/27"));
    let engine = connect(&sim).await;
    churned(&engine, &plan("shared", Order::Drained), &RunId::unique()).await;
    sim.requests().len()
}

#[tokio::test]
async fn a_dropped_churn_leaves_nothing_behind_a_sweep() {
    let all = requests_of_a_whole_churn().await;
    // Fixed points, spread over the whole run in no order that it could be in step with.
    let at = |seed: usize| 1 + (seed * 7919 + 13) % all;
    let drained = join_all((0..6).map(|seed| dropped_after(at(seed), Order::Drained)));
    let stack_rm = join_all((6..10).map(|seed| dropped_after(at(seed), Order::StackRm)));
    join(drained, stack_rm).await;
}

fn slow_stoppers() -> Model {
    let mut model = small();
    model.settings_mut().timings.stop = Duration::from_millis(400);
    model
}

/// The same stacks both ways, in one run: the difference is the order's, and nothing else's.
#[tokio::test]
async fn both_arms_side_by_side() {
    let sim = start(slow_stoppers());
    let engine = connect(&sim).await;
    let plan = ChurnPlan { stacks: 2, replicas: 2, ..plan("shared", Order::Drained) };
    let done = churn_both(Operation::new(&engine, permit(), &run("both"), &silent), &plan).await.unwrap();
    assert_eq!((done.drained.leaked, done.stack_rm.leaked), (Some(0), Some(4)), "{done:?}");
    assert_eq!((done.spared, done.control_leaked), (Some(4), Some(true)));
    assert_eq!(truth(&sim, "shared").leaked, done.stack_rm.leaked_addresses);
    assert!(0 < done.extra_removal_ms, "waiting takes time: {done:?}");
    // What still stopped right after the control's removal held addresses; then it was gone.
    let pruned = done.stack_rm.pruned.clone().expect("looked");
    assert_eq!((pruned.owned, pruned.stacks), (done.stack_rm.baseline.owned, 0));
    assert!(pruned.owned < done.stack_rm.removed.owned, "{:?}", done.stack_rm.removed);
    assert!(objects(&sim).0.is_empty());

    // With strangers about nothing is known of either.
    let mut watched = done.drained.clone();
    watched.strangers = vec!["guest".into()];
    let unknown = ChurnComparison::of(watched, done.stack_rm);
    assert_eq!((unknown.spared, unknown.control_leaked), (None, Some(true)));
}

#[tokio::test]
async fn each_shape_makes_what_it_says_and_only_private_ones_leak() {
    let cases = [
        (ChurnShape::SharedAndPrivate, None, 2),
        (ChurnShape::Shared, None, 0),
        (ChurnShape::HostPort, Some("host"), 2),
        (ChurnShape::IngressPort, Some("ingress"), 2),
    ];
    for (shape, published, leaked) in cases {
        let sim = start(slow_stoppers());
        let ports = std::sync::Mutex::new(Vec::new());
        let watch = |progress: Progress| {
            if matches!(&progress, Progress::Step(step) if step.starts_with("removing")) {
                let services = sim.with_model(|model| list(model, "services"));
                let ours =
                    services.iter().filter(|s| s["Spec"]["Labels"][pvcheck_swarm::RUN_LABEL].is_string());
                ports.lock().unwrap().extend(ours.map(|s| s["Spec"]["EndpointSpec"]["Ports"][0].clone()));
            }
        };
        let plan = ChurnPlan { shape, ..plan("shared", Order::StackRm) };
        let done = churn(Operation::new(&connect(&sim).await, permit(), &run("shape"), &watch), &plan)
            .await
            .unwrap();
        assert_eq!((done.shape, done.leaked), (shape, Some(leaked)), "{done:?}");
        let ports = ports.into_inner().unwrap();
        assert_eq!(ports.len(), 2, "{ports:?}");
        for port in &ports {
            assert_eq!(port["PublishMode"].as_str(), published, "{port}");
        }
        if shape == ChurnShape::IngressPort {
            assert_ne!(ports[0]["PublishedPort"], ports[1]["PublishedPort"], "the engine's own choice");
        }
    }
}

/// The first sign of a network that is used up ends the churn, long before its patience does.
#[tokio::test]
async fn growth_of_another_service_ends_the_churn() {
    let sim = start(small());
    let watch = |progress: Progress| {
        if matches!(&progress, Progress::Step(step) if step.starts_with("churn round")) {
            let greedy =
                ServiceDraft::new("greedy").on("shared").constraint("node.labels.no==1").replicas(40);
            sim.with_model(|model| drop(model.create_service(greedy.json()).expect("once")));
        }
    };
    let engine = connect(&sim).await;
    let since = std::time::Instant::now();
    let plan = ChurnPlan { patience: Duration::from_mins(5), ..plan("shared", Order::Drained) };
    let error = churn(Operation::new(&engine, permit(), &run("starved"), &watch), &plan).await.unwrap_err();
    assert!(matches!(&error, ChurnError::Deploy(DeployError::NoAddress { .. })), "{error:?}");
    assert_one_line(&error);
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
    let swept =
        sweep_run(Operation::new(&engine, permit(), &run("starved"), &silent), PATIENCE).await.unwrap();
    assert_eq!(swept.left, []);
    assert!(sim.with_model(|model| model.service_id("greedy").is_ok()));
}

/// What the control arm will lose in earlier rounds is not free in the last.
#[tokio::test]
async fn expected_losses_count_as_needed() {
    let sim = start(small());
    let engine = connect(&sim).await;
    // Peak 4 × 2 = 8 and 4 lost in each of 5 rounds before, of 26.
    let plan = ChurnPlan { stacks: 4, rounds: 6, reserve: 0, ..plan("shared", Order::StackRm) };
    let error = churn(Operation::new(&engine, permit(), &run("losing"), &silent), &plan).await.unwrap_err();
    assert!(matches!(error, ChurnError::TooLittleRoom { free: 26, needed: 28, .. }), "{error:?}");
}

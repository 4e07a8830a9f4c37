//! Throwaway stacks: what is created in which order, and why a wait for them ends.

use std::time::{Duration, Instant};

use pvcheck_audit::NetworkId;
use pvcheck_sim::{Availability, Fault, FaultRule, Sim};
use pvcheck_swarm::{DeployError, Operation, StackSpec, deploy, silent, sweep_run, wait_running};

use crate::support::*;

fn plan(sim: &Sim, private: bool) -> StackSpec {
    let shared = sim.with_model(|model| model.network_id("shared").expect("a network of the test"));
    StackSpec {
        name: "web".into(),
        image: "sim/busybox:1".into(),
        command: Vec::new(),
        replicas: 2,
        shared: NetworkId::new(shared.as_str()),
        private,
        publish: None,
        labels: Vec::new(),
    }
}

#[tokio::test]
async fn a_private_network_comes_before_the_service() {
    for (private, calls) in
        [(true, vec!["/networks/create", "/services/create"]), (false, vec!["/services/create"])]
    {
        let sim = start(with_shared("10.90.0.0/24"));
        let engine = connect(&sim).await;
        let plan = plan(&sim, private);
        deploy(Operation::new(&engine, permit(), &run("r1"), &silent), &plan).await.unwrap();
        let written = writes(&sim);
        assert_eq!(written.len(), calls.len(), "{written:?}");
        assert!(written.iter().zip(&calls).all(|(made, call)| made.ends_with(call)), "{written:?}");
        let mut ours = objects(&sim).0.into_iter();
        if private {
            assert!(ours.next().is_some_and(|network| network.starts_with("networks web_internal ")));
        }
        assert!(ours.next().is_some_and(|service| service.starts_with("services web_app ")));
        let snapshot = wait_running(&engine, &[plan], PATIENCE).await.unwrap();
        let service = snapshot.service_named("web_app").unwrap();
        assert_eq!(service.networks.len(), calls.len());
        assert_eq!(snapshot.running_tasks(&service.id).count(), 2);
    }
}

#[tokio::test]
async fn a_deployment_that_fails_half_way_leaves_what_a_sweep_finds() {
    let sim = start(with_shared("10.90.0.0/24"));
    let engine = connect(&sim).await;
    sim.inject(FaultRule::new(Fault::Fail { status: 500 }).path("/services/create"));
    let run = run("r1");
    let op = Operation::new(&engine, permit(), &run, &silent);
    let error = deploy(op, &plan(&sim, true)).await.unwrap_err();
    assert_eq!(error.status(), Some(500), "{error}");
    assert_eq!(objects(&sim).0.len(), 1, "the private network");
    assert_eq!(sweep_run(op, PATIENCE).await.unwrap().networks, 1);
    assert!(objects(&sim).0.is_empty());
}

async fn not_running(sim: &Sim, deployed: bool, patience: Duration) -> DeployError {
    let engine = connect(sim).await;
    let plan = plan(sim, false);
    if deployed {
        deploy(Operation::new(&engine, permit(), &run("r1"), &silent), &plan)
            .await
            .expect("a healthy engine");
    }
    let since = Instant::now();
    let error = wait_running(&engine, &[plan], patience).await.expect_err("not all tasks run");
    assert!(patience <= since.elapsed() && since.elapsed() < PATIENCE, "{:?}", since.elapsed());
    assert_one_line(&error);
    error
}

#[tokio::test]
async fn tasks_that_no_node_takes_are_reported_with_their_state() {
    let mut model = with_shared("10.90.0.0/24");
    model.set_availability("self", Availability::Drain).unwrap();
    let error = not_running(&start(model), true, Duration::from_millis(300)).await;
    assert!(
        matches!(&error, DeployError::NotRunning { running: 0, wanted: 2, state, .. } if state == "pending"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_stack_that_does_not_exist_is_absent() {
    let error = not_running(&start(with_shared("10.90.0.0/24")), false, Duration::ZERO).await;
    assert!(matches!(&error, DeployError::NotRunning { state, .. } if state == "absent"), "{error:?}");
}

/// A network that is used up is reported after 5 s; a patience below that ends the wait first.
#[tokio::test]
async fn a_short_patience_ends_before_a_full_network_is_certain() {
    let sim = start(with_shared("10.90.0.0/29"));
    let greedy = pvcheck_sim::ServiceDraft::new("greedy").on("shared").replicas(9);
    sim.with_model(|model| service(model, greedy));
    let error = not_running(&sim, true, Duration::from_millis(200)).await;
    assert!(matches!(&error, DeployError::NotRunning { running: 0, .. }), "{error:?}");
}

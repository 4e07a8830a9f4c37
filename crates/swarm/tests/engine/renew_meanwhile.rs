//! What happens while a network is renewed: tasks fail, nodes go down, other clients change things.

use std::time::Duration;

use pvcheck_sim::{Fault, FaultRule, Model, NetworkDraft, ServiceDraft, Sim};
use pvcheck_swarm::{
    Operation, Phase, Renewal, RenewalError, RenewalOptions, RenewalPoint, RenewalRequest, RenewalStrategy,
    RunId, renew, roll_back_renewal, silent, unfinished_renewal,
};

use crate::renew::BOTH;
use crate::renewals::{facts, options, planned, planned_for, request, specs, subnet};
use crate::support::{
    PATIENCE, cc_ci, connect, fresh, network, objects, permit, service, start, truth, writes,
};

/// A network with a service that runs only with an address of its present subnet, and another one.
fn fragile(action: &str, replicas: u64) -> Model {
    let mut model = fresh();
    network(&mut model, "proxy", "10.10.0.0/24");
    let app = ServiceDraft::new("app").on("proxy").replicas(replicas).needs_subnet("10.10.0.0/24");
    service(&mut model, app.failure_action(action));
    service(&mut model, ServiceDraft::new("web").on("proxy").start_first());
    model
}

async fn renewed(
    sim: &Sim,
    request: &RenewalRequest,
    patience: Duration,
    hold: bool,
    hook: &(dyn Fn(RenewalPoint) + Send + Sync),
) -> Result<Renewal, RenewalError> {
    let engine = connect(sim).await;
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let plan = planned_for(&engine, request).await;
    assert_eq!(plan.reasons(), Vec::<String>::new());
    let op = Operation::new(&engine, permit(), &run, &silent);
    renew(op, &plan, &RenewalOptions { patience, hold, ..options(state.path(), hook) }).await
}

fn elsewhere(strategy: RenewalStrategy) -> RenewalRequest {
    RenewalRequest { to: pvcheck_swarm::NewSubnet::Subnet(subnet("10.60.0.0/16")), ..request(strategy) }
}

/// All services run in the old state, and nothing of ours is left.
async fn is_as_before(sim: &Sim, what: &str) {
    let engine = connect(sim).await;
    let snapshot = engine.snapshot().await.expect("a snapshot");
    for service in &snapshot.services {
        let pvcheck_audit::ServiceMode::Replicated(wanted) = service.mode else { continue };
        assert_eq!(snapshot.running_tasks(&service.id).count() as u64, wanted, "{what}: {}", service.name);
    }
    assert_eq!(truth(sim, "proxy").subnet.map(|s| s.to_string()).as_deref(), Some("10.10.0.0/24"), "{what}");
    assert_eq!(objects(sim).0.len(), 0, "{what}: {:?}", objects(sim).0);
    assert!(unfinished_renewal(&engine).await.expect("an answer").is_none(), "{what}");
}

#[tokio::test]
async fn a_service_whose_new_task_fails_is_put_back_whatever_its_failure_action() {
    for strategy in BOTH {
        for action in ["pause", "continue", "rollback"] {
            let what = format!("{strategy:?}, {action}");
            let sim = start(fragile(action, 2));
            let before = specs(&sim);
            // By `continue` nothing says that it failed, but that it does not come up.
            let patience = if action == "continue" { Duration::from_secs(2) } else { PATIENCE };
            let error = renewed(&sim, &elsewhere(strategy), patience, false, &|_| ()).await;
            let error = error.err().unwrap_or_else(|| panic!("{what}: it was renewed"));
            let RenewalError::RolledBack { why, changed } = &error else { panic!("{what}: {error}") };
            assert_eq!(changed, &Vec::<String>::new(), "{what}");
            let why = why.to_string();
            let expected = if action == "continue" {
                "the last one failed: task: non-zero exit (1)"
            } else {
                "the update of app stopped: "
            };
            assert!(why.contains(expected), "{what}: {why}");
            assert_eq!(specs(&sim), before, "{what}");
            is_as_before(&sim, &what).await;
        }
    }
}

#[tokio::test]
async fn held_it_stays_where_it_failed_until_it_is_rolled_back() {
    let sim = start(fragile("pause", 2));
    let before = specs(&sim);
    let error = renewed(&sim, &elsewhere(RenewalStrategy::Recreate), PATIENCE, true, &|_| ()).await;
    let error = error.expect_err("it fails");
    assert!(
        matches!(&error, RenewalError::Held(why) if matches!(**why, RenewalError::UpdateFailed { .. })),
        "{error}"
    );
    assert_ne!(specs(&sim), before);
    let engine = connect(&sim).await;
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let op = Operation::new(&engine, permit(), &run, &silent);
    let done =
        roll_back_renewal(op, &options(state.path(), &|_| ())).await.expect("the old state is possible");
    assert_eq!(done.changed, Vec::<String>::new());
    assert_eq!(specs(&sim), before);
    is_as_before(&sim, "held").await;
}

/// Off the network each of its tasks fails, and runs again with an address of it.
#[tokio::test]
async fn a_service_that_does_not_run_without_its_network_is_renewed_by_recreation_too() {
    // An update that is paused leaves the second task of two where it is.
    for (action, replicas) in [("pause", 1), ("continue", 2)] {
        let sim = start(fragile(action, replicas));
        let before = specs(&sim);
        let done = renewed(&sim, &request(RenewalStrategy::Recreate), PATIENCE, false, &|_| ()).await;
        let done = done.unwrap_or_else(|error| panic!("{action}: {error}"));
        assert_eq!(done.changed, Vec::<String>::new(), "{action}");
        assert_eq!(specs(&sim), before, "{action}");
        assert!(
            connect(&sim)
                .await
                .snapshot()
                .await
                .expect("a snapshot")
                .tasks
                .iter()
                .any(|task| { task.error.contains("non-zero exit") })
        );
    }
}

/// Between the removal of the old network and the creation of the new one.
#[tokio::test]
async fn while_the_network_is_not_there_its_renewal_is_named() {
    let mut model = fresh();
    network(&mut model, "proxy", "10.10.0.0/24");
    service(&mut model, ServiceDraft::new("web").on("proxy"));
    let sim = start(model);
    let refused = FaultRule::new(Fault::Fail { status: 400 }).method("POST").path("/networks/create");
    sim.inject(refused);
    let error = renewed(&sim, &request(RenewalStrategy::Recreate), PATIENCE, true, &|_| ()).await;
    assert!(matches!(&error, Err(RenewalError::Held(_))), "{error:?}");
    let error = facts(&connect(&sim).await).await.expect_err("there is none to plan for");
    assert!(
        matches!(&error, RenewalError::Unfinished { renewal } if renewal.network == "proxy")
            && error.to_string().contains("`pvcheck resize resume`"),
        "{error}"
    );
}

/// Three nodes with a global service and a replicated one on the network; the third node.
fn three_nodes() -> (Model, String) {
    let mut model = fresh();
    model.add_node(true);
    let third = model.add_node(true);
    network(&mut model, "proxy", "10.10.0.0/24");
    service(&mut model, ServiceDraft::new("all").on("proxy").global());
    service(&mut model, ServiceDraft::new("app").on("proxy").replicas(3));
    (model, third.as_str().to_owned())
}

/// Renews with a third node that goes down in this step, whose tasks have the network still and are told to stop: nobody
/// sees them end.
async fn with_a_node_down(sim: &Sim, third: &str, strategy: RenewalStrategy, step: &str) -> RenewalError {
    let hook = |point: RenewalPoint| {
        if point.step == step && point.phase == Phase::Begun {
            sim.with_model(|model| model.set_node_down(third, true).expect("there"));
        }
    };
    let done = renewed(sim, &request(strategy), Duration::from_secs(2), false, &hook).await;
    done.expect_err("its tasks hold addresses")
}

#[tokio::test]
async fn a_node_that_goes_down_before_the_network_is_removed_is_named_and_everything_put_back() {
    let (model, third) = three_nodes();
    let sim = start(model);
    let before = specs(&sim);
    let error = with_a_node_down(&sim, &third, RenewalStrategy::Recreate, "detach").await;
    let text = error.to_string();
    let RenewalError::RolledBack { why, changed } = &error else { panic!("{text}") };
    assert!(matches!(**why, RenewalError::NodeDown { .. }), "{text}");
    assert!(text.contains("node node3 is down") && text.contains("docker node rm --force"), "{text}");
    assert_eq!(changed, &Vec::<String>::new());
    assert_eq!(specs(&sim), before);
    is_as_before(&sim, "a node is down").await;
}

/// By bridge the lost task is on both networks, so the holding network cannot go either as long as the node is down: the
/// task would lose its other address.
#[tokio::test]
async fn by_bridge_the_way_back_ends_when_the_node_is_back_or_removed() {
    let (model, third) = three_nodes();
    let sim = start(model);
    let before = specs(&sim);
    let error = with_a_node_down(&sim, &third, RenewalStrategy::Bridge, "leave-old").await;
    let RenewalError::Stranded { then, .. } = &error else { panic!("{error}") };
    assert!(matches!(**then, RenewalError::NodeDown { .. }), "{error}");
    assert!(error.to_string().contains("node node3 is down"), "{error}");
    assert_eq!(specs(&sim), before, "every service is back");
    sim.with_model(|model| {
        model.set_manager(&third, false).expect("others lead");
        model.remove_node(&third, true).expect("it is down");
    });
    let engine = connect(&sim).await;
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let op = Operation::new(&engine, permit(), &run, &silent);
    let done = roll_back_renewal(op, &options(state.path(), &|_| ())).await.expect("nothing holds it");
    assert_eq!(done.changed, Vec::<String>::new());
    is_as_before(&sim, "the node is gone").await;
    assert_eq!(truth(&sim, "proxy").leaked, crate::support::NO_ADDRESS);
}

#[tokio::test]
async fn a_node_that_comes_back_in_time_is_waited_for() {
    let (model, third) = three_nodes();
    let sim = start(model);
    let hook = |point: RenewalPoint| {
        let down = match (point.step.as_str(), point.phase) {
            ("detach", Phase::Begun) => true,
            ("drain", Phase::Begun) => false,
            _ => return,
        };
        sim.with_model(|model| model.set_node_down(&third, down).expect("there"));
    };
    let done = renewed(&sim, &request(RenewalStrategy::Recreate), PATIENCE, false, &hook).await;
    assert_eq!(done.expect("it is back").changed, Vec::<String>::new());
    assert_eq!(truth(&sim, "proxy").leaked, crate::support::NO_ADDRESS);
}

#[tokio::test]
async fn after_the_network_is_renewed_a_global_service_needs_the_nodes_that_are_there() {
    for strategy in BOTH {
        let (model, third) = three_nodes();
        let sim = start(model);
        let hook = |point: RenewalPoint| {
            if point.step == "create" && point.phase == Phase::Done {
                sim.with_model(|model| {
                    model.set_node_down(&third, true).expect("there");
                    // By bridge its tasks hold addresses of the holding network, which is removed at the end.
                    model.set_manager(&third, false).expect("others lead");
                    model.remove_node(&third, true).expect("it is down");
                });
            }
        };
        let done = renewed(&sim, &request(strategy), PATIENCE, false, &hook).await;
        let done = done.unwrap_or_else(|error| panic!("{strategy:?}: {error}"));
        assert_eq!(done.changed, Vec::<String>::new(), "{strategy:?}");
        let engine = connect(&sim).await;
        let snapshot = engine.snapshot().await.unwrap();
        for (name, tasks) in [("all", 2), ("app", 3)] {
            let service = snapshot.service_named(name).expect("there");
            assert_eq!(snapshot.running_tasks(&service.id).count(), tasks, "{strategy:?}: {name}");
        }
    }
}

/// What another client does between the plan and the lock, and what it is called.
type Drift = (fn(&mut Model), &'static str);

#[tokio::test]
async fn what_changed_between_the_plan_and_the_lock_keeps_it_from_being_begun() {
    let drifts: [Drift; 5] = [
        (
            |model| {
                let label = |raw: &mut serde_json::Value| raw["Labels"]["owner"] = "other".into();
                model.change_service("web", label).expect("there");
            },
            "web has been changed since the plan was made",
        ),
        (|model| model.remove_service("web").expect("there"), "web has left the network"),
        (
            |model| {
                model.create_service(ServiceDraft::new("late").on("proxy").json()).expect("a fresh name");
                model.advance(crate::support::SETTLE);
            },
            "late has joined the network",
        ),
        (
            |model| {
                model
                    .create_network(&NetworkDraft::overlay("taken").subnet("10.60.7.0/24").json())
                    .expect("free");
                // An engine shows the subnet of a network only once the leader has allocated it.
                model.advance(crate::support::SETTLE);
            },
            "10.60.0.0/16 overlaps",
        ),
        (
            |model| {
                for name in ["web", "app"] {
                    model.remove_service(name).expect("there");
                }
                model.advance(crate::support::SETTLE);
                model.remove_network("proxy").expect("unused");
            },
            "the network is not the one that was planned for",
        ),
    ];
    for (change, what) in drifts {
        let sim = start(fragile("pause", 2));
        let engine = connect(&sim).await;
        let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
        let plan = planned_for(&engine, &elsewhere(RenewalStrategy::Recreate)).await;
        assert_eq!(plan.reasons(), Vec::<String>::new());
        sim.with_model(change);
        let before = objects(&sim);
        sim.clear_requests();
        let op = Operation::new(&engine, permit(), &run, &silent);
        let refused = renew(op, &plan, &options(state.path(), &|_| ())).await.expect_err("it has changed");
        let RenewalError::Refused { plan } = &refused else { panic!("{what}: {refused}") };
        assert!(plan.reasons().join("; ").contains(what), "{what}: {:?}", plan.reasons());
        assert_eq!(objects(&sim), before, "{what}: nothing was touched");
        let touched =
            writes(&sim).into_iter().filter(|write| !write.contains("/configs/")).collect::<Vec<_>>();
        assert_eq!(touched, crate::support::NOTHING, "{what}: only the lock was taken and released");
    }
}

#[tokio::test]
async fn settings_that_another_client_changed_meanwhile_are_named() {
    let sim = start(cc_ci());
    let engine = connect(&sim).await;
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let plan = planned(&engine, RenewalStrategy::Recreate).await;
    let hook = |point: RenewalPoint| {
        if point.step == "create" && point.phase == Phase::Done {
            sim.with_model(|model| {
                model.remove_network("proxy").expect("nobody is on it");
                let other = NetworkDraft::overlay("proxy").subnet("10.10.0.0/16").attachable();
                model.create_network(&other.label("owner", "other").json()).expect("free");
            });
        }
    };
    let op = Operation::new(&engine, permit(), &run, &silent);
    let done = renew(op, &plan, &options(state.path(), &hook)).await.expect("it is of the same subnet");
    assert_eq!(done.changed, ["the settings of proxy"]);
}

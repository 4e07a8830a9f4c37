//! Removing stacks and sweeping runs: what goes, what stays, what is lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pvcheck_audit::NetworkId;
use pvcheck_sim::{Fault, FaultRule, Model, NetworkDraft, ServiceDraft, Sim};
use pvcheck_swarm::{
    Engine, Left, LeftReason, Operation, Order, PartKind, Progress, RUN_LABEL, RemovalError, RemovalOptions,
    RunId, STACK_LABEL, StackRemoval, StackSpec, deploy, find_stacks, leftover_runs, remove_stacks, silent,
    sweep_run, wait_running,
};
use serde_json::json;

use crate::support::*;

fn plans(shared: &NetworkId, stacks: u32, replicas: u32) -> Vec<StackSpec> {
    let plan = |n| StackSpec {
        name: format!("stack-{n}"),
        image: "sim/busybox:1".into(),
        command: Vec::new(),
        replicas,
        shared: shared.clone(),
        private: true,
        publish: None,
        labels: Vec::new(),
    };
    (0..stacks).map(plan).collect()
}

async fn deployed(sim: &Sim, engine: &Engine, stacks: u32, replicas: u32) -> Vec<String> {
    let shared = sim.with_model(|model| model.network_id("shared").expect("there"));
    let plans = plans(&NetworkId::new(shared.as_str()), stacks, replicas);
    for plan in &plans {
        deploy(Operation::new(engine, permit(), &run("deployed"), &silent), plan)
            .await
            .expect("a healthy engine");
    }
    let snapshot = wait_running(engine, &plans, PATIENCE).await.expect("enough free addresses");
    let running = snapshot.services.iter().map(|s| snapshot.running_tasks(&s.id).count()).sum::<usize>();
    assert_eq!(running, (stacks * replicas) as usize);
    plans.into_iter().map(|p| p.name).collect()
}

async fn removed(engine: &Engine, names: &[String], order: Order, patience: Duration) -> Vec<StackRemoval> {
    let options = RemovalOptions { order, patience };
    remove_stacks(Operation::new(engine, permit(), &RunId::unique(), &silent), names, &options)
        .await
        .expect("the stacks are there")
}

/// Deploys and removes so many stacks, and gives what `shared` lost.
async fn lost(stacks: u32, replicas: u32, order: Order) -> usize {
    let mut model = with_shared("10.90.0.0/24");
    // Long against the calls of a removal, so that the outcome depends on the order alone.
    model.settings_mut().timings.stop = Duration::from_millis(700);
    let sim = start(model);
    let engine = connect(&sim).await;
    let names = deployed(&sim, &engine, stacks, replicas).await;
    for done in removed(&engine, &names, order, PATIENCE).await {
        assert_eq!((done.services, done.networks, done.left.as_slice()), (1, 1, [].as_slice()), "{done:?}");
    }
    until("all tasks are gone", || tasks(&sim) == 0).await;
    let truth = truth(&sim, "shared");
    assert_eq!(truth.owners, [], "no owner is left");
    assert_eq!(truth.in_use, Some(3 + truth.leaked.len() as u64));
    assert_eq!(objects(&sim).0, BTreeSet::new());
    truth.leaked.len()
}

#[tokio::test]
async fn dockers_order_leaks_one_address_per_task_and_the_drained_one_none() {
    let cases = [(1, 1), (1, 3), (4, 3)];
    let leaking = join_all(cases.map(|(k, r)| lost(k, r, Order::StackRm))).await;
    assert_eq!(leaking, [1, 3, 12]);
    let drained = join_all(cases.map(|(k, r)| lost(k, r, Order::Drained))).await;
    assert_eq!(drained, [0, 0, 0]);
}

#[tokio::test]
async fn a_slow_stopper_keeps_its_network_and_says_so() {
    let mut model = with_shared("10.90.0.0/24");
    for (stack, stop) in [("slow", Duration::from_hours(1)), ("fast", Duration::from_millis(20))] {
        let internal = format!("{stack}_internal");
        model.create_network(&NetworkDraft::overlay(&internal).label(STACK_LABEL, stack).json()).unwrap();
        let app = ServiceDraft::new(&format!("{stack}_app")).stack(stack).on(&internal).on("shared");
        service(&mut model, app.replicas(2).stops_in(stop));
    }
    let sim = start(model);
    let engine = connect(&sim).await;
    let patience = Duration::from_millis(300);
    let since = Instant::now();
    let done = removed(&engine, &["slow".into(), "fast".into()], Order::Drained, patience).await;
    assert!(patience <= since.elapsed() && since.elapsed() < PATIENCE);
    assert_eq!((done[0].stack.as_str(), done[0].services, done[0].networks), ("slow", 1, 0));
    assert_eq!(done[0].left.len(), 1);
    let why = done[0].left[0].to_string();
    assert!(why.contains("network slow_internal") && why.contains("2 task(s)"), "{why}");
    assert_eq!((done[1].networks, done[1].left.len()), (1, 0), "one stack does not hold up the other");
    assert!(sim.with_model(|model| model.network_id("slow_internal").is_ok()));
    assert_eq!(truth(&sim, "shared").leaked, NO_ADDRESS);
}

/// A network that a service outside of the removal uses is left at once: no wait would end that use.
#[tokio::test]
async fn a_network_that_others_use_is_left_to_them_at_once() {
    let mut model = with_shared("10.90.0.0/24");
    for network in ["lent", "own"] {
        let draft = NetworkDraft::overlay(network).label(STACK_LABEL, "lender");
        model.create_network(&draft.json()).unwrap();
    }
    service(&mut model, ServiceDraft::new("lender_app").stack("lender").on("lent").on("own").on("shared"));
    service(&mut model, ServiceDraft::new("guest_app").stack("guest").on("lent").on("shared"));
    let sim = start(model);
    let engine = connect(&sim).await;
    let since = Instant::now();
    let done = removed(&engine, &["lender".into()], Order::Drained, PATIENCE).await;
    assert!(since.elapsed() < PATIENCE / 4, "{:?}", since.elapsed());
    assert_eq!((done[0].services, done[0].networks), (1, 1), "{done:?}");
    let why = LeftReason::UsedBy { service: "guest_app".into() };
    assert_eq!(done[0].left, [Left { kind: PartKind::Network, name: "lent".into(), why }]);
    assert_eq!(truth(&sim, "shared").leaked, NO_ADDRESS);
    // Removed together, no service is left that uses it.
    let done = removed(&engine, &["lender".into(), "guest".into()], Order::Drained, PATIENCE).await;
    assert!(done.iter().all(|r| r.left.is_empty()), "{done:?}");
    assert_eq!(truth(&sim, "shared").leaked, NO_ADDRESS);
}

/// The second road to the leak: tasks that an update took off the stack's network still stop on it, and their service is
/// not the stack's.
#[tokio::test]
async fn tasks_that_an_update_took_off_a_network_are_waited_for() {
    let mut model = with_shared("10.90.0.0/24");
    let draft = NetworkDraft::overlay("lent").label(STACK_LABEL, "lender");
    model.create_network(&draft.json()).unwrap();
    let guest = ServiceDraft::new("guest_app").stack("guest").on("lent").on("shared").replicas(2);
    service(&mut model, guest.stops_in(Duration::from_millis(600)));
    model
        .change_service("guest_app", |spec| {
            let networks = spec["TaskTemplate"]["Networks"].as_array_mut().expect("attached");
            networks.remove(0);
            spec["UpdateConfig"] = json!({"Parallelism": 0});
        })
        .expect("a service of the test");
    let sim = start(model);
    let engine = connect(&sim).await;
    let since = Instant::now();
    let done = removed(&engine, &["lender".into()], Order::Drained, PATIENCE).await;
    assert_eq!((done[0].networks, done[0].left.len()), (1, 0), "{done:?}");
    assert!(Duration::from_millis(300) < since.elapsed(), "it did not wait: {:?}", since.elapsed());
    assert_eq!(truth(&sim, "shared").leaked, NO_ADDRESS);
}

#[tokio::test]
async fn a_name_given_twice_is_one_stack_and_unknown_ones_can_be_asked_for() {
    let mut model = with_shared("10.90.0.0/24");
    stored(&mut model, "configs", "rest", STACK_LABEL, "half");
    let sim = start(model);
    let engine = connect(&sim).await;
    let names = ["half".to_owned(), "nope".to_owned(), "half".to_owned()];
    let found = find_stacks(&engine, &names).await.unwrap();
    assert_eq!((found.present, found.missing), (vec!["half".to_owned()], vec!["nope".to_owned()]));
    let error = remove_stacks(
        Operation::new(&engine, permit(), &RunId::unique(), &silent),
        &names,
        &RemovalOptions::default(),
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("half"), "what is left of a stack is one: {error}");
    let names = ["half".to_owned(), "half".to_owned()];
    let done = removed(&engine, &names, Order::Drained, PATIENCE).await;
    assert_eq!((done.len(), done[0].stored), (1, 1), "{done:?}");
}

#[tokio::test]
async fn an_unknown_stack_is_refused_before_anything_is_removed() {
    let sim = start(cc_ci());
    let engine = connect(&sim).await;
    let names = ["drone".to_owned(), "dorne".to_owned()];
    let error = remove_stacks(
        Operation::new(&engine, permit(), &RunId::unique(), &silent),
        &names,
        &RemovalOptions::default(),
    )
    .await
    .unwrap_err();
    assert!(matches!(&error, RemovalError::NoSuchStack { name, .. } if name == "dorne"), "{error:?}");
    assert_one_line(&error);
    assert!(error.to_string().contains("traefik"), "it says what there is: {error}");
    assert_eq!(writes(&sim), NOTHING);
}

#[tokio::test]
async fn a_stack_goes_with_its_secrets_and_configs_and_external_networks_stay() {
    let mut model = cc_ci();
    for (kind, stack) in [("secrets", "drone"), ("configs", "drone"), ("secrets", "traefik")] {
        stored(&mut model, kind, &format!("{stack}-{kind}"), STACK_LABEL, stack);
    }
    let sim = start(model);
    let before = objects(&sim).1;
    let engine = connect(&sim).await;
    let done = removed(&engine, &["drone".into()], Order::Drained, PATIENCE).await;
    assert_eq!((done[0].services, done[0].networks, done[0].stored), (1, 0, 2), "{done:?}");
    let gone: Vec<String> = before.difference(&objects(&sim).1).cloned().collect();
    assert_eq!(gone.len(), 3, "{gone:?}");
    assert!(gone.iter().all(|what| what.contains("drone")), "{gone:?}");
    assert_eq!(truth(&sim, "proxy").leaked, NO_ADDRESS);
}

fn stored(model: &mut Model, kind: &str, name: &str, label: &str, value: &str) {
    let body = json!({"Name": name, "Labels": {label: value}, "Data": "c3dhcm0="}).to_string();
    let answer = model.respond("POST", &format!("/{kind}/create"), body.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.value());
}

/// Leftovers of two runs on the CI host, some with the labels of its stacks.
fn littered() -> Model {
    let mut model = cc_ci();
    for (own, net) in [("aaaaaaaaaaaa", "a"), ("bbbbbbbbbbbb", "b")] {
        let overlay = NetworkDraft::overlay(&format!("{net}_internal")).label(RUN_LABEL, own);
        model.create_network(&overlay.label(STACK_LABEL, "traefik").json()).expect("fresh");
        model.advance(SETTLE);
        let app = ServiceDraft::new(&format!("{net}_app")).on(&format!("{net}_internal")).on("proxy");
        service(&mut model, app.label(RUN_LABEL, own).stack("traefik"));
        stored(&mut model, "secrets", &format!("{net}-secret"), RUN_LABEL, own);
        stored(&mut model, "configs", &format!("{net}-config"), RUN_LABEL, own);
        model.create_network(&NetworkDraft::bridge(&format!("{net}-bridge")).json()).expect("fresh");
    }
    stored(&mut model, "secrets", "theirs", "org.example.run", "aaaaaaaaaaaa");
    service(
        &mut model,
        ServiceDraft::new("a_lookalike").on("proxy").label("org.pvcheck.runs", "aaaaaaaaaaaa"),
    );
    model
}

#[tokio::test]
async fn a_sweep_removes_what_is_labelled_and_nothing_else() {
    let sim = start(littered());
    let engine = connect(&sim).await;
    let (ours, others) = objects(&sim);
    assert_eq!(ours.len(), 8, "{ours:?}");
    let done =
        sweep_run(Operation::new(&engine, permit(), &run("aaaaaaaaaaaa"), &silent), PATIENCE).await.unwrap();
    assert_eq!((done.services, done.networks, done.stored, done.left.len()), (1, 1, 2, 0), "{done:?}");
    let (left, untouched) = objects(&sim);
    assert_eq!(untouched, others, "others keep everything");
    assert_eq!(
        left,
        ours.iter().filter(|what| what.contains(" b_") || what.contains(" b-")).cloned().collect(),
        "as do other runs"
    );
    assert_eq!(truth(&sim, "proxy").leaked, NO_ADDRESS, "and nothing was lost");
}

#[tokio::test]
async fn a_sweep_of_nothing_changes_nothing() {
    let sim = start(cc_ci());
    let engine = connect(&sim).await;
    let done =
        sweep_run(Operation::new(&engine, permit(), &RunId::unique(), &silent), PATIENCE).await.unwrap();
    assert_eq!((done.services, done.networks, done.stored, done.left.len()), (0, 0, 0, 0));
    assert_eq!(writes(&sim), NOTHING);
}

#[tokio::test]
async fn leftovers_are_listed_by_run_with_their_names() {
    let sim = start(littered());
    let found = leftover_runs(&connect(&sim).await).await.unwrap();
    let listed: Vec<_> = found.iter().map(|(run, names)| (run.as_str(), names.len())).collect();
    assert_eq!(listed, [("aaaaaaaaaaaa", 4), ("bbbbbbbbbbbb", 4)]);
    let named: Vec<String> = found[0].1.iter().map(ToString::to_string).collect();
    for name in ["service a_app", "network a_internal", "secret a-secret", "config a-config"] {
        assert!(named.contains(&name.to_owned()), "{name}: {named:?}");
    }
}

#[tokio::test]
async fn what_the_engine_refuses_to_remove_is_left_and_named() {
    let sim = start(littered());
    let engine = connect(&sim).await;
    sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("DELETE").path("/secrets/"));
    let patience = Duration::from_millis(500);
    let done =
        sweep_run(Operation::new(&engine, permit(), &run("aaaaaaaaaaaa"), &silent), patience).await.unwrap();
    assert!(
        done.left
            .iter()
            .any(|l| { l.kind == PartKind::Secret && l.name == "a-secret" && l.to_string().contains("500") }),
        "{done:?}"
    );
    assert_eq!((done.services, done.networks, done.stored), (1, 1, 1), "the rest goes all the same");
}

/// What is not there any more is removed.
#[tokio::test]
async fn a_removal_by_another_client_half_way_is_not_an_error() {
    let sim = start(littered());
    let engine = connect(&sim).await;
    let interfere = |_| {
        sim.with_model(|model| {
            // Each may be gone already; then there is nothing to do.
            drop(model.remove_service("a_app"));
            drop(model.respond("DELETE", "/secrets/a-secret", b""));
            drop(model.respond("DELETE", "/configs/a-config", b""));
        });
    };
    let done = sweep_run(Operation::new(&engine, permit(), &run("aaaaaaaaaaaa"), &interfere), PATIENCE)
        .await
        .unwrap();
    assert_eq!(done.left, []);
    assert!(objects(&sim).0.iter().all(|what| what.contains(" b_") || what.contains(" b-")));
}

/// The paths that a removal deletes, by kind, in order.
fn deleted(sim: &Sim) -> Vec<String> {
    let deletes = writes(sim).into_iter().filter(|call| call.starts_with("DELETE "));
    deletes.map(|call| call.split('/').rev().nth(1).unwrap_or_default().to_owned()).collect()
}

/// A stack with a part of each kind on an embedded engine.
fn of_every_kind() -> Sim {
    let mut model = with_shared("10.90.0.0/24");
    model
        .create_network(&NetworkDraft::overlay("own").label(STACK_LABEL, "web").json())
        .expect("a fresh name");
    service(&mut model, ServiceDraft::new("web_app").stack("web").on("own").on("shared"));
    stored(&mut model, "secrets", "key", STACK_LABEL, "web");
    stored(&mut model, "configs", "conf", STACK_LABEL, "web");
    start(model)
}

#[tokio::test]
async fn each_order_deletes_the_kinds_in_its_own() {
    for (order, kinds) in [
        (Order::Drained, ["services", "networks", "secrets", "configs"]),
        (Order::StackRm, ["services", "secrets", "configs", "networks"]),
    ] {
        let sim = of_every_kind();
        let engine = connect(&sim).await;
        let done = removed(&engine, &["web".into()], order, PATIENCE).await;
        assert_eq!((done[0].services, done[0].networks, done[0].stored), (1, 1, 2), "{done:?}");
        let mut made = deleted(&sim);
        // Docker's order meets "in use by task", and asks again.
        made.dedup();
        assert_eq!(made, kinds, "{order:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_removed_keeps_its_network_and_the_rest_goes() {
    let sim = of_every_kind();
    let engine = connect(&sim).await;
    sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("DELETE").path("/services/"));
    let since = Instant::now();
    let done = removed(&engine, &["web".into()], Order::Drained, PATIENCE).await;
    assert!(since.elapsed() < PATIENCE / 4, "it waited for tasks that do not stop: {:?}", since.elapsed());
    assert_eq!((done[0].services, done[0].networks, done[0].stored), (0, 0, 2), "{done:?}");
    let [service, network] = done[0].left.as_slice() else { panic!("{done:?}") };
    assert!(matches!(&service.why, LeftReason::Refused { error } if error.contains("500")), "{service}");
    assert_eq!(network.why, LeftReason::UsedBy { service: "web_app".into() });
}

/// Networks are left in place where it is not known whether tasks still hold addresses.
#[tokio::test]
async fn tasks_that_cannot_be_read_keep_the_network() {
    let sim = of_every_kind();
    let engine = connect(&sim).await;
    let options = RemovalOptions { order: Order::Drained, patience: Duration::from_millis(200) };
    // From the first removal on: what the removal itself reads before is not disturbed.
    let watch = |progress: Progress| {
        if matches!(&progress, Progress::Removing { what: "service", .. }) {
            sim.inject(FaultRule::new(Fault::Fail { status: 503 }).method("GET").path("/tasks"));
        }
    };
    let run = RunId::unique();
    let op = Operation::new(&engine, permit(), &run, &watch);
    let done = remove_stacks(op, &["web".into()], &options).await.unwrap();
    assert_eq!((done[0].services, done[0].networks, done[0].stored), (1, 0, 2), "{done:?}");
    let [left] = done[0].left.as_slice() else { panic!("{done:?}") };
    assert!(
        matches!(&left.why, LeftReason::TasksUnknown { error, networks_kept: true, .. } if error.contains("503")),
        "{left}"
    );
    assert!(sim.with_model(|model| model.network_id("own").is_ok()));
    sim.clear_faults();
    let swept = removed(&engine, &["web".into()], Order::Drained, PATIENCE).await;
    assert_eq!((swept[0].networks, swept[0].left.len()), (1, 0), "{swept:?}");
}

#[tokio::test]
async fn a_wait_survives_a_list_that_fails_and_reports_each_number_of_tasks_once() {
    let mut model = with_shared("10.90.0.0/24");
    model.create_network(&NetworkDraft::overlay("own").label(STACK_LABEL, "web").json()).unwrap();
    let app = ServiceDraft::new("web_app").stack("web").on("own").on("shared").replicas(2);
    service(&mut model, app.stops_in(Duration::from_millis(300)));
    let sim = start(model);
    let engine = connect(&sim).await;
    let steps = std::sync::Mutex::new(Vec::new());
    let watch = |progress: Progress| match progress {
        Progress::Removing { what: "service", .. } => {
            sim.inject(FaultRule::new(Fault::Fail { status: 503 }).method("GET").path("/tasks").times(2));
        }
        Progress::Step(step) => steps.lock().unwrap().push(step),
        _ => {}
    };
    let run = RunId::unique();
    let op = Operation::new(&engine, permit(), &run, &watch);
    let done = remove_stacks(op, &["web".into()], &RemovalOptions::default()).await.unwrap();
    assert_eq!((done[0].networks, done[0].left.len()), (1, 0), "{done:?}");
    assert_eq!(truth(&sim, "shared").leaked, NO_ADDRESS);
    let steps = steps.into_inner().unwrap();
    assert_eq!(steps.first().map(String::as_str), Some("web: waiting for 2 task(s) to stop"), "{steps:?}");
    let different: BTreeSet<&String> = steps.iter().collect();
    assert_eq!(different.len(), steps.len(), "{steps:?}");
}

/// One list that lacks the tasks must not be taken for their end: removed under a task that stops, a network keeps the
/// other addresses of that task from coming back.
#[tokio::test]
async fn tasks_that_one_list_lacks_are_waited_for() {
    let mut model = with_shared("10.90.0.0/24");
    model.create_network(&NetworkDraft::overlay("own").label(STACK_LABEL, "web").json()).unwrap();
    let app = ServiceDraft::new("web_app").stack("web").on("own").on("shared").replicas(2);
    service(&mut model, app.stops_in(Duration::from_millis(700)));
    let sim = start(model);
    let engine = connect(&sim).await;
    let watch = |progress: Progress| {
        if matches!(progress, Progress::Removing { what: "service", .. }) {
            let lacking = FaultRule::new(Fault::Answer { body: "[]" });
            sim.inject(lacking.method("GET").path("/tasks").times(1));
        }
    };
    let run = RunId::unique();
    let op = Operation::new(&engine, permit(), &run, &watch);
    let done = remove_stacks(op, &["web".into()], &RemovalOptions::default()).await.unwrap();
    assert_eq!((done[0].networks, done[0].left.len()), (1, 0), "{done:?}");
    until("all tasks are gone", || tasks(&sim) == 0).await;
    assert_eq!(truth(&sim, "shared").leaked, NO_ADDRESS);
}

#[tokio::test]
async fn a_stack_that_cannot_be_looked_at_again_is_not_said_to_be_gone() {
    let sim = of_every_kind();
    let engine = connect(&sim).await;
    // After all that was seen of it is removed.
    let watch = |progress: Progress| {
        if matches!(progress, Progress::Removing { what: "config", .. }) {
            sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("GET").path("/services"));
        }
    };
    let run = RunId::unique();
    let op = Operation::new(&engine, permit(), &run, &watch);
    let done = remove_stacks(op, &["web".into()], &RemovalOptions::default()).await.unwrap();
    assert_eq!((done[0].services, done[0].networks, done[0].stored), (1, 1, 2), "{done:?}");
    let [left] = done[0].left.as_slice() else { panic!("{done:?}") };
    assert_eq!((left.kind, left.name.as_str()), (PartKind::Stack, "web"));
    assert!(matches!(&left.why, LeftReason::NotSeenAgain { error } if error.contains("500")), "{left}");
}

//! What must never leave the process: environments, arguments, labels, tokens, secrets' data.

use std::time::Duration;

use pvcheck_audit::{AllocatorCounts, audit, counts_refused, owners, why};
use pvcheck_sim::{Model, NetworkDraft, ServiceDraft, Sim};
use pvcheck_swarm::{
    CensusOptions, ChurnPlan, Operation, Order, RemovalOptions, RunId, StackSpec, census, churn, deploy,
    leftover_runs, remove_stacks, silent, sweep_run, wait_running,
};
use serde::Serialize;
use serde_json::json;

use crate::support::*;

/// In every planted text, so that one search finds them all.
const CANARY: &str = "c4n4ry";
const TOKEN: &str = "SWMTKN-1-c4n4ry3a2b1c-9x8y7z";

/// A stack with a secret in every place that an operator puts one.
fn planted() -> Model {
    let mut model = with_shared("10.90.0.0/27");
    let internal = NetworkDraft::overlay("vault_internal").label("com.docker.stack.namespace", "vault");
    model.create_network(&internal.label("org.example.token", TOKEN).json()).expect("fresh");
    model.advance(SETTLE);
    let app = ServiceDraft::new("vault_app").stack("vault").on("vault_internal").on("shared");
    let mut app =
        app.label("traefik.basicauth.users", &format!("admin:{CANARY}")).label("token", TOKEN).json();
    let container = &mut app["TaskTemplate"]["ContainerSpec"];
    container["Env"] = json!([format!("DB_PASSWORD={CANARY}"), format!("JOIN={TOKEN}")]);
    container["Args"] = json!(["--token", TOKEN]);
    container["Command"] = json!(["sh", "-c", format!("login {CANARY}")]);
    container["Labels"] = json!({"password": CANARY});
    container["Hosts"] = json!([format!("10.0.0.1 {CANARY}")]);
    container["Secrets"] = json!([{"SecretID": "x", "SecretName": "s", "File": {"Name": CANARY}}]);
    app["TaskTemplate"]["LogDriver"] = json!({"Name": "gelf", "Options": {"token": TOKEN}});
    model.create_service(app).expect("fresh");
    model.advance(SETTLE);
    for kind in ["secrets", "configs"] {
        let labels = json!({"com.docker.stack.namespace": "vault", "key": TOKEN});
        let body = json!({"Name": format!("vault-{kind}"), "Labels": labels, "Data": CANARY}).to_string();
        assert_eq!(model.respond("POST", &format!("/{kind}/create"), body.as_bytes()).status, 201);
    }
    model.set_node_label("self", "password", CANARY).expect("there");
    model
}

fn assert_silent(what: &str, value: &(impl Serialize + std::fmt::Debug)) {
    let json = serde_json::to_string(value).expect("plain data");
    for (form, text) in [("JSON", json), ("Debug", format!("{value:?}"))] {
        assert!(
            !text.contains(CANARY) && !text.contains("SWMTKN"),
            "{what} tells a secret as {form}: {text}"
        );
    }
}

fn assert_error_silent(error: &(impl std::error::Error + 'static)) {
    let text = format!("{error} {error:?}");
    assert!(!text.contains(CANARY) && !text.contains("SWMTKN"), "an error tells a secret: {text}");
}

#[tokio::test]
async fn no_result_tells_a_secret() {
    let sim = start(planted());
    let answered =
        sim.with_model(|model| list(model, "services")).iter().any(|s| s.to_string().contains(CANARY));
    assert!(answered, "the engine itself does tell them");
    let engine = connect(&sim).await;
    let run = RunId::unique();

    let snapshot = engine.snapshot().await.unwrap();
    assert_silent("the snapshot", &snapshot);
    assert_silent("the audit", &audit(&snapshot));
    for service in &snapshot.services {
        assert_silent("why", &why(&snapshot, &AllocatorCounts::default(), &service.name).unwrap());
    }
    for task in &snapshot.tasks {
        assert_silent(
            "why of a task",
            &why(&snapshot, &AllocatorCounts::default(), task.id.as_str()).unwrap(),
        );
    }
    let whole = pvcheck_audit::SavedSnapshot {
        counts: AllocatorCounts::none(counts_refused(&snapshot).unwrap()),
        snapshot: snapshot.clone(),
        host: None,
        host_unknown: None,
    };
    let saved = whole.to_json().unwrap();
    assert!(!saved.contains(CANARY) && !saved.contains("SWMTKN"), "a saved snapshot has a secret: {saved}");
    assert_silent("the owners", &owners(&snapshot, snapshot.overlay("shared").unwrap()));
    let options = CensusOptions::default();
    assert_silent(
        "the census",
        &census(Operation::new(&engine, permit(), &run, &silent), "shared", &options).await.unwrap(),
    );

    let done = churn(Operation::new(&engine, permit(), &run, &silent), &throwaway()).await.unwrap();
    assert_silent("the churn", &done);
    assert_silent("the leftovers", &leftover_runs(&engine).await.unwrap());
    assert_silent(
        "the sweep",
        &sweep_run(Operation::new(&engine, permit(), &run, &silent), PATIENCE).await.unwrap(),
    );
    let options = RemovalOptions { order: Order::Drained, patience: PATIENCE };
    let removed = remove_stacks(
        Operation::new(&engine, permit(), &RunId::unique(), &silent),
        &["vault".into()],
        &options,
    )
    .await
    .unwrap();
    assert_eq!(removed[0].services, 1);
    assert_silent("the removal", &removed);
}

/// Commands and labels of the spec stay with the engine, too.
fn throwaway() -> ChurnPlan {
    ChurnPlan {
        lock: None,
        network: "shared".into(),
        shape: pvcheck_swarm::ChurnShape::default(),
        stacks: 1,
        replicas: 1,
        rounds: 1,
        order: Order::Drained,
        image: "sim/busybox:1".into(),
        command: vec!["login".into(), CANARY.into()],
        reserve: 1,
        patience: PATIENCE,
        census: CensusOptions::default(),
    }
}

#[tokio::test]
async fn no_error_tells_a_secret() {
    let mut model = planted();
    // Nothing runs any more, so that a deployment must fail.
    model.set_availability("self", pvcheck_sim::Availability::Drain).unwrap();
    let sim = start(model);
    let engine = connect(&sim).await;
    let (run, options) = (RunId::unique(), CensusOptions::default());
    assert_error_silent(
        &census(Operation::new(&engine, permit(), &run, &silent), "nope", &options).await.unwrap_err(),
    );
    let shared = pvcheck_audit::NetworkId::new(sim.with_model(|m| m.network_id("shared").unwrap()).as_str());
    let plan = StackSpec {
        publish: None,
        name: "canary".into(),
        image: "sim/busybox:1".into(),
        command: vec![CANARY.into()],
        replicas: 1,
        shared,
        private: true,
        labels: vec![("token".into(), TOKEN.into())],
    };
    deploy(Operation::new(&engine, permit(), &run, &silent), &plan).await.unwrap();
    let late =
        wait_running(&engine, std::slice::from_ref(&plan), Duration::from_millis(100)).await.unwrap_err();
    assert_error_silent(&late);
    let twice = deploy(Operation::new(&engine, permit(), &run, &silent), &plan).await.unwrap_err();
    assert_eq!(twice.status(), Some(409));
    assert_error_silent(&twice);
    let names = ["nope".to_owned()];
    let unknown = remove_stacks(
        Operation::new(&engine, permit(), &RunId::unique(), &silent),
        &names,
        &RemovalOptions::default(),
    )
    .await;
    assert_error_silent(&unknown.unwrap_err());
    sim.inject(pvcheck_sim::FaultRule::new(pvcheck_sim::Fault::Lie).path("/services"));
    assert_error_silent(&engine.snapshot().await.unwrap_err());
}

/// An engine's error may quote a container's command line or environment.
#[tokio::test]
async fn a_task_that_failed_does_not_tell_a_secret_either() {
    let sim: Sim = start(planted());
    sim.with_model(|model| {
        let tasks = list(model, "tasks");
        let id = model.task_id(tasks[0]["ID"].as_str().expect("an id")).expect("there");
        let error =
            format!("starting container failed: env DB_PASSWORD={CANARY}: docker swarm join --token {TOKEN}");
        assert!(model.fail_task(&id, &error), "it ran");
    });
    let engine = connect(&sim).await;
    let snapshot = engine.snapshot().await.unwrap();
    let failed = snapshot.tasks.iter().find(|t| t.error.contains("starting container failed"));
    let failed = failed.expect("the rest stays");
    assert_silent("why", &why(&snapshot, &AllocatorCounts::default(), failed.id.as_str()).unwrap());
    assert_silent("the snapshot", &snapshot);
}

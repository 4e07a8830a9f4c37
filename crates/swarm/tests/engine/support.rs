//! Small worlds behind sockets, and what really is in them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use pvcheck_sim::{Model, NetworkDraft, NetworkTruth, ServiceDraft, Settings, Sim, SimOptions, Timings};
use pvcheck_swarm::{Engine, Permit, RUN_LABEL, RunId};
use serde_json::Value;

/// No address at all, with a type.
pub(crate) const NO_ADDRESS: [Ipv4Addr; 0] = [];
/// No words at all, with a type.
pub(crate) const NOTHING: [&str; 0] = [];
/// Far more than anything takes here; what has not happened by then never will.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Model time in which everything settles.
pub(crate) const SETTLE: Duration = Duration::from_secs(5);

/// Times that keep their proportions and cost next to nothing.
pub(crate) fn quick() -> Timings {
    Timings {
        allocation: Duration::from_millis(2),
        schedule: Duration::from_millis(2),
        start: Duration::from_millis(10),
        stop: Duration::from_millis(20),
        reap: Duration::from_millis(10),
        ..Timings::default()
    }
}

/// A fresh Swarm with quick times.
pub(crate) fn fresh() -> Model {
    Model::with_settings(Settings { timings: quick(), ..Settings::default() })
}

/// The CI host in small, with quick times from now on.
pub(crate) fn cc_ci() -> Model {
    let mut model = pvcheck_sim::world::cc_ci().expect("the model takes its own drafts");
    model.settings_mut().timings = quick();
    model
}

/// A fresh Swarm with the attachable network `shared`.
pub(crate) fn with_shared(subnet: &str) -> Model {
    let mut model = fresh();
    network(&mut model, "shared", subnet);
    model
}

pub(crate) fn network(model: &mut Model, name: &str, subnet: &str) {
    let draft = NetworkDraft::overlay(name).subnet(subnet).attachable();
    model.create_network(&draft.json()).expect("a fresh name");
    model.advance(SETTLE);
}

pub(crate) fn service(model: &mut Model, draft: ServiceDraft) {
    model.create_service(draft.json()).expect("a fresh name");
    model.advance(SETTLE);
}

/// Loses `k` addresses of `shared`, in the way that `docker stack rm` does.
pub(crate) fn leak(model: &mut Model, shared: &str, k: u64) {
    for n in 0..k {
        let name = format!("gone-{n}");
        model.create_network(&NetworkDraft::overlay(&name).json()).expect("a fresh name");
        service(model, ServiceDraft::new(&name).on(&name).on(shared));
        model.remove_service(&name).expect("there");
        model.remove_network(&name).expect("no wanted task is on it");
        model.advance(SETTLE);
    }
}

pub(crate) fn start(model: Model) -> Sim {
    Sim::start(model, SimOptions::default()).expect("a socket in a temporary directory")
}

pub(crate) async fn connect(sim: &Sim) -> Engine {
    connect_within(sim, PATIENCE).await
}

pub(crate) async fn connect_within(sim: &Sim, deadline: Duration) -> Engine {
    let host = sim.host().parse().expect("an absolute path");
    let engine = Engine::connect_within(&host, deadline).await.expect("a manager");
    sim.clear_requests();
    engine
}

pub(crate) fn permit() -> Permit {
    Permit::granted_by_operator()
}

/// What is really so on a network.
pub(crate) fn truth(sim: &Sim, name: &str) -> NetworkTruth {
    sim.with_model(|model| model.truth().network(name).expect("a network of the test").clone())
}

/// Every request since the log was last cleared that may change something.
pub(crate) fn writes(sim: &Sim) -> Vec<String> {
    let requests = sim.requests().into_iter().filter(|r| r.method != "GET");
    requests.map(|r| format!("{} {}", r.method, r.target)).collect()
}

/// Everything in the Swarm's store that has a name, as `kind name id`: ours (labelled), and that of others.
pub(crate) fn objects(sim: &Sim) -> (BTreeSet<String>, BTreeSet<String>) {
    sim.with_model(|model| {
        let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
        for kind in ["networks", "services", "secrets", "configs"] {
            for object in list(model, kind) {
                let (name, labels) = named(&object);
                let id = object["ID"].as_str().or(object["Id"].as_str()).unwrap_or_default();
                let side = if labels[RUN_LABEL].is_string() { &mut ours } else { &mut others };
                side.insert(format!("{kind} {name} {id}"));
            }
        }
        (ours, others)
    })
}

fn named(object: &Value) -> (&str, &Value) {
    match object["Name"].as_str() {
        Some(name) => (name, &object["Labels"]),
        None => (object["Spec"]["Name"].as_str().unwrap_or_default(), &object["Spec"]["Labels"]),
    }
}

/// What the engine lists, past the request log.
pub(crate) fn list(model: &mut Model, what: &str) -> Vec<Value> {
    let answer = model.respond("GET", &format!("/{what}"), b"");
    assert_eq!(answer.status, 200, "{what}");
    answer.value().as_array().expect("a list").clone()
}

/// How many tasks of services are in the store.
pub(crate) fn tasks(sim: &Sim) -> usize {
    sim.with_model(|model| list(model, "tasks").len())
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One line; and a fragment, unless it ends with the engine's own words.
pub(crate) fn assert_one_line(error: &dyn std::error::Error) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "not one line: {text:?}");
    let quotes = text.contains("the engine answered");
    assert!(quotes || !text.ends_with('.'), "ends like a sentence: {text}");
}

/// A run whose name says so.
pub(crate) fn run(name: &str) -> RunId {
    RunId::from_label(name)
}

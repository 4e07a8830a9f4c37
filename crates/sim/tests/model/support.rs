//! Calls and counts that the tests share.

use std::time::Duration;

use pvcheck_sim::{Model, NetworkDraft, NetworkTruth, OwnerKind, Refusal, ServiceDraft, TaskId};
use serde_json::{Value, json};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A Swarm of one manager with the attachable network `net`, 10.90.0.0/24.
pub(crate) fn world() -> Model {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    model
}

pub(crate) fn network(model: &mut Model, name: &str, subnet: &str) {
    let draft = NetworkDraft::overlay(name).subnet(subnet).attachable();
    model.create_network(&draft.json()).expect("a fresh network");
}

/// Creates a service and lets its tasks start.
pub(crate) fn service(model: &mut Model, draft: ServiceDraft) {
    model.create_service(draft.json()).expect("a fresh service");
    model.advance(SECOND);
}

/// An update of one field of the task template, which makes new tasks.
pub(crate) fn force_update(model: &mut Model, name: &str, number: u64) {
    model.change_service(name, |raw| raw["TaskTemplate"]["ForceUpdate"] = json!(number)).expect("there");
}

pub(crate) fn call(model: &mut Model, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let answer = model.respond(method, target, &body);
    (answer.status, answer.value())
}

pub(crate) fn get(model: &mut Model, target: &str) -> Value {
    let (status, value) = call(model, "GET", target, &Value::Null);
    assert_eq!(status, 200, "{target}: {value}");
    value
}

/// A target with filters, escaped as clients do.
pub(crate) fn filtered(path: &str, filters: &Value) -> String {
    let escaped: String = filters.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{path}?filters={escaped}")
}

/// All tasks of all runtimes.
pub(crate) fn tasks(model: &mut Model) -> Vec<Value> {
    let filters = json!({"runtime": ["container", "attachment"]});
    get(model, &filtered("/tasks", &filters)).as_array().expect("a list").clone()
}

/// Tasks in an observed state, in no order.
pub(crate) fn in_state(model: &mut Model, state: &str) -> Vec<TaskId> {
    let all = tasks(model);
    let fitting = all.iter().filter(|task| task["Status"]["State"] == state);
    let ids: Vec<String> = fitting.filter_map(|task| task["ID"].as_str().map(str::to_owned)).collect();
    ids.iter().map(|id| model.task_id(id).expect("listed")).collect()
}

/// The slots of the running tasks, ascending.
pub(crate) fn running_slots(model: &mut Model) -> Vec<u64> {
    let all = tasks(model);
    let running = all.iter().filter(|task| task["Status"]["State"] == "running");
    let mut slots: Vec<u64> = running.filter_map(|task| task["Slot"].as_u64()).collect();
    slots.sort_unstable();
    slots
}

pub(crate) fn truth(model: &Model, name: &str) -> NetworkTruth {
    model.truth().network(name).expect("a network of the test").clone()
}

pub(crate) fn count(model: &Model, network: &str, kind: OwnerKind) -> usize {
    truth(model, network).owners.iter().filter(|owner| owner.kind == kind).count()
}

pub(crate) fn logged(model: &Model, part: &str) -> usize {
    model.log().filter(|line| line.contains(part)).count()
}

/// The text of a call that has to be refused, and its HTTP status.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (u16, String) {
    let refusal = result.expect_err("a refusal");
    (refusal.status(), refusal.to_string())
}

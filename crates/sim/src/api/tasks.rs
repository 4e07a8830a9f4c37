//! Tasks as JSON.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::filters::Filters;
use super::services::iteration_json;
use super::{Call, Response};
use crate::id::{NodeId, ServiceId, TaskId};
use crate::json::items;
use crate::model::Model;
use crate::object::{Attachment, Slot, Task};
use crate::refusal::Refusal;
use crate::state::TaskState;

impl Model {
    pub(super) fn tasks_response(&self, call: &Call<'_>) -> Result<Response, Refusal> {
        let known = ["desired-state", "id", "label", "name", "node", "runtime", "service", "up-to-date"];
        let filters = Filters::of(call, &known)?;
        // Checked before the look-ups: the engine converts states before it asks its store.
        for state in filters.values("desired-state") {
            if TaskState::of_name(state).is_none() {
                return Err(Refusal::Internal(format!("Invalid desired-state filter: '{state}'")));
            }
        }
        // A service that is gone is not found, although its tasks still hold their addresses.
        let services: Result<Vec<ServiceId>, Refusal> =
            filters.values("service").iter().map(|term| self.service_id(term)).collect();
        let services = services?;
        let nodes: Result<Vec<_>, Refusal> =
            filters.values("node").iter().map(|term| self.node_id(term)).collect();
        let nodes = nodes?;
        let passes = |task: &&Task| {
            let runtime = if task.service().is_some() { "container" } else { "attachment" };
            let asked = if filters.has("runtime") {
                filters.passes("runtime", |wanted| wanted == runtime)
            } else {
                // The default hides attached containers (moby `daemon/cluster/tasks.go`).
                runtime == "container"
            };
            asked
                && (services.is_empty() || task.service().is_some_and(|id| services.contains(id)))
                && (nodes.is_empty() || task.node.as_ref().is_some_and(|id| nodes.contains(id)))
                && filters.passes("id", |id| task.id.as_str().starts_with(id))
                && filters.passes("name", |name| task.name().starts_with(name))
                && filters.passes("desired-state", |state| TaskState::of_name(state) == Some(task.desired))
                && filters.passes_labels(&task.labels)
        };
        let tasks = self.tasks.values().filter(passes);
        let tasks: Vec<&Task> = tasks.collect();
        let texts = Texts::of(&tasks);
        Ok(Response::list(tasks.into_iter().map(|task| self.shown(task, &texts))))
    }

    pub(super) fn task_json(&self, id: &TaskId) -> Value {
        self.tasks.get(id).map_or(Value::Null, |task| json!(self.shown(task, &Texts::default())))
    }

    fn shown<'a>(&'a self, task: &'a Task, texts: &'a Texts) -> Shown<'a> {
        let attachment = |attachment: &'a Attachment| ShownAttachment {
            network: texts.part(&attachment.copy),
            addresses: [format!("{}/{}", attachment.addr, attachment.prefix)],
        };
        Shown {
            id: &task.id,
            version: Index { index: task.meta.index },
            created_at: self.at(task.meta.created),
            updated_at: self.at(task.meta.updated),
            labels: Nothing {},
            spec: texts.part(&task.template),
            service: task.service(),
            // A job's first slot is 0, which is left out as if there were none (moby `api/types/swarm/task.go`).
            slot: task.slot().and_then(|slot| match slot {
                Slot::Number(number @ 1..) => Some(*number),
                _ => None,
            }),
            node: task.node.as_ref(),
            status: self.shown_status(task),
            desired_state: task.desired.name(),
            job_iteration: task.iteration.map(iteration_json),
            networks_attachments: task.attachments.iter().map(attachment).collect(),
        }
    }

    fn shown_status<'a>(&'a self, task: &'a Task) -> ShownStatus<'a> {
        let container = task.container_id.as_ref().filter(|_| task.service().is_some());
        ShownStatus {
            timestamp: self.at(task.since),
            state: task.state.name(),
            message: task.message,
            err: &task.error,
            container_status: container.map(|id| ShownContainer {
                id,
                pid: if task.state.is_live() { 1000 + task.meta.seq } else { 0 },
                exit_code: 0,
            }),
            port_status: port_status(task),
        }
    }
}

/// What many tasks share, as text: it is made once, not for each of them.
#[derive(Default)]
struct Texts(HashMap<*const Value, Box<RawValue>>);

impl Texts {
    fn of(tasks: &[&Task]) -> Self {
        let shared = tasks.iter().flat_map(|task| {
            task.attachments.iter().map(|attachment| &attachment.copy).chain([&task.template])
        });
        let mut texts = HashMap::new();
        for value in shared {
            if let Entry::Vacant(entry) = texts.entry(Arc::as_ptr(value))
                && let Ok(text) = to_raw_value(&**value)
            {
                entry.insert(text);
            }
        }
        Self(texts)
    }

    fn part<'a>(&'a self, value: &'a Arc<Value>) -> Part<'a> {
        self.0.get(&Arc::as_ptr(value)).map_or(Part::Value(value), |text| Part::Text(text))
    }
}

/// A part of a task that others have, too.
#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Text(&'a RawValue),
    Value(&'a Value),
}

/// A task as the API shows it. Borrowed: a list may have 100,000 of them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown<'a> {
    #[serde(rename = "ID")]
    id: &'a TaskId,
    version: Index,
    created_at: Timestamp,
    updated_at: Timestamp,
    labels: Nothing,
    spec: Part<'a>,
    #[serde(rename = "ServiceID", skip_serializing_if = "Option::is_none")]
    service: Option<&'a ServiceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u64>,
    #[serde(rename = "NodeID", skip_serializing_if = "Option::is_none")]
    node: Option<&'a NodeId>,
    status: ShownStatus<'a>,
    desired_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_iteration: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks_attachments: Vec<ShownAttachment<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index: u64,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownStatus<'a> {
    timestamp: Timestamp,
    state: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    err: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_status: Option<ShownContainer<'a>>,
    port_status: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownContainer<'a> {
    #[serde(rename = "ContainerID")]
    id: &'a str,
    #[serde(rename = "PID")]
    pid: u64,
    exit_code: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownAttachment<'a> {
    network: Part<'a>,
    addresses: [String; 1],
}

/// The ports of the node that a running container has, each once for IPv4 and once for IPv6.
fn port_status(task: &Task) -> Value {
    let ports = items(&task.endpoint_spec["Ports"]).filter(|port| port["PublishMode"] == "host");
    let both: Vec<&Value> = ports.flat_map(|port| [port, port]).collect();
    if both.is_empty() || task.state != TaskState::Running { json!({}) } else { json!({"Ports": both}) }
}

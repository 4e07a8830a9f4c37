//! Tasks as JSON.

use serde_json::{Value, json};

use super::Call;
use super::filters::Filters;
use super::services::iteration_json;
use crate::id::{ServiceId, TaskId};
use crate::json::items;
use crate::model::Model;
use crate::object::{Slot, Task};
use crate::refusal::Refusal;
use crate::state::TaskState;

impl Model {
    pub(super) fn tasks_json(&self, call: &Call<'_>) -> Result<Value, Refusal> {
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
        Ok(Value::Array(tasks.map(|task| self.task_json(&task.id)).collect()))
    }

    pub(super) fn task_json(&self, id: &TaskId) -> Value {
        let Some(task) = self.tasks.get(id) else { return Value::Null };
        let mut value = self.meta_json(id.as_str(), task.meta);
        value["Labels"] = json!({});
        value["Spec"] = (*task.template).clone();
        if let Some(service) = task.service() {
            value["ServiceID"] = json!(service);
        }
        // A job's first slot is 0, which is left out as if there were none (moby `api/types/swarm/task.go`).
        if let Some(Slot::Number(number @ 1..)) = task.slot() {
            value["Slot"] = json!(number);
        }
        if let Some(node) = &task.node {
            value["NodeID"] = json!(node);
        }
        value["Status"] = self.task_status_json(task);
        value["DesiredState"] = json!(task.desired.name());
        if let Some(iteration) = task.iteration {
            value["JobIteration"] = iteration_json(iteration);
        }
        if !task.attachments.is_empty() {
            let attachments = task.attachments.iter().map(|attachment| {
                let addr = format!("{}/{}", attachment.addr, attachment.prefix);
                json!({"Network": *attachment.copy, "Addresses": [addr]})
            });
            value["NetworksAttachments"] = Value::Array(attachments.collect());
        }
        value
    }

    fn task_status_json(&self, task: &Task) -> Value {
        let mut status = json!({
            "Timestamp": self.at(task.since).to_string(),
            "State": task.state.name(),
            "Message": task.message,
        });
        if !task.error.is_empty() {
            status["Err"] = json!(task.error);
        }
        if let Some(container) = task.container_id.as_ref().filter(|_| task.service().is_some()) {
            let live = task.state.is_live();
            let pid = if live { 1000 + task.meta.seq } else { 0 };
            status["ContainerStatus"] = json!({"ContainerID": container, "PID": pid, "ExitCode": 0});
        }
        status["PortStatus"] = port_status(task);
        status
    }
}

/// The ports of the node that a running container has, each once for IPv4 and once for IPv6.
fn port_status(task: &Task) -> Value {
    let ports = items(&task.endpoint_spec["Ports"]).filter(|port| port["PublishMode"] == "host");
    let both: Vec<&Value> = ports.flat_map(|port| [port, port]).collect();
    if both.is_empty() || task.state != TaskState::Running { json!({}) } else { json!({"Ports": both}) }
}

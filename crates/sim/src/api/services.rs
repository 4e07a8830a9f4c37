//! Services, secrets and configs as JSON.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::defaults::filled;
use super::filters::Filters;
use super::{Call, Response};
use crate::id::ServiceId;
use crate::model::Model;
use crate::object::{Blob, BlobKind, Meta, Service, Update};
use crate::refusal::Refusal;
use crate::spec::Mode;
use crate::state::TaskState;

/// First API that counts tasks in a list of services: 1.41.
const STATUS_API_MINOR: u32 = 41;

impl Model {
    pub(super) fn services_response(&self, call: &Call<'_>) -> Result<Response, Refusal> {
        let filters = Filters::of(call, &["id", "label", "mode", "name", "runtime"])?;
        let passes = |service: &&Service| {
            filters.passes("name", |name| service.spec.name.starts_with(name))
                && filters.passes("id", |id| service.id.as_str().starts_with(id))
                && filters.passes("mode", |wanted| wanted == service.spec.mode.name())
                && filters.passes_labels(&service.spec.labels)
        };
        let services = self.services.values().filter(passes);
        let counted = STATUS_API_MINOR <= call.api_minor && call.query.is_set("status");
        Ok(Response::list(services.map(|service| self.shown_service(service, counted))))
    }

    pub(super) fn service_inspect(&self, call: &Call<'_>, term: &str) -> Result<Value, Refusal> {
        let mut value = self.service_json(&self.service_id(term)?);
        if call.query.is_set("insertDefaults") {
            value["Spec"] = filled(value["Spec"].take());
        }
        Ok(value)
    }

    /// How many tasks run, should, and have ended (swarmkit `manager/controlapi/service.go`,
    /// `ListServiceStatuses`).
    fn service_status_json(&self, service: &Service) -> Value {
        let iteration = service.job.map(|job| job.iteration);
        let (mut running, mut completed, mut on_nodes) = (0_u64, 0_u64, 0_u64);
        let tasks = self.service_tasks.get(&service.id).into_iter().flatten();
        let present = tasks.filter_map(|id| self.tasks.get(id)).filter(|task| task.iteration == iteration);
        for task in present {
            let is_complete = task.state == TaskState::Complete;
            running += u64::from(task.state == TaskState::Running);
            completed += u64::from(is_complete && iteration.is_some());
            let is_due = task.desired == TaskState::Complete && !is_complete;
            on_nodes += u64::from(task.desired == TaskState::Running || is_due);
        }
        let desired = match service.spec.mode {
            Mode::Replicated(replicas) => replicas,
            Mode::ReplicatedJob(job) => job.max_concurrent,
            Mode::Global | Mode::GlobalJob => on_nodes,
        };
        json!({"RunningTasks": running, "DesiredTasks": desired, "CompletedTasks": completed})
    }

    pub(super) fn service_json(&self, id: &ServiceId) -> Value {
        self.services.get(id).map_or(Value::Null, |service| json!(self.shown_service(service, false)))
    }

    fn shown_service<'a>(&'a self, service: &'a Service, counted: bool) -> ShownService<'a> {
        ShownService {
            id: &service.id,
            version: json!({"Index": service.meta.index}),
            created_at: self.at(service.meta.created),
            updated_at: self.at(service.meta.updated),
            spec: &service.raw,
            previous_spec: service.previous.as_ref(),
            endpoint: endpoint_json(service),
            update_status: service
                .update
                .as_ref()
                .filter(|update| !update.hidden)
                .map(|update| self.update_json(update, service)),
            job_status: service.job.map(|job| {
                json!({
                    "JobIteration": iteration_json(job.iteration),
                    "LastExecution": self.at(job.last_execution).to_string(),
                })
            }),
            service_status: counted.then(|| self.service_status_json(service)),
        }
    }

    fn update_json(&self, update: &Update, service: &Service) -> Value {
        let mut value = json!({"State": "updating", "StartedAt": self.at(update.started).to_string(), "Message": "update in progress"});
        if update.is_rollback {
            value["State"] = json!("rollback_started");
            value["Message"] = json!(match &service.blamed {
                None => "manually requested rollback".to_owned(),
                Some(task) =>
                    format!("update rolled back due to failure or early termination of task {task}"),
            });
        }
        if let Some(task) = &update.paused_by {
            value["State"] = json!(if update.is_rollback { "rollback_paused" } else { "paused" });
            value["Message"] =
                json!(format!("update paused due to failure or early termination of task {task}"));
        } else if let Some(completed) = update.completed {
            let what = if update.is_rollback { "rollback" } else { "update" };
            value["State"] = json!(if update.is_rollback { "rollback_completed" } else { "completed" });
            value["CompletedAt"] = json!(self.at(completed).to_string());
            value["Message"] = json!(format!("{what} completed"));
        }
        value
    }

    pub(super) fn blobs_json(&self, call: &Call<'_>, kind: BlobKind) -> Result<Value, Refusal> {
        let filters = Filters::of(call, &["id", "label", "name"])?;
        let passes = |blob: &&Blob| {
            filters.passes("name", |name| blob.name.starts_with(name))
                && filters.passes("id", |id| blob.id.starts_with(id))
                && filters.passes_labels(&blob.labels)
        };
        let blobs = self.blobs(kind).values().filter(passes);
        Ok(Value::Array(blobs.map(|blob| self.blob_json(kind, blob)).collect()))
    }

    /// A secret never shows its data.
    pub(super) fn blob_json(&self, kind: BlobKind, blob: &Blob) -> Value {
        let mut value = self.meta_json(&blob.id, blob.meta);
        value["Spec"] = json!({"Name": blob.name, "Labels": blob.labels});
        if kind == BlobKind::Config {
            value["Spec"]["Data"] = blob.data.clone();
        }
        value
    }

    pub(super) fn meta_json(&self, id: &str, meta: Meta) -> Value {
        json!({
            "ID": id,
            "Version": {"Index": meta.index},
            "CreatedAt": self.at(meta.created).to_string(),
            "UpdatedAt": self.at(meta.updated).to_string(),
        })
    }
}

/// A service as the API shows it. Borrowed: a list may have 20,000 of them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownService<'a> {
    #[serde(rename = "ID")]
    id: &'a ServiceId,
    version: Value,
    created_at: Timestamp,
    updated_at: Timestamp,
    spec: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_spec: Option<&'a Value>,
    endpoint: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_status: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_status: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_status: Option<Value>,
}

/// A version as moby prints it: the index 0 is left out (`api/types/swarm/common.go`, `Version`).
pub(super) fn iteration_json(iteration: u64) -> Value {
    if iteration == 0 { json!({}) } else { json!({"Index": iteration}) }
}

/// A service that the allocator has not committed yet has an empty endpoint; that is how a service without a
/// VIP shows.
fn endpoint_json(service: &Service) -> Value {
    let Some(spec) = service.endpoint.as_deref() else { return json!({"Spec": {}}) };
    let mut value = json!({"Spec": if spec.is_null() { json!({}) } else { spec.clone() }});
    if let Some(ports) = spec["Ports"].as_array().filter(|ports| !ports.is_empty()) {
        value["Ports"] = json!(ports);
    }
    if !service.vips.is_empty() {
        let vips = service.vips.iter().map(|vip| {
            let addr = vip.addr.map(|addr| format!("{addr}/{}", vip.prefix)).unwrap_or_default();
            json!({"NetworkID": vip.network, "Addr": addr})
        });
        value["VirtualIPs"] = Value::Array(vips.collect());
    }
    value
}

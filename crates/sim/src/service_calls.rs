//! Creating, updating and removing services, secrets and configs.

use std::sync::Arc;

use serde_json::Value;

use crate::id::{NetworkId, ServiceId, TaskId};
use crate::json;
use crate::model::{Event, Model};
use crate::object::{Blob, BlobKind, JobStatus, Service};
use crate::refusal::Refusal;
use crate::spec::{self, ServiceSpec};
use crate::state::{Membership, TaskState};
use crate::validate;

/// First port that Swarm chooses by itself (swarmkit `portallocator.go`, `dynamicPortStart`).
const FIRST_DYNAMIC_PORT: u64 = 30_000;

impl Model {
    /// Creates a service from the body of `POST /services/create` and returns its id.
    ///
    /// # Errors
    /// If the engine refuses it: among others, the name is taken ([`Refusal::ServiceNameTaken`]) or a network
    /// does not exist ([`Refusal::NoTarget`]).
    pub fn create_service(&mut self, body: Value) -> Result<ServiceId, Refusal> {
        self.require_manager()?;
        let (parsed, raw, networks) = self.admit(body, None)?;
        // The name is compared last, when the store is written (swarmkit `controlapi/service.go`, `CreateService`).
        if self.service_names.contains_key(&parsed.name) {
            return Err(Refusal::ServiceNameTaken(parsed.name));
        }
        let id = ServiceId::new(self.ids.object());
        let meta = self.new_meta();
        let job = JobStatus { iteration: 0, last_execution: self.now };
        let service = Service {
            job: parsed.mode.is_job().then_some(job),
            id: id.clone(),
            meta,
            template: Arc::new(spec::template(&raw)),
            spec: parsed,
            raw,
            previous: None,
            spec_version: meta.index,
            previous_version: meta.index,
            networks,
            vips: Vec::new(),
            endpoint: None,
            update: None,
            rolled_back: false,
            blamed: None,
        };
        let name = service.spec.name.clone();
        self.services.insert(id.clone(), service);
        self.service_names.insert(name.clone(), id.clone());
        self.tell("service", "create", id.as_str(), &name);
        let event = Event::ServiceChanged { service: id.clone(), created: true };
        self.schedule(self.settings.timings.allocation, event);
        self.run();
        Ok(id)
    }

    /// Replaces a service's specification; `version` is the index that the caller has read.
    ///
    /// # Errors
    /// If the service changed since ([`Refusal::OutOfSequence`]), its name or its kind of mode would change
    /// ([`Refusal::Unimplemented`]), or a creation would be refused.
    pub fn update_service(&mut self, term: &str, version: u64, body: Value) -> Result<(), Refusal> {
        self.write_service(term, version, body, false)
    }

    fn write_service(
        &mut self,
        term: &str,
        version: u64,
        body: Value,
        rolled_back: bool,
    ) -> Result<(), Refusal> {
        self.require_manager()?;
        let id = self.service_id(term)?;
        let (parsed, raw, networks) = self.admit(body, Some(&id))?;
        let Some(old) = self.services.get(&id) else { return Err(Refusal::not_found("service", term)) };
        // In the order of swarmkit's `UpdateService`: the version is compared last, when the store is written.
        if !old.spec.mode.is_kind_of(parsed.mode) {
            return Err(Refusal::Unimplemented("service mode change is not allowed"));
        }
        if old.spec.name != parsed.name {
            return Err(Refusal::Unimplemented("renaming services is not supported"));
        }
        if old.meta.index != version {
            return Err(Refusal::OutOfSequence);
        }
        let meta = old.meta;
        let meta = self.touched(meta);
        if let Some(service) = self.services.get_mut(&id) {
            service.meta = meta;
            service.template = Arc::new(spec::template(&raw));
            service.spec = parsed;
            let previous = std::mem::replace(&mut service.raw, raw);
            // A rollout towards another specification ends here; one towards the same goes on (swarmkit
            // `manager/orchestrator/update/updater.go`, `Update`).
            let same = previous == service.raw;
            service.update = service.update.take().filter(|update| same && update.is_going());
            if let Some(update) = &mut service.update {
                update.hidden = true;
            }
            service.previous = Some(previous);
            let version = if rolled_back { service.previous_version } else { meta.index };
            service.previous_version = std::mem::replace(&mut service.spec_version, version);
            service.networks = networks;
            service.rolled_back = rolled_back;
            service.blamed = None;
            if let Some(job) = &mut service.job {
                // Every update executes a job once more, also one that changes nothing (swarmkit
                // `manager/controlapi/service.go`, `UpdateService`).
                *job = JobStatus { iteration: job.iteration + 1, last_execution: self.now };
            }
        }
        let name = self.services.get(&id).map_or_else(String::new, |service| service.spec.name.clone());
        self.tell("service", "update", id.as_str(), &name);
        let event = Event::ServiceChanged { service: id, created: false };
        self.schedule(self.settings.timings.allocation, event);
        self.run();
        Ok(())
    }

    /// Goes back to the specification before the last update.
    ///
    /// # Errors
    /// If there was no update ([`Refusal::FailedPrecondition`]), or an update would be refused.
    pub fn roll_back_service(&mut self, term: &str, version: u64) -> Result<(), Refusal> {
        let id = self.service_id(term)?;
        let previous = self.services.get(&id).and_then(|service| service.previous.clone());
        let no_spec = || Refusal::FailedPrecondition(format!("service {term} does not have a previous spec"));
        self.write_service(term, version, previous.ok_or_else(no_spec)?, true)
    }

    /// What the updater does by itself where the failure action is `rollback` (swarmkit
    /// `manager/orchestrator/update/updater.go`, `rollbackUpdate`). Nothing, if the service was changed since.
    pub(crate) fn take_back(&mut self, id: &ServiceId, failed: &TaskId) {
        let Some(service) = self.services.get(id) else { return };
        let version = service.meta.index;
        let of_this_update = self.tasks.get(failed).is_none_or(|t| t.spec_version == service.spec_version);
        let previous = service.previous.clone().filter(|_| of_this_update);
        let Some(previous) = previous else { return };
        // It cannot be refused: it was admitted before, unless a network of it is gone since.
        let written = self.write_service(id.as_str(), version, previous, true);
        if let (Ok(()), Some(service)) = (written, self.services.get_mut(id)) {
            service.blamed = Some(failed.clone());
        }
    }

    /// Sets the number of replicas of a replicated service, as an update of its present specification.
    ///
    /// # Errors
    /// If an update would be refused.
    pub fn scale_service(&mut self, term: &str, replicas: u64) -> Result<(), Refusal> {
        self.change_service(term, |raw| {
            raw["Mode"] = serde_json::json!({"Replicated": {"Replicas": replicas}});
        })
    }

    /// Updates a service: `change` edits its present specification.
    ///
    /// # Errors
    /// If an update would be refused.
    pub fn change_service(&mut self, term: &str, change: impl FnOnce(&mut Value)) -> Result<(), Refusal> {
        let id = self.service_id(term)?;
        let Some(service) = self.services.get(&id) else { return Err(Refusal::not_found("service", term)) };
        let (mut raw, version) = (service.raw.clone(), service.meta.index);
        change(&mut raw);
        self.update_service(id.as_str(), version, raw)
    }

    /// Removes a service. Its tasks get the desired state `remove`; they keep their addresses until they have
    /// stopped.
    ///
    /// # Errors
    /// If the term names no service, or this engine is not a manager.
    pub fn remove_service(&mut self, term: &str) -> Result<(), Refusal> {
        self.require_manager()?;
        let id = self.service_id(term)?;
        let Some(service) = self.services.remove(&id) else { return Ok(()) };
        self.service_names.remove(&service.spec.name);
        let keeps_tasks = service.job.is_some() && !self.settings.engine.ends_tasks_of_removed_jobs();
        self.tell("service", "remove", id.as_str(), &service.spec.name);
        self.allocator.waiting_services.remove(&service.meta.seq);
        self.allocator.services.remove(&id);
        // The VIPs in the store are released even if another service has been given one of them since (L3).
        let mut vips = service.vips;
        let unreleased = self.allocator.release_vips(&mut vips);
        self.log_unreleased(&unreleased);
        self.allocator.freed = true;
        let tasks: Vec<TaskId> = self.service_tasks.get(&id).into_iter().flatten().cloned().collect();
        for task in tasks.iter().filter(|_| !keeps_tasks) {
            self.desire(task, TaskState::Remove);
        }
        self.run();
        Ok(())
    }

    /// Reads a specification and checks it against the Swarm, in the engine's order: its networks, which moby looks up
    /// before swarmkit hears of the call (`daemon/cluster/services.go`, `populateNetworkID`), itself, its ports.
    fn admit(
        &self,
        mut raw: Value,
        own: Option<&ServiceId>,
    ) -> Result<(ServiceSpec, Value, Vec<NetworkId>), Refusal> {
        let mut networks = Vec::new();
        let mut names = Vec::new();
        for target in spec::targets(&raw) {
            let local = self.local_networks.iter().find(|network| {
                network.name == target
                    || network.id == target
                    || network.swarm_id.as_ref().is_some_and(|id| *id == target)
            });
            match (self.network_id(&target), local) {
                // A network of the Swarm wins over a local one of the same name.
                (Ok(id), _) => {
                    names.push(id.to_string());
                    networks.push(id);
                }
                // `host`, `bridge` and `none` are allowed for services and take no address of any pool.
                (Err(_), Some(local)) if local.predefined => {
                    names.push(local.swarm_id.as_ref().unwrap_or(&local.id).clone());
                }
                (Err(_), Some(local)) => return Err(Refusal::NotSwarmScoped(local.name.clone())),
                (Err(_), None) => return Err(Refusal::NoTarget(target)),
            }
        }
        let mut parsed = ServiceSpec::read(&raw)?;
        self.assign_ports(&mut parsed, &mut raw, own)?;
        Ok((parsed, spec::stored(raw, &names), networks))
    }

    /// Chooses ports where the specification leaves them open, and refuses those that another service has.
    fn assign_ports(
        &self,
        parsed: &mut ServiceSpec,
        raw: &mut Value,
        own: Option<&ServiceId>,
    ) -> Result<(), Refusal> {
        if !parsed.needs_ingress() {
            return Ok(());
        }
        let mut taken = std::collections::BTreeMap::new();
        for service in self.services.values().filter(|service| Some(&service.id) != own) {
            for port in service.spec.ports.iter().filter(|port| port.ingress) {
                taken.insert((port.published, port.protocol.clone()), service);
            }
        }
        for (at, port) in parsed.ports.iter_mut().enumerate().filter(|(_, port)| port.ingress) {
            if port.published == 0 {
                let free = |number: &u64| !taken.contains_key(&(*number, port.protocol.clone()));
                let chosen = (FIRST_DYNAMIC_PORT + at as u64..=65_535).find(free);
                port.published = chosen.ok_or_else(|| Refusal::Internal("no free ports".to_owned()))?;
                raw["EndpointSpec"]["Ports"][at]["PublishedPort"] = port.published.into();
            } else if let Some(other) = taken.get(&(port.published, port.protocol.clone())) {
                let text = format!(
                    "port '{}' is already in use by service '{}' ({}) as an ingress port",
                    port.published, other.spec.name, other.id
                );
                return Err(Refusal::InvalidArgument(text));
            }
        }
        Ok(())
    }

    pub(crate) fn create_blob(&mut self, kind: BlobKind, body: &Value) -> Result<String, Refusal> {
        self.require_manager()?;
        let name = json::text(&body["Name"]).to_owned();
        validate::blob_name(&name)?;
        if self.blobs(kind).values().any(|blob| blob.name == name) {
            return Err(Refusal::ObjectNameTaken { kind: kind.name(), name });
        }
        let id = self.ids.object();
        let meta = self.new_meta();
        let labels = spec::labels(&body["Labels"]);
        let blob = Blob { id: id.clone(), meta, name, labels, data: body["Data"].clone() };
        self.blobs_mut(kind).insert(id.clone(), blob);
        Ok(id)
    }

    /// Changes the labels of a secret or config, which is all that can be changed (swarmkit
    /// `manager/controlapi/secret.go`, `UpdateSecret`).
    pub(crate) fn update_blob(
        &mut self,
        kind: BlobKind,
        term: &str,
        version: u64,
        body: &Value,
    ) -> Result<(), Refusal> {
        let blob = self.blob(kind, term)?;
        let (id, meta) = (blob.id.clone(), blob.meta);
        let other_data = !body["Data"].is_null() && body["Data"] != blob.data;
        if json::text(&body["Name"]) != blob.name || other_data {
            return Err(Refusal::InvalidArgument("only updates to Labels are allowed".to_owned()));
        }
        if meta.index != version {
            return Err(Refusal::OutOfSequence);
        }
        let meta = self.touched(meta);
        if let Some(blob) = self.blobs_mut(kind).get_mut(&id) {
            blob.labels = spec::labels(&body["Labels"]);
            blob.meta = meta;
        }
        Ok(())
    }

    pub(crate) fn remove_blob(&mut self, kind: BlobKind, term: &str) -> Result<(), Refusal> {
        self.require_manager()?;
        let blob = self.blob(kind, term)?;
        let id = blob.id.clone();
        let (list, key) = match kind {
            BlobKind::Config => ("Configs", "ConfigID"),
            BlobKind::Secret => ("Secrets", "SecretID"),
        };
        let uses = |service: &&Service| {
            let refers = |one: &Value| json::text(&one[key]) == id;
            json::items(&service.raw["TaskTemplate"]["ContainerSpec"][list]).any(refers)
        };
        let users: Vec<&str> =
            self.services.values().filter(uses).map(|service| service.spec.name.as_str()).collect();
        if !users.is_empty() {
            let services = if users.len() == 1 { "service" } else { "services" };
            let (kind, name, users) = (kind.name(), &blob.name, users.join(", "));
            let text = format!("{kind} '{name}' is in use by the following {services}: {users}");
            return Err(Refusal::InvalidArgument(text));
        }
        self.blobs_mut(kind).remove(&id);
        Ok(())
    }

    pub(crate) fn require_manager(&self) -> Result<(), Refusal> {
        match self.cluster.membership {
            Membership::Manager => Ok(()),
            Membership::Worker => Err(Refusal::Worker),
            Membership::Inactive => Err(Refusal::Inactive),
        }
    }
}

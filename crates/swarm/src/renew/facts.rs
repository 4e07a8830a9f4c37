//! What a renewal is planned from, and how it is read.

use std::collections::BTreeMap;

use pvcheck_audit::{NetworkId, SavedSnapshot, ServiceId, Snapshot, Task, TaskState};
use serde_json::Value;

use super::attached::Attached;
use super::record::{Unfinished, unfinished};
use crate::engine::{CallError, Engine, wire};
use crate::lock::{Lock, LockFacts};

/// Everything that a plan rests on, read at one time.
#[derive(Clone, Debug)]
pub struct RenewalFacts {
    /// The Swarm and the host.
    pub saved: SavedSnapshot,
    /// The network as `docker network inspect` shows it.
    pub(super) network: Value,
    /// The specs of all services, as raw JSON.
    pub(super) specs: BTreeMap<ServiceId, Value>,
    /// The Swarm's lock.
    pub(super) lock: Option<LockFacts>,
    /// A renewal that was begun and not finished.
    pub(super) unfinished: Option<Unfinished>,
}

impl RenewalFacts {
    /// Reads them, for the overlay with this id. Nothing is changed.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn read(engine: &Engine, saved: SavedSnapshot, network: &NetworkId) -> Result<Self, CallError> {
        Ok(Self {
            network: inspect(engine, network).await?,
            specs: specs(engine).await?,
            lock: Lock::read(engine).await?,
            unfinished: unfinished(engine).await?.map(|(found, _)| found),
            saved,
        })
    }
}

/// One network as the engine shows it, looked up by its id: by its name, engines from 29 on fail while any network of the
/// Swarm is not allocated (moby #53325).
pub(super) async fn inspect(engine: &Engine, id: &NetworkId) -> Result<Value, CallError> {
    engine.connection().get::<wire::Raw>(&format!("/networks/{id}")).await.map(|raw| raw.0)
}

pub(super) async fn specs(engine: &Engine) -> Result<BTreeMap<ServiceId, Value>, CallError> {
    let services: Vec<wire::Versioned> = engine.connection().get("/services").await?;
    Ok(services.into_iter().map(|s| (ServiceId::new(s.id), s.spec)).collect())
}

/// The containers that were attached to the network by hand and are still on it.
pub(super) fn attached(snapshot: &Snapshot, network: &Value) -> Vec<Attached> {
    let id = NetworkId::new(network["Id"].as_str().unwrap_or_default());
    let by_hand = |task: &&Task| {
        task.service.is_none()
            && task.is_attached_to(&id)
            && task.state <= TaskState::Running
            && task.is_wanted()
    };
    snapshot.tasks.iter().filter(by_hand).map(|task| of_task(snapshot, network, &id, task)).collect()
}

fn of_task(snapshot: &Snapshot, network: &Value, id: &NetworkId, task: &Task) -> Attached {
    let node = task.node.as_ref().and_then(|id| snapshot.nodes.iter().find(|n| n.id == *id));
    let host = node.map(|n| n.hostname.clone()).filter(|name| !name.is_empty());
    let address = task.addresses_on(id).next();
    let here = network["Containers"].as_object().into_iter().flatten().find(|(_, container)| {
        let shown = container["IPv4Address"].as_str().and_then(|text| text.split('/').next()?.parse().ok());
        shown.is_some() && shown == address
    });
    Attached {
        node: task.node.clone(),
        host: host
            .or_else(|| task.node.as_ref().map(ToString::to_string))
            .unwrap_or_else(|| "a node".to_owned()),
        name: here.and_then(|(_, container)| container["Name"].as_str()).map(str::to_owned),
        address: address.map(|a| a.to_string()),
    }
}

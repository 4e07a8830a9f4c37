//! What a renewal is planned from, and how it is read.

use std::collections::BTreeMap;

use pvcheck_audit::{NetworkId, SavedSnapshot, ServiceId};
use serde_json::Value;

use super::record::{Unfinished, unfinished};
use crate::engine::{CallError, Engine, wire};
use crate::lock::{Lock, LockFacts};
use crate::read::{ContainerFacts, read_containers_on};

/// Everything that a plan rests on, read at one time.
#[derive(Clone, Debug)]
pub struct RenewalFacts {
    /// The Swarm and the host.
    pub saved: SavedSnapshot,
    /// The network as `docker network inspect` shows it.
    pub(super) network: Value,
    /// The specs of all services, as raw JSON.
    pub(super) specs: BTreeMap<ServiceId, Value>,
    /// The containers of the asked node that are set to the network, also those that are stopped.
    pub(super) containers: Vec<ContainerFacts>,
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
            containers: read_containers_on(engine, network).await?,
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

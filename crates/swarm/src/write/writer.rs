//! Writes about services, networks, secrets and configs.

use bollard::models::{NetworkCreateRequest, ServiceSpec};
use http::Method;
use pvcheck_audit::{Network, NetworkId, ServiceId};
use serde::Serialize;

use super::permit::Permit;
use super::specs::{Probes, app_spec, labels, pointer_spec, probe_spec, witness_spec};
use super::stack_spec::StackSpec;
use crate::engine::{CallError, CallErrorKind, Connection, ObjectKind, wire};
use crate::run::RunId;

/// The writing side of a connection. Removals treat an object that is gone as removed.
pub(crate) struct Writer<'a> {
    pub(super) connection: &'a Connection,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(connection: &'a Connection, _: Permit) -> Self {
        Self { connection }
    }

    /// Creates the private overlay of a stack; Swarm chooses its subnet.
    pub(crate) async fn create_overlay(
        &self,
        name: &str,
        stack: &str,
        run: &RunId,
    ) -> Result<NetworkId, CallError> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("overlay".into()),
            labels: Some(labels(stack, run, &[])),
            ..NetworkCreateRequest::default()
        };
        Ok(NetworkId::new(self.create(ObjectKind::Network, name, run, &request).await?))
    }

    /// Creates the one service of a stack.
    pub(crate) async fn create_app(
        &self,
        plan: &StackSpec,
        networks: &[NetworkId],
        run: &RunId,
    ) -> Result<ServiceId, CallError> {
        self.create_service(app_spec(plan, networks, run), run).await
    }

    /// Creates a census service: tasks that get addresses and can never be scheduled.
    pub(crate) async fn create_probe(
        &self,
        name: &str,
        network: &NetworkId,
        probes: Probes,
        run: &RunId,
    ) -> Result<ServiceId, CallError> {
        self.create_service(probe_spec(name, network, probes, run), run).await
    }

    /// Creates a census service without tasks: its VIP shows the position of the allocator's cursor.
    pub(crate) async fn create_pointer(
        &self,
        name: &str,
        network: &Network,
        run: &RunId,
    ) -> Result<ServiceId, CallError> {
        self.create_service(pointer_spec(name, network, run), run).await
    }

    /// Creates a service of one task that joins no network and can never be scheduled.
    pub(crate) async fn create_witness(&self, name: &str, run: &RunId) -> Result<ServiceId, CallError> {
        self.create_service(witness_spec(name, run), run).await
    }

    async fn create_service(&self, spec: ServiceSpec, run: &RunId) -> Result<ServiceId, CallError> {
        let name = spec.name.clone().unwrap_or_default();
        Ok(ServiceId::new(self.create(ObjectKind::Service, &name, run, &spec).await?))
    }

    /// Creates an object and returns its id. It is in the ledger before it is asked for, and leaves it only if the engine
    /// refuses: after any other failure it may be there.
    pub(super) async fn create(
        &self,
        kind: ObjectKind,
        name: &str,
        run: &RunId,
        spec: &impl Serialize,
    ) -> Result<String, CallError> {
        let path = format!("/{}/create", kind.collection());
        let ledger = self.connection.ledger();
        let body = serde_json::to_vec(spec)
            .map_err(|e| self.connection.error(&Method::POST, &path, CallErrorKind::Decode(e)))?;
        ledger.asked(kind, name, run.as_str());
        let outcome = self.connection.write(Method::POST, &path, Some(body)).await;
        let made = outcome.and_then(|a| self.connection.decode::<wire::Created>(&Method::POST, &path, &a));
        match &made {
            Ok(created) => ledger.made(kind, name, &created.id),
            Err(error) if error.is_refusal() => ledger.refused(kind, name),
            Err(_) => {}
        }
        made.map(|created| created.id)
    }
}

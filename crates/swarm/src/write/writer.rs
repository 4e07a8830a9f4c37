//! Writes about services, networks, secrets and configs.

use bollard::models::{NetworkCreateRequest, ServiceSpec};
use http::Method;
use pvcheck_audit::{ConfigId, Network, NetworkId, SecretId, ServiceId};

use super::permit::Permit;
use super::specs::{app_spec, labels, pointer_spec, probe_spec, witness_spec};
use super::stack_spec::StackSpec;
use crate::engine::{CallError, CallErrorKind, Connection};
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
        let docker = self.docker("/networks/create")?;
        let call = async move { docker.create_network(request).await };
        let created = self.connection.typed(Method::POST, "/networks/create", call).await?;
        Ok(NetworkId::new(created.id))
    }

    /// Creates the one service of a stack.
    pub(crate) async fn create_app(
        &self,
        plan: &StackSpec,
        networks: &[NetworkId],
        run: &RunId,
    ) -> Result<ServiceId, CallError> {
        self.create_service(app_spec(plan, networks, run)).await
    }

    /// Creates a census service: `replicas` tasks that get addresses and can never be scheduled.
    pub(crate) async fn create_probe(
        &self,
        name: &str,
        network: &NetworkId,
        replicas: u32,
        run: &RunId,
    ) -> Result<ServiceId, CallError> {
        self.create_service(probe_spec(name, network, replicas, run)).await
    }

    /// Creates a census service without tasks: its VIP shows the position of the allocator's cursor.
    pub(crate) async fn create_pointer(
        &self,
        name: &str,
        network: &Network,
        run: &RunId,
    ) -> Result<ServiceId, CallError> {
        self.create_service(pointer_spec(name, network, run)).await
    }

    /// A service of one task that joins no network and can never be scheduled.
    pub(crate) async fn create_witness(&self, name: &str, run: &RunId) -> Result<ServiceId, CallError> {
        self.create_service(witness_spec(name, run)).await
    }

    pub(crate) async fn remove_service(&self, id: &ServiceId) -> Result<(), CallError> {
        let path = format!("/services/{id}");
        let docker = self.docker(&path)?;
        let id = id.clone();
        let call = async move { docker.delete_service(id.as_str()).await };
        gone(self.connection.typed(Method::DELETE, &path, call).await)
    }

    pub(crate) async fn remove_network(&self, id: &NetworkId) -> Result<(), CallError> {
        let path = format!("/networks/{id}");
        let docker = self.docker(&path)?;
        let id = id.clone();
        let call = async move { docker.remove_network(id.as_str()).await };
        gone(self.connection.typed(Method::DELETE, &path, call).await)
    }

    pub(crate) async fn remove_secret(&self, id: &SecretId) -> Result<(), CallError> {
        let path = format!("/secrets/{id}");
        let docker = self.docker(&path)?;
        let id = id.clone();
        let call = async move { docker.delete_secret(id.as_str()).await };
        gone(self.connection.typed(Method::DELETE, &path, call).await)
    }

    pub(crate) async fn remove_config(&self, id: &ConfigId) -> Result<(), CallError> {
        let path = format!("/configs/{id}");
        let docker = self.docker(&path)?;
        let id = id.clone();
        let call = async move { docker.delete_config(id.as_str()).await };
        gone(self.connection.typed(Method::DELETE, &path, call).await)
    }

    async fn create_service(&self, spec: ServiceSpec) -> Result<ServiceId, CallError> {
        let docker = self.docker("/services/create")?;
        let call = async move { docker.create_service(spec, None).await };
        let created = self.connection.typed(Method::POST, "/services/create", call).await?;
        Ok(ServiceId::new(created.id.unwrap_or_default()))
    }

    fn docker(&self, path: &str) -> Result<bollard::Docker, CallError> {
        self.connection.docker().map_err(|error| CallError {
            host: self.connection.host().to_string(),
            method: Method::POST,
            path: path.to_owned(),
            kind: CallErrorKind::Transport(error.to_string()),
        })
    }
}

/// An object that is not there counts as removed: another client, or an earlier attempt whose answer was lost, was first.
pub(super) fn gone(outcome: Result<(), CallError>) -> Result<(), CallError> {
    match outcome {
        Err(error) if error.is_not_found() || is_stale_copy(&error) => Ok(()),
        other => other,
    }
}

/// True iff only a node's own copy of the network was left, which the list shows for a moment after the removal. Removing
/// it then is answered with 500 `network ID not found` (seen on 26.1.5, while tasks still stopped on it).
fn is_stale_copy(error: &CallError) -> bool {
    let id = error.path.strip_prefix("/networks/");
    error.status() == Some(500) && id.is_some_and(|id| error.message() == format!("network {id} not found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_removed_and_what_is_refused_is_not() {
        let answered = |path: &str, status, message: &str| {
            let kind = CallErrorKind::Refused { status, message: message.into() };
            gone(Err(CallError { host: "unix:///x".into(), method: Method::DELETE, path: path.into(), kind }))
        };
        for (path, status, message, is_gone) in [
            ("/networks/abc", 404, "network abc not found", true),
            ("/networks/abc", 500, "network abc not found", true),
            ("/networks/abc", 500, "network abd not found", false),
            ("/networks/abc", 400, "network abc is in use by task t", false),
            ("/networks/abc", 500, "rpc error: no leader", false),
            ("/services/abc", 404, "service abc not found", true),
            ("/services/abc", 500, "network abc not found", false),
        ] {
            assert_eq!(answered(path, status, message).is_ok(), is_gone, "{path} {status} {message}");
        }
    }
}

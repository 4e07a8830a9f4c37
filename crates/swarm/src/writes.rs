//! The one module that changes a Swarm. Every function takes a [`Permit`].

mod manage;

pub(crate) use manage::Join;

use std::collections::HashMap;

use bollard::models::{
    EndpointPortConfig, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum, EndpointSpec,
    EndpointSpecModeEnum, NetworkAttachmentConfig, NetworkCreateRequest, ServiceSpec, ServiceSpecMode,
    ServiceSpecModeReplicated, TaskSpec, TaskSpecContainerSpec, TaskSpecPlacement, TaskSpecRestartPolicy,
    TaskSpecRestartPolicyConditionEnum,
};
use http::Method;

use crate::connection::{CallError, Connection};
use crate::ids::{ConfigId, NetworkId, RunId, SecretId, ServiceId};
use crate::snapshot::Network;
use crate::stack::{PublishMode, StackPlan};

/// The label on everything that pvcheck makes; its value is the [`RunId`].
pub const RUN_LABEL: &str = "org.pvcheck.run";
/// The label by which Docker itself knows a stack's parts.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";

/// Leave to change a Swarm.
///
/// Only somebody who was told to can make one: the CLI behind `--apply` (or behind a command that is a probe by its
/// name), or an embedder on purpose. Functions that change something ask for it, so that none is called by accident.
#[derive(Clone, Copy, Debug)]
pub struct Permit(());

impl Permit {
    /// The operator has said so.
    pub fn granted_by_operator() -> Self {
        Self(())
    }
}

/// The writing side of a connection.
pub(crate) struct Writer<'a> {
    connection: &'a Connection,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(connection: &'a Connection, _: Permit) -> Self {
        Self { connection }
    }

    /// A private overlay of a stack, its subnet picked by Swarm.
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

    /// A stack's one service.
    pub(crate) async fn create_app(
        &self,
        plan: &StackPlan,
        networks: &[NetworkId],
        run: &RunId,
    ) -> Result<ServiceId, CallError> {
        self.create_service(app_spec(plan, networks, run)).await
    }

    /// A census service: `replicas` tasks that get addresses and can never be scheduled.
    pub(crate) async fn create_probe(
        &self,
        name: &str,
        network: &NetworkId,
        replicas: u32,
        run: &RunId,
    ) -> Result<ServiceId, CallError> {
        self.create_service(probe_spec(name, network, replicas, run)).await
    }

    /// A census service without tasks: its virtual address is where the allocator's cursor stands.
    pub(crate) async fn create_pointer(
        &self,
        name: &str,
        network: &Network,
        run: &RunId,
    ) -> Result<ServiceId, CallError> {
        self.create_service(pointer_spec(name, network, run)).await
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
            kind: crate::connection::CallErrorKind::Transport(error.to_string()),
        })
    }
}

/// What is not there is removed.
fn gone(outcome: Result<(), CallError>) -> Result<(), CallError> {
    match outcome {
        Err(error) if error.is_not_found() || is_stale_copy(&error) => Ok(()),
        other => other,
    }
}

/// True iff only a node's own copy of a network was left, which the list shows for a moment after its removal: whoever
/// removes it then is answered 500 `network ID not found` (met on 26.1.5, where tasks still stopped on it).
fn is_stale_copy(error: &CallError) -> bool {
    let id = error.path.strip_prefix("/networks/");
    error.status() == Some(500) && id.is_some_and(|id| error.message() == format!("network {id} not found"))
}

fn labels(stack: &str, run: &RunId, more: &[(String, String)]) -> HashMap<String, String> {
    let ours = [(RUN_LABEL, run.as_str()), (STACK_LABEL, stack)];
    let ours = ours.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
    // Ours come last: nobody's own labels may hide them from the sweep.
    more.iter().cloned().chain(ours).collect()
}

fn app_spec(plan: &StackPlan, networks: &[NetworkId], run: &RunId) -> ServiceSpec {
    ServiceSpec {
        name: Some(plan.service_name()),
        labels: Some(labels(&plan.name, run, &plan.labels)),
        task_template: Some(TaskSpec {
            container_spec: Some(TaskSpecContainerSpec {
                image: Some(plan.image.clone()),
                command: (!plan.command.is_empty()).then(|| plan.command.clone()),
                labels: Some(labels(&plan.name, run, &[])),
                ..TaskSpecContainerSpec::default()
            }),
            networks: Some(networks.iter().map(attach).collect()),
            ..TaskSpec::default()
        }),
        mode: Some(replicated(plan.replicas)),
        endpoint_spec: Some(EndpointSpec {
            ports: plan.publish.map(|mode| vec![any_port(mode)]),
            ..endpoint(EndpointSpecModeEnum::VIP)
        }),
        ..ServiceSpec::default()
    }
}

fn probe_spec(name: &str, network: &NetworkId, replicas: u32, run: &RunId) -> ServiceSpec {
    ServiceSpec {
        name: Some(name.to_owned()),
        labels: Some(HashMap::from([(RUN_LABEL.to_owned(), run.to_string())])),
        task_template: Some(TaskSpec {
            // Never pulled and never started: no node meets the constraint, and addresses are given before a node is.
            container_spec: Some(TaskSpecContainerSpec {
                image: Some("pvcheck/census".into()),
                ..TaskSpecContainerSpec::default()
            }),
            placement: Some(TaskSpecPlacement {
                constraints: Some(vec![format!("node.labels.org.pvcheck.nowhere=={run}")]),
                ..TaskSpecPlacement::default()
            }),
            restart_policy: Some(TaskSpecRestartPolicy {
                condition: Some(TaskSpecRestartPolicyConditionEnum::NONE),
                ..TaskSpecRestartPolicy::default()
            }),
            networks: Some(vec![attach(network)]),
            ..TaskSpec::default()
        }),
        mode: Some(replicated(replicas)),
        endpoint_spec: Some(endpoint(EndpointSpecModeEnum::DNSRR)),
        ..ServiceSpec::default()
    }
}

fn pointer_spec(name: &str, network: &Network, run: &RunId) -> ServiceSpec {
    let mut spec = probe_spec(name, &network.id, 0, run);
    spec.endpoint_spec = Some(endpoint(EndpointSpecModeEnum::VIP));
    if network.ingress {
        // Nobody joins it by name; a published port, of Swarm's own choice, takes an address there all the same.
        spec.task_template.iter_mut().for_each(|task| task.networks = None);
        let port = EndpointPortConfig {
            protocol: Some(EndpointPortConfigProtocolEnum::TCP),
            target_port: Some(80),
            publish_mode: Some(EndpointPortConfigPublishModeEnum::INGRESS),
            ..EndpointPortConfig::default()
        };
        spec.endpoint_spec.iter_mut().for_each(|e| e.ports = Some(vec![port.clone()]));
    }
    spec
}

fn attach(network: &NetworkId) -> NetworkAttachmentConfig {
    NetworkAttachmentConfig { target: Some(network.to_string()), ..NetworkAttachmentConfig::default() }
}

fn replicated(replicas: u32) -> ServiceSpecMode {
    let replicated = ServiceSpecModeReplicated { replicas: Some(i64::from(replicas)) };
    ServiceSpecMode { replicated: Some(replicated), ..ServiceSpecMode::default() }
}

fn endpoint(mode: EndpointSpecModeEnum) -> EndpointSpec {
    EndpointSpec { mode: Some(mode), ports: None }
}

/// A port of the engine's own choice: without a number it takes one that is free.
fn any_port(mode: PublishMode) -> EndpointPortConfig {
    EndpointPortConfig {
        protocol: Some(EndpointPortConfigProtocolEnum::TCP),
        target_port: Some(80),
        publish_mode: Some(match mode {
            PublishMode::Host => EndpointPortConfigPublishModeEnum::HOST,
            PublishMode::Ingress => EndpointPortConfigPublishModeEnum::INGRESS,
        }),
        ..EndpointPortConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::CallErrorKind;

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

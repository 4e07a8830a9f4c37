//! Specs of the services that pvcheck creates, and their labels.

use std::collections::HashMap;

use bollard::models::{
    EndpointPortConfig, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum, EndpointSpec,
    EndpointSpecModeEnum, NetworkAttachmentConfig, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated,
    TaskSpec, TaskSpecContainerSpec, TaskSpecPlacement, TaskSpecRestartPolicy,
    TaskSpecRestartPolicyConditionEnum,
};
use pvcheck_audit::{Network, NetworkId};

use super::stack_spec::{PublishMode, StackSpec};
use crate::labels::{RUN_LABEL, STACK_LABEL};
use crate::run::RunId;

pub(super) fn labels(stack: &str, run: &RunId, more: &[(String, String)]) -> HashMap<String, String> {
    let ours = [(RUN_LABEL, run.as_str()), (STACK_LABEL, stack)];
    let ours = ours.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
    // Ours come last and win: a caller's label of the same name must not hide the object from the sweep.
    more.iter().cloned().chain(ours).collect()
}

pub(super) fn app_spec(plan: &StackSpec, networks: &[NetworkId], run: &RunId) -> ServiceSpec {
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

/// Tasks that no node can run, and how many addresses each of them takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probes {
    /// How many tasks.
    pub(crate) tasks: u32,
    /// How many addresses each asks for: a network that a task lists again is one more attachment, and each attachment
    /// has an address of its own. A task gets all of them or none (swarmkit `AllocateTask`).
    pub(crate) addresses_each: u32,
}

impl Probes {
    /// How many addresses all of them ask for.
    pub(crate) fn addresses(self) -> u32 {
        self.tasks.saturating_mul(self.addresses_each)
    }
}

pub(super) fn probe_spec(name: &str, network: &NetworkId, probes: Probes, run: &RunId) -> ServiceSpec {
    let attachments = vec![attach(network); probes.addresses_each as usize];
    nowhere_spec(name, Some(attachments), probes.tasks, run)
}

pub(super) fn witness_spec(name: &str, run: &RunId) -> ServiceSpec {
    nowhere_spec(name, None, 1, run)
}

fn nowhere_spec(
    name: &str,
    networks: Option<Vec<NetworkAttachmentConfig>>,
    replicas: u32,
    run: &RunId,
) -> ServiceSpec {
    ServiceSpec {
        name: Some(name.to_owned()),
        labels: Some(HashMap::from([(RUN_LABEL.to_owned(), run.to_string())])),
        task_template: Some(TaskSpec {
            // Never pulled and never started: no node meets the constraint. The allocator comes before the scheduler, so the
            // tasks get their addresses all the same.
            container_spec: Some(TaskSpecContainerSpec {
                image: Some("pvcheck/census".into()),
                ..TaskSpecContainerSpec::default()
            }),
            placement: Some(TaskSpecPlacement {
                constraints: Some(vec![format!("node.labels.org.pvcheck.nowhere=={run}")]),
                ..TaskSpecPlacement::default()
            }),
            // A task that ends must not be replaced: its successor would take one more address.
            restart_policy: Some(TaskSpecRestartPolicy {
                condition: Some(TaskSpecRestartPolicyConditionEnum::NONE),
                ..TaskSpecRestartPolicy::default()
            }),
            networks,
            ..TaskSpec::default()
        }),
        mode: Some(replicated(replicas)),
        // Without a VIP each task takes one address, and the service itself none.
        endpoint_spec: Some(endpoint(EndpointSpecModeEnum::DNSRR)),
        ..ServiceSpec::default()
    }
}

pub(super) fn pointer_spec(name: &str, network: &Network, run: &RunId) -> ServiceSpec {
    let mut spec = probe_spec(name, &network.id, Probes { tasks: 0, addresses_each: 1 }, run);
    spec.endpoint_spec = Some(endpoint(EndpointSpecModeEnum::VIP));
    if network.ingress {
        // A service cannot be attached to `ingress` by name (swarmkit
        // `manager/controlapi/service.go`); a published port, which Swarm chooses, gives
        // it a VIP there.
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

/// A port that the engine chooses: without a published number it takes one that is free.
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
mod tests;

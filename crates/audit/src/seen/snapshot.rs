//! A snapshot of a Swarm: plain facts that can be saved and judged again later.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{NodeId, ServiceId};
use super::network::Network;
use super::node::Node;
use super::service::Service;
use super::task::Task;

/// Everything that was read of a Swarm at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// The engine that was asked.
    pub engine: EngineFacts,
    /// Every node in the Swarm's store, down and drained ones too.
    pub nodes: Vec<Node>,
    /// Every network that the asked engine lists, node-local ones too.
    pub networks: Vec<Network>,
    /// Every service.
    pub services: Vec<Service>,
    /// Every task in the store, of containers and of attachments, finished ones too.
    pub tasks: Vec<Task>,
}

/// The engine that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EngineFacts {
    /// Its version, such as `28.5.2`.
    pub version: String,
    /// The API version that was spoken.
    pub api: String,
    /// When it was taken, by the engine's own clock.
    pub at: Timestamp,
    /// Its node.
    pub node: NodeId,
    /// The Swarm's id.
    pub cluster: String,
    /// Pools from which the Swarm picks subnets by itself, e.g. `10.0.0.0/8`.
    pub default_pools: Vec<String>,
    /// Prefix length of the subnets that it cuts from them.
    pub default_prefix: Option<u8>,
    /// Whether it is a real engine; a file of an older pvcheck does not say, and is taken to be of one.
    #[serde(default)]
    pub kind: EngineKind,
}

/// Whether an engine is real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Docker's.
    #[default]
    Real,
    /// pvcheck's embedded engine, a model: what is found on it is true of the model.
    Embedded,
}

impl EngineKind {
    /// The kind of an engine whose `/info` names this `OperatingSystem`, where a real one names its host's distribution.
    pub fn of_operating_system(name: &str) -> Self {
        if name == "pvcheck embedded engine" { Self::Embedded } else { Self::Real }
    }
}

impl Snapshot {
    /// The overlays of the Swarm, `ingress` first, then by name. Those not allocated yet are among them.
    pub fn overlays(&self) -> Vec<&Network> {
        let mut overlays: Vec<_> = self.networks.iter().filter(|n| n.is_overlay()).collect();
        overlays.sort_by(|a, b| (!a.ingress, &a.name, &a.id).cmp(&(!b.ingress, &b.name, &b.id)));
        overlays
    }

    /// The overlay of this name or id.
    ///
    /// # Errors
    /// If there is none; the error names those that exist.
    pub fn named_overlay(&self, name_or_id: &str) -> Result<&Network, NoSuchNetwork> {
        self.overlay(name_or_id).ok_or_else(|| NoSuchNetwork {
            name: name_or_id.to_owned(),
            overlays: self.overlays().iter().map(|n| n.name.clone()).collect(),
        })
    }

    /// The overlay of this name or id, if there is one.
    pub fn overlay(&self, name_or_id: &str) -> Option<&Network> {
        self.overlays().into_iter().find(|n| n.name == name_or_id || n.id.as_str() == name_or_id)
    }

    /// The service with this id.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.iter().find(|s| &s.id == id)
    }

    /// The service of this name.
    pub fn service_named(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.name == name)
    }

    /// The tasks of a service that are running and meant to.
    pub fn running_tasks<'a>(&'a self, id: &'a ServiceId) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().filter(move |t| t.service.as_ref() == Some(id) && t.is_running())
    }

    /// Names of all stacks, sorted, each once.
    pub fn stacks(&self) -> Vec<String> {
        let services = self.services.iter().filter_map(|s| s.stack.clone());
        let networks = self.networks.iter().filter_map(|n| n.stack.clone());
        let mut stacks: Vec<_> = services.chain(networks).collect();
        stacks.sort();
        stacks.dedup();
        stacks
    }
}

/// No overlay has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no overlay network `{name}`; there are {}", overlays.join(", "))]
pub struct NoSuchNetwork {
    /// What was asked for.
    pub name: String,
    /// What there is; `ingress` at least, unless it was removed.
    pub overlays: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::NetworkId;
    use crate::testing::{network, service, world};

    #[test]
    fn only_the_embedded_engine_names_itself_as_its_operating_system() {
        let kinds = ["Debian GNU/Linux 12 (bookworm)", "", "pvcheck embedded engine"]
            .map(EngineKind::of_operating_system);
        assert_eq!(kinds, [EngineKind::Real, EngineKind::Real, EngineKind::Embedded]);
    }

    #[test]
    fn an_overlay_is_found_by_its_name_and_by_its_id() {
        let mut snapshot = world();
        snapshot.networks.push(Network { id: NetworkId::new("n1"), ..network("proxy", "10.2.0.0/28") });
        snapshot.networks.push(Network { driver: "bridge".into(), ..network("bridge", "172.17.0.0/16") });
        let id = |name| snapshot.overlay(name).map(|n| n.id.as_str());
        assert_eq!([id("proxy"), id("n1"), id("bridge"), id("n")], [Some("n1"), Some("n1"), None, None]);
    }

    #[test]
    fn overlays_come_by_name_after_ingress() {
        let mut snapshot = world();
        for name in ["web", "ingress", "db"] {
            snapshot.networks.push(network(name, ""));
        }
        let names: Vec<_> = snapshot.overlays().into_iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, ["ingress", "db", "web"]);
    }

    #[test]
    fn stacks_are_those_of_services_and_networks_each_once() {
        let mut snapshot = world();
        let of = |stack: &str| Some(stack.to_owned());
        snapshot.services.push(Service { stack: of("shop"), ..service("shop_app", &[]) });
        snapshot.services.push(service("alone", &[]));
        snapshot.networks.push(Network { stack: of("blog"), ..network("blog_default", "10.2.0.0/28") });
        snapshot.networks.push(Network { stack: of("shop"), ..network("shop_default", "10.3.0.0/28") });
        assert_eq!(snapshot.stacks(), ["blog", "shop"]);
    }
}

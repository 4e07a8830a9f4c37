//! Throwaway stacks, as they are specified.

use pvcheck_audit::NetworkId;
use serde::{Deserialize, Serialize};

/// A stack of one service, `NAME_app`.
#[derive(Clone, Debug)]
pub struct StackSpec {
    /// The stack's name.
    pub name: String,
    /// Its image, which must be on the node or pullable.
    pub image: String,
    /// What it runs; empty for the image's own.
    pub command: Vec<String>,
    /// How many tasks.
    pub replicas: u32,
    /// The overlay that it shares with others.
    pub shared: NetworkId,
    /// True iff it gets an overlay of its own as well: the shape that `docker stack rm` leaks with.
    pub private: bool,
    /// How it publishes a port; `None` for not at all.
    pub publish: Option<PublishMode>,
    /// Labels for its service, such as a router wants.
    pub labels: Vec<(String, String)>,
}

impl StackSpec {
    /// The name of its service.
    pub fn service_name(&self) -> String {
        format!("{}_app", self.name)
    }
}

/// How a port is published. Which one is the engine's choice, so that none in use is ever asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublishMode {
    /// On the node of each task: takes no address of `ingress`.
    Host,
    /// Through the routing mesh: takes a VIP and an address per task of `ingress` as well.
    Ingress,
}

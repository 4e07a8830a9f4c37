//! The spec of a throwaway stack.

use pvcheck_audit::NetworkId;
use serde::{Deserialize, Serialize};

/// A stack of one service, `NAME_app`.
#[derive(Clone, Debug)]
pub struct StackSpec {
    /// The stack's name.
    pub name: String,
    /// The service's image, which must be on the node or pullable.
    pub image: String,
    /// The command; empty for the image's own.
    pub command: Vec<String>,
    /// Tasks of the service.
    pub replicas: u32,
    /// The overlay that the service shares with others.
    pub shared: NetworkId,
    /// True iff the stack has an overlay of its own as well: the shape with which `docker stack rm` leaks.
    pub private: bool,
    /// How the service publishes a port; `None` for no port.
    pub publish: Option<PublishMode>,
    /// Labels of the service, such as those that a router reads. pvcheck's own win over a label of the same name.
    pub labels: Vec<(String, String)>,
}

impl StackSpec {
    /// The name of the service.
    pub fn service_name(&self) -> String {
        format!("{}_app", self.name)
    }
}

/// How a port is published. The engine chooses the number, so that the spec never asks for one that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PublishMode {
    /// On the node of each task; takes no address of `ingress`.
    Host,
    /// Through the routing mesh; takes a VIP and an address per task of `ingress` as well.
    Ingress,
}

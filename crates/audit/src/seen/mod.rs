//! What was read of an engine: plain facts that can be saved and judged again later.

mod counts;
mod declared;
mod file;
mod host;
mod ids;
mod lookup;
mod network;
mod node;
mod probes;
mod service;
mod snapshot;
mod task;
mod update;
mod words;

pub use counts::{AllocatorCounts, CountsUnknown, counts_not_spoken, counts_refused, speaks_counts};
pub use declared::{DeclaredRoute, Site, SitePath, Takes, Unclear, declared_routes};
pub use file::{SavedSnapshot, SavedSnapshotError};
pub use host::{HostAddress, HostFacts, HostRoute, RouteKind, RouteOrigin};
pub use ids::{ConfigId, ContainerId, NetworkId, NodeId, SecretId, ServiceId, TaskId};
pub use lookup::Lookup;
pub use network::Network;
pub use node::{Node, NodeAvailability, NodeState};
pub use probes::{ProbeOutcome, Probes};
pub use service::{EndpointMode, JobMode, Service, ServiceMode, Vip};
pub use snapshot::{EngineFacts, EngineKind, NoSuchNetwork, Snapshot};
pub use task::{Runtime, Task, TaskState};
pub use update::{UpdateOrder, UpdateState, UpdateStatus};

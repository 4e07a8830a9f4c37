//! What was read of an engine: plain facts that can be saved and judged again later.

mod counts;
mod file;
mod host;
mod ids;
mod network;
mod node;
mod service;
mod snapshot;
mod task;

pub use counts::{AllocatorCounts, CountsUnknown, counts_refused, speaks_counts};
pub use file::{SavedSnapshot, SavedSnapshotError};
pub use host::{HostAddress, HostFacts, HostRoute, RouteKind, RouteOrigin};
pub use ids::{ConfigId, NetworkId, NodeId, SecretId, ServiceId, TaskId};
pub use network::Network;
pub use node::{Node, NodeAvailability, NodeState};
pub use service::{EndpointMode, JobMode, Service, ServiceMode, Vip};
pub use snapshot::{EngineFacts, NoSuchNetwork, Snapshot};
pub use task::{Runtime, Task, TaskState};

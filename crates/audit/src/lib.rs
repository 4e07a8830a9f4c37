//! What was read of a Docker Swarm, and what follows from it.
//!
//! A [`Snapshot`] holds the facts: engine, nodes, networks, services and tasks as the Engine API listed them, and with
//! [`SavedSnapshot`] the host's addresses and routes in the same file. Everything else here is a pure function of them:
//! [`owners`] says who holds which address of a network, [`Occupancy`] what each of them is, [`audit()`] what every
//! overlay's pool looks like, [`why()`] what keeps a service or a task from running, and [`reservations`] what a new subnet
//! must not overlap.
//!
//! This crate never reads an engine, a file, a clock or a socket, and has no async function: the same facts give the same
//! answer, on any machine, at any time. `pvcheck-swarm` collects the facts.
#![forbid(unsafe_code)]

mod audit;
mod deduction;
mod described;
mod exhaustion;
mod faults;
mod full_because;
mod holders;
mod known_error;
mod losses;
mod note;
mod occupancy;
mod owners;
mod redact;
mod seen;
mod stuck;
mod subnets;
#[cfg(test)]
mod testing;
mod waiting;
mod waits;
mod why;

pub use audit::{Audit, AuditedNetwork, AuditedSwarm, OwnedCounts, audit, audit_on, audit_with};
pub use exhaustion::{PoolCounts, load_balancers_unsure, pool_counts};
pub use faults::{Fault, FaultKind, Finding};
pub use full_because::{FullBecause, YoungNetwork};
pub use holders::{Duplicate, Holder, NodeShare};
pub use known_error::{KnownError, TaskError};
pub use losses::{FreedVip, Loss, LossKind};
pub use note::Note;
pub use occupancy::{Block, Cell, NoOccupancy, Occupancy, Unheld, Unsettled};
pub use owners::{Owner, OwnerKind, Owners, owners};
pub use redact::without_values;
pub use seen::{
    AllocatorCounts, ConfigId, ContainerId, CountsUnknown, DeclaredRoute, EndpointMode, EngineFacts,
    EngineKind, HostAddress, HostFacts, HostRoute, JobMode, Lookup, Network, NetworkId, NoSuchNetwork, Node,
    NodeAvailability, NodeId, NodeState, ProbeOutcome, Probes, RouteKind, RouteOrigin, Runtime,
    SavedSnapshot, SavedSnapshotError, SecretId, Service, ServiceId, ServiceMode, Site, SitePath, Snapshot,
    Takes, Task, TaskId, TaskState, Unclear, UpdateOrder, UpdateState, UpdateStatus, Vip, counts_not_spoken,
    counts_refused, declared_routes, speaks_counts,
};
pub use stuck::{BalancerRejection, Cause, Stuck};
pub use subnets::{default_pools, not_seen, reservations};
pub use waits::{VipWait, waiting_services, waiting_tasks, waits_among};
pub use why::{
    HAND_OVER_MANAGERS, Link, NoSuchSubject, Remedy, RemedyKind, Verdict, WaitedOn, Why, why, why_probed,
};

//! Removing stacks, in the order that leaks nothing or in Docker's own for comparison; and sweeping runs.
//!
//! `docker stack rm` removes services, secrets, configs and networks without a pause. A task that ends after one of
//! its networks is gone is never deallocated, and its addresses on its *other* networks stay taken until the allocator
//! is rebuilt (swarmkit `manager/allocator/network.go`, `doTaskAlloc`; moby #37338, swarmkit #3230). Waiting for the
//! tasks between the removal of services and that of networks prevents all of it.

mod drain;
mod left;
mod order;
mod parts;
mod remover;
mod report;
mod stacks;
mod sweep;

pub use left::{Left, LeftReason, PartKind};
pub use order::Order;
pub use report::{FoundStacks, NetworkUse, RemovalError, RemovalOptions, RemovalPlan, StackRemoval};
pub use stacks::{find_stacks, plan_removal, remove_stacks};
pub use sweep::{leftover_runs, sweep_run};

//! A Docker Swarm through its Engine API: one connection, one snapshot, and every operation on it.
//!
//! Reading is [`Engine::snapshot`]: one look at engine, nodes, networks, services and tasks, in a fixed number of calls.
//! What follows from it is pure: [`owners`] says who holds which address of a network, [`audit`] what every
//! overlay's pool looks like. A [`census`] finds what no list names: the addresses that the allocator has given out and
//! nobody owns.
//!
//! What a new subnet must not overlap is pure too: [`reservations`], of a snapshot and of the [`HostFacts`] that are
//! read from this process's network namespace. A [`Look`] is both in one file.
//!
//! Writing goes through one module and takes a [`Permit`]. Everything made here carries the label
//! [`RUN_LABEL`]; what does not carry it is only ever removed by [`remove_stacks`], on the caller's explicit word.
//!
//! This crate never prints and never decides a verdict. The one thing that it restarts is an engine, when [`reclaim`] is
//! told to by name.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use pvcheck_swarm::{Engine, Host, audit};
//!
//! let host: Host = "unix:///var/run/docker.sock".parse()?;
//! let engine = Engine::connect(&host).await?;
//! let snapshot = engine.snapshot().await?;
//! for network in audit(&snapshot).networks {
//!     println!("{}: {} of {} owned", network.name, network.owned.total(), network.usable);
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod audit;
mod blame;
mod census;
mod churn;
mod churn_both;
mod connection;
mod drain;
mod elsewhere;
mod engine;
mod findings;
mod holders;
mod host;
mod hostfacts;
mod ids;
mod lock;
mod look;
mod mend;
mod netlink;
mod owners;
mod progress;
mod reclaim;
mod removal;
mod reserve;
mod room;
mod snapshot;
mod stack;
mod status;
mod stuck;
mod subject;
mod waiting;
mod why;
mod wire;
mod writes;

pub use audit::{Audit, AuditedEngine, AuditedNetwork, OwnedCounts, audit, audit_with};
pub use blame::WaitedOn;
pub use census::{Census, CensusError, CensusMethod, CensusOptions, census};
pub use churn::{Churn, ChurnCounts, ChurnError, ChurnPlan, ChurnShape, Order, churn};
pub use churn_both::{ChurnComparison, churn_both};
pub use connection::{CallError, CallErrorKind, Connection};
pub use engine::{ConnectError, Engine};
pub use findings::{Finding, FindingKind};
pub use holders::{Duplicate, Holder, NodeShare, holders};
pub use host::{Host, HostError};
pub use hostfacts::{HostAddress, HostFacts, HostFactsError, HostRoute, RouteKind, RouteOrigin};
pub use ids::{ConfigId, NetworkId, NodeId, RunId, SecretId, ServiceId, TaskId};
pub use lock::{Lock, LockAs, LockError, LockFacts, LockRequest, TakenOver};
pub use look::{Look, LookError};
pub use owners::{Owner, OwnerKind, Owners, owners};
pub use progress::{Progress, Watcher, silent};
pub use reclaim::{
    CopyPutBack, Here, LeakCount, Manager, Moment, PlanStep, Reclaim, ReclaimError, ReclaimFacts,
    ReclaimOptions, ReclaimPlan, Refused, Step, StepPoint, StepTime, Strategy, Wish, default_state,
    plan_reclaim, put_copy_back, reclaim, reclaim_facts, resume_reclaim, unfinished_reclaim,
};
pub use removal::{
    FoundStacks, RemovalError, RemovalOptions, RemovalPlan, StackRemoval, find_stacks, leftover_runs,
    plan_removal, remove_stacks, sweep_run,
};
pub use reserve::{default_pools, not_seen, reservations};
pub use snapshot::{
    EndpointMode, EngineFacts, Network, NoSuchNetwork, Node, Runtime, Service, ServiceMode, Snapshot, Task,
    TaskState, Vip,
};
pub use stack::{DeployError, PublishMode, StackPlan, deploy, wait_running};
pub use status::{Statuses, read_status, read_statuses, status_refused};
pub use stuck::{Cause, Stuck};
pub use subject::NoSuchSubject;
pub use waiting::{VipWait, waiting_services};
pub use why::{Link, Mend, Verdict, Why, why};
pub use writes::{Permit, RUN_LABEL, STACK_LABEL};

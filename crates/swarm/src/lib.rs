//! A Docker Swarm through its Engine API: one connection, and every operation on it.
//!
//! [`Engine::snapshot`] reads engine, nodes, networks, services and tasks, in a fixed number of calls. `pvcheck-audit` owns
//! the snapshot and everything that follows from it; this crate reads it, and does what no list can do: a [`census`] finds
//! the addresses that the allocator has given out and that have no owner.
//!
//! Writing goes through one module and takes a [`Permit`]. Everything created here carries the label [`RUN_LABEL`]; what
//! does not carry it is removed by [`remove_stacks`] only, which takes the names of the stacks.
//!
//! This crate never prints and never decides a verdict. It restarts nothing but an engine, and that only in [`reclaim`] with
//! [`Wish::restart_allowed`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use pvcheck_audit::audit;
//! use pvcheck_swarm::{Engine, Host};
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

mod census;
mod churn;
mod deploy;
mod engine;
#[cfg(test)]
mod fixtures;
mod labels;
mod lock;
mod operation;
mod probe;
mod progress;
mod read;
mod reclaim;
mod removal;
mod renew;
mod run;
mod worded;
mod write;

pub use census::{
    Census, CensusError, CensusMethod, CensusOptions, Doubt, census, census_by_status, countable,
};
pub use churn::{
    Churn, ChurnComparison, ChurnCounts, ChurnError, ChurnPlan, ChurnShape, ImageError, ImageFault,
    check_image, churn, churn_both,
};
pub use deploy::{DeployError, deploy, wait_running};
pub use engine::{
    CallError, CallErrorKind, ChangedObject, ConnectError, Connection, Engine, Host, HostError, Missing,
    SwarmChange, Whole,
};
pub use labels::{RUN_LABEL, STACK_LABEL};
pub use lock::{Lock, LockAs, LockError, LockFacts, LockRequest, TakenOver};
pub use operation::Operation;
pub use probe::{most_probes, probe};
pub use progress::{Progress, Watcher, silent};
pub use read::{
    HostFactsError, Membership, Standing, read_count, read_counts, read_host, read_standing, read_with_host,
};
pub use reclaim::{
    Awaited, Change, ChangeKind, CopyPutBack, CountReason, HelperError, Here, Late, LeakCount, Manager,
    Moment, Note, Obstacle, PlanStep, Reclaim, ReclaimError, ReclaimFacts, ReclaimOptions, ReclaimPlan,
    Refused, Risk, Step, StepPoint, StepTime, Strategy, Wish, default_state, plan_reclaim, put_copy_back,
    reclaim, reclaim_facts, resume_reclaim, unfinished_reclaim, unfinished_run,
};
pub use removal::{
    FoundStacks, Left, LeftReason, NetworkUse, Order, PartKind, RemovalError, RemovalOptions, RemovalPlan,
    StackRemoval, find_stacks, leftover_runs, plan_removal, remove_stacks, sweep_run,
};
pub use renew::{
    AddressClash, Attached, AttachedContainer, Blocker, Direction, Drifted, Ended, Member, NetworkSettings,
    NewSubnet, Phase, Pin, Place, RENEWAL_LOCK, RENEWAL_PURPOSE, RefusedStrategy, Renewal, RenewalError,
    RenewalFacts, RenewalOptions, RenewalPlan, RenewalPoint, RenewalProof, RenewalRecord, RenewalRequest,
    RenewalStep, RenewalStrategy, Room, SavedRenewal, SavedRenewalError, Stage, Stands, StepDone, Unfinished,
    plan_renewal, renew, resume_renewal, roll_back_renewal, unfinished_renewal,
};
pub use run::RunId;
pub use write::{Permit, PublishMode, StackSpec};

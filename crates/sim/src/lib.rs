//! A model of a Swarm manager behind the Engine API: the engine for tests and for `--engine embedded`.
//!
//! [`Model`] is the pure core: nodes, networks, services and tasks, and an allocator that hands addresses out,
//! loses and leaks them exactly as Docker Swarm's does. It has no I/O and no clock; time passes only in
//! [`Model::advance`], and the same calls give the same ids, addresses and log. [`Model::respond`] answers
//! Engine API calls in process; [`Sim`] does so on a unix socket, in real time, with faults on demand. [`ServedWorld`] adds
//! what is around an engine: a [`Router`] with TLS on loopback that follows the labels of services, a log file, and the
//! pvcheck.toml that describes them.
//!
//! The crate never runs a container, never listens anywhere but on its own unix socket and on loopback, and knows nothing
//! of what pvcheck concludes.

mod agent;
mod allocation;
mod allocator;
mod api;
mod balancer;
mod container_calls;
mod draft;
mod engine_log;
mod event_log;
pub mod fault;
mod id;
mod incident;
mod jobs;
mod json;
mod lookup;
mod model;
mod network_calls;
mod node_calls;
mod object;
mod orchestrator;
mod reaper;
mod rebuild;
mod refusal;
mod replay;
mod router;
mod served;
mod server;
mod service_calls;
mod settings;
mod spec;
mod state;
mod truth;
mod validate;
pub mod world;

pub use api::Response;
pub use draft::{NetworkDraft, ServiceDraft};
pub use fault::{Fault, FaultError, FaultRule};
pub use id::{NetworkId, NodeId, ServiceId, TaskId};
pub use incident::incident;
pub use model::Model;
pub use refusal::Refusal;
pub use replay::{Day, Ended, Replay};
pub use router::{Router, RouterError};
pub use served::{ServedWorld, WorldError, WorldOptions};
pub use server::{RequestRecord, Sim, SimOptions, StartError};
pub use settings::{Engine, Settings, Timings};
pub use state::{Availability, Membership};
pub use truth::{NetworkTruth, Owner, OwnerKind, Tally, Truth};

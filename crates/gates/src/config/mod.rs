//! `pvcheck.toml`: what is expected of a Swarm, and what a gate may deploy on it.

mod by_table;
mod catalogue;
mod error;
mod forms;
mod guard;
mod harness;
mod harness_fault;
mod hook;
mod journal;
mod load;
mod own_gates;
mod routes;
mod services;
mod tables;
mod validate;
mod validate_harness;
mod waivers;

pub use catalogue::EntriesError;
pub use error::{ConfigError, ConfigFault};
pub use forms::{Pattern, Placement};
pub use guard::{GuardConfig, GuardFault, Rung};
pub(crate) use harness::MOST_LEVEL;
pub use harness::{HarnessConfig, Tier};
pub use harness_fault::HarnessFault;
pub use hook::HookConfig;
pub(crate) use journal::{DOCKER_UNIT, unit_source};
pub use journal::{JournalConfig, LogPlace, NodeLog};
pub use own_gates::{CheckPattern, GateConfig, PreconditionConfig, ReportPlaces};
pub use routes::{RouteConfig, RouteGroupConfig};
pub use services::{ServiceConfig, TasksWanted, Which};
pub use tables::{
    CanaryConfig, ChurnConfig, Config, CreationConfig, OverlayConfig, RenewalConfig, TlsConfig, WindowConfig,
};
pub use waivers::WaiverConfig;

//! `pvcheck.toml`: what is expected of a Swarm, and what a gate may deploy on it.

mod by_table;
mod error;
mod forms;
mod harness;
mod harness_fault;
mod load;
mod own_gates;
mod tables;
mod validate;
mod validate_harness;
mod waivers;

pub use error::{ConfigError, ConfigFault};
pub use forms::{Pattern, Placement};
pub(crate) use harness::MOST_LEVEL;
pub use harness::{HarnessConfig, Tier};
pub use harness_fault::HarnessFault;
pub use own_gates::{CheckPattern, GateConfig, PreconditionConfig, ReportPlaces};
pub use tables::{
    CanaryConfig, ChurnConfig, Config, CreationConfig, HookConfig, JournalConfig, OverlayConfig,
    RenewalConfig, RouteConfig, ServiceConfig, TlsConfig, WindowConfig,
};
pub(crate) use tables::{DOCKER_UNIT, unit_source};
pub use waivers::WaiverConfig;

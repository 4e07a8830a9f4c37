//! Checks over recorded facts, verdicts with evidence, gates and reports.
//!
//! A gate runs in two steps. Collecting ([`collect_m1`], [`collect_m2`]) does all I/O; what could not be seen is recorded
//! as such. Judging ([`judge_m1`], [`judge_m2`]) is pure: the same
//! facts give the same [`GateReport`], today or from a file a year from now.
//!
//! What could not be observed is `UNKNOWN`, which is never as good as `PASS`. Each check names what it [needs](Need), and
//! passes only if all of that was observed, and observed whole.
//!
//! ```
//! use pvcheck_gates::{Config, Gate, GateReport, Verdict};
//!
//! let config = Config::parse("example.toml", r#"
//!     [overlay]
//!     name = "proxy"
//!     subnet = "10.10.0.0/16"
//! "#)?;
//! assert_eq!(config.overlays[0].name, "proxy");
//! // A gate without a single check has shown nothing.
//! assert_eq!(GateReport::new(Gate::M1, &config, Vec::new()).verdict, Verdict::Unknown);
//! # Ok::<(), pvcheck_gates::ConfigError>(())
//! ```
#![forbid(unsafe_code)]

mod cause;
mod check;
mod collect;
mod config;
mod coverage;
mod facts;
pub mod fault;
mod gate;
mod gate_report;
mod hook;
mod judge;
mod leaks;
mod need;
mod observed;
mod reason;
mod render;
mod role;
#[cfg(test)]
mod testing;
mod window;

pub use cause::{CanaryFailure, ChurnFailure, ChurnRefusal, Unseen};
pub use collect::{Counting, Preflight, PreflightError, collect_m1, collect_m2, preflight};
pub use config::{
    CanaryConfig, ChurnConfig, Config, ConfigError, ConfigFault, HookConfig, JournalConfig, OverlayConfig,
    Pattern, Placement, RenewalConfig, RouteConfig, ServiceConfig, TlsConfig, WindowConfig,
};
pub use facts::{CanaryFacts, ChurnOutcome, GateStep, LeakFact, M1Facts, M2Facts, RouteWatch};
pub use gate::{Gate, NoSuchGate};
pub use gate_report::{CheckReport, Evidence, GateReport};
pub use hook::{HookFailure, HookReport, run_hook};
pub use judge::{judge_m1, judge_m2};
pub use need::Need;
pub use observed::{Observed, Seen};
pub use pvcheck_routes::Verdict;
pub use reason::Reason;
pub use render::{Style, markdown, table};
pub use role::engine_role;
pub use window::{
    HostSigns, Process, Sign, Signal, Window, WindowFacts, WindowVerdict, collect_window, judge_window,
};

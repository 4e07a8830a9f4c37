//! Checks over recorded facts, verdicts with evidence, gates and reports.
//!
//! A gate runs in two steps. Collecting (as [`collect_m1`]) does all I/O; what could not be seen is recorded as such.
//! Judging (as [`judge_m1`]) is pure: the same facts give the same [`GateReport`], today or from a file a year from now.
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

mod activation_reason;
mod annotations;
mod bundle;
mod catalogue;
mod cause;
mod check;
mod collect;
mod config;
mod coverage;
mod creation;
mod digest;
mod doctor;
mod explain;
mod facts;
pub mod fault;
mod fix_facts;
mod gate;
mod gate_report;
mod guard_facts;
mod guard_reason;
mod harness;
mod harness_facts;
mod harness_reason;
mod harness_result;
mod hook;
mod init;
mod judge;
mod junit;
mod leaks;
mod need;
mod observed;
mod own_facts;
mod own_gate;
mod precondition_reason;
mod process_group;
mod reason;
mod render;
mod renewal_reason;
mod repeat;
mod review;
mod role;
mod run_facts;
mod service_reason;
mod systemd;
#[cfg(test)]
mod testing;
mod waiting;
mod waived;
mod waiver;
mod window;

pub use activation_reason::ActivationReason;
pub use annotations::annotations;
pub use bundle::{
    Bundle, BundleError, BundledConfig, BundledRun, Change, GateChange, GateFacts, Said, SeenLeaks,
    SeenOverlay, Unmapped, diff, diff_markdown, diff_table,
};
pub use catalogue::CheckInfo;
pub use cause::{CanaryFailure, ChurnFailure, ChurnRefusal, Unseen};
pub use collect::{
    Counting, OwnCollection, Preflight, PreflightError, Renewed, collect_fix_plan, collect_fixed, collect_m1,
    collect_m2, collect_own, collect_run, preflight, preflight_of, scan_log,
};
pub use config::{
    CanaryConfig, CheckPattern, ChurnConfig, Config, ConfigError, ConfigFault, CreationConfig, EntriesError,
    GateConfig, GuardConfig, GuardFault, HarnessConfig, HarnessFault, HookConfig, JournalConfig, LogPlace,
    NodeLog, OverlayConfig, Pattern, Placement, PreconditionConfig, RenewalConfig, ReportPlaces, RouteConfig,
    RouteGroupConfig, Rung, ServiceConfig, TasksWanted, Tier, TlsConfig, WaiverConfig, Which, WindowConfig,
};
pub use creation::{Activation, Asked, Column, ColumnError, CreateLine, CreationFacts, Place, Places};
pub use doctor::{
    ConfigFact, Diagnosis, DoctorFacts, Examined, Health, Heard, Leftover, LockSeen, LogFact, NamespaceFact,
    NodeFact, Reached, Symptom, TrustFact, collect_doctor, diagnose,
};
pub use explain::{NoSuchCheck, catalogue, check_info};
pub use facts::{CanaryFacts, ChurnOutcome, GateStep, LeakFact, M1Facts, M2Facts, RouteWatch};
pub use fix_facts::{FixPlanFacts, FixedFacts};
pub use gate::{Gate, NoSuchGate};
pub use gate_report::{AttemptReport, CheckReport, Evidence, GateReport};
pub use guard_facts::{GuardFact, GuardFile, GuardFound, GuardLine, GuardMatch};
pub use guard_reason::{GuardFailure, GuardReason};
pub use harness_facts::{
    After, AfterWhat, HarnessEnd, HarnessFact, HarnessHow, HarnessRun, HarnessWatch, Joined, ResultFile,
    ResultSaid,
};
pub use harness_reason::{FailureClass, Fresh, HarnessFailure, HarnessLack, HarnessReason};
pub use harness_result::{HarnessResult, ResultFault, TierOutcome};
pub use hook::{HookFailure, HookReport, run_hook};
pub use init::{Draft, InitError, InitFacts, InitOptions, LogSeen, collect_init, draft};
pub use judge::{judge_fix_plan, judge_fixed, judge_m1, judge_m2, judge_own, judge_preconditions, judge_run};
pub use junit::junit;
pub use need::Need;
pub use observed::{Observed, Seen};
pub use own_facts::OwnFacts;
pub use own_gate::{AnyGate, OwnGate, OwnGateError};
pub use precondition_reason::PreconditionReason;
pub use pvcheck_routes::Verdict;
pub use reason::Reason;
pub use render::{Style, Word, mark, markdown, table, tally, told, with_waivers, word_of};
pub use renewal_reason::{Foreign, RenewalReason};
pub use review::{
    ConfigFiles, FileState, Hint, NamedFile, Review, ReviewError, ReviewedGate, ReviewedOverlay,
    ReviewedRoute, ReviewedService, look_at_files, review,
};
pub use role::engine_role;
pub use run_facts::{Before, PastReport, RunFacts};
pub use service_reason::{OneAtFault, OneRuns, ServicesReason};
pub use waived::{WaiverError, waiver_errors};
pub use waiver::{Waiver, WaiverNote, WaiverState};
pub use window::{
    HostSigns, Process, Sign, Signal, Window, WindowFacts, WindowVerdict, collect_window, judge_window,
};

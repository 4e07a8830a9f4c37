//! Collecting facts: the only part of a gate that does I/O.

mod canary;
mod control_plane;
mod creation;
mod deployment;
mod fix;
mod guard;
mod harness;
mod leaked;
mod log;
mod own;
mod past_reports;
mod preflight;
mod process;
mod routes;
mod text;
mod watch;

pub use control_plane::collect_m1;
pub use deployment::collect_m2;
pub use fix::{Renewed, collect_fix_plan, collect_fixed};
pub use leaked::Counting;
pub use log::scan_log;
pub use own::{OwnCollection, collect_own};
pub use past_reports::collect_run;
pub use preflight::{Preflight, PreflightError, preflight, preflight_of};

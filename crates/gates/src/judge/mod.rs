//! Judging facts. Pure: the same facts give the same report.

mod activation;
mod canary;
mod churn;
mod columns;
mod control_plane;
mod deployment;
mod during;
mod finding;
mod fix_plan;
mod fixed;
mod guard;
mod harness;
mod leaked;
mod log;
mod overlay;
mod own;
mod precondition;
mod record;
mod routes;
mod run;
mod services;
mod unlisted;

pub use control_plane::judge_m1;
pub use deployment::judge_m2;
pub use fix_plan::judge_fix_plan;
pub use fixed::judge_fixed;
pub use own::judge_own;
pub use precondition::{judge_preconditions, judge_run};
pub(crate) use run::Run;

#[cfg(test)]
mod tests;

//! Judging facts. Pure: the same facts give the same report.

mod canary;
mod churn;
mod control_plane;
mod deployment;
mod finding;
mod log;
mod overlay;
mod routes;
mod services;

pub use control_plane::judge_m1;
pub use deployment::judge_m2;

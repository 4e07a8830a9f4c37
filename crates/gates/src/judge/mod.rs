//! Judging facts. Pure: the same facts give the same report.

mod canary;
mod churn;
mod control_plane;
mod deployment;
mod during;
mod finding;
mod leaked;
mod log;
mod overlay;
mod routes;
mod run;
mod services;
mod unlisted;

pub use control_plane::judge_m1;
pub use deployment::judge_m2;

#[cfg(test)]
mod tests;

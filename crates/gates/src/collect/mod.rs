//! Collecting facts: the only part of a gate that does I/O.

mod canary;
mod control_plane;
mod deployment;
mod preflight;
mod routes;

pub use control_plane::collect_m1;
pub use deployment::collect_m2;
pub use preflight::{Preflight, PreflightError, preflight};

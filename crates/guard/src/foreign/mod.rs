//! Somebody else's guard, such as the shell in a runbook: read, never run.

mod command;
mod failure;
mod grep;
mod judge;
mod lines;
mod reads;
mod report;
mod samples;

pub use judge::check_foreign;
pub use report::{Acts, ForeignAdvice, ForeignFault, ForeignGuard, LogRead, Looks, Shown};

//! The quiet window: is anything at work that a change to a shared network would hurt?
//!
//! [`collect_window`] reads the Swarm and the host, [`judge_window`] decides. What was to be looked at and could not be
//! looked at counts as busy: a window is clear only when everything that was asked about was seen, and seen idle.

mod host;
mod judge;
mod signal;

pub use host::{HostSigns, Process, Sign, WindowFacts, collect_window};
pub use judge::{Window, WindowVerdict, judge_window};
pub use signal::Signal;

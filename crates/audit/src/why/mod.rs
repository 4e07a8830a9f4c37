//! Why a service or a task does not run: from the task to its cause, over one snapshot.

mod answer;
mod case;
mod explain;
mod job;
mod no_address;
mod other_causes;
mod remedies;
mod remedy;
mod subject;
mod suspects;
mod update;

pub use answer::{Link, Verdict, Why};
pub use explain::{why, why_probed};
pub use remedies::HAND_OVER_MANAGERS;
pub use remedy::{Remedy, RemedyKind};
pub use subject::NoSuchSubject;
pub use suspects::WaitedOn;

#[cfg(test)]
mod tests;

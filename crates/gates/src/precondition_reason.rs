//! Why a check of a precondition has its verdict.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pvcheck_routes::Verdict;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a check of a precondition has its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum PreconditionReason {
    /// The gate passed, here and lately.
    #[error("{gate} passed at {at} ({file}){}", without(.waived))]
    Passed {
        /// The gate.
        gate: String,
        /// When.
        at: Timestamp,
        /// Its report.
        file: String,
        /// The checks that were open there, and waived.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        waived: Vec<String>,
    },
    /// The newest report is no pass.
    #[error("the newest report of {gate} says {verdict}, at {at} ({file}); run it again once that is mended")]
    NotPassed {
        /// The gate.
        gate: String,
        /// What it says.
        verdict: Verdict,
        /// When.
        at: Timestamp,
        /// The report.
        file: String,
    },
    /// The newest report is too old to say anything of today.
    #[error("the newest report of {gate} is of {at}, {} ago, and may be {} old; run it again ({file})", said(*age), said(*most))]
    TooOld {
        /// The gate.
        gate: String,
        /// When it ran.
        at: Timestamp,
        /// How long that is ago.
        age: Duration,
        /// How long it may be ago.
        most: Duration,
        /// The report.
        file: String,
    },
    /// The newest report has a time that is still to come.
    #[error("the newest report of {gate} is of {at}, which is still to come; compare the clocks ({file})")]
    StillToCome {
        /// The gate.
        gate: String,
        /// The time in it.
        at: Timestamp,
        /// The report.
        file: String,
    },
    /// The newest report is of a model, and this run is of a real Swarm.
    #[error("the newest report of {gate} is of the embedded engine; run it on this Swarm ({file})")]
    OfAModel {
        /// The gate.
        gate: String,
        /// The report.
        file: String,
    },
    /// The newest report is of another Swarm.
    #[error(
        "the newest report of {gate} is of the Swarm {swarm}, and this is {here}; run it on this one ({file})"
    )]
    OfAnotherSwarm {
        /// The gate.
        gate: String,
        /// The Swarm of the report.
        swarm: String,
        /// This Swarm.
        here: String,
        /// The report.
        file: String,
    },
    /// The newest report does not say of which Swarm it is.
    #[error("the newest report of {gate} does not say of which Swarm it is; run it again ({file})")]
    OfSomeSwarm {
        /// The gate.
        gate: String,
        /// The report.
        file: String,
    },
}

fn without(waived: &[String]) -> String {
    if waived.is_empty() { String::new() } else { format!(", with waivers of {}", waived.join(", ")) }
}

/// A duration for people, in whole minutes once there are some.
fn said(duration: Duration) -> String {
    let whole = match duration.as_secs() {
        seconds if seconds < 60 => duration.as_secs(),
        seconds => seconds / 60 * 60,
    };
    format!("{:#}", SignedDuration::from_secs(i64::try_from(whole).unwrap_or(i64::MAX)))
}

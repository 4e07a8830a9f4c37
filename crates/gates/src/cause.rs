//! Why something was not seen, did not run or broke off: what facts record instead of a value.
//!
//! An error of another crate is kept as its kind and its text: its own data does not outlive the process.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why something could not be seen.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Unseen {
    /// The source failed.
    #[error("{error}")]
    Failed {
        /// The error, with what to do.
        error: String,
    },
    /// It was not begun, because a core route did not pass.
    #[error("not begun: core route {route} is down; repair the routing first")]
    CoreRouteDown {
        /// The first such route.
        route: String,
    },
    /// It was broken off, or not begun, because a core route stopped answering under way.
    #[error("stopped: core route {route} died meanwhile; repair the routing first")]
    CoreRouteDied {
        /// The first such route.
        route: String,
    },
    /// It was not begun, because a service waits for an address.
    #[error("not begun: service {service} waits for an address on {network}; see pvcheck why {service}")]
    ServiceWaits {
        /// The service.
        service: String,
        /// The network on which it waits, by name or else by id.
        network: String,
    },
    /// The configuration names no such file.
    #[error("the configuration does not name it; add {fields} to [overlay.creation]")]
    NotConfigured {
        /// What may be added.
        fields: String,
    },
    /// Leaked addresses were not counted: the engine publishes no count, and nothing was asked of its allocator.
    #[error("{why}; add --probe, which counts by a census")]
    NotCounted {
        /// Why the engine's own count is no answer.
        why: String,
    },
    /// There is no report of a gate that must have passed before.
    #[error("there is no report of {gate}; run it with --out into a folder of [precondition] `reports`")]
    NoReport {
        /// The gate.
        gate: String,
    },
    /// The configuration has the logs of several nodes, and none of them is the leader's.
    #[error(
        "{leader} leads, and only the leader logs that addresses run out; [[journal.node]] has {}: add the log of {leader}",
        nodes.join(", ")
    )]
    LogOfLeaderNotConfigured {
        /// The leader, by its host name or else its id.
        leader: String,
        /// The nodes whose logs are configured.
        nodes: Vec<String>,
    },
    /// The leader's log is configured as a unit, whose journal is of another host.
    #[error(
        "the log of {leader}, which leads, is configured as a unit, and the journal here is not that of {leader}: give its `file`, \
         or run it there"
    )]
    LogOfOtherHost {
        /// The leader.
        leader: String,
    },
    /// No node leads, so that it is not known whose log is to be read.
    #[error(
        "no manager leads at the moment, so that it is not known whose log to read; run it again when one does"
    )]
    NoLeader,
    /// No check of the gate needs it.
    #[error("no check of the gate needs it")]
    NotNeeded,
    /// It was not begun, because a precondition of the gate does not hold.
    #[error("not begun: the precondition {precondition} does not hold")]
    PreconditionOpen {
        /// The id of the first such check.
        precondition: String,
    },
    /// The facts have no such observation: an earlier version saved them.
    #[error("the facts were saved by a version that did not observe this; run the gate again")]
    NotRecorded,
    /// As a facts file of an earlier version has it, which kept the text alone.
    #[error("{0}")]
    Recorded(String),
}

/// Why a canary did not run.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum CanaryFailure {
    /// The engine failed a call.
    #[error("{error}")]
    Call {
        /// The error, with what to do.
        error: String,
    },
    /// A task of it got no address.
    #[error("{error}")]
    NoAddress {
        /// The error, with the service and the time waited.
        error: String,
    },
    /// Its tasks did not run in time.
    #[error("{error}")]
    NotRunning {
        /// The error, with the newest task's state.
        error: String,
    },
    /// Its URL is invalid once the stack's name is filled in.
    #[error("{error}")]
    Url {
        /// The error, with what to write.
        error: String,
    },
    /// As a facts file of an earlier version has it, which kept the text alone.
    #[error("{0}")]
    Recorded(String),
}

/// Which guardrail kept a churn from beginning.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum ChurnRefusal {
    /// The Swarm's lock is held.
    #[error("{error}")]
    LockHeld {
        /// The error, with the holder.
        error: String,
    },
    /// A service waits for an address, and each address given back could make the allocator lose another one.
    #[error("{error}")]
    ServiceWaits {
        /// The error, with the service.
        error: String,
    },
    /// The peak would leave less than the reserve.
    #[error("{error}")]
    TooFewFree {
        /// The error, with the numbers.
        error: String,
    },
    /// As a facts file of an earlier version has it, which kept the text alone.
    #[error("{0}")]
    Recorded(String),
}

/// At what a churn broke off.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum ChurnFailure {
    /// A call of its own.
    #[error("{error}")]
    Call {
        /// The error.
        error: String,
    },
    /// A census.
    #[error("{error}")]
    Census {
        /// The error.
        error: String,
    },
    /// The deploy of its stacks.
    #[error("{error}")]
    Deploy {
        /// The error.
        error: String,
    },
    /// Taking or releasing the Swarm's lock.
    #[error("{error}")]
    Lock {
        /// The error.
        error: String,
    },
    /// The removal of its stacks.
    #[error("{error}")]
    Removal {
        /// The error.
        error: String,
    },
    /// As a facts file of an earlier version has it, which kept the text alone.
    #[error("{0}")]
    Recorded(String),
}

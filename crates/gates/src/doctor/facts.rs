//! What was seen of an engine and of this machine. No secret is in it.

use std::path::PathBuf;

use jiff::Timestamp;
use pvcheck_audit::NodeState;
use pvcheck_routes::RootsCount;
use pvcheck_swarm::{LockFacts, Standing};
use serde::{Deserialize, Serialize};

use crate::observed::{Observed, Seen};

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DoctorFacts {
    /// The engine's address.
    pub host: String,
    /// The engine's socket, and how long its answer took.
    pub socket: Observed<Reached>,
    /// What the engine says of itself.
    pub standing: Seen<Heard>,
    /// The nodes of the Swarm.
    pub nodes: Seen<Vec<NodeFact>>,
    /// The engine's log.
    pub log: LogFact,
    /// The network namespace of this process.
    pub namespace: Seen<NamespaceFact>,
    /// Whom TLS trusts.
    pub trust: Seen<TrustFact>,
    /// The configuration; `None` if none was named and none is here.
    pub config: Option<ConfigFact>,
    /// The lock of the Swarm.
    pub lock: Seen<LockSeen>,
    /// What runs of pvcheck have left.
    pub leftovers: Seen<Vec<Leftover>>,
}

/// What became of the first call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reached {
    /// The engine answers.
    Answers {
        /// The newest API version that it speaks.
        offered: String,
        /// The version that is spoken with it.
        spoken: String,
    },
    /// There is no socket, or no process listens on it.
    NoSocket {
        /// What the system said.
        reason: String,
    },
    /// This user may not open the socket.
    Denied,
    /// The engine is older than any that pvcheck speaks with.
    TooOld {
        /// The newest API version that it speaks.
        offered: String,
    },
    /// There was no answer, or none of an engine.
    Silent {
        /// The error.
        error: String,
    },
}

/// What an engine said of itself, between two times of this machine's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Heard {
    /// What it said.
    pub standing: Standing,
    /// When it was asked.
    pub asked: Timestamp,
    /// When its answer had come.
    pub answered: Timestamp,
}

/// A node of the Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeFact {
    /// Its host name; its id where it has not told it yet.
    pub name: String,
    /// Its engine's version; empty where it has not told it yet.
    pub engine_version: String,
    /// Whether the leader hears from it.
    pub state: NodeState,
    /// True for the leader.
    pub leader: bool,
    /// True for the node of the engine that was asked.
    pub own: bool,
}

/// The engine's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LogFact {
    /// It could be read.
    Read {
        /// Its name for people.
        source: String,
        /// Records in it since the engine's start, or since `since`.
        records: u64,
        /// The moment from which on the configuration has it judged; `None` for the engine's start.
        #[serde(default)]
        since: Option<Timestamp>,
        /// Whether it has the engine's start, or is not judged from there on.
        has_start: bool,
        /// Why it is no proof that addresses have not run out; `None` if it is one.
        doubt: Option<String>,
    },
    /// Which log it is is not known: of those of several nodes none is known to be the leader's, or the configuration cannot be
    /// read.
    NotChosen {
        /// Why, and what to do.
        why: String,
    },
    /// It could not be read.
    Unreadable {
        /// Why, and what to do.
        error: String,
    },
}

/// The network namespace of this process, beside the engine's bridges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NamespaceFact {
    /// Bridges of the engine that have a network of their own.
    pub bridges: u64,
    /// Of these, the networks on which this namespace has no address.
    pub lacking: Vec<String>,
}

/// Whom TLS trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrustFact {
    /// The file of authorities; `None` for the system's own.
    pub file: Option<PathBuf>,
    /// How many there are, or why that cannot be said.
    pub roots: Result<RootsCount, String>,
}

/// A configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigFact {
    /// Its file.
    pub file: String,
    /// Everything that is wrong with it.
    pub errors: Vec<String>,
    /// How many overlays, services and routes it has.
    pub overlays: u64,
    /// Its services.
    pub services: u64,
    /// Its routes.
    pub routes: u64,
}

/// The lock of the Swarm. A struct, since a bare `null` in a saved file is none that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LockSeen {
    /// It; `None` if the Swarm is not locked.
    pub lock: Option<LockFacts>,
}

/// What a run of pvcheck has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Leftover {
    /// The run.
    pub run: String,
    /// Its parts, such as `service pvcheck-canary-1`.
    pub parts: Vec<String>,
}

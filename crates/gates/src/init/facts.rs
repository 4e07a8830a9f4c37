//! What a configuration is written from, and why none can be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use pvcheck_audit::Snapshot;
use pvcheck_routes::{RootsError, RouteFact};
use pvcheck_swarm::CallError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::ConfigError;

/// What a configuration is written from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitFacts {
    /// The Swarm.
    pub snapshot: Snapshot,
    /// The engine's log.
    pub log: LogSeen,
    /// Where the router is, if that was said.
    pub addresses: Vec<SocketAddr>,
    /// A file of authorities, if one was named.
    pub ca: Option<PathBuf>,
    /// What each declared route answered; `None` if none was asked.
    pub answers: Option<Vec<RouteFact>>,
    /// Why https gave no answer, by the names of the routes that were asked without TLS then.
    #[serde(default)]
    pub without_tls: BTreeMap<String, String>,
}

/// Where the engine's log is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogSeen {
    /// In this file, as was said.
    File(PathBuf),
    /// In the journal of this unit, which has records.
    Unit(String),
    /// It was not found, and why.
    NotFound(String),
}

/// Why no configuration can be written.
#[derive(Debug, Error)]
pub enum InitError {
    /// The Swarm cannot be read.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The authorities cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// There is nothing to be expected.
    #[error(
        "the Swarm has no overlay but ingress, no service and no declared route, so that there is nothing to expect; deploy first"
    )]
    Nothing,
    /// What was written does not read back.
    #[error("what was written does not read back, which is a defect of pvcheck; nothing was saved: {0}")]
    NotReadBack(ConfigError),
}

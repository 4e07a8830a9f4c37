//! The facts about a lab, as printed by `lab up` and `lab list`.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Gate, LabName, Router, World};

/// What a lab is and how to reach it. Index `n` of `hosts`, `namespaces`, `addresses` and `logs` is manager `n`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabInfo {
    /// The lab's name.
    pub name: LabName,
    /// Engine sockets of the managers, `unix://…`.
    pub hosts: Vec<String>,
    /// Network namespaces of the managers, as `ip netns list` shows them.
    pub namespaces: Vec<String>,
    /// Addresses that the managers advertise.
    pub addresses: Vec<String>,
    /// Engines that have joined no Swarm.
    pub spares: Vec<Spare>,
    /// The namespace with the bridge between several engines; None with one engine.
    pub bridge: Option<String>,
    /// The engine that was found.
    pub engine: EngineInfo,
    /// What was started on the Swarm.
    pub world: World,
    /// What routes there, and its version where it is known; None in an empty world.
    #[serde(default)]
    pub router: Option<RouterInfo>,
    /// The certificate authority of the world's router (PEM); None in an empty world.
    pub ca: Option<PathBuf>,
    /// A pvcheck.toml for this world; None in an empty world.
    pub config: Option<PathBuf>,
    /// What the world's router answers when everything runs.
    pub routes: Vec<RouteInfo>,
    /// Log files of the managers' engines; none of a whole host, whose engine writes to the journal.
    pub log: Vec<PathBuf>,
    /// The host, where the lab is a whole one; None in a lab of engines.
    #[serde(default)]
    pub host: Option<HostInfo>,
    /// When the lab was begun.
    pub created: Timestamp,
}

/// A whole host with systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// The gate of the world's router; None in an empty world.
    pub gate: Option<Gate>,
    /// What systemd said of the whole system when the lab was up; None before.
    pub state: Option<SystemState>,
}

/// The state of a system that has booted, as `systemctl is-system-running` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SystemState {
    /// Every unit that was to be started is.
    Running,
    /// At least one unit has failed.
    Degraded,
}

impl fmt::Display for SystemState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Degraded => "degraded",
        })
    }
}

/// An engine that has joined no Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spare {
    /// Its socket, `unix://…`.
    pub host: String,
    /// Its network namespace.
    pub namespace: String,
    /// Its address on the lab's bridge.
    pub address: String,
    /// Its log file.
    pub log: PathBuf,
}

/// Which engine a lab runs. Version and API are unknown until the first engine is up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// The engine's version, as it reports it.
    pub version: Option<String>,
    /// The newest API version that it speaks.
    pub api: Option<String>,
    /// The suite that it was unpacked from; None for an engine found on PATH.
    pub suite: Option<String>,
}

/// The router of a world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterInfo {
    /// Which one.
    pub program: Router,
    /// The version that it reports; None for one that was not asked.
    pub version: Option<String>,
}

/// A route through the world's router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteInfo {
    /// Short name.
    pub name: String,
    /// URL, with a name that only this lab knows.
    pub url: String,
    /// Where to connect to, inside the lab's namespaces: one address for each node that has a router.
    pub addresses: Vec<String>,
    /// HTTP statuses that count as right.
    pub expected: Vec<u16>,
    /// The service whose route it is.
    pub service: String,
}

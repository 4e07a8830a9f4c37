//! Why a check of a renewal has its verdict.

use std::fmt::Display;

use jiff::Timestamp;
use pvcheck_audit::NetworkId;
use pvcheck_ipam::Subnet;
use pvcheck_swarm::RenewalStrategy;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::activation_reason::ActivationReason;
use crate::creation::{Column, ColumnError};
use crate::fault::{list, many};

/// Why a check of a renewal has its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum RenewalReason {
    /// Nothing keeps it from being done.
    #[error("{} to {to} by {}, {} in {}", list(.from, ", "), strategy.as_str(), many(*.services, "service"), many(*.steps, "step"))]
    Planned {
        /// The subnets that the overlay has.
        from: Vec<Subnet>,
        /// The one that it is to have.
        to: Subnet,
        /// How.
        strategy: RenewalStrategy,
        /// Services that are moved.
        services: u64,
        /// Steps in all.
        steps: u64,
    },
    /// Something keeps it from being done.
    #[error("{}", list(.0, "; "))]
    Blocked(Vec<String>),
    /// The plan names every service.
    #[error("{} on {network}, all in the plan", many(*.services, "service"))]
    MembersNamed {
        /// The overlay.
        network: String,
        /// How many there are.
        services: u64,
    },
    /// The plan, the Swarm and the configuration do not name the same services.
    #[error("{}", list(.0, "; "))]
    MembersDiffer(Vec<String>),
    /// Everything was looked at, and nothing is at work.
    #[error("CLEAR; {}", list(.0, "; "))]
    Clear(Vec<String>),
    /// Something is at work, or could not be looked at.
    #[error("BUSY: {}", list(.0, "; "))]
    Busy(Vec<String>),
    /// The declared file has the declared subnet.
    #[error("{at} creates it with {subnet}")]
    Declared {
        /// File and line.
        at: String,
        /// The subnet.
        subnet: Subnet,
    },
    /// The declared file has another one.
    #[error("{at} creates it with {subnet}, but [overlay] subnet is {wanted}; correct one of them")]
    DeclaredDiffers {
        /// File and line.
        at: String,
        /// The subnet there.
        subnet: Subnet,
        /// The configuration's.
        wanted: Subnet,
    },
    /// Files do not say it.
    #[error("{column}: {error}")]
    Column {
        /// Which.
        column: Column,
        /// Why.
        error: ColumnError,
    },
    /// All three columns have the same subnet.
    #[error("declared, deployed and live have {subnet}")]
    ColumnsAgree {
        /// It.
        subnet: Subnet,
    },
    /// Files have another subnet than the network.
    #[error("live has {}, but {}; a network keeps the subnet it was created with", subnets(.live), list(.others, " and "))]
    ColumnsDiffer {
        /// The network's.
        live: Vec<Subnet>,
        /// The columns that differ, each with its subnet and place.
        others: Vec<String>,
    },
    /// The record is of another renewal.
    #[error("the record is not of this renewal: {0}; name another with --record FILE")]
    Foreign(Foreign),
    /// The record does not say how the renewal ended.
    #[error(
        "the record stands at {step} and does not say how the renewal ended: it is under way, another machine ended it, or an earlier version wrote it; name that machine's file with --record FILE"
    )]
    EndNotRecorded {
        /// The step at which it stands.
        step: String,
    },
    /// It ended, and left nothing.
    #[error("ended at {at}; no renewal is under way, and no lock of one is left")]
    Ended {
        /// When.
        at: Timestamp,
    },
    /// It was undone, is under way, or left its lock.
    #[error("{}", list(.0, "; "))]
    NotEnded(Vec<String>),
    /// The overlay is the network that the renewal created.
    #[error("created {}, as network {network}", when(.created.as_ref()))]
    Created {
        /// Its id.
        network: NetworkId,
        /// When, by the Swarm's clocks.
        created: Option<Timestamp>,
    },
    /// Another client created the network that has the name.
    #[error("the overlay is network {network}, and the renewal left {left}: another client created it since")]
    CreatedByOther {
        /// The id now.
        network: NetworkId,
        /// The id that the renewal left.
        left: NetworkId,
    },
    /// Neither network is left.
    #[error("neither the old network {old} nor a holding network is there")]
    Removed {
        /// The old network's id.
        old: NetworkId,
    },
    /// Networks of the renewal are left.
    #[error("still there: {}; see pvcheck resize status and pvcheck sweep", list(.0, ", "))]
    NotRemoved(Vec<String>),
    /// Every spec is as it was.
    #[error("{} as before", many(*.services, "specification"))]
    SpecsKept {
        /// How many.
        services: u64,
    },
    /// Specs are not as they were, or services are gone.
    #[error("not as before: {}", list(.0, ", "))]
    SpecsChanged(Vec<String>),
    /// The unit that creates the overlay.
    #[error("{0}")]
    Activation(Box<ActivationReason>),
}

impl RenewalReason {
    /// File and line, from 1, where it is about one.
    pub(crate) fn place(&self) -> Option<(String, u64)> {
        match self {
            Self::Declared { at, .. } | Self::DeclaredDiffers { at, .. } => place(at),
            Self::Column { error, .. } => error.at().and_then(place),
            // Each is as `declared has 10.10.0.0/24 (swarm.nix:41)`.
            Self::ColumnsDiffer { others, .. } => {
                others.first()?.split_once(" (").and_then(|(_, at)| place(at))
            }
            _ => None,
        }
    }
}

/// File and line of `swarm.nix:41`, with or without what runs it or what it asks for in brackets behind.
fn place(at: &str) -> Option<(String, u64)> {
    let (place, _) = at.split_once(" (").unwrap_or((at.trim_end_matches(')'), ""));
    let (file, line) = place.rsplit_once(':')?;
    Some((file.to_owned(), line.parse().ok()?))
}

/// Of what a record is.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Foreign {
    /// Of another network.
    #[error("it is of network {network}, not of {overlay}")]
    Network {
        /// The record's.
        network: String,
        /// The gate's.
        overlay: String,
    },
    /// Of a renewal to another subnet.
    #[error("it led to {to}, and {declared} is declared")]
    Subnet {
        /// The record's.
        to: Subnet,
        /// The configuration's.
        declared: Subnet,
    },
    /// Of another Swarm.
    #[error("it is of another Swarm")]
    Swarm,
}

fn when(at: Option<&Timestamp>) -> String {
    at.map_or_else(|| "at an unknown time".to_owned(), ToString::to_string)
}

fn subnets(subnets: &[impl Display]) -> String {
    if subnets.is_empty() { "no subnet".to_owned() } else { list(subnets, ", ") }
}

//! What a churn found, and why there was none.

use std::net::Ipv4Addr;

use pvcheck_ipam::{CyclesLeft, LeakRate};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::image::ImageError;
use super::plan::ChurnShape;
use crate::census::{Census, CensusError};
use crate::deploy::DeployError;
use crate::engine::CallError;
use crate::lock::LockError;
use crate::removal::{Left, Order, RemovalError};

/// Counts on the shared network at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChurnCounts {
    /// Addresses held by known owners, load balancers included.
    pub owned: u64,
    /// Tasks of all services on it, in whatever state holds an address.
    pub tasks: u64,
    /// Stacks in the Swarm.
    pub stacks: u64,
    /// Addresses leaked, where a census was taken and complete.
    pub leaked: Option<u64>,
}

/// What a churn found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Churn {
    /// The shared network.
    pub network: String,
    /// How stacks were removed.
    pub order: Order,
    /// What they consisted of.
    #[serde(default)]
    pub shape: ChurnShape,
    /// Stacks per round.
    pub stacks: u32,
    /// Rounds.
    pub rounds: u32,
    /// Stacks deployed and removed in all.
    pub cycles: u64,
    /// Before anything.
    pub baseline: ChurnCounts,
    /// With the last round's stacks running.
    pub deployed: ChurnCounts,
    /// Right after the last removal: what Docker's order leaves running still holds addresses.
    pub removed: ChurnCounts,
    /// When nothing of the run was listed any more.
    #[serde(default)]
    pub pruned: Option<ChurnCounts>,
    /// Addresses lost in between; `null` unless both censuses were complete.
    pub leaked: Option<u64>,
    /// Which.
    pub leaked_addresses: Vec<Ipv4Addr>,
    /// What could not be removed on the way.
    pub errors: Vec<Left>,
    /// What is left of the throwaway stacks.
    pub residue: Vec<Left>,
    /// Stacks of others that came or went meanwhile; with any, leaks may not be ours.
    pub strangers: Vec<String>,
    /// Leaks per cycle; `null` where `leaked` is.
    pub leak_per_cycle: Option<LeakRate>,
    /// Cycles until the pool is used up; `null` where `leaked` is.
    pub cycles_to_exhaustion: Option<CyclesLeft>,
    /// The longest removal of a round.
    pub removal_ms: u64,
    /// The census before.
    pub census_before: Census,
    /// The census after.
    pub census_after: Census,
}

/// Why there was no churn, or none to the end.
#[derive(Debug, Error)]
pub enum ChurnError {
    /// The image cannot be deployed; nothing was touched.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// There is too little room on the network.
    #[error(
        "the churn would need {needed} addresses of {network} and leave {left} of {free} free, less than the reserve of {reserve}; ask for fewer stacks"
    )]
    TooLittleRoom {
        /// The network.
        network: String,
        /// Addresses free by census.
        free: u64,
        /// Addresses needed at the peak.
        needed: u64,
        /// What would be left.
        left: u64,
        /// What must be left.
        reserve: u64,
    },
    /// A census was refused or failed.
    #[error(transparent)]
    Census(#[from] CensusError),
    /// Somebody else holds the Swarm's lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Stacks did not come up.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// Stacks could not be removed.
    #[error(transparent)]
    Removal(#[from] RemovalError),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

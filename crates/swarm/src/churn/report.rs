//! The report of a churn, and its errors.

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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChurnCounts {
    /// Addresses held by known owners, load balancers included.
    pub owned: u64,
    /// Tasks of all services on it that hold an address.
    pub tasks: u64,
    /// Stacks in the Swarm.
    pub stacks: u64,
    /// Leaked addresses; `null` unless a complete census was taken at this moment.
    pub leaked: Option<u64>,
}

/// The result of a churn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Churn {
    /// The shared network.
    pub network: String,
    /// The order in which stacks were removed.
    pub order: Order,
    /// What each stack consisted of.
    #[serde(default)]
    pub shape: ChurnShape,
    /// Stacks per round.
    pub stacks: u32,
    /// Rounds.
    pub rounds: u32,
    /// Stacks deployed and removed in all.
    pub cycles: u64,
    /// Before the first stack.
    pub baseline: ChurnCounts,
    /// With the stacks of the last round running.
    pub deployed: ChurnCounts,
    /// Right after the last removal; after Docker's order, tasks that are still stopping hold addresses here.
    pub removed: ChurnCounts,
    /// After the sweep, when no part of the run is listed any more.
    #[serde(default)]
    pub pruned: Option<ChurnCounts>,
    /// Addresses lost between the censuses; `null` unless both are complete.
    pub leaked: Option<u64>,
    /// The lost addresses, in order.
    pub leaked_addresses: Vec<Ipv4Addr>,
    /// Parts that a round could not remove.
    pub errors: Vec<Left>,
    /// Parts of the throwaway stacks that the sweep could not remove.
    pub residue: Vec<Left>,
    /// Stacks of others that appeared or disappeared meanwhile. With any, the losses may not be the churn's.
    pub strangers: Vec<String>,
    /// Addresses lost per cycle, with bounds; `null` if `leaked` is.
    pub leak_per_cycle: Option<LeakRate>,
    /// Cycles until the network is used up; `null` if `leaked` is.
    pub cycles_to_exhaustion: Option<CyclesLeft>,
    /// The longest removal of a round, in ms.
    pub removal_ms: u64,
    /// The census before.
    pub census_before: Census,
    /// The census after.
    pub census_after: Census,
}

/// Why a churn did not begin, or did not end.
#[derive(Debug, Error)]
pub enum ChurnError {
    /// The image cannot be deployed; nothing was touched.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The peak would leave fewer addresses free than the reserve; nothing was created.
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
    /// Another run holds the Swarm's lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Stacks did not start.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// Stacks could not be removed.
    #[error(transparent)]
    Removal(#[from] RemovalError),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

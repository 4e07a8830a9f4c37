//! Why a census does not settle the matter.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Why a census is not complete, or what its method leaves unsaid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Doubt {
    /// The deadline came before the allocator's ring had gone round.
    TimeUp,
    /// Tasks of the network kept stopping, or moved between nodes.
    TasksMoved,
    /// Nodes lack the load balancer that they should have.
    LoadBalancersMissing {
        /// How many nodes.
        nodes: u64,
    },
    /// No two turns agreed: each found suspects of the one before to be free or owned.
    SuspectsVanish,
    /// Owners came or went between the snapshots around a count.
    OwnersChanged {
        /// The network.
        network: String,
    },
    /// Tasks were stopping while it was counted.
    TasksStopping {
        /// The network.
        network: String,
    },
    /// Nodes may have no load balancer, because no task of theirs has started.
    LoadBalancersUnsure {
        /// The network.
        network: String,
    },
    /// Two owners hold one address, which the count has once.
    TwoHolders {
        /// The address.
        address: Ipv4Addr,
        /// The network.
        network: String,
    },
    /// A failed update freed an address that a service still uses (L3).
    FreedInUse {
        /// The network.
        network: String,
        /// The service.
        service: String,
    },
    /// More addresses are owned than the engine counts as taken.
    CountTooSmall {
        /// The network.
        network: String,
        /// What the engine counts, without the reserved addresses.
        in_use: u64,
        /// What is owned.
        owned: u64,
    },
    /// No two counts were the same.
    CountsDiffer {
        /// The network.
        network: String,
    },
    /// The census is complete, but its method names no address.
    NumberOnly,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeUp => f.write_str("the time was up before the ring had gone round"),
            Self::TasksMoved => {
                f.write_str("tasks of the network kept stopping, or moved between nodes")
            }
            Self::LoadBalancersMissing { nodes } => {
                write!(f, "{nodes} nodes lack the load balancer that they should have")
            }
            Self::SuspectsVanish => {
                f.write_str("each turn took suspects off: somebody else uses the network too much")
            }
            Self::OwnersChanged { network } => {
                write!(f, "owners of {network} came or went while it was counted")
            }
            Self::TasksStopping { network } => {
                write!(f, "tasks of {network} were stopping while it was counted")
            }
            Self::LoadBalancersUnsure { network } => write!(
                f,
                "nodes may lack their load balancer on {network}: no task of theirs there has started"
            ),
            Self::TwoHolders { address, network } => {
                write!(f, "{address} on {network} has two holders, so the count may be too small by one")
            }
            Self::FreedInUse { network, service } => write!(
                f,
                "a failed update freed an address of {network} that service {service} still has, so the count is too small; `pvcheck why {service}` says how to mend it"
            ),
            Self::CountTooSmall { network, in_use, owned } => write!(
                f,
                "the engine counts {in_use} addresses of {network} as taken, and {owned} are owned: some are free and owned at once, or a node lacks its load balancer"
            ),
            Self::CountsDiffer { network } => write!(f, "no two counts of {network} agreed"),
            Self::NumberOnly => f.write_str(
                "a number only: the engine's count names no address, and an address that is free and owned at once makes it too small; the methods bulk and cursor name both",
            ),
        }
    }
}

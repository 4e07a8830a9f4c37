//! Why a census does not settle the matter.

use std::fmt;
use std::net::Ipv4Addr;

use pvcheck_audit::{FullBecause, NodeId, TaskId};
use serde::{Deserialize, Serialize};

use crate::engine::SwarmChange;

/// Why a census is not complete, or what its method leaves unsaid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Doubt {
    /// The deadline came before the allocator's ring had gone round.
    TimeUp,
    /// Tasks of the network kept stopping, or moved between nodes.
    TasksMoved,
    /// The time was up before a second turn could confirm what the first one suspects.
    Unconfirmed,
    /// Another client, or the Swarm itself, made a change that may have moved the ring.
    SwarmChanged {
        /// The first such change.
        change: SwarmChange,
    },
    /// The engine's events did not come in time, so that it is not known what changed meanwhile.
    EventsLate,
    /// It is not known what changed meanwhile: the engine's stream of events ended.
    EventsLost {
        /// What became of the stream.
        why: String,
    },
    /// The leadership moved, and a new leader begins with a new ring.
    LeaderMoved {
        /// The leader before.
        from: Option<NodeId>,
        /// The leader after.
        to: Option<NodeId>,
    },
    /// The network was removed or changed; another one may have its name now.
    NetworkReplaced {
        /// The network.
        network: String,
    },
    /// A snapshot lacks what every snapshot has: a node in charge, and the network's id among the networks.
    PartialSnapshot,
    /// Tasks joined or left the network while it was counted.
    TasksChanged {
        /// The network.
        network: String,
    },
    /// A task waits for an address, and each attempt to serve it moves the ring unseen.
    TaskWaits {
        /// The task.
        task: TaskId,
        /// Its service's name, or the service's id where it is gone.
        service: String,
        /// The network.
        network: String,
    },
    /// Addresses were free in an earlier turn, and have no owner now.
    FreeBefore {
        /// How many addresses.
        addresses: u64,
    },
    /// Free, owned, load balancers and leaked do not make up what is usable.
    PartsDiffer {
        /// Usable addresses.
        usable: u64,
        /// Addresses that were handed out.
        free: u64,
        /// Addresses with an owner.
        owned: u64,
        /// Load balancers without a known address.
        load_balancers: u64,
        /// What is left.
        leaked: u64,
    },
    /// An allocator that gave no address did not show either that it had tried.
    AllocatorSilent,
    /// Tasks of the census that asked for several addresses at once were given none, and free ones were passed over.
    PartlyServed,
    /// Services that the census made are still there although the engine said that it removed them.
    NotRemoved {
        /// Their names.
        services: Vec<String>,
    },
    /// Nodes lack the load balancer that they should have.
    LoadBalancersMissing {
        /// How many nodes.
        nodes: u64,
    },
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
    /// The census is complete without asking for an address, since nothing is free.
    NothingFree {
        /// How that is known.
        because: FullBecause,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeUp => f.write_str("the time was up before the ring had gone round"),
            Self::Unconfirmed => {
                f.write_str("the time was up before a second turn could confirm the first")
            }
            Self::TasksMoved => {
                f.write_str("tasks of the network kept stopping, or moved between nodes")
            }
            Self::LoadBalancersMissing { nodes } => {
                write!(f, "{nodes} nodes lack the load balancer that they should have")
            }
            Self::FreeBefore { addresses } => {
                write!(f, "{addresses} addresses were free while it counted and have no owner now; count again")
            }
            Self::PartsDiffer { usable, free, owned, load_balancers, leaked } => write!(
                f,
                "its parts do not add up: {free} free, {owned} owned, {load_balancers} load balancers elsewhere and {leaked} leaked are not {usable}"
            ),
            Self::AllocatorSilent => f.write_str(
                "the allocator gave no address and did not show that it had tried; count again with a longer --deadline when the leader is less busy",
            ),
            Self::PartlyServed => f.write_str(
                "the time was up before it could ask again for one address at a time, which a network that is nearly full needs",
            ),
            Self::NotRemoved { services } => write!(
                f,
                "the engine said that it removed {}, but lists it still; `pvcheck sweep --apply` removes it",
                services.join(" ")
            ),
            Self::NothingFree { because } => because.fmt(f),
            _ => self.fmt_changes(f),
        }
    }
}

impl Doubt {
    /// True iff another turn cannot remove it.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::EventsLost { .. } | Self::NetworkReplaced { .. } | Self::NotRemoved { .. })
    }

    /// What changed under a count.
    fn fmt_changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwarmChanged { change } => write!(f, "the Swarm changed while it counted ({change})"),
            Self::EventsLate => f.write_str("the engine's events of what changed came late"),
            Self::EventsLost { why } => write!(f, "what changed while it counted is not known: {why}"),
            Self::LeaderMoved { from, to } => {
                let name = |id: &Option<NodeId>| id.as_ref().map_or("none".to_owned(), ToString::to_string);
                write!(f, "the leadership moved while it counted, from {} to {}", name(from), name(to))
            }
            Self::NetworkReplaced { network } => {
                write!(f, "network {network} was removed or replaced while it was counted")
            }
            Self::PartialSnapshot => {
                f.write_str("a snapshot lacks the leader, or the node that answers: it is not whole")
            }
            Self::TasksChanged { network } => {
                write!(f, "tasks joined or left {network} while it was counted")
            }
            Self::TaskWaits { task, service, network } => write!(
                f,
                "task {task} of service {service} waits for an address on {network}; `pvcheck why {service}` says what it lacks"
            ),
            Self::OwnersChanged { network } => {
                write!(f, "owners of {network} came or went while it was counted")
            }
            Self::TasksStopping { network } => {
                write!(f, "tasks of {network} were stopping while it was counted")
            }
            _ => self.fmt_counts(f),
        }
    }

    /// What a count by status leaves open.
    fn fmt_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            // The other kinds have their texts above, so this is the last.
            _ => f.write_str(
                "a number only: the engine's count names no address, and an address that is free and owned at once makes it too small; the methods bulk and cursor name both",
            ),
        }
    }
}

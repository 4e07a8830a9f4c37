//! Why a census does not settle the matter.

use std::net::Ipv4Addr;

use pvcheck_audit::{FullBecause, NodeId, TaskId};
use serde::{Deserialize, Serialize};

use crate::engine::SwarmChange;

/// Why a census is not complete, or what its method leaves unsaid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Doubt {
    /// The deadline came before the allocator's ring had gone round.
    #[error("the time was up before the ring had gone round")]
    TimeUp,
    /// Tasks of the network kept stopping, or moved between nodes.
    #[error("tasks of the network kept stopping, or moved between nodes")]
    TasksMoved,
    /// The time was up before a second turn could confirm what the first one suspects.
    #[error("the time was up before a second turn could confirm the first")]
    Unconfirmed,
    /// Another client, or the Swarm itself, made a change that may have moved the ring.
    #[error("the Swarm changed while it counted ({change})")]
    SwarmChanged {
        /// The first such change.
        change: SwarmChange,
    },
    /// The engine's events did not come in time, so that it is not known what changed meanwhile.
    #[error("the engine's events of what changed came late")]
    EventsLate,
    /// It is not known what changed meanwhile: the engine's stream of events ended.
    #[error("what changed while it counted is not known: {why}")]
    EventsLost {
        /// What became of the stream.
        why: String,
    },
    /// The leadership moved, and a new leader begins with a new ring.
    #[error("the leadership moved while it counted, from {} to {}", node(.from.as_ref()), node(.to.as_ref()))]
    LeaderMoved {
        /// The leader before.
        from: Option<NodeId>,
        /// The leader after.
        to: Option<NodeId>,
    },
    /// The network was removed or changed; another one may have its name now.
    #[error("network {network} was removed or replaced while it was counted")]
    NetworkReplaced {
        /// The network.
        network: String,
    },
    /// A snapshot lacks what every snapshot has: a node in charge, and the network's id among the networks.
    #[error("a snapshot lacks the leader, or the node that answers: it is not whole")]
    PartialSnapshot,
    /// Tasks joined or left the network while it was counted.
    #[error("tasks joined or left {network} while it was counted")]
    TasksChanged {
        /// The network.
        network: String,
    },
    /// A task waits for an address, and each attempt to serve it moves the ring unseen.
    #[error(
        "task {task} of service {service} waits for an address on {network}; `pvcheck why {service}` says what it lacks"
    )]
    TaskWaits {
        /// The task.
        task: TaskId,
        /// Its service's name, or the service's id where it is gone.
        service: String,
        /// The network.
        network: String,
    },
    /// Addresses were free in an earlier turn, and have no owner now.
    #[error("{addresses} addresses were free while it counted and have no owner now; count again")]
    FreeBefore {
        /// How many addresses.
        addresses: u64,
    },
    /// Free, owned, load balancers and leaked do not make up what is usable.
    #[error(
        "its parts do not add up: {free} free, {owned} owned, {load_balancers} load balancers elsewhere and {leaked} leaked are not {usable}"
    )]
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
    #[error(
        "the allocator gave no address and did not show that it had tried; count again with a longer --deadline when the leader is less busy"
    )]
    AllocatorSilent,
    /// Tasks of the census that asked for several addresses at once were given none, and free ones were passed over.
    #[error(
        "the time was up before it could ask again for one address at a time, which a network that is nearly full needs"
    )]
    PartlyServed,
    /// Services that the census made are still there although the engine said that it removed them.
    #[error("the engine said that it removed {}, but lists it still; `pvcheck sweep --apply` removes it", services.join(" "))]
    NotRemoved {
        /// Their names.
        services: Vec<String>,
    },
    /// Nodes lack the load balancer that they should have.
    #[error("{nodes} nodes lack the load balancer that they should have")]
    LoadBalancersMissing {
        /// How many nodes.
        nodes: u64,
    },
    /// Owners came or went between the snapshots around a count.
    #[error("owners of {network} came or went while it was counted")]
    OwnersChanged {
        /// The network.
        network: String,
    },
    /// Tasks were stopping while it was counted.
    #[error("tasks of {network} were stopping while it was counted")]
    TasksStopping {
        /// The network.
        network: String,
    },
    /// Nodes may have no load balancer, because no task of theirs has started.
    #[error("nodes may lack their load balancer on {network}: no task of theirs there has started")]
    LoadBalancersUnsure {
        /// The network.
        network: String,
    },
    /// Two owners hold one address, which the count has once.
    #[error("{address} on {network} has two holders, so the count may be too small by one")]
    TwoHolders {
        /// The address.
        address: Ipv4Addr,
        /// The network.
        network: String,
    },
    /// A failed update freed an address that a service still uses (L3).
    #[error(
        "a failed update freed an address of {network} that service {service} still has, so the count is too small; `pvcheck why {service}` says how to mend it"
    )]
    FreedInUse {
        /// The network.
        network: String,
        /// The service.
        service: String,
    },
    /// More addresses are owned than the engine counts as taken.
    #[error(
        "the engine counts {in_use} addresses of {network} as taken, and {owned} are owned: some are free and owned at once, or a node lacks its load balancer"
    )]
    CountTooSmall {
        /// The network.
        network: String,
        /// What the engine counts, without the reserved addresses.
        in_use: u64,
        /// What is owned.
        owned: u64,
    },
    /// No two counts were the same.
    #[error("no two counts of {network} agreed")]
    CountsDiffer {
        /// The network.
        network: String,
    },
    /// The census is complete, but its method names no address.
    #[error(
        "a number only: the engine's count names no address, and an address that is free and owned at once makes it too small; the methods bulk and cursor name both"
    )]
    NumberOnly,
    /// The census is complete without asking for an address, since nothing is free.
    #[error("{because}")]
    NothingFree {
        /// How that is known.
        because: FullBecause,
    },
}

impl Doubt {
    /// True iff another turn cannot remove it.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::EventsLost { .. } | Self::NetworkReplaced { .. } | Self::NotRemoved { .. })
    }
}

fn node(id: Option<&NodeId>) -> String {
    id.map_or_else(|| "none".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_is_not_there_is_none() {
        let moved = Doubt::LeaderMoved { from: Some(NodeId::new("n1")), to: None };
        assert_eq!(moved.to_string(), "the leadership moved while it counted, from n1 to none");
    }

    #[test]
    fn another_turn_does_not_help_where_the_count_has_lost_its_ground() {
        let network = || "proxy".to_owned();
        for last in [
            Doubt::EventsLost { why: "it ended".into() },
            Doubt::NetworkReplaced { network: network() },
            Doubt::NotRemoved { services: vec!["a".into()] },
        ] {
            assert!(last.is_final(), "{last}");
        }
        for passing in [Doubt::TimeUp, Doubt::EventsLate, Doubt::OwnersChanged { network: network() }] {
            assert!(!passing.is_final(), "{passing}");
        }
    }
}

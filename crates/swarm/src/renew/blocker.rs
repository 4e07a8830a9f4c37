//! What keeps a renewal from being done, and what to do about it.

use std::fmt;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use pvcheck_ipam::{Conflict, PlanError, Subnet};
use serde::{Deserialize, Serialize};

use super::attached::{AddressClash, Attached};
use super::record::Unfinished;
use crate::lock::LockFacts;

/// One reason not to begin. All of them are found at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Blocker {
    /// Swarm has given the network no IPv4 subnet.
    NotAllocated,
    /// The network has several IPv4 subnets, and one is asked for.
    SeveralSubnets {
        /// Them.
        subnets: Vec<Subnet>,
    },
    /// It has this subnet already.
    SameSubnet {
        /// It.
        subnet: Subnet,
    },
    /// What is on the network would not fit into the new subnet.
    TooSmall {
        /// The addresses that it has.
        usable: u64,
        /// Those that are needed.
        needed: u64,
    },
    /// The new subnet overlaps what others have.
    Collision {
        /// It.
        subnet: Subnet,
        /// What it overlaps.
        conflicts: Vec<Conflict>,
    },
    /// No subnet of the size is free.
    NoSubnet {
        /// Why.
        why: String,
    },
    /// The network's ip-range is not in the new subnet.
    RangeOutside {
        /// It.
        range: Subnet,
    },
    /// The network's gateway was chosen, and is not in the new subnet.
    GatewayOutside {
        /// It.
        gateway: Ipv4Addr,
    },
    /// The window is not clear.
    Busy {
        /// One signal of it.
        signal: String,
    },
    /// Another run has the Swarm's lock.
    Locked {
        /// It.
        lock: LockFacts,
        /// The engine's clock.
        now: Timestamp,
    },
    /// A renewal was begun and not finished.
    Unfinished {
        /// It.
        renewal: Unfinished,
    },
    /// The Swarm is not as it was when the plan was saved.
    Drift {
        /// What is different.
        what: Drifted,
    },
    /// A container that was attached by hand is on a node whose engine is not the asked one.
    ContainerElsewhere {
        /// It.
        container: Attached,
    },
    /// A container that was attached by hand on the asked node was not found there.
    ContainerUnread {
        /// It.
        container: Attached,
    },
    /// A container is set to the network and does not run: it would not start again, since it keeps the network's id.
    ContainerStopped {
        /// Its name.
        container: String,
        /// The engine's word for what it does.
        status: String,
    },
    /// A container's address is none that it can have in the new subnet.
    ContainerAddress {
        /// Its name.
        container: String,
        /// Its address.
        address: Ipv4Addr,
        /// The new subnet.
        subnet: Subnet,
        /// Why.
        why: AddressClash,
    },
    /// A service's update or rollback has stopped at a failure.
    Paused {
        /// The service.
        service: String,
    },
    /// A service's update or rollback is under way.
    Updating {
        /// The service.
        service: String,
    },
    /// A service has not as many tasks running as it asks for.
    NotRunning {
        /// The service.
        service: String,
        /// How many run.
        running: u64,
        /// How many it asks for.
        wanted: u64,
    },
    /// A service or a task waits for an address: each change may make it lose others (L2 in docs/leaks.md).
    Waits {
        /// The service.
        service: String,
        /// The network, by its name or id.
        network: String,
    },
    /// A network has too little room for what an update takes.
    NoRoom {
        /// The network.
        network: String,
        /// Addresses that are free; at most, where leaked ones are not known.
        free: u64,
        /// True iff leaked addresses are counted.
        counted: bool,
        /// Addresses that are needed at once.
        needed: u64,
    },
    /// A census could not tell how much room there is.
    RoomUnknown {
        /// The network.
        network: String,
        /// Why.
        why: String,
    },
    /// A job on the network, which an update runs again.
    Job {
        /// Its name.
        service: String,
    },
    /// A service lists the network in the field of old engines, where it cannot be changed by itself.
    OldField {
        /// The service.
        service: String,
    },
    /// A node is down, so its tasks are never seen to leave the network.
    NodeDown {
        /// Its host name.
        node: String,
    },
    /// A service publishes a port through the routing mesh, which is the network to be renewed.
    Publishes {
        /// The service.
        service: String,
    },
    /// The routing mesh cannot be bridged: Swarm has one.
    MeshHasNoBridge,
}

/// A difference between a saved plan and the Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Drifted {
    /// Another network has the name now, or its settings were changed.
    Network,
    /// A service's specification has changed.
    Service {
        /// Its name.
        service: String,
    },
    /// A service has joined the network.
    Joined {
        /// Its name.
        service: String,
    },
    /// A service has left the network, or is gone.
    Left {
        /// Its name.
        service: String,
    },
    /// A container was connected, disconnected, or connected in another way.
    Container {
        /// Its name.
        container: String,
    },
    /// What it would be done by is not what was planned: strategy, subnet, or steps.
    Plan,
}

impl fmt::Display for Blocker {
    #[expect(clippy::too_many_lines, reason = "one text for each kind")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllocated => f.write_str(
                "Swarm has given the network no IPv4 subnet; `pvcheck audit` says why, and a network that nobody is on can simply be removed and created",
            ),
            Self::SeveralSubnets { subnets } => {
                let list: Vec<String> = subnets.iter().map(ToString::to_string).collect();
                write!(f, "the network has several subnets, {}; a renewal gives it one: create it by hand", list.join(" and "))
            }
            Self::SameSubnet { subnet } => write!(f, "the network has {subnet} already: there is nothing to do"),
            Self::TooSmall { usable, needed } => write!(
                f,
                "the new subnet has {usable} usable addresses and what is on the network needs {needed}; choose a wider one"
            ),
            Self::Collision { subnet, conflicts } => {
                let list: Vec<String> = conflicts.iter().map(|c| c.reservation.to_string()).collect();
                write!(f, "{subnet} overlaps {}; `pvcheck plan-subnet --replaces NETWORK` finds one that does not", list.join(" and "))
            }
            Self::NoSubnet { why } => write!(f, "{why}"),
            Self::RangeOutside { range } => {
                write!(f, "the network's ip-range {range} is not in the new subnet; name another with --ip-range")
            }
            Self::GatewayOutside { gateway } => write!(
                f,
                "the network's gateway {gateway} was chosen, and is not in the new subnet; choose a subnet that has it"
            ),
            Self::Busy { signal } => write!(f, "the window is busy: {signal}"),
            Self::Locked { lock, now } => {
                let since = lock.taken.map_or(0, |taken| now.duration_since(taken).as_secs().max(0));
                write!(
                    f,
                    "the Swarm is locked by {} for {}, since {since} s; wait for it, or take the lock over with --break-lock REASON",
                    lock.holder, lock.purpose
                )
            }
            Self::Unfinished { renewal } => write!(
                f,
                "the renewal of {} was begun and not finished; run `pvcheck resize resume` or `pvcheck resize rollback`",
                renewal.network
            ),
            Self::Drift { what } => write!(f, "{what}; plan again"),
            Self::ContainerElsewhere { container: Attached { host, address, .. } } => write!(
                f,
                "a container on {host}{} was attached by hand, and only the engine of that node can connect it again: run this there if it is a manager, or `docker network disconnect` there first and `connect` afterwards",
                with(*address)
            ),
            Self::ContainerUnread { container: Attached { host, address, .. } } => write!(
                f,
                "a container on {host}{} was attached by hand, and its engine does not list it; `docker ps --filter network=NETWORK` there shows which: plan again, or disconnect it first",
                with(*address)
            ),
            Self::ContainerStopped { container, status } => write!(
                f,
                "the container {container} is set to the network and is {status}; it would not start again, since it keeps the id of the network: start it, or `docker network disconnect NETWORK {container}` first"
            ),
            Self::ContainerAddress { container, address, subnet, why } => write!(
                f,
                "the container {container} has {address}, which {} {subnet}, and whether it was chosen the engine does not say; choose a subnet that leaves it, or allow another address with --readdress",
                match why {
                    AddressClash::Outside => "is not in",
                    AddressClash::Reserved => "is a reserved address of",
                }
            ),
            Self::Paused { service } => write!(
                f,
                "the last update of {service} has stopped at a failure; finish it or roll it back first: `pvcheck why {service}`"
            ),
            Self::Updating { service } => write!(f, "{service} is being updated; wait for it"),
            Self::NotRunning { service, running, wanted } => write!(
                f,
                "{service} has {running} of {wanted} tasks running, so nothing would show whether it came back; mend it, or scale it to what runs: `pvcheck why {service}`"
            ),
            Self::Waits { service, network } => write!(
                f,
                "{service} waits for an address of {network}, and may lose others at each change; make room first: `pvcheck why {service}`"
            ),
            Self::NoRoom { network, free, counted, needed } => write!(
                f,
                "{network} has {}{free} free addresses and an update of its services takes {needed} at once; an update that finds none frees a VIP in use (docs/leaks.md, L3): make room there first",
                if *counted { "" } else { "at most " }
            ),
            Self::RoomUnknown { network, why } => {
                write!(f, "how much room {network} has is not known: {why}")
            }
            Self::Job { service } => write!(
                f,
                "{service} is a job: any change of it runs it again; allow that with --rerun-jobs, or remove it first"
            ),
            Self::OldField { service } => write!(
                f,
                "{service} lists the network in the field of old engines, where it cannot be changed by itself; update it once with `docker service update --network-rm … --network-add …`"
            ),
            Self::NodeDown { node } => write!(
                f,
                "node {node} is down and has tasks on the network, which are never seen to leave it; bring it back or remove it"
            ),
            Self::Publishes { service } => write!(
                f,
                "{service} publishes a port through the mesh, which the engine keeps as long as one does; publish it with mode=host for the time, or remove its ports and add them again afterwards"
            ),
            Self::MeshHasNoBridge => f.write_str(
                "a Swarm has one routing mesh, so it is removed and created again: --strategy recreate",
            ),
        }
    }
}

impl fmt::Display for Drifted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network => f.write_str("the network is not the one that was planned for"),
            Self::Service { service } => write!(f, "{service} has been changed since the plan was made"),
            Self::Joined { service } => write!(f, "{service} has joined the network since the plan was made"),
            Self::Left { service } => write!(f, "{service} has left the network since the plan was made"),
            Self::Container { container } => {
                write!(f, "the container {container} was connected in another way since the plan was made")
            }
            Self::Plan => f.write_str("what there is to do has changed since the plan was made"),
        }
    }
}

fn with(address: Option<Ipv4Addr>) -> String {
    address.map_or_else(String::new, |address| format!(" with {address}"))
}

impl From<PlanError> for Blocker {
    fn from(error: PlanError) -> Self {
        Self::NoSubnet { why: error.to_string() }
    }
}

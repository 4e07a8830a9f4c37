//! Tasks that wait on a network, and why.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exhaustion::balancer_patience;
use crate::seen::{Network, NodeId, Task, TaskId, TaskState};
use crate::waiting::{Lack, Rejected, Waiting, has_waited};

/// A task that waits for an address. `Display` says why; JSON has that sentence as `reason`, next to the cause's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "WrittenStuck")]
pub struct Stuck {
    /// Its service's name, or its id if the service is gone.
    pub service: String,
    /// The task.
    pub task: TaskId,
    /// Its observed state.
    pub state: TaskState,
    /// Since when it is in that state.
    pub since: Option<Timestamp>,
    /// Why it waits.
    #[serde(flatten)]
    pub cause: Cause,
}

/// Why a task waits on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// Its node has no load balancer on this network, or on another one of the task: no address was left for it.
    BalancerMissing {
        /// The network, by name.
        network: String,
        /// How the node rejected the task; `None` while the task is still preparing.
        rejection: Option<BalancerRejection>,
    },
    /// The network has no address left.
    NetworkFull {
        /// The network, by name.
        network: String,
    },
    /// The network has no subnet.
    NetworkNotAllocated {
        /// The network, by name.
        network: String,
    },
    /// It lacks an address on several networks, at least one of which is full or not allocated.
    OneOfSeveral {
        /// One of them, by name.
        network: String,
    },
    /// Its service has no virtual address yet.
    VipPending {
        /// The network, by name.
        network: String,
        /// True iff the virtual address is missing on this network; else on another one of the service.
        here: bool,
    },
}

/// A node that rejected a task for want of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BalancerRejection {
    /// The node, if the task names it.
    pub node: Option<NodeId>,
    /// True iff the task is on several networks, so that another one may be the full one.
    pub several_networks: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct WrittenStuck {
    service: String,
    task: TaskId,
    state: TaskState,
    since: Option<Timestamp>,
    reason: String,
    #[serde(flatten)]
    cause: Cause,
}

impl From<Stuck> for WrittenStuck {
    fn from(stuck: Stuck) -> Self {
        let reason = stuck.to_string();
        let Stuck { service, task, state, since, cause } = stuck;
        Self { service, task, state, since, reason, cause }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.service;
        match &self.cause {
            Cause::BalancerMissing { network, rejection: Some(rejection) } => {
                match &rejection.node {
                    Some(node) => write!(f, "node {node}")?,
                    None => f.write_str("its node")?,
                }
                let other = if rejection.several_networks { " or on another network of it" } else { "" };
                write!(f, " got no load-balancer address on {network}{other}, and rejected it")
            }
            Cause::BalancerMissing { network, rejection: None } => write!(
                f,
                "it has been preparing for long, and nothing is free on {network} for its node's load balancer"
            ),
            Cause::NetworkFull { network } => write!(f, "no address of {network} could be given to it"),
            Cause::NetworkNotAllocated { network } => write!(f, "network {network} has no subnet"),
            Cause::OneOfSeveral { network } => {
                write!(f, "it has no address on {network} nor on another network of its service")
            }
            Cause::VipPending { network, here: true } => {
                write!(f, "service {service} has no virtual address on {network} yet")
            }
            Cause::VipPending { here: false, .. } => {
                write!(f, "service {service} has no virtual address on another network yet")
            }
        }
    }
}

/// The tasks that wait on this network: those without an address, those that a node rejected for want of a load balancer,
/// and those that a node will reject.
pub(crate) fn stuck(waiting: &Waiting<'_>, network: &Network) -> Vec<Stuck> {
    // A task on several networks is listed on each: which of them refuses is for `why` to say.
    let without_address =
        waiting.lacks_on(&network.id).map(|lack| entry(waiting, lack.task, cause(waiting, network, lack)));
    let rejected = waiting.rejected_on(&network.id).map(|Rejected { task, on }| {
        let rejection = Some(BalancerRejection { node: task.node.clone(), several_networks: 1 < on.len() });
        entry(waiting, task, Cause::BalancerMissing { network: network.name.clone(), rejection })
    });
    // A large image shows the same state, so preparing for long counts only on a network with nothing left.
    let nothing_left = waiting.full(network).is_some();
    let patience = balancer_patience(network, waiting.owners(network));
    let preparing = waiting
        .preparing_on(&network.id)
        .filter(|t| nothing_left && has_waited(waiting.snapshot, t.since, patience) == Some(true));
    let preparing = preparing.map(|task| {
        entry(waiting, task, Cause::BalancerMissing { network: network.name.clone(), rejection: None })
    });
    without_address.chain(rejected).chain(preparing).collect()
}

fn cause(waiting: &Waiting<'_>, network: &Network, lack: &Lack<'_>) -> Cause {
    let service = lack.service.map(|s| s.name.as_str()).unwrap_or_default();
    let network_name = network.name.clone();
    if !network.is_allocated() {
        return Cause::NetworkNotAllocated { network: network_name };
    }
    // A task waits until its service has all of its addresses (swarmkit `taskReadyForNetworkVote`).
    if waiting.waits(service) {
        let here = waiting.waits_of(service).any(|w| w.network == network.id);
        return Cause::VipPending { network: network_name, here };
    }
    // Addresses are given on all networks of a task or on none, so any one of several may be the one that refuses.
    if 1 < lack.on.len() {
        return Cause::OneOfSeveral { network: network_name };
    }
    Cause::NetworkFull { network: network_name }
}

fn entry(waiting: &Waiting<'_>, task: &Task, cause: Cause) -> Stuck {
    let service = task.service.as_ref().map(|id| waiting.lookup.service_name(id));
    Stuck {
        service: service.unwrap_or_default(),
        task: task.id.clone(),
        state: task.state,
        since: task.since,
        cause,
    }
}

#[cfg(test)]
mod tests;

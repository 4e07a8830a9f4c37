//! Tasks that wait on a network, and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exhaustion::balancer_patience;
use crate::seen::{Network, Snapshot, Task, TaskId, TaskState};
use crate::waiting::{Lack, Waiting, has_waited, overlays_of};

/// A task that waits for an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// Its service's name, or its id where the service is gone.
    pub service: String,
    /// The task.
    pub task: TaskId,
    /// Its observed state.
    pub state: TaskState,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why, in words.
    pub reason: String,
    /// Why, as data.
    pub cause: Cause,
}

/// Why a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The network has no address left.
    NetworkFull,
    /// The network has no subnet.
    NetworkNotAllocated,
    /// It lacks an address on several networks, at least one of which is full or not allocated.
    OneOfSeveral,
    /// Its service has no VIP on this network yet.
    VipPending,
    /// Its node has no load balancer on this network, or on another one of the task: no address was left for it.
    BalancerMissing,
}

/// The tasks that wait on this network.
pub(crate) fn stuck(waiting: &Waiting<'_>, network: &Network) -> Vec<Stuck> {
    let here = waiting.lacks.iter().filter(|l| l.on.iter().any(|n| n.id == network.id));
    let without_address = here.map(|lack| explain(waiting, network, lack));
    let rejected = waiting.without_balancer().filter(|t| is_on(waiting.snapshot, t, network));
    let rejected = rejected.map(|t| {
        let node = t.node.as_ref().map_or_else(|| "its node".into(), |n| format!("node {n}"));
        let several = 1 < overlays_of(waiting.snapshot, t).len();
        let other = if several { " or on another network of it" } else { "" };
        let name = &network.name;
        entry(
            waiting,
            t,
            Cause::BalancerMissing,
            format!("{node} got no load-balancer address on {name}{other}, and rejected it"),
        )
    });
    // A slow image shows the same state, so only a network with nothing left is to blame.
    let nothing_left = waiting.full(network).is_some();
    let preparing = waiting.snapshot.tasks.iter().filter(|t| {
        nothing_left
            && t.state == TaskState::Preparing
            && t.is_wanted()
            && is_on(waiting.snapshot, t, network)
            && has_waited(waiting.snapshot, t.since, balancer_patience(network, waiting.owners(network)))
                == Some(true)
    });
    let preparing = preparing.map(|t| {
        let name = &network.name;
        entry(
            waiting,
            t,
            Cause::BalancerMissing,
            format!(
                "it has been preparing for long, and nothing is free on {name} for its node's load balancer"
            ),
        )
    });
    without_address.chain(rejected).chain(preparing).collect()
}

fn is_on(snapshot: &Snapshot, task: &Task, network: &Network) -> bool {
    overlays_of(snapshot, task).iter().any(|n| n.id == network.id)
}

fn explain(waiting: &Waiting<'_>, network: &Network, lack: &Lack<'_>) -> Stuck {
    let service = lack.service.map(|s| s.name.as_str()).unwrap_or_default();
    let name = &network.name;
    let (cause, reason) = if !network.is_allocated() {
        (Cause::NetworkNotAllocated, format!("network {name} has no subnet"))
    } else if waiting.waits.iter().any(|w| w.service == service && w.network == network.id) {
        (Cause::VipPending, format!("service {service} has no virtual address on {name} yet"))
    } else if waiting.waits(service) {
        (Cause::VipPending, format!("service {service} has no virtual address on another network yet"))
    } else if 1 < lack.on.len() {
        // Addresses are given on all networks of a task or on none, so one of several is to blame.
        (Cause::OneOfSeveral, format!("it has no address on {name} nor on another network of its service"))
    } else {
        (Cause::NetworkFull, format!("no address of {name} could be given to it"))
    };
    entry(waiting, lack.task, cause, reason)
}

fn entry(waiting: &Waiting<'_>, task: &Task, cause: Cause, reason: String) -> Stuck {
    let service = task.service.as_ref();
    let service =
        service.map(|id| waiting.snapshot.service(id).map_or_else(|| id.to_string(), |s| s.name.clone()));
    Stuck {
        service: service.unwrap_or_default(),
        task: task.id.clone(),
        state: task.state,
        since: task.since,
        reason,
        cause,
    }
}

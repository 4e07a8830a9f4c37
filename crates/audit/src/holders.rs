//! A network's owners, summed up: by service, by node, and by address where two have the same.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::owners::{Owner, OwnerKind, Owners};
use crate::seen::{Lookup, NetworkId, NodeId, NodeState, Task, TaskId};

/// What one service holds of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Holder {
    /// Its name, or its id if it is removed and its tasks are still stopping.
    pub service: String,
    /// The stack that it belongs to.
    pub stack: Option<String>,
    /// Its virtual addresses: 0 or 1, unless something went wrong.
    pub vips: u64,
    /// Addresses of its tasks.
    pub tasks: u64,
    /// Those of its tasks that are stopping: their addresses come back by themselves.
    pub stopping: u64,
}

impl Holder {
    /// All addresses that it holds here.
    pub fn total(&self) -> u64 {
        self.vips + self.tasks
    }
}

/// What is held on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeShare {
    /// The node.
    pub node: NodeId,
    /// Its host name, if it is in the list of nodes.
    pub hostname: Option<String>,
    /// True iff it is down: what its tasks hold stays taken until it comes back, is removed, or 24 h have passed
    /// (swarmkit `dispatcher.go`, `defaultNodeDownPeriod`).
    pub down: bool,
    /// Addresses of services' tasks.
    pub tasks: u64,
    /// Addresses of standalone containers.
    pub attachments: u64,
    /// Load balancers: 0 or 1.
    pub load_balancers: u64,
}

/// An address with more than one holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Duplicate {
    /// The address.
    pub address: Ipv4Addr,
    /// All its holders.
    pub holders: Vec<Owner>,
}

/// What each service holds, largest first, then by name.
pub(crate) fn holders(lookup: &Lookup<'_>, owners: &Owners) -> Vec<Holder> {
    let mut by_name: HashMap<&str, Holder> = HashMap::new();
    for owner in owners.named.iter().filter(|o| o.kind != OwnerKind::Attachment) {
        // A load balancer that has been named has no service either.
        let Some(name) = owner.service.as_deref() else { continue };
        let holder = by_name.entry(name).or_insert_with(|| Holder {
            service: name.to_owned(),
            stack: lookup.service_named(name).and_then(|s| s.stack.clone()),
            vips: 0,
            tasks: 0,
            stopping: 0,
        });
        if owner.kind == OwnerKind::Vip {
            holder.vips += 1;
        } else {
            holder.tasks += 1;
            let task = owner.task.as_ref().and_then(|id| lookup.task(id));
            holder.stopping += u64::from(task.is_some_and(Task::is_stopping));
        }
    }
    let mut holders: Vec<Holder> = by_name.into_values().collect();
    holders.sort_by(|a, b| b.total().cmp(&a.total()).then_with(|| a.service.cmp(&b.service)));
    holders
}

/// What is held on each node, by host name.
pub(crate) fn shares(lookup: &Lookup<'_>, owners: &Owners) -> Vec<NodeShare> {
    let mut by_node: BTreeMap<&NodeId, NodeShare> = BTreeMap::new();
    let mut share = |node, add: fn(&mut NodeShare)| {
        add(by_node.entry(node).or_insert_with(|| empty_share(lookup, node)));
    };
    for owner in &owners.named {
        let Some(node) = &owner.node else { continue };
        match owner.kind {
            OwnerKind::Attachment => share(node, |s| s.attachments += 1),
            OwnerKind::LoadBalancer => share(node, |s| s.load_balancers += 1),
            // A virtual address is on no node, so this is a task.
            OwnerKind::Task | OwnerKind::Vip => share(node, |s| s.tasks += 1),
        }
    }
    for node in &owners.load_balancers {
        share(node, |s| s.load_balancers += 1);
    }
    let mut shares: Vec<NodeShare> = by_node.into_values().collect();
    shares.sort_by(|a, b| (&a.hostname, &a.node).cmp(&(&b.hostname, &b.node)));
    shares
}

fn empty_share(lookup: &Lookup<'_>, id: &NodeId) -> NodeShare {
    let node = lookup.node(id);
    NodeShare {
        node: id.clone(),
        hostname: node.map(|n| n.hostname.clone()),
        down: node.is_some_and(|n| n.state == NodeState::Down),
        tasks: 0,
        attachments: 0,
        load_balancers: 0,
    }
}

/// Every address with more than one holder, by address.
pub(crate) fn duplicates(owners: &Owners) -> Vec<Duplicate> {
    let of = |address: Ipv4Addr| owners.named.iter().filter(move |o| o.address == address).cloned().collect();
    owners.duplicates().into_iter().map(|address| Duplicate { address, holders: of(address) }).collect()
}

/// Tasks that have ended and still list an address of this network, which they hold no more.
pub(crate) fn ended_tasks(lookup: &Lookup<'_>, network: &NetworkId) -> u64 {
    let lists = |t: &&&Task| t.addresses_on(network).next().is_some();
    lookup.tasks_on(network).iter().filter(|t| !t.state.holds_addresses()).filter(lists).count() as u64
}

/// A holder in a few words.
pub(crate) fn named(owner: &Owner) -> String {
    let service = owner.service.as_deref().unwrap_or("?");
    let task = owner.task.as_ref().map_or("?", TaskId::as_str);
    match owner.kind {
        OwnerKind::Vip => format!("the virtual address of {service}"),
        OwnerKind::Task => format!("task {task} of {service}"),
        OwnerKind::Attachment => format!("the standalone container of task {task}"),
        OwnerKind::LoadBalancer => {
            format!("the load balancer of node {}", owner.node.as_ref().map_or("?", NodeId::as_str))
        }
    }
}

#[cfg(test)]
mod tests;

//! Who holds which address of a network, as far as the API can name it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::seen::{Lookup, Network, NetworkId, NodeId, Runtime, Snapshot, TaskId, TaskState};

/// What an address is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OwnerKind {
    /// A standalone container on an attachable network.
    Attachment,
    /// A node's load-balancer endpoint.
    LoadBalancer,
    /// A service's task.
    Task,
    /// A service's virtual address.
    Vip,
}

impl OwnerKind {
    /// Its name as JSON and evidence write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Attachment => "attachment",
            Self::LoadBalancer => "load_balancer",
            Self::Task => "task",
            Self::Vip => "vip",
        }
    }
}

/// One holder of one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Owner {
    /// The address.
    pub address: Ipv4Addr,
    /// What it is held for.
    pub kind: OwnerKind,
    /// The service's name, for a VIP and a task.
    pub service: Option<String>,
    /// The task, for a task and an attachment.
    pub task: Option<TaskId>,
    /// The node, for a task on one and for a load balancer.
    pub node: Option<NodeId>,
    /// The task's observed state.
    pub state: Option<TaskState>,
}

/// All holders on one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Owners {
    /// The holders whose address is known, by address.
    pub named: Vec<Owner>,
    /// Nodes that hold one load-balancer address each which no call to a manager names
    /// (it lives in raft's `Node.Attachments`; only the node itself shows it).
    pub load_balancers: BTreeSet<NodeId>,
}

impl Owners {
    /// The addresses whose holders are known.
    pub fn addresses(&self) -> BTreeSet<Ipv4Addr> {
        self.named.iter().map(|o| o.address).collect()
    }

    /// How many holders of a kind there are, unnamed load balancers included.
    pub fn count(&self, kind: OwnerKind) -> u64 {
        let named = self.named.iter().filter(|o| o.kind == kind).count() as u64;
        if kind == OwnerKind::LoadBalancer { named + self.load_balancers.len() as u64 } else { named }
    }

    /// Addresses in use as far as owners can be counted: distinct named ones and one per unnamed load balancer.
    pub fn total(&self) -> u64 {
        self.addresses().len() as u64 + self.load_balancers.len() as u64
    }

    /// Addresses that more than one holder has: the mark of a VIP freed while in use (L3 in the docs).
    pub fn duplicates(&self) -> Vec<Ipv4Addr> {
        let mut holders: BTreeMap<Ipv4Addr, u32> = BTreeMap::new();
        for owner in &self.named {
            *holders.entry(owner.address).or_default() += 1;
        }
        holders.into_iter().filter(|(_, n)| 1 < *n).map(|(address, _)| address).collect()
    }

    /// Moves a node's load balancer from the unnamed to the named, once its address is known from the node itself.
    pub fn name_load_balancer(&mut self, node: &NodeId, address: Ipv4Addr) {
        if self.load_balancers.remove(node) {
            let owner = Owner {
                address,
                kind: OwnerKind::LoadBalancer,
                service: None,
                task: None,
                node: Some(node.clone()),
                state: None,
            };
            self.named.push(owner);
            self.named.sort_by_key(|o| (o.address, o.kind));
        }
    }
}

/// Who holds what on this network.
///
/// Counted are: VIPs with an address; tasks and attachments whose *observed* state is up to running, wherever they are
/// and whatever their desired state; one load balancer per node that has such a task there (engines from 18.09 on,
/// swarmkit `getNodeNetworks`), and on `ingress` one per node in the store, even an idle one.
pub fn owners(snapshot: &Snapshot, network: &Network) -> Owners {
    owners_among(snapshot, &snapshot.lookup(), network)
}

/// The same, for one of many networks.
pub(crate) fn owners_among(snapshot: &Snapshot, lookup: &Lookup<'_>, network: &Network) -> Owners {
    let mut named = vips(lookup, &network.id);
    let mut load_balancers = BTreeSet::new();
    // On `ingress` every node gets a load balancer when it joins, idle, down and drained ones too (swarmkit
    // `manager/allocator/network.go`, `getNodeNetworks`).
    if network.ingress {
        load_balancers.extend(snapshot.nodes.iter().map(|n| n.id.clone()));
    }
    // The observed state decides, not the desired one: an address is given back when the task has ended
    // (swarmkit `manager/allocator/network.go`), and a task that has ended still lists what it had.
    for task in lookup.tasks_on(&network.id).iter().filter(|t| t.state.holds_addresses()) {
        // From 18.09 on a node gets one with its first task there and keeps it until the last has ended.
        load_balancers.extend(task.node.clone());
        named.extend(task.addresses_on(&network.id).map(|address| Owner {
            address,
            kind: match task.runtime {
                Runtime::Attachment => OwnerKind::Attachment,
                Runtime::Container => OwnerKind::Task,
            },
            service: task.service.as_ref().map(|id| lookup.service_name(id)),
            task: Some(task.id.clone()),
            node: task.node.clone(),
            state: Some(task.state),
        }));
    }
    named.sort_by_key(|o| (o.address, o.kind));
    Owners { named, load_balancers }
}

fn vips(lookup: &Lookup<'_>, network: &NetworkId) -> Vec<Owner> {
    let owner = |(service, address): &(&crate::seen::Service, Ipv4Addr)| Owner {
        address: *address,
        kind: OwnerKind::Vip,
        service: Some(service.name.clone()),
        task: None,
        node: None,
        state: None,
    };
    lookup.vips_on(network).iter().map(owner).collect()
}

#[cfg(test)]
mod tests;

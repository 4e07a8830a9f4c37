//! The nodes' load balancers: one address per node and network that a live task of the node is on (lazy since
//! 18.09, swarmkit PR 2725), and one on the ingress network for every node.

use std::net::Ipv4Addr;

use crate::id::{NetworkId, NodeId, TaskId};
use crate::model::Model;
use crate::state::TaskState;

impl Model {
    /// Counts a task on its node's networks, once it has both a node and addresses.
    pub(crate) fn count_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let Some(node) = task.node.clone() else { return };
        let allocated = TaskState::Pending <= task.state && task.state.is_live();
        // A task is counted once, when it has both a node and addresses; for tasks of global services the node
        // comes first, for all others the addresses.
        if task.counted || !allocated {
            return;
        }
        task.counted = true;
        for attachment in &task.attachments {
            *self.node_uses.entry((node.clone(), attachment.network.clone())).or_default() += 1;
        }
        if let Some(node) = self.nodes.get_mut(&node) {
            node.load += 1;
        }
        self.sync_node(&node);
    }

    pub(crate) fn uncount_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let Some(node) = task.node.clone() else { return };
        if !std::mem::take(&mut task.counted) {
            return;
        }
        if let Some(node) = self.nodes.get_mut(&node) {
            node.load = node.load.saturating_sub(1);
        }
        for attachment in &task.attachments {
            let key = (node.clone(), attachment.network.clone());
            if let Some(uses) = self.node_uses.get_mut(&key) {
                *uses -= 1;
                if *uses == 0 {
                    self.node_uses.remove(&key);
                }
            }
        }
        self.drop_stale_networks();
    }

    /// `allocateNode`: gives the node what it lacks, takes what it no longer needs.
    pub(crate) fn sync_node(&mut self, id: &NodeId) {
        let wanted = self.node_networks(id);
        let Some(node) = self.nodes.get(id) else { return };
        let old = node.balancers.clone();
        // New addresses before old ones are released, as in `allocateNode`: a full network does not become free
        // for the node itself.
        for network in &wanted {
            let has = |addr: &Option<Ipv4Addr>| addr.is_some_and(|addr| self.allocator.holds(network, addr));
            if old.get(network).is_some_and(has) {
                continue;
            }
            // A failure is not queued for a retry. It is tried again when a task of the node changes
            // (`allocateNode` says so in a TODO).
            let result = self.allocator.allocate_address(network);
            if let Err(error) = &result {
                let msg = format!("Failed to allocate network resources for node {id}");
                self.log_error(&msg, Some(&error.to_string()));
            }
            self.set_balancer(id, network, result.ok());
        }
        // Released only where no live task of the node is on the network any more.
        for (network, addr) in old.iter().filter(|(network, _)| !wanted.contains(network)) {
            if let Some(addr) = addr {
                self.allocator.release_address(network, *addr);
            }
            if let Some(node) = self.nodes.get_mut(id) {
                node.balancers.remove(network);
            }
        }
    }

    pub(crate) fn sync_all_nodes(&mut self) {
        let ids: Vec<NodeId> = self.nodes.keys().cloned().collect();
        for id in ids {
            self.sync_node(&id);
        }
    }

    /// Networks that the node needs a load balancer on; networks that are gone are among them while a task of
    /// the node still stops, which is the trace that L1 leaves in the log.
    pub(crate) fn node_networks(&self, id: &NodeId) -> Vec<NetworkId> {
        let ingress = self.ingress().filter(|ingress| self.allocator.pools.contains_key(ingress));
        let first = (id.clone(), NetworkId::new(String::new()));
        let uses = self.node_uses.range(first..).map(|(key, _)| key).take_while(|(node, _)| node == id);
        let used =
            uses.map(|(_, network)| network.clone()).filter(|network| ingress.as_ref() != Some(network));
        ingress.clone().into_iter().chain(used).collect()
    }

    /// `deallocateNodeAttachments`: what happens on every node when a network is removed. Returns the nodes that
    /// had a place on it.
    pub(crate) fn drop_balancers(&mut self, network: &NetworkId) -> Vec<NodeId> {
        let (mut had, mut missing) = (Vec::new(), Vec::new());
        for (id, node) in &mut self.nodes {
            match node.balancers.remove(network) {
                Some(addr) => {
                    had.push(id.clone());
                    if let Some(addr) = addr {
                        self.allocator.release_address(network, addr);
                    }
                }
                None => missing.push(id.clone()),
            }
        }
        for node in missing {
            self.log_error(&format!("Failed to find network {network} on node {node}"), None);
        }
        had
    }

    /// True iff the node has its load balancer on all networks of the task.
    pub(crate) fn has_balancers(&self, id: &TaskId) -> bool {
        let Some(task) = self.tasks.get(id) else { return true };
        let Some(node) = task.node.as_ref().and_then(|node| self.nodes.get(node)) else { return true };
        let has = |network: &NetworkId| node.balancers.get(network).is_some_and(Option::is_some);
        task.attachments
            .iter()
            .all(|attachment| has(&attachment.network) || !self.networks.contains_key(&attachment.network))
    }

    fn set_balancer(&mut self, node: &NodeId, network: &NetworkId, addr: Option<Ipv4Addr>) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.balancers.insert(network.clone(), addr);
        }
    }

    /// This node forgets its copies of removed networks that no task of it uses any more.
    fn drop_stale_networks(&mut self) {
        let local = self.cluster.local.clone();
        let uses = &self.node_uses;
        self.stale_networks.retain(|network, _| uses.contains_key(&(local.clone(), network.clone())));
    }
}

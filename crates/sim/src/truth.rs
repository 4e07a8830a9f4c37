//! Ground truth: which address has which owner, and what is leaked. No engine reports this; tests compare with it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use pvcheck_ipam::Subnet;
use serde::{Deserialize, Serialize};

use crate::id::NetworkId;
use crate::model::Model;
use crate::object::Network;

/// Who owns an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerKind {
    /// A container that was attached by hand.
    Attachment,
    /// A node's load balancer.
    LoadBalancer,
    /// A task of a service.
    Task,
    /// A service.
    Vip,
}

/// An address and its owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The address.
    pub addr: Ipv4Addr,
    /// What kind of owner.
    pub kind: OwnerKind,
    /// The owner's id: of the service, task or node.
    pub id: String,
}

/// The state of one network's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkTruth {
    /// Id of the network.
    pub id: NetworkId,
    /// Name of the network.
    pub name: String,
    /// Its subnet; `None` while it is unallocated.
    pub subnet: Option<Subnet>,
    /// Addresses that the allocator counts as used, with network, broadcast and gateway; `None` while the
    /// network is unallocated.
    pub in_use: Option<u64>,
    /// Addresses that can be handed out; `None` while the network is unallocated.
    pub free: Option<u64>,
    /// Every owner, by address.
    pub owners: Vec<Owner>,
    /// Addresses that the allocator holds and that have no owner, ascending.
    pub leaked: Vec<Ipv4Addr>,
    /// Addresses with more than one owner, ascending.
    pub duplicates: Vec<Ipv4Addr>,
    /// Addresses that have an owner and that the allocator does not hold, ascending: it will hand them out again.
    pub lost: Vec<Ipv4Addr>,
}

/// How many addresses of a network there are of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Addresses that have an owner; one with two owners counts twice.
    pub owned: u64,
    /// Addresses that the allocator holds beyond those.
    pub leaked: u64,
    /// Addresses that can be handed out.
    pub free: u64,
}

/// The state of all swarm networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// By order of creation.
    pub networks: Vec<NetworkTruth>,
    /// Updates that released live VIPs because another network was full (L3).
    pub failed_updates: u64,
    /// Live tasks that a new leader did not restore, because one of their networks was gone or an address
    /// taken: the addresses that they still use can be handed out again.
    pub unrestored_tasks: u64,
}

impl Truth {
    /// The network of this name or id.
    pub fn network(&self, term: &str) -> Option<&NetworkTruth> {
        self.networks.iter().find(|network| network.name == term || network.id.as_str() == term)
    }

    /// The leaked addresses of the network of this name or id; `None` if there is no such network.
    pub fn leaked(&self, term: &str) -> Option<&[Ipv4Addr]> {
        self.network(term).map(|network| network.leaked.as_slice())
    }
}

impl Model {
    /// The owner of every address at this moment, and what is leaked.
    pub fn truth(&self) -> Truth {
        let mut owners = self.owners();
        let mut networks: Vec<&Network> = self.networks.values().collect();
        networks.sort_by_key(|network| network.meta.seq);
        let networks = networks.into_iter().map(|network| {
            let owners = owners.remove(&network.id).unwrap_or_default();
            self.network_truth(network, owners)
        });
        Truth {
            networks: networks.collect(),
            failed_updates: self.failed_updates,
            unrestored_tasks: self.unrestored_tasks,
        }
    }

    /// The numbers of the network of this name or id, without the addresses of [`Model::truth`]; `None` if there is no
    /// such network, or while it is unallocated. No address has two owners or is lost unless an update has failed (L3).
    pub fn tally(&self, term: &str) -> Option<Tally> {
        let network = self.network_id(term).ok()?;
        let pool = self.allocator.pools.get(&network)?;
        let owned = self.owners().remove(&network).unwrap_or_default().len() as u64;
        let leaked = (pool.held.len() as u64).saturating_sub(owned);
        Some(Tally { owned, leaked, free: pool.ring.free() })
    }

    fn network_truth(&self, network: &Network, mut owners: Vec<Owner>) -> NetworkTruth {
        // By address, so that two owners of one address are neighbours.
        owners.sort();
        let owned: BTreeSet<Ipv4Addr> = owners.iter().map(|owner| owner.addr).collect();
        let pool = self.allocator.pools.get(&network.id);
        let held = pool.map(|pool| pool.held.clone()).unwrap_or_default();
        let twice = owners.windows(2).filter(|pair| pair[0].addr == pair[1].addr).map(|pair| pair[0].addr);
        let duplicates: BTreeSet<Ipv4Addr> = twice.collect();
        NetworkTruth {
            id: network.id.clone(),
            name: network.request.name.clone(),
            subnet: network.state.as_ref().map(|state| state.subnet),
            in_use: pool.map(|pool| pool.ring.in_use()),
            free: pool.map(|pool| pool.ring.free()),
            leaked: held.difference(&owned).copied().collect(),
            lost: owned.difference(&held).copied().collect(),
            duplicates: duplicates.into_iter().collect(),
            owners,
        }
    }

    fn owners(&self) -> BTreeMap<NetworkId, Vec<Owner>> {
        let mut owners: BTreeMap<NetworkId, Vec<Owner>> = BTreeMap::new();
        let mut add = |network: &NetworkId, addr: Ipv4Addr, kind: OwnerKind, id: &str| {
            owners.entry(network.clone()).or_default().push(Owner { addr, kind, id: id.to_owned() });
        };
        for service in self.services.values() {
            for vip in &service.vips {
                if let Some(addr) = vip.addr {
                    add(&vip.network, addr, OwnerKind::Vip, service.id.as_str());
                }
            }
        }
        // By observed state: ended tasks keep showing addresses that they no longer hold.
        for task in self.tasks.values().filter(|task| task.state.is_live()) {
            let kind = if task.service().is_some() { OwnerKind::Task } else { OwnerKind::Attachment };
            for attachment in &task.attachments {
                add(&attachment.network, attachment.addr, kind, task.id.as_str());
            }
        }
        for node in self.nodes.values() {
            for (network, addr) in &node.balancers {
                if let Some(addr) = addr {
                    add(network, *addr, OwnerKind::LoadBalancer, node.id.as_str());
                }
            }
        }
        owners
    }
}

//! Services and tasks that wait for an address.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::seen::{EndpointMode, Network, NetworkId, Service, Snapshot, TaskId, TaskState};

/// A service that lacks its virtual address on one of its networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VipWait {
    /// The service's name.
    pub service: String,
    /// The network on which it waits.
    pub network: NetworkId,
    /// That network's name, if it is in the list.
    pub network_name: Option<String>,
    /// False iff that network itself has no subnet yet, so that nothing on it can be given.
    pub network_allocated: bool,
    /// True iff it waits on no other network: then this one refuses. Addresses are given on all networks of a
    /// service or on none (cnmallocator `AllocateService`), so one that waits on several has been refused by at least one.
    pub only_here: bool,
}

/// Every VIP service that lacks an address, once per network that it lacks one on.
///
/// While there is one, each attempt of the allocator to serve it may lose addresses on its *other* networks (L2 in the
/// docs), and an attempt follows every address that is given back. So no census and no churn may run then.
pub fn waiting_services(snapshot: &Snapshot) -> Vec<VipWait> {
    waits_among(&snapshot.services, &snapshot.networks)
}

/// The same as [`waiting_services`], for these services on these networks.
pub fn waits_among(services: &[Service], networks: &[Network]) -> Vec<VipWait> {
    let by_id = networks.iter().map(|n| (&n.id, n)).collect();
    let ingress = networks.iter().find(|n| n.ingress);
    services.iter().flat_map(|service| waits_of(service, &by_id, ingress)).collect()
}

/// True iff the service publishes through the routing mesh and there is no network for it. The allocator refuses such a
/// service before it asks for any address (swarmkit `manager/allocator/network.go`, `allocateService`), so that what it
/// and its tasks wait for says nothing of their networks.
pub(crate) fn lacks_mesh(service: &Service, ingress: Option<&Network>) -> bool {
    service.publishes_ingress && service.endpoint == EndpointMode::Vip && ingress.is_none()
}

fn waits_of(
    service: &Service,
    networks: &HashMap<&NetworkId, &Network>,
    ingress: Option<&Network>,
) -> Vec<VipWait> {
    // dnsrr has no virtual address at all; one from before is freed on the switch to it.
    if service.endpoint == EndpointMode::Dnsrr {
        return Vec::new();
    }
    // A port in ingress mode costs an address of the mesh as well (swarmkit `IsIngressNetworkNeeded`).
    let mesh = ingress.filter(|_| service.publishes_ingress).map(|n| &n.id);
    let wanted = service.networks.iter().chain(mesh);
    let without_vip = |id: &&NetworkId| {
        // A node-local network (`host`, a bridge) gives no VIP.
        networks.get(id).is_none_or(|n| n.is_overlay())
            && !service.vips.iter().any(|v| v.network == **id && v.is_given())
    };
    let lacking: Vec<_> = wanted.filter(without_vip).collect();
    lacking
        .iter()
        .map(|id| {
            let network = networks.get(id);
            VipWait {
                service: service.name.clone(),
                network: (*id).clone(),
                network_name: network.map(|n| n.name.clone()),
                network_allocated: network.is_some_and(|n| n.is_allocated()),
                only_here: lacking.len() == 1 && !lacks_mesh(service, ingress),
            }
        })
        .collect()
}

/// Tasks that may wait for an address on this network or, having it as one of several, on another: the name of the
/// service (empty for a standalone container) and the task.
///
/// The allocator gives a task an address on all of its networks or on none, and what it has taken before the one that
/// refuses it gives back; it tries again with every commit of the store (swarmkit `manager/allocator/network.go`,
/// `procTasksNetwork`). So such a task takes and gives back an address of this network at each attempt, which no list
/// and no event shows.
pub fn waiting_tasks(snapshot: &Snapshot, network: &NetworkId) -> Vec<(String, TaskId)> {
    // Whatever is desired of it: the allocator goes by the observed state alone.
    let waiting: Vec<_> = snapshot.tasks.iter().filter(|t| t.state == TaskState::New).collect();
    // Most often there is none.
    if waiting.is_empty() {
        return Vec::new();
    }
    let lookup = snapshot.lookup();
    let on_mesh = snapshot.networks.iter().any(|n| n.ingress && n.id == *network);
    let named = waiting.into_iter().filter_map(|task| {
        let Some(id) = &task.service else {
            return task.is_attached_to(network).then(|| (String::new(), task.id.clone()));
        };
        // Without its service a task is not served at all (`allocateTask`).
        let service = lookup.service(id)?;
        let wants = service.networks.contains(network) || (service.publishes_ingress && on_mesh);
        // One that is no longer wanted may be of an earlier specification, on networks that no list shows.
        (wants || !task.is_wanted()).then(|| (service.name.clone(), task.id.clone()))
    });
    named.collect()
}

#[cfg(test)]
mod tests;

//! Services and tasks that wait for an address.

use serde::{Deserialize, Serialize};

use crate::seen::{EndpointMode, Network, NetworkId, Service, Snapshot, Task, TaskId, TaskState};

/// A VIP service that has no address on a network of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipWait {
    /// The service's name.
    pub service: String,
    /// The network on which it waits.
    pub network: NetworkId,
    /// That network's name, if it is in the list.
    pub network_name: Option<String>,
    /// False iff that network itself has no subnet yet, so that nothing on it can be given.
    pub network_allocated: bool,
    /// True iff it waits on no other network: then this one is to blame. Addresses are given on all networks of a
    /// service or on none (cnmallocator `AllocateService`), so one that waits on several has been refused by at least one.
    pub only_here: bool,
}

/// Every VIP service that lacks an address, once per network that it lacks one on.
///
/// While there is one, each attempt of the allocator to serve it may lose addresses on its *other* networks (L2 in the
/// docs), and an attempt follows every address that anybody gives back. So no census and no churn may run then.
pub fn waiting_services(snapshot: &Snapshot) -> Vec<VipWait> {
    waits_among(&snapshot.services, &snapshot.networks)
}

/// The same, of these services on these networks.
pub fn waits_among(services: &[Service], networks: &[Network]) -> Vec<VipWait> {
    services.iter().flat_map(|service| waits_of(service, networks)).collect()
}

fn waits_of(service: &Service, networks: &[Network]) -> Vec<VipWait> {
    if service.endpoint == EndpointMode::Dnsrr {
        return Vec::new();
    }
    let ingress = networks.iter().find(|n| n.ingress && service.publishes_ingress).map(|n| &n.id);
    let wanted = service.networks.iter().chain(ingress);
    let without_vip = |id: &&NetworkId| {
        let network = networks.iter().find(|n| n.id == **id);
        // A node-local network (`host`, a bridge) gives no VIP.
        network.is_none_or(Network::is_overlay)
            && !service.vips.iter().any(|v| v.network == **id && v.address.is_some())
    };
    let lacking: Vec<_> = wanted.filter(without_vip).collect();
    lacking
        .iter()
        .map(|id| {
            let network = networks.iter().find(|n| n.id == **id);
            VipWait {
                service: service.name.clone(),
                network: (*id).clone(),
                network_name: network.map(|n| n.name.clone()),
                network_allocated: network.is_some_and(Network::is_allocated),
                only_here: lacking.len() == 1,
            }
        })
        .collect()
}

/// Tasks that are meant to run and have no address yet on any of their networks, one of which is this: the name of the
/// service (or its id, where it is gone) and the task.
///
/// The allocator gives a task an address on all of its networks or on none, and what it has taken before the one that
/// refuses it gives back (swarmkit `manager/allocator/network.go`, `allocateTask`). So a task that waits on another network
/// takes and gives back one of this network at each attempt, which no list and no event shows.
pub fn waiting_tasks(snapshot: &Snapshot, network: &NetworkId) -> Vec<(String, TaskId)> {
    let waits = |t: &&Task| t.state == TaskState::New && t.is_wanted();
    let wants = |task: &&Task| {
        let service = task.service.as_ref().and_then(|id| snapshot.service(id));
        let mesh = || snapshot.networks.iter().any(|n| n.ingress && n.id == *network);
        service.is_some_and(|s| s.networks.contains(network) || (s.publishes_ingress && mesh()))
            || task.is_attached_to(network)
    };
    let name = |task: &Task| {
        let id = task.service.as_ref();
        id.map_or_else(String::new, |id| {
            snapshot.service(id).map_or_else(|| id.to_string(), |s| s.name.clone())
        })
    };
    snapshot.tasks.iter().filter(waits).filter(wants).map(|t| (name(t), t.id.clone())).collect()
}

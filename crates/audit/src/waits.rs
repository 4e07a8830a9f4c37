//! Services that wait for an address.

use serde::{Deserialize, Serialize};

use crate::seen::{EndpointMode, Network, NetworkId, Service, Snapshot};

/// A service that lacks its virtual address on one of its networks.
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
    services.iter().flat_map(|service| waits_of(service, networks)).collect()
}

fn waits_of(service: &Service, networks: &[Network]) -> Vec<VipWait> {
    // dnsrr has no virtual address at all; one from before is freed on the switch to it.
    if service.endpoint == EndpointMode::Dnsrr {
        return Vec::new();
    }
    // A port in ingress mode costs an address of the mesh as well (swarmkit `IsIngressNetworkNeeded`).
    let ingress = networks.iter().find(|n| n.ingress && service.publishes_ingress).map(|n| &n.id);
    let wanted = service.networks.iter().chain(ingress);
    let without_vip = |id: &&NetworkId| {
        let network = networks.iter().find(|n| n.id == **id);
        // A node-local network (`host`, a bridge) gives no VIP.
        network.is_none_or(Network::is_overlay)
            && !service.vips.iter().any(|v| v.network == **id && v.is_given())
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

#[cfg(test)]
mod tests;

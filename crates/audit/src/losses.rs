//! Losses that go on as long as somebody waits, and addresses in two hands.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::holders::{Duplicate, named};
use crate::seen::{EndpointMode, Network, NetworkId, Service};
use crate::waiting::{Waiting, overlays_wanted};

/// What is wrong beyond one task that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LossKind {
    /// A service waits, and each attempt to serve it loses an address on the networks before the one to blame (L2).
    RetriesLoseAddresses,
    /// A failed update freed the virtual addresses that a service still uses (L3).
    LiveVipFreed,
    /// Two holders have the same address.
    SameAddress,
}

/// Something that an audit found and that `stuck` does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What it is.
    pub kind: LossKind,
    /// The service that it is about, where it is about one.
    pub service: Option<String>,
    /// The networks that suffer, by name.
    pub networks: Vec<String>,
    /// It in words, with what to do.
    pub text: String,
}

/// L2: which networks lose an address whenever the allocator tries to serve this waiting service again.
///
/// It takes the networks in the order of the specification, and what it has taken before the first one that refuses is
/// never given back (cnmallocator `AllocateService`: its deferred `DeallocateService` walks the endpoint's addresses, among
/// which those just taken are not yet).
pub(crate) struct Losing<'a> {
    /// Surely these.
    pub(crate) on: Vec<&'a Network>,
    /// These, unless an earlier network is the one that refuses.
    pub(crate) perhaps: Vec<&'a Network>,
    /// The first network that surely refuses.
    pub(crate) refusing: Option<&'a Network>,
}

/// What the retries of a waiting service lose; `None` for one that does not wait, or loses nothing.
pub(crate) fn losing<'a>(waiting: &Waiting<'a>, service: &Service) -> Option<Losing<'a>> {
    if !waiting.waits(&service.name) || service.endpoint == EndpointMode::Dnsrr {
        return None;
    }
    let networks = overlays_wanted(waiting.snapshot, service);
    let refuses = |n: &Network| !n.is_allocated() || waiting.full(n).is_some();
    // The mesh's address is asked for first, and rolled back correctly: it costs nothing whichever refuses.
    let (mesh, networks): (Vec<&Network>, Vec<&Network>) = networks.into_iter().partition(|n| n.ingress);
    if mesh.into_iter().any(refuses) {
        return None;
    }
    let first = networks.iter().position(|n| refuses(n));
    let refusing = first.map(|at| networks[at]);
    // Where none is known to refuse it may be any, and at worst the last.
    let before = networks[..first.unwrap_or(networks.len().saturating_sub(1))].to_vec();
    let (on, perhaps) = if refusing.is_some() { (before, Vec::new()) } else { (Vec::new(), before) };
    (!on.is_empty() || !perhaps.is_empty()).then_some(Losing { on, perhaps, refusing })
}

/// L3: the networks on which the allocator has freed an address that this service still uses; empty where it has not.
///
/// An update that asks for one network too many is answered with 200; the failed attempt then frees the addresses of the
/// networks that the service had before, while the store keeps them.
pub(crate) fn freed<'a>(waiting: &Waiting<'a>, service: &Service) -> Vec<&'a Network> {
    if !waiting.waits(&service.name) {
        return Vec::new();
    }
    let has = |id: &NetworkId| service.vips.iter().any(|v| v.network == *id && v.address.is_some());
    overlays_wanted(waiting.snapshot, service).into_iter().filter(|n| has(&n.id)).collect()
}

/// All findings of a look.
pub(crate) fn losses(waiting: &Waiting<'_>, duplicates: &[(&Network, Vec<Duplicate>)]) -> Vec<Loss> {
    let names: BTreeSet<&str> = waiting.waits.iter().map(|w| w.service.as_str()).collect();
    let services = || waiting.snapshot.services.iter().filter(|s| names.contains(s.name.as_str()));
    let lose = services().filter_map(|s| losing(waiting, s).map(|l| losing_loss(waiting, s, &l)));
    let freed = services().filter_map(|s| freed_loss(waiting, s));
    let same = duplicates.iter().flat_map(|(network, all)| all.iter().map(|d| same_address_loss(network, d)));
    lose.chain(freed).chain(same).collect()
}

fn names(networks: &[&Network]) -> Vec<String> {
    networks.iter().map(|n| n.name.clone()).collect()
}

fn losing_loss(waiting: &Waiting<'_>, service: &Service, losing: &Losing<'_>) -> Loss {
    let networks = if losing.on.is_empty() { &losing.perhaps } else { &losing.on };
    let name = &service.name;
    let first = if freed(waiting, service).is_empty() {
        format!("remove {name} before anything else")
    } else {
        format!("take the last update of {name} back before anything else")
    };
    Loss {
        kind: LossKind::RetriesLoseAddresses,
        service: Some(name.clone()),
        networks: names(networks),
        text: format!("{}; {first}", losing.words(name)),
    }
}

impl Losing<'_> {
    /// It in words.
    pub(crate) fn words(&self, service: &str) -> String {
        let refusing = self.refusing.map_or_else(String::new, |n| n.name.clone());
        let (sure, perhaps) = (names(&self.on).join(" and "), names(&self.perhaps).join(" and "));
        if self.on.is_empty() {
            return format!(
                "service {service} waits, and each attempt to serve it may lose an address on {perhaps}, for good: on each network that comes before the one that refuses"
            );
        }
        format!(
            "service {service} waits for {refusing}, and each attempt to serve it loses an address on {sure}, for good, since {sure} comes before {refusing} in its list of networks; an attempt follows whenever anybody gives an address back"
        )
    }
}

fn freed_loss(waiting: &Waiting<'_>, service: &Service) -> Option<Loss> {
    let networks = freed(waiting, service);
    if networks.is_empty() {
        return None;
    }
    let on = |n: &&Network| {
        let addresses = service.vips.iter().filter(|v| v.network == n.id).filter_map(|v| v.address);
        addresses.map(|a| format!("{a} on {}", n.name)).collect::<Vec<_>>().join(", ")
    };
    let addresses = networks.iter().map(on).collect::<Vec<_>>().join(", ");
    let wanted = waiting.waits.iter().filter(|w| w.service == service.name);
    let wanted: Vec<&str> = wanted.filter_map(|w| w.network_name.as_deref()).collect();
    let (name, wanted) = (&service.name, wanted.join(" and "));
    Some(Loss {
        kind: LossKind::LiveVipFreed,
        service: Some(name.clone()),
        networks: names(&networks),
        text: format!(
            "an update of service {name} asked for {wanted}, which refuses, and that freed the virtual address it still has: {addresses}; another service may be given the same; take the update back"
        ),
    })
}

fn same_address_loss(network: &Network, duplicate: &Duplicate) -> Loss {
    let holders: Vec<String> = duplicate.holders.iter().map(named).collect();
    Loss {
        kind: LossKind::SameAddress,
        service: duplicate.holders.iter().find_map(|o| o.service.clone()),
        networks: vec![network.name.clone()],
        text: format!(
            "{} on {} has {} holders: {}; remove and redeploy one of them",
            duplicate.address,
            network.name,
            holders.len(),
            holders.join(" and ")
        ),
    }
}

//! Losses that go on as long as a service waits, and addresses with two holders.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::holders::{Duplicate, named};
use crate::owners::Owner;
use crate::seen::{EndpointMode, Network, NetworkId, Service};
use crate::waiting::Waiting;

/// Something wrong beyond one task that waits. JSON has its kind with the kind's data, `networks`, and
/// the sentence as `text`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "WrittenLoss")]
pub struct Loss {
    /// What it is.
    #[serde(flatten)]
    pub kind: LossKind,
}

/// What is lost, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LossKind {
    /// A service waits, and each attempt to serve it loses an address on the networks before the one that refuses (L2).
    RetriesLoseAddresses {
        /// The service that waits.
        service: String,
        /// The networks that surely lose an address per attempt; empty if it is not known which network refuses.
        on: Vec<String>,
        /// The networks that may; empty if it is known.
        perhaps: Vec<String>,
        /// The network that refuses, if it is known.
        refusing: Option<String>,
        /// True iff it waits because of an update, which can be taken back.
        after_update: bool,
    },
    /// A failed update freed the virtual addresses that a service still uses (L3).
    LiveVipFreed {
        /// The service.
        service: String,
        /// The addresses that are free and in use at once.
        addresses: Vec<FreedVip>,
        /// The networks that the update asked for and that refuse.
        wanted: Vec<String>,
    },
    /// Two holders have the same address.
    SameAddress {
        /// A service among the holders, if there is one.
        service: Option<String>,
        /// The network.
        network: String,
        /// The address.
        address: Ipv4Addr,
        /// All that hold it.
        holders: Vec<Owner>,
    },
}

/// A virtual address that the allocator has freed although its service still uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FreedVip {
    /// The address.
    pub address: Ipv4Addr,
    /// Its network, by name.
    pub network: String,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct WrittenLoss {
    #[serde(flatten)]
    kind: LossKind,
    networks: Vec<String>,
    text: String,
}

impl From<Loss> for WrittenLoss {
    fn from(loss: Loss) -> Self {
        Self { networks: loss.networks(), text: loss.to_string(), kind: loss.kind }
    }
}

impl Loss {
    /// The service that it is about, if it is about one.
    pub fn service(&self) -> Option<&str> {
        match &self.kind {
            LossKind::RetriesLoseAddresses { service, .. } | LossKind::LiveVipFreed { service, .. } => {
                Some(service)
            }
            LossKind::SameAddress { service, .. } => service.as_deref(),
        }
    }

    /// The networks that suffer, by name, each once.
    pub fn networks(&self) -> Vec<String> {
        match &self.kind {
            LossKind::RetriesLoseAddresses { on, perhaps, .. } => {
                if on.is_empty() {
                    perhaps.clone()
                } else {
                    on.clone()
                }
            }
            LossKind::LiveVipFreed { addresses, .. } => {
                let mut networks: Vec<_> = addresses.iter().map(|a| a.network.clone()).collect();
                networks.dedup();
                networks
            }
            LossKind::SameAddress { network, .. } => vec![network.clone()],
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RetriesLoseAddresses { service, on, perhaps, refusing, after_update } => {
                write_retries(f, service, on, perhaps, refusing.as_deref())?;
                if *after_update {
                    write!(f, "; take the last update of {service} back before anything else")
                } else {
                    write!(f, "; remove {service} before anything else")
                }
            }
            Self::LiveVipFreed { service, addresses, wanted } => {
                let addresses = addresses.iter().map(|a| format!("{} on {}", a.address, a.network));
                let addresses = addresses.collect::<Vec<_>>().join(", ");
                write!(
                    f,
                    "an update of service {service} asked for {}, which refuses, and that freed the virtual address it still has: {addresses}; another service may be given the same; take the update back",
                    wanted.join(" and ")
                )
            }
            Self::SameAddress { network, address, holders, .. } => {
                let named: Vec<String> = holders.iter().map(named).collect();
                write!(
                    f,
                    "{address} on {network} has {} holders: {}; remove and redeploy one of them",
                    named.len(),
                    named.join(" and ")
                )
            }
        }
    }
}

fn write_retries(
    f: &mut fmt::Formatter<'_>,
    service: &str,
    on: &[String],
    perhaps: &[String],
    refusing: Option<&str>,
) -> fmt::Result {
    if on.is_empty() {
        return write!(
            f,
            "service {service} waits, and each attempt to serve it may lose an address on {}, for good: on each network that comes before the one that refuses",
            perhaps.join(" and ")
        );
    }
    let (sure, refusing) = (on.join(" and "), refusing.unwrap_or_default());
    write!(
        f,
        "service {service} waits for {refusing}, and each attempt to serve it loses an address on {sure}, for good, since {sure} comes before {refusing} in its list of networks; an attempt follows whenever anybody gives an address back"
    )
}

/// L2: which networks lose an address whenever the allocator tries to serve a waiting service again.
///
/// It takes the networks in the order of the specification, and what it has taken before the first one that refuses is
/// never given back (cnmallocator `AllocateService`: its deferred `DeallocateService` walks the endpoint's addresses, among
/// which those just taken are not yet).
pub(crate) struct Losing<'a> {
    /// The networks that surely lose one.
    pub(crate) on: Vec<&'a Network>,
    /// The networks that lose one unless an earlier network is the one that refuses.
    pub(crate) perhaps: Vec<&'a Network>,
    /// The first network that surely refuses.
    pub(crate) refusing: Option<&'a Network>,
}

/// What the retries of a waiting service lose; `None` for one that does not wait, or loses nothing.
pub(crate) fn losing<'a>(waiting: &Waiting<'a>, service: &Service) -> Option<Losing<'a>> {
    // Without virtual addresses there is nothing that `AllocateService` could take in vain.
    if !waiting.waits(&service.name) || service.endpoint == EndpointMode::Dnsrr {
        return None;
    }
    let networks = waiting.overlays_wanted(service);
    let refuses = |n: &Network| !n.is_allocated() || waiting.full(n).is_some();
    // The mesh's address is asked for first, and rolled back correctly: it costs nothing whichever network refuses.
    let (mesh, networks): (Vec<&Network>, Vec<&Network>) = networks.into_iter().partition(|n| n.ingress);
    if mesh.into_iter().any(refuses) {
        return None;
    }
    let first = networks.iter().position(|n| refuses(n));
    let refusing = first.map(|at| networks[at]);
    // If none is known to refuse it may be any of them, and at worst the last.
    let before = networks[..first.unwrap_or(networks.len().saturating_sub(1))].to_vec();
    let (on, perhaps) = if refusing.is_some() { (before, Vec::new()) } else { (Vec::new(), before) };
    (!on.is_empty() || !perhaps.is_empty()).then_some(Losing { on, perhaps, refusing })
}

/// L3: the networks on which the allocator has freed an address that this service still uses; empty if there are none.
///
/// An update that asks for one network too many is answered with 200; the failed attempt then frees the addresses of the
/// networks that the service had before, while the store keeps them.
pub(crate) fn freed<'a>(waiting: &Waiting<'a>, service: &Service) -> Vec<&'a Network> {
    if !waiting.waits(&service.name) {
        return Vec::new();
    }
    // The store keeps the address, so what the service lists there is the one that the allocator has freed.
    let has = |id: &NetworkId| service.vips.iter().any(|v| v.network == *id && v.is_given());
    waiting.overlays_wanted(service).into_iter().filter(|n| has(&n.id)).collect()
}

/// All losses of a snapshot: those of retries, freed virtual addresses, addresses with two holders.
pub(crate) fn losses(waiting: &Waiting<'_>, duplicates: &[(&Network, Vec<Duplicate>)]) -> Vec<Loss> {
    let names: BTreeSet<&str> = waiting.waits.iter().map(|w| w.service.as_str()).collect();
    let services = || waiting.snapshot.services.iter().filter(|s| names.contains(s.name.as_str()));
    let lose = services().filter_map(|s| losing(waiting, s).map(|l| retries(waiting, s, &l)));
    let freed = services().filter_map(|s| live_vip(waiting, s));
    let same = duplicates.iter().flat_map(|(network, all)| all.iter().map(|d| same_address(network, d)));
    lose.chain(freed).chain(same).map(|kind| Loss { kind }).collect()
}

pub(crate) fn names(networks: &[&Network]) -> Vec<String> {
    networks.iter().map(|n| n.name.clone()).collect()
}

fn retries(waiting: &Waiting<'_>, service: &Service, losing: &Losing<'_>) -> LossKind {
    LossKind::RetriesLoseAddresses {
        service: service.name.clone(),
        on: names(&losing.on),
        perhaps: names(&losing.perhaps),
        refusing: losing.refusing.map(|n| n.name.clone()),
        after_update: !freed(waiting, service).is_empty(),
    }
}

fn live_vip(waiting: &Waiting<'_>, service: &Service) -> Option<LossKind> {
    let networks = freed(waiting, service);
    if networks.is_empty() {
        return None;
    }
    let on = |network: &&Network| {
        let addresses = service.vips.iter().filter(|v| v.network == network.id).filter_map(|v| v.address);
        addresses.map(|address| FreedVip { address, network: network.name.clone() }).collect::<Vec<_>>()
    };
    let wanted = waiting.waits_of(&service.name);
    Some(LossKind::LiveVipFreed {
        service: service.name.clone(),
        addresses: networks.iter().flat_map(on).collect(),
        wanted: wanted.filter_map(|w| w.network_name.clone()).collect(),
    })
}

fn same_address(network: &Network, duplicate: &Duplicate) -> LossKind {
    LossKind::SameAddress {
        service: duplicate.holders.iter().find_map(|o| o.service.clone()),
        network: network.name.clone(),
        address: duplicate.address,
        holders: duplicate.holders.clone(),
    }
}

#[cfg(test)]
mod tests;

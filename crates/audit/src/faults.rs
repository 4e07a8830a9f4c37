//! What is wrong with networks whether or not something waits on them: overlaps, no subnet, no `ingress`, IPv6, too small.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::known_error::KnownError;
use crate::losses::Loss;
use crate::seen::{EndpointMode, HostFacts, Network, NetworkId, Snapshot, Task, TaskId};
use crate::subnets::{Overlapping, default_pools, overlaps};
use crate::waiting::{PATIENCE, Waiting, has_waited};

/// Addresses that the smallest thing needs: a task, and the load balancer of its node.
const FEWEST: u64 = 2;

/// What a node says when it is asked to use an IPv6 address or subnet that its overlay driver cannot (measured on
/// 20.10.24 and 26.1.5).
const IPV6_REFUSED: [&str; 2] =
    ["It does not belong to any of this network's subnets", "non-overlapping IPv6 address pool"];

/// Something that an audit found: a loss, or a fault of a network. JSON has its kind with the kind's data, `networks`, and
/// the sentence as `text`, whichever it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Finding {
    /// Addresses are being lost, or have two holders.
    Loss(Loss),
    /// A network, or the error of a service's tasks, is at fault.
    Fault(Fault),
}

/// A fault of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "WrittenFault")]
pub struct Fault {
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What is wrong with a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Services publish ports through the routing mesh, and there is no `ingress` network.
    IngressMissing {
        /// The services.
        services: Vec<String>,
    },
    /// Nodes reject tasks because they cannot use the network's IPv6 addresses.
    Ipv6Refused {
        /// The network.
        network: String,
        /// The last task that was rejected.
        task: TaskId,
        /// What its node said.
        error: String,
    },
    /// Swarm has given the network no subnet.
    NotAllocated {
        /// The network.
        network: String,
        /// Its id, by which the manager's log names it.
        id: NetworkId,
        /// True iff the default pools still have a free subnet; then one that was asked for without a subnet would have
        /// got it. `None` if the pools are not known.
        pools_have_free: Option<bool>,
    },
    /// The network shares addresses with another network, or with an address or route of the asked engine's host.
    SubnetsOverlap {
        /// The network.
        network: String,
        /// Its subnet.
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        subnet: IpNet,
        /// The other overlay, bridge or interface.
        other: String,
        /// What that one has.
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        other_net: IpNet,
        /// Where that was seen.
        source: String,
        /// True iff the other one is an overlay, too.
        other_is_overlay: bool,
    },
    /// Tasks of a service end with an error that the catalogue of log signatures knows.
    TasksFail {
        /// The service.
        service: String,
        /// Its overlays.
        on: Vec<String>,
        /// The error, in the engine's words.
        error: String,
        /// How many tasks show it.
        tasks: u64,
        /// What is known of it.
        known: KnownError,
    },
    /// The network has fewer addresses than one task and the load balancer of its node need.
    TooSmall {
        /// The network.
        network: String,
        /// Addresses that VIPs, tasks and load balancers can have.
        usable: u64,
    },
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct WrittenFault {
    #[serde(flatten)]
    kind: FaultKind,
    networks: Vec<String>,
    text: String,
}

impl From<Fault> for WrittenFault {
    fn from(fault: Fault) -> Self {
        Self { networks: fault.networks(), text: fault.to_string(), kind: fault.kind }
    }
}

impl From<Overlapping> for FaultKind {
    fn from(overlapping: Overlapping) -> Self {
        let Overlapping { network, subnet, other, other_net, source, other_is_overlay } = overlapping;
        Self::SubnetsOverlap { network, subnet, other, other_net, source, other_is_overlay }
    }
}

impl Finding {
    /// The networks that suffer, by name, each once.
    pub fn networks(&self) -> Vec<String> {
        match self {
            Self::Loss(loss) => loss.networks(),
            Self::Fault(fault) => fault.networks(),
        }
    }

    /// The loss, if it is one.
    pub fn loss(&self) -> Option<&Loss> {
        match self {
            Self::Loss(loss) => Some(loss),
            Self::Fault(_) => None,
        }
    }
}

impl Fault {
    /// The networks that it is about, by name.
    pub fn networks(&self) -> Vec<String> {
        match &self.kind {
            FaultKind::IngressMissing { .. } => vec!["ingress".into()],
            FaultKind::Ipv6Refused { network, .. }
            | FaultKind::NotAllocated { network, .. }
            | FaultKind::TooSmall { network, .. } => vec![network.clone()],
            FaultKind::SubnetsOverlap { network, other, other_is_overlay, .. } => {
                let other = other_is_overlay.then(|| other.clone());
                [network.clone()].into_iter().chain(other).collect()
            }
            FaultKind::TasksFail { on, .. } => on.clone(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss(loss) => loss.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::IngressMissing { services } => write!(
                f,
                "there is no ingress network, and {} publishes through it: create one with `docker network create --driver overlay --ingress ingress`, or publish in host mode",
                services.join(" and ")
            ),
            FaultKind::Ipv6Refused { network, task, error } => write!(
                f,
                "network {network} was created with --ipv6, and the node rejected task {task} for it: {error}; recreate {network} without --ipv6 and without an IPv6 subnet"
            ),
            FaultKind::NotAllocated { network, id, pools_have_free } => {
                write!(
                    f,
                    "network {network} has no subnet, so nothing on it can run: {}",
                    causes(*pools_have_free)
                )?;
                write!(
                    f,
                    "; the leading manager's log says which, under `Failed allocation for network {id}`; recreate {network} with a subnet of `pvcheck plan-subnet --name {network}`"
                )
            }
            FaultKind::SubnetsOverlap { network, subnet, other, other_net, source, other_is_overlay } => {
                write!(f, "{subnet} of network {network} overlaps {other_net} of {other} ({source})")?;
                let what = if *other_is_overlay { "one of them" } else { network };
                write!(
                    f,
                    ": tasks on both, or on a node that has both, fail or reach the wrong one; recreate {what} with a subnet of `pvcheck plan-subnet --name {}`",
                    if *other_is_overlay { other } else { network }
                )
            }
            FaultKind::TasksFail { service, error, tasks, known, .. } => write!(
                f,
                "tasks of service {service} failed, {tasks} in the list: {error} ({}): {}; {}",
                known.signature, known.meaning, known.remedy
            ),
            FaultKind::TooSmall { network, usable } => write!(
                f,
                "network {network} has {usable} usable addresses, and a task needs one and its node's load balancer another: recreate it with at least a /29"
            ),
        }
    }
}

/// Why a network may have no subnet; the API does not show what it asked for.
pub(crate) fn causes(pools_have_free: Option<bool>) -> &'static str {
    match pools_have_free {
        Some(true) => {
            "its subnet may overlap another overlay's, or be a /31 or /32, or no VXLAN id was left (the default pools still have free subnets)"
        }
        Some(false) => {
            "the default pools have no free subnet; if it asked for one of its own, that may overlap another overlay's, or be a /31 or /32"
        }
        None => {
            "its subnet may overlap another overlay's, or be a /31 or /32, or the default pools or the VXLAN ids are used up"
        }
    }
}

/// All faults of a snapshot's networks. The host's facts count only if they are those of the asked engine's node.
pub(crate) fn faults(waiting: &Waiting<'_>, host: Option<&HostFacts>) -> Vec<Fault> {
    let snapshot = waiting.snapshot;
    let host = host.filter(|host| host.lacks(snapshot).is_empty());
    let each = snapshot.overlays().into_iter().filter_map(|n| of_network(snapshot, n));
    let refused = snapshot.overlays().into_iter().filter_map(|n| ipv6_refused(waiting, n));
    let kinds = ingress_missing(snapshot)
        .into_iter()
        .chain(overlaps(snapshot, host).into_iter().map(FaultKind::from))
        .chain(each)
        .chain(refused);
    kinds.map(|kind| Fault { kind }).collect()
}

fn of_network(snapshot: &Snapshot, network: &Network) -> Option<FaultKind> {
    let name = || network.name.clone();
    if !network.is_allocated() {
        // Allocation follows a creation within milliseconds.
        if has_waited(snapshot, network.created, PATIENCE) == Some(false) {
            return None;
        }
        let pools_have_free = pools_have_free(snapshot);
        return Some(FaultKind::NotAllocated { network: name(), id: network.id.clone(), pools_have_free });
    }
    let usable = network.usable();
    (network.is_ipv4_only() && usable < FEWEST).then(|| FaultKind::TooSmall { network: name(), usable })
}

/// True iff the default pools have a subnet that no overlay uses; `None` if the pools are not known.
pub(crate) fn pools_have_free(snapshot: &Snapshot) -> Option<bool> {
    let (pools, prefix) = (default_pools(snapshot), snapshot.engine.default_prefix?);
    let overlays = snapshot.overlays().into_iter();
    let taken = overlays
        .flat_map(|n| n.subnets().into_iter().map(|s| pvcheck_ipam::Reservation::new(s, &n.name, "overlay")));
    let index = pvcheck_ipam::Index::new(taken.collect());
    (!pools.is_empty()).then(|| pools.iter().any(|pool| index.first_free(*pool, prefix).is_some()))
}

fn ingress_missing(snapshot: &Snapshot) -> Option<FaultKind> {
    // One that Swarm cannot allocate is there, and is a fault of its own.
    if snapshot.networks.iter().any(|n| n.ingress) {
        return None;
    }
    let mesh = snapshot.services.iter().filter(|s| s.publishes_ingress && s.endpoint == EndpointMode::Vip);
    let services: Vec<String> = mesh.map(|s| s.name.clone()).collect();
    (!services.is_empty()).then_some(FaultKind::IngressMissing { services })
}

fn ipv6_refused(waiting: &Waiting<'_>, network: &Network) -> Option<FaultKind> {
    if !network.ipv6 {
        return None;
    }
    let refused = |t: &&Task| {
        IPV6_REFUSED.iter().any(|words| t.error.contains(words))
            && waiting.overlays_of(t).iter().any(|n| n.id == network.id)
    };
    let task = waiting.snapshot.tasks.iter().filter(refused).max_by_key(|t| (t.since, &t.id))?;
    let (task, error) = (task.id.clone(), task.error.clone());
    Some(FaultKind::Ipv6Refused { network: network.name.clone(), task, error })
}

#[cfg(test)]
mod tests;

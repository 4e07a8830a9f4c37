//! Every overlay's pool in one snapshot: who owns it, what is left, what is wrong.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use pvcheck_ipam::{Pressure, Subnet, Thresholds};
use serde::{Deserialize, Serialize};

use crate::described::described;
use crate::exhaustion::PoolCounts;
use crate::faults::{Fault, FaultKind, Finding, faults};
use crate::holders::{Duplicate, Holder, NodeShare, duplicates, ended_tasks, holders, shares};
use crate::known_error::{KnownError, TaskError, errors_of_short};
use crate::losses::losses;
use crate::note::{Note, notes, notes_json};
use crate::owners::{Owner, OwnerKind, Owners};
use crate::seen::{AllocatorCounts, CountsUnknown, HostFacts, Network, NetworkId, Snapshot};
use crate::stuck::{Cause, Stuck, stuck};
use crate::waiting::Waiting;

described!(allocator_unknown_json, Option<CountsUnknown>, "allocator_unknown", "allocator_unknown_kind");

/// The audit of a Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audit {
    /// The Swarm, and the engine that was asked.
    pub swarm: AuditedSwarm,
    /// Every overlay, `ingress` first.
    pub networks: Vec<AuditedNetwork>,
    /// Losses that go on while a service waits, addresses with two holders, and faults of networks, with what to do.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The errors of tasks of services that run fewer tasks than they want.
    #[serde(default)]
    pub task_errors: Vec<TaskError>,
    /// Why the allocator's own counts are missing, or some of them; `null` if none is. JSON has the sentence as
    /// `allocator_unknown`, the kind as `allocator_unknown_kind`.
    #[serde(flatten, with = "allocator_unknown_json")]
    #[cfg_attr(feature = "schema", schemars(with = "allocator_unknown_json::Written<'static>"))]
    pub allocator_unknown: Option<CountsUnknown>,
}

/// The Swarm that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditedSwarm {
    /// The version of the engine that was asked.
    pub version: String,
    /// The API version spoken.
    pub api: String,
    /// Managers in the Swarm.
    pub managers: u64,
    /// Nodes in the Swarm, managers included.
    pub nodes: u64,
    /// When the snapshot was taken, by the engine's clock.
    pub at: Timestamp,
}

/// One overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditedNetwork {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: NetworkId,
    /// Its IPv4 subnets; empty while Swarm has not allocated it.
    pub subnets: Vec<Subnet>,
    /// Addresses that VIPs, tasks and load balancers can have: 2^(32-prefix) - 3 per subnet.
    pub usable: u64,
    /// How many are held, by what.
    pub owned: OwnedCounts,
    /// Addresses that the allocator has given out: by its own count if the engine gives one, and all of them if
    /// a service or task waits for one; else `null`.
    pub in_use: Option<u64>,
    /// Addresses given out that have no owner; `null` where it takes a census to know.
    pub leaked: Option<u64>,
    /// Addresses left; `null` where leaks are not known.
    pub free: Option<u64>,
    /// `full`: nothing is left, or a service or task waits for an address here; `high`: a threshold is reached, by owners alone
    /// where leaks are not known; `ok` only where they are; else `unknown`.
    pub pressure: Pressure,
    /// Addresses with more than one holder.
    pub duplicates: Vec<Ipv4Addr>,
    /// Tasks that wait here, and why.
    pub stuck: Vec<Stuck>,
    /// Services that lack their VIP here.
    pub missing_vips: Vec<String>,
    /// Every holder whose address is known.
    pub owners: Vec<Owner>,
    /// What each service holds, largest first.
    #[serde(default)]
    pub holders: Vec<Holder>,
    /// What is held on each node; tasks without a node are on none.
    #[serde(default)]
    pub nodes: Vec<NodeShare>,
    /// Addresses of tasks and containers on nodes that are down: taken until such a node comes back, is removed, or has
    /// been away for 24 h. They are among the owned.
    #[serde(default)]
    pub on_down_nodes: u64,
    /// Tasks that have ended and still list an address, which they hold no more: not among the owned.
    #[serde(default)]
    pub ended_tasks: u64,
    /// The addresses in `duplicates`, with all their holders.
    #[serde(default)]
    pub duplicate_holders: Vec<Duplicate>,
    /// What could not be known from here, and how to learn it.
    #[serde(flatten, with = "notes_json")]
    #[cfg_attr(feature = "schema", schemars(with = "notes_json::Written<'static>"))]
    pub notes: Vec<Note>,
}

/// How many addresses are held, by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OwnedCounts {
    /// By services' virtual addresses.
    pub vips: u64,
    /// By services' tasks.
    pub tasks: u64,
    /// By nodes' load-balancer endpoints.
    pub load_balancers: u64,
    /// By standalone containers.
    pub attachments: u64,
}

impl OwnedCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.vips + self.tasks + self.load_balancers + self.attachments
    }
}

/// Judges one snapshot, without the allocator's counts and with the default thresholds.
pub fn audit(snapshot: &Snapshot) -> Audit {
    audit_with(snapshot, &AllocatorCounts::default(), &Thresholds::default())
}

/// As [`audit`], with the allocator's own counts where they are known, and with thresholds of one's own.
///
/// A count is a moment younger than the snapshot: what was given out or back in between shows as leaked or hides a leak.
pub fn audit_with(snapshot: &Snapshot, counts: &AllocatorCounts, thresholds: &Thresholds) -> Audit {
    audit_on(snapshot, counts, thresholds, None)
}

/// As [`audit_with`], with the facts of the asked engine's host, whose addresses and routes an overlay may overlap.
pub fn audit_on(
    snapshot: &Snapshot,
    counts: &AllocatorCounts,
    thresholds: &Thresholds,
    host: Option<&HostFacts>,
) -> Audit {
    let mut waiting = Waiting::of(snapshot, counts);
    let overlays = snapshot.overlays();
    let twice: Vec<_> = overlays.iter().map(|n| (*n, duplicates(waiting.owners(n)))).collect();
    let networks = overlays.iter().map(|n| audit_network(&waiting, n, thresholds)).collect();
    let mut audit = Audit {
        swarm: AuditedSwarm {
            version: snapshot.engine.version.clone(),
            api: snapshot.engine.api.clone(),
            managers: snapshot.nodes.iter().filter(|n| n.manager).count() as u64,
            nodes: snapshot.nodes.len() as u64,
            at: snapshot.engine.at,
        },
        findings: losses(&waiting, &twice)
            .into_iter()
            .map(Finding::Loss)
            .chain(faults(&waiting, host).into_iter().map(Finding::Fault))
            .collect(),
        task_errors: errors_of_short(snapshot, &waiting.lookup),
        networks,
        allocator_unknown: counts.unknown.clone().or_else(|| not_asked(snapshot, counts)),
    };
    // Last, and not copied: most of a large Swarm's audit is its owners.
    for number in 0..audit.networks.len() {
        let (before, rest) = audit.networks.split_at_mut(number);
        let Some(network) = rest.first_mut() else { break };
        // A manager may list a network twice; in the order of overlays the two are neighbours.
        network.owners = match before.last().filter(|other| other.id == network.id) {
            Some(other) => other.owners.clone(),
            None => waiting.take_owners(&network.id),
        };
    }
    audit
}

impl Audit {
    /// Asks a catalogue about each task error, and makes a finding of those that need attention by themselves.
    pub fn explain_errors(&mut self, catalogue: impl Fn(&str) -> Option<KnownError>) {
        if self.task_errors.is_empty() {
            return;
        }
        let mut on: HashMap<&str, Vec<String>> = HashMap::new();
        for network in &self.networks {
            for holder in &network.holders {
                on.entry(&holder.service).or_default().push(network.name.clone());
            }
        }
        for error in &mut self.task_errors {
            error.known = catalogue(&error.text);
            let (Some(known), Some(service)) = (&error.known, &error.service) else { continue };
            let kind = FaultKind::TasksFail {
                service: service.clone(),
                on: on.get(service.as_str()).cloned().unwrap_or_default(),
                error: error.text.clone(),
                tasks: error.tasks,
                known: known.clone(),
            };
            if known.is_finding {
                self.findings.push(Finding::Fault(Fault { kind }));
            }
        }
    }
}

/// The reason for missing counts if the counts themselves give none.
fn not_asked(snapshot: &Snapshot, counts: &AllocatorCounts) -> Option<CountsUnknown> {
    let mut allocated = snapshot.overlays().into_iter().filter(|n| n.is_allocated());
    let lacks = allocated.any(|n| counts.of(&n.id).is_none());
    lacks.then_some(CountsUnknown::NotAsked)
}

/// One network, but for the list of its owners.
fn audit_network(waiting: &Waiting<'_>, network: &Network, thresholds: &Thresholds) -> AuditedNetwork {
    let (lookup, owners) = (&waiting.lookup, waiting.owners(network));
    let stuck = stuck(waiting, network);
    let pool = waiting.pool(network);
    let nodes = shares(lookup, owners);
    let down = nodes.iter().filter(|n| n.down);
    // Only a wait that this network alone can explain makes it full: a task that waits on several says nothing certain
    // of any of them.
    let has_waiters = stuck.iter().any(|s| matches!(s.cause, Cause::NetworkFull { .. }));
    AuditedNetwork {
        name: network.name.clone(),
        id: network.id.clone(),
        subnets: network.subnets(),
        usable: network.usable(),
        owned: counts(owners),
        in_use: pool.in_use,
        leaked: pool.leaked,
        free: pool.free,
        pressure: pressure(network, owners, &pool, has_waiters || pool.full_because.is_some(), thresholds),
        // Kept as a plain list of addresses next to `duplicate_holders`, since scripts read it.
        duplicates: owners.duplicates(),
        duplicate_holders: duplicates(owners),
        missing_vips: waiting.waits_on(&network.id).map(|w| w.service.clone()).collect(),
        notes: notes(waiting, network, &pool),
        stuck,
        holders: holders(lookup, owners),
        on_down_nodes: down.map(|n| n.tasks + n.attachments).sum(),
        ended_tasks: ended_tasks(lookup, &network.id),
        nodes,
        owners: Vec::new(),
    }
}

fn counts(owners: &Owners) -> OwnedCounts {
    OwnedCounts {
        vips: owners.count(OwnerKind::Vip),
        tasks: owners.count(OwnerKind::Task),
        load_balancers: owners.count(OwnerKind::LoadBalancer),
        attachments: owners.count(OwnerKind::Attachment),
    }
}

fn pressure(
    network: &Network,
    owners: &Owners,
    pool: &PoolCounts,
    has_waiters: bool,
    thresholds: &Thresholds,
) -> Pressure {
    match pool.free {
        // Usable is 0 then, so every threshold would be reached; yet nothing is exhausted.
        _ if !network.is_allocated() => Pressure::Unknown,
        // An IPv6 subnet is never used up, and nothing is counted of it.
        None if !network.is_ipv4_only() => Pressure::Unknown,
        _ if has_waiters => Pressure::Full,
        // Only the allocator's own count may say `ok`: leaks do not show in owners.
        Some(free) => thresholds.judge(network.usable(), free),
        None => thresholds.judge_owned(network.usable(), owners.total()),
    }
}

#[cfg(test)]
mod tests;

//! Every overlay's pool at one look, without touching anything.

use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};
use pvcheck_ipam::Subnet;
use serde::{Deserialize, Serialize};

use crate::ids::{NetworkId, TaskId};
use crate::owners::{Owner, OwnerKind, Owners, owners};
use crate::snapshot::{Network, Snapshot, Task, TaskState};
use crate::waiting::{VipWait, waiting_services};

/// How long a task may be without an address before it counts as stuck. Allocation takes milliseconds.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);
/// From this share of the pool on, owners alone make the pressure high.
const HIGH_PERCENT: u64 = 80;

/// The audit of a Swarm: schema `pvcheck/v1`, kind `audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Always `pvcheck/v1`.
    pub schema: String,
    /// Always `audit`.
    pub kind: String,
    /// The engine that was asked.
    pub engine: AuditedEngine,
    /// Every overlay, `ingress` first.
    pub networks: Vec<AuditedNetwork>,
}

/// The engine that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedEngine {
    /// Its version.
    pub version: String,
    /// The API version spoken.
    pub api: String,
    /// Managers in the Swarm.
    pub managers: u64,
    /// Nodes in the Swarm, managers included.
    pub nodes: u64,
    /// When the look was taken, by the engine's clock.
    pub at: Timestamp,
}

/// One overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Addresses that the allocator has given out; `null` where no engine call says so.
    pub in_use: Option<u64>,
    /// Addresses given out that nobody owns; `null` where it takes a census to know.
    pub leaked: Option<u64>,
    /// Addresses left; `null` where leaks are not known.
    pub free: Option<u64>,
    /// `full`: somebody waits for an address here; `high`: owners alone hold four fifths; `ok` only where leaks are known;
    /// else `unknown`.
    pub pressure: String,
    /// Addresses with more than one holder.
    pub duplicates: Vec<Ipv4Addr>,
    /// Tasks that wait here, and why.
    pub stuck: Vec<Stuck>,
    /// Services that lack their VIP here.
    pub missing_vips: Vec<String>,
    /// Every holder whose address is known.
    pub owners: Vec<Owner>,
    /// What could not be known from here, and how to learn it.
    pub notes: Vec<String>,
}

/// How many addresses are held, by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A task that waits for an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// Its service's name, or its id where the service is gone.
    pub service: String,
    /// The task.
    pub task: TaskId,
    /// Its observed state.
    pub state: TaskState,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why, in words.
    pub reason: String,
    /// Why, as data.
    pub cause: Cause,
}

/// Why a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The network has no address left.
    NetworkFull,
    /// The network has no subnet.
    NetworkNotAllocated,
    /// It lacks an address on several networks, at least one of which is full or not allocated.
    OneOfSeveral,
    /// Its service has no VIP on this network yet.
    VipPending,
}

/// Judges one look. Reads nothing, changes nothing.
pub fn audit(snapshot: &Snapshot) -> Audit {
    let waits = waiting_services(snapshot);
    Audit {
        schema: "pvcheck/v1".into(),
        kind: "audit".into(),
        engine: AuditedEngine {
            version: snapshot.engine.version.clone(),
            api: snapshot.engine.api.clone(),
            managers: snapshot.nodes.iter().filter(|n| n.manager).count() as u64,
            nodes: snapshot.nodes.len() as u64,
            at: snapshot.engine.at,
        },
        networks: snapshot.overlays().into_iter().map(|n| audit_network(snapshot, n, &waits)).collect(),
    }
}

fn audit_network(snapshot: &Snapshot, network: &Network, waits: &[VipWait]) -> AuditedNetwork {
    let owners = owners(snapshot, network);
    let usable = network.usable();
    let here: Vec<&VipWait> = waits.iter().filter(|w| w.network == network.id).collect();
    let stuck = stuck(snapshot, network, &here);
    AuditedNetwork {
        name: network.name.clone(),
        id: network.id.clone(),
        subnets: network.subnets(),
        usable,
        owned: counts(&owners),
        // Passive reading of the allocator needs Status.IPAM (API 1.52), which is not asked for here.
        in_use: None,
        leaked: None,
        free: None,
        pressure: pressure(network, &owners, &here, &stuck).into(),
        duplicates: owners.duplicates(),
        missing_vips: here.iter().map(|w| w.service.clone()).collect(),
        notes: notes(network),
        stuck,
        owners: owners.named,
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

fn pressure(network: &Network, owners: &Owners, waits: &[&VipWait], stuck: &[Stuck]) -> &'static str {
    let full = waits.iter().any(|w| w.network_allocated && w.only_here)
        || stuck.iter().any(|s| s.cause == Cause::NetworkFull);
    let usable = network.usable();
    if full || (network.is_allocated() && usable <= owners.total()) {
        "full"
    } else if network.is_allocated() && usable * HIGH_PERCENT <= owners.total() * 100 {
        "high"
    } else {
        "unknown"
    }
}

fn notes(network: &Network) -> Vec<String> {
    if !network.is_allocated() {
        return vec![
            "Swarm has given this network no subnet: it overlaps another network or the pool is used up; \
             the manager's log names the reason"
                .into(),
        ];
    }
    vec![format!(
        "leaked addresses cannot be seen from lists; run `pvcheck census {}` to count and name them",
        network.name
    )]
}

fn stuck(snapshot: &Snapshot, network: &Network, waits: &[&VipWait]) -> Vec<Stuck> {
    let wants = |task: &Task| {
        let service = task.service.as_ref().and_then(|id| snapshot.service(id));
        service.is_some_and(|s| s.networks.contains(&network.id) || (network.ingress && s.publishes_ingress))
    };
    let has_address = |task: &Task| task.attachments.iter().any(|(id, a)| *id == network.id && !a.is_empty());
    let patient =
        |task: &Task| task.since.is_some_and(|since| snapshot.engine.at.duration_since(since) < PATIENCE);
    snapshot
        .tasks
        .iter()
        .filter(|t| t.state == TaskState::New && t.desired <= TaskState::Running)
        .filter(|t| wants(t) && !has_address(t) && !patient(t))
        .map(|t| explain(snapshot, network, t, waits))
        .collect()
}

fn explain(snapshot: &Snapshot, network: &Network, task: &Task, waits: &[&VipWait]) -> Stuck {
    let service = task
        .service
        .as_ref()
        .map(|id| snapshot.service(id).map_or_else(|| id.to_string(), |s| s.name.clone()))
        .unwrap_or_default();
    let (cause, reason) = if !network.is_allocated() {
        (Cause::NetworkNotAllocated, format!("network {} has no subnet", network.name))
    } else if waits.iter().any(|w| w.service == service) {
        (Cause::VipPending, format!("service {service} has no virtual address on {} yet", network.name))
    } else if lacks_elsewhere(snapshot, network, task) {
        // Addresses are given on all networks of a task or on none, so one of several is to blame.
        (
            Cause::OneOfSeveral,
            format!("it has no address on {} nor on another network of its service", network.name),
        )
    } else {
        (Cause::NetworkFull, format!("no address of {} could be given to it", network.name))
    };
    Stuck { service, task: task.id.clone(), state: task.state, since: task.since, reason, cause }
}

/// Whether the task lacks an address on another network of its service, too.
fn lacks_elsewhere(snapshot: &Snapshot, network: &Network, task: &Task) -> bool {
    let service = task.service.as_ref().and_then(|id| snapshot.service(id));
    let has = |id: &NetworkId| task.attachments.iter().any(|(on, a)| on == id && !a.is_empty());
    service.is_some_and(|s| s.networks.iter().any(|id| *id != network.id && !has(id)))
}

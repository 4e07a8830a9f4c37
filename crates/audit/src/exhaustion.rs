//! Has a network an address left? What can be known of it without asking for one.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::owners::Owners;
use crate::seen::{
    AllocatorCounts, EndpointMode, Network, NetworkId, NodeId, Service, Snapshot, Task, TaskId, TaskState,
};
use crate::waits::{VipWait, waiting_services};

/// How long somebody may be without an address before he counts as waiting. Allocation takes milliseconds.
pub(crate) const PATIENCE: SignedDuration = SignedDuration::from_secs(5);
/// How long a node waits for its load balancer's address before it rejects the task (moby
/// `waitNodeAttachmentsTimeout`).
const BALANCER_PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// What the node then says (moby `daemon/cluster/executor/container/adapter.go`).
const BALANCER_MISSING: &str = "node is missing network attachments, ip addresses may be exhausted";

/// How it is known that nothing is free on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FullBecause {
    /// The allocator counts no free address.
    Counted,
    /// The known owners are as many as the usable addresses.
    Owned,
    /// A service waits for its virtual address here and nowhere else.
    ServiceWaits(String),
    /// A task waits for its address here and nowhere else.
    TaskWaits(TaskId),
    /// A node got no address for its load balancer here.
    BalancerMissing(TaskId),
}

impl FullBecause {
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Counted => "the allocator itself counts no free address".into(),
            Self::Owned => "its known owners take every usable address".into(),
            Self::ServiceWaits(service) => {
                format!("service {service} waits for an address here and nowhere else, so nothing is free")
            }
            Self::TaskWaits(task) => {
                format!("task {task} waits for an address here and nowhere else, so nothing is free")
            }
            Self::BalancerMissing(task) => {
                format!("task {task} was rejected because its node got no load-balancer address here")
            }
        }
    }
}

/// A task that lacks an address although it has been there for a while.
pub(crate) struct Lack<'a> {
    pub(crate) task: &'a Task,
    pub(crate) service: Option<&'a Service>,
    /// The overlays on which it lacks it.
    pub(crate) on: Vec<&'a Network>,
}

/// One look, and who waits in it.
pub(crate) struct Waiting<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) counts: &'a AllocatorCounts,
    /// Services that have waited for a virtual address for a while.
    pub(crate) waits: Vec<VipWait>,
    /// Tasks that have waited for an address for a while.
    pub(crate) lacks: Vec<Lack<'a>>,
}

impl<'a> Waiting<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot, counts: &'a AllocatorCounts) -> Self {
        let patient = |w: &VipWait| {
            let service = snapshot.service_named(&w.service);
            service.is_none_or(|s| has_waited(snapshot, s.updated, PATIENCE) != Some(false))
        };
        let waits = waiting_services(snapshot).into_iter().filter(patient).collect();
        let waiting = snapshot.tasks.iter().filter(|t| t.state == TaskState::New && t.is_wanted());
        let lacks = waiting.filter(|t| has_waited(snapshot, t.since, PATIENCE) != Some(false));
        let lacks = lacks.map(|task| lack(snapshot, task)).filter(|l| !l.on.is_empty()).collect();
        Self { snapshot, counts, waits, lacks }
    }

    /// True iff this service has waited for a virtual address for a while.
    pub(crate) fn waits(&self, service: &str) -> bool {
        self.waits.iter().any(|w| w.service == service)
    }

    /// How it is known that nothing is free on this network; `None` where it is not known, or not so.
    pub(crate) fn full(&self, network: &Network, owners: &Owners) -> Option<FullBecause> {
        if !network.is_allocated() {
            return None;
        }
        if let Some(status) = self.counts.of(&network.id) {
            return (status.dynamic_available == 0).then_some(FullBecause::Counted);
        }
        let service = || self.waits.iter().find(|w| w.network == network.id && w.only_here);
        let task = || self.lacks.iter().find(|l| self.waits_only_here(l, &network.id));
        let balancer = || self.without_balancer().find(|t| overlays_of(self.snapshot, t) == [network]);
        if network.usable() <= owners.total() {
            return Some(FullBecause::Owned);
        }
        service()
            .map(|w| FullBecause::ServiceWaits(w.service.clone()))
            .or_else(|| task().map(|l| FullBecause::TaskWaits(l.task.id.clone())))
            .or_else(|| balancer().map(|t| FullBecause::BalancerMissing(t.id.clone())))
    }

    /// True iff the allocator itself counts a free address.
    pub(crate) fn has_room(&self, network: &Network) -> bool {
        self.counts.of(&network.id).is_some_and(|s| 0 < s.dynamic_available)
    }

    /// A task waits for its service first, so only one whose service has its virtual addresses tells of the network.
    fn waits_only_here(&self, lack: &Lack<'_>, network: &NetworkId) -> bool {
        let service_waits = lack.service.is_some_and(|s| self.waits(&s.name));
        !service_waits && lack.on.len() == 1 && lack.on.iter().all(|n| n.id == *network)
    }

    /// Tasks that a node rejected for want of a load balancer and that no other task of their slot has replaced well.
    pub(crate) fn without_balancer(&self) -> impl Iterator<Item = &'a Task> {
        let snapshot = self.snapshot;
        snapshot.tasks.iter().filter(|t| lacked_balancer(t)).filter(move |t| {
            let same_slot = |o: &&Task| o.service == t.service && o.slot == t.slot && o.id != t.id;
            let mut others = snapshot.tasks.iter().filter(same_slot);
            // Without a slot the service is global, and its tasks are told apart by their nodes.
            others.all(|o| {
                let elsewhere = t.slot.is_none() && o.node != t.node;
                let replaced = o.is_running();
                let newer = lacked_balancer(o) && (t.since, &t.id) < (o.since, &o.id);
                elsewhere || !(replaced || newer)
            })
        })
    }
}

/// What is given out and owned by nobody, on a network on which nothing is free; `None` while it is not sure which nodes have
/// their load balancer there, unless that makes no difference.
pub(crate) fn leaked_when_full(snapshot: &Snapshot, network: &Network, owners: &Owners) -> Option<u64> {
    let most = network
        .usable()
        .saturating_sub(owners.total().saturating_sub(load_balancers_unsure(snapshot, network, owners)));
    let least = network.usable().saturating_sub(owners.total());
    (least == most).then_some(least)
}

/// How many of the load balancers counted on this network may have got no address. One that a node lacks keeps its tasks from
/// being prepared, so a node with a task that is further has it; on `ingress` nodes get theirs when they join.
pub fn load_balancers_unsure(snapshot: &Snapshot, network: &Network, owners: &Owners) -> u64 {
    if network.ingress {
        return 0;
    }
    let prepared = |t: &Task| (TaskState::Ready..=TaskState::Running).contains(&t.state);
    let here = |t: &Task| t.addresses_on(&network.id).next().is_some();
    let sure: BTreeSet<&NodeId> =
        snapshot.tasks.iter().filter(|t| prepared(t) && here(t)).filter_map(|t| t.node.as_ref()).collect();
    owners.load_balancers.iter().filter(|node| !sure.contains(node)).count() as u64
}

/// How long a task that is being prepared is given before its node is taken to lack its load balancer: the node's own patience,
/// and less where the addresses do not suffice for all that are counted.
pub(crate) fn balancer_patience(network: &Network, owners: &Owners) -> SignedDuration {
    if network.usable() < owners.total() { PATIENCE } else { BALANCER_PATIENCE }
}

pub(crate) fn lacked_balancer(task: &Task) -> bool {
    task.state == TaskState::Rejected && task.error.contains(BALANCER_MISSING)
}

/// Whether so much time has passed since then, by the engine's clock; `None` where that is not known.
pub(crate) fn has_waited(
    snapshot: &Snapshot,
    since: Option<Timestamp>,
    patience: SignedDuration,
) -> Option<bool> {
    since.map(|since| patience <= snapshot.engine.at.duration_since(since))
}

/// The overlays that a service's tasks join, `ingress` last; one that is not in the list is left out.
pub(crate) fn overlays_wanted<'a>(snapshot: &'a Snapshot, service: &Service) -> Vec<&'a Network> {
    let by_id = |id: &NetworkId| snapshot.networks.iter().find(|n| n.id == *id);
    let mesh = service.publishes_ingress && service.endpoint == EndpointMode::Vip;
    let ingress = snapshot.networks.iter().find(|n| n.ingress && mesh);
    let wanted = service.networks.iter().filter_map(by_id).filter(|n| !n.ingress);
    let mut networks: Vec<&Network> = wanted.chain(ingress).filter(|n| n.is_overlay()).collect();
    let mut seen = BTreeSet::new();
    networks.retain(|n| seen.insert(n.id.clone()));
    networks
}

/// The overlays of a task: those of its service, or those that it is attached to.
pub(crate) fn overlays_of<'a>(snapshot: &'a Snapshot, task: &Task) -> Vec<&'a Network> {
    if let Some(service) = task.service.as_ref().and_then(|id| snapshot.service(id)) {
        return overlays_wanted(snapshot, service);
    }
    let on = |n: &&Network| n.is_overlay() && task.is_attached_to(&n.id);
    snapshot.networks.iter().filter(on).collect()
}

fn lack<'a>(snapshot: &'a Snapshot, task: &'a Task) -> Lack<'a> {
    let has = |n: &Network| task.addresses_on(&n.id).next().is_some();
    let mut on = overlays_of(snapshot, task);
    on.retain(|n| !has(n));
    Lack { task, service: task.service.as_ref().and_then(|id| snapshot.service(id)), on }
}

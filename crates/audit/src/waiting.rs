//! One snapshot, with what every judgement of it needs: who owns what, and who is waiting for an address.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

use crate::full_because::FullBecause;
use crate::owners::{Owner, Owners, owners_among};
use crate::seen::{
    AllocatorCounts, EndpointMode, Lookup, Network, NetworkId, NodeId, Probes, Service, ServiceId, Snapshot,
    Task, TaskState,
};
use crate::waits::{VipWait, lacks_mesh, waiting_services};

/// How long a service or a task may lack an address before it counts as waiting. Allocation takes milliseconds.
pub(crate) const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// What a node says when it rejects a task for want of a load balancer (moby
/// `daemon/cluster/executor/container/adapter.go`).
const BALANCER_MISSING: &str = "node is missing network attachments, ip addresses may be exhausted";

/// A task that lacks an address although it was created a while ago.
pub(crate) struct Lack<'a> {
    pub(crate) task: &'a Task,
    pub(crate) service: Option<&'a Service>,
    /// The overlays on which it lacks one; not empty.
    pub(crate) on: Vec<&'a Network>,
}

/// One snapshot, its owners, and who is waiting in it. Built once per judgement and passed along.
pub(crate) struct Waiting<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) lookup: Lookup<'a>,
    pub(crate) counts: &'a AllocatorCounts,
    /// Services that have waited for a virtual address for a while.
    pub(crate) waits: Vec<VipWait>,
    /// Tasks that have waited for an address for a while.
    pub(crate) lacks: Vec<Lack<'a>>,
    /// Tasks that a node rejected for want of a load balancer, and whose slot no other task has filled since.
    pub(crate) without_balancer: Vec<Rejected<'a>>,
    /// What probes on networks came to, if there were any.
    pub(crate) probes: Probes,
    /// Networks that are full by what is known of each alone.
    pub(crate) full_by_themselves: OnceCell<BTreeMap<&'a NetworkId, FullBecause>>,
    /// Networks that are full because all others of something that waits cannot be.
    /// Asked for by [`Waiting::full`] first, since it takes what each network shows by itself.
    pub(crate) deduced: OnceCell<BTreeMap<NetworkId, FullBecause>>,
    /// Tasks that are being prepared and wanted, by overlay.
    preparing: HashMap<&'a NetworkId, Vec<&'a Task>>,
    /// The indices in `waits` of each service and of each network, in `lacks` and `without_balancer` of each network.
    waits_of: HashMap<String, Vec<usize>>,
    waits_on: HashMap<NetworkId, Vec<usize>>,
    lacks_on: HashMap<&'a NetworkId, Vec<usize>>,
    rejected_on: HashMap<&'a NetworkId, Vec<usize>>,
    owners: BTreeMap<&'a NetworkId, Owners>,
    /// For a network that the snapshot does not list.
    unowned: Owners,
}

/// A task that a node rejected for want of a load balancer, and its overlays.
pub(crate) struct Rejected<'a> {
    pub(crate) task: &'a Task,
    pub(crate) on: Vec<&'a Network>,
}

impl<'a> Waiting<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot, counts: &'a AllocatorCounts) -> Self {
        Self::probed(snapshot, counts, &Probes::default())
    }

    /// The same, with what probes on its networks came to.
    pub(crate) fn probed(snapshot: &'a Snapshot, counts: &'a AllocatorCounts, probes: &Probes) -> Self {
        let lookup = snapshot.lookup();
        // A time that is not known counts as long ago: an address that is missing is worth a word.
        let patient = |w: &VipWait| {
            // Without the mesh's network it waits for that, and not for an address.
            lookup.service_named(&w.service).is_none_or(|s| {
                has_waited(snapshot, s.updated, PATIENCE) != Some(false) && !lacks_mesh(s, lookup.ingress())
            })
        };
        let waits: Vec<VipWait> = waiting_services(snapshot).into_iter().filter(patient).collect();
        // NEW is the only state without addresses: the allocator moves a task on to PENDING once it has all of them.
        let waiting = snapshot.tasks.iter().filter(|t| t.state == TaskState::New && t.is_wanted());
        let lacks = waiting.filter(|t| has_waited(snapshot, t.since, PATIENCE) != Some(false));
        let lacks: Vec<Lack<'a>> =
            lacks.map(|task| lack(snapshot, &lookup, task)).filter(|l| !l.on.is_empty()).collect();
        let without_balancer = without_balancer(snapshot, &lookup);
        let preparing = snapshot.tasks.iter().filter(|t| t.state == TaskState::Preparing && t.is_wanted());
        let preparing =
            preparing.flat_map(|t| overlays_of(snapshot, &lookup, t).into_iter().map(move |n| (&n.id, t)));
        let overlays = snapshot.overlays().into_iter();
        Self {
            snapshot,
            counts,
            preparing: grouped(preparing),
            waits_of: grouped(waits.iter().enumerate().map(|(i, w)| (w.service.clone(), i))),
            waits_on: grouped(waits.iter().enumerate().map(|(i, w)| (w.network.clone(), i))),
            lacks_on: grouped(lacks.iter().enumerate().flat_map(|(i, l)| of_each(&l.on, i))),
            rejected_on: grouped(without_balancer.iter().enumerate().flat_map(|(i, r)| of_each(&r.on, i))),
            waits,
            lacks,
            without_balancer,
            probes: probes.clone(),
            full_by_themselves: OnceCell::new(),
            deduced: OnceCell::new(),
            owners: overlays.map(|n| (&n.id, owners_among(snapshot, &lookup, n))).collect(),
            unowned: Owners::default(),
            lookup,
        }
    }

    /// Who holds what on this overlay; no owners for a network that the snapshot does not list as one.
    pub(crate) fn owners(&self, network: &Network) -> &Owners {
        self.owners.get(&network.id).unwrap_or(&self.unowned)
    }

    /// The named owners of this network, when nothing more will be asked of them.
    pub(crate) fn take_owners(&mut self, network: &NetworkId) -> Vec<Owner> {
        self.owners.get_mut(network).map(|owners| std::mem::take(&mut owners.named)).unwrap_or_default()
    }

    /// True iff this service has waited for a virtual address for a while.
    pub(crate) fn waits(&self, service: &str) -> bool {
        self.waits_of.contains_key(service)
    }

    /// What this service has waited for for a while.
    pub(crate) fn waits_of(&self, service: &str) -> impl Iterator<Item = &VipWait> {
        self.waits_of.get(service).into_iter().flatten().map(|index| &self.waits[*index])
    }

    /// Who has waited for a virtual address on this network for a while.
    pub(crate) fn waits_on(&self, network: &NetworkId) -> impl Iterator<Item = &VipWait> {
        self.waits_on.get(network).into_iter().flatten().map(|index| &self.waits[*index])
    }

    /// The tasks that have waited for an address on this network for a while.
    pub(crate) fn lacks_on(&self, network: &NetworkId) -> impl Iterator<Item = &Lack<'a>> {
        self.lacks_on.get(network).into_iter().flatten().map(|index| &self.lacks[*index])
    }

    /// Of the tasks that lack a load balancer, those on this network.
    pub(crate) fn rejected_on(&self, network: &NetworkId) -> impl Iterator<Item = &Rejected<'a>> {
        self.rejected_on.get(network).into_iter().flatten().map(|index| &self.without_balancer[*index])
    }

    /// The tasks on this network that a node is preparing.
    pub(crate) fn preparing_on(&self, network: &NetworkId) -> impl Iterator<Item = &'a Task> {
        self.preparing.get(network).into_iter().flatten().copied()
    }

    /// The overlays of a task: those of its service, or for a standalone container those that it is attached to.
    pub(crate) fn overlays_of(&self, task: &Task) -> Vec<&'a Network> {
        overlays_of(self.snapshot, &self.lookup, task)
    }

    /// The overlays that a service's tasks join, each once, `ingress` last; a network that is not listed is left out.
    pub(crate) fn overlays_wanted(&self, service: &Service) -> Vec<&'a Network> {
        overlays_wanted(&self.lookup, service)
    }
}

fn grouped<K: Hash + Eq, V>(all: impl Iterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, value) in all {
        groups.entry(key).or_default().push(value);
    }
    groups
}

fn of_each<'a>(networks: &[&'a Network], index: usize) -> impl Iterator<Item = (&'a NetworkId, usize)> {
    networks.iter().map(move |n| (&n.id, index))
}

/// Tasks that a node rejected for want of a load balancer, and whose slot no other task has filled since.
fn without_balancer<'a>(snapshot: &'a Snapshot, lookup: &Lookup<'a>) -> Vec<Rejected<'a>> {
    let rejected: Vec<&Task> = snapshot.tasks.iter().filter(|t| lacked_balancer(t)).collect();
    // Most often there is none.
    if rejected.is_empty() {
        return Vec::new();
    }
    let slots = grouped(snapshot.tasks.iter().map(|t| (slot(t), t)));
    let lasting =
        rejected.into_iter().filter(|t| !slots.get(&slot(t)).is_some_and(|all| is_replaced(all, t)));
    lasting.map(|task| Rejected { task, on: overlays_of(snapshot, lookup, task) }).collect()
}

/// What a task is replaced in: a slot of its service, or without one a node of it.
fn slot(task: &Task) -> (Option<&ServiceId>, Option<u64>, Option<&NodeId>) {
    // Without a slot the service is global, and its tasks differ by node.
    (task.service.as_ref(), task.slot, task.node.as_ref().filter(|_| task.slot.is_none()))
}

/// True iff another task of this task's slot runs, or failed later for the same reason.
fn is_replaced(slot: &[&Task], task: &Task) -> bool {
    let newer = |o: &Task| lacked_balancer(o) && (task.since, &task.id) < (o.since, &o.id);
    slot.iter().filter(|o| o.id != task.id).any(|other| other.is_running() || newer(other))
}

/// True iff a node rejected this task because it got no address for its load balancer.
pub(crate) fn lacked_balancer(task: &Task) -> bool {
    task.state == TaskState::Rejected && task.error.contains(BALANCER_MISSING)
}

/// Whether this much time has passed since then, by the engine's clock; `None` if that is not known.
pub(crate) fn has_waited(
    snapshot: &Snapshot,
    since: Option<Timestamp>,
    patience: SignedDuration,
) -> Option<bool> {
    since.map(|since| patience <= snapshot.engine.at.duration_since(since))
}

fn overlays_wanted<'a>(lookup: &Lookup<'a>, service: &Service) -> Vec<&'a Network> {
    // A dnsrr service cannot publish through the mesh (swarmkit `IsIngressNetworkNeeded`).
    let mesh = service.publishes_ingress && service.endpoint == EndpointMode::Vip;
    let ingress = lookup.ingress().filter(|_| mesh);
    let wanted = service.networks.iter().filter_map(|id| lookup.network(id)).filter(|n| !n.ingress);
    let mut networks: Vec<&Network> = wanted.chain(ingress).filter(|n| n.is_overlay()).collect();
    let mut seen = BTreeSet::new();
    networks.retain(|n| seen.insert(&n.id));
    networks
}

fn overlays_of<'a>(snapshot: &'a Snapshot, lookup: &Lookup<'a>, task: &Task) -> Vec<&'a Network> {
    if let Some(service) = task.service.as_ref().and_then(|id| lookup.service(id)) {
        return overlays_wanted(lookup, service);
    }
    let on = |n: &&Network| n.is_overlay() && task.is_attached_to(&n.id);
    snapshot.networks.iter().filter(on).collect()
}

fn lack<'a>(snapshot: &'a Snapshot, lookup: &Lookup<'a>, task: &'a Task) -> Lack<'a> {
    let service = task.service.as_ref().and_then(|id| lookup.service(id));
    // A network that is gone refuses as well, and so whatever the others do.
    let is_gone = |id: &NetworkId| lookup.network(id).is_none();
    if service.is_some_and(|s| lacks_mesh(s, lookup.ingress()) || s.networks.iter().any(is_gone)) {
        return Lack { task, service, on: Vec::new() };
    }
    let has = |n: &Network| task.addresses_on(&n.id).next().is_some();
    let mut on = overlays_of(snapshot, lookup, task);
    on.retain(|n| !has(n));
    Lack { task, service, on }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::Runtime;
    use crate::testing::{at, network, rejected, service, task, world};

    fn replaced_in(snapshot: &Snapshot, task: &Task) -> bool {
        without_balancer(snapshot, &snapshot.lookup()).iter().all(|r| r.task.id != task.id)
    }

    #[test]
    fn a_rejected_task_is_replaced_by_one_of_its_slot_that_runs_or_failed_later() {
        let first = Task { since: Some(at(10)), ..rejected("1", "app") };
        let replaced = |other: Task| {
            let mut snapshot = world();
            snapshot.tasks = vec![first.clone(), other];
            replaced_in(&snapshot, &first)
        };
        assert!(replaced(task("2", "app", TaskState::Running, &[])));
        assert!(!replaced(task("2", "other", TaskState::Running, &[])));
        assert!(!replaced(Task { slot: Some(2), ..task("2", "app", TaskState::Running, &[]) }));
        assert!(replaced(Task { since: Some(at(11)), ..rejected("2", "app") }));
        assert!(!replaced(Task { since: Some(at(9)), ..rejected("2", "app") }));
        assert!(replaced(Task { since: Some(at(10)), ..rejected("2", "app") }), "by id at the same time");
        assert!(!replaced(Task { since: Some(at(10)), ..rejected("0", "app") }));
    }

    #[test]
    fn a_rejected_task_of_a_global_service_is_replaced_on_its_own_node_only() {
        let first = Task { slot: None, node: Some(NodeId::new("n1")), ..rejected("1", "app") };
        for (node, replaced) in [("n1", true), ("n2", false)] {
            let mut snapshot = world();
            let runs = task("2", "app", TaskState::Running, &[]);
            snapshot.tasks = vec![first.clone(), Task { slot: None, node: Some(NodeId::new(node)), ..runs }];
            assert_eq!(replaced_in(&snapshot, &first), replaced, "one runs on {node}");
        }
    }

    #[test]
    fn overlays_are_those_of_the_service_or_of_the_attachment() {
        let mut snapshot = world();
        snapshot.networks = vec![
            network("ingress", "10.0.0.0/24"),
            network("a", "10.2.0.0/28"),
            Network { driver: "bridge".into(), scope: "local".into(), ..network("local", "172.17.0.0/16") },
        ];
        let mesh = Service { publishes_ingress: true, ..service("mesh", &[("a", "")]) };
        let dnsrr = Service { endpoint: EndpointMode::Dnsrr, ..mesh.clone() };
        let names = |networks: Vec<&Network>| networks.iter().map(|n| n.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(overlays_wanted(&snapshot.lookup(), &mesh)), ["a", "ingress"]);
        assert_eq!(names(overlays_wanted(&snapshot.lookup(), &dnsrr)), ["a"]);
        let none = service("none", &[("a", ""), ("a", ""), ("local", "")]);
        assert_eq!(names(overlays_wanted(&snapshot.lookup(), &none)), ["a"]);
        let by_hand = task("c", "", TaskState::New, &[("a", ""), ("local", "")]);
        let by_hand = Task { service: None, runtime: Runtime::Attachment, ..by_hand };
        assert_eq!(names(overlays_of(&snapshot, &snapshot.lookup(), &by_hand)), ["a"]);
    }
}

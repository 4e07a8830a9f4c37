//! One snapshot, with what every judgement of it needs: who owns what, and who is waiting for an address.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::full_because::FullBecause;
use crate::owners::{Owners, owners};
use crate::seen::{
    AllocatorCounts, EndpointMode, Network, NetworkId, Probes, Service, Snapshot, Task, TaskState,
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
    pub(crate) counts: &'a AllocatorCounts,
    /// Services that have waited for a virtual address for a while.
    pub(crate) waits: Vec<VipWait>,
    /// Tasks that have waited for an address for a while.
    pub(crate) lacks: Vec<Lack<'a>>,
    /// What probes on networks came to, if there were any.
    pub(crate) probes: Probes,
    /// Networks that are full because all others of something that waits cannot be.
    /// Asked for by [`Waiting::full`] first, since it takes what each network shows by itself.
    pub(crate) deduced: OnceCell<BTreeMap<NetworkId, FullBecause>>,
    owners: BTreeMap<&'a NetworkId, Owners>,
    /// For a network that the snapshot does not list.
    unowned: Owners,
}

impl<'a> Waiting<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot, counts: &'a AllocatorCounts) -> Self {
        Self::probed(snapshot, counts, &Probes::default())
    }

    /// The same, with what probes on its networks came to.
    pub(crate) fn probed(snapshot: &'a Snapshot, counts: &'a AllocatorCounts, probes: &Probes) -> Self {
        // A time that is not known counts as long ago: an address that is missing is worth a word.
        let patient = |w: &VipWait| {
            let service = snapshot.service_named(&w.service);
            // Without the mesh's network it waits for that, and not for an address.
            service.is_none_or(|s| {
                has_waited(snapshot, s.updated, PATIENCE) != Some(false) && !lacks_mesh(s, &snapshot.networks)
            })
        };
        let waits = waiting_services(snapshot).into_iter().filter(patient).collect();
        // NEW is the only state without addresses: the allocator moves a task on to PENDING once it has all of them.
        let waiting = snapshot.tasks.iter().filter(|t| t.state == TaskState::New && t.is_wanted());
        let lacks = waiting.filter(|t| has_waited(snapshot, t.since, PATIENCE) != Some(false));
        let lacks = lacks.map(|task| lack(snapshot, task)).filter(|l| !l.on.is_empty()).collect();
        let owners = snapshot.overlays().into_iter().map(|n| (&n.id, owners(snapshot, n))).collect();
        Self {
            snapshot,
            counts,
            waits,
            lacks,
            probes: probes.clone(),
            deduced: OnceCell::new(),
            owners,
            unowned: Owners::default(),
        }
    }

    /// Who holds what on this overlay; no owners for a network that the snapshot does not list as one.
    pub(crate) fn owners(&self, network: &Network) -> &Owners {
        self.owners.get(&network.id).unwrap_or(&self.unowned)
    }

    /// True iff this service has waited for a virtual address for a while.
    pub(crate) fn waits(&self, service: &str) -> bool {
        self.waits.iter().any(|w| w.service == service)
    }

    /// Tasks that a node rejected for want of a load balancer, and whose slot no other task has filled since.
    pub(crate) fn without_balancer(&self) -> impl Iterator<Item = &'a Task> {
        let snapshot = self.snapshot;
        snapshot.tasks.iter().filter(|t| lacked_balancer(t)).filter(move |t| !is_replaced(snapshot, t))
    }
}

/// True iff another task of this task's slot runs, or failed later for the same reason.
fn is_replaced(snapshot: &Snapshot, task: &Task) -> bool {
    let same_slot = |o: &&Task| o.service == task.service && o.slot == task.slot && o.id != task.id;
    snapshot.tasks.iter().filter(same_slot).any(|other| {
        // Without a slot the service is global, and its tasks differ by node.
        let other_node = task.slot.is_none() && other.node != task.node;
        let newer = lacked_balancer(other) && (task.since, &task.id) < (other.since, &other.id);
        !other_node && (other.is_running() || newer)
    })
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

/// The overlays that a service's tasks join, each once, `ingress` last; a network that is not listed is left out.
pub(crate) fn overlays_wanted<'a>(snapshot: &'a Snapshot, service: &Service) -> Vec<&'a Network> {
    let by_id = |id: &NetworkId| snapshot.networks.iter().find(|n| n.id == *id);
    // A dnsrr service cannot publish through the mesh (swarmkit `IsIngressNetworkNeeded`).
    let mesh = service.publishes_ingress && service.endpoint == EndpointMode::Vip;
    let ingress = snapshot.networks.iter().find(|n| n.ingress && mesh);
    let wanted = service.networks.iter().filter_map(by_id).filter(|n| !n.ingress);
    let mut networks: Vec<&Network> = wanted.chain(ingress).filter(|n| n.is_overlay()).collect();
    let mut seen = BTreeSet::new();
    networks.retain(|n| seen.insert(n.id.clone()));
    networks
}

/// The overlays of a task: those of its service, or for a standalone container those that it is attached to.
pub(crate) fn overlays_of<'a>(snapshot: &'a Snapshot, task: &Task) -> Vec<&'a Network> {
    if let Some(service) = task.service.as_ref().and_then(|id| snapshot.service(id)) {
        return overlays_wanted(snapshot, service);
    }
    let on = |n: &&Network| n.is_overlay() && task.is_attached_to(&n.id);
    snapshot.networks.iter().filter(on).collect()
}

fn lack<'a>(snapshot: &'a Snapshot, task: &'a Task) -> Lack<'a> {
    let service = task.service.as_ref().and_then(|id| snapshot.service(id));
    // A network that is gone refuses as well, and so whatever the others do.
    let is_gone = |id: &NetworkId| !snapshot.networks.iter().any(|n| n.id == *id);
    if service.is_some_and(|s| lacks_mesh(s, &snapshot.networks) || s.networks.iter().any(is_gone)) {
        return Lack { task, service, on: Vec::new() };
    }
    let has = |n: &Network| task.addresses_on(&n.id).next().is_some();
    let mut on = overlays_of(snapshot, task);
    on.retain(|n| !has(n));
    Lack { task, service, on }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::{NodeId, Runtime};
    use crate::testing::{at, network, rejected, service, task, world};

    #[test]
    fn a_rejected_task_is_replaced_by_one_of_its_slot_that_runs_or_failed_later() {
        let first = Task { since: Some(at(10)), ..rejected("1", "app") };
        let replaced = |other: Task| {
            let mut snapshot = world();
            snapshot.tasks = vec![first.clone(), other];
            is_replaced(&snapshot, &first)
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
            assert_eq!(is_replaced(&snapshot, &first), replaced, "one runs on {node}");
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
        assert_eq!(names(overlays_wanted(&snapshot, &mesh)), ["a", "ingress"]);
        assert_eq!(names(overlays_wanted(&snapshot, &dnsrr)), ["a"]);
        let none = service("none", &[("a", ""), ("a", ""), ("local", "")]);
        assert_eq!(names(overlays_wanted(&snapshot, &none)), ["a"]);
        let by_hand = task("c", "", TaskState::New, &[("a", ""), ("local", "")]);
        let by_hand = Task { service: None, runtime: Runtime::Attachment, ..by_hand };
        assert_eq!(names(overlays_of(&snapshot, &by_hand)), ["a"]);
    }
}

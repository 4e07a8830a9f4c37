//! Who else moves the ring of a network: pure functions of snapshots and changes.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pvcheck_audit::{Network, NodeId, Service, Snapshot, Task, TaskId, owners, waiting_tasks, waits_among};

use super::doubt::Doubt;
use crate::engine::{ChangedObject, SwarmChange};
use crate::run::RunId;

/// How the names of all census services begin.
const NAME: &str = "pvcheck-census";

/// Characters of the network's id in the name of a service. Base 36: two networks of one Swarm do not share eight by
/// chance, and a name has 63 characters at most.
const NETWORK_CHARS: usize = 8;

/// A service, or one task of it, that waits for an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiter {
    Service { service: String, network: String },
    Task { service: String, task: TaskId },
}

/// The names of one census's services: `pvcheck-census-RUN-NETWORK-N`.
///
/// The run tells one census from another, the network says which ring a foreign one moves: an event of the Swarm has no
/// more than a name.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    network: String,
    run: String,
}

impl Names {
    pub(super) fn new(run: &RunId, network: &Network) -> Self {
        let network: String = network.id.as_str().chars().take(NETWORK_CHARS).collect();
        Self { prefix: format!("{NAME}-{run}-{network}-"), network, run: run.to_string() }
    }

    /// How they all begin.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn nth(&self, n: u64) -> String {
        format!("{}{n}", self.prefix)
    }

    /// True iff this is the name of a service of this very census.
    pub(super) fn is_ours(&self, service: &str) -> bool {
        service.starts_with(&self.prefix)
    }

    /// The run of another census of the same network, if this is the name of a service of one.
    pub(super) fn rival(&self, service: &str) -> Option<RunId> {
        let (run, network) = run_and_network(service)?;
        (network == self.network && run != self.run).then(|| RunId::from_label(run))
    }

    /// True iff this is the name of a service of a census of another network.
    fn is_elsewhere(&self, service: &str) -> bool {
        run_and_network(service).is_some_and(|(_, network)| network != self.network)
    }
}

fn run_and_network(service: &str) -> Option<(&str, &str)> {
    let rest = service.strip_prefix(NAME)?.strip_prefix('-')?;
    let (rest, _) = rest.rsplit_once('-')?;
    rest.rsplit_once('-')
}

/// Services that wait for an address anywhere, and tasks that wait on a network of which this one is one.
///
/// The services of a census have one network each, and so nothing to lose on another.
pub(super) fn waiters(look: &Snapshot, network: &Network) -> BTreeSet<Waiter> {
    let tasks = waiting_tasks(look, &network.id).into_iter().filter(|(service, _)| !is_census(service));
    let tasks = tasks.map(|(service, task)| Waiter::Task { service, task });
    services_waiting(&look.services, look).chain(tasks).collect()
}

/// True iff a service that belongs to no census waits for an address.
pub(super) fn some_service_waits(services: &[Service], look: &Snapshot) -> bool {
    services_waiting(services, look).next().is_some()
}

fn services_waiting(services: &[Service], look: &Snapshot) -> impl Iterator<Item = Waiter> {
    let waits = waits_among(services, &look.networks).into_iter().filter(|w| !is_census(&w.service));
    waits.map(|w| Waiter::Service {
        network: w.network_name.unwrap_or_else(|| w.network.to_string()),
        service: w.service,
    })
}

fn is_census(service: &str) -> bool {
    run_and_network(service).is_some()
}

/// The first change that may have moved the ring of this network; `None` if none did.
///
/// A change of a service that no look shows on this network moves other rings only. One that no look shows at all may have
/// been here and gone, so it counts.
pub(super) fn first_mover<'a>(
    changes: &'a BTreeSet<SwarmChange>,
    network: &Network,
    names: &Names,
    looks: &[&[Service]],
) -> Option<&'a SwarmChange> {
    changes.iter().find(|change| match change.object {
        // Load balancers are allocated by updates of their node.
        ChangedObject::Node => true,
        ChangedObject::Network => change.id == network.id.as_str(),
        ChangedObject::Service if names.is_elsewhere(&change.name) => false,
        ChangedObject::Service => {
            let seen = |s: &&Service| s.id.as_str() == change.id;
            let mut seen = looks.iter().flat_map(|look| look.iter().filter(seen)).peekable();
            seen.peek().is_none() || seen.any(|service| uses(service, network))
        }
    })
}

fn uses(service: &Service, network: &Network) -> bool {
    service.networks.contains(&network.id)
        || service.vips.iter().any(|vip| vip.network == network.id)
        || (service.publishes_ingress && network.ingress)
}

/// What is not as it was before a turn, of all that can move the ring; `None` if all is.
pub(super) fn change(before: &Snapshot, after: &Snapshot, network: &Network, names: &Names) -> Option<Doubt> {
    let name = network.name.clone();
    let waiting = || waiting_tasks(after, &network.id).into_iter().find(|(service, _)| !is_census(service));
    difference(before, after, network, names)
        .or_else(|| waiting().map(|(service, task)| Doubt::TaskWaits { task, service, network: name }))
}

/// What differs between two snapshots of what holds addresses of this network, and of who gives them out.
pub(super) fn difference(
    before: &Snapshot,
    after: &Snapshot,
    network: &Network,
    names: &Names,
) -> Option<Doubt> {
    if !is_whole(before) || !is_whole(after) {
        return Some(Doubt::PartialSnapshot);
    }
    let name = network.name.clone();
    let pools = |look: &Snapshot| look.networks.iter().find(|n| n.id == network.id).map(|n| n.pools.clone());
    let (from, to) = (leader(before), leader(after));
    // By id: another network may have got the name meanwhile.
    if pools(before).is_none() || pools(before) != pools(after) {
        Some(Doubt::NetworkReplaced { network: name })
    } else if from != to {
        Some(Doubt::LeaderMoved { from, to })
    } else if tasks_of(before, network, names) != tasks_of(after, network, names) {
        Some(Doubt::TasksChanged { network: name })
    } else if owners(before, network) != owners(after, network) {
        Some(Doubt::OwnersChanged { network: name })
    } else {
        None
    }
}

/// True iff it has what every snapshot of a manager has: the node that answered among the nodes, and a leader. An answer
/// that is none (`{}` for `/info`) reads as empty fields, and without its node the local load balancer goes unnamed.
fn is_whole(look: &Snapshot) -> bool {
    look.nodes.iter().any(|n| n.id == look.engine.node) && leader(look).is_some()
}

fn leader(look: &Snapshot) -> Option<NodeId> {
    look.nodes.iter().find(|n| n.leader).map(|n| n.id.clone())
}

/// Every task of others that lists the network, and whether it holds what it lists.
fn tasks_of(look: &Snapshot, network: &Network, names: &Names) -> BTreeSet<(TaskId, bool)> {
    let lookup = look.lookup();
    let ours = |task: &&Task| {
        let service = task.service.as_ref().and_then(|id| lookup.service(id));
        service.is_some_and(|s| names.is_ours(&s.name))
    };
    let here = look.tasks.iter().filter(|t| t.is_attached_to(&network.id) && !ours(t));
    here.map(|t| (t.id.clone(), t.state.holds_addresses())).collect()
}

/// True iff a task was seen in between that held an address there neither before nor after: it came and went unseen by
/// both snapshots.
pub(super) fn came_and_went(busy: &BTreeSet<Ipv4Addr>, before: &Snapshot, network: &Network) -> bool {
    !busy.is_subset(&owners(before, network).addresses())
}

/// Services of this census that are still listed.
pub(super) fn left_over(look: &Snapshot, names: &Names) -> Vec<String> {
    look.services.iter().filter(|s| names.is_ours(&s.name)).map(|s| s.name.clone()).collect()
}

/// Runs of other censuses of this network whose services are listed.
pub(super) fn rivals(look: &Snapshot, names: &Names) -> BTreeSet<String> {
    look.services.iter().filter_map(|s| names.rival(&s.name)).map(|run| run.to_string()).collect()
}

#[cfg(test)]
mod tests;

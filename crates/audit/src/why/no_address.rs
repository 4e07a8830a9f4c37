//! Lack of an address: of a service, of a task, of a node's load balancer.

use jiff::Timestamp;

use super::answer::{Link, Verdict};
use super::case::{Case, Decision, task_link};
use super::remedy::RemedyKind;
use super::suspects::{Suspects, WaitedOn, suspects, waited_on};
use crate::exhaustion::balancer_patience;
use crate::faults::{causes, pools_have_free};
use crate::full_because::FullBecause;
use crate::losses::names;
use crate::seen::{Network, Service, Task, TaskState};
use crate::waiting::{Waiting, has_waited, lacked_balancer};
use crate::waits::{lacks_mesh, waiting_services};

/// The decision if the service lacks a virtual address.
pub(super) fn for_vip<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let service = case.service?;
    let snapshot = case.waiting.snapshot;
    // Those within their patience too: a service that changed a moment ago is not healthy yet.
    let mut waits = waiting_services(snapshot);
    waits.retain(|w| w.service == service.name);
    if waits.is_empty() {
        return None;
    }
    // A task in NEW shows the consequence best; without one (0 replicas) the service itself is the first link.
    let task = case.task.or_else(|| case.tasks().find(|t| t.state == TaskState::New && t.is_wanted()));
    if !case.waiting.waits(&service.name) {
        let summary = format!("service {} changed a moment ago; ask again in some seconds", service.name);
        return Some(Decision::new(Verdict::Unknown, summary, task));
    }
    let wanted = case.waiting.overlays_wanted(service);
    let lacking = |n: &&&Network| waits.iter().any(|w| w.network == n.id);
    let on: Vec<&Network> = wanted.iter().filter(lacking).copied().collect();
    // Its network was removed, or is node-local: the allocator can give nothing there, ever.
    if on.is_empty() {
        let summary = format!("service {} names a network that is not in the Swarm's list", service.name);
        return Some(Decision::new(Verdict::Network, summary, task));
    }
    let mut links: Vec<Link> =
        task.map(|t| new_link(case, t, "its service is not allocated")).into_iter().collect();
    links.push(vip_link(service, &on, wanted.len()));
    // On one network the lack of an address and the full network are the same thing; on several the service waits as a
    // whole, and the address may be missing on a network that has plenty.
    let verdict = if 1 < wanted.len() { Verdict::VipPending } else { Verdict::Address };
    Some(refused(case, task, &on, verdict, links))
}

/// What it means that a service lacks its virtual address on these of all the networks that it wants.
fn vip_link(service: &Service, on: &[&Network], wanted: usize) -> Link {
    let lacking = names(on).join(" and ");
    let fact = if wanted == 1 {
        format!(
            "it has no virtual address on {lacking}; tasks wait until their service has all of its addresses"
        )
    } else if on.len() == wanted {
        "it has no virtual address on any of its networks: it is given all of them or none, so one network that refuses holds up the whole service".into()
    } else {
        format!(
            "an update added {lacking}, where it has no virtual address; until it has all of them the service as a whole waits"
        )
    };
    let subject = format!("service {}", service.name);
    Link { subject, state: "no virtual address".into(), since: service.updated, fact }
}

/// The decision if a task lacks its address.
pub(super) fn for_address<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let mut lacks = case.waiting.lacks.iter();
    let lack = lacks.find(|l| case.is_about(l.task))?;
    let fact = format!("it has no address on {}", names(&lack.on).join(" nor on "));
    let links = vec![new_link(case, lack.task, &fact)];
    Some(refused(case, Some(lack.task), &lack.on, Verdict::Address, links))
}

/// The decision if a node lacks its load balancer, and so rejects the task.
pub(super) fn for_balancer<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let snapshot = case.waiting.snapshot;
    // A rejected task that is asked about is explained even if another has replaced it since.
    let asked = case.task.filter(|t| lacked_balancer(t));
    let rejected =
        asked.or_else(|| case.waiting.without_balancer.iter().map(|r| r.task).find(|t| case.is_about(t)));
    let slow = |task: &Task, network: &Network| {
        let patience = balancer_patience(network, case.waiting.owners(network));
        has_waited(snapshot, task.since, patience) == Some(true)
    };
    // A large image shows the same state, so preparing for long counts only on a network that is full.
    let preparing = case.tasks().find(|t| {
        t.state == TaskState::Preparing
            && t.is_wanted()
            && full_ones(case.waiting, t).into_iter().any(|n| slow(t, n))
    });
    let task = rejected.or(preparing)?;
    let full = full_ones(case.waiting, task);
    // The node does not say which network it means; where none is known to be full it may be any.
    let on = if full.is_empty() { case.waiting.overlays_of(task) } else { full };
    if on.is_empty() {
        return None;
    }
    let node = task.node.as_ref().map_or_else(|| "its node".to_owned(), |n| format!("node {n}"));
    let fact = if task.state == TaskState::Rejected {
        format!("{node} got no load-balancer address on one of the task's networks within 30 s")
    } else {
        format!("{node} waits for a load-balancer address")
    };
    Some(refused(case, Some(task), &on, Verdict::Address, vec![task_link(task, &fact)]))
}

/// The decision if the service publishes through the routing mesh and there is no `ingress` network.
pub(super) fn for_ingress<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let snapshot = case.waiting.snapshot;
    let service = case.service.filter(|s| lacks_mesh(s, case.waiting.lookup.ingress()))?;
    // One that has its addresses from before, and whose tasks have theirs, goes on running.
    let task = case.tasks().find(|t| t.state == TaskState::New && t.is_wanted());
    if task.is_none() && !waiting_services(snapshot).iter().any(|w| w.service == service.name) {
        return None;
    }
    let summary = format!(
        "service {} publishes a port through the routing mesh, and the Swarm has no ingress network",
        service.name
    );
    let links = task.map(|t| new_link(case, t, "its service is not allocated")).into_iter().collect();
    let remedies = vec![RemedyKind::CreateIngress, RemedyKind::PublishInHostMode];
    Some(Decision { links, remedies, ..Decision::new(Verdict::Network, summary, task) })
}

/// The networks of a task that are full by other evidence than a rejected task, which may be this very one.
fn full_ones<'a>(waiting: &Waiting<'a>, task: &Task) -> Vec<&'a Network> {
    let mut networks = waiting.overlays_of(task);
    networks.retain(|n| {
        let full = waiting.full(n);
        full.is_some_and(|f| !matches!(f, FullBecause::BalancerMissing { .. }))
    });
    networks
}

/// Ends a chain at the network that refuses.
fn refused<'a>(
    case: &Case<'a>,
    task: Option<&'a Task>,
    on: &[&'a Network],
    verdict: Verdict,
    links: Vec<Link>,
) -> Decision<'a> {
    let since = oldest_wait(case.waiting, on);
    let decision = match suspects(case.waiting, on) {
        Suspects::NotAllocated(network) => not_allocated(case, network),
        Suspects::Full(waited) => full(case, *waited, verdict, since),
        Suspects::OneOf(candidates) => one_of(case, candidates, verdict, since),
        Suspects::HaveFree(candidates) => have_free(case, candidates, verdict, since),
    };
    let links = links.into_iter().chain(decision.links).collect();
    Decision { task, links, ..decision }
}

fn not_allocated<'a>(case: &Case<'a>, network: &Network) -> Decision<'a> {
    let name = &network.name;
    let summary = format!("{} waits for network {name}, which has no subnet", case.name());
    let waited = waited_on(case.waiting, network, None);
    let fact = format!(
        "Swarm has given it no subnet: {}; the manager's log tells which, under `Failed allocation for network {}`",
        causes(pools_have_free(case.waiting.snapshot)),
        network.id
    );
    let link = network_link(&waited, "not allocated", None, fact);
    Decision { network: Some(waited), ..Decision::new(Verdict::Network, summary, None).link(link) }
}

fn full<'a>(case: &Case<'a>, waited: WaitedOn, verdict: Verdict, since: Option<Timestamp>) -> Decision<'a> {
    let (who, name) = (case.name(), &waited.name);
    let summary = match verdict {
        Verdict::VipPending => {
            format!("{who} waits as a whole: network {name} has no address for its service")
        }
        _ => format!("{who} waits for an address: network {name} is full"),
    };
    let link = network_link(&waited, "full", since, sum_fact(&waited));
    Decision { network: Some(waited), ..Decision::new(verdict, summary, None).link(link) }
}

fn one_of<'a>(
    case: &Case<'a>,
    candidates: Vec<WaitedOn>,
    verdict: Verdict,
    since: Option<Timestamp>,
) -> Decision<'a> {
    let names = candidates.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" or ");
    let summary = format!(
        "{} waits for an address: {names} is full, and one snapshot does not show which",
        case.name()
    );
    let link = |n: &WaitedOn| network_link(n, "full, or another one is", since, perhaps_fact(n));
    let links = candidates.iter().map(link).collect();
    Decision { links, candidates, ..Decision::new(verdict, summary, None) }
}

fn have_free<'a>(
    case: &Case<'a>,
    candidates: Vec<WaitedOn>,
    verdict: Verdict,
    since: Option<Timestamp>,
) -> Decision<'a> {
    let summary = format!(
        "{} waits for an address although there are free ones now; the allocator tries again when an address is given back",
        case.name()
    );
    let links =
        candidates.iter().map(|n| network_link(n, "has free addresses now", since, sum_fact(n))).collect();
    Decision { links, candidates, ..Decision::new(verdict, summary, None) }
}

fn network_link(network: &WaitedOn, state: &str, since: Option<Timestamp>, fact: String) -> Link {
    Link { subject: format!("network {}", network.name), state: state.into(), since, fact }
}

/// The sum of a network's addresses, in words.
fn sum_fact(n: &WaitedOn) -> String {
    let vips: u64 = n.holders.iter().map(|h| h.vips).sum();
    let tasks: u64 = n.holders.iter().map(|h| h.tasks).sum();
    let known = |number: Option<u64>| number.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let because = n.full_because.as_ref().map(|b| format!(": {b}")).unwrap_or_default();
    format!(
        "{} usable, {} owned ({vips} VIPs, {tasks} tasks, {} load balancers, {} standalone containers), {} leaked, {} free{because}",
        n.usable,
        n.owned,
        n.load_balancers,
        n.attachments,
        known(n.leaked),
        known(n.free)
    )
}

fn perhaps_fact(n: &WaitedOn) -> String {
    format!(
        "{} usable, {} owned; if this is the full one, {} are leaked",
        n.usable,
        n.owned,
        n.usable.saturating_sub(n.owned)
    )
}

/// Since when a service or a task has waited on one of these networks.
fn oldest_wait(waiting: &Waiting<'_>, on: &[&Network]) -> Option<Timestamp> {
    let here = |id| on.iter().any(|n| n.id == id);
    let tasks = waiting.lacks.iter().filter(|l| l.on.iter().any(|n| here(n.id.clone())));
    let tasks = tasks.filter_map(|l| l.task.since);
    let services = waiting.waits.iter().filter(|w| here(w.network.clone()));
    let services = services.filter_map(|w| waiting.lookup.service_named(&w.service)?.updated);
    tasks.chain(services).min()
}

fn new_link(case: &Case<'_>, task: &Task, what: &str) -> Link {
    let kind = if case.service.is_some_and(|s| s.mode.is_job()) { "the job" } else { "it" };
    task_link(task, &format!("{what}, so no node is given {kind}; the Swarm shows no error for that"))
}

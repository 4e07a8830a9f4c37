//! Want of an address: of a service, of a task, of a node's load balancer.

use jiff::Timestamp;

use super::answer::{Link, Verdict};
use super::case::{Case, Decision};
use super::suspects::{Suspects, WaitedOn, suspects, waited_on};
use crate::exhaustion::{FullBecause, balancer_patience};
use crate::seen::{Network, ServiceMode, Task, TaskState};
use crate::waiting::{Waiting, has_waited, lacked_balancer, overlays_of, overlays_wanted};
use crate::waits::waiting_services;

/// The service lacks a virtual address.
pub(super) fn for_vip<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let service = case.service?;
    let snapshot = case.waiting.snapshot;
    let waits: Vec<_> =
        waiting_services(snapshot).into_iter().filter(|w| w.service == service.name).collect();
    if waits.is_empty() {
        return None;
    }
    let task = case.task.or_else(|| case.tasks().find(|t| t.state == TaskState::New && t.is_wanted()));
    if !case.waiting.waits(&service.name) {
        let summary = format!("service {} changed a moment ago; ask again in some seconds", service.name);
        return Some(Decision::new(Verdict::Unknown, summary, task));
    }
    let wanted = overlays_wanted(snapshot, service);
    let on: Vec<&Network> =
        wanted.iter().filter(|n| waits.iter().any(|w| w.network == n.id)).copied().collect();
    if on.is_empty() {
        let summary = format!("service {} names a network that is not in the Swarm's list", service.name);
        return Some(Decision::new(Verdict::Network, summary, task));
    }
    let subject = format!("service {}", service.name);
    let names = on.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" and ");
    let whole = if wanted.len() == 1 {
        format!(
            "it has no virtual address on {names}; tasks wait until their service has all of its addresses"
        )
    } else if on.len() == wanted.len() {
        "it has no virtual address on any of its networks: it is given all of them or none, so one network that refuses holds up the whole service".into()
    } else {
        format!(
            "an update added {names}, where it has no virtual address; until it has all of them the service as a whole waits"
        )
    };
    let mut links: Vec<Link> =
        task.map(|t| new_link(case, t, "its service is not allocated")).into_iter().collect();
    links.push(Link { subject, state: "no virtual address".into(), since: service.updated, fact: whole });
    let verdict = if 1 < wanted.len() { Verdict::VipPending } else { Verdict::Address };
    Some(blamed(case, task, &on, verdict, links))
}

/// A task lacks its address.
pub(super) fn for_address<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let mut lacks = case.waiting.lacks.iter();
    let lack = lacks.find(|l| case.is_about(l.task))?;
    let names = lack.on.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" nor on ");
    let links = vec![new_link(case, lack.task, &format!("it has no address on {names}"))];
    Some(blamed(case, Some(lack.task), &lack.on, Verdict::Address, links))
}

/// A node lacks its load balancer, so it rejects the task.
pub(super) fn for_balancer<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let snapshot = case.waiting.snapshot;
    let asked = case.task.filter(|t| lacked_balancer(t));
    let rejected = asked.or_else(|| case.waiting.without_balancer().find(|t| case.is_about(t)));
    let preparing = case.tasks().find(|t| {
        let slow = |n: &Network| {
            let patience = balancer_patience(n, case.waiting.owners(n));
            has_waited(snapshot, t.since, patience) == Some(true)
        };
        t.state == TaskState::Preparing && t.is_wanted() && full_ones(case.waiting, t).into_iter().any(slow)
    });
    let task = rejected.or(preparing)?;
    let full = full_ones(case.waiting, task);
    let on = if full.is_empty() { overlays_of(snapshot, task) } else { full };
    if on.is_empty() {
        return None;
    }
    let node = task.node.as_ref().map_or_else(|| "its node".to_owned(), |n| format!("node {n}"));
    let (state, fact) = if task.state == TaskState::Rejected {
        ("rejected", format!("{node} got no load-balancer address on one of the task's networks within 30 s"))
    } else {
        ("preparing", format!("{node} waits for a load-balancer address"))
    };
    let link = Link { subject: format!("task {}", task.id), state: state.into(), since: task.since, fact };
    Some(blamed(case, Some(task), &on, Verdict::Address, vec![link]))
}

fn full_ones<'a>(waiting: &Waiting<'a>, task: &Task) -> Vec<&'a Network> {
    let mut networks = overlays_of(waiting.snapshot, task);
    networks.retain(|n| {
        let full = waiting.full(n);
        full.is_some_and(|f| !matches!(f, FullBecause::BalancerMissing { .. }))
    });
    networks
}

/// Ends a chain at the network to blame.
fn blamed<'a>(
    case: &Case<'a>,
    task: Option<&'a Task>,
    on: &[&'a Network],
    verdict: Verdict,
    links: Vec<Link>,
) -> Decision<'a> {
    let who = case.name();
    let since = oldest_wait(case.waiting, on);
    let link = |n: &WaitedOn, state: &str, fact: String| Link {
        subject: format!("network {}", n.name),
        state: state.into(),
        since,
        fact,
    };
    match suspects(case.waiting, on) {
        Suspects::NotAllocated(network) => {
            let waited = waited_on(case.waiting, network, None);
            let name = &network.name;
            let fact = format!(
                "Swarm has given it no subnet: it overlaps another overlay, or the pool is used up; the manager's log tells which, under `Failed allocation for network {}`",
                network.id
            );
            let summary = format!("{who} waits for network {name}, which has no subnet");
            let mut decision = Decision::new(Verdict::Network, summary, task);
            decision.links = links;
            decision = decision.link(Link { since: None, ..link(&waited, "not allocated", fact) });
            Decision { network: Some(waited), ..decision }
        }
        Suspects::Full(waited) => {
            let summary = match verdict {
                Verdict::VipPending => {
                    format!("{who} waits as a whole: network {} has no address for its service", waited.name)
                }
                _ => format!("{who} waits for an address: network {} is full", waited.name),
            };
            let mut decision = Decision::new(verdict, summary, task);
            decision.links = links;
            decision = decision.link(link(&waited, "full", sum_fact(&waited)));
            Decision { network: Some(*waited), ..decision }
        }
        Suspects::OneOf(candidates) => {
            let names = candidates.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" or ");
            let summary = format!("{who} waits for an address: {names} is full, and lists do not tell which");
            let mut decision = Decision::new(verdict, summary, task);
            decision.links = links;
            decision
                .links
                .extend(candidates.iter().map(|n| link(n, "full, or another one is", perhaps_fact(n))));
            Decision { candidates, ..decision }
        }
        Suspects::HaveFree(candidates) => {
            let summary = format!(
                "{who} waits for an address although the allocator counts free ones now; it tries again when anybody gives an address back"
            );
            let mut decision = Decision::new(verdict, summary, task);
            decision.links = links;
            decision.links.extend(candidates.iter().map(|n| link(n, "has room now", sum_fact(n))));
            Decision { candidates, ..decision }
        }
    }
}

/// The sum of a network's addresses, in words.
fn sum_fact(n: &WaitedOn) -> String {
    let vips: u64 = n.holders.iter().map(|h| h.vips).sum();
    let tasks: u64 = n.holders.iter().map(|h| h.tasks).sum();
    let told = |number: Option<u64>| number.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let because = n.full_because.as_ref().map(|b| format!(": {b}")).unwrap_or_default();
    format!(
        "{} usable, {} owned ({vips} VIPs, {tasks} tasks, {} load balancers, {} standalone containers), {} leaked, {} free{because}",
        n.usable,
        n.owned,
        n.load_balancers,
        n.attachments,
        told(n.leaked),
        told(n.free)
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

/// Since when somebody has waited on one of these.
fn oldest_wait(waiting: &Waiting<'_>, on: &[&Network]) -> Option<Timestamp> {
    let here = |id| on.iter().any(|n| n.id == id);
    let tasks = waiting.lacks.iter().filter(|l| l.on.iter().any(|n| here(n.id.clone())));
    let tasks = tasks.filter_map(|l| l.task.since);
    let services = waiting.waits.iter().filter(|w| here(w.network.clone()));
    let services = services.filter_map(|w| waiting.snapshot.service_named(&w.service)?.updated);
    tasks.chain(services).min()
}

fn new_link(case: &Case<'_>, task: &Task, what: &str) -> Link {
    let wanted = case.service.is_some_and(|s| matches!(s.mode, ServiceMode::Job));
    let kind = if wanted { "the job" } else { "it" };
    Link {
        subject: format!("task {}", task.id),
        state: task.state.word().into(),
        since: task.since,
        fact: format!("{what}, so no node is given {kind}; the Swarm shows no error for that"),
    }
}

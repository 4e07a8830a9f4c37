//! What to do about a lack of addresses, cheapest first.

use super::answer::Verdict;
use super::case::{Case, Decision};
use super::remedy::RemedyKind;
use super::suspects::WaitedOn;
use super::update;
use crate::holders::shares;
use crate::losses::{freed, losing, names};

/// How many stacks and services are proposed for removal, at most.
const PROPOSED: usize = 3;
/// Managers that it takes to hand the leadership over: while the leader is demoted two must hold the Swarm's state.
pub const HAND_OVER_MANAGERS: usize = 3;

/// The steps that a decision asks for, in the order in which they are to be tried.
pub(crate) fn remedies(case: &Case<'_>, decision: &Decision<'_>) -> Vec<RemedyKind> {
    let mut steps = Vec::new();
    match decision.verdict {
        Verdict::Address | Verdict::VipPending => {
            steps.extend(end_update(case, decision));
            match &decision.network {
                Some(network) => steps.extend(free_addresses(case, network)),
                None => steps.extend(tell_apart(case, &decision.candidates)),
            }
            // A candidate is counted anyway.
            let counted = |lost: &RemedyKind| {
                let RemedyKind::CountLost { network: lost } = lost else { return false };
                steps
                    .iter()
                    .any(|s| matches!(s, RemedyKind::CountCandidate { network, .. } if network == lost))
            };
            let lost: Vec<RemedyKind> = count_lost(case).into_iter().filter(|l| !counted(l)).collect();
            steps.extend(lost);
            steps.extend(deploy_again(&steps));
        }
        Verdict::Network => {
            steps.extend(stop_losing(case));
            steps.extend(decision.remedies.iter().cloned());
            steps.extend(decision.network.iter().flat_map(|n| give_subnet(case, n)));
            steps.extend(count_lost(case));
        }
        Verdict::NotAddress | Verdict::Running | Verdict::Unknown => {
            steps.extend(decision.remedies.iter().cloned());
        }
    }
    steps
}

/// An update that hangs is ended first: it holds the addresses of two tasks per slot.
fn end_update(case: &Case<'_>, decision: &Decision<'_>) -> Vec<RemedyKind> {
    // A service that lacks its virtual address waits as a whole, whatever the order of its update is.
    let of_task = decision.verdict == Verdict::Address;
    case.service.filter(|_| of_task).map(|s| update::steps(s, false)).unwrap_or_default()
}

/// What was removed so that it does not wait is deployed again at the end.
fn deploy_again(steps: &[RemedyKind]) -> Option<RemedyKind> {
    steps.iter().find_map(|step| match step {
        RemedyKind::RemoveWaiting { service, stack, .. } => {
            Some(RemedyKind::DeployAgain { service: service.clone(), stack: stack.clone() })
        }
        _ => None,
    })
}

/// Before anything else: whatever frees an address makes the allocator try again, and each attempt costs one.
fn stop_losing(case: &Case<'_>) -> Option<RemedyKind> {
    let service = case.service?;
    let freed = freed(case.waiting, service);
    if !freed.is_empty() {
        let waits = case.waiting.waits_of(&service.name);
        return Some(RemedyKind::TakeUpdateBack {
            service: service.name.clone(),
            freed_on: names(&freed),
            added: waits.map(|w| w.network_name.clone().unwrap_or_else(|| w.network.to_string())).collect(),
        });
    }
    let losing = losing(case.waiting, service)?;
    let certain = !losing.on.is_empty();
    Some(RemedyKind::RemoveWaiting {
        service: service.name.clone(),
        stack: service.stack.clone(),
        on: names(if certain { &losing.on } else { &losing.perhaps }),
        certain,
    })
}

/// What the attempts so far have lost elsewhere: only a census shows it, and a census is refused while a service waits.
fn count_lost(case: &Case<'_>) -> Vec<RemedyKind> {
    let Some(losing) = case.service.and_then(|s| losing(case.waiting, s)) else { return Vec::new() };
    let networks = losing.on.iter().chain(&losing.perhaps);
    networks.map(|n| RemedyKind::CountLost { network: n.name.clone() }).collect()
}

/// From what costs nothing to what costs a new network.
fn free_addresses(case: &Case<'_>, network: &WaitedOn) -> Vec<RemedyKind> {
    let name = || network.name.clone();
    let mut steps = Vec::new();
    let stopping = network.stopping();
    if 0 < stopping {
        steps.push(RemedyKind::Wait { network: name(), stopping });
    }
    if network.free.is_some_and(|free| 0 < free) {
        steps.push(retry(case, network));
    }
    let stop_losing = stop_losing(case);
    // An update that freed an address in use does harm while it stands; everything else may wait for the reclaim, after
    // which the new leader serves what waits and has lost nothing (swarmkit `network.go`, `doNetworkInit`).
    let update = matches!(stop_losing, Some(RemedyKind::TakeUpdateBack { .. }));
    let (first, later) = if update { (stop_losing, None) } else { (None, stop_losing) };
    steps.splice(0..0, first);
    if let Some(leaked @ 1..) = network.leaked {
        steps.push(RemedyKind::Reclaim { network: name(), leaked, led_by: led_by(case) });
    }
    steps.extend(later);
    steps.extend(removals(case, network));
    steps.extend(down_nodes(case, network));
    steps.extend(enlarge(case, network));
    steps
}

/// The host name of the leader if it is the engine that was asked and there are managers enough to hand over.
fn led_by(case: &Case<'_>) -> Option<String> {
    let snapshot = case.waiting.snapshot;
    let managers = snapshot.nodes.iter().filter(|node| node.manager).count();
    let asked = snapshot.nodes.iter().find(|node| node.id == snapshot.engine.node)?;
    (asked.leader && HAND_OVER_MANAGERS <= managers).then(|| asked.hostname.clone())
}

/// The allocator does not try again by itself until an address is given back (swarmkit `network.go`, `procUnallocatedServices`).
fn retry(case: &Case<'_>, network: &WaitedOn) -> RemedyKind {
    RemedyKind::Retry { network: network.name.clone(), service: case.service.map(|s| s.name.clone()) }
}

/// The stacks and services that hold most, other than the waiting one's own.
fn removals(case: &Case<'_>, network: &WaitedOn) -> Vec<RemedyKind> {
    let mut held: Vec<(Option<&str>, &str, u64)> = Vec::new();
    let own_stack = case.service.and_then(|s| s.stack.as_deref());
    for holder in &network.holders {
        // Services that are gone already give their addresses back by themselves.
        let Some(service) = case.waiting.lookup.service_named(&holder.service) else { continue };
        let stack = service.stack.as_deref();
        if case.service.is_some_and(|s| s.name == service.name) || (stack.is_some() && stack == own_stack) {
            continue;
        }
        match held.iter_mut().find(|(known, ..)| stack.is_some() && *known == stack) {
            Some((.., sum)) => *sum += holder.total(),
            None => held.push((stack, &holder.service, holder.total())),
        }
    }
    // Stable, so that what holds the same stays in the order of the holders.
    held.sort_by_key(|(.., sum)| std::cmp::Reverse(*sum));
    let proposals = held.into_iter().take(PROPOSED).map(|(stack, service, addresses)| {
        let network = network.name.clone();
        match stack {
            Some(stack) => RemedyKind::RemoveStack { stack: stack.to_owned(), network, addresses },
            None => RemedyKind::RemoveService { service: service.to_owned(), network, addresses },
        }
    });
    proposals.collect()
}

fn down_nodes(case: &Case<'_>, network: &WaitedOn) -> Vec<RemedyKind> {
    let snapshot = case.waiting.snapshot;
    let Some(overlay) = snapshot.overlay(&network.name) else { return Vec::new() };
    let shares = shares(&case.waiting.lookup, case.waiting.owners(overlay));
    let down = shares.into_iter().filter(|s| s.down);
    down.map(|s| RemedyKind::RemoveNode {
        addresses: s.tasks + s.attachments + s.load_balancers,
        node: s.hostname.unwrap_or_else(|| s.node.to_string()),
        network: network.name.clone(),
    })
    .collect()
}

fn enlarge(case: &Case<'_>, network: &WaitedOn) -> Vec<RemedyKind> {
    let name = &network.name;
    // `ingress` cannot be replaced while a service publishes through it, so its users have to become fewer.
    if case.waiting.snapshot.overlay(name).is_some_and(|n| n.ingress) {
        return vec![RemedyKind::PublishInHostMode];
    }
    // Twice of what is owned, and at least a /24, which costs nothing.
    let wanted = network.owned.saturating_mul(2).max(250);
    let fits = |prefix: &u8| wanted <= (1_u64 << (32 - u32::from(*prefix))).saturating_sub(3);
    let prefix = (8..=24_u8).rev().find(fits).unwrap_or(8);
    vec![
        RemedyKind::ChooseLargerSubnet { network: name.clone(), owned: network.owned, prefix },
        RemedyKind::Recreate { network: name.clone() },
    ]
}

/// One snapshot does not show which of several networks is full. A probe does while the service waits; a census is refused
/// then, since what it gives back makes the allocator try again.
fn tell_apart(case: &Case<'_>, candidates: &[WaitedOn]) -> Vec<RemedyKind> {
    let names = || candidates.iter().map(|n| n.name.clone()).collect::<Vec<_>>();
    // By the allocator's count, or by a probe that was given an address.
    let has_free = |n: &&WaitedOn| {
        let overlay = case.waiting.snapshot.overlay(n.id.as_str());
        overlay.is_some_and(|overlay| case.waiting.has_free(overlay))
    };
    if let Some(network) = candidates.iter().find(has_free) {
        return vec![retry(case, network)];
    }
    let task = || case.task.map(|t| t.id.to_string());
    let subject = case.service.map(|s| s.name.clone()).or_else(task).unwrap_or_default();
    let mut steps = Vec::new();
    let stop_losing = stop_losing(case);
    let update = matches!(stop_losing, Some(RemedyKind::TakeUpdateBack { .. }));
    let (first, later) = if update { (stop_losing, None) } else { (None, stop_losing) };
    steps.extend(first);
    steps.push(RemedyKind::Probe { subject, networks: names() });
    steps.push(RemedyKind::ReclaimCandidates { networks: names(), led_by: led_by(case) });
    steps.extend(later);
    steps.extend(candidates.iter().map(|n| RemedyKind::CountCandidate {
        network: n.name.clone(),
        owned: n.owned,
        usable: n.usable,
    }));
    steps
}

fn give_subnet(case: &Case<'_>, network: &WaitedOn) -> Vec<RemedyKind> {
    let name = || network.name.clone();
    let mut steps = vec![RemedyKind::SeeLog, RemedyKind::ChooseSubnet { network: name() }];
    steps.extend(case.service.map(|service| RemedyKind::RecreateUnallocated {
        network: name(),
        service: service.name.clone(),
        stack: service.stack.clone(),
    }));
    steps
}

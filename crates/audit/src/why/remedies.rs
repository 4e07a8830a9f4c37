//! What to do about a want of addresses, cheapest first.

use super::answer::{Remedy, Verdict};
use super::case::{Case, Decision};
use crate::holders::shares;
use crate::losses::{freed, losing};
use crate::seen::{Network, Service};
use crate::why::suspects::WaitedOn;

/// The most holders whose removal is proposed.
const PROPOSED: usize = 3;

/// The mend of a decision.
pub(crate) fn remedies(case: &Case<'_>, decision: &Decision<'_>) -> Vec<Remedy> {
    let mut steps = Vec::new();
    match decision.verdict {
        Verdict::Address | Verdict::VipPending => {
            steps.extend(stop_losing(case));
            match &decision.network {
                Some(network) => {
                    steps.extend(make_room(case, network));
                    steps.extend(count_lost(case));
                }
                None => steps.extend(tell_apart(case, &decision.candidates)),
            }
        }
        Verdict::Network => {
            steps.extend(stop_losing(case));
            steps.extend(decision.network.iter().flat_map(|n| give_subnet(case, n)));
            steps.extend(count_lost(case));
        }
        _ => steps.extend(decision.remedies.iter().cloned()),
    }
    steps
}

fn step(what: impl Into<String>, command: impl Into<String>) -> Remedy {
    Remedy { what: what.into(), command: Some(command.into()) }
}

/// Before anything else: whatever frees an address makes the allocator try again, and each attempt costs.
fn stop_losing(case: &Case<'_>) -> Option<Remedy> {
    let service = case.service?;
    let freed = freed(case.waiting, service);
    if !freed.is_empty() {
        let networks = freed.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" and ");
        let added: Vec<String> = case
            .waiting
            .waits
            .iter()
            .filter(|w| w.service == service.name)
            .map(|w| w.network_name.clone().unwrap_or_else(|| w.network.to_string()))
            .collect();
        let flags: String = added.iter().map(|n| format!("--network-rm {n} ")).collect();
        return Some(step(
            format!(
                "first take the update back: it freed the virtual address on {networks} that the service still uses"
            ),
            format!("docker service update {flags}{}", service.name),
        ));
    }
    let losing = losing(case.waiting, service)?;
    let (networks, may) =
        if losing.on.is_empty() { (losing.perhaps, "may lose") } else { (losing.on, "loses") };
    let networks = networks.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" and ");
    Some(step(
        format!(
            "first remove {}, and deploy it again at the end: each attempt to serve it {may} an address on {networks}",
            service.name
        ),
        removal(service),
    ))
}

/// What the attempts so far have lost elsewhere: only a census knows, and only once nobody waits any more.
fn count_lost(case: &Case<'_>) -> Vec<Remedy> {
    let Some(losing) = case.service.and_then(|s| losing(case.waiting, s)) else { return Vec::new() };
    let networks = losing.on.iter().chain(&losing.perhaps);
    networks
        .map(|n| {
            let what = format!("once nobody waits: count what the attempts have lost on {}", n.name);
            step(what, format!("pvcheck census {}", n.name))
        })
        .collect()
}

fn removal(service: &Service) -> String {
    match &service.stack {
        Some(stack) => format!("pvcheck stack rm {stack} --apply"),
        None => format!("docker service rm {}", service.name),
    }
}

fn make_room(case: &Case<'_>, network: &WaitedOn) -> Vec<Remedy> {
    let name = &network.name;
    let mut steps = Vec::new();
    let stopping = network.stopping();
    if 0 < stopping {
        let what = format!(
            "wait: {stopping} of the tasks that hold an address of {name} are stopping, and give it back by themselves"
        );
        steps.push(Remedy { what, command: None });
    }
    if network.free.is_some_and(|free| 0 < free) {
        steps.push(retry(case, name));
    }
    steps.extend(removals(case, network));
    if let Some(leaked @ 1..) = network.leaked {
        steps.push(step(
            format!("take back the {leaked} leaked addresses of {name}; nothing is restarted where there are managers enough"),
            "pvcheck reclaim --apply",
        ));
    }
    steps.extend(down_nodes(case, name));
    steps.extend(enlarge(case, network));
    steps
}

fn retry(case: &Case<'_>, network: &str) -> Remedy {
    let service = case.service.map_or("SERVICE", |s| s.name.as_str());
    step(
        format!("{network} has room now: let the allocator try again"),
        format!("docker service update --force {service}"),
    )
}

/// The stacks and services that hold most, other than the waiting one's own.
fn removals(case: &Case<'_>, network: &WaitedOn) -> Vec<Remedy> {
    let mut held: Vec<(Option<&str>, &str, u64)> = Vec::new();
    let own_stack = case.service.and_then(|s| s.stack.as_deref());
    for holder in &network.holders {
        // Those that are gone already give their addresses back by themselves.
        let Some(service) = case.waiting.snapshot.service_named(&holder.service) else { continue };
        let stack = service.stack.as_deref();
        if case.service.is_some_and(|s| s.name == service.name) || (stack.is_some() && stack == own_stack) {
            continue;
        }
        match held.iter_mut().find(|(known, ..)| stack.is_some() && *known == stack) {
            Some((.., sum)) => *sum += holder.total(),
            None => held.push((stack, &holder.service, holder.total())),
        }
    }
    held.sort_by_key(|(.., sum)| std::cmp::Reverse(*sum));
    let proposals = held.iter().take(PROPOSED).map(|(stack, service, sum)| {
        let (what, command) = match stack {
            Some(stack) => (format!("stack {stack}"), format!("pvcheck stack rm {stack} --apply")),
            None => (format!("service {service}"), format!("docker service rm {service}")),
        };
        step(
            format!("if {what} is not needed: its removal gives back {sum} addresses of {}", network.name),
            command,
        )
    });
    proposals.collect()
}

fn down_nodes(case: &Case<'_>, network: &str) -> Vec<Remedy> {
    let snapshot = case.waiting.snapshot;
    let Some(network) = snapshot.overlay(network) else { return Vec::new() };
    let shares = shares(snapshot, case.waiting.owners(network));
    let down = shares.into_iter().filter(|s| s.down);
    down.map(|s| {
        let held = s.tasks + s.attachments + s.load_balancers;
        let host = s.hostname.unwrap_or_else(|| s.node.to_string());
        step(
            format!("if node {host}, which is down, does not come back: its removal gives back {held} addresses of {}", network.name),
            format!("docker node rm --force {host}"),
        )
    })
    .collect()
}

fn enlarge(case: &Case<'_>, network: &WaitedOn) -> Vec<Remedy> {
    let name = &network.name;
    let mesh = case.waiting.snapshot.overlay(name).is_some_and(|n: &Network| n.ingress);
    if mesh {
        let what = "if all of it is needed: publish in host mode what does not need the routing mesh, which costs two addresses of ingress and more per service";
        return vec![Remedy { what: what.into(), command: None }];
    }
    // Room for twice of what is there, at least a /24, which costs nothing.
    let wanted = network.owned.saturating_mul(2).max(250);
    let fits = |prefix: &u8| wanted <= (1_u64 << (32 - u32::from(*prefix))).saturating_sub(3);
    let prefix = (8..=24_u8).rev().find(fits).unwrap_or(8);
    vec![
        step(
            format!(
                "if all of it is needed, {name} is too small for its {} owners and those who wait: choose a larger subnet",
                network.owned
            ),
            format!("pvcheck plan-subnet --prefix {prefix} --name {name}"),
        ),
        Remedy {
            what: format!(
                "and make {name} anew with it: remove drained what is on it, then {name} itself; create it with that subnet, and deploy again"
            ),
            command: None,
        },
    ]
}

/// Nothing tells which of several is full.
fn tell_apart(case: &Case<'_>, candidates: &[WaitedOn]) -> Vec<Remedy> {
    if let Some(roomy) = candidates.iter().find(|n| n.free.is_some_and(|free| 0 < free)) {
        return vec![retry(case, &roomy.name)];
    }
    // A census is refused while a service waits, for it would make the allocator try again.
    let census = candidates.iter().map(|n| {
        step(
            format!("then count {}: {} of {} have an owner", n.name, n.owned, n.usable),
            format!("pvcheck census {}", n.name),
        )
    });
    census.collect()
}

fn give_subnet(case: &Case<'_>, network: &WaitedOn) -> Vec<Remedy> {
    let name = &network.name;
    let mut steps = vec![
        step(
            "see in the leading manager's log why it has no subnet",
            "pvcheck journal scan --since-engine-start",
        ),
        step("choose a subnet that collides with nothing", format!("pvcheck plan-subnet --name {name}")),
    ];
    if let Some(service) = case.service {
        steps.push(step(
            format!(
                "remove what is on {name}, and {name} itself; create it with that subnet, and deploy again"
            ),
            format!("{} && docker network rm {name}", removal(service)),
        ));
    }
    steps
}

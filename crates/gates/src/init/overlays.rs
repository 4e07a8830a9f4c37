//! The overlays of a Swarm as those of a configuration.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use pvcheck_audit::{Network, Service, Snapshot, owners};

use super::page::{Page, Table, inline};
use crate::fault::many;

/// What `min_free` is where the configuration does not say it.
const MIN_FREE: u64 = 16;

/// The overlays that can be checked, in the order of the page: those that belong to no stack first, as the one that stacks
/// share, then those with more services.
pub(super) fn checkable(snapshot: &Snapshot) -> Vec<&Network> {
    let mut names = BTreeSet::new();
    let mut found: Vec<&Network> = live(snapshot).filter(|n| !n.ingress && obstacle(n).is_none()).collect();
    found.sort_by_key(|n| (n.stack.is_some(), Reverse(services_on(snapshot, n)), n.name.clone()));
    // Of two with one name a configuration can mean the first only.
    found.retain(|network| !network.name.is_empty() && names.insert(network.name.as_str()));
    found
}

fn live(snapshot: &Snapshot) -> impl Iterator<Item = &Network> {
    snapshot.overlays().into_iter().filter(|network| network.run.is_none())
}

/// Why the addresses of a network cannot be checked; `None` if they can.
fn obstacle(network: &Network) -> Option<&'static str> {
    match network.pools.len() {
        _ if !network.ipv6_subnets.is_empty() => {
            Some("it has an IPv6 subnet, so that its addresses cannot be counted")
        }
        0 => Some("Swarm has given it no subnet yet"),
        1 => None,
        _ => Some("it has several subnets, and a configuration takes one"),
    }
}

fn services_on(snapshot: &Snapshot, network: &Network) -> u64 {
    let is_on = |service: &&Service| service.run.is_none() && service.networks.contains(&network.id);
    snapshot.services.iter().filter(is_on).count() as u64
}

/// Writes them. Returns how many count, and how many do not.
pub(super) fn write(page: &mut Page, snapshot: &Snapshot) -> (u64, u64) {
    page.heading(
        "Overlays",
        "Each with the subnet that it has now: compare it with what the host's configuration declares. Gate pvcheck.m2 deploys\n\
         on the first one, so the overlay that stacks share goes first. `min_free` is how many addresses must be free.",
    );
    let checkable = checkable(snapshot);
    for network in &checkable {
        page.table(table(snapshot, network));
    }
    let is_listed = |network: &Network| checkable.iter().any(|other| other.id == network.id);
    let mut left_out = 0;
    // `ingress` last: canary and churn cannot be deployed on it.
    let (mesh, others): (Vec<_>, Vec<_>) = live(snapshot).filter(|n| !is_listed(n)).partition(|n| n.ingress);
    for network in others.into_iter().chain(mesh) {
        let because = match obstacle(network) {
            Some(why) => format!("Left out: {why}."),
            None if network.ingress => "Left out: the routing mesh's own network, whose addresses are taken by services that publish ports. Take\n\
                 the `#` away to have it checked too."
                .to_owned(),
            None => "Left out: another overlay has this name, or it has none.".to_owned(),
        };
        page.table_off(&because, table(snapshot, network));
        left_out += 1;
    }
    (checkable.len() as u64, left_out)
}

fn table(snapshot: &Snapshot, network: &Network) -> Table {
    let (usable, owned) = (network.usable(), owners(snapshot, network).total());
    let on = many(services_on(snapshot, network), "service");
    let of = network.stack.as_ref().map_or_else(String::new, |stack| format!(", of stack {}", inline(stack)));
    let table = Table::new("[[overlay]]")
        .about(format!("{usable} usable addresses, {owned} of them owned; {on} on it{of}."));
    let subnets = network.subnets();
    let subnet = subnets.first().map_or_else(|| "10.10.0.0/16".to_owned(), ToString::to_string);
    let table = table.field("name", network.name.as_str()).field("subnet", subnet);
    let free = usable.saturating_sub(owned);
    if MIN_FREE <= free {
        return table.field_off("min_free", MIN_FREE.cast_signed());
    }
    // As many as by default are not free now: a gate would fail from the beginning. Never 0, which a full overlay would pass.
    table
        .about(format!("Only {free} are not owned now, fewer than the usual {MIN_FREE}: is it large enough?"))
        .field("min_free", (free / 2).max(1).cast_signed())
}
